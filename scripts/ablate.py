#!/usr/bin/env python
"""Train variants of a recipe, each at the same cost, and compare what they read.

    ACCELERATE_USE_CPU=true torchrun --nproc_per_node 2 scripts/ablate.py
    python scripts/ablate.py --recipe ablation --only "all of it" "without the symbol map"

Writes OUTPUT/table.md after each variant: greedy scores on the development split, and on those of
its expressions whose captions training does not have. What is done is not done again when the same
command is given again.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# oneDNN keeps a compiled kernel for every shape of every layer; its default of 1024 thrashes.
# Those for bfloat16 units (AMX) are large: see docs/scaling.md.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7000")

from accelerate import PartialState

from inktex.evaluation.scores import compute_scores
from inktex.examples import AnyExample
from inktex.files import write_text
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.processes import join_processes
from inktex.training.loop import AVERAGED, CURVE, train
from inktex.training.recipe import Recipe, load_variants, recipe_path
from inktex.training.sources import recipe_examples
from inktex.training.validation import read_examples

RESULT = "result.json"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, train and compare; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="ablation", help="a recipe with variants")
    parser.add_argument(
        "--output", type=Path, help="folder; runs/ and the recipe's name if left out"
    )
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="only these variants")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="overrides"
    )
    options = parser.parse_args(arguments)
    try:
        join_processes()
        variants = load_variants(recipe_path(options.recipe), options.overrides)
        unknown = sorted(set(options.only or ()) - set(variants))
        if unknown:
            raise ValueError(f"No variant {unknown[0]!r}; there are: {', '.join(variants)}.")
        output = options.output or Path("runs") / next(iter(variants.values())).name
        for name in options.only or variants:
            measure(name, variants[name], output / slug(name))
            if PartialState().is_main_process:
                write_text(output / "table.md", table(results(variants, output)))
    except (ValueError, OSError) as error:
        print(f"ablate: {error}", file=sys.stderr)
        return 2
    if PartialState().is_main_process:
        print((output / "table.md").read_text(encoding="utf-8"), end="")
    PartialState().destroy_process_group()  # torch warns of processes that go without
    return 0


def measure(name: str, recipe: Recipe, folder: Path) -> None:
    """Train a variant and write what it reads to FOLDER/result.json, if that is not done."""
    if not (folder / RESULT).is_file():
        found = recipe_examples(recipe)
        train(recipe, found.train, found.dev, folder)
        if PartialState().is_main_process:
            result = {"name": name, **read(recipe, found.train, found.dev, folder)}
            write_text(folder / RESULT, json.dumps(result, indent=1) + "\n")
    PartialState().wait_for_everyone()


def read(
    recipe: Recipe,
    examples: Sequence[AnyExample],
    development: Sequence[AnyExample],
    folder: Path,
) -> dict[str, Any]:
    """Scores of the averaged weights, and what they cost."""
    model = InktexForConditionalGeneration.from_pretrained(folder / AVERAGED).eval()
    readings = read_examples(model, development, recipe.batch)
    learnt = {tuple(example.caption) for example in examples}
    captions = [example.caption for example in development]
    unseen = [i for i, caption in enumerate(captions) if tuple(caption) not in learnt]
    whole = compute_scores(readings, captions)
    new = compute_scores([readings[i] for i in unseen], [captions[i] for i in unseen])
    curve = [json.loads(line) for line in (folder / CURVE).read_text("utf-8").splitlines()]
    last = [entry for entry in curve if "minutes" in entry][-1]
    return {
        "parameters": model.num_parameters(),
        "steps": last["step"],
        "dev": whole.as_dict(),
        "dev_unseen": new.as_dict(),
    }


def results(variants: Mapping[str, Recipe], output: Path) -> list[dict[str, Any]]:
    """What has been measured so far, in the order of the recipe."""
    paths = (output / slug(name) / RESULT for name in variants)
    return [json.loads(path.read_text("utf-8")) for path in paths if path.is_file()]


def slug(name: str) -> str:
    """A variant's name as that of a folder."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: ExpRate and token error rate in per cent."""
    lines = [
        "| variant | parameters | steps | dev | ≤ 1 | unseen captions | ≤ 1 | token error rate |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        dev, new = row["dev"], row["dev_unseen"]
        rates = (
            dev["exp_rate"], dev["exp_rate_1"], new["exp_rate"], new["exp_rate_1"],
            new["token_error_rate"],
        )  # fmt: skip
        cells = " | ".join(f"{100 * rate:.2f}" for rate in rates)
        lines.append(
            f"| {row['name']} | {row['parameters'] / 1e6:.1f} M | {row['steps']} | {cells} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
