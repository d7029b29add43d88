#!/usr/bin/env python
"""Turn handwriting fonts into glyphs of strokes, one file for all of them.

    python scripts/prepare_fonts.py --fetch                   # the list of fonts, by npm and apt
    python scripts/prepare_fonts.py --fonts FOLDER            # with a folder for each font

Outlines (ttf, otf, woff, woff2) become centre lines, in the order and direction of a writer; each
font is one writer, for training or held out. Glyphs that come out broken are left out by rule.
Printed are what was left out, and in how many fonts each symbol is. `--fetch` needs npm, and
apt-get with up-to-date lists of packages (`apt-get update`); a font that cannot be had is named and
skipped.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

from inktex.cli.console import accept_any_text
from inktex.data.fonts import coverage, is_held_out, load_glyphs, save_glyphs
from inktex.data.fonts.sources import fetch
from inktex.extras import require


def main(arguments: list[str] | None = None) -> int:
    """Fetch fonts if asked, extract their glyphs, report; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--fonts",
        type=Path,
        default=Path("data/fonts"),
        help="folder of fonts (default: %(default)s)",
    )
    parser.add_argument("--fetch", action="store_true", help="fetch the fonts of the list into it")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("data/glyphs.npz"),
        help="file to write (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of the dates of many fonts
    accept_any_text()
    started = time.monotonic()
    try:
        require("train", "Reading fonts", "fontTools", "brotli", "skimage")
        # Only here: what it imports may be missing.
        from inktex.data.fonts.glyph_tracing import extract
        from inktex.data.fonts.rules import REASONS

        if options.fetch:
            missing = fetch(options.fonts)
            print(f"Fetched to {options.fonts}; could not be had: {', '.join(missing) or 'none'}.")
        found = extract(options.fonts)
        save_glyphs(options.output, found.glyphs, found.records)
        print(f"\nLeft out of {found.candidates} glyphs:")
        for reason, count in found.left_out.most_common():
            share = 100 * count / found.candidates
            print(f"  {count:5} ({share:4.1f} %) {reason}: {REASONS[reason]}")
        print_coverage(options.output)
    except (OSError, ValueError, ImportError) as error:
        print(f"prepare_fonts: {error}", file=sys.stderr)
        return 2
    size = options.output.stat().st_size / 1e6
    seconds = time.monotonic() - started
    print(f"Written to {options.output}: {size:.1f} MB, in {seconds:.0f} s.")
    return 0


def print_coverage(path: Path) -> None:
    """Print in how many fonts each token is, and which tokens are in fewer than three."""
    glyphs = load_glyphs(path)
    fonts = {one.font for one in glyphs}
    held_out = sorted(font for font in fonts if is_held_out(font))
    print(
        f"\n{len(glyphs)} glyphs of {len(fonts)} fonts are kept; held out: {', '.join(held_out)}."
    )
    counts = coverage(glyphs)
    print("Fonts that have a token, for training + held out:")
    line = ""
    for token, (training, kept) in counts.items():
        entry = f"{token} {training}+{kept}"
        if len(line) + len(entry) > 96:
            print(f"  {line}")
            line = ""
        line += f"{entry}   "
    print(f"  {line}")
    scarce = [f"{token} {few}+{kept}" for token, (few, kept) in counts.items() if few < 3]
    print(f"In fewer than 3 fonts for training ({len(scarce)}): {', '.join(scarce) or 'none'}.")


if __name__ == "__main__":
    sys.exit(main())
