#!/usr/bin/env python
"""Turn Detexify's drawings of symbols into glyphs, each by a writer of its own.

    python scripts/prepare_detexify.py --fetch                 # its repository, by git: 0.3 GB
    python scripts/prepare_detexify.py --drawings FOLDER       # a copy of it

The drawings, under the Open Database License, have neither size nor baseline: they get those of the
fonts of scripts/prepare_fonts.py, which comes first. Printed is how many there are of each symbol.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from inktex.cli.console import accept_any_text
from inktex.data.detexify import FOLDERS, REPOSITORY, read_drawn_symbols
from inktex.data.fonts import load_glyphs, save_glyphs
from inktex.data.repositories import clone


def main(arguments: list[str] | None = None) -> int:
    """Fetch drawings if asked, place them, report; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--drawings",
        type=Path,
        default=Path("data/detexify"),
        help=f"copy of {REPOSITORY} (default: %(default)s)",
    )
    parser.add_argument("--fetch", action="store_true", help="make that copy")
    parser.add_argument(
        "--glyphs",
        type=Path,
        default=Path("data/glyphs.npz"),
        help="file of scripts/prepare_fonts.py (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("data/detexify.npz"),
        help="file to write (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    accept_any_text()
    try:
        fonts = load_glyphs(options.glyphs)
        if options.fetch:
            clone(REPOSITORY, options.drawings, FOLDERS)
        drawn = read_drawn_symbols(options.drawings, fonts)
        save_glyphs(options.output, drawn.glyphs)
    except (OSError, ValueError) as error:
        print(f"prepare_detexify: {error}", file=sys.stderr)
        return 2
    counts = Counter(one.token for one in drawn.glyphs)
    held_out = sum(one.held_out for one in drawn.glyphs)
    print(
        f"{len(drawn.glyphs)} drawings of {len(counts)} symbols, {held_out} of them held out: "
        + ", ".join(f"{token} {count}" for token, count in sorted(counts.items()))
    )
    if drawn.unplaced:
        print(f"Left out, as no font has them: {', '.join(drawn.unplaced)}.")
    print(f"Written to {options.output}: {options.output.stat().st_size / 1e6:.1f} MB.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
