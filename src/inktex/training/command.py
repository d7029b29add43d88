"""`inktex train`: train a model by a recipe."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

DESCRIPTION = """\
Train a model by a recipe.

    inktex train tiny                                  # a minute, needs no data
    inktex train base --output runs/base               # on CPU cores, with CROHME
    inktex train base --set minutes=null --set steps=20000 --set optimizer.clip=0.5
    inktex train finetune --data FOLDER                # on pictures of your own
    torchrun --nproc_per_node 2 -m inktex train base   # several cores, GPUs or machines

A run that was stopped goes on where it stopped when the same command is given again. Beside the
checkpoints, OUTPUT gets `curve.jsonl`, TensorBoard curves, and two models that `from_pretrained`
loads: `averaged` (the last) and `best` (the best on the development split)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("recipe", help="a recipe's name (tiny, base, ...) or YAML file")
    parser.add_argument(
        "--output", type=Path, help="folder of the run (default: runs/ and the recipe's name)"
    )
    parser.add_argument(
        "--data", type=Path, help="folder of the data, instead of the one that the recipe names"
    )
    parser.add_argument(
        "--skip-unknown",
        action="store_true",
        help="leave out expressions of --data with tokens outside the model's vocabulary",
    )
    parser.add_argument(
        "--skip-broken",
        action="store_true",
        help="leave out data files that are missing or damaged, and name them",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        dest="overrides",
        help="override a field of the recipe, e.g. optimizer.learning_rate=5e-4; repeatable",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="start anew, even if OUTPUT holds a run"
    )


def run(options: argparse.Namespace) -> int:
    """Train as the options say; gives the exit status.

    Imports stand where they are needed: torch and transformers take seconds, and a mistake in the
    recipe is reported before that.
    """
    from .recipe import load_recipe, recipe_path

    recipe = load_recipe(recipe_path(options.recipe), options.overrides)
    if options.data is not None:
        recipe = replace(recipe, data=str(options.data))
    # oneDNN keeps a compiled kernel for every shape of every layer; its default of 1024
    # thrashes. Those for bfloat16 units (AMX) are large: see docs/training.md.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7000")
    from accelerate import PartialState

    from .checkpoints import CHECKPOINT
    from .loop import train
    from .run_folder import CURVE
    from .sources import recipe_examples
    from .validation import score_held_out

    folder = options.output or Path("runs") / recipe.name
    found = recipe_examples(recipe, options.skip_unknown, options.skip_broken)
    _print(
        f"{len(found.train)} expressions to train on, {len(found.dev)} to choose by. "
        f"Curve: {folder / CURVE}; checkpoint: {folder / CHECKPOINT}."
    )
    best = train(recipe, found.train, found.dev, folder, resume=not options.fresh)
    if found.test and not recipe.trains_pictures and PartialState().is_main_process:
        _print(score_held_out(recipe, best, found, folder))
    _print(f"Done. The best weights are in {best}.")
    PartialState().destroy_process_group()  # torch warns of processes that go without
    return 0


def _print(text: str) -> None:
    """Print once, however many processes there are."""
    if os.environ.get("RANK", "0") == "0":
        print(text, flush=True)
