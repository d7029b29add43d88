"""Batches of pictures of about one size, within limits of memory and padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MULTIPLE: Final = 16
"""Heights and widths of batches are multiples of this, in pixels, as the image processor pads."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Limits of a batch. A picture that exceeds them has a batch of its own.

    Attributes:
        pixels: of a batch at most, padding included.
        pictures: of a batch at most.
        padding: pixels of a batch at most, as a multiple of those that its pictures have when each
            is padded by itself.
    """

    pixels: int
    pictures: int
    padding: float


CPU: Final = BatchLimits(96_000, 16, 1.2)
"""The fastest per picture. Pictures of a batch share the cost of starting a layer and of reading
the decoder's weights; but each is padded to the largest and decoded to the longest, and the output
of a layer for a large batch has left the caches when the next layer reads it."""
ACCELERATOR: Final = BatchLimits(4_000_000, 128, 1.5)
"""Many cores need many pixels; about 1 GB of memory."""


def padded_pixels(shapes: Sequence[tuple[int, int]]) -> int:
    """Pixels of a batch of pictures with these heights and widths."""
    height, width = (-(-max(sides) // _MULTIPLE) * _MULTIPLE for sides in zip(*shapes, strict=True))
    return len(shapes) * height * width


def plan_batches(shapes: Sequence[tuple[int, int]], limits: BatchLimits) -> list[list[int]]:
    """Put pictures of about one size together.

    Args:
        shapes: height and width of each picture, in pixels.

    Returns:
        The pictures' numbers, a list for each batch, each picture once. The batch with the most
        pixels is the first, so that a lack of memory shows at once.
    """
    batches: list[list[int]] = []
    alone = 0  # pixels of the last batch's pictures, each padded by itself
    for number in sorted(range(len(shapes)), key=lambda number: shapes[number]):
        own = padded_pixels([shapes[number]])
        if batches and len(batches[-1]) < limits.pictures:
            pixels = padded_pixels([shapes[i] for i in (*batches[-1], number)])
            if pixels <= min(limits.pixels, limits.padding * (alone + own)):
                batches[-1].append(number)
                alone += own
                continue
        batches.append([number])
        alone = own
    return sorted(batches, key=lambda one: padded_pixels([shapes[i] for i in one]), reverse=True)
