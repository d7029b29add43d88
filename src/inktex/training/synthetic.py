"""Synthetic training examples: new captions by the writers of training ink and fonts, and print."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inktex.data.examples import Example, from_expression
from inktex.printed import PrintExample
from inktex.synthesis.captions import RecombinationConfig, Recombiner
from inktex.synthesis.hands import collect
from inktex.synthesis.layout import PRINTED, lay_out
from inktex.synthesis.morphing import Morphing

from .print_pictures import draw_given_size


@dataclass(frozen=True, slots=True)
class SynthesisConfig(RecombinationConfig):
    """How much synthetic ink there is in an epoch, and what is written.

    Attributes:
        share: of the examples of an epoch that are synthetic.
        morphing: share of the symbols, in real and synthetic ink, that are moved towards another
            hand's.
        wide: share of the synthetic examples whose captions come from `captions`, recombined with
            `verbatim`, `rare`, `lines` and `matrices`; the others recombine the training ink's.
        captions: folder of `scripts/prepare_captions.py`.
        fonts: file of `scripts/prepare_fonts.py`, whose fonts are further writers; None for none.
        derived: of the symbols that a writer left no glyph of, and others did, the share that is
            built from what he left.
        print: file of `scripts/prepare_print.py` with typeset formulas; None for none.
        print_share: of all examples of an epoch that are typeset; they take the place of synthetic
            ink, of which there is so much less.
    """

    share: float = 0.0
    morphing: float = 0.0
    wide: float = 0.0
    captions: str = "data/captions"
    fonts: str | None = None
    derived: float = 0.5
    print: str | None = None
    print_share: float = 0.0


class SyntheticInk:
    """Writes new examples in the hands of the training ink.

    Args:
        examples: the training ink; no other may be given, or scores would flatter.
        config: what is written.

    Raises:
        FileNotFoundError: if captions, fonts or print are not where the configuration says.
        ValueError: if there is to be more print than synthetic examples.
    """

    def __init__(self, examples: Sequence[Example], config: SynthesisConfig) -> None:
        self.hands = collect(examples, PRINTED.__getitem__)
        self.hands.derived = config.derived
        own = self.hands.left()
        if config.fonts is not None:
            from inktex.data.fonts import load_glyphs

            self.hands.add_fonts(one for one in load_glyphs(config.fonts) if not one.held_out)
        captions = [example.caption for example in examples]
        known = replace(config, verbatim=0.0, rare=0.0, lines=0.0, matrices=0.0)
        self.captions = Recombiner(captions, known, known=own)
        self.wide_share, self.wide_captions = config.wide, self.captions
        if config.wide:
            from inktex.data.captions import load_captions

            self.wide_captions = Recombiner(
                load_captions(config.captions), config, known=self.hands.tokens(), whole=True
            )
        self.morphing = Morphing(examples, config.morphing) if config.morphing else None

        self.printed: Sequence[PrintExample] | None = None
        self.print_share = 0.0
        if config.print is not None and config.print_share and config.share:
            from inktex.data.print import PrintedFormulas

            if config.print_share > config.share:
                raise ValueError("synthesis.print_share must not be above synthesis.share.")
            self.printed = PrintedFormulas(config.print)
            self.print_share = config.print_share / config.share

    def draw(self, rng: np.random.Generator, name: str = "synthetic") -> Example | PrintExample:
        """A new example; the same random numbers give the same one."""
        # Nothing is drawn from `rng` without print, so that runs of before stay as they were.
        if self.printed is not None and rng.random() < self.print_share:
            example = self.printed[int(rng.integers(len(self.printed)))]
            return replace(example, id=name, given=draw_given_size(rng))
        return self.write(rng, name)

    def write(self, rng: np.random.Generator, name: str = "synthetic") -> Example:
        """A new example in ink; the same random numbers give the same one."""
        is_wide = self.wide_share > 0 and rng.random() < self.wide_share
        while True:
            tokens = (self.wide_captions if is_wide else self.captions).draw(rng)
            hand = self.hands.hand(rng)
            try:
                ink = lay_out(tokens, hand.draw, name, "synthetic", hand.habit)
            except KeyError:  # a token that nobody left a glyph of: another caption
                continue
            return from_expression(ink)

    def between_hands(self, example: Example, rng: np.random.Generator) -> Example:
        """The example with symbols moved towards other hands', as far as that is asked for."""
        return example if self.morphing is None else self.morphing(example, rng)


def synthetic_ink(examples: Sequence[Example], config: SynthesisConfig) -> SyntheticInk | None:
    """Who writes what is asked for; None if nothing is."""
    return SyntheticInk(examples, config) if config.share or config.morphing else None
