"""Centre lines as a pen writes them: smoothed, resampled, in the direction and order of a hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["as_written", "scribble", "smooth"]

Points = NDArray[np.float64]

_SIGMA: Final = 3.5
"""Largest sigma of the smoothing along a stroke, in pixels: enough to level the pixels' steps."""
_DOT: Final = 0.12
"""Strokes with less extent than this share of a capital's height are dots, written last."""


def smooth(stroke: Points, radius: float, step: float) -> Points:
    """A stroke with the steps of its pixels smoothed away, in equal distances.

    Args:
        stroke: shape (points, 2), in pixels.
        radius: half the stroke's width, in pixels; no detail smaller than this is kept.
        step: distance of the points that come out, in pixels.

    Returns:
        Shape (points, 2), at least two; it begins and ends where the stroke did, or is closed if
        the stroke was.
    """
    dense = _resample(stroke, max(step / 4, 1e-6))
    if len(dense) < 8:
        return _resample(stroke, step)
    spacing = float(np.hypot(*np.diff(dense, axis=0).T).mean())
    sigma = min(_SIGMA, radius) / max(spacing, 1e-9)
    if _closed(stroke):
        soft = ndimage.gaussian_filter1d(dense[:-1], sigma, axis=0, mode="wrap")
        return _resample(np.concatenate([soft, soft[:1]]), step)
    # Mirroring at the end points keeps them in their place.
    count = min(len(dense) - 1, int(4 * sigma) + 1)
    before = 2 * dense[0] - dense[count:0:-1]
    after = 2 * dense[-1] - dense[-2 : -count - 2 : -1]
    whole = np.concatenate([before, dense, after])
    soft = ndimage.gaussian_filter1d(whole, sigma, axis=0, mode="nearest")
    return _resample(soft[count : count + len(dense)], step)


def as_written(strokes: Sequence[Points], capital: float) -> list[Points]:
    """Strokes in the direction and order of a right-handed writer of Latin script.

    Open strokes begin above or on the left, closed ones at the upper right and go
    counter-clockwise; strokes come from left to right, then from top to bottom, and dots last.

    Args:
        strokes: each of shape (points, 2), y down.
        capital: height of a capital, in the same unit.
    """
    turned = [_directed(stroke) for stroke in strokes]

    def place(stroke: Points) -> tuple[bool, float]:
        extent = float(np.ptp(stroke, axis=0).max())
        x, y = stroke.min(axis=0)
        return extent < _DOT * capital, float(x + 0.5 * y)

    return sorted(turned, key=place)


def scribble(middle: Points, radius: float, pitch: float) -> Points:
    """A stroke that fills a disc, from its middle outwards.

    Args:
        middle: x and y of the disc, shape (2,).
        radius: of the disc.
        pitch: distance of one turn to the next: the width of the pen that will draw it.

    Returns:
        Shape (points, 2), in the same unit.
    """
    turns = max(radius / pitch, 0.5)
    part = np.linspace(0, 1, int(12 * turns) + 2)
    angle, reach = 2 * np.pi * turns * part, radius * part
    return middle + np.stack([reach * np.cos(angle), -reach * np.sin(angle)], axis=1)


def _directed(stroke: Points) -> Points:
    if _closed(stroke):
        start = int(np.argmax((stroke[:-1] * (0.5, -1.0)).sum(axis=1)))
        ring = np.roll(stroke[:-1], -start, axis=0)
        x, y = ring.T
        area = float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
        if area > 0:  # clockwise on the page, where y points down
            ring = np.roll(ring[::-1], 1, axis=0)
        return np.concatenate([ring, ring[:1]])
    (x0, y0), (x1, y1) = stroke[0], stroke[-1]
    return stroke[::-1] if x0 + 1.5 * y0 > x1 + 1.5 * y1 else stroke


def _closed(stroke: Points) -> bool:
    return len(stroke) > 3 and bool(np.allclose(stroke[0], stroke[-1]))


def _resample(stroke: Points, step: float) -> Points:
    """Points in equal distances along a polyline, at least two."""
    lengths = np.hypot(*np.diff(stroke, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    count = max(round(along[-1] / step), 1) + 1
    wanted = np.linspace(0, along[-1], count)
    return np.stack([np.interp(wanted, along, stroke[:, i]) for i in (0, 1)], axis=1)
