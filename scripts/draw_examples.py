#!/usr/bin/env python
r"""Draw the example expressions of the Space: ink in a shaky hand of its own, and its pictures.

    python scripts/draw_examples.py --output spaces_app/examples

Each becomes an InkML file, its LaTeX in it, and a PNG. The same seed draws the same files.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inktex.examples import from_expression
from inktex.ink import Ink
from inktex.inkml import write_inkml
from inktex.render import render
from inktex.synthesis.layout import PRINTED, lay_out
from inktex.synthesis.strokefont import glyphs
from inktex.training.augmentation import AugmentationConfig, vary

EXAMPLES: Mapping[str, str] = {
    "circle": r"x ^ { 2 } + y ^ { 2 } = 1",
    "euler": r"e ^ { i \pi } + 1 = 0",
    "mean": r"\frac { a + b } { 2 }",
    "quadratic": r"x = \frac { - b \pm \sqrt { b ^ { 2 } - 4 a c } } { 2 a }",
    "limit": r"\lim \limits _ { x \rightarrow 0 } \frac { \sin x } { x } = 1",
    "power": r"( a + b ) ^ { 2 }",
    "root": r"\sqrt { 2 x + 1 }",
}
"""File name to canonical tokens."""
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


def glyph(token: str) -> tuple[NDArray[np.float32], ...]:
    """A token's strokes with points all along them, so that straight lines shake too."""
    return tuple(_dense(stroke) for stroke in glyphs()[token])


def _dense(stroke: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.hypot(*np.diff(stroke, axis=0).T)
    places = np.concatenate([[0.0], np.cumsum(lengths)])
    wanted = np.linspace(0.0, places[-1], max(2, int(np.ceil(places[-1] / STEP)) + 1))
    columns = [np.interp(wanted, places, stroke[:, axis]) for axis in (0, 1)]
    return np.stack(columns, axis=1).astype(np.float32)


def draw(caption: str, seed: int) -> Ink:
    """The ink of a caption; coordinates are pixels at the published scale."""
    expression = lay_out(caption.split(), glyph, habits=HABITS.__getitem__)
    varied = vary(from_expression(expression), HAND, np.random.default_rng(seed))
    return Ink(varied.traces(), truth=caption, annotations={"writer": "stroke font"})


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("spaces_app/examples"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name, caption in EXAMPLES.items():
        ink = draw(caption, options.seed)
        write_inkml(ink, options.output / f"{name}.inkml")
        picture = Image.fromarray(255 - render(ink.traces))
        picture.save(options.output / f"{name}.png", optimize=True)
        print(f"{name}: {caption}")


if __name__ == "__main__":
    main()
