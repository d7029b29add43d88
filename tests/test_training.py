"""The training loop, and runs that stop and go on."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from inktex.data.examples import Example, from_expressions
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.synthesis.random_captions import written_expressions
from inktex.training import stream
from inktex.training.loop import Trainer, train, usable_precision
from inktex.training.models import make_model
from inktex.training.optimization import WeightAverage, learning_rate
from inktex.training.plans import Planner
from inktex.training.recipe import Recipe, recipe_from_dict, recipe_path
from inktex.training.recipe_fields import OptimizerConfig


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return from_expressions(written_expressions(24, seed=5))


def test_learning_rate_warms_up_stays_and_falls() -> None:
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=10, decay_share=0.5)
    rates = [learning_rate(config, step, step / 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:51] == [1.0] * 41
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == 0


def test_average_follows_and_gives_the_own_weights_back() -> None:
    layer = torch.nn.Linear(2, 1, bias=False)
    layer.weight.data[:] = 0
    average = WeightAverage(layer, decay=0.5)
    layer.weight.data[:] = 1
    for _ in range(30):
        average.update()
    layer.weight.data[:] = 7
    with average.applied():
        torch.testing.assert_close(layer.weight, torch.ones(1, 2))
    assert (layer.weight == 7).all()


def test_what_is_saved_may_lie_between_the_start_and_the_average() -> None:
    layer = torch.nn.BatchNorm1d(2)
    layer.weight.data[:] = 0
    average = WeightAverage(layer, decay=0.0, start_share=0.25)
    layer.weight.data[:] = 4
    layer.running_mean.data[:] = 8  # type: ignore[union-attr]
    layer.num_batches_tracked.fill_(3)  # type: ignore[union-attr]
    for _ in range(200):
        average.update()
    with average.applied():
        torch.testing.assert_close(layer.weight, torch.full((2,), 3.0))
        torch.testing.assert_close(layer.running_mean, torch.full((2,), 6.0))
        assert layer.num_batches_tracked == 3
    assert (layer.weight == 4).all()
    torch.testing.assert_close(average.weights["weight"], torch.full((2,), 4.0))


def small_recipe(**changes: Any) -> Recipe:
    content = yaml.safe_load(recipe_path("tiny").read_text())
    content["encoder"] |= {"stem_channels": [4, 8], "growth_rates": [4, 8, 8]}
    content["encoder"] |= {"fusion_channels": 32, "hidden_size": 32}
    content["decoder"] |= {"hidden_size": 32, "intermediate_size": 32, "dropout": 0.2}
    content["batch"] |= {"pixels": 12_000, "cut_share": 0.5}
    content["optimizer"] |= {"decay_share": 0.0, "warmup_steps": 2}
    content["augmentation"] |= {"token_noise": 0.1}
    content["synthesis"] = {"share": 0.3}
    return recipe_from_dict(content | changes)


def test_mrt_may_count_from_a_part_of_the_run_on(examples: list[Example], tmp_path: Path) -> None:
    loss = {"mrt": 1.0, "mrt_from": 0.5, "mrt_samples": 1}
    train(small_recipe(steps=4, log_every=1, loss=loss), examples, [], tmp_path)
    lines = (tmp_path / "curve.jsonl").read_text(encoding="utf-8").splitlines()
    assert ["mrt" in json.loads(line) for line in lines] == [False, False, True, True]


def test_an_epoch_may_go_through_all_examples_several_times(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(steps=1)
    recipe = replace(recipe, batch=replace(recipe.batch, passes=3))
    given: list[int] = []

    class Counting(Planner):
        def __init__(self, some: list[Example], *arguments: Any) -> None:
            given.append(len(some))
            super().__init__(some, *arguments)

    monkeypatch.setattr(stream, "Planner", Counting)
    train(recipe, examples, [], tmp_path)
    assert given == [3 * len(examples)]
    with pytest.raises(ValueError, match=r"batch\.passes must be 1 or more, not 0"):
        replace(recipe.batch, passes=0)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_stopped_run_goes_on_to_the_bit(
    examples: list[Example], tmp_path: Path, cut_power: Callable[..., None], optimizer: str
) -> None:
    recipe = small_recipe(steps=9, save_every=2, validate_every=100)
    recipe = replace(recipe, optimizer=replace(recipe.optimizer, name=optimizer))
    whole = train(recipe, examples, [], tmp_path / "whole")
    cut_power(Trainer, "_backward", 7, lambda: train(recipe, examples, [], tmp_path / "cut"))
    assert not (tmp_path / "cut" / "averaged").exists()
    resumed = train(recipe, examples, [], tmp_path / "cut")

    for folder in (whole, tmp_path / "whole" / "checkpoint"):
        theirs = tmp_path / "cut" / folder.name
        weights = [(path / "model.safetensors").read_bytes() for path in (folder, theirs)]
        assert weights[0] == weights[1], f"{folder.name} differs"
    assert resumed.name == whole.name


def test_a_run_of_another_recipe_is_not_continued(examples: list[Example], tmp_path: Path) -> None:
    train(small_recipe(steps=1), examples, [], tmp_path)
    with pytest.raises(ValueError, match="seed"):
        train(small_recipe(steps=1, seed=1), examples, [], tmp_path)
    train(small_recipe(steps=1, seed=1), examples, [], tmp_path, resume=False)


def test_a_run_of_an_older_version_is_continued(examples: list[Example], tmp_path: Path) -> None:
    train(small_recipe(steps=1), examples, [], tmp_path)
    path = tmp_path / "recipe.json"
    content = json.loads(path.read_text())
    del content["augmentation"]["breaks"]  # which that version did not have
    content["loss"]["guide"] = content["loss"].pop("attention_supervision")
    content["loss"]["consistency"] = 0.0
    path.write_text(json.dumps(content))
    train(small_recipe(steps=2), examples, [], tmp_path)
    content = json.loads(path.read_text())
    assert content["augmentation"]["breaks"] == 0
    assert content["loss"]["attention_supervision"] == 0.5


def test_training_learns_and_keeps_what_reads_best(examples: list[Example], tmp_path: Path) -> None:
    recipe = small_recipe(steps=60, validate_every=30, save_every=1000)
    best = train(recipe, examples, examples[:4], tmp_path)
    records = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    scores = [record for record in records if "exp_rate" in record]
    assert [record["step"] for record in scores] == [30, 60]
    assert all(record["expressions"] == 4 for record in scores)
    (losses,) = [record["loss"] for record in records if "loss" in record]
    assert losses < 10.5  # an untrained model's is about 11
    assert best == tmp_path / "best"
    model = InktexForConditionalGeneration.from_pretrained(best)
    assert model.config.encoder.stem_channels == [4, 8]
    assert list((tmp_path / "curves").rglob("events*")), "no TensorBoard curve"


def test_precision_is_chosen_by_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for precision in ("no", "bf16", "fp16"):
        assert usable_precision(precision) == precision
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    for has_units, precision in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has_units: has)
        assert usable_precision("auto") == precision
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert usable_precision("auto") == "no", "a torch that cannot tell"


def test_bfloat16_teaches_the_same(examples: list[Example], tmp_path: Path) -> None:
    losses = []
    for precision in ("no", "bf16"):
        recipe = small_recipe(steps=4, log_every=4, precision=precision)
        train(recipe, examples, [], tmp_path / precision)
        first = (tmp_path / precision / "curve.jsonl").read_text().splitlines()[0]
        losses.append(json.loads(first)["loss"])
    assert losses[0] != losses[1], "bfloat16 was not used"
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_run_may_use_mrt(examples: list[Example], tmp_path: Path, precision: str) -> None:
    loss = {"mrt": 1.0, "mrt_samples": 1}
    recipe = small_recipe(steps=2, log_every=1, loss=loss, precision=precision)
    recipe.decoder.update({"location_feedback": True, "coverage_feedback": True})
    train(recipe, examples, [], tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run/curve.jsonl").read_text().splitlines()]
    assert all(0 < record["mrt"] <= 1 for record in records if "loss" in record)
    decoder = {"architecture": "recurrent", "hidden_size": 32}
    recurrent = small_recipe(steps=2, loss=loss, decoder=decoder)
    with pytest.raises(ValueError, match="Transformer"):
        train(recurrent, examples, [], tmp_path / "other")


def test_batch_norm_can_keep_its_statistics(examples: list[Example], tmp_path: Path) -> None:
    first = train(small_recipe(steps=2), examples, [], tmp_path / "first")
    moving = small_recipe(steps=2, init=str(first))
    frozen = replace(moving, optimizer=replace(moving.optimizer, freeze_batch_norm=True))
    before, still, moved = (
        InktexForConditionalGeneration.from_pretrained(folder).state_dict()
        for folder in (
            first,
            train(frozen, examples, [], tmp_path / "frozen"),
            train(moving, examples, [], tmp_path / "moving"),
        )
    )
    statistics = [name for name in before if "running_" in name]
    assert statistics
    assert all(torch.equal(before[name], still[name]) for name in statistics)
    assert not any(torch.equal(before[name], moved[name]) for name in statistics)


def test_checkpoints_have_the_layout_of_0_1(examples: list[Example], tmp_path: Path) -> None:
    train(small_recipe(steps=1), examples, [], tmp_path)
    folder = tmp_path / "checkpoint"
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors", "optimizer.bin", "random_states_0.pkl", "checksums.json",
        *(f"custom_checkpoint_{number}.pkl" for number in range(3)),
    }  # fmt: skip
    states = [
        torch.load(folder / f"custom_checkpoint_{number}.pkl", weights_only=False)
        for number in range(3)
    ]
    assert set(states[0]) == {"step", "epoch", "batch", "seconds", "best"}
    assert set(states[1]) == {"weights", "steps"}
    assert set(states[2]) == {"total"}


def test_a_run_starts_from_the_weights_of_another(examples: list[Example], tmp_path: Path) -> None:
    first = train(small_recipe(steps=2), examples, [], tmp_path / "first")
    recipe = small_recipe(steps=1, init=str(first))
    model = make_model(recipe)
    expected = InktexForConditionalGeneration.from_pretrained(first).state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_a_run_may_change_the_dropout_of_what_it_starts_from(
    examples: list[Example], tmp_path: Path
) -> None:
    first = train(small_recipe(steps=1), examples, [], tmp_path / "first")
    plain = replace(small_recipe(steps=1, init=str(first)), encoder={}, decoder={})
    kept = make_model(plain)
    changed = make_model(replace(plain, decoder={"dropout": 0.45}))
    assert kept.config.decoder.dropout == kept.decoder.dropout.p == 0.2
    assert changed.config.decoder.dropout == changed.decoder.dropout.p == 0.45
    assert changed.config.decoder.hidden_size == 32
    recipe = replace(small_recipe(steps=1, init=str(first)), decoder={"intermediate_size": 64})
    with pytest.raises(ValueError, match="do not fit"):
        make_model(recipe)


def test_shapes_that_do_not_suit_the_model_are_refused(
    examples: list[Example], tmp_path: Path
) -> None:
    recipe = small_recipe(steps=1)
    recipe = replace(recipe, batch=replace(recipe.batch, heights=(40, 144)))
    with pytest.raises(ValueError, match=r"multiples of 16.*40"):
        train(recipe, examples, [], tmp_path)


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no examples"):
        train(small_recipe(steps=1), [], [], tmp_path)
