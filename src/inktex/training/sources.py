"""What a recipe's `data` stands for."""

from inktex.examples import Example, from_expressions
from inktex.synthesis.grammar import written_expressions

from .recipe import Recipe

STROKEFONT = "strokefont"
"""`data` of recipes that train on ink which inktex writes itself."""
_COUNTS = {"train": 3000, "dev": 100}


def recipe_examples(recipe: Recipe, split: str) -> list[Example]:
    """The examples of one split.

    Args:
        recipe: names its data.
        split: `train` or `dev`.

    Raises:
        FileNotFoundError: if the data are not where the recipe says.
        ImportError: if ink is to be written and the package Hershey-Fonts is missing.
    """
    if recipe.data == STROKEFONT:
        seed = recipe.seed + (0 if split == "train" else 1_000_003)
        return from_expressions(written_expressions(_COUNTS[split], seed, depth=1))
    # Only here, so that a machine without pyarrow can still run the tiny recipe.
    from .data import load_examples

    return load_examples(recipe.data, split)
