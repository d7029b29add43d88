"""Boxes of placed ink, the unit of layout. Lengths are ems, y downwards, baseline at 0."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inktex.ink import bounding_box

Strokes = tuple[NDArray[np.float32], ...]
"""Strokes of a symbol, each `(points, 2)`."""


Placed = tuple[int, Strokes, float, float, float]
"""A token's index, its strokes, and the factor and shift in x and y that put them in place.

Strokes are moved once, when all is in place: that halves the time of writing an expression."""


@dataclass
class Box:
    """Symbols placed so far, and how far they reach."""

    symbols: list[Placed] = field(default_factory=list)
    left: float = np.inf
    top: float = np.inf
    right: float = -np.inf
    bottom: float = -np.inf

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """X halfway from left to right."""
        return (self.left + self.right) / 2

    def add(self, other: "Box", x: float, y: float, scale: float = 1.0) -> None:
        """Place another box into this one, its origin at `(x, y)`."""
        if not other.symbols:
            return
        self.symbols.extend(
            (index, strokes, scale * inner, x + scale * across, y + scale * down)
            for index, strokes, inner, across, down in other.symbols
        )
        self.left = min(self.left, x + scale * other.left)
        self.top = min(self.top, y + scale * other.top)
        self.right = max(self.right, x + scale * other.right)
        self.bottom = max(self.bottom, y + scale * other.bottom)

    def ink(self) -> list[tuple[int, Strokes]]:
        """Each token's index and its strokes, in place."""
        return [
            (
                index,
                tuple(
                    stroke * np.float32(scale) + np.array([x, y], dtype=np.float32)
                    for stroke in strokes
                ),
            )
            for index, strokes, scale, x, y in self.symbols
        ]

    def scaled(self, scale: float) -> "Box":
        """A copy at another size."""
        copy = Box()
        copy.add(self, 0.0, 0.0, scale)
        return copy


def boxed(index: int, strokes: Strokes) -> Box:
    """One symbol as a box."""
    return Box([(index, strokes, 1.0, 0.0, 0.0)], *bounding_box(strokes))


def fit(strokes: Strokes, target: tuple[float, float, float, float]) -> Strokes:
    """Strokes stretched into a box; a direction in which they have no extent stays as it is."""
    x0, y0, x1, y1 = bounding_box(strokes)
    low, high = np.array([x0, y0]), np.array([x1, y1])
    start, end = np.array(target[:2]), np.array(target[2:])
    extent = high - low
    flat = extent < 1e-6
    factor = np.where(flat, 1.0, (end - start) / np.where(flat, 1.0, extent))
    origin = np.where(flat, (start + end) / 2, start)
    return tuple(((stroke - low) * factor + origin).astype(np.float32) for stroke in strokes)
