#!/usr/bin/env python
"""How often each symbol is in the captions that training writes synthetic ink of.

    python scripts/count_captions.py                  # the recipe `alphabet`, a sample of captions
    python scripts/count_captions.py --recipe my-recipe.yaml --count 50000

Draws captions as a recipe's `synthesis` says, from `captions`, and prints for each symbol in how
many of them it is, scaled up to --per synthetic examples: first the look-alikes that context alone
tells apart, then all symbols that are in fewer than --least. What the recombined captions of the
training ink add is not counted. The exit status is 1 if there are such symbols.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
from tqdm.auto import tqdm

from inktex.alphabet import ALPHABETS
from inktex.cli.arguments import natural, positive
from inktex.data.captions import load_captions
from inktex.data.fonts import load_glyphs
from inktex.evaluation.symbols import LOOK_ALIKES
from inktex.synthesis.captions import WITHOUT_INK, Recombiner
from inktex.synthesis.rare import INKED
from inktex.synthesis.writers import Writers
from inktex.training.recipe import load_recipe, recipe_path


def main(arguments: list[str] | None = None) -> int:
    """Draw captions, count, print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="alphabet", help="recipe (default: %(default)s)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="of the recipe"
    )
    parser.add_argument("--count", type=positive, default=20_000, help="captions (default 20000)")
    parser.add_argument(
        "--per", type=positive, default=300_000, help="synthetic examples (default 300000)"
    )
    parser.add_argument("--least", type=natural, default=2000, help="examples (default 2000)")
    parser.add_argument("--seed", type=natural, default=0, help="of the captions (default 0)")
    options = parser.parse_args(arguments)
    try:
        config = load_recipe(recipe_path(options.recipe), options.set).synthesis
        if not config.wide or config.fonts is None:
            raise ValueError("The recipe has no captions for the whole alphabet: synthesis.wide.")
        known = load_captions(config.captions)
        writers = Writers()
        writers.add_fonts(one for one in load_glyphs(config.fonts) if not one.held_out)
        # Bars of fractions are CROHME's alone.
        able = {*writers.tokens(), *ALPHABETS["crohme"]}
        source = Recombiner(known, config, known=able, whole=True)
    except (OSError, ValueError) as error:
        print(f"count_captions: {error}", file=sys.stderr)
        return 2
    rng = np.random.default_rng(options.seed)
    drawn: Counter[str] = Counter()
    for _ in tqdm(range(options.count), unit="caption", disable=None, leave=False):
        drawn.update({*source.draw(rng)})
    factor = options.per * config.wide / options.count
    scaled = {token: round(factor * drawn[token]) for token in (*INKED, *WITHOUT_INK)}
    written = Counter(token for caption in known for token in {*caption})
    print(f"Of {options.count} captions, scaled to {options.per} synthetic examples.")
    for group in LOOK_ALIKES:
        print("  " + ", ".join(f"{token} {scaled[token]}" for token in group))
    few = [token for token, count in scaled.items() if count < options.least]
    print(f"In fewer than {options.least}: {len(few)} of {len(scaled)} symbols.")
    if few:
        print_few(few, scaled, written)
    return int(bool(few))


def print_few(few: Sequence[str], scaled: dict[str, int], written: Counter[str]) -> None:
    """Print a table of some symbols."""
    print("| symbol | examples | captions of the corpus |\n|---|---|---|")
    for token in sorted(few, key=lambda one: scaled[one]):
        print(f"| `{token}` | {scaled[token]} | {written[token]} |")


if __name__ == "__main__":
    sys.exit(main())
