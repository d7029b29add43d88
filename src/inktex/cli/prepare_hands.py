"""The command line of the scripts that turn people's symbols into glyphs."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from inktex.data.fonts import FontGlyph, load_glyphs, save_glyphs
from inktex.data.repositories import clone

from .console import accept_any_text


def hands_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options that these scripts have in common; each adds `folder` and `fetch` of its own.

    Args:
        name: of the data set.
        description: of the script.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--glyphs",
        type=Path,
        default=Path("data/glyphs.npz"),
        help="file of scripts/prepare_fonts.py (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("data", f"{name}.npz"),
        help="file to write (default: %(default)s)",
    )
    return parser


def prepare_hands(
    name: str,
    options: argparse.Namespace,
    repository: str,
    folders: Sequence[str],
    read: Callable[[Path, list[FontGlyph]], list[FontGlyph]],
) -> int:
    """Fetch a data set if asked, make glyphs of it, report; gives the exit status.

    Args:
        name: of the data set.
        options: of a script whose parser is `hands_parser`.
        repository: that has the data set.
        folders: of the repository that are needed.
        read: makes glyphs of the folder and those of the fonts.
    """
    accept_any_text()
    try:
        fonts = load_glyphs(options.glyphs)
        if options.fetch:
            clone(repository, options.folder, folders)
        glyphs = read(options.folder, fonts)
        save_glyphs(options.output, glyphs)
    except (OSError, ValueError) as error:
        print(f"prepare_{name}: {error}", file=sys.stderr)
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
