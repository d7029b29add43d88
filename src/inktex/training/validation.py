"""Greedy reading of examples during training."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from inktex.evaluation.scores import Scores, compute_scores
from inktex.examples import AnyExample
from inktex.modeling.generation_inktex import decode
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.recognizer import MAX_TOKENS
from inktex.tokenizer.vocabulary_inktex import SPECIAL_TOKENS, VOCABULARY

from .batches import BatchConfig, PlannedBatches, Planner


@torch.no_grad()
def read_examples(
    model: InktexForConditionalGeneration,
    examples: Sequence[AnyExample],
    config: BatchConfig,
) -> list[list[str]]:
    """What the model reads in the unvaried pictures of examples.

    Returns:
        Canonical tokens, in the order of the examples.
    """
    # Whole expressions are scored, and all of them.
    config = replace(config, cut_share=0.0, variants=1, multiple=1)
    was_training = model.training
    model.eval()
    plans = Planner(examples, config, augmentation=None).epoch(0)
    batches = PlannedBatches(examples, config, None)
    readings: list[list[str]] = [[] for _ in examples]
    for plan in plans:
        batch = batches[plan]
        memory = model.get_encoder()(
            batch["pixel_values"].to(model.device), batch["pixel_mask"].to(model.device)
        )
        ids = decode(model, [memory], MAX_TOKENS).sequences
        for (index, *_), row in zip(plan.members, ids.tolist(), strict=True):
            tokens = [VOCABULARY[number] for number in row]
            readings[index] = [token for token in tokens if token not in SPECIAL_TOKENS]
    model.train(was_training)
    return readings


def source(example: AnyExample) -> str:
    """The split that an example of a mixed development split is from; `crohme` without a prefix."""
    before, colon, _ = example.id.partition(":")
    return before if colon else "crohme"


def validate_each(
    model: InktexForConditionalGeneration, examples: Sequence[AnyExample], config: BatchConfig
) -> tuple[Scores, dict[str, float]]:
    """Scores of the greedy readings of examples, and the rate of exact ones by split."""
    readings = read_examples(model, examples, config)
    captions = [example.caption for example in examples]
    splits = [source(example) for example in examples]
    rates = {}
    for name in dict.fromkeys(splits):
        rows = [i for i, one in enumerate(splits) if one == name]
        scores = compute_scores([readings[i] for i in rows], [captions[i] for i in rows])
        rates[name] = scores.exp_rate
    return compute_scores(readings, captions), rates


def validate(
    model: InktexForConditionalGeneration, examples: Sequence[AnyExample], config: BatchConfig
) -> Scores:
    """Scores of the greedy readings of examples."""
    readings = read_examples(model, examples, config)
    return compute_scores(readings, [example.caption for example in examples])
