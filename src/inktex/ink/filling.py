"""Filled polygons as pictures, anti-aliased exactly: each pixel has the share that is filled.

Each edge adds to the pixels that it crosses how much of the pixel lies to its right, with its sign;
sums along the rows then give the filled share (signed areas, as font renderers do). Polygons of
holes run the other way, so that they take away what the outer ones add.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fill(
    points: NDArray[np.floating],
    offsets: NDArray[np.int64],
    width: int,
    height: int,
    planes: NDArray[np.int64] | None = None,
    count: int = 1,
) -> NDArray[np.float64]:
    """Filled share of each pixel.

    Args:
        points: `(points, 2)`, x and y in pixels, all within the picture.
        offsets: `(polygons + 1,)`; polygon `i` is `points[offsets[i]:offsets[i + 1]]`, closed.
        planes: `(polygons,)`, which of `count` pictures each polygon is filled in.

    Returns:
        `(count, height, width)`; 1 where it is filled, also where it is filled several times.
    """
    lengths = np.diff(offsets)
    following = np.arange(1, len(points) + 1)
    following[offsets[1:] - 1] = offsets[:-1]
    limits = np.array([width, height], dtype=np.float64)
    ends = np.asarray(points, dtype=np.float64).clip(0, limits)
    starts, stops = ends, ends[following]
    plane = np.zeros(len(points), dtype=np.int64)
    if planes is not None:
        plane = np.repeat(planes, lengths)
    rises = stops[:, 1] != starts[:, 1]
    starts, stops, plane = starts[rises], stops[rises], plane[rises]
    sign = np.where(stops[:, 1] > starts[:, 1], -1.0, 1.0)
    down = (sign < 0)[:, None]
    upper, lower = np.where(down, starts, stops), np.where(down, stops, starts)

    # Pieces within one row each.
    first = np.floor(upper[:, 1]).astype(np.int64)
    edge, ordinal = pieces(np.maximum(np.ceil(lower[:, 1]).astype(np.int64) - first, 1))
    row = first[edge] + ordinal
    slope = (lower[:, 0] - upper[:, 0]) / (lower[:, 1] - upper[:, 1])
    above = np.maximum(upper[edge, 1], row)
    below = np.minimum(lower[edge, 1], row + 1)
    left = upper[edge, 0] + slope[edge] * (above - upper[edge, 1])
    right = upper[edge, 0] + slope[edge] * (below - upper[edge, 1])
    left, right = np.minimum(left, right), np.maximum(left, right)
    tall = (below - above) * sign[edge]
    base = (plane[edge] * height + np.minimum(row, height - 1)) * (width + 2)

    # Pieces within one column each.
    start = np.floor(left).astype(np.int64)
    piece, ordinal = pieces(np.floor(right).astype(np.int64) - start + 1)
    column = start[piece] + ordinal
    a, b = np.maximum(left[piece], column), np.minimum(right[piece], column + 1)
    length = (right - left)[piece]
    share = np.where(length > 1e-12, (b - a) / np.maximum(length, 1e-12), 1.0)
    tall = tall[piece] * share
    beyond = (a + b) / 2 - column
    place = base[piece] + column.clip(0, width)
    total = count * height * (width + 2)
    sums = np.bincount(place, tall * (1 - beyond), total)
    sums += np.bincount(place + 1, tall * beyond, total)
    filled = sums.reshape(count, height, width + 2).cumsum(axis=2)[:, :, :width]
    # Some fonts have a polygon that runs the other way than the rest.
    return np.minimum(np.abs(filled), 1.0)


def pieces(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each of `counts` things that many pieces: their numbers, and which piece each is."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
