"""Development splits of the whole alphabet, by writers and in type that training does not see.

`wide-letters` are single lines in which every symbol of the alphabet occurs, as people write them:
nobody can tell O from 0 without what stands around it. `hands` are such lines in people's writing
alone: that of UNIPEN's writers and the drawings of Detexify that are held out. `wide-structures`
have matrices, lines under one another, accents and the like. `small-marks` are short formulas in
which a comma, a point, a prime, a colon, a minus sign or `|` decides what is meant. Captions are
those that `scripts/prepare_captions.py` held out; they are written by the held-out fonts of
`scripts/prepare_fonts.py` and with the symbols of CROHME's development ink. `print` are the
pictures of typeset formulas that `scripts/prepare_print.py` drew of them, in held-out faces and by
another typesetter. The same files give the same splits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image

from inktex.data.captions import load_captions
from inktex.data.examples import Example, PictureExample, from_expression
from inktex.data.fonts import FontGlyph, load_glyphs
from inktex.data.hands import load_hands
from inktex.data.print import load_pictures
from inktex.ink.render import MARGIN_AFTER, MARGIN_BEFORE, STROKE_WIDTH, render
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.synthesis.captions import RecombinationConfig, Recombiner
from inktex.synthesis.layout import PRINTED, lay_out
from inktex.synthesis.rare import INKED, with_token
from inktex.synthesis.small_marks import SMALL_MARKS, draw_small_marks
from inktex.synthesis.writers import Writers, collect
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import IDS, MATRIX_BEGIN, STRUCTURAL_TOKENS

from .samples import Sample

__all__ = [
    "PRINT_SPLIT", "WIDE_SPLITS", "WideSplit", "print_samples", "print_split", "wide_samples",
    "wide_split",
]  # fmt: skip

WideSplit = Literal["wide-letters", "hands", "wide-structures", "small-marks"]
WIDE_SPLITS: Final[tuple[WideSplit, ...]] = (
    "wide-letters", "hands", "wide-structures", "small-marks",
)  # fmt: skip
PRINT_SPLIT: Final = "print"
_CAPTIONS, _GLYPHS, _PRINT = "captions", "glyphs.npz", "print.npz"
"""Names that the scripts give to captions, fonts and print, beside the folder of CROHME."""
_HANDS: Final = ("detexify", "unipen")
"""Names of files of people's glyphs, which `scripts/prepare_*.py` of these names write there."""
_PICTURES: Final = {"wide-letters": 2400, "hands": 1200, "wide-structures": 600, "small-marks": 600}
"""Pictures for evaluation; the recall of each symbol takes several of each."""
_SEEDS: Final = {"wide-letters": 101, "hands": 404, "wide-structures": 202, "small-marks": 303}
_LONGEST: Final = 60
_SHORT: Final = 12
_STRUCTURES: Final = tuple(
    r"\hat \bar \vec \tilde \dot \ddot \overline \underline \overbrace \underbrace \binom \overset "
    r"\underset \xrightarrow \xleftarrow \mathbb \text".split()
)


def wide_samples(split: WideSplit, development: Sequence[Example], folder: Path) -> list[Sample]:
    """The pictures of a wide development split, as evaluation reads them.

    Args:
        split: which one.
        development: CROHME's development ink.
        folder: that holds captions and glyphs, under the names that their scripts give them.

    Raises:
        FileNotFoundError, ValueError: as `wide_split`.
    """
    captions, fonts = str(folder / _CAPTIONS), str(folder / _GLYPHS)
    hands = [str(folder / f"{name}.npz") for name in _HANDS]
    examples = wide_split(split, development, captions, fonts, _PICTURES[split], hands)
    return [
        Sample(one.id, Image.fromarray(render(one.traces())), " ".join(one.caption), split)
        for one in examples
    ]


def print_samples(folder: Path) -> list[Sample]:
    """The pictures of the split `print`, as somebody would give them.

    Args:
        folder: that holds the typeset formulas, under the name that their script gives them.

    Raises:
        FileNotFoundError: if there are none.
        ValueError: if the file is none of that script.
    """
    return [
        Sample(
            f"{PRINT_SPLIT}:{number}", Image.fromarray(one.picture), " ".join(one.tokens), one.face
        )
        for number, one in enumerate(load_pictures(folder / _PRINT))
    ]


def wide_split(
    split: WideSplit,
    development: Sequence[Example],
    captions: str,
    fonts: str,
    count: int = 600,
    hands: Sequence[str] = (),
) -> list[Example]:
    """The examples of a wide development split.

    Args:
        split: which one.
        development: CROHME's development ink.
        captions: folder of `scripts/prepare_captions.py`.
        fonts: file of `scripts/prepare_fonts.py`.
        count: how many; a smaller number gives the first ones of a larger.
        hands: files of people's glyphs, for the split `hands`.

    Raises:
        FileNotFoundError: if captions or fonts are missing.
        ValueError: if no font or nobody's hand is held out.
    """
    writers = _people(development, hands) if split == "hands" else _writers(development, fonts)
    known = set(writers.tokens())
    held_out = load_captions(captions, "dev")
    draw = _DRAWN[split](held_out, known)
    rng = np.random.default_rng(_SEEDS[split])
    found: list[Example] = []
    while len(found) < count:
        tokens = draw(len(found), rng)
        name = f"{split}:{len(found)}"
        writer = writers.draw_writer(rng)
        try:
            ink = lay_out(tokens, writer.draw, name, split, writer.habit)
        except KeyError:  # nobody left a glyph of a token
            continue
        if len(tokens) <= _LONGEST:
            found.append(from_expression(ink))
    return found


