"""Scores of greedy decoding: of the development split, and of held-out custom data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from inktex.data.examples import AnyExample, SplitExamples
from inktex.engine import MAX_TOKENS
from inktex.evaluation.scores import Scores, compute_scores
from inktex.files import write_json
from inktex.modeling.generation_inktex import decode
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.tokenizer.vocabulary_inktex import SPECIAL_TOKENS, VOCABULARY

from .batches import PlannedBatches
from .models import make_model
from .plans import BatchConfig, Planner
from .recipe_fields import Recipe

HELD_OUT = "held_out.json"
"""In the folder of a run: names of the examples that were chosen by and scored on, and scores."""


@torch.no_grad()
def read_examples(
    model: InktexForConditionalGeneration,
    examples: Sequence[AnyExample],
    config: BatchConfig,
) -> list[list[str]]:
    """Canonical tokens of the greedy readings of examples, without augmentation."""
    config = replace(config, cut_share=0.0)  # whole expressions are scored
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
    """The part of a mixed development split that an example is from; `crohme` without a prefix."""
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
    return validate_each(model, examples, config)[0]


def score_held_out(recipe: Recipe, best: Path, examples: SplitExamples, folder: Path) -> str:
    """A sentence with the scores of the held-out examples before and after a run.

    Args:
        best: folder of its best weights.
        examples: of the run, of which `test` is scored.
        folder: of the run, into which `HELD_OUT` is written.
    """
    after = InktexForConditionalGeneration.from_pretrained(str(best), dtype=torch.float32)
    before = make_model(recipe)
    config = recipe.batch.at(recipe.batch.coarse_epochs)
    rates = [validate(one, examples.test, config).exp_rate for one in (before, after)]
    record = {
        "before": rates[0],
        "after": rates[1],
        "test": [one.id for one in examples.test],
        "dev": [one.id for one in examples.dev],
    }
    write_json(folder / HELD_OUT, record)
    return (
        f"Of {len(examples.test)} expressions that were neither trained on nor chosen by, "
        f"{rates[0]:.1%} were read exactly before and {rates[1]:.1%} after. "
        f"{folder / HELD_OUT} names them."
    )
