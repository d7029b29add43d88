#!/usr/bin/env python
"""How well the encoder alone knows the symbols: its symbol map against the ink.

    python scripts/check_symbols.py --data data/crohme --split dev
    python scripts/check_symbols.py --split train --limit 400 --model runs/base/best

A symbol's class is what the map says of all cells with its ink, weighted by the ink in them. On the
training ink this tells an encoder that cannot tell symbols apart from one that does not know hands.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch

from inktex import Recognizer
from inktex.examples import Example
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.tokenizer.vocabulary_inktex import VOCABULARY
from inktex.training.batches import BatchConfig, PlannedBatches, Planner
from inktex.training.data import load_examples


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, count, print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder or Hub repository (default: the shipped model)")
    parser.add_argument("--data", default="data/crohme", help="folder of scripts/prepare_crohme.py")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--limit", type=int, help="only so many expressions, spread over the split")
    parser.add_argument("--show", type=int, default=10, help="how many confusions to list")
    options = parser.parse_args(arguments)
    try:
        examples = load_examples(options.data, options.split)
        if options.limit:
            examples = examples[:: max(len(examples) // options.limit, 1)][: options.limit]
        recognizer = Recognizer.from_pretrained(options.model)
    except (ValueError, OSError) as error:
        print(f"check_symbols: {error}", file=sys.stderr)
        return 2
    config = BatchConfig(resolution=recognizer.image_processor.resolution)
    pairs = read_symbols(recognizer.model, examples, config)
    right = sum(count for (known, found), count in pairs.items() if known == found)
    total = sum(pairs.values())
    print(
        f"{options.split}: {right} of {total} symbols right, {100 * right / max(total, 1):.2f} %."
    )
    wrong = Counter({pair: count for pair, count in pairs.items() if pair[0] != pair[1]})
    for (known, found), count in wrong.most_common(options.show):
        print(f"  {known} taken for {found}: {count}")
    return 0


@torch.no_grad()
def read_symbols(
    model: InktexForConditionalGeneration, examples: Sequence[Example], config: BatchConfig
) -> Counter[tuple[str, str]]:
    """How often a symbol of one class was taken for one of another, or for what it is."""
    config = replace(config, cut_share=0.0, reverse=False)
    plans = Planner(examples, config, augmentation=None).epoch(0)
    batches = PlannedBatches(examples, plans, config, None, seed=0, epoch=0)
    pairs: Counter[tuple[str, str]] = Counter()
    for number in range(len(plans)):
        batch = batches[number]
        memory = model.get_encoder()(
            batch["pixel_values"], batch["pixel_mask"], output_symbols=True
        )
        likely = memory.symbol_logits.log_softmax(dim=-1)
        votes = batch["guide"] @ likely  # (pictures, tokens, labels)
        votes[..., 0] = -torch.inf  # paper is no symbol
        known = batch["guide"].sum(dim=-1) > 0
        for truth, found in zip(
            batch["labels"][known].tolist(), votes.argmax(dim=-1)[known].tolist(), strict=True
        ):
            pairs[VOCABULARY[truth], VOCABULARY[found]] += 1
    return pairs


if __name__ == "__main__":
    sys.exit(main())
