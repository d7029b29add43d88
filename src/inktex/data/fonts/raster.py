"""Outlines filled to binary rasters, and strokes drawn to them, at the same place and scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ...ink.filling import pieces

_MARGIN: Final = 4
"""Empty pixels on each side of a canvas."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """The place of a raster in the plane.

    Attributes:
        width: in pixels.
        height: in pixels.
        left: x of the raster's left edge, in ems.
        top: y of its upper edge, in ems.
        scale: pixels per em.
    """

    width: int
    height: int
    left: float
    top: float
    scale: float

    @classmethod
    def around(cls, box: tuple[float, float, float, float], scale: float) -> Canvas:
        """The smallest canvas around a box, with a margin.

        Args:
            box: left, top, right, bottom in ems.
            scale: pixels per em.
        """
        x0, y0, x1, y1 = box
        width = int(np.ceil((x1 - x0) * scale)) + 2 * _MARGIN
        height = int(np.ceil((y1 - y0) * scale)) + 2 * _MARGIN
        return cls(width, height, x0 - _MARGIN / scale, y0 - _MARGIN / scale, scale)

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points in ems as points in pixels; both have the shape (points, 2)."""
        return (points - (self.left, self.top)) * self.scale

    def to_ems(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points in pixels as points in ems; both have the shape (points, 2)."""
        return points / self.scale + (self.left, self.top)


def fill(contours: Sequence[NDArray[np.float64]], canvas: Canvas) -> NDArray[np.bool_]:
    """Pixels whose centre is inside of polygons, `(height, width)` bool, by the nonzero rule.

    Contours of handwriting fonts overlap, which the even-odd rule of polygon fills would take for
    holes.

    Args:
        contours: closed polygons, each of shape (points, 2), in ems.
        canvas: where to draw.
    """
    winding = np.zeros((canvas.height, canvas.width + 1), dtype=np.int32)
    for contour in contours:
        start = canvas.to_pixels(contour)
        end = np.roll(start, -1, axis=0)
        low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
        # An edge crosses the rows whose centre lies in [low, high).
        first = np.clip(np.ceil(low - 0.5), 0, canvas.height).astype(np.int64)
        last = np.clip(np.ceil(high - 0.5), 0, canvas.height).astype(np.int64)
        edges, ordinal = pieces(last - first)
        rows = first[edges] + ordinal
        (x0, y0), (x1, y1) = start[edges].T, end[edges].T
        x = x0 + (rows + 0.5 - y0) / (y1 - y0) * (x1 - x0)
        columns = np.clip(np.ceil(x - 0.5), 0, canvas.width).astype(np.int64)
        np.add.at(winding, (rows, columns), np.where(y1 > y0, 1, -1))
    return np.asarray(winding.cumsum(axis=1)[:, :-1] != 0)


def draw_strokes(
    strokes: Sequence[NDArray[np.float64]],
    radii: Sequence[NDArray[np.float64]],
    shape: tuple[int, int],
) -> NDArray[np.bool_]:
    """Polylines with round ends and joints, `(height, width)` bool.

    Args:
        strokes: each of shape (points, 2), in pixels.
        radii: half the width at each point, in pixels, each of shape (points,).
        shape: height and width of the raster.
    """
    # Pillow rounds coordinates to whole pixels; at twice the size the error is a quarter pixel.
    image = Image.new("L", (2 * shape[1], 2 * shape[0]))
    pencil = ImageDraw.Draw(image)
    for stroke, radius in zip(strokes, radii, strict=True):
        points, half = stroke * 2, radius * 2
        for (x, y), r in zip(points.tolist(), half.tolist(), strict=True):
            pencil.ellipse((x - r, y - r, x + r, y + r), fill=255)
        for index in range(len(points) - 1):
            width = max(1, round(float(half[index] + half[index + 1])))
            pencil.line([tuple(points[index]), tuple(points[index + 1])], fill=255, width=width)
    pixels = np.asarray(image).reshape(shape[0], 2, shape[1], 2).mean(axis=(1, 3))
    return np.asarray(pixels > 127)
