#!/usr/bin/env python
"""What fine-tuning on a few writers' pictures gains on them, and what it loses elsewhere.

    python scripts/benchmark_finetuning.py --data data/crohme --groups 3

Writers of CROHME's 2013 test, whom the shipped weights never saw, stand for users: three to a
group, of whose pictures 60 are trained on and chosen by, as `finetune` would with a folder of them,
and the others are scored. Before and after, the development split of CROHME is read as well. Each
variant is the recipe with some fields changed; the table goes to standard output.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Final

from PIL import Image

from inktex.cli.arguments import positive
from inktex.data.crohme.split import writer
from inktex.data.examples import AnyExample, PictureExample
from inktex.ink import Expression
from inktex.ink.render import render
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.tokenizer.vocabulary_inktex import IDS
from inktex.training.custom_data import picture_example, published_processor
from inktex.training.data import load_examples, load_expressions
from inktex.training.loop import train
from inktex.training.models import make_model
from inktex.training.recipe import Recipe, load_recipe, recipe_path
from inktex.training.sources import with_rehearsal
from inktex.training.validation import validate

WRITERS: Final = 3
TRAINED: Final = 54
CHOSEN: Final = 6
VARIANTS: Final = {
    "recipe": (),
    "without start_share": ("optimizer.start_share=0",),
    "without start_share and freeze_batch_norm": (
        "optimizer.start_share=0", "optimizer.freeze_batch_norm=false",
    ),
    "rehearsing CROHME": ("rehearsal.share=0.5",),
}  # fmt: skip
"""Variants by name, and what they change of the recipe `finetune`."""


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, train, and print the table; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="data/crohme", help="folder of scripts/prepare_crohme.py")
    parser.add_argument("--groups", type=positive, default=3, help="of writers (default 3)")
    parser.add_argument(
        "--variants", nargs="+", choices=[*VARIANTS], default=[*VARIANTS][:2], metavar="NAME",
        help=f"to compare: {', '.join(VARIANTS)}",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="overrides",
        help="override a field of the recipe in all variants; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("runs/finetuning"), help="folder of the runs"
    )
    options = parser.parse_args(arguments)
    try:
        groups = groups_of_writers(load_expressions(options.data, "test2013"), options.groups)
        development = load_examples(options.data, "dev")
        known = load_examples(options.data, "train")
    except (OSError, ValueError) as error:
        print(f"benchmark_finetuning: {error}", file=sys.stderr)
        return 2
    recipes = {
        name: load_recipe(recipe_path("finetune"), [*VARIANTS[name], *options.overrides])
        for name in options.variants
    }
    first = next(iter(recipes.values()))
    start = make_model(first)
    elsewhere = validate(start, development, first.batch).exp_rate
    processor = published_processor()
    pictures = [
        [picture_example(one.id, drawn(one), one.tokens, processor) for one in group]
        for group in groups
    ]
    scored = [group[TRAINED + CHOSEN :] for group in pictures]
    before = [validate(start, group, first.batch).exp_rate for group in scored]
    heading = f"{sum(map(len, scored))} pictures of these writers"
    print(f"\n| | {heading} | CROHME, development |\n|---|---|---|")
    print(f"| before | {mean(before):.1%} | {elsewhere:.1%} |", flush=True)
    for name, recipe in recipes.items():
        own, other = [], []
        for number, group in enumerate(pictures):
            folder = options.output / name.replace(" ", "-") / str(number)
            tuned = fine_tune(recipe, group, known, folder)
            own.append(validate(tuned, scored[number], recipe.batch).exp_rate)
            other.append(validate(tuned, development, recipe.batch).exp_rate)
        print(f"| {name} | {mean(own):.1%} | {mean(other):.1%} |", flush=True)
    return 0


def groups_of_writers(expressions: list[Expression], count: int) -> list[list[Expression]]:
    """The expressions of some writers, three writers to a group, in an order that tells nothing.

    Raises:
        ValueError: if there are too few writers.
    """
    by_writer: dict[str, list[Expression]] = {}
    for one in expressions:
        name = writer(one.id, "extension")
        if name is not None and one.tokens and all(token in IDS for token in one.tokens):
            by_writer.setdefault(name, []).append(one)
    able = sorted(name for name, found in by_writer.items() if len(found) >= 27)
    if len(able) < WRITERS * count:
        raise ValueError(f"There are {len(able)} writers with 27 expressions, for {count} groups.")
    groups = []
    for first in range(0, WRITERS * count, WRITERS):
        group = [one for name in able[first : first + WRITERS] for one in by_writer[name]]
        groups.append(sorted(group, key=lambda one: hashlib.sha1(one.id.encode()).hexdigest()))
    return groups


def drawn(expression: Expression) -> Image.Image:
    """An expression as a picture, as the folder of a user would give it."""
    return Image.fromarray(255 - render(expression.traces))


def fine_tune(
    recipe: Recipe, group: list[PictureExample], known: Sequence[AnyExample], folder: Path
) -> InktexForConditionalGeneration:
    """The shipped model after a run on the pictures of a group."""
    examples: list[AnyExample] = [*group[:TRAINED]]
    if recipe.rehearsal.share:
        examples = with_rehearsal(examples, known, recipe.rehearsal.share)
    best = train(
        replace(recipe, name=folder.parent.name),
        examples,
        group[TRAINED : TRAINED + CHOSEN],
        folder,
    )
    return InktexForConditionalGeneration.from_pretrained(str(best))


if __name__ == "__main__":
    sys.exit(main())
