"""What the glyphs of people who wrote single symbols have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .fonts.glyphs import FontGlyph, load_glyphs

Strokes = tuple[NDArray[np.float32], ...]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""

_SIZED_LIKE: Final[Mapping[str, str]] = {
    **{rf"\mathbb{{{letter}}}": letter for letter in ascii_uppercase},
    **{r"\lceil": "[", r"\lfloor": "[", r"\rceil": "]", r"\rfloor": "]"},
}
"""Symbols of other ones' size, where no font has them."""
_ARROWS: Final = frozenset(
    (
        r"\leftarrow \leftrightarrow \Leftarrow \Leftrightarrow \mapsto \hookrightarrow "
        r"\rightleftharpoons"
    ).split()
)
"""Symbols of the size of `\\rightarrow`: fonts squeeze them into the width of a letter."""
_APART: Final = 0.02
"""Ems between neighbouring points, at least: pens and mice give many more than shapes need."""
_WIDTH, _X_HEIGHT = 0.1, 0.65
"""Ems; what fonts have on average."""


def load_hands(file: str, held_out: bool) -> list[FontGlyph]:
    """The glyphs of a file of people's hands.

    Args:
        file: named as its script, `scripts/prepare_unipen.py` writes `unipen.npz`.
        held_out: whether those of the writers that are kept for evaluation, or of the others.

    Raises:
        FileNotFoundError, ValueError: as `load_glyphs`.
    """
    glyphs = load_glyphs(file, f"scripts/prepare_{Path(file).stem}.py")
    return [glyph for glyph in glyphs if glyph.held_out == held_out]


def hand_glyph(writer: str, token: str, strokes: Strokes) -> FontGlyph:
    """A glyph as of a font whose capitals are an em high.

    Args:
        strokes: in such ems, in place.
    """
    advance = max(float(np.concatenate(strokes)[:, 0].max()), 0.0)
    return FontGlyph(writer, token, token[-1], strokes, advance, _WIDTH, _X_HEIGHT, 1.0, 1.0)


def boxes_of(references: Iterable[FontGlyph]) -> dict[str, list[Box]]:
    """Boxes of the fonts' glyphs of each token, in heights of a capital."""
    boxes: dict[str, list[Box]] = {}
    for glyph in references:
        if not glyph.held_out:
            left, top, right, bottom = (side / glyph.cap_height for side in glyph.box)
            boxes.setdefault(glyph.token, []).append((left, top, right, bottom))
    for token, like in _SIZED_LIKE.items():
        if like in boxes:
            boxes.setdefault(token, boxes[like])
    if r"\rightarrow" in boxes:
        boxes |= dict.fromkeys(_ARROWS, boxes[r"\rightarrow"])
    return boxes


def thinned(stroke: NDArray[np.float32]) -> NDArray[np.float32]:
    """A stroke without points that lie close to the one before; two points at least."""
    kept = [stroke[0]]
    for point in stroke[1:-1]:
        if np.hypot(*(point - kept[-1])) >= _APART:
            kept.append(point)
    end = stroke[-1] if np.hypot(*(stroke[-1] - kept[-1])) > 0 else stroke[-1] + _APART
    return np.array([*kept, end], dtype=np.float32)
