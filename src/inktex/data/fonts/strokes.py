"""Strokes that draw a filled shape, in the direction and order of a right-handed writer.

Branches of the skeleton are joined across junctions in the straightest direction, as in stroke
extraction for handwriting: K. Liu, Y. S. Huang and C. Y. Suen, Identification of fork points on the
skeletons of handwritten Chinese characters, 1999.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import remove_small_holes, remove_small_objects, skeletonize

from inktex.ink.polyline import arc_length, resampled

from .skeleton import (
    Edge,
    Points,
    Skeleton,
    build_skeleton,
    local_radius,
    merge,
    prune,
)

_BLUR: Final = 1.2
"""Sigma in pixels that smooths the raster's edge: rough outlines otherwise grow a spur a bump."""
_SPECK: Final = 0.6
"""Holes and islands smaller than this share of a square of the stroke width are no ink."""
_MAX_BEND: Final = 75.0
"""Degrees by which a stroke may turn at a junction and still go on; the arms of a Y turn by 60."""
_STRAIGHT: Final = 30.0
"""Degrees up to which a stroke crosses a junction in one line; else it goes through its centre."""
_ROUND: Final = 1.7
"""Islands with axes less unequal than this are dots."""
_SOLID: Final = 0.85
"""Dots fill at least this share of their convex hull; a + or a tick does not."""
_NO_DIRECTION: Final = 1.35
"""Islands with axes less unequal than this have no direction: their stroke goes down and right."""
_DOT_LENGTH: Final = 0.4
"""Length of the stroke of such an island, in widths of it."""
_SIGMA: Final = 3.5
"""Largest sigma of the smoothing along a stroke, in pixels: enough to level the pixels' steps."""
_DOT: Final = 0.12
"""Strokes with less extent than this share of a capital's height are dots, written last."""


def trace_strokes(raster: NDArray[np.bool_]) -> tuple[list[Points], list[NDArray[np.float64]]]:
    """The strokes that draw a filled shape.

    Args:
        raster: bool, shape (height, width), with an empty margin.

    Returns:
        Strokes, float64 of shape (points, 2) in pixels from the raster's upper left corner, and
        half the shape's width at each of their points, shape (points,). A closed stroke ends where
        it begins; a dot is a short stroke.
    """
    smooth = ndimage.gaussian_filter(raster.astype(np.float32), _BLUR) > 0.5
    distance = np.asarray(ndimage.distance_transform_edt(smooth), dtype=np.float64)
    thin = skeletonize(smooth)
    if not thin.any():
        return [], []
    speck = max(int(_SPECK * (2 * float(np.median(distance[thin]))) ** 2), 4)
    cleaned = remove_small_holes(remove_small_objects(smooth, max_size=speck), max_size=speck)
    if cleaned.any() and not np.array_equal(cleaned, smooth):
        smooth = cleaned
        distance = np.asarray(ndimage.distance_transform_edt(smooth), dtype=np.float64)
    labels = label(smooth, connectivity=2)
    strokes: list[Points] = []
    for region in regionprops(labels):
        if _is_dot(region):
            strokes.append(_dot(region))
            continue
        skeleton = build_skeleton(skeletonize(labels == region.label), distance)
        prune(skeleton)
        merge(skeleton)
        prune(skeleton)
        strokes += _join(skeleton) + skeleton.rings or [_dot(region)]
    return strokes, [local_radius(distance, one) for one in strokes]


def _is_dot(region: Any) -> bool:
    """Whether an island has area but no length."""
    round_enough = region.axis_major_length < _ROUND * max(region.axis_minor_length, 1.0)
    return bool(round_enough and region.solidity > _SOLID and region.euler_number == 1)


def _dot(region: Any) -> Points:
    """A short stroke along an island's longer axis, shape (3, 2)."""
    major, minor = region.axis_major_length, max(region.axis_minor_length, 1.0)
    if major < _NO_DIRECTION * minor:
        step = np.full(2, _DOT_LENGTH * minor / np.sqrt(8))
    else:
        half = max(major - minor, _DOT_LENGTH * minor) / 2
        step = half * np.array([np.sin(region.orientation), np.cos(region.orientation)])
    y, x = region.centroid
    centre = np.array([x + 0.5, y + 0.5])
    return np.array([centre - step, centre, centre + step])


_End = tuple[int, int]
"""Number of a branch, and its side."""


