"""The score on a user's own examples that had no part in training and choosing."""

import json
from pathlib import Path
from typing import Final

import torch

from inktex.files import write_text
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration

from .loop import make_model
from .recipe import Recipe
from .sources import RecipeExamples
from .validation import validate

__all__ = ["HELD_OUT", "score_held_out"]

HELD_OUT: Final = "held_out.json"
"""Names of the examples that were chosen by and scored on, and the scores."""


def score_held_out(recipe: Recipe, best: Path, examples: RecipeExamples, folder: Path) -> str:
    """Score the held-out examples with the weights before and after the run.

    Args:
        recipe: of the run.
        best: folder of its best weights.
        examples: of the run; those in `test` are read.
        folder: of the run, into which `HELD_OUT` is written.

    Returns:
        A sentence with both scores.
    """
    after = InktexForConditionalGeneration.from_pretrained(str(best), dtype=torch.float32)
    before = make_model(recipe)
    rates = [validate(one, examples.test, recipe.batch).exp_rate for one in (before, after)]
    record = {
        "before": rates[0],
        "after": rates[1],
        "test": [one.id for one in examples.test],
        "dev": [one.id for one in examples.dev],
    }
    write_text(folder / HELD_OUT, json.dumps(record, indent=1) + "\n")
    return (
        f"Of {len(examples.test)} expressions that were neither trained on nor chosen by, "
        f"{rates[0]:.1%} were read exactly before and {rates[1]:.1%} after. "
        f"{folder / HELD_OUT} names them."
    )
