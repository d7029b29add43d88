#!/usr/bin/env python
"""Turn the letters, digits and signs of UNIPEN's writers into glyphs.

    python scripts/prepare_unipen.py --fetch                 # by git: 0.5 GB
    python scripts/prepare_unipen.py --unipen FOLDER         # a copy of it

UNIPEN's train_r01_v07 is under CC BY 4.0. How tall each symbol is beside the others tell the fonts
of scripts/prepare_fonts.py, which comes first. Printed is how many glyphs there are of each symbol.
"""

from __future__ import annotations

import sys
from pathlib import Path

from inktex.cli.prepare_hands import hands_parser, prepare_hands
from inktex.data.unipen import FOLDERS, REPOSITORY, read_unipen


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and prepare; gives the exit status."""
    parser = hands_parser("unipen", __doc__)
    parser.add_argument(
        "--unipen",
        dest="folder",
        metavar="FOLDER",
        type=Path,
        default=Path("data/unipen"),
        help=f"copy of {REPOSITORY} (default: %(default)s)",
    )
    parser.add_argument("--fetch", action="store_true", help="make that copy")
    return prepare_hands("unipen", parser.parse_args(arguments), REPOSITORY, FOLDERS, read_unipen)


if __name__ == "__main__":
    sys.exit(main())