def _join(skeleton: Skeleton) -> list[Points]:
    """Strokes: branches joined across junctions."""
    partner: dict[_End, _End] = {}
    straight: set[_End] = set()
    edges = skeleton.edges
    ends_of: dict[int, list[_End]] = {}
    for index, edge in enumerate(edges):
        for side in (0, 1):
            ends_of.setdefault(edge.nodes[side], []).append((index, side))
    for node, ends in ends_of.items():
        for bend, first, second in _pairs(skeleton, node, ends):
            partner[first], partner[second] = second, first
            if bend < _STRAIGHT:
                straight.update({first, second})
    pieces = [
        _cut(skeleton, edge, [(index, side) in straight for side in (0, 1)])
        for index, edge in enumerate(edges)
    ]
    strokes: list[Points] = []
    used: set[int] = set()
    free = [(i, s) for i in range(len(edges)) for s in (0, 1) if (i, s) not in partner]
    for start in [*free, *((i, 0) for i in range(len(edges)))]:
        if start[0] in used:
            continue
        parts: list[Points] = []
        at: _End | None = start
        while at is not None and at[0] not in used:
            index, side = at
            used.add(index)
            parts.append(pieces[index] if side == 0 else pieces[index][::-1])
            at = partner.get((index, 1 - side))
        if at is not None and at[0] == start[0]:  # all around and back to where it began
            parts.append(parts[0][:1])
        strokes.append(np.concatenate(parts))
    return strokes


def _pairs(skeleton: Skeleton, node: int, ends: Iterable[_End]) -> list[tuple[float, _End, _End]]:
    """Which branches continue which at a junction.

    Returns:
        The bend in degrees and the two ends of each pair: the straightest first, then two that are
        left, which make a cusp, as the bowls of a B do.
    """
    radius = skeleton.radius(node)
    left = list(ends)
    ways = {end: skeleton.edges[end[0]].direction(end[1], radius) for end in left}
    bends: list[tuple[float, _End, _End]] = []
    for i, first in enumerate(left):
        for second in left[i + 1 :]:
            cosine = float(np.clip(-ways[first] @ ways[second], -1, 1))
            bends.append((float(np.degrees(np.arccos(cosine))), first, second))
    found: list[tuple[float, _End, _End]] = []
    for bend, first, second in sorted(bends):
        if bend <= _MAX_BEND and first in left and second in left:
            found.append((bend, first, second))
            left = [end for end in left if end not in (first, second)]
    if len(left) == 2 and found:
        found.append((180.0, left[0], left[1]))
    return found


def _cut(skeleton: Skeleton, edge: Edge, is_straight: list[bool]) -> Points:
    """A branch up to its nodes, but short of the junctions that it crosses in a straight line.

    Within a junction the centre line is distorted by the ink of the other branches.
    """
    points = edge.points
    along = arc_length(points)
    total = along[-1]
    low, high = (
        min(skeleton.radius(node), total * 0.4) if crosses else 0.0
        for node, crosses in zip(edge.nodes, is_straight, strict=True)
    )
    inner = points[(along >= low) & (along <= total - high)]
    if len(inner) == 0:
        inner = points[len(points) // 2][None]
    start, end = (
        [] if crosses else [skeleton.positions[node]]
        for node, crosses in zip(edge.nodes, is_straight, strict=True)
    )
    return np.array([*start, *inner, *end])


def smooth(stroke: Points, radius: float, step: float) -> Points:
    """A stroke without the steps of its pixels, its points in equal distances.

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


def order_strokes(strokes: Sequence[Points], capital: float) -> list[Points]:
    """Strokes in the direction and order of a right-handed writer of Latin script.

    Open strokes begin above or on the left, closed ones at the upper right and go
    counter-clockwise; strokes come from left to right, then from top to bottom, and dots last.

    Args:
        strokes: each of shape (points, 2), y down.
        capital: height of a capital, in the same unit.
    """

    def rank(stroke: Points) -> tuple[bool, float]:
        extent = float(np.ptp(stroke, axis=0).max())
        x, y = stroke.min(axis=0)
        return extent < _DOT * capital, float(x + 0.5 * y)

    return sorted((_directed(stroke) for stroke in strokes), key=rank)


def spiral(middle: Points, radius: float, pitch: float) -> Points:
    """A stroke `(points, 2)` that fills a disc, from its middle outwards.

    Args:
        middle: x and y of the disc, shape (2,).
        pitch: distance of one turn to the next: at most the stroke width.
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
    return resampled(stroke, max(round(arc_length(stroke)[-1] / step), 1) + 1)
