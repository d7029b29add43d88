"""Any picture of handwritten mathematics to the pixels that the model was trained on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor

from .normal_form_inktex import NormalForm, normalize_picture
from .pictures_inktex import NoFormulaError, picture_list, reduced_levels


@dataclass(frozen=True, slots=True)
class PlacedPicture:
    """The model's picture, and where it is in the given one.

    Attributes:
        picture: `(height, width)` uint8, ink 255 on paper 0.
        zoom: pixels of `picture` for each pixel of the given one, across and down.
        corner: x and y of its left upper corner, in pixels of the given one (turned upright, where
            it says how).
        notes: what the image processor found and did, in words.
    """

    picture: NDArray[np.uint8]
    zoom: tuple[float, float]
    corner: tuple[float, float]
    notes: tuple[str, ...] = ()

    def outside(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in the given picture, of a box in `picture`."""
        (across, down), (x, y) = self.zoom, self.corner
        left, top, right, bottom = box
        return left / across + x, top / down + y, right / across + x, bottom / down + y


class InktexImageProcessor(BaseImageProcessor):
    """Brings pictures to ink 1 on paper 0 in the normal form, and pads them to a batch.

    A picture drawn by the published protocol is merely reduced by `resolution`. Other pictures
    are brought there first: a photo with shadows, light ink on dark paper, transparency, strokes
    of another width, ink of another size.

    Args:
        resolution: pixels of the model's picture for each pixel of the published protocol.
        symbol_height: mean height of the traces, in pixels of the protocol.
        stroke_width: of the pen, in pixels of the protocol.
        margin_before, margin_after: left of and above the ink, right of and below it, in pixels
            of the protocol.
        height_tolerance: factor by which the measured symbol height may be off before the size
            is changed. Training varies it about as far.
        stroke_range: narrowest and widest strokes, in pixels of the protocol, that are not drawn
            anew.
        enlargement: ink whose size is changed comes out this many times as large as the protocol
            has it: letters that touch measure too tall, and large ink reads better than small.
        max_height, max_width: of the model's picture; what is larger is reduced, as in training.
        pad_multiple: heights and widths of batches are multiples of this.
        max_pixels: pictures with more are refused.

    Example:
        >>> processor = InktexImageProcessor()
        >>> processor("expression.png", return_tensors="pt")["pixel_values"].shape
        torch.Size([1, 1, 48, 128])
    """

    model_input_names = ["pixel_values", "pixel_mask"]

    def __init__(
        self,
        resolution: float = 0.55,
        symbol_height: float = 28.0,
        stroke_width: int = 3,
        margin_before: int = 12,
        margin_after: int = 11,
        height_tolerance: float = 1.6,
        stroke_range: Sequence[float] = (2.0, 5.5),
        enlargement: float = 1.3,
        max_height: int = 256,
        max_width: int = 1056,
        pad_multiple: int = 16,
        max_pixels: int = 100_000_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.resolution = resolution
        self.symbol_height = symbol_height
        self.stroke_width = stroke_width
        self.margin_before = margin_before
        self.margin_after = margin_after
        self.height_tolerance = height_tolerance
        self.stroke_range = list(stroke_range)
        self.enlargement = enlargement
        self.max_height = max_height
        self.max_width = max_width
        self.pad_multiple = pad_multiple
        self.max_pixels = max_pixels

    def preprocess(
        self, images: Any, return_tensors: str | None = None, **kwargs: Any
    ) -> BatchFeature:
        """Pictures to a batch.

        Args:
            images: a picture or a list of them, each a path, URL, bytes, PIL image of any mode,
                array or tensor.
            return_tensors: "pt" for torch tensors, "np" or None for arrays.

        Returns:
            `pixel_values` `(batch, 1, height, width)` float32, ink 1 on paper 0, and `pixel_mask`
            `(batch, height, width)` float32, 0 for padding, which is right and below.

        Raises:
            ValueError: naming the picture, if one cannot be read or has no ink in it.
        """
        pictures = picture_list(images)
        if not pictures:
            raise ValueError("There are no pictures to read: the list is empty.")
        drawn = []
        for number, picture in enumerate(pictures):
            try:
                drawn.append(self.draw(picture))
            except ValueError as error:
                if len(pictures) == 1:
                    raise
                kind = NoFormulaError if isinstance(error, NoFormulaError) else ValueError
                raise kind(f"Picture {number} of {len(pictures)}: {error}") from error
        return self.stack(drawn, return_tensors)

    def stack(
        self, drawn: Sequence[NDArray[np.uint8]], return_tensors: str | None = None
    ) -> BatchFeature:
        """What `draw` gave for several pictures as one batch, as `preprocess` gives it."""
        height, width = (
            math.ceil(max(picture.shape[axis] for picture in drawn) / self.pad_multiple)
            * self.pad_multiple
            for axis in (0, 1)
        )
        pixels = np.zeros((len(drawn), 1, height, width), dtype=np.float32)
        mask = np.zeros((len(drawn), height, width), dtype=np.float32)
        for i, picture in enumerate(drawn):
            h, w = picture.shape
            pixels[i, 0, :h, :w] = picture / np.float32(255)
            mask[i, :h, :w] = 1
        return BatchFeature(
            {"pixel_values": pixels, "pixel_mask": mask}, tensor_type=return_tensors or "np"
        )

    def draw(self, picture: Any) -> NDArray[np.uint8]:
        """The model's picture of one picture: `(height, width)` uint8, ink 255 on paper 0."""
        return self.place(picture).picture

    def place(self, picture: Any) -> PlacedPicture:
        """The model's picture of one picture, and where it is in that picture.

        Raises:
            ValueError: if it cannot be read.
            NoFormulaError: if there is no ink in it, or none that could be a formula.
        """
        form = NormalForm(
            symbol_height=self.symbol_height,
            stroke_width=self.stroke_width,
            margin_before=self.margin_before,
            margin_after=self.margin_after,
            height_tolerance=self.height_tolerance,
            stroke_range=(self.stroke_range[0], self.stroke_range[1]),
            enlargement=self.enlargement,
        )
        grey, step = reduced_levels(picture, self.max_pixels)
        normal = normalize_picture(grey, form)
        height, width = normal.ink.shape
        factor = normal.scale * self.resolution
        excess = max(height * factor / self.max_height, width * factor / self.max_width)
        if excess > 1:
            factor /= excess
        size = (
            min(math.ceil(width * factor), self.max_width),
            min(math.ceil(height * factor), self.max_height),
        )
        ink = Image.fromarray(np.rint(normal.ink * 255).astype(np.uint8))
        # Pillow's BILINEAR averages over all pixels that fall into one, so thin lines survive.
        return PlacedPicture(
            picture=np.asarray(ink.resize(size, Image.Resampling.BILINEAR)),
            zoom=(size[0] / width * normal.zoom / step, size[1] / height * normal.zoom / step),
            corner=(normal.corner[0] * step, normal.corner[1] * step),
            notes=normal.notes,
        )


__all__ = ["InktexImageProcessor", "PlacedPicture"]
