#!/usr/bin/env python
"""What a model answers to pictures in which there is no formula.

    python scripts/check_rejection.py
    python scripts/check_rejection.py --count 60 --seed 1 --sheet build/negatives.png

Draws pictures of twenty kinds (empty and ruled sheets, noise, textures, landscapes, animals, pages
of print, charts, codes, music, circuits, maps, ...), reads them, and prints for each kind how many
were rejected, how many were read with a probability of at least one half, and the largest one. The
exit status is 1 if more than --bar were.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from inktex import Recognizer
from inktex.cli.arguments import natural, positive
from inktex.evaluation.sheets import tiled_sheet

TESTS = Path(__file__).resolve().parent.parent / "tests"
SURE = 0.5
"""Probability from which on a reading counts as believed."""


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, draw, read, print; returns the exit status."""
    sys.path.append(str(TESTS))
    from negatives import KINDS, negatives

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder or Hub repository (default: the shipped model)")
    parser.add_argument("--count", type=positive, default=400, help="pictures (default 400)")
    parser.add_argument("--seed", type=natural, default=0, help="of the pictures (default 0)")
    parser.add_argument(
        "--bar", type=natural, default=8, help="how many may be believed (default 8)"
    )
    parser.add_argument("--sheet", type=Path, help="PNG to write, with all pictures and answers")
    options = parser.parse_args(arguments)
    try:
        recognizer = Recognizer.from_pretrained(options.model)
    except (ValueError, OSError) as error:
        print(f"check_rejection: {error}", file=sys.stderr)
        return 2
    given = list(negatives(options.count, options.seed))
    answers: list[tuple[str, float | None, str]] = []
    readings = recognizer.read_each(picture for _, picture in given)
    for (kind, _), reading in zip(given, readings, strict=True):
        if isinstance(reading, Exception):
            answers.append((kind, None, str(reading)))
        else:
            answers.append((kind, reading.score, reading.latex))
    print("| kind | pictures | rejected | believed | largest probability |\n|---|---|---|---|---|")
    groups: dict[str, list[float | None]] = defaultdict(list)
    for kind, score, _ in answers:
        groups[kind].append(score)
    for kind in KINDS:
        scores = groups[kind]
        read = [score for score in scores if score is not None]
        print(
            f"| {kind} | {len(scores)} | {len(scores) - len(read)} | "
            f"{sum(score >= SURE for score in read)} | {max(read, default=0.0):.2f} |"
        )
    believed = [(k, s, text) for k, s, text in answers if s is not None and s >= SURE]
    print(f"{len(believed)} of {len(answers)} pictures without a formula are believed to have one.")
    for kind, score, text in believed:
        print(f"  {kind}: {text[:60]} ({score:.2f})")
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        labels = ["rejected" if s is None else f"{s:.2f} {text}" for _, s, text in answers]
        tiles = [(picture, label) for (_, picture), label in zip(given, labels, strict=True)]
        tiled_sheet(tiles, min(len(tiles), 10), (170, 170)).save(options.sheet)
        print(f"Written: {options.sheet}")
    return int(options.bar < len(believed))


if __name__ == "__main__":
    sys.exit(main())
