"""Settings of the image processor: names, defaults, meaning and validation, declared once."""

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How a picture is brought to the one that the model was trained on.

    The values of a model are in its `processor_config.json`.

    "At the published scale" means: in pixels of the picture that the published CROHME protocol
    draws of the ink, before the reduction by `resolution`.

    Attributes:
        resolution: pixels of the model's picture for each pixel at the published scale.
        symbol_height: mean height of the traces, in pixels at the published scale.
        stroke_width: in pixels at the published scale.
        margin_before, margin_after: left of and above the ink; right of and below it; in pixels at
            the published scale.
        max_height, max_width: of the model's picture, in pixels; larger ones are reduced further.
        pad_multiple: heights and widths of batches are multiples of this, in pixels.
        max_pixels: pictures with more pixels are rejected.

    Raises:
        ValueError: if a value is out of its range.
    """

    resolution: float = 0.55
    symbol_height: float = 28.0
    stroke_width: int = 3
    margin_before: int = 12
    margin_after: int = 11
    max_height: int = 256
    max_width: int = 1056
    pad_multiple: int = 16
    max_pixels: int = 100_000_000

    def __post_init__(self) -> None:
        for name in SETTING_NAMES:
            value = getattr(self, name)
            least = 0 if name.startswith("margin") else 1 if isinstance(value, int) else 1e-6
            if isinstance(value, int | float) and not value >= least:
                raise ValueError(f"{name} must be at least {least:g}, not {value}.")

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as JSON has them."""
        return asdict(self)


SETTING_NAMES = tuple(field.name for field in fields(ImageSettings))

RETIRED = ("height_tolerance", "stroke_range", "photo_ink")
"""Settings in files of 0.1 that nothing depends on any more."""

__all__ = ["RETIRED", "SETTING_NAMES", "ImageSettings"]
