"""Training of the stroke restoration network."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from restoration_cases import SMALL, loops_and_bar, small_net
from scipy import ndimage

from inktex.data.examples import AnyExample, PictureExample, from_expressions
from inktex.ink.render import dilate
from inktex.modeling.stroke_restoration_inktex import (
    STROKE_RESTORATION_FILE,
    StrokeRestoration,
    centre_lines,
)
from inktex.synthesis.random_captions import written_expressions
from inktex.training.loop import Trainer, train
from inktex.training.recipe import Recipe, load_recipe, recipe_path
from inktex.training.recipe_fields import StrokeRestorationConfig
from inktex.training.stroke_restoration import RECORD, draw_pair
from inktex.training.stroke_restoration_net import StrokeRestorationNet, fold


@pytest.fixture(scope="module")
def net() -> StrokeRestorationNet:
    return small_net()


@pytest.fixture(scope="module")
def examples() -> Sequence[AnyExample]:
    return list(from_expressions(written_expressions(12, seed=5, depth=1)))


@pytest.fixture
def line() -> NDArray[np.uint8]:
    return loops_and_bar()


def small_recipe(**changes: Any) -> Recipe:
    recipe = load_recipe(
        recipe_path("stroke_restoration"),
        ["minutes=null", "steps=80", "planners=0", "synthesis.share=0",
         "synthesis.shape_interpolation=0", "batch.pixels=40000", "optimizer.warmup_steps=2",
         "optimizer.average=0.9", "optimizer.learning_rate=1e-2", "precision='no'"],
    )  # fmt: skip
    settings: dict[str, Any] = {
        "stroke_restoration": StrokeRestorationConfig(SMALL, (6,), (3,)),
        "log_every": 20,
        "save_every": 1000,
    }
    return replace(recipe, **(settings | changes))


def test_numpy_computes_what_torch_trained(
    net: StrokeRestorationNet, line: NDArray[np.uint8]
) -> None:
    wide, lines, _ = draw_pair(line, 6, 3)
    pair = [torch.from_numpy(one / np.float32(255))[None, None] for one in (wide, lines)]
    with torch.no_grad():
        expected = (net(*pair).sigmoid() * pair[0])[0, 0].numpy()
    found = fold(net)(wide > 0, lines > 0)
    assert found.shape == wide.shape
    assert found.dtype == np.float32
    assert expected[wide > 0].std() > 0.1
    np.testing.assert_allclose(found, expected, atol=0.03)  # eight bits


def test_an_exported_network_does_not_change_with_its_source(net: StrokeRestorationNet) -> None:
    exported = fold(net)
    before = exported.weights["head.bias"].copy()
    with torch.no_grad():
        assert net.head.bias is not None
        net.head.bias += 1
        np.testing.assert_array_equal(exported.weights["head.bias"], before)
        net.head.bias -= 1


@pytest.mark.parametrize("stroke_width", [4, 5, 6, 8])
def test_training_sees_what_the_image_processor_sees(
    stroke_width: int, line: NDArray[np.uint8]
) -> None:
    wide, lines, narrow = draw_pair(line, stroke_width, 3)
    strokes = np.pad(dilate(line, stroke_width) > 0, stroke_width)
    found = np.pad(centre_lines(strokes, stroke_width), stroke_width)
    for ours, size in ((wide, stroke_width), (lines, 3)):
        theirs = ndimage.maximum_filter(found, size=size)
        rows, columns = (np.flatnonzero(theirs.any(axis=axis)) for axis in (1, 0))
        box = theirs[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        rows, columns = (np.flatnonzero(ours.any(axis=axis)) for axis in (1, 0))
        assert (ours[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] > 0).tolist() == (
            box.tolist()
        )
    assert ((narrow > 0) <= (lines > 0)).all()
    assert ((lines > 0) <= (wide > 0)).all()
    assert (wide == dilate(line, stroke_width)).all()


def test_strokes_of_a_round_brush_have_centre_lines_too(line: NDArray[np.uint8]) -> None:
    wide, lines, narrow = draw_pair(line, 7, 3, is_round=True)
    assert ((lines > 0) <= (wide > 0)).all()
    assert ((narrow > 0) & (lines > 0)).sum() > 0.7 * (narrow > 0).sum()


def test_it_learns(examples: Sequence[AnyExample], tmp_path: Path) -> None:
    path = train(small_recipe(), examples, examples[:3], tmp_path)
    curve = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    losses = [entry for entry in curve if "loss" in entry]
    assert [entry["step"] for entry in losses] == [20, 40, 60, 80]
    assert losses[-1]["loss"] < 0.8 * losses[0]["loss"]
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["sha256"] == StrokeRestoration.load(path).checksum
    assert (record["steps"], record["pen"]) == (80, 6)
    assert 0 < record["wrong_before"] < 0.2
    assert 0 < record["wrong"] < 1
    assert path.name == STROKE_RESTORATION_FILE


def test_a_stopped_run_goes_on_to_the_bit(
    examples: Sequence[AnyExample], tmp_path: Path, cut_power: Callable[..., None]
) -> None:
    recipe = small_recipe(steps=6, save_every=2)
    whole = train(recipe, examples, [], tmp_path / "whole")
    cut_power(Trainer, "_step", 5, lambda: train(recipe, examples, [], tmp_path / "cut"))
    resumed = train(recipe, examples, [], tmp_path / "cut")
    assert StrokeRestoration.load(resumed).checksum == StrokeRestoration.load(whole).checksum


def test_a_run_starts_from_another_of_the_same_channels(
    examples: Sequence[AnyExample], tmp_path: Path
) -> None:
    first = train(small_recipe(steps=2), examples, [], tmp_path / "first").parent
    train(small_recipe(steps=1, init=str(first)), examples, [], tmp_path / "second")
    other = StrokeRestorationConfig((4, 6, 10), (6,), (3,))
    recipe = small_recipe(steps=1, init=str(first), stroke_restoration=other)
    with pytest.raises(ValueError, match=r"does not fit stroke_restoration\.channels"):
        train(recipe, examples, [], tmp_path / "third")
    with pytest.raises(ValueError, match="to start from"):
        train(small_recipe(steps=1, init="nowhere"), examples, [], tmp_path / "fourth")


def test_pictures_alone_are_an_error(line: NDArray[np.uint8], tmp_path: Path) -> None:
    picture = PictureExample("one", dilate(line, 3), np.array([5]))
    with pytest.raises(ValueError, match="no ink to train on"):
        train(small_recipe(), [picture], [], tmp_path)
    with pytest.raises(ValueError, match="must not be narrower"):
        StrokeRestorationConfig(SMALL, stroke_widths=(3, 6), target_widths=(4,))
