"""Synthetic training examples: new captions, in the hands of training ink and of fonts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inktex.examples import Example, from_expression
from inktex.synthesis.captions import RecombinationConfig, Recombiner
from inktex.synthesis.hands import collect
from inktex.synthesis.layout import PRINTED, lay_out
from inktex.synthesis.morphing import Morphing


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
    """

    share: float = 0.0
    morphing: float = 0.0
    wide: float = 0.0
    captions: str = "data/captions"
    fonts: str | None = None
    derived: float = 0.5


class SyntheticInk:
    """Writes new examples in the hands of the training ink.

    Args:
        examples: the training ink; no other may be given, or scores would flatter.
        config: what is written.

    Raises:
        FileNotFoundError: if captions or fonts are not where the configuration says.
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

    def draw(self, rng: np.random.Generator, name: str = "synthetic") -> Example:
        """A new example; the same random numbers give the same one."""
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
