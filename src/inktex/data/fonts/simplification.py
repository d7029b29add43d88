"""A skeleton less what thinning adds to the way of a pen: spurs, split junctions, cut corners."""

from __future__ import annotations

from typing import Final

import numpy as np

from .skeleton import Edge, Skeleton, direction, dissolve, local_radius

__all__ = ["merge", "prune"]

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


def prune(skeleton: Skeleton) -> None:
    """Drop branches that are bumps or corners of the edge and no limbs, the shortest first."""
    while True:
        spurs: list[tuple[float, Edge]] = []
        for edge in skeleton.edges:
            degrees = [skeleton.degree(node) for node in edge.nodes]
            if min(degrees) != 1 or max(degrees) < 3:
                continue
            end, junction = (edge.nodes[i] for i in np.argsort(degrees))
            radius = skeleton.node_radius(junction)
            tip = skeleton.node_radius(end)
            sticks_out = (edge.length + tip) / radius - 1
            limit = _CORNER if tip < _TAPER * radius else _BUMP
            if sticks_out < limit or _is_apex(skeleton, edge, junction):
                spurs.append((sticks_out, edge))
        if not spurs:
            return
        spur = min(spurs, key=lambda one: one[0])[1]
        skeleton.edges.remove(spur)
        _reach_apex(skeleton, spur)
        dissolve(skeleton)


def _is_apex(skeleton: Skeleton, spur: Edge, junction: int) -> bool:
    """Whether a branch is the thick tip of a V, whose two strokes run into one another early."""
    legs = _legs(skeleton, junction, spur)
    radius = skeleton.node_radius(junction)
    if len(legs) != 2 or spur.length > _LONGEST_APEX * radius:
        return False
    if _fold(skeleton, junction, legs) > _SHARPEST_Y:
        return False
    side = spur.nodes.index(junction)
    if any(_fold(skeleton, junction, [leg, (spur, side)]) < _AWAY for leg in legs):
        return False
    points = spur.points if spur.nodes[0] == junction else spur.points[::-1]
    first_half = local_radius(skeleton.distance, points[: len(points) // 2 + 1])
    return float(first_half.mean()) > _BLOB * skeleton.pen_radius


def _reach_apex(skeleton: Skeleton, spur: Edge) -> None:
    """Lead two branches that fold to where a pen would have turned, when their spur is dropped.

    The pen's turning point is where the spur is as wide as a stroke: nearer to the tip than the
    junction, which is the centre of all the ink that runs together there.
    """
    junction = spur.nodes[0]
    if len(_legs(skeleton, junction, spur)) != 2:
        junction = spur.nodes[1]
    legs = _legs(skeleton, junction, spur)
    radius = skeleton.node_radius(junction)
    if len(legs) != 2 or min(edge.length for edge, _ in legs) < radius:
        return
    if _fold(skeleton, junction, legs) > _WIDEST_FOLD:
        return
    points = spur.points if spur.nodes[0] == junction else spur.points[::-1]
    wide = local_radius(skeleton.distance, points) > skeleton.pen_radius
    apex = points[-1 if wide.all() else int(np.argmin(wide))]
    for edge, side in legs:
        ordered = edge.points if side == 1 else edge.points[::-1]
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(ordered, axis=0).T))])
        kept = ordered[along <= max(along[-1] - radius, along[-1] / 2)]
        ordered = np.concatenate([kept, apex[None]])
        edge.points = ordered if side == 1 else ordered[::-1]
    skeleton.positions[junction] = apex


def _legs(skeleton: Skeleton, junction: int, apart_from: Edge) -> list[tuple[Edge, int]]:
    """Branches that meet at a node, each with the side that does."""
    return [
        (edge, side)
        for edge in skeleton.edges
        for side in (0, 1)
        if edge is not apart_from and edge.nodes[side] == junction
    ]


def _fold(skeleton: Skeleton, junction: int, legs: list[tuple[Edge, int]]) -> float:
    """Degrees between two branches that meet at a node."""
    radius = skeleton.node_radius(junction)
    one, other = (direction(edge, side, radius) for edge, side in legs)
    return float(np.degrees(np.arccos(np.clip(one @ other, -1, 1))))


def merge(skeleton: Skeleton) -> None:
    """Contract branches between junctions that lie within one another's width."""
    while True:
        short: list[tuple[float, Edge]] = []
        for edge in skeleton.edges:
            one, other = edge.nodes
            if one == other or min(skeleton.degree(one), skeleton.degree(other)) < 3:
                continue
            reach = skeleton.node_radius(one) + skeleton.node_radius(other)
            near = edge.length / reach
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
            or one.length > 2 * np.pi * skeleton.node_radius(one.nodes[0])
        ]


def _is_crossing(skeleton: Skeleton, middle: Edge) -> bool:
    """Whether two strokes run together along a branch, as in a steep X, and part at both ends."""
    if skeleton.degree(middle.nodes[0]) != 3 or skeleton.degree(middle.nodes[1]) != 3:
        return False
    along = middle.points[-1] - middle.points[0]
    along = along / max(float(np.hypot(*along)), 1e-9)
    for node, sign in zip(middle.nodes, (-1.0, 1.0), strict=True):
        radius = skeleton.node_radius(node)
        for edge in skeleton.edges:
            for side in (0, 1):
                if edge is middle or edge.nodes[side] != node:
                    continue
                cosine = float(direction(edge, side, radius) @ (sign * along))
                if cosine < np.cos(np.radians(_SLANT)):
                    return False
    return True
