"""Marks that are no symbols: scribbles, doodles, what was crossed out, symbols written over others.

Lengths are ems: baseline at y = 0, y downwards.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from inktex.ink import bounding_box

from .box import Strokes, fit

Random = np.random.Generator
_OVERWRITTEN = tuple("ABEGHKMNPRSWXabdefghkmnqrswxyz2345689")


def mark(draw: Callable[[str], Strokes], rng: Random) -> Strokes:
    """A mark that no alphabet of mathematics has."""
    kind = rng.random()
    if kind < 0.3:
        strokes = _crossed_out(draw, rng)
    elif kind < 0.5:
        strokes = _overwritten(draw, rng)
    elif kind < 0.75:
        strokes = _doodle(rng)
    else:
        strokes = _character(rng)
    height = rng.uniform(0.7, 1.3)
    x0, y0, x1, y1 = bounding_box(strokes)
    width = float(np.clip((x1 - x0) * height / max(y1 - y0, 0.1), 0.4, 2.0))
    bottom = rng.uniform(-0.1, 0.2)
    return fit(strokes, (0.0, bottom - height, width, bottom))


def curve(points: NDArray[np.float64], density: int = 12) -> NDArray[np.float32]:
    """A smooth line through some points `(n, 2)`, with `density` times as many points."""
    if len(points) < 3:
        return np.linspace(points[0], points[-1], 8).astype(np.float32)
    place = np.arange(len(points), dtype=np.float64)
    spline = make_interp_spline(place, points, k=min(3, len(points) - 1))
    line: NDArray[np.float32] = spline(np.linspace(0, place[-1], density * len(points))).astype(
        np.float32
    )
    return line


def _polar(angle: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float32]:
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points.astype(np.float32)


def _some(draw: Callable[[str], Strokes], rng: Random) -> Strokes:
    return draw(_OVERWRITTEN[int(rng.integers(len(_OVERWRITTEN)))])


def _crossed_out(draw: Callable[[str], Strokes], rng: Random) -> Strokes:
    """One to three symbols under a zigzag or several lines."""
    strokes: list[NDArray[np.float32]] = []
    edge = 0.0
    for _ in range(int(rng.integers(1, 4))):
        found = _some(draw, rng)
        x0, _, x1, _ = bounding_box(found)
        strokes += [stroke + np.array([edge - x0, 0.0], dtype=np.float32) for stroke in found]
        edge += x1 - x0 + 0.1
    x0, y0, x1, y1 = bounding_box(strokes)
    turns = int(rng.integers(4, 9))
    if rng.random() < 0.5:
        x = np.linspace(x0 - 0.1, x1 + 0.1, turns)
        y = np.where(np.arange(turns) % 2, y0, y1) + rng.normal(0, 0.08, turns)
        return (*strokes, curve(np.stack([x, y], axis=1)))
    lines = []
    for _ in range(int(rng.integers(2, 5))):
        y = rng.uniform(y0 + 0.2 * (y1 - y0), y1 - 0.2 * (y1 - y0)) + rng.normal(0, 0.1, 3)
        lines.append(curve(np.stack([np.linspace(x0 - 0.1, x1 + 0.1, 3), y], axis=1)))
    return (*strokes, *lines)


def _overwritten(draw: Callable[[str], Strokes], rng: Random) -> Strokes:
    """Symbols written over one another."""
    place = (0.0, -1.0, 0.8, 0.0)
    return tuple(
        stroke
        for _ in range(int(rng.integers(2, 4)))
        for stroke in fit(_some(draw, rng), tuple(np.array(place) + rng.normal(0, 0.08, 4)))
    )


def _doodle(rng: Random) -> Strokes:
    """Closed and open curves: spirals, flowers, faces, scrawls."""
    kind = int(rng.integers(4))
    if kind == 0:  # a spiral
        angle = np.linspace(0, rng.uniform(3, 7) * np.pi, 60)
        return (_polar(angle, np.linspace(0.05, 0.5, 60)),)
    if kind == 1:  # a flower
        angle = np.linspace(0, 2 * np.pi, 90)
        return (_polar(angle, 0.35 + 0.15 * np.cos(int(rng.integers(4, 8)) * angle)),)
    if kind == 2:  # a face
        angle = np.linspace(0, 2 * np.pi, 40)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        mouth = circle[3:18] * [0.28, 0.25] + [0.0, 0.05]
        eyes = [circle * 0.04 + [x, -0.15] for x in (-0.18, 0.18)]
        return tuple(one.astype(np.float32) for one in (0.5 * circle, mouth, *eyes))
    points = rng.uniform(-0.5, 0.5, (int(rng.integers(7, 14)), 2))
    return (curve(points),)


def _character(rng: Random) -> Strokes:
    """A made-up character: bars, hooks and dots in a square, as scripts of many strokes have."""
    strokes = []
    for _ in range(int(rng.integers(4, 9))):
        kind, (a, b) = rng.random(), rng.uniform(0.0, 1.0, (2, 2))
        if kind < 0.35:
            b = np.array([b[0], a[1] + rng.normal(0, 0.04)])
        elif kind < 0.6:
            b = np.array([a[0] + rng.normal(0, 0.04), b[1]])
        middle = (a + b) / 2 + (rng.normal(0, 0.15, 2) if kind > 0.6 else 0.0)
        strokes.append(curve(np.stack([a, middle, b])))
    return tuple(strokes)