class _Lines:
    """Known captions of one line, each symbol of the alphabet in turn in one of them.

    A symbol that none of them has is put into any one.
    """

    def __init__(self, captions: Iterable[Sequence[str]], known: set[str]) -> None:
        allowed = known | STRUCTURAL_TOKENS
        self.captions = [
            caption
            for caption in captions
            if len(caption) <= _LONGEST and MATRIX_BEGIN not in caption and allowed >= {*caption}
        ]
        self.wanted = [token for token in INKED if token in known]
        self.holding: dict[str, list[int]] = {token: [] for token in self.wanted}
        for number, caption in enumerate(self.captions):
            for token in {*caption} & self.holding.keys():
                self.holding[token].append(number)

    def __call__(self, number: int, rng: np.random.Generator) -> list[str]:
        wanted = self.wanted[number % len(self.wanted)]
        holding = self.holding[wanted]
        if holding:
            return [*self.captions[holding[int(rng.integers(len(holding)))]]]
        caption = self.captions[int(rng.integers(len(self.captions)))]
        return normalize(" ".join(with_token(caption, wanted, rng)))


class _Structures:
    """Recombined captions with lines and matrices, and each structure in turn in half of them."""

    def __init__(self, captions: Iterable[Sequence[str]], known: set[str]) -> None:
        config = RecombinationConfig(
            row=0.1, item=0.05, symbol=0.05, join=0.2, verbatim=0.6, longest=_LONGEST,
            lines=0.35, matrices=0.35,
        )  # fmt: skip
        self.captions = Recombiner(captions, config, known=known, whole=True)

    def __call__(self, number: int, rng: np.random.Generator) -> list[str]:
        tokens = self.captions.draw(rng)
        if rng.random() < 0.5:
            wanted = _STRUCTURES[number % len(_STRUCTURES)]
            tokens = normalize(" ".join(with_token(tokens, wanted, rng)))
        return tokens


class _SmallMarks:
    """Half of them short captions that have such a mark, half made up."""

    def __init__(self, captions: Iterable[Sequence[str]], known: set[str]) -> None:
        allowed = known | STRUCTURAL_TOKENS
        self.captions = [
            caption
            for caption in captions
            if len(caption) <= _SHORT and SMALL_MARKS & {*caption} and allowed >= {*caption}
        ]

    def __call__(self, number: int, rng: np.random.Generator) -> list[str]:
        if number % 2:
            return draw_small_marks(rng)
        return [*self.captions[int(rng.integers(len(self.captions)))]]


_Draw = Callable[[int, np.random.Generator], list[str]]
_DRAWN: Final[dict[WideSplit, Callable[[Iterable[Sequence[str]], set[str]], _Draw]]] = {
    "wide-letters": _Lines,
    "hands": _Lines,
    "wide-structures": _Structures,
    "small-marks": _SmallMarks,
}


def print_split(
    printed: str, processor: InktexImageProcessor, count: int = 300
) -> list[PictureExample]:
    """The examples of the split `print`: grey pictures of several sizes, by the image processor.

    A picture in which it finds no formula stays in the split, as an empty one.

    Args:
        printed: file of `scripts/prepare_print.py`.
        processor: of `inktex.training.custom_data.published_processor`.
        count: how many, at most; they are taken evenly from all.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if it is no such file, or has no pictures.
    """
    given = load_pictures(printed)
    if not given:
        raise ValueError(f"{printed} has no pictures for evaluation: make it anew with some.")
    count = min(count, len(given))
    found = []
    for number in np.linspace(0, len(given), count, endpoint=False).astype(int).tolist():
        one = given[number]
        try:
            picture = processor.draw(one.picture)
        except ValueError:
            side = STROKE_WIDTH + MARGIN_BEFORE + MARGIN_AFTER
            picture = np.zeros((side, side), dtype=np.uint8)
        tokens = np.array([IDS[token] for token in one.tokens], dtype=np.int64)
        found.append(PictureExample(f"{PRINT_SPLIT}:{number} {one.face}", picture, tokens))
    return found


def _writers(development: Iterable[Example], fonts: str) -> Writers:
    held_out = [glyph for glyph in load_glyphs(fonts) if glyph.held_out]
    if not held_out:
        raise ValueError(
            f"No font of {fonts} is held out: there is nobody to write for development."
        )
    return _with_glyphs(development, held_out, derived=0.2)


def _people(development: Iterable[Example], hands: Sequence[str]) -> Writers:
    held_out = [glyph for file in hands for glyph in load_hands(file, held_out=True)]
    if not held_out:
        raise ValueError(
            f"Nobody's hand is held out in {', '.join(hands) or 'no file'}: there is nobody to "
            "write for development."
        )
    return _with_glyphs(development, held_out, derived=0.0)


def _with_glyphs(
    development: Iterable[Example], glyphs: Iterable[FontGlyph], derived: float
) -> Writers:
    writers = collect(development, PRINTED.__getitem__)
    writers.add_fonts(glyphs)
    writers.derived = derived
    return writers
