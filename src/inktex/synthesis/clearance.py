"""How far ink is from ink, so that what is written side by side does not run together.

Habits are distances of boxes, some below zero, as people have them: their symbols interlock. Other
symbols at these distances would lie on one another.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .box import Box

LEAST: Final = 0.13
"""Ems from ink to ink: the pen's width, and a pixel of paper."""
_BIN: Final = 0.1
"""Ems; ink in neighbouring bins counts as side by side."""
_REACH: Final = 10.0
"""Ems from the baseline; what lies further counts as lying there."""
_BINS: Final = int(2 * _REACH / _BIN)
_STEP: Final = 0.05
"""Ems between points along a stroke."""

Profile = NDArray[np.float64]
"""`(bins,)`: how far ink reaches at each height, or at each place across."""


class Outline:
    """How far the ink of a box reaches on its sides.

    Args:
        box: to be looked at.
        axis: 0 for left and right sides at each height, 1 for upper and lower sides across.

    Attributes:
        near, far: reach of the ink towards lower and towards higher coordinates; infinite where
            there is none.
    """

    def __init__(self, box: Box, axis: int = 0) -> None:
        self.near: Profile = np.full(_BINS, np.inf)
        self.far: Profile = np.full(_BINS, -np.inf)
        points = [dense(stroke) for _, strokes in box.ink() for stroke in strokes]
        if points:
            found = np.concatenate(points).astype(np.float64)
            places = np.clip((found[:, 1 - axis] + _REACH) / _BIN, 0, _BINS - 1).astype(np.intp)
            np.minimum.at(self.near, places, found[:, axis])
            np.maximum.at(self.far, places, found[:, axis])


def gap(first: Profile, second: Profile) -> float:
    """Smallest distance from ink that reaches so far to ink that begins there.

    Args:
        first: `far` of an outline.
        second: `near` of another one.

    Returns:
        Ems, below 0 where they overlap; infinite where nothing lies side by side.
    """
    padded = np.concatenate([[-np.inf], first, [-np.inf]])
    widened = np.maximum(np.maximum(padded[:-2], padded[2:]), first)
    with np.errstate(invalid="ignore"):
        return float(np.min(np.where(np.isfinite(widened), second - widened, np.inf)))


def dense(stroke: NDArray[np.float32]) -> NDArray[np.float32]:
    """A stroke with points at most `_STEP` apart."""
    if len(stroke) < 2:
        return stroke
    lengths = np.hypot(*np.diff(stroke, axis=0).T)
    counts = np.maximum(np.ceil(lengths / _STEP).astype(np.intp), 1)
    ends = np.cumsum(counts)
    places = np.arange(ends[-1])
    segment = np.repeat(np.arange(len(counts)), counts)
    share = (places - (ends - counts)[segment]) / counts[segment]
    inner = stroke[:-1][segment] + (stroke[1:] - stroke[:-1])[segment] * share[:, None]
    return np.concatenate([inner.astype(np.float32), stroke[-1:]])
