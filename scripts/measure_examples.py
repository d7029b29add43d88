#!/usr/bin/env python
r"""How hard a recipe's training examples are for some weights, by where they come from.

Synthetic ink that weights lose far more on than on people's ink, although they were trained on
both, is harder to read than what people write: it cannot teach them to read people.

    python scripts/measure_examples.py alphabet --model runs/alphabet/averaged \
        --sheet build/examples.png
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from inktex.cli.arguments import natural, positive
from inktex.data.augmentation import AugmentationConfig
from inktex.data.examples import AnyExample, Example, cut
from inktex.evaluation.sheets import tiled_sheet
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.tokenizer.vocabulary_inktex import VOCABULARY
from inktex.training.batches import IGNORE, Raster, collate, draw_member
from inktex.training.data import load_examples
from inktex.training.plans import BatchConfig, Shape, fit_shape, member_rng, picture_size
from inktex.training.recipe import load_recipe, recipe_path, stored_recipe
from inktex.training.recipe_fields import Recipe
from inktex.training.stream import planned_batches

Random = np.random.Generator
_TILES: Final = 60
_COLUMNS: Final = 4


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and measure; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="name, or a file, or a run's recipe.json")
    parser.add_argument("--model", required=True, help="folder of weights")
    parser.add_argument("--count", type=positive, default=100, help="examples of each source")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--sheet", type=Path, help="picture to write: the hardest ones, or with "
                        "--random any")  # fmt: skip
    parser.add_argument("--random", action="store_true", help="see --sheet")
    args = parser.parse_args(arguments)
    try:
        recipe = _recipe(args.recipe)
        sources = [*_sources(recipe)]
        model = InktexForConditionalGeneration.from_pretrained(args.model).eval()
    except (ValueError, OSError) as error:
        print(f"measure_examples: {error}", file=sys.stderr)
        return 2
    tiles: list[tuple[float, Image.Image, str]] = []
    print("| source | loss a token | tokens right | loss without augmentation |")
    print("|---|---|---|---|")
    for source, draw, varied in sources:
        measured = []
        for number in tqdm(range(args.count), desc=source, leave=False, disable=None):
            example = draw(member_rng(args.seed, 0, number))
            found = [
                _read(model, example, augmentation, recipe, np.random.default_rng(number))
                for augmentation in (varied, None)
            ]
            measured.append([one for _, numbers in found for one in numbers])
            caption = "".join(VOCABULARY[token] for token in example.tokens)
            loss = found[0][1][0]
            tiles.append(
                (
                    loss,
                    Image.fromarray(255 - found[0][0].picture),
                    f"{loss:.1f} {source}: {caption}",
                )
            )
        losses, right, tokens, plain, _, _ = np.array(measured).sum(axis=0)
        print(
            f"| {source} | {losses / tokens:.3f} | {right / tokens:.1%} | {plain / tokens:.3f} |",
            flush=True,
        )
    if args.sheet is not None:
        if args.random:
            order = np.random.default_rng(args.seed).permutation(len(tiles))
            tiles = [tiles[number] for number in order]
        else:
            tiles.sort(key=lambda tile: -tile[0])
        args.sheet.parent.mkdir(parents=True, exist_ok=True)
        tiled_sheet([tile[1:] for tile in tiles[:_TILES]], _COLUMNS, (400, 130)).save(args.sheet)
    return 0


def _recipe(name: str) -> Recipe:
    path = Path(name)
    return stored_recipe(path) if path.suffix == ".json" else load_recipe(recipe_path(name))


def _sources(
    recipe: Recipe,
) -> Iterator[tuple[str, Callable[[Random], AnyExample], AugmentationConfig | None]]:
    """Names of a recipe's sources, what draws an example of each, and how far it is varied."""
    ink = [
        one
        for split in recipe.splits
        for one in load_examples(recipe.data, split)
        if isinstance(one, Example)
    ]
    batches = planned_batches(recipe, ink)
    synthetic, augmentations = batches.synthetic, batches.augmentations

    def any_ink(rng: Random) -> Example:
        example = ink[int(rng.integers(len(ink)))]
        return example if synthetic is None else synthetic.interpolate(example, rng)

    yield "people, whole", any_ink, augmentations["whole"]
    yield "people, cut", lambda rng: cut(any_ink(rng), rng), augmentations["cut"]
    if synthetic is None:
        return
    varied = augmentations["synthetic"]

    def written(wide_share: float) -> Callable[[Random], Example]:
        def draw(rng: Random) -> Example:
            synthetic.wide_share = wide_share
            return synthetic.interpolate(synthetic.write(rng), rng)

        return draw

    yield "synthetic, their captions", written(0.0), varied
    if recipe.synthesis.wide:
        yield "synthetic, textbooks' captions", written(1.0), varied
    if synthetic.printed is not None:
        printed = synthetic.printed
        yield "print", lambda rng: printed[int(rng.integers(len(printed)))], varied
    if synthetic.nothing_share:
        yield "synthetic, no formula", synthetic.draw_without_formula, varied


@torch.no_grad()
def _read(
    model: InktexForConditionalGeneration,
    example: AnyExample,
    augmentation: AugmentationConfig | None,
    recipe: Recipe,
    rng: Random,
) -> tuple[Raster, tuple[float, int, int]]:
    """An example's picture; its loss, and how many of its tokens are the likeliest and all."""
    config = replace(recipe.batch.at(recipe.batch.coarse_epochs), reverse=False)
    shape = _shape(example, config)
    member = draw_member(example, 1.0, shape, config, augmentation, rng)
    batch = collate([member], shape, config)
    output = model(**batch, use_cache=False)
    labels = batch["labels"][0]
    known = labels != IGNORE
    logits, labels = output.logits[0][known].float(), labels[known]
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    right = (logits.argmax(dim=-1) == labels).sum()
    return member[1], (float(loss), int(right), len(labels))


def _shape(example: AnyExample, config: BatchConfig) -> Shape:
    """A batch's shape with room for augmentation; the largest for what is not ink."""
    if not isinstance(example, Example):
        return config.heights[-1], config.widths[-1]
    width, height = example.size
    return fit_shape(picture_size(1.4 * width, 1.4 * height, config), config)


if __name__ == "__main__":
    sys.exit(main())
