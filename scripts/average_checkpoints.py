#!/usr/bin/env python
"""Average the weights of checkpoints of one architecture.

    python scripts/average_checkpoints.py runs/base/averaged src/inktex/pretrained \
        --shares 0.78 0.22 --output runs/mean/averaged

Runs that start from one another lie so near that the weighted mean of their weights reads, too,
often better than either (Wortsman et al. 2022, https://arxiv.org/abs/2203.05482). The folder of the
first checkpoint is copied, processor and code included, and gets the mean of the weights; where a
run's recipe.json, curve.jsonl, machine.json and thinner.json are beside the first one, they go
beside the output, so that scripts/package_checkpoint.py finds them. `average.json` in it says what
was averaged, and of which runs.
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from inktex.files import new_folder
from inktex.training.average import AVERAGE
from inktex.training.loop import CURVE, MACHINE, RECIPE
from inktex.training.pairs import RECORD as THINNER_RECORD

WEIGHTS = "model.safetensors"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and write the folder; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs="+", help="folders with model.safetensors")
    parser.add_argument("--shares", type=float, nargs="+", help="of each one (default: alike)")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    options = parser.parse_args(arguments)
    shares = options.shares or [1.0] * len(options.checkpoints)
    try:
        average(options.checkpoints, shares, options.output)
    except (OSError, ValueError) as error:
        print(f"average_checkpoints: {error}", file=sys.stderr)
        return 2
    print(f"Written: {options.output}")
    return 0


def average(checkpoints: list[Path], shares: list[float], output: Path) -> None:
    """Write the mean of some checkpoints.

    Args:
        checkpoints: folders with `model.safetensors`, of the same names and shapes.
        shares: of each one; they are divided by their sum.
        output: folder that is written; it must not be one of those that are read.

    Raises:
        ValueError: if there are fewer than two, shares do not fit, or the weights do not.
        OSError: if a file is missing.
    """
    if len(checkpoints) < 2 or len(shares) != len(checkpoints):
        raise ValueError(
            f"Give two checkpoints or more, and a share for each: these are {len(checkpoints)} "
            f"checkpoints and {len(shares)} shares."
        )
    if min(shares) < 0 or sum(shares) <= 0:
        raise ValueError(f"Shares must not be negative, and not all 0: {shares}.")
    if output.resolve() in {folder.resolve() for folder in checkpoints}:
        raise ValueError(f"{output} is one of those that are averaged. Write to another folder.")
    first, *others = (load_file(folder / WEIGHTS) for folder in checkpoints)
    total = sum(shares)
    mean = {name: value.to(torch.float32) * (shares[0] / total) for name, value in first.items()}
    for folder, weights, share in zip(checkpoints[1:], others, shares[1:], strict=True):
        if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in first.items()}:
            raise ValueError(f"{folder} is of another architecture than {checkpoints[0]}.")
        for name, value in weights.items():
            mean[name] += value.to(torch.float32) * (share / total)
    with new_folder(output) as partial:
        shutil.copytree(checkpoints[0], partial, dirs_exist_ok=True)
        save_file(
            {name: value.to(first[name].dtype) for name, value in mean.items()},
            partial / WEIGHTS,
            metadata={"format": "pt"},
        )
        record = [
            {"weights_sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
             "share": share / total, "run": _run(folder.parent)}
            for folder, share in zip(checkpoints, shares, strict=True)
        ]  # fmt: skip
        (partial / AVERAGE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for name in (RECIPE, CURVE, MACHINE, THINNER_RECORD):
        beside = checkpoints[0].parent / name
        if beside.is_file() and beside.parent.resolve() != output.parent.resolve():
            shutil.copyfile(beside, output.parent / name)


def _run(folder: Path) -> dict[str, Any] | None:
    """What a run was and ran on, so that its time is not lost; None if no run is there."""
    if not ((folder / RECIPE).is_file() and (folder / MACHINE).is_file()):
        return None
    recipe, machine = (
        json.loads((folder / name).read_text(encoding="utf-8")) for name in (RECIPE, MACHINE)
    )
    # Where the start lay on this machine says nothing.
    return {"recipe": {**recipe, "init": None}, "machine": machine}


if __name__ == "__main__":
    sys.exit(main())
