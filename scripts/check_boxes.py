#!/usr/bin/env python
"""Compare the boxes of read symbols with the boxes of their ink.

    python scripts/check_boxes.py --data data/crohme --split test2014

Draws the ink of a split as published, reads it, and for each expression that is read right gives
the intersection over union of each symbol's box with that of its ink. Prints the mean, the share
above one half, and the tokens that are placed worst.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

import inktex
from inktex.cli.arguments import positive
from inktex.evaluation.boxes import symbol_overlaps
from inktex.recognizer import Reading
from inktex.render import render
from inktex.training.data import load_expressions

RARE = 5
"""Tokens that are seen less often are not listed."""


def main() -> None:
    """Read the split and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data/crohme"))
    parser.add_argument("--split", default="test2014")
    parser.add_argument("--model", help="folder or Hub repository (default: the shipped model)")
    parser.add_argument("--limit", type=positive, help="only the first so many expressions")
    options = parser.parse_args()
    expressions = [
        one for one in load_expressions(options.data, options.split)[: options.limit] if one.aligned
    ]
    recognizer = inktex.load(options.model)
    pictures = (Image.fromarray(render(one.traces)) for one in expressions)
    by_token: dict[str, list[float]] = defaultdict(list)
    right = 0
    readings = recognizer.read_each(pictures, batch_size=16)
    for expression, reading in zip(
        expressions, tqdm(readings, total=len(expressions), unit="expression"), strict=True
    ):
        if isinstance(reading, Reading) and reading.tokens.split() == expression.tokens:
            right += 1
            for token, overlap in symbol_overlaps(expression, reading):
                by_token[token].append(overlap)
    overlaps = np.concatenate([np.array(found) for found in by_token.values()])
    print(
        f"{options.data}:{options.split}: {right} of {len(expressions)} aligned expressions read "
        f"right, {len(overlaps)} symbols: mean IoU {overlaps.mean():.3f}, median "
        f"{np.median(overlaps):.3f}, above one half {100 * (overlaps > 0.5).mean():.1f} %"
    )
    common = {token: found for token, found in by_token.items() if len(found) >= RARE}
    for token in sorted(common, key=lambda token: np.mean(common[token]))[:10]:
        print(f"  {token}: {np.mean(common[token]):.2f} of {len(common[token])}")


if __name__ == "__main__":
    main()
