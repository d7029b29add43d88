#!/usr/bin/env python
"""Leave out glyphs that look like another symbol than their labels say.

    python scripts/select_hands.py data/detexify.npz data/unipen.npz
    python scripts/select_hands.py data/unipen.npz --without q --sheet build/left-out.png

A classifier learns the symbols of the recorded ink of scripts/prepare_crohme.py, and contradicts
labels with the confidence that it has where it is right. Such glyphs are taken out of the files of
scripts/prepare_detexify.py and scripts/prepare_unipen.py; those of the writers that are kept for
evaluation stay. Printed is what was left out as what. `--without` is for symbols that have other
forms in words than in mathematics: none of them is kept.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from inktex.data.fonts import FontGlyph, load_glyphs, save_glyphs
from inktex.evaluation.sheets import tiled_sheet
from inktex.training.data import load_examples
from inktex.training.glyph_selection import SymbolJudge, recorded_symbols, symbol_picture

SPLITS = ("train", "test2011", "test2012", "test2013")


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, learn, leave out; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="to select from")
    parser.add_argument("--data", default="data/crohme", help="recorded ink (default %(default)s)")
    parser.add_argument("--sheet", type=Path, help="PNG to write, with what was left out")
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="TOKEN", help="tokens to leave out altogether"
    )
    options = parser.parse_args(arguments)
    try:
        files = {
            file: load_glyphs(file, f"scripts/prepare_{file.stem}.py") for file in options.files
        }
        ink = [one for split in SPLITS for one in load_examples(options.data, split, True)]
        judge = SymbolJudge.learn(
            recorded_symbols(ink), recorded_symbols(load_examples(options.data, "dev", True))
        )
    except (OSError, ValueError) as error:
        print(f"select_hands: {error}", file=sys.stderr)
        return 2
    print(f"{len(judge.tokens)} symbols are known, {judge.accuracy:.1%} of the development ink's.")
    left_out: list[tuple[FontGlyph, str]] = []
    for file, glyphs in files.items():
        verdicts = judge.contradictions([(one.token, one.strokes) for one in glyphs])
        pairs = [
            (one, "unwanted" if one.token in options.without else as_)
            for one, as_ in zip(glyphs, verdicts, strict=True)
        ]
        gone = [(one, as_) for one, as_ in pairs if as_ is not None and not one.held_out]
        kept = [one for one, as_ in pairs if as_ is None or one.held_out]
        save_glyphs(file, kept)
        counts = Counter(f"{one.token} as {as_}" for one, as_ in gone).most_common(40)
        print(
            f"{file}: {len(gone)} of {len(glyphs)} glyphs are left out, most often "
            + ", ".join(f"{name} {count}" for name, count in counts)
        )
        left_out += gone
    if options.sheet is not None:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        _sheet(left_out).save(options.sheet)
    return 0


def _sheet(left_out: Sequence[tuple[FontGlyph, str]]) -> Image.Image:
    """Up to a thousand of the glyphs as they were judged, each with its label and the verdict."""
    shown = left_out[:: max(len(left_out) // 1000, 1)]
    tiles: list[tuple[Image.Image | None, str]] = [
        (Image.fromarray(255 - symbol_picture(glyph.strokes)), f"{glyph.token} {verdict}")
        for glyph, verdict in shown
    ]
    return tiled_sheet(tiles or [(None, "none")], 24, (64, 64))


if __name__ == "__main__":
    sys.exit(main())
