"""The picture of ink, drawn the way the published CROHME pictures were drawn.

The protocol was recovered by matching the official pictures of the 2014 and 2016 tests with their
ink; it gives all but a dozen of them to the pixel (`tests/test_render.py` compares):

- One scale in both directions: 28 pixels for the mean height of the traces that are more than a
  tenth as tall as the tallest one. Where all coordinates are whole numbers, so is that mean:
  its fraction is cut off, so that ink in coarse units comes out a little larger.
- Coordinates are multiplied in single precision and cut to whole pixels towards zero where they
  stand, before the ink is moved to its margins. So the same ink elsewhere on the page may come out
  a pixel different.
- Lines one pixel wide by Bresenham's algorithm, then dilated by a 3x3 square; a trace that stays
  on one pixel is a dot of 3x3.
- Margins of 12 pixels on the left and above, 11 on the right and below; ink 255 on 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .types import Box, bounding_box

MEAN_TRACE_HEIGHT = 28.0
"""Pixels; of the traces more than a tenth as tall as the tallest."""
STROKE_WIDTH = 3
"""Pixels."""
MARGIN_BEFORE, MARGIN_AFTER = 12, 11
"""Pixels to the left of and above the ink; to the right of and below it."""
MAX_SIDE = 8192
"""Pixels; a longer side comes of stray traces or of an attack."""
_EXACT = float(2**22)
"""Largest coordinate in pixels that single precision keeps to a fraction of a pixel."""

Points = NDArray[np.float32]
Picture = NDArray[np.uint8]


def published_scale(traces: Sequence[Points]) -> float:
    """Pixels per ink unit of the published protocol.

    Args:
        traces: arrays `(points, 2)` of x and y, in ink units, y downwards.

    Raises:
        ValueError: if no trace has a point.
    """
    filled = [trace for trace in traces if len(trace)]
    if not filled:
        raise ValueError("The ink has no points: there is nothing to draw.")
    heights = np.array([np.ptp(trace[:, 1]) for trace in filled], dtype=np.float64)
    tallest = heights.max()
    points = np.concatenate(filled)
    if tallest <= 0:  # dots and level lines alone: the width decides
        width = float(np.ptp(points[:, 0]))
        return MEAN_TRACE_HEIGHT / width if width > 0 else 1.0
    mean = float(heights[heights * 10 > tallest].mean())  # a tenth itself is too small
    if (points == np.rint(points)).all():
        mean = float(np.floor(mean))
    return MEAN_TRACE_HEIGHT / mean


def draw(
    traces: Sequence[Points], width: int, height: int, stroke_width: int = STROKE_WIDTH
) -> Picture:
    """Draw traces that are already in pixels: `(height, width)` uint8, ink 255 on 0.

    Args:
        traces: arrays `(points, 2)`, in pixels.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        stroke_width: in pixels.
    """
    canvas = Image.new("L", (width, height))
    pencil = ImageDraw.Draw(canvas)
    for trace in traces:
        if len(trace) == 0:
            continue
        pixels = np.rint(trace).astype(np.int64)
        if len(pixels) == 1 or (pixels == pixels[0]).all():
            pencil.point((int(pixels[0, 0]), int(pixels[0, 1])), fill=255)
        else:
            pencil.line(pixels.ravel().tolist(), fill=255)
    return dilate(np.asarray(canvas), stroke_width)


def dilate(picture: Picture, width: int) -> Picture:
    """Dilate lines of one pixel by a square of `width` pixels."""
    for axis in (0, 1):
        widened = picture.copy()
        for shift in range(-((width - 1) // 2), width // 2 + 1):
            if shift == 0:
                continue
            source = [slice(None), slice(None)]
            target = [slice(None), slice(None)]
            source[axis] = slice(max(-shift, 0), picture.shape[axis] - max(shift, 0))
            target[axis] = slice(max(shift, 0), picture.shape[axis] + min(shift, 0))
            np.maximum(widened[tuple(target)], picture[tuple(source)], out=widened[tuple(target)])
        picture = widened
    return picture


def placement(
    traces: Sequence[Points], scale: float | None = None
) -> tuple[float, NDArray[np.float64]]:
    """What brings ink to its picture: pixels are ink units times a scale, plus a shift.

    Args:
        traces, scale: of `render`.

    Returns:
        Pixels per ink unit, and the shift `(2,)` in pixels, which is to the middle of the lines.
    """
    if scale is None:
        scale = published_scale(traces)
    corner = np.array(bounding_box(traces)[:2])
    return scale, MARGIN_BEFORE + STROKE_WIDTH / 2 - corner * scale


def picture_box(box: Sequence[float], traces: Sequence[Points], scale: float | None = None) -> Box:
    """A box in ink units, in pixels of `render(traces, scale)`."""
    factor, shift = placement(traces, scale)
    left, top, right, bottom = (np.reshape(box, (2, 2)) * factor + shift).ravel().tolist()
    return left, top, right, bottom


def place(traces: Sequence[Points], scale: float | None = None) -> tuple[list[Points], int, int]:
    """Scale ink to pixels and move it to its margins.

    Args:
        traces: arrays `(points, 2)`, in ink units.
        scale: pixels per ink unit; None for the published protocol's.

    Returns:
        The traces in whole pixels (as float32), and the picture's width and height in pixels.

    Raises:
        ValueError: if there is no point, a coordinate is not finite, or the picture would be
            longer than `MAX_SIDE`.
    """
    filled = [trace for trace in traces if len(trace)]
    if not filled:
        raise ValueError("The ink has no points: there is nothing to draw.")
    points = np.concatenate(filled)
    if not np.isfinite(points).all():
        raise ValueError("The ink has coordinates that are not finite numbers.")
    if scale is None:
        scale = published_scale(filled)
    corner = points.min(axis=0).astype(np.float64)
    extent = (points.max(axis=0) - corner) * scale
    if not (extent + STROKE_WIDTH + MARGIN_BEFORE + MARGIN_AFTER <= MAX_SIDE).all():
        raise ValueError(
            f"The picture of this ink would be {extent[0]:.0f}x{extent[1]:.0f} pixels; the limit "
            f"is {MAX_SIDE}. Its traces differ too much in size: is a stray one among them?"
        )
    if max(float(np.abs(points).max()) * scale, scale) > _EXACT:
        # Single precision has no whole pixels there, so the protocol does not apply.
        pixels = np.trunc((points - corner) * scale)
    else:
        pixels = np.trunc(points.astype(np.float32) * np.float32(scale))
    pixels -= pixels.min(axis=0)
    width, height = (
        int(side) + STROKE_WIDTH + MARGIN_BEFORE + MARGIN_AFTER for side in pixels.max(axis=0)
    )
    pixels += MARGIN_BEFORE + STROKE_WIDTH // 2
    ends = np.cumsum([len(trace) for trace in traces])
    return np.split(pixels.astype(np.float32), ends[:-1]), width, height


def render(
    traces: Sequence[Points], scale: float | None = None, stroke_width: int = STROKE_WIDTH
) -> Picture:
    """The picture of ink by the published protocol: `(height, width)` uint8, ink 255 on 0.

    Args:
        traces: arrays `(points, 2)` of x and y, in ink units, y downwards.
        scale: pixels per ink unit; None for the protocol's.
        stroke_width: in pixels.

    Example:
        >>> render([np.array([[0, 0], [10, 20]], dtype=np.float32)]).shape
        (54, 40)
    """
    placed, width, height = place(traces, scale)
    return draw(placed, width, height, stroke_width)
