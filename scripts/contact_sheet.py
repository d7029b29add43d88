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
from PIL import Image, ImageOps

from inktex.cli.arguments import natural, positive
from inktex.data.examples import Example
from inktex.evaluation.sheets import tiled_sheet
from inktex.ink.render import MARGIN_AFTER, MARGIN_BEFORE, draw
from inktex.training.data import load_examples
from inktex.training.synthetic import SynthesisConfig, SyntheticInk

CELL = (420, 130)
"""Width and height of a picture's place, in pixels."""


def picture(example: Example) -> Image.Image:
    """The example as published, dark on light."""
    width, height = (int(np.ceil(side)) + MARGIN_BEFORE + MARGIN_AFTER for side in example.size)
    traces = [trace + MARGIN_BEFORE for trace in example.traces()]
    return ImageOps.invert(Image.fromarray(draw(traces, width, height)))


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and draw; returns the exit status."""
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
    tiles = [(picture(shown[i][0]), str(number)) for number, i in enumerate(order, start=1)]
    tiled_sheet(tiles, options.columns, CELL).save(options.output)
    if not options.quiz:
        for number, index in enumerate(order, start=1):
            example, kind = shown[index]
            print(f"{number:3} {kind:9} {' '.join(example.caption)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
