#!/usr/bin/env python
"""A picture of synthetic and real ink side by side, to see whether they can be told apart.

    python scripts/contact_sheet.py --data data/crohme --output sheet.png

Half of the pictures are synthetic, in random order. Which ones, and what is written in each, is
printed (or withheld with `--quiz`; the same seed draws the same sheet).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from inktex.cli.arguments import natural, positive
from inktex.data.examples import Example
from inktex.ink.render import MARGIN_AFTER, MARGIN_BEFORE, draw
from inktex.training.data import load_examples
from inktex.training.synthetic import SynthesisConfig, SyntheticInk

CELL = (420, 130)
"""Width and height of a picture's place, in pixels."""


def picture(example: Example) -> Image.Image:
    """Returns the example as published, dark on light, small enough for its place."""
    width, height = (int(np.ceil(side)) + MARGIN_BEFORE + MARGIN_AFTER for side in example.size)
    traces = [trace + MARGIN_BEFORE for trace in example.traces()]
    drawn = ImageOps.invert(Image.fromarray(draw(traces, width, height)))
    drawn.thumbnail(CELL, Image.Resampling.LANCZOS)
    return drawn


def sheet(examples: list[Example], columns: int) -> Image.Image:
    """Returns all pictures on one sheet, numbered row by row from 1."""
    rows = -(-len(examples) // columns)
    paper = Image.new("L", (columns * CELL[0], rows * CELL[1]), 255)
    pencil = ImageDraw.Draw(paper)
    for number, example in enumerate(examples):
        x, y = number % columns * CELL[0], number // columns * CELL[1]
        inner = picture(example)
        paper.paste(inner, (x + (CELL[0] - inner.width) // 2, y + (CELL[1] - inner.height) // 2))
        pencil.rectangle((x, y, x + CELL[0] - 1, y + CELL[1] - 1), outline=200)
        pencil.text((x + 4, y + 2), str(number + 1), fill=120)
    return paper


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line and draws; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="data/crohme", help="folder of prepare_crohme.py")
    parser.add_argument("--output", type=Path, default=Path("contact-sheet.png"))
    parser.add_argument("--count", type=positive, default=32, help="pictures in all")
    parser.add_argument("--columns", type=positive, default=4)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--quiz", action="store_true", help="do not print the answers")
    options = parser.parse_args(arguments)
    try:
        real = load_examples(options.data, "train")
        synthesis = SyntheticInk(real, SynthesisConfig())
    except (ValueError, OSError) as error:
        print(f"contact_sheet: {error}", file=sys.stderr)
        return 2
    rng = np.random.default_rng(options.seed)
    half = options.count // 2
    shown = [(synthesis.write(rng), "synthetic") for _ in range(half)]
    chosen = rng.choice(len(real), options.count - half, replace=False)
    shown += [(real[index], "real") for index in chosen]
    order = rng.permutation(len(shown))
    sheet([shown[i][0] for i in order], options.columns).save(options.output)
    if not options.quiz:
        for number, index in enumerate(order, start=1):
            example, kind = shown[index]
            print(f"{number:3} {kind:9} {' '.join(example.caption)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
