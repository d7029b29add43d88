#!/usr/bin/env python
r"""Draw the example expressions of the Space: ink of the varied stroke font, and its pictures.

    python scripts/draw_examples.py --output spaces_app/examples

Each becomes an InkML file, its LaTeX in it, and a PNG. The same seed draws the same files.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from inktex.cli.arguments import natural
from inktex.ink.inkml import write_inkml
from inktex.ink.render import render
from inktex.synthesis.drawing import draw

EXAMPLES: Mapping[str, str] = {
    "circle": r"x ^ { 2 } + y ^ { 2 } = 1",
    "euler": r"e ^ { i \pi } + 1 = 0",
    "mean": r"\frac { a + b } { 2 }",
    "quadratic": r"x = \frac { - b \pm \sqrt { b ^ { 2 } - 4 a c } } { 2 a }",
    "limit": r"\lim \limits _ { x \rightarrow 0 } \frac { \sin x } { x } = 1",
    "power": r"( a + b ) ^ { 2 }",
    "root": r"\sqrt { 2 n + 1 }",
}
"""File name to canonical tokens."""


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("spaces_app/examples"))
    parser.add_argument("--seed", type=natural, default=0)
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
