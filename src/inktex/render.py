"""The picture of ink, drawn the way the published CROHME pictures were drawn.

The protocol was recovered by matching pictures with their ink: one scale in both directions, so
that the mean height of the traces that are at least a tenth as tall as the tallest one is
`MEAN_TRACE_HEIGHT`; lines one pixel wide, dilated to `PEN_WIDTH`; fixed margins; ink white (255)
on black (0).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

MEAN_TRACE_HEIGHT = 28.2
"""Pixels; of the traces at least a tenth as tall as the tallest."""
PEN_WIDTH = 3
"""Pixels."""
MARGIN_BEFORE, MARGIN_AFTER = 12, 11
"""Pixels to the left of and above the ink; to the right of and below it."""
MAX_SIDE = 8192
"""Pixels; a longer side would be a drawing error or an attack, not handwriting."""

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
    if tallest <= 0:  # dots and level lines alone: let the width decide
        points = np.concatenate(filled)
        width = float(np.ptp(points[:, 0]))
        return MEAN_TRACE_HEIGHT / width if width > 0 else 1.0
    return float(MEAN_TRACE_HEIGHT / heights[heights >= 0.1 * tallest].mean())


def draw(traces: Sequence[Points], width: int, height: int, pen: int = PEN_WIDTH) -> Picture:
    """Draw traces that are already in pixels.

    Args:
        traces: arrays `(points, 2)`, in pixels.
        width, height: of the picture, in pixels.
        pen: width of the strokes, in pixels.

    Returns:
        `(height, width)` uint8, ink 255 on 0.
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
    return dilate(np.asarray(canvas), pen)


def dilate(picture: Picture, pen: int) -> Picture:
    """Widen lines of one pixel to a square pen of `pen` pixels."""
    for axis in (0, 1):
        widened = picture.copy()
        for shift in range(-((pen - 1) // 2), pen // 2 + 1):
            if shift == 0:
                continue
            source = [slice(None), slice(None)]
            target = [slice(None), slice(None)]
            source[axis] = slice(max(-shift, 0), picture.shape[axis] - max(shift, 0))
            target[axis] = slice(max(shift, 0), picture.shape[axis] + min(shift, 0))
            np.maximum(
                widened[tuple(target)], picture[tuple(source)], out=widened[tuple(target)]
            )
        picture = widened
    return picture


def place(traces: Sequence[Points], scale: float | None = None) -> tuple[list[Points], int, int]:
    """Move and scale ink to where its picture has it.

    Args:
        traces: arrays `(points, 2)`, in ink units.
        scale: pixels per ink unit; None for the published protocol's.

    Returns:
        The traces in pixels, and the picture's width and height in pixels.

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
    corner = points.min(axis=0)
    extent = (points.max(axis=0) - corner) * scale
    width, height = (
        int(np.rint(side)) + PEN_WIDTH + MARGIN_BEFORE + MARGIN_AFTER for side in extent
    )
    if max(width, height) > MAX_SIDE:
        raise ValueError(
            f"The picture of this ink would be {width}x{height} pixels; the limit is {MAX_SIDE}. "
            "Its traces differ too much in size: is a stray one among them?"
        )
    before = MARGIN_BEFORE + PEN_WIDTH // 2
    placed = [((trace - corner) * scale + before).astype(np.float32) for trace in traces]
    return placed, width, height


def render(traces: Sequence[Points], scale: float | None = None, pen: int = PEN_WIDTH) -> Picture:
    """Picture of ink, by the published protocol unless told otherwise.

    Args:
        traces: arrays `(points, 2)` of x and y, in ink units, y downwards.
        scale: pixels per ink unit; None for the protocol's.
        pen: width of the strokes, in pixels.

    Returns:
        `(height, width)` uint8, ink 255 on 0.

    Example:
        >>> render([np.array([[0, 0], [10, 20]], dtype=np.float32)]).shape
        (54, 40)
    """
    placed, width, height = place(traces, scale)
    return draw(placed, width, height, pen)
