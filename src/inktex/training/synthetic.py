"""Synthetic training examples: new captions written with glyphs of ink and fonts, and print."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inktex.data.examples import Example, from_expression
from inktex.data.printed import PrintExample
from inktex.synthesis.captions import RecombinationConfig, Recombiner
from inktex.synthesis.layout import PRINTED, lay_out
from inktex.synthesis.nothing import draw_nothing
from inktex.synthesis.shape_interpolation import ShapeInterpolation
from inktex.synthesis.writers import collect

if TYPE_CHECKING:
    from inktex.data.fonts import FontGlyph

_PROCESSED_PRINT = 0.6
"""Share of the typeset formulas that pass through the image processor."""
_PRINT_SIZES = (0.45, 1.25)
"""As shares of the published scale: from text of 12 points on a screen to a scale above which the
image processor reduces print to what it is at the published scale."""


@dataclass(frozen=True, slots=True)
class SynthesisConfig(RecombinationConfig):
    """How much synthetic ink there is in an epoch, and what is written.

    Attributes:
        share: of the examples of an epoch that are synthetic.
        shape_interpolation: share of the symbols, in real and synthetic ink, whose shape is
            interpolated with that of the same symbol by another writer, of `hands` too.
        wide: share of the synthetic examples whose captions come from `captions`, recombined with
            `verbatim`, `rare`, `lines`, `matrices`, `small_marks`, `arithmetic` and `single`; the
            others recombine the training ink's.
        captions: folder of `scripts/prepare_captions.py`.
        fonts: file of `scripts/prepare_fonts.py`, whose fonts are further writers; None for none.
        hands: files of further people's glyphs, of `scripts/prepare_detexify.py` and
            `scripts/prepare_unipen.py`.
        derived: share of the symbols that are built from a writer's other glyphs where the writer
            left no glyph of them, but others did.
        print: file of `scripts/prepare_print.py` with typeset formulas; None for none.
        print_share: share of all examples of an epoch that are typeset. They replace synthetic ink,
            so it must not be above `share`.
        nothing_share: share of all examples of an epoch that show no formula, likewise.
    """

    share: float = 0.0
    shape_interpolation: float = 0.0
    wide: float = 0.0
    captions: str = "data/captions"
    fonts: str | None = None
    hands: tuple[str, ...] = ()
    derived: float = 0.5
    print: str | None = None
    print_share: float = 0.0
    nothing_share: float = 0.0


class SyntheticInk:
    """Source of new examples, written with the glyphs and habits of writers and fonts.

    Args:
        examples: the training ink, and no other, or development scores would be too high.
        config: what is written.

    Raises:
        FileNotFoundError: if captions, fonts or print are not where the configuration says.
        ValueError: if there is to be more print and nothing than synthetic examples.
    """

    def __init__(self, examples: Sequence[Example], config: SynthesisConfig) -> None:
        self.writers = collect(examples, PRINTED.__getitem__)
        self.writers.derived = config.derived
        own = self.writers.glyph_tokens()
        if config.fonts is not None:
            from inktex.data.fonts import load_glyphs

            self.writers.add_fonts(one for one in load_glyphs(config.fonts) if not one.held_out)
        people: list[FontGlyph] = []
        if config.hands:
            from inktex.data.hands import load_hands

            people = [one for file in config.hands for one in load_hands(file, held_out=False)]
            self.writers.add_fonts(people)
        captions = [example.caption for example in examples]
        known = replace(
            config, verbatim=0, rare=0, lines=0, matrices=0, small_marks=0, arithmetic=0, single=0
        )
        self.captions = Recombiner(captions, known, known=own)
        self.wide_share, self.wide_captions = config.wide, self.captions
        if config.wide:
            from inktex.data.captions import load_captions

            self.wide_captions = Recombiner(
                load_captions(config.captions), config, known=self.writers.tokens(), whole=True
            )
        share = config.shape_interpolation
        shapes = ((one.token, one.strokes) for one in people)
        self.interpolation = ShapeInterpolation(examples, share, shapes) if share else None

        if config.print_share + config.nothing_share > config.share:
            raise ValueError(
                "synthesis.print_share and synthesis.nothing_share together must not be above "
                "synthesis.share."
            )
        self.nothing_share = config.nothing_share / config.share if config.share else 0.0
        self.printed: Sequence[PrintExample] | None = None
        self.print_share = 0.0
        if config.print is not None and config.print_share:
            from inktex.data.print import PrintedFormulas

            self.printed = PrintedFormulas(config.print)
            self.print_share = config.print_share / config.share

    def draw(self, rng: np.random.Generator, name: str = "synthetic") -> Example | PrintExample:
        """A new example; the same random numbers give the same one."""
        # No number is drawn for what a recipe does not have: such recipes stay repeatable.
        if self.printed is not None and rng.random() < self.print_share:
            example = self.printed[int(rng.integers(len(self.printed)))]
            return replace(example, id=name, given=draw_print_size(rng))
        if self.nothing_share and rng.random() < self.nothing_share / (1 - self.print_share):
            return self.draw_without_formula(rng, name)
        return self.write(rng, name)

    def write(self, rng: np.random.Generator, name: str = "synthetic") -> Example:
        """A new example in ink; the same random numbers give the same one."""
        is_wide = self.wide_share > 0 and rng.random() < self.wide_share
        while True:
            tokens = (self.wide_captions if is_wide else self.captions).draw(rng)
            writer = self.writers.draw_writer(rng)
            try:
                ink = lay_out(tokens, writer.draw, name, "synthetic", writer.habit)
            except KeyError:  # there is no glyph of a token: draw another caption
                continue
            return from_expression(ink)

    def draw_without_formula(self, rng: np.random.Generator, name: str = "nothing") -> Example:
        """A new example that shows no formula; the same random numbers give the same one."""
        while True:
            try:
                return draw_nothing(self.writers.draw_writer(rng).draw, rng, name)
            except KeyError:  # there is no glyph of a letter: draw something else
                continue

    def interpolate(self, example: Example, rng: np.random.Generator) -> Example:
        """The example with the shapes of some symbols interpolated with those of other writers."""
        return example if self.interpolation is None else self.interpolation(example, rng)


def draw_print_size(rng: np.random.Generator) -> float | None:
    """Size at which a typeset formula is given to the image processor; None to draw it without."""
    if rng.random() >= _PROCESSED_PRINT:
        return None
    low, high = np.log(_PRINT_SIZES)
    return float(np.exp(rng.uniform(low, high)))


def synthetic_ink(examples: Sequence[Example], config: SynthesisConfig) -> SyntheticInk | None:
    """The source that a configuration describes; None if it asks for no synthesis."""
    wanted = config.share or config.shape_interpolation
    return SyntheticInk(examples, config) if wanted else None
