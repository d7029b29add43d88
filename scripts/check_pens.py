#!/usr/bin/env python
"""Measure what wide pens cost, and where: how much they fill, and what is read then.

    python scripts/check_pens.py --data data/crohme --split test2014
    python scripts/check_pens.py --data data/crohme --split dev --pens 6 --parts 6

Draws the ink of a split as published, with a square pen of 3 pixels, and with wider ones. Prints
for each pen the share of its ink that thinning by its width leaves filled, and the share that the
image processor's thinner leaves wrong; how much less is read; and the same for parts of the split,
from the expressions of which the pen filled least to those of which it filled most.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

import inktex
from inktex.cli.arguments import positive
from inktex.evaluation.run import Evaluation, evaluate_samples
from inktex.evaluation.samples import Sample
from inktex.evaluation.scores import compute_scores
from inktex.render import PEN_WIDTH, draw, place
from inktex.shipped import shipped_thinner
from inktex.training.data import load_expressions, load_unseen
from inktex.training.pairs import draw_pair


@dataclass(frozen=True)
class Pen:
    """A split, drawn with a pen.

    Attributes:
        samples: to read.
        filled, wrong: of each sample, the share of the wide pen's ink that is not as published
            where all stays filled, and after the thinner.
    """

    samples: list[Sample]
    filled: NDArray[np.float64]
    wrong: NDArray[np.float64]


def main(arguments: list[str] | None = None) -> int:
    """Draw, read and print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data/crohme"))
    parser.add_argument("--split", default="dev")
    parser.add_argument("--unseen", action="store_true", help="only captions that train lacks")
    parser.add_argument("--model", help="folder or Hub repository (default: the shipped model)")
    parser.add_argument("--pens", type=positive, nargs="+", default=[4, 5, 6, 7, 8], help="pixels")
    parser.add_argument("--parts", type=positive, default=5, help="parts of the split (default: 5)")
    parser.add_argument("--limit", type=positive, help="only the first so many expressions")
    options = parser.parse_args(arguments)
    load_them = load_unseen if options.unseen else load_expressions
    try:
        expressions = load_them(options.data, options.split)[: options.limit]
        recognizer, thinner = inktex.load(options.model), shipped_thinner()
    except (ValueError, OSError) as error:
        print(f"check_pens: {error}", file=sys.stderr)
        return 2

    def drawn(pen: int) -> Pen:
        samples, filled, wrong = [], [], []
        for one in tqdm(expressions, desc=f"{pen} pixels", leave=False, disable=None):
            placed, width, height = place(one.traces)
            line = np.pad(draw(placed, width, height, pen=1), pen)
            wide, lines, ink = draw_pair(line, pen, PEN_WIDTH)
            found = lines > 0
            if thinner is not None and pen > PEN_WIDTH:
                found = thinner(wide > 0, lines > 0) > 0.5
            total = (wide > 0).sum()
            samples.append(Sample(one.id, Image.fromarray(wide), " ".join(one.tokens)))
            filled.append((lines != ink).sum() / total)
            wrong.append((found != (ink > 0)).sum() / total)
        return Pen(samples, np.array(filled), np.array(wrong))

    published = right(evaluate_samples(recognizer, drawn(PEN_WIDTH).samples))
    print(f"{options.data}:{options.split}, {len(expressions)} expressions")
    print(
        "| pen, pixels | filled, % | wrong after the thinner, % | ExpRate | less than published |"
    )
    print("|---|---|---|---|---|")
    row(PEN_WIDTH, 0, 0, published, published)
    parts = []
    for pen in options.pens:
        given = drawn(pen)
        read = right(evaluate_samples(recognizer, given.samples))
        row(pen, 100 * given.filled.mean(), 100 * given.wrong.mean(), read, published)
        order = np.argsort(given.filled, kind="stable")
        parts += [(pen, given, part, read) for part in np.array_split(order, options.parts)]
    print("\n| pen | filled, % | expressions | published | ExpRate | less than published |")
    print("|---|---|---|---|---|---|")
    for pen, given, part, read in parts:
        low, high = 100 * given.filled[part[0]], 100 * given.filled[part[-1]]
        rates = [100 * one[part].mean() for one in (published, read)]
        numbers = f"{rates[0]:.2f} | {rates[1]:.2f} | {rates[0] - rates[1]:.2f}"
        print(f"| {pen} | {low:.2f} to {high:.2f} | {len(part)} | {numbers} |")
    return 0


def row(
    pen: int, filled: float, wrong: float, read: NDArray[np.bool_], published: NDArray[np.bool_]
) -> None:
    """Print what a pen costs."""
    rates = 100 * read.mean(), 100 * (published.mean() - read.mean())
    print(f"| {pen} | {filled:.2f} | {wrong:.2f} | {rates[0]:.2f} | {rates[1]:.2f} |", flush=True)


def right(result: Evaluation) -> NDArray[np.bool_]:
    """Which expressions were read right."""
    pairs = zip(result.readings, result.captions, strict=True)
    return np.array([compute_scores([r.tokens], [c]).exact == 1 for r, c in pairs])


if __name__ == "__main__":
    sys.exit(main())
