"""Ink that is no formula: drawings, diagrams, textures, specks, paragraphs of other scripts.

What is left of a picture without a formula once its ink was separated. The answer is `<nothing>`.
Lengths are pixels of the published protocol.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inktex.data.examples import NONE, Example
from inktex.ink.polyline import arc_length, resampled
from inktex.tokenizer.vocabulary_inktex import IDS, NOTHING_TOKEN

from .box import Strokes, fit
from .marks import curve, mark

__all__ = ["KINDS", "draw_nothing"]

Random = np.random.Generator
Points = NDArray[np.float32]
Glyph = Callable[[str], Strokes]
"""Draws a symbol in some hand, in ems."""
_LEAST, _MOST = (150.0, 100.0), (900.0, 500.0)
"""Width and height of a picture's ink. What is as small as a symbol is an unknown mark instead."""
_FREQUENT = "eeeeettttaaaooiiinnnsssrrrhhhlldddcuumwfgypbvk"
"""Letters, about as often as English has them."""


def draw_nothing(draw: Glyph, rng: Random, name: str = "nothing") -> Example:
    """Ink without a formula, as an example whose whole caption is `<nothing>`.

    Args:
        draw: a writer's hand, of which some kinds make other marks than symbols.
        rng: the same random numbers give the same ink.
        name: the example's id.

    Raises:
        KeyError: if the writer has no glyph of a letter.
    """
    low, high = np.log(_LEAST), np.log(_MOST)
    width, height = np.exp(rng.uniform(low, high)).tolist()
    kind = list(KINDS.values())[int(rng.integers(len(KINDS)))]
    traces = [np.asarray(one, dtype=np.float32) for one in kind(width, height, draw, rng)]
    points = np.concatenate(traces)
    return Example(
        id=name,
        writer="",
        points=points - points.min(axis=0),
        offsets=np.cumsum([0, *map(len, traces)]).astype(np.int64),
        trace_symbols=np.full(len(traces), NONE, dtype=np.int64),
        symbol_labels=np.zeros(0, dtype=np.int64),
        tokens=np.array([IDS[NOTHING_TOKEN]], dtype=np.int64),
        alignment=np.full(1, NONE, dtype=np.int64),
    )


def _line(*corners: Sequence[float]) -> Points:
    """Straight pieces, a point every few pixels so that augmentation bends them."""
    ends = np.asarray(corners, dtype=np.float64)
    return resampled(ends, max(int(arc_length(ends)[-1] / 8), 2)).astype(np.float32)


def _smooth(points: NDArray[Any]) -> Points:
    return curve(points, 8)


def _ellipse(x: float, y: float, across: float, down: float, rng: Random) -> Points:
    """An ellipse whose ends do not quite meet."""
    angle = np.linspace(0, 2 * np.pi + rng.normal(0, 0.2), 40) + rng.uniform(0, 2 * np.pi)
    return np.stack([x + across * np.cos(angle), y + down * np.sin(angle)], axis=1).astype(
        np.float32
    )


def _contours(width: float, height: float, draw: Glyph, rng: Random) -> list[Points]:
    """Edges of things and textures: level lines of noise, whole or in pieces."""
    step = rng.uniform(3, 8)
    rows, columns = max(int(height / step), 8), max(int(width / step), 8)
    stretch = rng.uniform(0.5, 2.0)
    sigma = rng.uniform(1.0, 5.0)
    field = ndimage.gaussian_filter(rng.normal(size=(rows, columns)), (sigma, sigma * stretch))
    level = float(np.quantile(field, rng.uniform(0.3, 0.85)))
    above = field > level
    traces = []
    for across in (False, True):  # where the level is crossed between neighbours
        changes = above[1:] != above[:-1] if across else above[:, 1:] != above[:, :-1]
        for y, x in np.argwhere(changes).tolist():
            start = np.array([x + (0 if across else 0.5), y + (0.5 if across else 0)])
            end = start + ([1.0, rng.normal(0, 0.3)] if across else [rng.normal(0, 0.3), 1.0])
            traces.append(np.stack([start, end]) * step)
    kept = rng.random(len(traces)) < rng.choice([1.0, 0.8, 0.4])
    found = [one.astype(np.float32) for one, keep in zip(traces, kept, strict=True) if keep]
    return found or [_line((0, 0), (width, height))]


def _scribble(width: float, height: float, draw: Glyph, rng: Random) -> list[Points]:
    """One to four long curves or zigzags over everything."""
    traces = []
    for _ in range(int(rng.integers(1, 5))):
        count = int(rng.integers(5, 30))
        points = rng.uniform(0, 1, (count, 2))
        if rng.random() < 0.5:
            points[:, 0] = np.sort(points[:, 0])
        if rng.random() < 0.3:
            points[:, 1] = np.arange(count) % 2 + rng.normal(0, 0.08, count)
        traces.append(_smooth(points * (width, height)))
    return traces


def _hatching(width: float, height: float, draw: Glyph, rng: Random) -> list[Points]:
    """Parallel lines: rules, hatching, cloth, and crossed as squares."""
    traces = []
    pitch, lean = rng.uniform(8, 60), rng.choice([0.0, rng.normal(0, 0.7)])
    length = rng.uniform(0.3, 1.0)
    for y in np.arange(0, height, pitch).tolist():
        start = rng.uniform(0, 1 - length) * width
        stop = start + length * width
        traces.append(_line((start, y), (stop, y + lean * (stop - start))))
    if rng.random() < 0.5:
        across = rng.uniform(8, 60)
        traces += [_line((x, 0), (x, height)) for x in np.arange(0, width, across).tolist()]
    return traces or [_line((0, 0), (width, 0))]


