"""The centre lines of a filled shape as a graph of branches, without the artefacts of thinning.

The skeleton is a thinning: T. Y. Zhang and C. Y. Suen, A fast parallel algorithm for thinning
digital patterns, 1984. Thinning adds spurs, splits junctions and cuts corners; `prune` and `merge`
undo that.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inktex.ink.polyline import arc_length

Points = NDArray[np.float64]
"""Points in pixels, shape (points, 2), or one of shape (2,)."""

_BUMP: Final = 0.5
"""A branch that sticks out less than this many radii of its junction is a bump of the edge."""
_CORNER: Final = 1.5
"""One that tapers is a corner up to this many radii: 90 degrees stick out by 0.41, 45 by 1.6."""
_TAPER: Final = 0.6
"""Radius at a branch's end below which it tapers, in radii of its junction: a limb keeps its width,
while a junction is wider than its limbs by up to a half."""
_MERGE: Final = 1.1
"""Junctions nearer to one another than this share of the sum of their radii are one."""
_CROSSING: Final = 2.5
"""The same for two that a slanting X makes of its crossing."""
_SLANT: Final = 45.0
"""Degrees between the branch within such a crossing and the four that leave it, at the most."""
_WIDEST_FOLD: Final = 120.0
"""Degrees between two branches up to which they turn in a corner, and not in an arc."""
_SHARPEST_Y: Final = 65.0
"""Degrees between the arms of a V at the most; those of a Y are wider apart, or its stem longer."""
_AWAY: Final = 110.0
"""Degrees between the tip of a V and its arms at the least; barbs of an arrow are nearer."""
_LONGEST_APEX: Final = 3.5
"""Length of the tip of a V at the most, in radii of the junction where its strokes part."""
_BLOB: Final = 1.15
"""The tip of a V is wider than a stroke by this factor, the stem of a Y is not."""


def local_radius(distance: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    """Half the width of a shape at points, `(points,)` in pixels, at least half a pixel.

    Args:
        distance: of each pixel inside to the nearest one outside, shape (height, width).
        points: shape (points, 2), in pixels.
    """
    at = [points[:, 1] - 0.5, points[:, 0] - 0.5]
    found = ndimage.map_coordinates(distance, at, order=1, mode="nearest")
    return np.maximum(np.asarray(found, dtype=np.float64), 0.5)


@dataclass(eq=False)
class Edge:
    """A branch between two nodes, its points from the first to the second, shape (points, 2)."""

    nodes: list[int]
    points: Points

    @property
    def length(self) -> float:
        """In pixels."""
        return float(arc_length(self.points)[-1])

    def from_side(self, side: int) -> Points:
        """The points, beginning at the first node for side 0, at the second one for side 1."""
        return self.points if side == 0 else self.points[::-1]

    def direction(self, side: int, radius: float) -> Points:
        """Unit vector in which the branch leaves a node, measured outside of the junction.

        Args:
            radius: half the width of the shape at the node, in pixels.
        """
        points = self.from_side(side)
        along = arc_length(points)
        near = min(radius, along[-1] / 3)
        far = min(3.0 * radius + 2, along[-1])
        start, end = (np.array([np.interp(at, along, xs) for xs in points.T]) for at in (near, far))
        return (end - start) / max(float(np.hypot(*(end - start))), 1e-9)


End = tuple[Edge, int]
"""A branch, and the side on which it meets a node."""


@dataclass(eq=False)
class Skeleton:
    """Branches of a skeleton between its ends and junctions.

    Attributes:
        distance: of each pixel inside to the nearest one outside, shape (height, width).
        positions: node -> x and y in pixels.
        edges: branches; a loop has the same node twice.
        rings: closed curves without a node, each of shape (points, 2), the first point repeated.
        stroke_radius: median half width of the shape, in pixels.
    """

    distance: NDArray[np.float64]
    positions: dict[int, Points] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    rings: list[Points] = field(default_factory=list)
    stroke_radius: float = 0.0

    def radius(self, node: int) -> float:
        """Half the width of the shape at a node, in pixels."""
        return float(local_radius(self.distance, self.positions[node][None])[0])

    def ends(self, node: int) -> list[End]:
        """The ends of branches that meet at a node."""
        return [(edge, side) for edge in self.edges for side in (0, 1) if edge.nodes[side] == node]

    def degree(self, node: int) -> int:
        """How many ends of branches meet at a node."""
        return len(self.ends(node))

    def angle(self, node: int, one: End, other: End) -> float:
        """Degrees between two branches that meet at a node."""
        first, second = (edge.direction(side, self.radius(node)) for edge, side in (one, other))
        return float(np.degrees(np.arccos(np.clip(first @ second, -1, 1))))


def build_skeleton(thin: NDArray[np.bool_], distance: NDArray[np.float64]) -> Skeleton:
    """Branches of a thinned raster.

    Pixels are joined to their four neighbours, and diagonally where no such way leads there: so
    the steps of a slanted line are no junctions.

    Args:
        thin: the raster, bool, shape (height, width).
        distance: as of `Skeleton`.
    """
    joined = _neighbours({(int(x), int(y)) for y, x in np.argwhere(thin)})
    nodes = {pixel: i for i, pixel in enumerate(sorted(joined)) if len(joined[pixel]) != 2}
    skeleton = Skeleton(distance, {index: _centre(pixel) for pixel, index in nodes.items()})
    skeleton.stroke_radius = float(np.median(distance[thin]))
    seen: set[tuple[Pixel, Pixel]] = set()
    visited = set(nodes)
    for start in nodes:
        for second in joined[start]:
            if (start, second) not in seen:
                way = _follow(joined, [start, second], nodes)
                visited.update(way)
                seen.update({(way[0], way[1]), (way[-1], way[-2])})
                points = np.array([_centre(pixel) for pixel in way])
                skeleton.edges.append(Edge([nodes[way[0]], nodes[way[-1]]], points))
    rest = sorted(set(joined) - visited)
    while rest:
        way = _follow(joined, [rest[0], joined[rest[0]][0]], {rest[0]})
        skeleton.rings.append(np.array([_centre(pixel) for pixel in way]))
        rest = sorted(set(rest) - set(way))
    return skeleton


Pixel = tuple[int, int]


def _neighbours(pixels: set[Pixel]) -> dict[Pixel, list[Pixel]]:
    joined = {}
    for x, y in pixels:
        near = [p for p in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)) if p in pixels]
        for dx, dy in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            corner = (x + dx, y + dy)
            if corner in pixels and (x + dx, y) not in pixels and (x, y + dy) not in pixels:
                near.append(corner)
        joined[x, y] = near
    return joined


def _follow(
    joined: dict[Pixel, list[Pixel]], way: list[Pixel], stops: Container[Pixel]
) -> list[Pixel]:
    """Extend a way of two pixels until it comes to one of `stops`."""
    while way[-1] not in stops:
        one, other = joined[way[-1]]
        way.append(other if one == way[-2] else one)
    return way


def _centre(pixel: Pixel) -> Points:
    return np.array([pixel[0] + 0.5, pixel[1] + 0.5])


def prune(skeleton: Skeleton) -> None:
    """Drop branches that are bumps or corners of the edge and no limbs, the shortest first."""
    while True:
        spurs: list[tuple[float, Edge, int]] = []
        for edge in skeleton.edges:
            degrees = [skeleton.degree(node) for node in edge.nodes]
            if min(degrees) != 1 or max(degrees) < 3:
                continue
            side = int(np.argmax(degrees))  # of the junction
            radius, tip = (skeleton.radius(edge.nodes[i]) for i in (side, 1 - side))
            sticks_out = (edge.length + tip) / radius - 1
            limit = _CORNER if tip < _TAPER * radius else _BUMP
            if sticks_out < limit or _is_apex(skeleton, edge, side):
                spurs.append((sticks_out, edge, side))
        if not spurs:
            return
        _, spur, side = min(spurs, key=lambda one: one[0])
        skeleton.edges.remove(spur)
        _reach_apex(skeleton, spur, side)
        _dissolve(skeleton)


def _is_apex(skeleton: Skeleton, spur: Edge, side: int) -> bool:
    """Whether a branch is the thick tip of a V, whose two strokes run into one another early."""
    junction = spur.nodes[side]
    arms = [end for end in skeleton.ends(junction) if end[0] is not spur]
    if len(arms) != 2 or spur.length > _LONGEST_APEX * skeleton.radius(junction):
        return False
    if skeleton.angle(junction, *arms) > _SHARPEST_Y:
        return False
    if any(skeleton.angle(junction, arm, (spur, side)) < _AWAY for arm in arms):
        return False
    points = spur.from_side(side)
    first_half = local_radius(skeleton.distance, points[: len(points) // 2 + 1])
    return float(first_half.mean()) > _BLOB * skeleton.stroke_radius


def _reach_apex(skeleton: Skeleton, spur: Edge, side: int) -> None:
    """Extend two branches that fold to the writer's turning point, when their spur is dropped.

    That point is where the spur is as wide as a stroke: nearer to the tip than the junction, which
    is the centre of all the ink that runs together there.
    """
    junction = spur.nodes[side]
    arms = skeleton.ends(junction)
    radius = skeleton.radius(junction)
    if len(arms) != 2 or min(edge.length for edge, _ in arms) < radius:
        return
    if skeleton.angle(junction, *arms) > _WIDEST_FOLD:
        return
    points = spur.from_side(side)
    wide = local_radius(skeleton.distance, points) > skeleton.stroke_radius
    apex = points[-1 if wide.all() else int(np.argmin(wide))]
    for edge, end in arms:
        inward = edge.from_side(1 - end)
        along = arc_length(inward)
        kept = inward[along <= max(along[-1] - radius, along[-1] / 2)]
        inward = np.concatenate([kept, apex[None]])
        edge.points = inward if end == 1 else inward[::-1]
    skeleton.positions[junction] = apex


def _dissolve(skeleton: Skeleton) -> None:
    """Make one branch of two that meet where nothing else does."""
    for node in list(skeleton.positions):
        ends = skeleton.ends(node)
        if not ends:
            del skeleton.positions[node]
        elif len(ends) == 2:
            (first, i), (second, j) = ends
            if first is second:
                skeleton.rings.append(first.points)
                skeleton.edges.remove(first)
            else:
                points = np.concatenate([first.from_side(1 - i), second.from_side(j)[1:]])
                nodes = [first.nodes[1 - i], second.nodes[1 - j]]
                skeleton.edges = [e for e in skeleton.edges if e is not first and e is not second]
                skeleton.edges.append(Edge(nodes, points))
            del skeleton.positions[node]


def merge(skeleton: Skeleton) -> None:
    """Contract branches between junctions that lie within one another's width."""
    while True:
        short: list[tuple[float, Edge]] = []
        for edge in skeleton.edges:
            one, other = edge.nodes
            if one == other or min(skeleton.degree(one), skeleton.degree(other)) < 3:
                continue
            near = edge.length / (skeleton.radius(one) + skeleton.radius(other))
            if near < _MERGE or (near < _CROSSING and _is_crossing(skeleton, edge)):
                short.append((near, edge))
        if not short:
            return
        edge = min(short, key=lambda one: one[0])[1]
        kept, gone = edge.nodes
        skeleton.edges.remove(edge)
        skeleton.positions[kept] = edge.points[len(edge.points) // 2]
        del skeleton.positions[gone]
        for other_edge in skeleton.edges:
            other_edge.nodes = [kept if node == gone else node for node in other_edge.nodes]
        # Two sides of a hole that is narrower than the stroke collapse to loops of no area.
        skeleton.edges = [
            one
            for one in skeleton.edges
            if one.nodes[0] != one.nodes[1]
            or one.length > 2 * np.pi * skeleton.radius(one.nodes[0])
        ]


def _is_crossing(skeleton: Skeleton, middle: Edge) -> bool:
    """Whether two strokes run together along a branch, as in a steep X, and part at both ends."""
    along = middle.points[-1] - middle.points[0]
    along = along / max(float(np.hypot(*along)), 1e-9)
    for node, sign in zip(middle.nodes, (-1.0, 1.0), strict=True):
        leaving = [end for end in skeleton.ends(node) if end[0] is not middle]
        if len(leaving) != 2:
            return False
        for edge, side in leaving:
            cosine = float(edge.direction(side, skeleton.radius(node)) @ (sign * along))
            if cosine < np.cos(np.radians(_SLANT)):
                return False
    return True
