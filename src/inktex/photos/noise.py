"""Random fields and colours that papers, pens and cameras share."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

__all__ = ["Colour", "Field", "Picture", "blend", "blurred", "chance", "grain", "smooth_noise"]

Field = NDArray[np.float32]
"""`(height, width)`."""
Picture = NDArray[np.float32]
"""`(height, width, 3)`, red, green and blue, 0 black to 1 white."""
Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 1."""


def chance(rng: np.random.Generator, share: float) -> bool:
    """Whether something happens that happens in this share of the cases."""
    return bool(rng.random() < share)


def smooth_noise(
    shape: tuple[int, int], period: float, rng: np.random.Generator, octaves: int = 1
) -> Field:
    """Noise whose values change over about `period` pixels, of mean 0 and deviation about 1.

    Args:
        shape: height and width.
        period: in pixels.
        rng: chooses the values.
        octaves: each further one has half the period and half the strength.
    """
    height, width = shape
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        step = max(period / 2**octave, 1.0)
        cells = (int(width / step) + 3, int(height / step) + 3)
        values = rng.standard_normal((cells[1], cells[0])).astype(np.float32)
        # Only a part of the enlarged field is kept, so that its borders are not always nodes.
        left, top = rng.random(2)
        box = (left, top, left + width / step, top + height / step)
        field = Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC, box)
        total += np.asarray(field) * np.float32(0.5**octave)
    return total


def grain(shape: tuple[int, int], size: float, rng: np.random.Generator) -> Field:
    """Noise of single pixels, smoothed over `size` pixels, of mean 0 and deviation 1."""
    values = blurred(rng.standard_normal(shape).astype(np.float32), size)
    return np.asarray(values / max(float(values.std()), 1e-6), dtype=np.float32)


def blurred(field: Field, sigma: float) -> Field:
    """A field smoothed by a Gaussian of `sigma` pixels."""
    if sigma < 0.2:
        return field
    return np.asarray(ndimage.gaussian_filter(field, sigma, truncate=2.5), dtype=np.float32)


def blend(picture: Picture, cover: Field, colour: Colour | Picture) -> None:
    """Lay a colour over a picture, in place.

    Args:
        picture: to change.
        cover: 0 leaves the picture, 1 hides it.
        colour: one colour, or one for each pixel.
    """
    weight = cover[..., None]
    picture += weight * (np.asarray(colour, dtype=np.float32) - picture)
