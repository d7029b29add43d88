"""Ink of the stroke font, laid out and varied, for examples and tests."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inktex.data.augmentation import AugmentationConfig, vary
from inktex.data.examples import from_expression
from inktex.ink import Expression, Ink, bounding_box
from inktex.ink.polyline import arc_length, resampled

from .layout import PRINTED, lay_out
from .strokefont import glyphs

HAND = AugmentationConfig(
    scale=(1.0, 1.0),
    aspect=0.05,
    rotation=1.0,
    slant=0.08,
    jitter=0.03,
    symbol_scale=0.05,
    symbol_shape=0.07,
    symbol_elastic=0.03,
    elastic=0.8,
    smoothing=1.0,
)
"""How much it shakes."""
HABITS = {**PRINTED, "gap": (0.16,), "bracket": (0.18,), "root": (1.0, 0.6, 0.3, 0.25, 0.05)}
"""People leave more room than printers."""
STEP = 0.04
"""Ems between two points of a trace."""


def _glyph(token: str) -> tuple[NDArray[np.float32], ...]:
    """A token's strokes with points all along them, so that straight lines shake too."""
    return tuple(_dense(stroke) for stroke in glyphs()[token])


def _dense(stroke: NDArray[np.float32]) -> NDArray[np.float32]:
    count = max(2, int(np.ceil(arc_length(stroke)[-1] / STEP)) + 1)
    return resampled(stroke, count).astype(np.float32)


def draw_expression(caption: str, seed: int, name: str = "") -> Expression:
    """An aligned expression in the varied stroke font; pixels at the published scale.

    Raises:
        ImportError: if the package Hershey-Fonts is not installed.
        KeyError: if the stroke font cannot write a token.
    """
    expression = lay_out(caption.split(), _glyph, name, "strokefont", HABITS.__getitem__)
    traces = vary(from_expression(expression), HAND, np.random.default_rng(seed)).traces()
    symbols = [
        replace(symbol, box=bounding_box(traces[number] for number in symbol.traces))
        for symbol in expression.symbols
    ]
    return replace(expression, traces=traces, symbols=symbols)


def draw(caption: str, seed: int) -> Ink:
    """The ink of a caption, the caption its truth; see `draw_expression`."""
    traces = draw_expression(caption, seed).traces
    return Ink(traces, truth=caption, annotations={"writer": "stroke font"})
