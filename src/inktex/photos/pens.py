"""Strokes of pens, pencils, markers and chalk on a sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inktex.ink.filling import fill
from inktex.ink.render import STROKE_WIDTH, dilate

from .noise import Colour, Field, blurred, grain, smooth_noise

__all__ = [
    "PENS", "Pen", "PenKind", "cover", "draw_pen", "printed_cover", "printed_ink", "protocol_ink",
]  # fmt: skip

Traces = Sequence[NDArray[np.float32]]
PenKind = Literal["ballpoint", "gel", "pencil", "felt", "marker", "chalk", "crayon", "stylus"]
_OVERSAMPLING = 2
"""Pixels of the canvas for each pixel of the sheet, across and down."""
_THIN = 0.25
"""Of a pixel: lines of print that are thinner than one must not break."""


@dataclass(frozen=True, slots=True)
class Pen:
    """What writes.

    Attributes:
        kind: of pen.
        width: of its strokes, in pixels at the published scale, where the protocol has 3.
        colour: of its ink.
        opacity: share of the light that ink of full cover takes away, 0 to 1.
        grain: deviation of the cover from place to place, where the paper's texture shows through.
        unevenness: deviation of the width along strokes, as a share of it.
        softness: deviation in pixels of a Gaussian that smooths the edges.
    """

    kind: PenKind
    width: float
    colour: Colour
    opacity: float
    grain: float = 0.0
    unevenness: float = 0.1
    softness: float = 0.3


@dataclass(frozen=True, slots=True)
class _Range:
    """Least and greatest of a pen's properties; see `Pen`."""

    width: tuple[float, float]
    opacity: tuple[float, float]
    grain: tuple[float, float]
    unevenness: tuple[float, float]
    softness: tuple[float, float]


PENS: Final[dict[PenKind, _Range]] = {
    "ballpoint": _Range((0.9, 3.0), (0.6, 0.95), (0.05, 0.35), (0.1, 0.3), (0.2, 0.5)),
    "gel": _Range((1.3, 3.6), (0.8, 1.0), (0.0, 0.1), (0.05, 0.2), (0.2, 0.5)),
    "pencil": _Range((1.0, 3.6), (0.3, 0.8), (0.25, 0.8), (0.1, 0.35), (0.3, 0.7)),
    "felt": _Range((2.4, 7.5), (0.75, 1.0), (0.0, 0.15), (0.05, 0.15), (0.2, 0.6)),
    "marker": _Range((2.0, 7.0), (0.6, 1.0), (0.05, 0.3), (0.05, 0.2), (0.2, 0.7)),
    "chalk": _Range((2.0, 6.0), (0.5, 0.95), (0.3, 0.9), (0.1, 0.35), (0.3, 0.8)),
    "crayon": _Range((2.5, 7.0), (0.5, 0.9), (0.3, 0.8), (0.15, 0.4), (0.3, 0.8)),
    "stylus": _Range((0.8, 8.0), (1.0, 1.0), (0.0, 0.0), (0.0, 0.1), (0.0, 0.35)),
}


def draw_pen(kind: PenKind, colour: Colour, rng: np.random.Generator) -> Pen:
    """A pen of a kind with random properties; narrow ones are as frequent as wide ones."""
    limits = PENS[kind]
    low, high = np.log(limits.width)
    return Pen(
        kind,
        float(np.exp(rng.uniform(low, high))),
        colour,
        *(
            float(rng.uniform(*one))
            for one in (limits.opacity, limits.grain, limits.unevenness, limits.softness)
        ),
    )


