"""A model and a thinner that learn together."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from inktex.examples import AnyExample, Example, PictureExample, from_expressions
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.stroke_restoration_inktex import STROKE_RESTORATION_FILE, StrokeRestoration
from inktex.synthesis.grammar import written_expressions
from inktex.training import loop, validation
from inktex.training.batches import Plan, PlannedBatches, Planner, batch_size
from inktex.training.distillation import plain
from inktex.training.joint import JointModel, joint_model
from inktex.training.loop import AVERAGED, make_model, train
from inktex.training.pairs import RECORD, JointBatches, usual_plan
from inktex.training.recipe import Recipe, ThinnerConfig, load_recipe, recipe_path
from inktex.training.stream import planned_batches

PENS = ThinnerConfig((4, 6), (6,), (3,), share=0.5, pixels=0.5)


def _recipe(**changes: Any) -> Recipe:
    """A small model on small batches, all of whose ink is as recorded."""
    recipe = load_recipe(
        recipe_path("tiny"),
        ["steps=4", "minutes=null", "batch.resolution=0.8", "batch.heights=[64, 128, 256]",
         "batch.widths=[128, 384, 768]", "batch.pixels=200000", "batch.reverse=true",
         "synthesis.share=0", "synthesis.morphing=0", "workers=0", "optimizer.warmup_steps=2",
         "optimizer.average=0.9", "log_every=2", "save_every=2", "validate_every=100"],
    )  # fmt: skip
    return replace(recipe, thinner=PENS, **changes)


@pytest.fixture(scope="module")
def examples() -> list[AnyExample]:
    return list(from_expressions(written_expressions(24, seed=5, depth=1)))


@pytest.fixture
def batches(examples: Sequence[AnyExample]) -> JointBatches:
    found = planned_batches(replace(_recipe(), augmentation=None), examples)
    assert isinstance(found, JointBatches)
    return found


def _plan(batches: JointBatches) -> Plan:
    plans = Planner(batches.examples, batches.config, None, batches.seed).epoch(0)
    return max(plans, key=lambda plan: len(plan.members))


# ----------------------------------------------------------------------------------------- batches


def test_some_pictures_come_from_wide_pens(batches: JointBatches) -> None:
    plan = _plan(batches)
    batch = batches[plan]
    without = PlannedBatches(batches.examples, batches.config, None)[plan]
    count = round(0.5 * len(plan.members))
    assert count > 1
    assert batch["thinned"].shape == (count,)
    height, width = (round(side / 0.8) for side in plan.shape)
    for name in ("wide", "lines", "ink"):
        assert batch[name].shape == (count, 1, height, width)
        assert batch[name].dtype == torch.bool
    assert (batch["ink"] & ~batch["wide"]).sum() == 0
    others = [i for i in range(len(plan.members)) if i not in batch["thinned"].tolist()]
    assert torch.equal(batch["pixel_values"][others], without["pixel_values"][others])
    # The narrow pen's pictures are the published ones but for less than a pixel's shift.
    for name in ("pixel_values", "guide"):
        ours, published = (one[name][batch["thinned"]].flatten(1) for one in (batch, without))
        assert torch.nn.functional.cosine_similarity(ours, published).min() > 0.7
    assert torch.equal(batch["labels"], without["labels"])


def test_what_the_thinner_finds_lies_where_the_ink_is(batches: JointBatches) -> None:
    """With a thinner that makes no mistake, the model sees what it sees without one."""
    batch = batches[_plan(batches)]
    seen: list[torch.Tensor] = []

    class Perfect(torch.nn.Module):
        def forward(self, wide: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
            return 40 * (batch["ink"].float() - 0.5)

    class Model(torch.nn.Module):
        def forward(self, pixel_values: torch.Tensor, **rest: Any) -> Any:
            seen.append(pixel_values)
            return type("Output", (), {"loss": torch.zeros(())})()

    model: Any = JointModel(Model(), Perfect(), pixels=1.0)  # type: ignore[arg-type]
    output = model(**batch)
    assert (seen[0] - batch["pixel_values"]).abs().max() < 0.02
    assert output.loss < 1e-6


def test_teachers_see_the_published_ink(batches: JointBatches) -> None:
    batch = batches[_plan(batches)]
    assert torch.equal(plain(batch)["pixel_values"], batch["pixel_values"])


def test_the_usual_batch_has_expressions_of_medium_size(batches: JointBatches) -> None:
    plan = usual_plan(batches)
    sizes = sorted(np.prod(one.size) for one in batches.examples)
    found = [np.prod(batches.examples[number].size) for number, *_ in plan.members]
    assert sizes[len(sizes) // 3] <= min(found)
    assert plan.shape in [(h, w) for h in batches.config.heights for w in batches.config.widths]


def test_batches_that_are_not_full_hold_a_multiple(examples: Sequence[AnyExample]) -> None:
    config = replace(_recipe().batch, max_size=8, multiple=3)
    plans = Planner(examples, config, None).epoch(0)
    full = [batch_size(plan.shape, config) for plan in plans]
    sizes = [len(plan.members) for plan in plans]
    assert all(size in (whole, size // 3 * 3) for size, whole in zip(sizes, full, strict=True))
    assert any(size < whole for size, whole in zip(sizes, full, strict=True))
    members = [number for plan in plans for number, *_ in plan.members]
    assert len(members) == len(set(members)) > 0
    with pytest.raises(ValueError, match=r"batch\.multiple must be 1 or more"):
        replace(config, multiple=0)


def test_whatever_batches_hold_everything_is_validated(
    examples: Sequence[AnyExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(_recipe().batch, multiple=64)
    model = make_model(replace(_recipe(), thinner=None))
    read: list[int] = []

    def search(model: Any, memory: Any, longest: int) -> Any:
        read.append(len(memory.last_hidden_state))
        return SimpleNamespace(sequences=torch.zeros((read[-1], 1), dtype=torch.long))

    monkeypatch.setattr(validation, "greedy_search", search)
    validation.read_examples(model, examples, config)
    assert sum(read) == len(examples)


# ---------------------------------------------------------------------------------------- training


def _moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> list[str]:
    return [name for name, value in before.items() if not torch.equal(value, after[name])]


def test_both_learn_and_are_kept(examples: Sequence[AnyExample], tmp_path: Path) -> None:
    first = train(_recipe(), examples, examples[:2], tmp_path / "first")
    assert first.name == "best"
    kept = InktexImageProcessor.from_pretrained(tmp_path / "first" / AVERAGED).stroke_restoration
    assert kept is not None
    record = json.loads((tmp_path / "first" / RECORD).read_text())
    assert record["sha256"] == kept.checksum
    assert (
        StrokeRestoration.load(tmp_path / "first" / STROKE_RESTORATION_FILE).checksum
        == kept.checksum
    )
    assert (record["steps"], record["pen"]) == (4, 6)
    loss = replace(_recipe().loss, distillation=1.0, risk=0.5)
    recipe = _recipe(init=str(tmp_path / "first" / AVERAGED), loss=loss)
    train(recipe, examples, examples[:2], tmp_path / "second")
    curve = [
        json.loads(line) for line in (tmp_path / "second" / "curve.jsonl").read_text().splitlines()
    ]
    assert all(entry["distillation"] > 0 < entry["risk"] for entry in curve if "loss" in entry)
    models = [
        InktexForConditionalGeneration.from_pretrained(tmp_path / name / AVERAGED).state_dict()
        for name in ("first", "second")
    ]
    assert any(name.startswith("encoder") for name in _moved(*models))
    thinners = [
        StrokeRestoration.load(tmp_path / n / AVERAGED / STROKE_RESTORATION_FILE)
        for n in ("first", "second")
    ]
    assert thinners[0].checksum != thinners[1].checksum


def test_what_is_read_teaches_the_thinner(batches: JointBatches) -> None:
    torch.manual_seed(0)
    recipe = replace(_recipe(), augmentation=None, thinner=replace(PENS, pixels=0.0))
    joint = joint_model(recipe, make_model(recipe), batches)
    joint.pixels = 0.0
    joint(**batches[_plan(batches)], use_cache=False).loss.backward()
    found = [parameter.grad for parameter in joint.thinner.head.parameters()]
    assert all(grad is not None and float(grad.abs().max()) > 0 for grad in found)


def test_a_joint_run_starts_as_what_it_starts_from(
    examples: Sequence[AnyExample], batches: JointBatches, tmp_path: Path
) -> None:
    train(_recipe(), examples, [], tmp_path)
    folder = tmp_path / AVERAGED
    recipe = replace(_recipe(), init=str(folder), augmentation=None)
    joint = joint_model(recipe, make_model(recipe), batches).eval()
    batch = batches[_plan(batches)]
    wide, lines = (batch[name].numpy()[0, 0] for name in ("wide", "lines"))
    with torch.no_grad():
        logits = joint.thinner(batch["wide"].float(), batch["lines"].float())
    found = (logits.sigmoid() * batch["wide"])[0, 0].numpy()
    np.testing.assert_allclose(
        found, StrokeRestoration.load(folder / STROKE_RESTORATION_FILE)(wide, lines), atol=0.05
    )
    wider = replace(recipe, thinner=replace(PENS, widths=(4, 8)))
    with pytest.raises(ValueError, match=r"does not fit the recipe's thinner\.widths"):
        joint_model(wider, make_model(wider), batches)
    (folder / STROKE_RESTORATION_FILE).unlink()
    assert joint_model(recipe, make_model(recipe), batches).thinner.widths == (4, 6)


def test_a_stopped_joint_run_goes_on_to_the_bit(
    examples: Sequence[AnyExample], tmp_path: Path, cut_power: Callable[..., None]
) -> None:
    train(_recipe(), examples, [], tmp_path / "whole")
    cut_power(loop, "take_step", 3, lambda: train(_recipe(), examples, [], tmp_path / "cut"))
    train(_recipe(), examples, [], tmp_path / "cut")
    for name in ("model.safetensors", STROKE_RESTORATION_FILE):
        whole, cut = (tmp_path / run / AVERAGED / name for run in ("whole", "cut"))
        assert whole.read_bytes() == cut.read_bytes()


def test_what_does_not_go_together_is_refused(
    examples: Sequence[AnyExample], tmp_path: Path
) -> None:
    picture = PictureExample("one", np.full((20, 20), 255, dtype=np.uint8), np.array([5]))
    with pytest.raises(ValueError, match=r"thinner\.share needs ink"):
        train(_recipe(), [*examples, picture], [], tmp_path / "picture")
    with pytest.raises(ValueError, match="goes with one variant"):
        _recipe(batch=replace(_recipe().batch, variants=2))
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        replace(PENS, share=1.5)
    odd = replace(_recipe().batch, resolution=0.7)
    with pytest.raises(ValueError, match=r"those of 64, 128, 256, .* are no whole pixels"):
        train(_recipe(batch=odd), examples, [], tmp_path / "odd")


def test_ink_alone_makes_joint_batches(examples: Sequence[AnyExample]) -> None:
    assert all(isinstance(one, Example) for one in examples)
    assert type(planned_batches(replace(_recipe(), thinner=None), examples)) is PlannedBatches
