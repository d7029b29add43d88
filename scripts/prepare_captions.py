#!/usr/bin/env python
"""Bring a corpus of formulas to canonical captions, which synthetic ink is written by.

    python scripts/prepare_captions.py --formulas formulas.tsv --output data/captions

FILE has a formula a line; of several columns, which tabulators part, the last one is LaTeX. What
cannot be used is counted by reason. A tenth goes to dev.txt, which nothing is trained on.
"""

import argparse
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from inktex.data.captions import prepare_captions, read_formulas


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and write the folder; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--formulas", type=Path, nargs="+", required=True, metavar="FILE", help="the corpus"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("data/captions"), help="folder to write"
    )
    options = parser.parse_args(arguments)
    try:
        lines = chain.from_iterable(read_formulas(path) for path in options.formulas)
        report = prepare_captions(tqdm(lines, unit="formula", disable=None), options.output)
    except (OSError, UnicodeDecodeError) as error:
        print(f"prepare_captions: {error}", file=sys.stderr)
        return 2
    for split, captions in report.kept.items():
        counts = Counter(token for caption in captions for token in set(caption))
        print(f"{split}: {len(captions)} captions of {len(counts)} tokens")
    for reason, count in report.left_out.most_common():
        print(f"left out, {reason}: {count}")
    if report.unknown:
        named = ", ".join(f"{token} ({count})" for token, count in report.unknown.most_common(20))
        print(f"tokens outside the vocabulary: {named}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