def cover(
    traces: Traces, pen: Pen, scale: float, shape: tuple[int, int], rng: np.random.Generator
) -> Field:
    """How much of each pixel a pen's ink covers.

    Args:
        traces: arrays `(points, 2)` of x and y, in pixels of the sheet.
        pen: what writes.
        scale: pixels of the sheet for each pixel at the published scale.
        shape: height and width of the sheet, in pixels.
        rng: for the unevenness of strokes.

    Returns:
        `(height, width)`, 0 to the pen's opacity.
    """
    height, width = shape
    canvas = Image.new("L", (width * _OVERSAMPLING, height * _OVERSAMPLING))
    pencil = ImageDraw.Draw(canvas)
    spread = pen.unevenness / 2
    for trace in traces:
        if not len(trace):
            continue
        size = pen.width * scale * _OVERSAMPLING * float(np.exp(rng.normal(0, spread)))
        _draw_line(pencil, (trace + 0.5) * _OVERSAMPLING, max(size, 1.0))
    drawn = np.asarray(canvas.reduce(_OVERSAMPLING), dtype=np.float32) / np.float32(255)
    # Lines narrower than a pixel of the canvas were drawn as wide as one.
    drawn = drawn * np.float32(min(pen.width * scale * _OVERSAMPLING, 1.0))
    drawn = blurred(drawn, pen.softness * min(scale, 2.0))
    if pen.unevenness > 0 and pen.width * scale > 1:
        # Where a threshold in the soft edge wanders, the stroke is wider and narrower.
        wander = smooth_noise(shape, 14 * scale, rng) * np.float32(0.25 * pen.unevenness)
        drawn = np.clip((drawn - 0.5) * 1.3 + 0.5 + wander * (drawn > 0), 0, 1)
    if pen.grain > 0:
        texture = grain(shape, float(rng.uniform(0.3, 0.9)), rng)
        strength = np.clip(1 + smooth_noise(shape, 40 * scale, rng) * 0.4, 0.2, 1.8)
        drawn = drawn * np.clip(1 - pen.grain * strength * np.maximum(texture, -0.3), 0.08, 1)
    return np.asarray(drawn * np.float32(pen.opacity), dtype=np.float32)


def _draw_line(pencil: ImageDraw.ImageDraw, points: NDArray[np.float32], size: float) -> None:
    """A stroke with round ends, `size` pixels wide."""
    width = max(round(size), 1)
    flat = points.ravel().tolist()
    if len(points) > 1:
        pencil.line(flat, fill=255, width=width, joint="curve" if width > 2 else None)
    if width > 1:
        radius = size / 2
        for x, y in (points[0].tolist(), points[-1].tolist()):
            pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    elif len(points) == 1:
        pencil.point(flat, fill=255)


def protocol_ink(traces: Traces, scale: float, shape: tuple[int, int]) -> Field:
    """Ink as the published protocol draws it, on a sheet of another scale; arguments of `cover`.

    Returns:
        `(height, width)`, 0 to 1; at a scale of 1 the protocol's square pen of 3 pixels.
    """
    times = max(round(2 / scale), 1) if scale < 1 else 1
    height, width = shape
    canvas = Image.new("L", (width * times, height * times))
    pencil = ImageDraw.Draw(canvas)
    for trace in traces:
        pixels = np.floor((trace + 0.5) * times)
        if len(trace) == 1 or (pixels == pixels[0]).all():
            pencil.point(pixels[0].tolist(), fill=255)
        else:
            pencil.line(pixels.ravel().tolist(), fill=255)
    drawn = dilate(np.asarray(canvas), max(round(STROKE_WIDTH * scale * times), 1))
    if times > 1:
        drawn = np.asarray(Image.fromarray(drawn).reduce(times))
    return np.asarray(drawn, dtype=np.float32) / np.float32(255)


def printed_cover(
    outlines: Traces, pen: Pen, scale: float, shape: tuple[int, int], rng: np.random.Generator
) -> Field:
    """How much of each pixel print covers: what the outlines of letters enclose.

    Args:
        outlines: closed, those of holes the other way round; arrays as the traces of `cover`.
        pen: its opacity, grain and softness are those of the print.
        scale, shape, rng: as for `cover`.
    """
    drawn = blurred(_filled(outlines, shape), pen.softness * min(scale, 2.0))
    if pen.grain > 0:
        texture = grain(shape, float(rng.uniform(0.3, 0.9)), rng)
        drawn = drawn * np.clip(1 - 0.3 * pen.grain * np.maximum(texture, -0.3), 0.3, 1)
    return np.asarray(drawn * np.float32(pen.opacity), dtype=np.float32)


def printed_ink(outlines: Traces, shape: tuple[int, int]) -> Field:
    """Print as the model's picture has it: black and white, its thin lines a pixel wide."""
    filled = _filled(outlines, shape)
    return np.asarray(filled > min(_THIN, 0.5 * float(filled.max())), dtype=np.float32)


def _filled(outlines: Traces, shape: tuple[int, int]) -> Field:
    height, width = shape
    offsets = np.cumsum([0, *map(len, outlines)]).astype(np.int64)
    filled = fill(np.concatenate(list(outlines)), offsets, width, height)[0]
    return np.asarray(filled, dtype=np.float32)
