"""Strokes: how wide they are, and how they are drawn anew with another pen."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]
Lengths = NDArray[np.int64]

EIGHT = np.ones((3, 3), dtype=bool)
"""Pixels that touch at a corner belong together."""
STROKE_RANGE = (2.0, 4.5)
"""Pixels of the protocol; narrower and wider strokes are drawn anew."""
THINNEST = 0.1
"""Share of the ink whose runs are as short as the pen is wide, even in wide, merging strokes."""
FAINTEST = 0.1
"""Level of ink: what is fainter, next to lines that were resized, is the resampling's echo."""
SQUARE_PEN = 0.98
"""Share of the ink that a square of its width covers, where it was drawn with one..."""
EXACTLY = 0.999
"""...and that where nothing has happened to it since: lines are whole without a skeleton."""


def stroke_width(strokes: Mask, share: float = 0.5) -> float:
    """Width of the strokes, in pixels: a quantile of the shorter of the two runs through a pixel.

    Exact for the protocol's square pen, wherever a stroke is not near a diagonal and touches no
    other. Where strokes are wide, the median is of both: `THINNEST` is nearer to the pen.

    Args:
        strokes: `(h, w)`.
        share: of the ink, that may have shorter runs.
    """
    return width_quantile(stroke_widths(strokes), share)


def stroke_widths(strokes: Mask) -> Lengths:
    """The shorter of the two runs through each pixel of the ink, in pixels."""
    return np.minimum(runs(strokes), runs(strokes.T).T)[strokes]


def grey_width(ink: Ink, share: float) -> float:
    """`stroke_width` by grey levels, to a part of a pixel: ink that was made larger or smaller.

    The levels of a run add up to the pen's width, wherever its edges lie.

    Args:
        ink: `(h, w)`, 1 on paper 0.
        share: of the ink, that may have shorter runs.
    """
    widths = np.minimum(_grey_runs(ink), _grey_runs(ink.T).T)[ink > 0.5]
    return float(np.quantile(widths, share))


def _grey_runs(ink: Ink) -> Ink:
    """Sum of the levels of the horizontal run of ink that each pixel of ink is in."""
    strokes = ink > FAINTEST
    own = run_lengths(strokes)
    sums = np.zeros_like(ink)
    sums[strokes] = np.repeat(np.add.reduceat(ink[strokes], own.cumsum() - own), own)
    return sums


def width_quantile(widths: Lengths, share: float) -> float:
    """A quantile of `stroke_widths`, by straight lines between them, as `numpy.quantile` has it."""
    upto = np.bincount(widths).cumsum()
    place = share * (len(widths) - 1)
    below, above = np.searchsorted(upto, (int(place), np.ceil(place)), side="right").tolist()
    return float(below + (above - below) * (place - int(place)))


def squares_within(mask: Mask, size: int) -> Mask:
    """Where a square lies wholly in the mask: `(h, w)` to `(h - size + 1, w - size + 1)`.

    An erosion, in a fraction of the time that `ndimage.binary_erosion` takes.
    """
    for _ in range(2):
        reach = 1
        while reach < size:
            step = min(reach, size - reach)
            mask = mask[: max(len(mask) - step, 0)] & mask[step:]
            reach += step
        mask = mask.T
    return mask


def covered_by_square(strokes: Mask, size: int) -> float:
    """Share of the ink that a square pen of a size covers without leaving the ink."""
    height, width = strokes.shape
    if min(height, width) < size:
        return 0.0
    # What the squares leave bare is where no square lies wholly in the ink.
    bare = ~np.pad(squares_within(strokes, size), size - 1)
    return float(1 - squares_within(bare, size)[strokes].mean())


def run_lengths(strokes: Mask) -> Lengths:
    """Lengths of all horizontal runs of ink, row by row."""
    height, width = strokes.shape
    padded = np.zeros((height, width + 1), dtype=bool)  # a blank before each row
    padded[:, 1:] = strokes
    rows = padded.ravel()
    ends = np.flatnonzero(rows[1:] != rows[:-1])
    if len(ends) % 2:  # the last run goes to the end of the last row
        ends = np.append(ends, rows.size - 1)
    return ends[1::2] - ends[::2]


def runs(strokes: Mask) -> Lengths:
    """Length of the horizontal run of ink that each pixel of ink is in."""
    own = run_lengths(strokes)
    lengths = np.zeros(strokes.shape, dtype=np.int64)
    lengths[strokes] = np.repeat(own, own)
    return lengths


def ink_box(strokes: Mask) -> tuple[slice, slice]:
    """Rows and columns from the first to the last with ink."""
    rows, columns = np.flatnonzero(strokes.any(axis=1)), np.flatnonzero(strokes.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def widen(lines: Mask, size: int) -> Ink:
    """Draw with a square pen, as the protocol does: slanting strokes are wider than upright."""
    drawn = ndimage.maximum_filter(np.pad(lines, size), size=size)
    return drawn[ink_box(drawn)].astype(np.float32)


def centre_lines(strokes: Mask, pen: int) -> Mask:
    """The lines along which a pen drew wide strokes.

    Where the pen filled a loop or an acute angle, so is what is given: nobody knows what was in it.

    Args:
        strokes: `(h, w)`.
        pen: width, in pixels.
    """
    square = np.ones((pen, pen))
    inside = ndimage.binary_erosion(strokes, square)
    drawn = ndimage.binary_dilation(inside, square)
    labels, _ = ndimage.label(strokes, EIGHT)
    others = strokes.copy()
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        own = labels[rows, columns] == number
        if drawn[rows, columns][own].mean() >= EXACTLY:
            others[rows, columns] &= ~own
    # Slanting lines of a round pen are narrower than the square: the skeleton is what is in them.
    return np.asarray(thin(others) | inside)


def thin(strokes: Mask) -> Mask:
    """Lines of one pixel in the middle of strokes (Guo and Hall 1989)."""
    picture = np.pad(strokes, 1)
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            rows, columns = np.nonzero(picture)
            north, ne, east, se, south, sw, west, nw = (
                picture[rows + down, columns + right]
                for down, right in (
                    (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)
                )
            )  # fmt: skip
            parts = np.sum(
                [~north & (ne | east), ~east & (se | south), ~south & (sw | west),
                 ~west & (nw | north)],
                axis=0,
            )  # fmt: skip
            neighbours = np.minimum(
                np.sum([nw | north, ne | east, se | south, sw | west], axis=0),
                np.sum([north | ne, east | se, south | sw, west | nw], axis=0),
            )
            inner = (north | ne | ~se) & east if first else (south | sw | ~nw) & west
            gone = (parts == 1) & (neighbours >= 2) & (neighbours <= 3) & ~inner
            if gone.any():
                picture[rows[gone], columns[gone]] = False
                changed = True
    return picture[1:-1, 1:-1]


__all__ = [
    "EIGHT",
    "EXACTLY",
    "FAINTEST",
    "SQUARE_PEN",
    "STROKE_RANGE",
    "THINNEST",
    "centre_lines",
    "covered_by_square",
    "grey_width",
    "ink_box",
    "run_lengths",
    "runs",
    "squares_within",
    "stroke_width",
    "stroke_widths",
    "thin",
    "widen",
    "width_quantile",
]
