"""What a recipe's `data` stands for."""

import logging
from pathlib import Path

from inktex.examples import AnyExample, from_expressions
from inktex.synthesis.grammar import written_expressions

from .recipe import Recipe

logger = logging.getLogger(__name__)

STROKEFONT = "strokefont"
"""`data` of recipes that train on ink which inktex writes itself."""
_COUNTS = {"train": 3000, "dev": 100}


def recipe_examples(
    recipe: Recipe, skip_unknown: bool = False, skip_broken: bool = False
) -> tuple[list[AnyExample], list[AnyExample]]:
    """The examples to train on, and those to choose by.

    Args:
        recipe: names its data.
        skip_unknown: of a user's own data leave out what the model lacks tokens for.
        skip_broken: leave out files that cannot be read, with a warning that names them.

    Raises:
        FileNotFoundError: if the data are not where the recipe says.
        ImportError: if ink is to be written and the package Hershey-Fonts is missing.
        ValueError: if the data have faults; the message lists them.
    """
    if recipe.data == STROKEFONT:
        return _written(recipe, "train"), _written(recipe, "dev")
    # Only here, so that a machine without what they need can still run the tiny recipe.
    from .own import is_own, load_own

    if is_own(Path(recipe.data)):
        own = load_own(Path(recipe.data), skip_unknown, skip_broken)
        if own.skipped:
            logger.warning(
                "%s: %d expressions are left out, whose tokens the model does not know.",
                recipe.data,
                own.skipped,
            )
        return own.train, own.dev
    from .data import load_examples

    train: list[AnyExample] = [
        one for split in recipe.splits for one in load_examples(recipe.data, split, skip_broken)
    ]
    return train, list(load_examples(recipe.data, "dev", skip_broken))


def _written(recipe: Recipe, split: str) -> list[AnyExample]:
    seed = recipe.seed + (0 if split == "train" else 1_000_003)
    return list(from_expressions(written_expressions(_COUNTS[split], seed, depth=1)))
