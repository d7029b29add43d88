#!/usr/bin/env python
"""Turn the letters, digits and signs of UNIPEN's writers into glyphs.

    python scripts/prepare_unipen.py --fetch                 # by git: 0.5 GB
    python scripts/prepare_unipen.py --unipen FOLDER         # a copy of it

UNIPEN's train_r01_v07 is under CC BY 4.0. How tall each symbol is beside the others tell the fonts
of scripts/prepare_fonts.py, which comes first. Printed is how many glyphs there are of each symbol.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from inktex.cli.console import accept_any_text
from inktex.data.fonts import load_glyphs, save_glyphs
from inktex.data.repositories import clone
from inktex.data.unipen import FOLDERS, REPOSITORY, read_unipen


def main(arguments: list[str] | None = None) -> int:
    """Fetch the ink if asked, place it, report; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--unipen",
        type=Path,
        default=Path("data/unipen"),
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
        default=Path("data/unipen.npz"),
        help="file to write (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    accept_any_text()
    try:
        fonts = load_glyphs(options.glyphs)
        if options.fetch:
            clone(REPOSITORY, options.unipen, FOLDERS)
        glyphs = read_unipen(options.unipen, fonts)
        save_glyphs(options.output, glyphs)
    except (OSError, ValueError) as error:
        print(f"prepare_unipen: {error}", file=sys.stderr)
        return 2
    counts = Counter(one.token for one in glyphs)
    held_out = sum(one.held_out for one in glyphs)
    print(
        f"{len(glyphs)} glyphs of {len(counts)} symbols by {len({one.font for one in glyphs})} "
        f"writers, {held_out} of them held out: "
        + ", ".join(f"{token} {count}" for token, count in sorted(counts.items()))
    )
    print(f"Written to {options.output}: {options.output.stat().st_size / 1e6:.1f} MB.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
