"""Skew of a line of writing: its estimation from ruled lines, bars and symbols; its removal."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .stroke_width_inktex import EIGHT, stroke_width

Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAX_SKEW = 20.0
"""Degrees; what slopes more is no fraction bar."""
RULED_SKEW = 1.0
"""Degrees from which on a picture is rotated, where ruled lines show its skew."""
PHOTO_SKEW = 4.0
"""The same for photos without ruled lines, where the ink has to show it: training rotates its
ink about as far."""
DRAWING_SKEW = 10.0
"""The same for ink on plain paper, which nobody held askew: no writer of CROHME slopes so far."""
_LONGEST_DOT = 5.0
"""Stroke widths; shorter components have no direction."""
_MIN_BARS = 20.0
"""Stroke widths that all bars together have to be long, for their slope to count."""
_MIN_LINE = 3.0
"""Symbol heights that a line has to be long, for its slope to count."""


def skew_angle(strokes: Mask, ruling: float, is_plain: bool) -> float:
    """Estimates by how much a picture is skewed.

    Args:
        strokes: `(h, w)`.
        ruling: slope of the ruled lines, pixels down for each pixel across; 0 if there are none.
        is_plain: whether the paper is of one level, as in drawings and screenshots.

    Returns:
        Degrees, positive where the right end is lower; 0 if the skew is too small to be removed.
    """
    if ruling:
        degrees = math.degrees(math.atan(ruling))
        return degrees if abs(degrees) >= RULED_SKEW else 0.0
    return writing_skew(strokes, DRAWING_SKEW if is_plain else PHOTO_SKEW)


def rotate(ink: Ink, degrees: float) -> Ink:
    """Rotates ink counterclockwise about its middle; the picture grows so that all of it fits."""
    turned = Image.fromarray(ink).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    return np.asarray(turned).clip(0, 1)  # bicubic interpolation overshoots


def writing_skew(strokes: Mask, least: float) -> float:
    """Estimates the skew of a formula from its ink alone.

    Many people write uphill, and many draw bars askew, so either sign alone says little: bars and
    baseline have to agree, and the smaller angle counts.

    Args:
        strokes: `(h, w)`.
        least: smallest angle to report, in degrees.

    Returns:
        Degrees, positive where the right end is lower; 0 if it is below `least`, above `MAX_SKEW`,
        or unknown.
    """
    rows, columns = np.nonzero(strokes)
    across = columns - columns.mean()
    rough = float((across * rows).sum() / max(float((across**2).sum()), 1.0))
    if abs(rough) < math.tan(math.radians(least)) / 2:  # nearly always, and cheap
        return 0.0
    bar_slope, baseline_slope, bars, line = slopes(strokes, stroke_width(strokes))
    if bars < _MIN_BARS or line < _MIN_LINE or bar_slope * baseline_slope < 0:
        return 0.0
    angle = min(bar_slope, baseline_slope, key=abs)
    return angle if least <= abs(angle) <= MAX_SKEW else 0.0


def slopes(strokes: Mask, width: float) -> tuple[float, float, float, float]:
    """Measures two independent signs of skew.

    Args:
        strokes: `(h, w)`.
        width: of the strokes, in pixels.

    Returns:
        The slope of the straight, nearly level strokes (fraction bars, minus, equals) and of the
        line through the symbols' centres, in degrees, positive where the right end is lower; then
        the length of all these bars in stroke widths, and of the line in symbol heights. A sign
        that is missing has length 0.
    """
    labels, count = ndimage.label(strokes, EIGHT)
    rows, columns = np.nonzero(strokes)
    which = labels[rows, columns] - 1
    area = np.bincount(which, minlength=count).astype(np.float64)
    x, y = (np.bincount(which, at, minlength=count) / area for at in (columns, rows))
    across, down = columns - x[which], rows - y[which]
    xx, yy, xy = (
        np.bincount(which, product, minlength=count) / area
        for product in (across * across, down * down, across * down)
    )
    spread = np.sqrt((xx - yy) ** 2 + 4 * xy**2)
    length = np.sqrt(6 * (xx + yy + spread))
    thickness = np.sqrt(np.maximum(6 * (xx + yy - spread), 0))
    angle = np.rad2deg(np.arctan2(2 * xy, xx - yy)) / 2
    is_bar = (
        (length > _LONGEST_DOT * width)
        & (thickness < width + 0.06 * length)
        & (np.abs(angle) < MAX_SKEW)
    )
    bar_slope = bar_length = 0.0
    if is_bar.any():  # the median, weighted by length
        order = np.argsort(angle[is_bar])
        weight = np.cumsum(length[is_bar][order])
        bar_slope = float(angle[is_bar][order][np.searchsorted(weight, weight[-1] / 2)])
        bar_length = float(weight[-1] / width)
    is_symbol = area > 3 * width**2
    baseline_slope = extent = 0.0
    if is_symbol.sum() >= 3:
        px, py = x[is_symbol], y[is_symbol]
        px = px - px.mean()
        variance = float((px**2).mean())
        tall = float(np.sqrt(12 * yy[is_symbol].mean()))
        if variance > 0:
            baseline_slope = float(np.rad2deg(np.arctan((px * py).mean() / variance)))
            extent = float(np.sqrt(12 * variance) / max(tall, width))
    return bar_slope, baseline_slope, bar_length, extent


__all__ = ["MAX_SKEW", "rotate", "skew_angle", "slopes", "writing_skew"]
