"""`inktex average`: the weighted mean of checkpoints of one architecture."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inktex.files import new_folder, read_json, write_text

AVERAGE = "average.json"
"""Beside averaged weights: the checkpoints that they are the mean of."""
WEIGHTS = "model.safetensors"
DESCRIPTION = """\
Average the weights of checkpoints of one architecture.

    inktex average runs/base/averaged runs/more/averaged --shares 0.78 0.22 \\
        --output runs/mean/averaged

The weighted mean of runs of which one started from the other reads often better than either
(Wortsman et al. 2022, https://arxiv.org/abs/2203.05482). The folder of the first checkpoint is
copied, processor and code included, and gets the mean of the weights, and `average.json` about
them; the files that describe the first one's run are copied beside the output."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("checkpoints", type=Path, nargs="+", help="folders with model.safetensors")
    parser.add_argument("--shares", type=float, nargs="+", help="of each one (default: equal)")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")


def run(options: argparse.Namespace) -> int:
    """Average as the options say; gives the exit status."""
    shares = options.shares or [1.0] * len(options.checkpoints)
    average_checkpoints(options.checkpoints, shares, options.output)
    print(f"Written: {options.output}")
    return 0


def average_checkpoints(checkpoints: Sequence[Path], shares: Sequence[float], output: Path) -> None:
    """Write the weighted mean of checkpoints.

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
    import torch
    from safetensors.torch import load_file, save_file

    from .run_folder import CURVE, MACHINE, RECIPE

    first, *others = (load_file(folder / WEIGHTS) for folder in checkpoints)
    total = sum(shares)
    mean = {name: value.to(torch.float32) * (shares[0] / total) for name, value in first.items()}
    for folder, weights, share in zip(checkpoints[1:], others, shares[1:], strict=True):
        if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in first.items()}:
            raise ValueError(f"{folder} is of another architecture than {checkpoints[0]}.")
        for name, value in weights.items():
            mean[name] += value.to(torch.float32) * (share / total)
    record = [
        {
            "weights_sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
            "share": share / total,
            "run": _run_record(folder.parent / RECIPE, folder.parent / MACHINE),
        }
        for folder, share in zip(checkpoints, shares, strict=True)
    ]
    with new_folder(output) as partial:
        shutil.copytree(checkpoints[0], partial, dirs_exist_ok=True)
        save_file(
            {name: value.to(first[name].dtype) for name, value in mean.items()},
            partial / WEIGHTS,
            metadata={"format": "pt"},
        )
        write_text(partial / AVERAGE, json.dumps(record, indent=1) + "\n")
    for name in (RECIPE, CURVE, MACHINE):
        beside = checkpoints[0].parent / name
        if beside.is_file() and beside.parent.resolve() != output.parent.resolve():
            shutil.copyfile(beside, output.parent / name)


def _run_record(recipe: Path, machine: Path) -> dict[str, Any] | None:
    """Recipe and machine of the run of a checkpoint, for its record; None if they are unknown."""
    if not (recipe.is_file() and machine.is_file()):
        return None
    return {"recipe": {**read_json(recipe), "init": None}, "machine": read_json(machine)}
