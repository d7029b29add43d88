"""Pictures that the published CROHME protocol drew: they are recognized, and kept as they are."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]

EIGHT = np.ones((3, 3), dtype=bool)
"""Structure for `scipy.ndimage`: pixels that touch at a corner are connected."""
_LEVEL = 1 / 512
"""Levels that differ by less are the same."""
_EXACTLY = 0.999
"""Share of the ink that squares of the pen's size cover, where that pen drew it..."""
_WIDER = 0.6
"""...and that squares a pixel larger cover, at most, where strokes cross and touch..."""
_SIZES = 1.9
"""...and the factor by which the height of symbols differs from the published one, at most: in 999
of 1,000 pictures of CROHME's training ink."""


def published_ink(grey: Grey, symbol_height: float, pen: int) -> Mask | None:
    """Returns the ink of a picture that the published protocol drew; None of any other picture.

    Such a picture has two levels and was drawn by a square pen, its symbols about as tall as
    published.

    Args:
        grey: `(h, w)`, 0 black to 1 white, ink darker or lighter than the paper.
        symbol_height: published, in pixels.
        pen: width and height of the published pen, in pixels.

    Returns:
        `(h, w)`.
    """
    darkest, lightest = float(grey.min()), float(grey.max())
    if lightest - darkest < 0.5:
        return None
    light = grey > (darkest + lightest) / 2
    if float(np.where(light, lightest - grey, grey - darkest).max()) > _LEVEL:
        return None
    ink = light if light.mean() < 0.5 else ~light
    strokes = ink[ink_box(ink)]
    if square_coverage(strokes, pen) < _EXACTLY or square_coverage(strokes, pen + 1) > _WIDER:
        return None
    ratio = mean_symbol_height(strokes, pen) / symbol_height
    return ink if 1 / _SIZES <= ratio <= _SIZES else None


def mean_symbol_height(strokes: Mask, width: float) -> float:
    """Measures the mean height of components at least a tenth as tall as the tallest one.

    The protocol measures traces. A picture has none, but connected components are near.

    Args:
        strokes: `(h, w)`, cropped to the ink.
        width: of the strokes, in pixels.

    Returns:
        Pixels, less the stroke width.
    """
    boxes = ndimage.find_objects(ndimage.label(strokes, EIGHT)[0])
    heights = np.array([rows.stop - rows.start for rows, _ in boxes]) - width
    tallest = heights.max()
    if tallest < width:  # dots and level lines alone: their extent decides
        return float(max(strokes.shape[1] - width, strokes.shape[0], 1))
    return float(heights[heights >= 0.1 * tallest].mean())


def square_coverage(strokes: Mask, size: int) -> float:
    """Returns the share of the ink that squares of `size` pixels cover without leaving the ink."""
    if min(strokes.shape) < size:
        return 0.0
    # What the squares leave bare is where no square lies wholly in the ink.
    bare = ~np.pad(_squares_within(strokes, size), size - 1)
    return float(1 - _squares_within(bare, size)[strokes].mean())


def _squares_within(mask: Mask, size: int) -> Mask:
    """Where squares lie wholly in a mask: `(h, w)` to `(h - size + 1, w - size + 1)`.

    The same as `scipy.ndimage.binary_erosion`, in a fraction of its time.
    """
    for _ in range(2):
        reach = 1
        while reach < size:
            step = min(reach, size - reach)
            mask = mask[: max(len(mask) - step, 0)] & mask[step:]
            reach += step
        mask = mask.T
    return mask


def ink_box(strokes: Mask) -> tuple[slice, slice]:
    """Returns the rows and columns from the first to the last with ink."""
    rows, columns = np.flatnonzero(strokes.any(axis=1)), np.flatnonzero(strokes.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


__all__ = ["ink_box", "mean_symbol_height", "published_ink", "square_coverage"]