def _specks(width: float, height: float, draw: Glyph, rng: Random) -> list[Points]:
    """Dots and short strokes without an order: noise, dirt, crumbs."""
    count = int(np.exp(rng.uniform(np.log(8), np.log(200))))
    traces = []
    longest = rng.choice([0.5, 6.0, 30.0])
    for x, y in (rng.random((count, 2)) * (width, height)).tolist():
        length, angle = rng.exponential(longest), rng.uniform(0, 2 * np.pi)
        end = (x + length * float(np.cos(angle)), y + length * float(np.sin(angle)))
        traces.append(_line((x, y), end))
    return traces


def _shapes(width: float, height: float, draw: Glyph, rng: Random) -> list[Points]:
    """Diagrams and doodles: boxes, ellipses, polygons, stars, arrows between them."""
    traces = []
    places = rng.random((int(rng.integers(2, 8)), 2)) * (width, height)
    size = 0.5 * min(width, height) * rng.uniform(0.3, 0.8)
    for x, y in places.tolist():
        across, down = size * rng.uniform(0.4, 1.0, 2)
        kind = rng.random()
        if kind < 0.3:
            box = ((x - across, y - down), (x + across, y - down), (x + across, y + down),
                   (x - across, y + down), (x - across, y - down))  # fmt: skip
            traces.append(_line(*box))
        elif kind < 0.6:
            traces.append(_ellipse(x, y, across, down, rng))
        elif kind < 0.85:
            corners = int(rng.integers(3, 11))
            angle = np.linspace(0, 2 * np.pi, corners + 1) + rng.uniform(0, 6)
            radius = np.where(np.arange(corners + 1) % 2, 1.0, rng.choice([1.0, 0.45]))
            radius[-1] = radius[0]
            star = np.stack(
                [x + across * radius * np.cos(angle), y + down * radius * np.sin(angle)]
            )
            traces.append(_line(*star.T.tolist()))
        else:
            face = [_ellipse(x, y, across, down, rng)]
            face += [_ellipse(x + s * across / 3, y - down / 4, 3, 3, rng) for s in (-1, 1)]
            traces += [*face, _smooth(np.array([[x - across / 2, y + down / 4],
                                                [x, y + down / 2.0 * rng.uniform(0.5, 1.2)],
                                                [x + across / 2, y + down / 4]]))]  # fmt: skip
    for start, end in itertools.pairwise(places):
        if rng.random() < 0.6:
            traces += _arrow(start, end, rng)
    return traces


def _arrow(start: NDArray[Any], end: NDArray[Any], rng: Random) -> list[Points]:
    back = (start - end) / max(float(np.hypot(*(end - start))), 1.0) * rng.uniform(8, 20)
    side = np.array([-back[1], back[0]]) * 0.6
    return [
        _line(start.tolist(), end.tolist()),
        _line((end + back + side).tolist(), end.tolist(), (end + back - side).tolist()),
    ]


def _plot(width: float, height: float, draw: Glyph, rng: Random) -> list[Points]:
    """Axes with curves, bars or points, with ticks and without words."""
    left, bottom = rng.uniform(0, 0.5) * width, height * rng.uniform(0.5, 1.0)
    traces = [
        *_arrow(np.array([0.0, bottom]), np.array([width, bottom]), rng),
        *_arrow(np.array([left, height]), np.array([left, 0.0]), rng),
    ]
    kind = rng.random()
    at = np.sort(rng.random(int(rng.integers(4, 12)))) * width
    level = rng.random(len(at)) * height
    if kind < 0.5:
        traces.append(_smooth(np.stack([at, level], axis=1)))
    elif kind < 0.75:
        wide = width / len(at) / 2.5
        traces += [
            _line((x, bottom), (x, y), (x + wide, y), (x + wide, bottom))
            for x, y in zip(at.tolist(), level.tolist(), strict=True)
        ]
    else:
        traces += [
            _ellipse(x, y, 3, 3, rng) for x, y in zip(at.tolist(), level.tolist(), strict=True)
        ]
    if rng.random() < 0.5:
        traces += [_line((x, bottom - 4), (x, bottom + 4)) for x in at.tolist()]
    return traces


def _paragraph(width: float, height: float, draw: Glyph, rng: Random) -> list[Points]:
    """Lines of words: of Latin letters alone, or of characters of no alphabet."""
    em = rng.uniform(24, 45)
    character = _letter if rng.random() < 0.5 else mark
    traces: list[Points] = []
    lines, length = int(rng.integers(2, 5)), max(int(width / em), 6)
    for row in range(lines):
        x = 0.0
        for _ in range(int(rng.integers(length // 2, length + 1))):
            x += em * rng.choice([0.12, 0.12, 0.12, 0.8])
            strokes = [np.asarray(one, dtype=np.float32) for one in character(draw, rng)]
            edge = float(max(one[:, 0].max() for one in strokes))
            offset = np.array([x, (row + 1) * 1.6 * em], dtype=np.float32)
            traces += [one * np.float32(em) + offset for one in strokes]
            x += edge * em
    return traces


def _letter(draw: Glyph, rng: Random) -> Strokes:
    """A small letter as tall as it is in a word."""
    letter = str(rng.choice(list(_FREQUENT)))
    top = -0.8 if letter in "bdfhklt" else -0.5
    bottom = 0.3 if letter in "gjpqyf" else 0.0
    return fit(draw(letter), (0.0, top, 0.1 if letter in "il" else 0.45, bottom))


KINDS: dict[str, Callable[[float, float, Glyph, Random], list[Points]]] = {
    "contours": _contours,
    "scribble": _scribble,
    "hatching": _hatching,
    "specks": _specks,
    "shapes": _shapes,
    "plot": _plot,
    "paragraph": _paragraph,
}
"""Each is given width and height, a writer's hand, and what chooses."""
