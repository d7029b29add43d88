#!/usr/bin/env python
"""Typeset formulas in several faces, one file for all of them.

    python scripts/prepare_print.py --fetch       # the faces of the list, by apt and npm
    python scripts/prepare_print.py --count 20000

The training captions of scripts/prepare_captions.py, recombined as a recipe says, are set as
filled outlines that know which token each is of; held-out captions are drawn as grey pictures in
faces that training does not see, and by another typesetter. A formula is left out for a face that
lacks one of its glyphs; printed is how often, and why. The same arguments give the same file.
`--fetch` needs npm, and apt-get with up-to-date lists of packages (`apt-get update`); a face that
cannot be had is named and skipped.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from inktex.cli.console import accept_any_text
from inktex.data.captions import load_captions
from inktex.data.print import PrintedFormulas, save_formulas
from inktex.extras import require
from inktex.training.recipe import load_recipe, recipe_path


def main(arguments: list[str] | None = None) -> int:
    """Fetch faces if asked, typeset, report; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--faces", type=Path, default=Path("data/print-fonts"), help="folder (%(default)s)")
    add("--fetch", action="store_true", help="fetch the faces of the list into it")
    add("--captions", type=Path, default=Path("data/captions"), help="folder (%(default)s)")
    add("--recipe", default="alphabet", help="says how captions are recombined (%(default)s)")
    add("--count", type=int, default=20_000, help="formulas for training (%(default)s)")
    add("--pictures", type=int, default=300, help="pictures for evaluation (%(default)s)")
    add("--seed", type=int, default=0)
    add("--output", type=Path, default=Path("data/print.npz"), help="file (%(default)s)")
    options = parser.parse_args(arguments)
    accept_any_text()
    started = time.monotonic()
    try:
        require("train", "Typesetting", "ziamath", "matplotlib", "fontTools", "brotli")
        # Only here: what they import may be missing.
        from inktex.data.print.faces import fetch_faces, load_faces
        from inktex.synthesis.print import Prepared, prepare_formulas, prepare_pictures

        if options.fetch:
            missing = fetch_faces(options.faces)
            print(f"Fetched to {options.faces}; could not be had: {', '.join(missing) or 'none'}.")
        faces, held_out = load_faces(options.faces), load_faces(options.faces, held_out=True)
        if options.pictures and not held_out:
            raise ValueError(
                f"No face for evaluation is in {options.faces}: give --fetch, or --pictures 0."
            )
        print(f"Faces: {', '.join(face.name for face, _ in faces)};", end=" ")
        print(f"held out: {', '.join(face.name for face, _ in held_out) or 'none'}.")
        config = load_recipe(recipe_path(options.recipe)).synthesis
        prepared = Prepared()
        captions = load_captions(options.captions)
        prepare_formulas(captions, faces, config, options.count, options.seed, prepared)
        report(prepared.left_out, options.count)
        if options.pictures:
            captions = load_captions(options.captions, "dev")
            prepare_pictures(captions, held_out, options.pictures, options.seed, prepared)
        save_formulas(options.output, prepared.formulas, prepared.pictures)
    except (OSError, ValueError, ImportError) as error:
        print(f"prepare_print: {error}", file=sys.stderr)
        return 2
    size = options.output.stat().st_size / 1e6
    seconds = time.monotonic() - started
    print(f"Written to {options.output}: {size:.1f} MB, in {seconds:.0f} s.")
    used = Counter(one.face for one in PrintedFormulas(options.output))
    print("Formulas by face: " + ", ".join(f"{face} {n}" for face, n in used.most_common()) + ".")
    return 0


def report(left_out: Counter[str], count: int) -> None:
    """Print why formulas were left out for a face."""
    print(f"Left out for a face, of {count} formulas: {left_out.total() or 'none'}.")
    for reason, number in left_out.most_common(12):
        print(f"  {number:5} {reason}")


if __name__ == "__main__":
    sys.exit(main())
