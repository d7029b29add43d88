"""What cannot be a handwritten formula, told from the ink alone, before anybody reads it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .pictures_inktex import NoFormulaError
from .strokes_inktex import run_lengths, squares_within

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

MOST_PARTS = 150
"""Pieces of connected ink; the expressions of CROHME's training ink have a third of that."""
MOST_FILLED = 0.6
"""Share of ink in the box around it, where that is larger than a few strokes."""
SLIMMEST = 2.0
"""Symbols' height over the pen's width; a thick felt pen has 3, a blot 1."""
BLOT = 2.5
"""Widths of the pen; in strokes lies no larger disc, but where a loop is filled."""
MOST_BLOTS = 0.35
"""Share of the ink in such discs; written with thick pens, CROHME's 2014 test ink has 0.25."""
MOST_DRAWN = 0.8
"""The same, and the share of ink in its box, of drawings by a wide pen to the pixel, which fill
what is small: of some of CROHME's training ink a pen of 9 pixels makes 0.76 of blots."""
MOST_STRAIGHT = 0.75
"""Share of the outline that goes straight along rows and columns of pixels."""
LEAST_SIDES = 16
"""Straight sides that are no accident: `-` and `=` have eight."""
SHORTEST_SIDE = 16
"""Pixels."""
SHORTEST_AXIS = 100
"""Pixels; no hand keeps to one row, then to one column, for so long."""


def refuse_what_is_no_writing(
    strokes: Mask, labels: Labels, width: float, height: float, is_drawn: bool = False
) -> None:
    """Refuse print, textures and photos of things.

    Args:
        strokes: `(h, w)`, cut to its ink.
        labels: `(h, w)`, the number of the component that each pixel is in, 0 for paper.
        width: of the pen, in pixels.
        height: of the symbols, in pixels, less the pen.
        is_drawn: whether a wide square pen drew all of it, to the pixel.

    Raises:
        NoFormulaError: saying what the ink looks like instead.
    """
    if (
        strokes.mean() > (MOST_DRAWN if is_drawn else MOST_FILLED)
        and min(strokes.shape) > 6 * width
    ):
        raise NoFormulaError(
            "No formula found: most of the picture is ink. Cut out the formula, or write it on "
            "paper of one colour."
        )
    areas = np.bincount(labels.ravel())[1:]
    parts = int((areas >= 0.36 * width**2).sum())
    if parts > MOST_PARTS:
        raise NoFormulaError(
            f"No formula found: {parts} separate marks are more than one formula has. A page of "
            "text, or a texture? Cut out the formula."
        )
    if parts > 1 and height < SLIMMEST * width:
        raise NoFormulaError(
            "No formula found: what stands out are blots, not strokes. Cut out the formula, or "
            "take the picture from nearer."
        )
    if _blots(strokes, width) > (MOST_DRAWN if is_drawn else MOST_BLOTS):
        raise NoFormulaError(
            "No formula found: what stands out are things of many widths, not strokes of a pen. "
            "Cut out the formula."
        )
    if _is_ruled_outline(strokes, width) or _has_axes(strokes):
        raise NoFormulaError(
            "No formula found: the lines are straight as no hand draws them. A chart, tiles or a "
            "barcode? Cut out the formula."
        )


def _blots(strokes: Mask, width: float) -> float:
    """Share of the ink that is in discs much wider than the pen."""
    diameter = max(BLOT * width, width + 3)  # narrow lines are wider by a pixel where they cross
    # Cheap, and all that most pictures need: the square in such a disc.
    if not squares_within(strokes, int(diameter / 2**0.5)).any():
        return 0.0
    depth = ndimage.distance_transform_edt(np.pad(strokes, 1))[1:-1, 1:-1]
    middles = 2 * depth > diameter
    if not middles.any():
        return 0.0
    near = ndimage.distance_transform_edt(~middles) <= diameter / 2
    return float((near & strokes).sum() / strokes.sum())


def _is_ruled_outline(strokes: Mask, width: float) -> bool:
    """Whether nearly all of the outline is long, straight sides, and there are many."""
    padded = np.pad(strokes, 1)
    length = straight = sides = 0
    for turned in (padded, padded.T):
        for side in (turned[1:] & ~turned[:-1], turned[:-1] & ~turned[1:]):
            stretches = run_lengths(side)
            long = stretches[stretches >= max(0.9 * width, SHORTEST_SIDE)]
            length, straight = length + int(stretches.sum()), straight + int(long.sum())
            sides += len(long)
    return straight > MOST_STRAIGHT * length and sides >= LEAST_SIDES


def _has_axes(strokes: Mask) -> bool:
    """Whether there is a straight line at the left of all ink, and another below it."""
    height, width = strokes.shape
    if min(height, width) < SHORTEST_AXIS:
        return False
    upright = int(run_lengths(strokes[:, : width // 4].T).max(initial=0))
    level = int(run_lengths(strokes[-(height // 4) :]).max(initial=0))
    return upright >= max(0.7 * height, SHORTEST_AXIS) and level >= max(0.7 * width, SHORTEST_AXIS)


__all__ = ["refuse_what_is_no_writing"]
