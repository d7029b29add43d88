"""The folder of a run: names of its files, its recipe, its machine and its curve."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from inktex.files import write_json

from .checkpoints import BEFORE, CHECKPOINT
from .recipe import stored_recipe
from .recipe_fields import Recipe

AVERAGED = "averaged"
"""Folder of the averaged weights, as of the last validation."""
BEST = "best"
"""Folder of the averaged weights that scored best on the development split."""
CURVE = "curve.jsonl"
RECIPE = "recipe.json"
MACHINE = "machine.json"
"""Processes, cores and GPU of the run."""
_MAY_CHANGE = {
    "steps",
    "minutes",
    "workers",
    "planners",
    "validate_every",
    "save_every",
    "log_every",
}
"""Fields of the recipe that may change when a run goes on."""


def record_recipe(recipe: Recipe, output: Path, resume: bool, accelerator: Accelerator) -> None:
    """Write a run's recipe and machine to its folder.

    Raises:
        ValueError: if the run that is to go on there has another recipe.
    """
    path = output / RECIPE
    present = recipe.to_dict()
    if resume and path.exists() and any((output / one).is_dir() for one in (CHECKPOINT, BEFORE)):
        before = stored_recipe(path).to_dict()
        changed = [k for k in present if present[k] != before[k] and k not in _MAY_CHANGE]
        if changed:
            raise ValueError(
                f"{output} holds a run whose {', '.join(changed)} differ(s) from this recipe. "
                "Choose another output folder, or start it anew with --fresh."
            )
    if accelerator.is_main_process:
        write_json(path, present)
        write_json(output / MACHINE, _machine(accelerator))


def append_to_curve(output: Path, accelerator: Accelerator, record: dict[str, Any]) -> None:
    """Add a point to a run's curve, in its main process."""
    if accelerator.is_main_process:
        with open(output / CURVE, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _machine(accelerator: Accelerator) -> dict[str, Any]:
    on_gpu = accelerator.device.type == "cuda"
    return {
        "processes": accelerator.num_processes,
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name(accelerator.device) if on_gpu else None,
    }
