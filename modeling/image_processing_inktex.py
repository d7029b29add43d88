"""Any picture of handwritten mathematics to the pixels that the model was trained on."""

import inspect
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.utils import cached_file

from .pictures_inktex import NoFormulaError, picture_list
from .placing_inktex import PlacedPicture, place_picture, stack_pictures
from .strokes_inktex import STROKE_RANGE
from .thinning_inktex import THINNER_FILE, Thinner, save_thinner

_FETCHED = (
    *("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder"),
    "token",
)
"""What `from_pretrained` is told of where files are, and `cached_file`, too."""


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
            anew. Training varies them about as far.
        max_height, max_width: of the model's picture; what is larger is reduced, as in training.
        pad_multiple: heights and widths of batches are multiples of this.
        max_pixels: pictures with more are refused.
        thinner: tells what wide pens filled; without one it stays filled. `from_pretrained` and
            `save_pretrained` keep its weights in a file of their own.

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
        stroke_range: Sequence[float] = STROKE_RANGE,
        max_height: int = 256,
        max_width: int = 1056,
        pad_multiple: int = 16,
        max_pixels: int = 100_000_000,
        thinner: Thinner | None = None,
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
        self.max_height = max_height
        self.max_width = max_width
        self.pad_multiple = pad_multiple
        self.max_pixels = max_pixels
        self.thinner = thinner

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> Any:
        """Load the settings, and the thinner if the folder or the repository has one.

        Args:
            pretrained_model_name_or_path: a folder, or the name of a repository on the Hub.
            args, kwargs: as for every image processor of transformers.

        Raises:
            OSError: if there is no such image processor.
            ValueError: if the thinner's file is damaged.
        """
        name = str(pretrained_model_name_or_path)
        told = {key: kwargs[key] for key in _FETCHED if kwargs.get(key) is not None}
        found = super().from_pretrained(name, *args, **kwargs)
        processor = found[0] if isinstance(found, tuple) else found
        if processor.thinner is None:
            folder = os.path.dirname(name) if os.path.isfile(name) else name
            path = cached_file(
                folder, THINNER_FILE, _raise_exceptions_for_missing_entries=False, **told
            )
            processor.thinner = None if path is None else Thinner.load(path)
        return found

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any
    ) -> Any:
        """Write the settings, and the thinner to a file of its own."""
        os.makedirs(save_directory, exist_ok=True)
        save_thinner(self.thinner, save_directory)
        return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def to_dict(self) -> dict[str, Any]:
        """The settings; weights are none."""
        settings: dict[str, Any] = super().to_dict()
        settings.pop("thinner", None)
        return settings

    def preprocess(
        self, images: Any, return_tensors: str | None = None, **kwargs: Any
    ) -> BatchFeature:
        """Pictures to a batch.

        Args:
            images: a picture or a list of them, each a path, URL, bytes, PIL image of any mode,
                array or tensor.
            return_tensors: "pt" for torch tensors, "np" or None for arrays.
            kwargs: settings of the class, for these pictures alone.

        Returns:
            `pixel_values` `(batch, 1, height, width)` float32, ink 1 on paper 0, and `pixel_mask`
            `(batch, height, width)` float32, 0 for padding, which is right and below.

        Raises:
            ValueError: naming the picture, if one cannot be read or has no ink in it; or the
                setting, if there is none of its name.
        """
        if kwargs:
            return self._with(kwargs).preprocess(images, return_tensors)
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

    def _with(self, settings: dict[str, Any]) -> "InktexImageProcessor":
        """This image processor with some other settings."""
        known = [*inspect.signature(InktexImageProcessor.__init__).parameters][1:-1]
        unknown = sorted(settings.keys() - set(known))
        if unknown:
            raise ValueError(
                f"The image processor has no setting {', '.join(unknown)}. It has "
                f"{', '.join(known)}."
            )
        kept = {name: getattr(self, name) for name in known}
        return InktexImageProcessor(**{**kept, **settings})

    def stack(
        self, drawn: Sequence[NDArray[np.uint8]], return_tensors: str | None = None
    ) -> BatchFeature:
        """What `draw` gave for several pictures as one batch, as `preprocess` gives it."""
        pixels, mask = stack_pictures(drawn, self.pad_multiple)
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
        return place_picture(picture, self, self.thinner)


__all__ = ["InktexImageProcessor", "PlacedPicture"]
