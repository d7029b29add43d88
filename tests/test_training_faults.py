"""Training on machines that fail: full disks, damaged checkpoints, losses that are not finite."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from inktex.data.examples import Example, from_expressions
from inktex.files import partial_folder
from inktex.synthesis.random_captions import written_expressions
from inktex.training import guard as guarding
from inktex.training.checkpoints import BEFORE, CHECKPOINT, MANIFEST, find_damage
from inktex.training.guard import DivergedError, FiniteGuard
from inktex.training.loop import Trainer, train
from inktex.training.recipe import Recipe, load_recipe, recipe_path
from inktex.training.recognition import Recognition

SMALL = (
    "encoder.stem_channels=[4, 8]", "encoder.growth_rates=[4, 8, 8]",
    "encoder.fusion_channels=32", "encoder.hidden_size=32", "decoder.hidden_size=32",
    "decoder.intermediate_size=32", "decoder.dropout=0.2", "batch.pixels=12000", "save_every=2",
)  # fmt: skip


def recipe(*overrides: str) -> Recipe:
    return load_recipe(recipe_path("tiny"), [*SMALL, *overrides])


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return from_expressions(written_expressions(16, seed=5))


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps that nothing befell."""
    output = tmp_path_factory.mktemp("runs") / "whole"
    train(recipe("steps=6"), examples, [], output)
    return output


def stop_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run end, as a kill would end it, once it has done so many steps."""
    step = Trainer._backward
    done: list[int] = []

    def stopping(*arguments: Any) -> dict[str, float]:
        if len(done) == steps:
            raise KeyboardInterrupt
        done.append(1)
        return step(*arguments)

    monkeypatch.setattr(Trainer, "_backward", stopping)


@pytest.mark.parametrize("damage", ["cut short", "one bit", "gone", "no checksums"])
def test_a_damaged_checkpoint_is_passed_over(
    damage: str,
    whole: Path,
    examples: list[Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        stop_after(5, patch)
        with pytest.raises(KeyboardInterrupt):
            train(recipe("steps=6"), examples, [], tmp_path)
    last = tmp_path / CHECKPOINT
    assert find_damage(last) is None
    assert find_damage(tmp_path / BEFORE) is None
    victim = last / "model.safetensors"
    content = victim.read_bytes()
    if damage == "cut short":
        victim.write_bytes(content[: len(content) // 2])
    elif damage == "one bit":
        victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "gone":
        victim.unlink()
    else:
        (last / MANIFEST).unlink()
        victim.write_bytes(content[:100])
    train(recipe("steps=6"), examples, [], tmp_path)
    said = capsys.readouterr().out
    assert f"{CHECKPOINT} is damaged" in said
    assert "Going on at step 2 " in said
    for name in ("averaged", CHECKPOINT):
        assert weights(tmp_path / name) == weights(whole / name)


def test_only_damaged_checkpoints_are_an_error(examples: list[Example], tmp_path: Path) -> None:
    train(recipe("steps=4"), examples, [], tmp_path)
    for name in (CHECKPOINT, BEFORE):
        (tmp_path / name / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"No checkpoint can be read.*--fresh"):
        train(recipe("steps=6"), examples, [], tmp_path)


def test_a_fresh_run_does_not_fall_back_to_an_older_one(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(recipe("steps=4"), examples, [], tmp_path)
    stop_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(recipe("steps=4", "seed=1"), examples, [], tmp_path, resume=False)
    assert not (tmp_path / CHECKPOINT).exists()
    assert not (tmp_path / BEFORE).exists()


def test_a_full_disk_leaves_the_checkpoint_before(
    whole: Path, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Accelerator.save_state
    saved: list[str] = []

    def full(self: Accelerator, folder: str, *arguments: Any, **options: Any) -> Any:
        saved.append(folder)
        if len(saved) == 2:
            Path(folder).mkdir(parents=True)
            (Path(folder) / "half").write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return save(self, folder, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Accelerator, "save_state", full)
        with pytest.raises(OSError, match=r"No space left.*Is the disk full"):
            train(recipe("steps=6"), examples, [], tmp_path)
    assert not partial_folder(tmp_path / CHECKPOINT).exists()
    assert find_damage(tmp_path / CHECKPOINT) is None
    train(recipe("steps=6"), examples, [], tmp_path)
    assert weights(tmp_path / "averaged") == weights(whole / "averaged")


def spoil(steps: range, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the losses of some steps be NaN."""
    losses, done = Recognition.losses, []

    def spoilt(task: Recognition, accelerator: Any, model: Any, *rest: Any) -> Any:
        done.append(1)
        if len(done) - 1 not in steps:
            return losses(task, accelerator, model, *rest)
        loss = sum(p.sum() for p in model.parameters() if p.requires_grad) * float("nan")
        return {"loss": loss, "tokens": loss}

    monkeypatch.setattr(Recognition, "losses", spoilt)


def test_a_step_without_a_finite_loss_is_skipped(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(range(2, 4), monkeypatch)
    train(recipe("steps=6"), examples, [], tmp_path)
    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration

    model = InktexForConditionalGeneration.from_pretrained(tmp_path / "averaged")
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert not (tmp_path / guarding.REPORT).exists()


def test_a_loss_that_stays_infinite_ends_the_run(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(range(3, 1000), monkeypatch)
    with pytest.raises(DivergedError, match=r"10 steps in a row.*learning_rate"):
        train(recipe("steps=60"), examples, [], tmp_path)
    report = json.loads((tmp_path / guarding.REPORT).read_text())
    assert report["skipped_in_a_row"] == 10
    assert set(report["last_finite_losses"]) >= {"loss", "tokens"}
    assert find_damage(tmp_path / CHECKPOINT) is None


def test_one_good_step_makes_the_guard_patient_again(tmp_path: Path) -> None:
    guard = FiniteGuard(Accelerator(cpu=True), tmp_path)
    for step in range(3 * guarding.PATIENCE):
        if step % guarding.PATIENCE == guarding.PATIENCE - 1:
            guard.passed({"loss": 1.0})
        else:
            guard.skipped("loss", step, 1e-3)
    assert guard.is_finite(torch.tensor([1.0, 2.0]))
    assert not guard.is_finite(torch.tensor([1.0, float("inf")]))
