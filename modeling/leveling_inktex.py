"""How far a line of writing is turned, told by its bars and by where its symbols stand."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .strokes_inktex import EIGHT

Mask = NDArray[np.bool_]

MOST_TURNED = 20.0
"""Degrees; what slopes more is no bar of a fraction."""
_LONGEST_DOT = 5.0
"""Widths of the pen; what is shorter has no direction."""
_BARS = 20.0
"""Widths of the pen that the bars have to be long in all, or they tell nothing."""
_LINE = 3.0
"""Heights of a symbol that a line has to be long."""


def tilt(strokes: Mask, width: float, least: float) -> float:
    """How far a formula is turned, in degrees, positive where its right end is lower.

    Hands write uphill and draw bars askew, so either sign alone tells little: both have to
    agree, and the smaller one counts.

    Args:
        strokes: `(h, w)`.
        width: of the pen, in pixels.
        least: degrees; what is turned less, or cannot be told, is level: 0.
    """
    rows, columns = np.nonzero(strokes)
    across = columns - columns.mean()
    rough = float((across * rows).sum() / max(float((across**2).sum()), 1.0))
    if abs(rough) < math.tan(math.radians(least)) / 2:  # nearly always, and soon told
        return 0.0
    level, baseline, bars, line = slopes(strokes, width)
    if bars < _BARS or line < _LINE or level * baseline < 0:
        return 0.0
    angle = min(level, baseline, key=abs)
    return angle if least <= abs(angle) <= MOST_TURNED else 0.0


def slopes(strokes: Mask, width: float) -> tuple[float, float, float, float]:
    """Two independent signs of how far a formula is turned.

    Args:
        strokes: `(h, w)`.
        width: of the pen, in pixels.

    Returns:
        Degrees, positive where the right end is lower: of the straight, nearly level strokes
        (fraction bars, minus, equals), and of the line through the symbols' middles; how many
        widths of the pen the former are long in all; and how many symbols' heights the latter is
        long. A sign that there is not has the length 0.
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
    bars = (
        (length > _LONGEST_DOT * width)
        & (thickness < width + 0.06 * length)
        & (np.abs(angle) < MOST_TURNED)
    )
    level = bar_length = 0.0
    if bars.any():
        order = np.argsort(angle[bars])
        weight = np.cumsum(length[bars][order])
        level = float(angle[bars][order][np.searchsorted(weight, weight[-1] / 2)])
        bar_length = float(weight[-1] / width)
    symbols = area > 3 * width**2
    baseline = extent = 0.0
    if symbols.sum() >= 3:
        px, py = x[symbols], y[symbols]
        px = px - px.mean()
        variance = float((px**2).mean())
        tall = float(np.sqrt(12 * yy[symbols].mean()))
        if variance > 0:
            baseline = float(np.rad2deg(np.arctan((px * py).mean() / variance)))
            extent = float(np.sqrt(12 * variance) / max(tall, width))
    return level, baseline, bar_length, extent


__all__ = ["MOST_TURNED", "slopes", "tilt"]
