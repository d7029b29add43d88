"""The image processor: pictures of handwritten mathematics to the model's pixels."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.utils import cached_file

from .image_loading_inktex import numbered_error, picture_list
from .image_settings_inktex import SETTING_NAMES, ImageSettings
from .ink_extraction_inktex import INK_EXTRACTION_FILE, InkExtraction, save_ink_extraction
from .normalization_inktex import (
    NormalizedPicture,
    Split,
    normalize,
    normalize_regions,
    second_looks,
    stack_pictures,
)
from .stroke_restoration_inktex import (
    STROKE_RESTORATION_FILES,
    StrokeRestoration,
    save_stroke_restoration,
)

_SOURCE_OPTIONS = (
    *("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder"),
    "token",
)
"""Arguments of `from_pretrained` that `cached_file` takes as well."""
_NETWORKS = ("stroke_restoration", "ink_extraction")
"""Attributes whose weights are no settings."""
_RENAMED = {"thinner": "stroke_restoration", "place": "normalize_picture"}
"""Names of 0.1, and what they are called now."""


class InktexImageProcessor(BaseImageProcessor):
    """Brings pictures to ink 1 on paper 0, normalized, and pads them to a batch.

    A picture drawn by the published CROHME protocol is merely reduced by `resolution`. Others are
    brought there first: photos with shadows, light ink on dark paper, transparency, strokes of
    another width, ink of another size.

    Args:
        stroke_restoration: restores what wide pens filled; without one it stays filled.
        ink_extraction: finds the ink in photos with `photo_ink="network"`. `from_pretrained` and
            `save_pretrained` keep the weights of both in files of their own.
        kwargs: fields of `ImageSettings`, which are attributes here as well; others are those of
            every image processor of transformers.

    Raises:
        ValueError: if a setting is out of its range.

    Example:
        >>> processor = InktexImageProcessor()
        >>> processor("expression.png", return_tensors="pt")["pixel_values"].shape
        torch.Size([1, 1, 48, 128])
    """

    model_input_names = ["pixel_values", "pixel_mask"]
    settings: ImageSettings
    stroke_restoration: StrokeRestoration | None
    ink_extraction: InkExtraction | None

    def __init__(
        self,
        *,
        stroke_restoration: StrokeRestoration | None = None,
        ink_extraction: InkExtraction | None = None,
        **kwargs: Any,
    ) -> None:
        self.settings = ImageSettings(
            **{name: kwargs.pop(name) for name in SETTING_NAMES if name in kwargs}
        )
        self.stroke_restoration = stroke_restoration
        self.ink_extraction = ink_extraction
        super().__init__(**kwargs)

    def __getattr__(self, name: str) -> Any:
        """A setting by its name."""
        if name in SETTING_NAMES and "settings" in self.__dict__:
            return getattr(self.settings, name)
        if name in _RENAMED:
            raise AttributeError(f"{name} is called {_RENAMED[name]} since inktex 0.2.")
        raise AttributeError(f"{type(self).__name__} has no attribute {name}.")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SETTING_NAMES:
            name, value = "settings", replace(self.settings, **{name: value})
        elif name in _RENAMED:
            raise AttributeError(f"{name} is called {_RENAMED[name]} since inktex 0.2.")
        super().__setattr__(name, value)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> Any:
        """Loads the settings, and the networks where there are any.

        Args:
            pretrained_model_name_or_path: a folder, or the name of a repository on the Hub.
            args, kwargs: as for every image processor of transformers.

        Raises:
            OSError: if there is no such image processor.
            ValueError: if the file of a network is damaged.
        """
        name = str(pretrained_model_name_or_path)
        source = {key: kwargs[key] for key in _SOURCE_OPTIONS if kwargs.get(key) is not None}
        found = super().from_pretrained(name, *args, **kwargs)
        processor = found[0] if isinstance(found, tuple) else found
        folder = os.path.dirname(name) if os.path.isfile(name) else name
        files: list[tuple[str, str, Any]] = [
            *(("stroke_restoration", file, StrokeRestoration) for file in STROKE_RESTORATION_FILES),
            ("ink_extraction", INK_EXTRACTION_FILE, InkExtraction),
        ]
        for network, file, kind in files:
            if getattr(processor, network) is None:
                path = cached_file(
                    folder, file, _raise_exceptions_for_missing_entries=False, **source
                )
                if path is not None:
                    setattr(processor, network, kind.load(path))
        return found

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any
    ) -> Any:
        """Writes the settings, and the networks to files of their own."""
        os.makedirs(save_directory, exist_ok=True)
        save_ink_extraction(self.ink_extraction, save_directory)
        save_stroke_restoration(self.stroke_restoration, save_directory)
        return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def to_dict(self) -> dict[str, Any]:
        """Returns what `save_pretrained` writes as JSON: the settings, without weights."""
        content: dict[str, Any] = super().to_dict()
        for name in _NETWORKS:
            content.pop(name, None)
        return content | content.pop("settings").to_dict()

    def preprocess(
        self, images: Any, return_tensors: str | None = None, **kwargs: Any
    ) -> BatchFeature:
        """Brings pictures to a batch.

        Args:
            images: a picture or a list of them, each a path, URL, bytes, PIL image of any mode,
                array or tensor.
            return_tensors: "pt" for torch tensors, "np" or None for arrays.
            kwargs: settings for these pictures alone.

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
                raise numbered_error(error, number, len(pictures)) from error
        return self.stack(drawn, return_tensors)

    def _with(self, settings: dict[str, Any]) -> "InktexImageProcessor":
        """This image processor with some other settings."""
        known = (*SETTING_NAMES, *_NETWORKS)
        unknown = sorted(settings.keys() - {*known})
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
        """Returns what `draw` returned for several pictures as one batch; see `preprocess`."""
        pixels, mask = stack_pictures(drawn, self.settings.pad_multiple)
        return BatchFeature(
            {"pixel_values": pixels, "pixel_mask": mask}, tensor_type=return_tensors or "np"
        )

    def draw(self, picture: Any) -> NDArray[np.uint8]:
        """Returns the model's picture of a picture: `(height, width)` uint8, ink 255 on paper 0."""
        return self.normalize_picture(picture).picture

    def normalize_picture(self, picture: Any) -> NormalizedPicture:
        """Returns the model's picture of a picture, where it is in that picture, and why.

        Raises:
            ValueError: if it cannot be read.
            NoFormulaError: if there is no ink in it, or none that could be a formula.
        """
        return normalize(picture, self.settings, self.stroke_restoration, self.ink_extraction)

    def second_looks(self, picture: Any, turned: bool) -> Iterator[NormalizedPicture]:
        """Yields other pictures that the model may read than that of `normalize_picture`.

        Its ink found the other way, and turned; see `second_looks` in `normalization_inktex`.

        Args:
            picture: see `preprocess`.
            turned: whether it may lie on its side, or upside down.

        Raises:
            ValueError: if it cannot be read.
        """
        return second_looks(
            picture, self.settings, turned, self.stroke_restoration, self.ink_extraction
        )

    def normalize_regions(self, picture: Any, split: Split) -> list[NormalizedPicture]:
        """Returns the model's picture of each formula in a picture.

        Args:
            picture: see `preprocess`.
            split: tells the formulas apart.

        Raises:
            ValueError, NoFormulaError: as `normalize_picture`.
        """
        return normalize_regions(
            picture, self.settings, split, self.stroke_restoration, self.ink_extraction
        )


__all__ = ["InktexImageProcessor", "NormalizedPicture"]
