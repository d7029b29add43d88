#!/usr/bin/env python
"""How well the encoder alone knows the symbols: its symbol map against the ink.

    python scripts/check_symbols.py --data data/crohme --split dev
    python scripts/check_symbols.py --split train --limit 400 --model runs/base/best
    python scripts/check_symbols.py --split test2014 --limit 200 --resolution 0.62

A symbol's class is what the map says of all cells with its ink, weighted by the ink in them. On the
training ink this tells an encoder that cannot tell symbols apart from one that does not know hands.
Symbols are also counted by their longer side, in pixels of the published scale.
"""

import argparse
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from inktex import Recognizer
from inktex.cli.arguments import positive
from inktex.evaluation.samples import spread
from inktex.examples import Example
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.tokenizer.vocabulary_inktex import VOCABULARY
from inktex.training.batches import BatchConfig, PlannedBatches, Planner
from inktex.training.data import load_examples

SIZES = (14, 20, 28, 40)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, count, print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder or Hub repository (default: the shipped model)")
    parser.add_argument("--data", default="data/crohme", help="folder of scripts/prepare_crohme.py")
    parser.add_argument("--split", default="dev")
    parser.add_argument(
        "--limit", type=positive, help="only so many expressions, spread over the split"
    )
    parser.add_argument("--resolution", type=float, help="of the pictures (default: the model's)")
    parser.add_argument("--show", type=positive, default=10, help="how many confusions to list")
    options = parser.parse_args(arguments)
    try:
        examples = load_examples(options.data, options.split)
        if options.limit:
            examples = spread(examples, options.limit)
        recognizer = Recognizer.from_pretrained(options.model)
    except (ValueError, OSError) as error:
        print(f"check_symbols: {error}", file=sys.stderr)
        return 2
    config = BatchConfig(resolution=options.resolution or recognizer.image_processor.resolution)
    pairs: Counter[tuple[str, str]] = Counter()
    by_size: Counter[tuple[int, bool]] = Counter()
    for known, found, size in read_symbols(recognizer.model, examples, config):
        pairs[known, found] += 1
        by_size[bisect_right(SIZES, size), known == found] += 1
    right = sum(count for (known, found), count in pairs.items() if known == found)
    total = sum(pairs.values())
    print(
        f"{options.split}: {right} of {total} symbols right, {100 * right / max(total, 1):.2f} %."
    )
    names = [
        f"under {SIZES[0]}",
        *(f"{a} to {b}" for a, b in pairwise(SIZES)),
        f"{SIZES[-1]} and more",
    ]
    for number, name in enumerate(names):
        good, bad = by_size[number, True], by_size[number, False]
        print(f"  {name} pixels: {good} of {good + bad}, {100 * good / max(good + bad, 1):.1f} %")
    wrong = Counter({pair: count for pair, count in pairs.items() if pair[0] != pair[1]})
    for (known, found), count in wrong.most_common(options.show):
        print(f"  {known} taken for {found}: {count}")
    return 0


@torch.no_grad()
def read_symbols(
    model: InktexForConditionalGeneration, examples: Sequence[Example], config: BatchConfig
) -> Iterator[tuple[str, str, float]]:
    """What each symbol is, what it was taken for, and how large it is."""
    # Small batches, since the guide has a map of the cells for each token.
    config = replace(config, cut_share=0.0, reverse=False, max_size=4)
    plans = Planner(examples, config, augmentation=None).epoch(0)
    batches = PlannedBatches(examples, config, None)
    for plan in plans:
        batch = batches[plan]
        memory = model.get_encoder()(
            batch["pixel_values"], batch["pixel_mask"], output_symbols=True
        )
        likely = memory.symbol_logits.log_softmax(dim=-1)
        votes = batch["guide"] @ likely  # (pictures, tokens, labels)
        votes[..., 0] = -torch.inf  # paper is no symbol
        known = batch["guide"].sum(dim=-1) > 0
        likeliest = votes.argmax(dim=-1)
        for row, place in known.nonzero().tolist():
            example = examples[plan.members[row][0]]
            points = example.points[example.point_symbols == example.alignment[place]]
            truth, found = batch["labels"][row, place], likeliest[row, place]
            yield VOCABULARY[truth], VOCABULARY[found], float(np.ptp(points, axis=0).max())


if __name__ == "__main__":
    sys.exit(main())
