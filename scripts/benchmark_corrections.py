"""How many taps put a reading right that has one wrong token.

    python scripts/benchmark_corrections.py --data data/crohme

Expressions of the development split are read from their ink. Of each that is misread by one token,
a user who knows what was written taps the first symbol that is wrong, takes its right candidate if
it is shown, and the rest is read anew. Printed are the shares that are right after one tap and
after two, and the time of a reading with a locked token.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from inktex.evaluation.scores import edit_distance
from inktex.recognizer import Candidate, Reading, load
from inktex.symbol_boxes import inked
from inktex.training.data import load_examples

CANDIDATES = 5
"""Tokens that are shown at a tap."""
TAPS = 2


def right_candidate(reading: Reading, expected: list[str]) -> Candidate | None:
    """The candidate that a user takes: the right token in the first place that is wrong."""
    tokens = reading.tokens.split()
    pairs = enumerate(zip(tokens, expected, strict=False))
    wrong = next((place for place, (one, other) in pairs if one != other), len(tokens))
    has_ink = inked(tokens)
    tapped = next((place for place in range(wrong, len(tokens)) if has_ink[place]), None)
    if tapped is None or wrong >= len(expected):
        return None
    for one in reading.candidates[tapped]:
        if (one.index, one.token) == (wrong, expected[wrong]):
            return one
    return None


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="of scripts/prepare_crohme.py")
    parser.add_argument("--model", help="folder of a model (default: the shipped one)")
    options = parser.parse_args()
    recognizer = load(options.model)
    reached, misread, seconds = [0] * TAPS, 0, []
    for example in load_examples(str(options.data), "dev"):
        strokes, expected = example.traces(), example.caption
        reading = recognizer(strokes, candidates=CANDIDATES)
        if edit_distance(reading.tokens.split(), expected) != 1:
            continue
        misread += 1
        locked: dict[int, str] = {}
        for tap in range(TAPS):
            chosen = right_candidate(reading, expected)
            if chosen is None:
                break
            locked[chosen.index] = chosen.token
            started = time.perf_counter()
            reading = recognizer(strokes, candidates=CANDIDATES, locked=locked)
            seconds.append(time.perf_counter() - started)
            if reading.tokens.split() == expected:
                for later in range(tap, TAPS):
                    reached[later] += 1
                break
    print(f"{misread} expressions are misread by one token.")
    for tap, count in enumerate(reached, 1):
        print(f"Right after at most {tap} tap(s): {count} ({100 * count / max(misread, 1):.1f} %)")
    if seconds:
        print(f"Reading anew: {1000 * statistics.median(seconds):.0f} ms (median)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
