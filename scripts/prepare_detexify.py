#!/usr/bin/env python
"""Turn Detexify's drawings of symbols into glyphs, each by a writer of its own.

    python scripts/prepare_detexify.py --fetch                 # its repository, by git: 0.3 GB
    python scripts/prepare_detexify.py --drawings FOLDER       # a copy of it

The drawings, under the Open Database License, have neither size nor baseline: they get those of the
fonts of scripts/prepare_fonts.py, which comes first. Printed is how many there are of each symbol.
"""

from __future__ import annotations

import sys
from pathlib import Path

from inktex.cli.prepare_hands import hands_parser, prepare_hands
from inktex.data.detexify import FOLDERS, REPOSITORY, read_drawn_symbols
from inktex.data.fonts import FontGlyph


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and prepare; gives the exit status."""
    parser = hands_parser("detexify", __doc__)
    parser.add_argument(
        "--drawings",
        dest="folder",
        metavar="FOLDER",
        type=Path,
        default=Path("data/detexify"),
        help=f"copy of {REPOSITORY} (default: %(default)s)",
    )
    parser.add_argument("--fetch", action="store_true", help="make that copy")
    return prepare_hands("detexify", parser.parse_args(arguments), REPOSITORY, FOLDERS, _read)


def _read(folder: Path, fonts: list[FontGlyph]) -> list[FontGlyph]:
    drawn = read_drawn_symbols(folder, fonts)
    if drawn.unplaced:
        print(f"Left out, as no font has them: {', '.join(drawn.unplaced)}.")
    return drawn.glyphs


if __name__ == "__main__":
    sys.exit(main())
