"""Distillation: the loss, and a run whose teacher is a checkpoint."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from example_cases import example

from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.training.batches import IGNORE
from inktex.training.distillation import distillation_loss, load_teacher, taught_logits
from inktex.training.loop import train
from inktex.training.models import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, recipe_path
from inktex.training.recipe_fields import LossConfig
from inktex.training.stream import planned_batches


def test_the_loss_is_the_divergence_where_something_is_read() -> None:
    torch.manual_seed(0)
    logits, taught = torch.randn(2, 3, 7, requires_grad=True), torch.randn(2, 3, 7)
    labels = torch.tensor([[1, 2, IGNORE], [3, IGNORE, IGNORE]])
    loss = distillation_loss(logits, taught, labels)
    read = labels != IGNORE
    expected = torch.nn.functional.kl_div(
        logits[read].log_softmax(-1), taught[read].softmax(-1), reduction="batchmean"
    )
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[read].abs().min() > 0
    assert not logits.grad[~read].any()
    torch.testing.assert_close(distillation_loss(taught, taught, labels), torch.tensor(0.0))
    # A teacher of fewer tokens says nothing of the others but that they are not there.
    narrow = distillation_loss(logits, taught[..., :5], labels)
    wide = torch.cat([taught[..., :5], torch.full((2, 3, 2), -1e4)], dim=-1)
    torch.testing.assert_close(narrow, distillation_loss(logits, wide, labels))
    assert distillation_loss(logits, taught, torch.full((2, 3), IGNORE)).item() == 0


def test_a_teacher_is_needed() -> None:
    with pytest.raises(ValueError, match=r"set loss\.teacher to a checkpoint"):
        LossConfig(distillation=1.0)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    recipe = load_recipe(recipe_path("tiny"))
    folder = tmp_path_factory.mktemp("teacher") / "model"
    save_model(make_model(recipe), make_processor(recipe), folder)
    return folder


def test_recorded_ink_alone_is_taught(teacher: Path) -> None:
    recipe = load_recipe(
        recipe_path("tiny"),
        ["loss.distillation=1.0", f"loss.teacher={teacher}", "synthesis.share=0.5"],
    )
    batches = planned_batches(recipe, [example(r"x ^ { 2 } + 1"), example(r"y - 3 = z")] * 4)
    from inktex.training.plans import Planner

    planner = Planner(
        batches.examples, recipe.batch, recipe.augmentation, 0, batches.synthetic, 0.5
    )
    plan = max(planner.epoch(0), key=lambda one: len({kind for _, _, kind in one.members}))
    batch = batches[plan]
    recorded = batch.pop("is_recorded")
    assert recorded.tolist() == [kind != "synthetic" for _, _, kind in plan.members]
    model = load_teacher(str(teacher))
    assert not model.training
    assert not any(one.requires_grad for one in model.parameters())
    rows = recorded.repeat_interleave(len(batch["labels"]) // len(recorded))
    chosen = taught_logits(model, batch, recorded, rows)
    # Noise may be tokens that a teacher of a smaller vocabulary does not have.
    noisy = batch | {"decoder_input_ids": batch["decoder_input_ids"].clone()}
    noisy["decoder_input_ids"][:, 1] = 10**6
    torch.testing.assert_close(chosen, taught_logits(model, noisy, recorded, rows))
    everything = torch.ones_like(recorded)
    whole = taught_logits(model, batch, everything, torch.ones_like(rows))
    torch.testing.assert_close(chosen, whole[rows], rtol=1e-4, atol=1e-4)


def test_a_run_learns_from_its_teacher(teacher: Path, tmp_path: Path) -> None:
    recipe = load_recipe(
        recipe_path("tiny"),
        ["loss.distillation=1.0", f"loss.teacher={teacher}", "steps=6", "log_every=2"],
    )
    recipe = replace(recipe, validate_every=100, save_every=100)
    train(recipe, [example(r"x ^ { 2 } + 1"), example("y - 3 = z")] * 8, [], tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run/curve.jsonl").open()]
    losses = [one["distillation"] for one in records if "distillation" in one]
    assert len(losses) == 3
    assert min(losses) > 0
    # The checkpoint has nothing of the teacher.
    trained = InktexForConditionalGeneration.from_pretrained(tmp_path / "run/averaged")
    assert {*trained.state_dict()} == {*load_teacher(str(teacher)).state_dict()}
