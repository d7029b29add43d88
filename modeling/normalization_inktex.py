"""Normalization: any picture of handwritten mathematics to the picture that the model reads.

The model reads the picture that the published CROHME protocol draws of ink: white on black, symbols
`symbol_height` tall on average, strokes `stroke_width` wide, fixed margins. Such a picture is kept
as it is. In every other one, a network finds the formula's ink and draws it as the protocol does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .grey_levels_inktex import colours, on_paper, reduced_levels
from .image_loading_inktex import NoFormulaError
from .image_settings_inktex import ImageSettings
from .ink_extraction_inktex import InkExtraction
from .published_ink_inktex import ink_box, mean_symbol_height, published_ink

Box = tuple[float, float, float, float]
Ink = NDArray[np.float32]

_LEAST_ANGLE = 0.05
"""Degrees; less is not worth a word."""


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
        pivot: x and y, in pixels of the given picture.
        ink: `(h, w)` float32, the probability of ink in the part of the picture, upright, that the
            network looked at closely; None where no network was asked.
    """

    picture: NDArray[np.uint8]
    scale: tuple[float, float]
    origin: tuple[float, float]
    reasons: tuple[str, ...] = ()
    skew_angle: float = 0.0
    pivot: tuple[float, float] = (0.0, 0.0)
    ink: Ink | None = field(default=None, repr=False, compare=False)

    def to_source(self, box: Box) -> Box:
        """Returns left, top, right and bottom, in the given picture, of a box in `picture`."""
        (across, down), (x, y) = self.scale, self.origin
        left, top, right, bottom = box
        left, top, right, bottom = (
            left / across + x, top / down + y, right / across + x, bottom / down + y
        )  # fmt: skip
        if not self.skew_angle:
            return left, top, right, bottom
        cosine, sine = self._rotation
        (px, py), corners = self.pivot, [(a, b) for a in (left, right) for b in (top, bottom)]
        across_there = [px + (a - px) * cosine - (b - py) * sine for a, b in corners]
        down_there = [py + (a - px) * sine + (b - py) * cosine for a, b in corners]
        return min(across_there), min(down_there), max(across_there), max(down_there)

    def from_source(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Returns points `(n, 2)`, x and y in the given picture, in pixels of `picture`."""
        cosine, sine = self._rotation
        upright = (points - self.pivot) @ np.array([[cosine, -sine], [sine, cosine]]) + self.pivot
        return np.asarray((upright - self.origin) * self.scale, dtype=np.float64)

    @property
    def _rotation(self) -> tuple[float, float]:
        """Cosine and sine of the skew."""
        return math.cos(math.radians(self.skew_angle)), math.sin(math.radians(self.skew_angle))


def normalize(
    picture: Any, settings: ImageSettings, extraction: InkExtraction | None = None
) -> NormalizedPicture:
    """Brings a picture to the one that the model reads.

    Args:
        picture: what `reduced_levels` takes.
        settings: of the model.
        extraction: finds the ink in pictures that the published protocol did not draw.

    Raises:
        ValueError: if it cannot be read, or there is no network to find its ink.
        NoFormulaError: if there is no ink in it.
    """
    levels, step = reduced_levels(picture, settings.max_pixels)
    grey = on_paper(levels)
    if step == 1:
        ink = published_ink(grey, settings.symbol_height, settings.stroke_width)
        if ink is not None:
            return from_published(ink * np.uint8(255), settings)
    if extraction is None:
        raise ValueError(
            "The published protocol did not draw this picture, and the network that finds the ink "
            "in other pictures is missing. Load the image processor by from_pretrained, from a "
            "folder or repository that has ink_extraction.safetensors."
        )
    return _extracted(colours(levels, grey), step, settings, extraction)


def _extracted(
    picture: NDArray[np.uint8], step: int, settings: ImageSettings, extraction: InkExtraction
) -> NormalizedPicture:
    """What a network finds in an RGB picture, of which each pixel stands for `step` given ones."""
    found = extraction(Image.fromarray(picture))
    if found is None:
        raise NoFormulaError("No formula found: there is no ink in the picture.")
    strokes = found.ink > 0.5
    box = ink_box(strokes)
    height = mean_symbol_height(strokes[box], settings.stroke_width)
    factor = settings.symbol_height / height
    margins = (round(settings.margin_before / factor), round(settings.margin_after / factor))
    ink = np.pad(found.ink[box], margins)
    drawn = _reduced(ink, factor, settings)
    across, down = (drawn.shape[axis] / ink.shape[axis] for axis in (1, 0))
    x, y = (found.offset[axis] + (box[1 - axis].start - margins[0]) / found.zoom for axis in (0, 1))
    reasons: tuple[str, ...] = (
        f"ink found by the network, at {found.zoom / step:.2f} times the size of the picture",
        f"symbols about {height / found.zoom * step:.0f} pixels tall, "
        f"resized {found.zoom * factor / step:.2f} times",
    )
    if abs(found.angle) >= _LEAST_ANGLE:
        reasons += (f"rotated by {found.angle:.1f} degrees counterclockwise",)
    return NormalizedPicture(
        picture=drawn,
        scale=(across * found.zoom / step, down * found.zoom / step),
        origin=(x * step, y * step),
        reasons=reasons,
        skew_angle=found.angle,
        pivot=(picture.shape[1] * step / 2, picture.shape[0] * step / 2),
        ink=found.ink,
    )


def from_published(picture: NDArray[np.uint8], settings: ImageSettings) -> NormalizedPicture:
    """Brings a picture drawn by the published protocol to the one that the model reads.

    Nothing is measured: it is cropped, gets the model's margins, and is reduced.

    Args:
        picture: `(h, w)`, ink 255 on paper 0, its symbols and strokes as the settings have them.
        settings: of the model.
    """
    box = ink_box(picture > 0)
    before, after = settings.margin_before, settings.margin_after
    ink = np.pad(picture[box], (before, after)).astype(np.float32) / np.float32(255)
    drawn = _reduced(ink, 1.0, settings)
    return NormalizedPicture(
        picture=drawn,
        scale=(drawn.shape[1] / ink.shape[1], drawn.shape[0] / ink.shape[0]),
        origin=(float(box[1].start - before), float(box[0].start - before)),
        reasons=("drawn by the published protocol, kept as it is",),
    )


def _reduced(ink: Ink, reduction: float, settings: ImageSettings) -> NDArray[np.uint8]:
    """Ink reduced to the model's resolution, and further to its largest picture."""
    height, width = ink.shape
    factor = reduction * settings.resolution
    excess = max(height * factor / settings.max_height, width * factor / settings.max_width)
    if excess > 1:
        factor /= excess
    size = (
        min(math.ceil(width * factor), settings.max_width),
        min(math.ceil(height * factor), settings.max_height),
    )
    levels = Image.fromarray(np.rint(ink * 255).astype(np.uint8))
    # Pillow's BILINEAR averages over all pixels that fall into one, so thin lines survive.
    return np.asarray(levels.resize(size, Image.Resampling.BILINEAR))


def stack_pictures(
    drawn: Sequence[NDArray[np.uint8]], multiple: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stacks the model's pictures as one batch, padded right and below.

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


__all__ = ["NormalizedPicture", "from_published", "normalize", "stack_pictures"]
