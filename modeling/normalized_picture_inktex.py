"""The picture that the model reads, and where it is in the picture that was given."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class NormalizedPicture:
    """The picture that the model reads, and where it is in the given one.

    Attributes:
        picture: `(height, width)` uint8, ink 255 on paper 0.
        scale: pixels of `picture` for each pixel of the given one, across and down.
        origin: x and y of its left upper corner, in pixels of the given picture (upright, where
            its EXIF orientation says how) after deskewing.
        reasons: what was found and done, and why, in words.
        skew_angle: degrees by which the given picture was rotated counterclockwise about `pivot`.
        pivot: x and y of the given picture's centre, in its pixels.
        turns: quarters of a turn, clockwise, by which the given picture was turned before.
            `origin`, `skew_angle` and `pivot` are those of the turned one.
        is_published: whether it was drawn as the published protocol draws, so that it is upright.
    """

    picture: NDArray[np.uint8]
    scale: tuple[float, float]
    origin: tuple[float, float]
    reasons: tuple[str, ...] = ()
    skew_angle: float = 0.0
    pivot: tuple[float, float] = (0.0, 0.0)
    turns: int = 0
    is_published: bool = False

    def to_source(self, box: Box) -> Box:
        """Returns left, top, right and bottom, in the given picture, of a box in `picture`."""
        (across, down), (x, y) = self.scale, self.origin
        left, top, right, bottom = box
        left, top, right, bottom = (
            left / across + x, top / down + y, right / across + x, bottom / down + y
        )  # fmt: skip
        if self.skew_angle:
            cosine, sine = self._rotation
            (px, py), corners = self.pivot, [(a, b) for a in (left, right) for b in (top, bottom)]
            across_there = [px + (a - px) * cosine - (b - py) * sine for a, b in corners]
            down_there = [py + (a - px) * sine + (b - py) * cosine for a, b in corners]
            left, top = min(across_there), min(down_there)
            right, bottom = max(across_there), max(down_there)
        width, height = 2 * self.pivot[0], 2 * self.pivot[1]
        for _ in range(self.turns):  # back, a quarter counterclockwise
            left, top, right, bottom = top, width - right, bottom, width - left
            width, height = height, width
        return left, top, right, bottom

    def from_source(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Returns points `(n, 2)`, x and y in the given picture, in pixels of `picture`."""
        width, height = (2 * side for side in self.pivot)
        if self.turns % 2:
            width, height = height, width
        for _ in range(self.turns):
            points = np.stack([height - points[:, 1], points[:, 0]], axis=1)
            width, height = height, width
        cosine, sine = self._rotation
        upright = (points - self.pivot) @ np.array([[cosine, -sine], [sine, cosine]]) + self.pivot
        return np.asarray((upright - self.origin) * self.scale, dtype=np.float64)

    @property
    def _rotation(self) -> tuple[float, float]:
        """Cosine and sine of the skew."""
        return math.cos(math.radians(self.skew_angle)), math.sin(math.radians(self.skew_angle))


__all__ = ["Box", "NormalizedPicture"]
