"""The centre lines of a filled shape as a graph of branches.

The skeleton is a thinning: T. Y. Zhang and C. Y. Suen, A fast parallel algorithm for thinning
digital patterns, 1984.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Edge", "Points", "Skeleton", "build_skeleton", "direction", "dissolve", "local_radius"]

Points = NDArray[np.float64]
"""Points in pixels, shape (points, 2), or one of shape (2,)."""


@dataclass(eq=False)
class Edge:
    """A branch between two nodes, its points from the first to the second, shape (points, 2)."""

    nodes: list[int]
    points: Points

    @property
    def length(self) -> float:
        """In pixels."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())


@dataclass(eq=False)
class Skeleton:
    """Branches of a skeleton between its ends and junctions.

    Attributes:
        distance: of each pixel inside to the nearest one outside, shape (height, width).
        positions: node -> x and y in pixels.
        edges: branches; a loop has the same node twice.
        rings: closed curves without a node, each of shape (points, 2), the first point repeated.
        pen_radius: median half width of the shape, in pixels.
    """

    distance: NDArray[np.float64]
    positions: dict[int, Points] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    rings: list[Points] = field(default_factory=list)
    pen_radius: float = 0.0

    def node_radius(self, node: int) -> float:
        """Half the width of the shape at a node, in pixels."""
        return float(local_radius(self.distance, self.positions[node][None])[0])

    def degree(self, node: int) -> int:
        """How many ends of branches meet at a node."""
        return sum(edge.nodes.count(node) for edge in self.edges)


def local_radius(distance: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    """Half the width of a shape at points, at least half a pixel.

    Args:
        distance: of each pixel inside to the nearest one outside, shape (height, width).
        points: shape (points, 2), in pixels.

    Returns:
        Shape (points,), in pixels.
    """
    at = [points[:, 1] - 0.5, points[:, 0] - 0.5]
    found = ndimage.map_coordinates(distance, at, order=1, mode="nearest")
    return np.maximum(np.asarray(found, dtype=np.float64), 0.5)


def build_skeleton(thin: NDArray[np.bool_], distance: NDArray[np.float64]) -> Skeleton:
    """Branches of a thinned raster.

    Pixels are joined to their four neighbours, and diagonally where no such way leads there: so
    the steps of a slanted line are no junctions.
    """
    pixels = {(int(x), int(y)) for y, x in np.argwhere(thin)}
    joined: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for x, y in pixels:
        near = [p for p in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)) if p in pixels]
        for dx, dy in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            corner = (x + dx, y + dy)
            if corner in pixels and (x + dx, y) not in pixels and (x, y + dy) not in pixels:
                near.append(corner)
        joined[x, y] = near
    skeleton = Skeleton(distance)
    nodes = {pixel: i for i, pixel in enumerate(sorted(joined)) if len(joined[pixel]) != 2}
    skeleton.positions = {index: _centre(pixel) for pixel, index in nodes.items()}
    seen: set[tuple[tuple[int, int], tuple[int, int]]] = set()
    visited: set[tuple[int, int]] = set()
    for start in nodes:
        for second in joined[start]:
            if (start, second) in seen:
                continue
            way = [start, second]
            while way[-1] not in nodes:
                visited.add(way[-1])
                one, other = joined[way[-1]]
                way.append(other if one == way[-2] else one)
            seen.update({(way[0], way[1]), (way[-1], way[-2])})
            points = np.array([_centre(pixel) for pixel in way])
            skeleton.edges.append(Edge([nodes[way[0]], nodes[way[-1]]], points))
    rest = sorted(set(joined) - visited - set(nodes))
    while rest:
        way = [rest[0], joined[rest[0]][0]]
        while way[-1] != way[0]:
            one, other = joined[way[-1]]
            way.append(other if one == way[-2] else one)
        skeleton.rings.append(np.array([_centre(pixel) for pixel in way]))
        rest = sorted(set(rest) - set(way))
    return skeleton


def _centre(pixel: tuple[int, int]) -> Points:
    return np.array([pixel[0] + 0.5, pixel[1] + 0.5])


def dissolve(skeleton: Skeleton) -> None:
    """Make one branch of two that meet where nothing else does."""
    for node in list(skeleton.positions):
        ends = [(edge, i) for edge in skeleton.edges for i in (0, 1) if edge.nodes[i] == node]
        if not ends:
            del skeleton.positions[node]
        elif len(ends) == 2:
            (first, i), (second, j) = ends
            if first is second:
                skeleton.rings.append(first.points)
                skeleton.edges.remove(first)
                del skeleton.positions[node]
                continue
            head = first.points if i == 1 else first.points[::-1]
            tail = second.points if j == 0 else second.points[::-1]
            nodes = [first.nodes[1 - i], second.nodes[1 - j]]
            skeleton.edges = [e for e in skeleton.edges if e is not first and e is not second]
            skeleton.edges.append(Edge(nodes, np.concatenate([head, tail[1:]])))
            del skeleton.positions[node]


def direction(edge: Edge, side: int, radius: float) -> Points:
    """Unit vector in which a branch leaves its node, measured where it is out of the junction."""
    points = edge.points if side == 0 else edge.points[::-1]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    near = min(radius, along[-1] / 3)
    far = min(3.0 * radius + 2, along[-1])
    vector = np.array(
        [np.interp(far, along, points[:, i]) - np.interp(near, along, points[:, i]) for i in (0, 1)]
    )
    return vector / max(float(np.hypot(*vector)), 1e-9)
