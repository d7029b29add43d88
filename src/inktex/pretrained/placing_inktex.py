"""Any picture of handwritten mathematics to the model's picture, with numpy and Pillow alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .normal_form_inktex import NormalForm, normalize_picture
from .pictures_inktex import reduced_levels
from .thinning_inktex import Thinner


@dataclass(frozen=True, slots=True)
class PlacedPicture:
    """The model's picture, and where it is in the given one.

    Attributes:
        picture: `(height, width)` uint8, ink 255 on paper 0.
        zoom: pixels of `picture` for each pixel of the given one, across and down.
        corner: x and y of its left upper corner, in pixels of the given one (upright, where it says
            how to hold it) after `turn`.
        notes: what the image processor found and did, in words.
        turn: by so many degrees, against the clock, the given picture was turned about `pivot`.
        pivot: x and y, in pixels of the given picture.
    """

    picture: NDArray[np.uint8]
    zoom: tuple[float, float]
    corner: tuple[float, float]
    notes: tuple[str, ...] = ()
    turn: float = 0.0
    pivot: tuple[float, float] = (0.0, 0.0)

    def outside(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in the given picture, of a box in `picture`."""
        (across, down), (x, y) = self.zoom, self.corner
        left, top, right, bottom = box
        left, top, right, bottom = (
            left / across + x, top / down + y, right / across + x, bottom / down + y
        )  # fmt: skip
        if not self.turn:
            return left, top, right, bottom
        cosine, sine = math.cos(math.radians(self.turn)), math.sin(math.radians(self.turn))
        (px, py), corners = self.pivot, [(a, b) for a in (left, right) for b in (top, bottom)]
        across_there = [px + (a - px) * cosine - (b - py) * sine for a, b in corners]
        down_there = [py + (a - px) * sine + (b - py) * cosine for a, b in corners]
        return min(across_there), min(down_there), max(across_there), max(down_there)

    def inside(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Where points `(n, 2)`, x and y in the given picture, are in `picture`."""
        cosine, sine = math.cos(math.radians(self.turn)), math.sin(math.radians(self.turn))
        upright = (points - self.pivot) @ np.array([[cosine, -sine], [sine, cosine]]) + self.pivot
        return np.asarray((upright - self.corner) * self.zoom, dtype=np.float64)


class PlacingSettings(Protocol):
    """The settings of `InktexImageProcessor`, which describes them."""

    resolution: float
    symbol_height: float
    stroke_width: int
    margin_before: int
    margin_after: int
    height_tolerance: float
    stroke_range: Sequence[float]
    max_height: int
    max_width: int
    pad_multiple: int
    max_pixels: int


def place_picture(
    picture: Any, settings: PlacingSettings, thinner: Thinner | None = None
) -> PlacedPicture:
    """The model's picture of one picture, and where it is in that picture.

    Args:
        picture: what `reduced_levels` takes.
        settings: of the model.
        thinner: see `normalize_picture`.

    Raises:
        ValueError: if it cannot be read.
        NoFormulaError: if there is no ink in it, or none that could be a formula.
    """
    form = NormalForm(
        symbol_height=settings.symbol_height,
        stroke_width=settings.stroke_width,
        margin_before=settings.margin_before,
        margin_after=settings.margin_after,
        height_tolerance=settings.height_tolerance,
        stroke_range=(settings.stroke_range[0], settings.stroke_range[1]),
    )
    grey, step = reduced_levels(picture, settings.max_pixels)
    normal = normalize_picture(grey, form, thinner)
    height, width = normal.ink.shape
    factor = normal.scale * settings.resolution
    excess = max(height * factor / settings.max_height, width * factor / settings.max_width)
    if excess > 1:
        factor /= excess
    size = (
        min(math.ceil(width * factor), settings.max_width),
        min(math.ceil(height * factor), settings.max_height),
    )
    ink = Image.fromarray(np.rint(normal.ink * 255).astype(np.uint8))
    # Pillow's BILINEAR averages over all pixels that fall into one, so thin lines survive.
    return PlacedPicture(
        picture=np.asarray(ink.resize(size, Image.Resampling.BILINEAR)),
        zoom=(size[0] / width * normal.zoom / step, size[1] / height * normal.zoom / step),
        corner=(normal.corner[0] * step, normal.corner[1] * step),
        notes=normal.notes,
        turn=normal.turn,
        pivot=(grey.shape[1] * step / 2, grey.shape[0] * step / 2),
    )


def stack_pictures(
    drawn: Sequence[NDArray[np.uint8]], multiple: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The model's pictures of several pictures as one batch, padded right and below.

    Args:
        drawn: each `(height, width)` uint8, ink 255 on paper 0.
        multiple: height and width of the batch are multiples of this.

    Returns:
        Pixels `(batch, 1, height, width)`, ink 1 on paper 0, and their mask
        `(batch, height, width)`, 0 for padding.
    """
    height, width = (
        math.ceil(max(picture.shape[axis] for picture in drawn) / multiple) * multiple
        for axis in (0, 1)
    )
    pixels = np.zeros((len(drawn), 1, height, width), dtype=np.float32)
    mask = np.zeros((len(drawn), height, width), dtype=np.float32)
    for i, picture in enumerate(drawn):
        h, w = picture.shape
        pixels[i, 0, :h, :w] = picture / np.float32(255)
        mask[i, :h, :w] = 1
    return pixels, mask


__all__ = ["PlacedPicture", "PlacingSettings", "place_picture", "stack_pictures"]
