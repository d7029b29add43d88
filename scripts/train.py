#!/usr/bin/env python
"""Train a model by a recipe.

    python scripts/train.py tiny                                  # a minute, needs no data
    python scripts/prepare_crohme.py --data DIR --output data/crohme
    python scripts/train.py base --output runs/base               # on CPU cores
    python scripts/train.py base --set minutes=null --set steps=20000 --set optimizer.clip=0.5
    python scripts/train.py finetune --data FOLDER                # on pictures of your own
    accelerate launch scripts/train.py base                       # several GPUs or machines
    python scripts/train.py thinner      # what the image processor knows of wide pens, no model

A run that was stopped goes on where it stopped when the same command is given again. Beside the
checkpoints, OUTPUT gets `curve.jsonl`, TensorBoard curves, and two models that `from_pretrained`
loads: `averaged` (the last) and `best` (the best on the development split).
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

# oneDNN keeps a compiled kernel for every shape of every layer; its default of 1024 thrashes.
# Those for bfloat16 units (AMX) are large: see docs/scaling.md.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7000")

from accelerate import PartialState

from inktex.training.checkpoints import CHECKPOINT
from inktex.training.held_out import score_held_out
from inktex.training.loop import AVERAGED, CURVE, train
from inktex.training.recipe import load_stages, recipe_path
from inktex.training.sources import recipe_examples
from inktex.training.thinning import train_thinner


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and train; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="a recipe's name (tiny, base, ...) or YAML file")
    parser.add_argument(
        "--output", type=Path, help="folder of the run; runs/ and the recipe's name if left out"
    )
    parser.add_argument(
        "--data", type=Path, help="folder of the data, instead of the one that the recipe names"
    )
    parser.add_argument(
        "--skip-unknown",
        action="store_true",
        help="leave out expressions of --data whose tokens the model does not know",
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
    options = parser.parse_args(arguments)
    try:
        stages = load_stages(recipe_path(options.recipe), options.overrides)
        output = options.output or Path("runs") / stages[0].name
        best = None
        for number, recipe in enumerate(stages, start=1):
            if options.data is not None:
                recipe = replace(recipe, data=str(options.data))
            folder = output
            if len(stages) > 1:
                folder = output / f"stage-{number}"
                if number > 1:
                    recipe = replace(recipe, init=str(output / f"stage-{number - 1}" / AVERAGED))
                say(f"Stage {number} of {len(stages)}.")
            found = recipe_examples(recipe, options.skip_unknown, options.skip_broken)
            say(
                f"{len(found.train)} expressions to train on, {len(found.dev)} to choose by. "
                f"Curve: {folder / CURVE}; checkpoint: {folder / CHECKPOINT}."
            )
            trains = train if recipe.thinner is None or recipe.is_joint else train_thinner
            best = trains(recipe, found.train, found.dev, folder, resume=not options.fresh)
            if found.test and PartialState().is_main_process:
                say(score_held_out(recipe, best, found, folder))
    except (ValueError, OSError, ImportError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    say(f"Done. The best weights are in {best}.")
    PartialState().destroy_process_group()  # torch warns of processes that go without
    return 0


def say(text: str) -> None:
    """Print, once however many processes there are."""
    if os.environ.get("RANK", "0") == "0":
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
