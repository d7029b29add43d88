"""How fast a recipe trains on this machine."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object, set_seed

from inktex.training import loop
from inktex.training.average import WeightAverage
from inktex.training.guard import FiniteGuard
from inktex.training.recipe import Recipe
from inktex.training.sources import recipe_examples
from inktex.training.stream import planned_batches, recipe_batches

from .measure import peak_megabytes

__all__ = ["measure_training", "training_table"]

_EXAMPLES: Final = 1500
"""Of the training set, so that planning an epoch takes a moment."""
_WARM: Final = 3
"""Steps that are not measured."""


@dataclass
class _Count:
    """What a process did while it was measured."""

    steps: int = 0
    pictures: int = 0
    tokens: int = 0


def measure_training(recipe: Recipe, seconds: float) -> dict[str, Any]:
    """Train for a while, as `train` does, with nothing kept; all processes of a run call it.

    Args:
        recipe: the run.
        seconds: to measure, behind the first steps.

    Returns:
        `processes`, `parameters`, `steps`, `pictures` and `tokens` a second of all processes, and
        `megabytes`, the most memory that a process had, without those that draw its pictures.

    Raises:
        FileNotFoundError: if the data are not where the recipe says.
    """
    found = recipe_examples(recipe).train
    examples = found[:: max(len(found) // _EXAMPLES, 1)]
    accelerator = Accelerator(mixed_precision=loop.usable_precision(recipe.precision))
    set_seed(recipe.seed + accelerator.process_index)
    model = loop.make_model(replace(recipe, init=None)).to(memory_format=torch.channels_last)
    parameters = sum(one.numel() for one in model.parameters())
    average = WeightAverage(model, recipe.optimizer.average)
    model, optimizer = accelerator.prepare(model, loop.make_optimizer(model, recipe.optimizer))
    model.train()
    counted, steps, started = _Count(), 0, 0.0
    with tempfile.TemporaryDirectory() as temporary:
        guard = FiniteGuard(accelerator, Path(temporary))
        for batch in recipe_batches(recipe, planned_batches(recipe, examples), accelerator)[1]:
            if steps == _WARM:
                counted, started = _Count(), time.perf_counter()
            loss = loop._backward(accelerator, model, batch, recipe, share=1.0)["loss"]
            if loop.take_step(accelerator, model, optimizer, recipe, loss, guard):
                average.update()
            steps += 1
            counted.steps += 1
            counted.pictures += len(batch["pixel_values"])
            counted.tokens += int((batch["labels"] >= 0).sum())
            passed = torch.tensor([time.perf_counter() - started], device=accelerator.device)
            if steps > _WARM and broadcast(passed).item() >= seconds:
                break
        lasted = time.perf_counter() - started
    everyone = gather_object([(counted.pictures, counted.tokens, peak_megabytes())])
    return {
        "recipe": recipe.name,
        "processes": accelerator.num_processes,
        "parameters": parameters,
        "steps": counted.steps / lasted,
        "pictures": sum(one[0] for one in everyone) / lasted,
        "tokens": sum(one[1] for one in everyone) / lasted,
        "megabytes": max(one[2] for one in everyone),
    }


def training_table(rows: list[dict[str, Any]]) -> str:
    """What was measured, as Markdown."""
    lines = [
        "| recipe | parameters | processes | steps a second | pictures a second | tokens a second "
        "| MB a process |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['recipe']} | {row['parameters'] / 1e6:.1f} M | {row['processes']} | "
        f"{row['steps']:.2f} | {row['pictures']:.1f} | {row['tokens']:.0f} | "
        f"{row['megabytes']:.0f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"
