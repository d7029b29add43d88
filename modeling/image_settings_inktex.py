"""Settings of the image processor: names, defaults, meaning and validation, declared once."""

from dataclasses import asdict, dataclass, fields
from typing import Any

PHOTO_INK = ("thresholds", "network")
"""What can find the ink in photos."""
STROKE_RANGE = (2.0, 4.5)
"""Pixels at the published scale; training varies the strokes about as far."""


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
        height_tolerance: factor by which the measured symbol height may differ from
            `symbol_height` before the picture is resized. Training varies it about as far.
        stroke_range: narrowest and widest strokes that are kept, in pixels at the published scale;
            others are redrawn.
        max_height, max_width: of the model's picture, in pixels; larger ones are reduced further.
        pad_multiple: heights and widths of batches are multiples of this, in pixels.
        max_pixels: pictures with more pixels are rejected.
        photo_ink: what finds the ink where the paper is not of one level: `thresholds`, or
            `network`, the image processor's ink extraction, if it has one.

    Raises:
        ValueError: if a value is out of its range.
    """

    resolution: float = 0.55
    symbol_height: float = 28.0
    stroke_width: int = 3
    margin_before: int = 12
    margin_after: int = 11
    height_tolerance: float = 1.6
    stroke_range: tuple[float, float] = STROKE_RANGE
    max_height: int = 256
    max_width: int = 1056
    pad_multiple: int = 16
    max_pixels: int = 100_000_000
    photo_ink: str = PHOTO_INK[0]

    def __post_init__(self) -> None:
        if len(self.stroke_range) != 2 or not 0 < self.stroke_range[0] <= self.stroke_range[1]:
            raise ValueError(
                f"stroke_range is the narrowest and the widest stroke, in pixels above 0, not "
                f"{self.stroke_range}."
            )
        narrowest, widest = self.stroke_range  # JSON has it as a list
        object.__setattr__(self, "stroke_range", (narrowest, widest))
        if self.photo_ink not in PHOTO_INK:
            raise ValueError(f"photo_ink is one of {', '.join(PHOTO_INK)}, not {self.photo_ink}.")
        for name in SETTING_NAMES:
            value = getattr(self, name)
            least = 0 if name.startswith("margin") else 1 if isinstance(value, int) else 1e-6
            if isinstance(value, int | float) and not value >= least:
                raise ValueError(f"{name} must be at least {least:g}, not {value}.")

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as JSON has them."""
        return {**asdict(self), "stroke_range": list(self.stroke_range)}


SETTING_NAMES = tuple(field.name for field in fields(ImageSettings))

LATER = ("photo_ink",)
"""Settings that files of 0.1 do not have; without them they have their defaults."""

__all__ = ["LATER", "PHOTO_INK", "SETTING_NAMES", "STROKE_RANGE", "ImageSettings"]
