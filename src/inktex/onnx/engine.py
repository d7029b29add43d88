"""The image processor of exported models: transformers is not imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from inktex.modeling.placing_inktex import PlacedPicture, place_picture
from inktex.modeling.thinning_inktex import Thinner

__all__ = ["ImageProcessor"]


class ImageProcessor:
    """What `InktexImageProcessor` does to a picture, by its settings.

    Args:
        settings: of the `InktexImageProcessor`, which become attributes here as there.
        thinner: file of its weights; None if there is none.
    """

    def __init__(self, settings: dict[str, Any], thinner: Path | None = None) -> None:
        vars(self).update(settings)
        self.thinner = None if thinner is None else Thinner.load(thinner)

    def place(self, picture: Any) -> PlacedPicture:
        """The model's picture of a picture; see `place_picture`."""
        return place_picture(picture, cast(Any, self), self.thinner)
