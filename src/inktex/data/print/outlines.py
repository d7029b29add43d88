"""Outlines of glyphs as polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_TOLERANCE: Final = 0.0008
"""Ems by which a polygon may leave its curve: a tenth of a pixel where letters are large."""
_MOST: Final = 12
"""Pieces of a curve."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """What is filled: the closed polygons around it, holes the other way round.

    Attributes:
        points: `(points, 2)` float32, x to the right and y down, in ems, the baseline at y = 0.
        offsets: `(polygons + 1,)` int64; polygon `i` is `points[offsets[i]:offsets[i + 1]]`.
    """

    points: NDArray[np.float32]
    offsets: NDArray[np.int64]


def outline_of(operators: Sequence[Any], em: float) -> Outline:
    """Outline of a glyph as ziafont has it.

    Args:
        operators: its moves, lines, and quadratic and cubic curves, in font units, y up.
        em: font units of an em.
    """
    polygons: list[list[NDArray[np.float64]]] = []
    for operator in operators:
        points, _ = operator.points()
        given = [np.array([one.x, -one.y], dtype=np.float64) / em for one in points]
        if len(given) == 1 and type(operator).__name__ == "Moveto":
            polygons.append([given[0]])
        elif polygons:
            polygons[-1] += _flattened([polygons[-1][-1], *given])
    kept = [np.array(one) for one in polygons if len(one) > 2]
    area = sum(_area(one) for one in kept)
    if area < 0:  # TrueType runs the other way than PostScript
        kept = [one[::-1] for one in kept]
    points_ = np.concatenate(kept) if kept else np.zeros((0, 2))
    offsets = np.cumsum([0, *map(len, kept)])
    return Outline(points_.astype(np.float32), offsets.astype(np.int64))


def _flattened(curve: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Points on a Bezier curve but for its first one; a line is one of degree 1."""
    degree = len(curve) - 1
    if degree == 1:
        return [curve[1]]
    bends = [curve[i] - 2 * curve[i + 1] + curve[i + 2] for i in range(degree - 1)]
    bend = max(float(np.hypot(*one)) for one in bends)
    # A piece of a curve leaves its chord by an eighth of the second derivative, at most.
    pieces = int(np.ceil(np.sqrt(degree * (degree - 1) / 8 * bend / _TOLERANCE)))
    pieces = min(max(pieces, 1), _MOST)
    found = []
    for number in range(1, pieces + 1):
        share, points = number / pieces, curve
        while len(points) > 1:
            points = [a + (b - a) * share for a, b in pairwise(points)]
        found.append(points[0])
    return found


def _area(polygon: NDArray[np.float64]) -> float:
    following = np.roll(polygon, -1, axis=0)
    return float((polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1]).sum() / 2)
