"""Lengths along a stroke, and points in equal distances along it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["arc_length", "resampled"]


def arc_length(points: NDArray[Any]) -> NDArray[np.float64]:
    """Length of a polyline from its start to each of its points.

    Args:
        points: `(points, 2)`.

    Returns:
        `(points,)`, 0 for the first one.
    """
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def resampled(points: NDArray[Any], count: int) -> NDArray[np.float64]:
    """`(count, 2)`, points in equal distances along a polyline `(points, 2)`, both ends kept."""
    along = arc_length(points)
    wanted = np.linspace(0, along[-1], count)
    return np.stack([np.interp(wanted, along, points[:, axis]) for axis in (0, 1)], axis=1)
