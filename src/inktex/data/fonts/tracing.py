"""Pen strokes that draw a filled shape.

Branches of the skeleton are joined across junctions in the straightest direction, as in stroke
extraction for handwriting: K. Liu, Y. S. Huang and C. Y. Suen, Identification of fork points on the
skeletons of handwritten Chinese characters, 1999.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import remove_small_holes, remove_small_objects, skeletonize

from .simplification import merge, prune
from .skeleton import Edge, Points, Skeleton, build_skeleton, direction, local_radius

__all__ = ["trace_strokes"]

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


def trace_strokes(raster: NDArray[np.bool_]) -> tuple[list[Points], list[NDArray[np.float64]]]:
    """Pen strokes that draw a filled shape.

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
        thin = skeletonize(labels == region.label)
        skeleton = build_skeleton(thin, distance)
        skeleton.pen_radius = float(np.median(distance[thin]))
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


def _join(skeleton: Skeleton) -> list[Points]:
    """Strokes: branches joined across junctions."""
    partner: dict[tuple[int, int], tuple[int, int]] = {}
    straight: set[tuple[int, int]] = set()
    edges = skeleton.edges
    ends_of: dict[int, list[tuple[int, int]]] = {}
    for index, edge in enumerate(edges):
        for side in (0, 1):
            ends_of.setdefault(edge.nodes[side], []).append((index, side))
    pieces = [edge.points for edge in edges]
    for node, ends in ends_of.items():
        if len(ends) < 2:
            continue
        for bend, first, second in _pairs(skeleton, node, ends):
            partner[first], partner[second] = second, first
            if bend < _STRAIGHT:
                straight.update({first, second})
    for index, edge in enumerate(edges):
        pieces[index] = _cut(skeleton, edge, [(index, side) in straight for side in (0, 1)])
    strokes: list[Points] = []
    used: set[int] = set()
    free = [(i, s) for i in range(len(edges)) for s in (0, 1) if (i, s) not in partner]
    rest = [(i, 0) for i in range(len(edges))]
    for start in [*free, *rest]:
        if start[0] in used:
            continue
        parts: list[Points] = []
        at: tuple[int, int] | None = start
        while at is not None and at[0] not in used:
            index, side = at
            used.add(index)
            parts.append(pieces[index] if side == 0 else pieces[index][::-1])
            at = partner.get((index, 1 - side))
        stroke = np.concatenate(parts)
        if at is not None and at[0] == start[0]:  # all around and back to where it began
            stroke = np.concatenate([stroke, stroke[:1]])
        strokes.append(stroke)
    return strokes


def _pairs(
    skeleton: Skeleton, node: int, ends: Iterable[tuple[int, int]]
) -> list[tuple[float, tuple[int, int], tuple[int, int]]]:
    """Which branches go on as which at a junction.

    Returns:
        The bend in degrees and the two ends of each pair: the straightest first, then two that are
        left, which make a cusp, as the bowls of a B do.
    """
    radius = skeleton.node_radius(node)
    left = list(ends)
    ways = {end: direction(skeleton.edges[end[0]], end[1], radius) for end in left}
    bends: list[tuple[float, tuple[int, int], tuple[int, int]]] = []
    for i, first in enumerate(left):
        for second in left[i + 1 :]:
            cosine = float(np.clip(-ways[first] @ ways[second], -1, 1))
            bends.append((float(np.degrees(np.arccos(cosine))), first, second))
    found: list[tuple[float, tuple[int, int], tuple[int, int]]] = []
    for bend, first, second in sorted(bends):
        if bend <= _MAX_BEND and first in left and second in left:
            found.append((bend, first, second))
            left = [end for end in left if end not in (first, second)]
    if len(left) == 2 and found:
        found.append((180.0, left[0], left[1]))
    return found


def _cut(skeleton: Skeleton, edge: Edge, goes_on: list[bool]) -> Points:
    """A branch short of the junctions that it crosses, where it is distorted, else to its node."""
    points = edge.points
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    total = along[-1]
    low, high = 0.0, total
    if goes_on[0]:
        low = min(skeleton.node_radius(edge.nodes[0]), total * 0.4)
    if goes_on[1]:
        high = total - min(skeleton.node_radius(edge.nodes[1]), total * 0.4)
    inner = points[(along >= low) & (along <= high)]
    if len(inner) == 0:
        inner = points[len(points) // 2][None]
    start = [] if goes_on[0] else [skeleton.positions[edge.nodes[0]]]
    end = [] if goes_on[1] else [skeleton.positions[edge.nodes[1]]]
    return np.array([*start, *inner, *end])
