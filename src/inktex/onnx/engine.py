"""The image processor of exported models: transformers is not imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inktex.modeling.image_settings_inktex import ImageSettings
from inktex.modeling.normalization_inktex import NormalizedPicture, normalize
from inktex.modeling.stroke_restoration_inktex import StrokeRestoration

__all__ = ["ImageProcessor"]


class ImageProcessor:
    """Brings pictures to the model's, as `InktexImageProcessor` does, without transformers.

    Args:
        settings: of the `InktexImageProcessor`.
        stroke_restoration: file of its weights; None if there is none.
    """

    def __init__(self, settings: ImageSettings, stroke_restoration: Path | None = None) -> None:
        self.settings = settings
        self.stroke_restoration = (
            None if stroke_restoration is None else StrokeRestoration.load(stroke_restoration)
        )

    def normalize_picture(self, picture: Any) -> NormalizedPicture:
        """Returns the model's picture of a picture; see `normalize`."""
        return normalize(picture, self.settings, self.stroke_restoration)
