"""The examples that a recipe's `data` and `rehearsal` name."""

from collections.abc import Sequence
from pathlib import Path

from inktex.data.examples import (
    AnyExample,
    Example,
    PictureExample,
    SplitExamples,
    from_expressions,
)
from inktex.synthesis.random_captions import written_expressions

from .recipe_fields import Recipe

STROKEFONT = "strokefont"
"""`data` of recipes that train on generated ink."""
_COUNTS = {"train": 3000, "dev": 100}


def recipe_examples(
    recipe: Recipe, skip_unknown: bool = False, skip_broken: bool = False
) -> SplitExamples:
    """The examples that a recipe names.

    Raises:
        FileNotFoundError: if the data are not where the recipe says.
        ImportError: if ink is to be generated and the package Hershey-Fonts is missing.
        ValueError: if the data have faults; the message lists them.
    """
    found = _of_data(recipe, skip_unknown, skip_broken)
    share = recipe.rehearsal.share
    if not share or not found.train:
        return found
    if recipe.rehearsal.data == STROKEFONT:
        known: list[AnyExample] = _generated(recipe, "train")
    else:
        from .data import load_examples

        known = [*load_examples(recipe.rehearsal.data, "train", skip_broken)]
    return SplitExamples(with_rehearsal(found.train, known, share), found.dev, found.test)


def with_rehearsal(
    examples: Sequence[AnyExample], known: Sequence[AnyExample], share: float
) -> list[AnyExample]:
    """New and known examples together.

    The fewer of the two are repeated; each copy is augmented anew.

    Args:
        known: those that the weights can read already.
        share: of `known` in the result, above 0 and below 1.
    """
    wanted = len(examples) * share / (1 - share)
    repeats = max(round(wanted / len(known)), 1)
    if wanted < len(known):
        return [*examples] * round(len(known) / wanted) + [*known]
    return [*examples, *[*known] * repeats]


def _of_data(recipe: Recipe, skip_unknown: bool, skip_broken: bool) -> SplitExamples:
    if recipe.data == STROKEFONT:
        return SplitExamples(_generated(recipe, "train"), _generated(recipe, "dev"))
    # Only here, so that a machine without what they need can still run the tiny recipe.
    from .custom_data import is_custom, load_custom

    if is_custom(Path(recipe.data)):
        return load_custom(Path(recipe.data), skip_unknown, skip_broken)
    from .data import load_examples

    train: list[AnyExample] = [
        one for split in recipe.splits for one in load_examples(recipe.data, split, skip_broken)
    ]
    dev = load_examples(recipe.data, "dev", skip_broken)
    wide = _wide_development(recipe, dev) if recipe.synthesis.wide else []
    return SplitExamples(train, [*dev, *wide, *_print_development(recipe)])


def _wide_development(recipe: Recipe, dev: Sequence[Example]) -> list[Example]:
    """Development examples of the whole alphabet: of each kind half as many as in `dev`."""
    from inktex.evaluation.wide import WIDE_SPLITS, wide_split

    captions, fonts = recipe.synthesis.captions, recipe.synthesis.fonts
    if fonts is None:
        return []
    count, hands = -(-len(dev) // 2), recipe.synthesis.hands
    splits = [split for split in WIDE_SPLITS if hands or split != "hands"]
    return [
        one for split in splits for one in wide_split(split, dev, captions, fonts, count, hands)
    ]


def _print_development(recipe: Recipe) -> list[PictureExample]:
    """Typeset development examples, if there are typeset training examples."""
    if recipe.synthesis.print is None or not recipe.synthesis.print_share:
        return []
    from inktex.evaluation.wide import print_split

    from .custom_data import published_processor

    return print_split(recipe.synthesis.print, published_processor())


def _generated(recipe: Recipe, split: str) -> list[AnyExample]:
    seed = recipe.seed + (0 if split == "train" else 1_000_003)
    return list(from_expressions(written_expressions(_COUNTS[split], seed, depth=1)))
