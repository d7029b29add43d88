"""Rejection of ink that cannot be a handwritten formula, before the model sees it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .image_loading_inktex import NoFormulaError
from .stroke_width_inktex import EIGHT, run_lengths, squares_within

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

MAX_COMPONENTS = 150
"""Connected components; the expressions of CROHME's training ink have at most a third of that."""
MAX_INK_SHARE = 0.6
"""Share of ink in the box around it, where that box is larger than a few strokes."""
MIN_SLENDERNESS = 2.0
"""Symbol height over stroke width; a thick felt pen has 3, a blob 1."""
BLOB = 2.5
"""Stroke widths; strokes contain no larger disc, except where a loop is filled."""
STEM = 0.25
"""Of a symbol's height; the stems of bold type are as wide, and no blobs for that, though the thin
lines beside them make the median width that of a hair."""
MAX_BLOB_RATIO = 0.35
"""Share of the ink in such discs; CROHME's 2014 test ink, drawn with thick strokes, has 0.25."""
MAX_DRAWN_RATIO = 0.8
"""Both shares for drawings by a wide square pen, exact to the pixel, which fill small counters: of
some of CROHME's training ink, a pen of 9 pixels turns 0.76 into blobs."""
MAX_STRAIGHT = 0.75
"""Share of the outline in straight stretches along rows and columns of pixels."""
MIN_SIDES = 16
"""Straight sides that are no accident: `-` and `=` have eight."""
MIN_SIDE = 16
"""Pixels that a side is long, to count."""
MIN_AXIS = 100
"""Pixels that a straight line along a row or column has to be long, to be an axis of a chart."""


def reject_non_formula(
    strokes: Mask, labels: Labels, width: float, height: float, is_drawn: bool = False
) -> None:
    """Rejects print, textures, charts, codes and photos of things.

    Args:
        strokes: `(h, w)`, cropped to its ink.
        labels: `(h, w)`, the number of each pixel's component, 0 for paper.
        width: of the strokes, in pixels.
        height: of the symbols, in pixels, less the stroke width.
        is_drawn: whether a wide square pen drew all of it, exact to the pixel.

    Raises:
        NoFormulaError: saying what the ink looks like instead.
    """
    if (
        strokes.mean() > (MAX_DRAWN_RATIO if is_drawn else MAX_INK_SHARE)
        and min(strokes.shape) > 6 * width
    ):
        raise NoFormulaError(
            "No formula found: most of the picture is ink. Cut out the formula, or write it on "
            "paper of one colour."
        )
    areas = np.bincount(labels.ravel())[1:]
    count = int((areas >= 0.36 * width**2).sum())
    if count > MAX_COMPONENTS:
        raise NoFormulaError(
            f"No formula found: {count} separate marks are more than one formula has. A page of "
            "text, or a texture? Cut out the formula."
        )
    if count > 1 and height < MIN_SLENDERNESS * width:
        raise NoFormulaError(
            "No formula found: what stands out are blots, not strokes. Cut out the formula, or "
            "take the picture from nearer."
        )
    if thick_blob_ratio(strokes, labels, width) > (MAX_DRAWN_RATIO if is_drawn else MAX_BLOB_RATIO):
        raise NoFormulaError(
            "No formula found: what stands out are things of many widths, not strokes of a pen. "
            "Cut out the formula."
        )
    if _has_straight_outline(strokes, width) or _has_axes(strokes):
        raise NoFormulaError(
            "No formula found: the lines are straighter than anybody draws. A chart, tiles or a "
            "barcode? Cut out the formula."
        )


def reject_flat_remains(ink: Mask, width: float) -> None:
    """Rejects what ruled lines leave on an empty sheet: dashes, and nothing taller.

    Args:
        ink: `(h, w)`, without the ruled lines.
        width: of the strokes, the ruled lines among them, in pixels.

    Raises:
        NoFormulaError: if nothing in it is taller than three lines.
    """
    boxes = ndimage.find_objects(ndimage.label(ink, EIGHT)[0])
    tallest = max((rows.stop - rows.start for rows, _ in boxes), default=0)
    if tallest <= 3 * width + 2:
        raise NoFormulaError("No formula found: there are only the lines of ruled paper.")


def thick_blob_ratio(strokes: Mask, labels: Labels, width: float) -> float:
    """Returns the share of the ink in discs that are no strokes.

    They are much wider than the strokes, and more than the stem of a letter of their height.

    Args:
        strokes: `(h, w)`.
        labels: `(h, w)`, the number of each pixel's component, 0 for paper.
        width: of the strokes, in pixels.
    """
    diameter = max(BLOB * width, width + 3)  # narrow lines are a pixel wider where they cross
    # Cheap, and enough for most pictures: the square inscribed in such a disc.
    if not squares_within(strokes, int(diameter / 2**0.5)).any():
        return 0.0
    depth = ndimage.distance_transform_edt(np.pad(strokes, 1))[1:-1, 1:-1]
    heights = [rows.stop - rows.start for rows, _ in ndimage.find_objects(labels)]
    diameters = np.maximum(diameter, STEM * np.array([0, *heights])[labels])
    centres = 2 * depth > diameters
    if not centres.any():
        return 0.0
    distance, nearest = ndimage.distance_transform_edt(~centres, return_indices=True)
    near = distance <= diameters[tuple(nearest)] / 2
    return float((near & strokes).sum() / strokes.sum())


def _has_straight_outline(strokes: Mask, width: float) -> bool:
    """Whether nearly all of the outline is long, straight sides, and there are many."""
    padded = np.pad(strokes, 1)
    length = straight = sides = 0
    for turned in (padded, padded.T):
        for side in (turned[1:] & ~turned[:-1], turned[:-1] & ~turned[1:]):
            stretches = run_lengths(side)
            long = stretches[stretches >= max(0.9 * width, MIN_SIDE)]
            length, straight = length + int(stretches.sum()), straight + int(long.sum())
            sides += len(long)
    return straight > MAX_STRAIGHT * length and sides >= MIN_SIDES


def _has_axes(strokes: Mask) -> bool:
    """Whether a straight line runs at the left of all ink, and another below it."""
    height, width = strokes.shape
    if min(height, width) < MIN_AXIS:
        return False
    upright = int(run_lengths(strokes[:, : width // 4].T).max(initial=0))
    level = int(run_lengths(strokes[-(height // 4) :]).max(initial=0))
    return upright >= max(0.7 * height, MIN_AXIS) and level >= max(0.7 * width, MIN_AXIS)


__all__ = ["reject_flat_remains", "reject_non_formula", "thick_blob_ratio"]
