"""What wide pens filled is told from what they wrote, and the weights go where the model goes."""

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
from PIL import Image, ImageDraw
from scipy import ndimage

from inktex.examples import AnyExample, Example, PictureExample, from_expressions
from inktex.modeling import thinning_inktex
from inktex.modeling.encoder_inktex import STRIDE
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.processing_inktex import InktexProcessor
from inktex.modeling.strokes_inktex import centre_lines, widen
from inktex.modeling.thinning_inktex import THINNER_FILE, Thinner, exchange_pen
from inktex.onnx.files import checksum
from inktex.recognizer import Recognizer
from inktex.render import dilate
from inktex.synthesis.grammar import written_expressions
from inktex.tokenizer.tokenization_inktex import build_tokenizer
from inktex.training import thinner_net, thinning
from inktex.training.batches import Planner
from inktex.training.pairs import RECORD, ThinnerPairs, draw_pair
from inktex.training.recipe import Recipe, ThinnerConfig, load_stages, recipe_path
from inktex.training.thinner_net import ThinnerNet, folded, unfolded
from inktex.training.thinning import train_thinner

SMALL = (4, 6, 8)


@pytest.fixture(scope="module")
def net() -> ThinnerNet:
    """A small untrained network in which everything has its say."""
    torch.manual_seed(0)
    net = ThinnerNet(SMALL).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
    return net


@pytest.fixture
def thinner(net: ThinnerNet) -> Thinner:
    return folded(net)


def _line() -> NDArray[np.uint8]:
    """A loop that a wide pen fills, a large one, and a bar: lines of one pixel."""
    picture = Image.new("L", (131, 61))
    pencil = ImageDraw.Draw(picture)
    pencil.ellipse([14, 20, 21, 29], outline=255)
    pencil.ellipse([34, 12, 60, 44], outline=255)
    pencil.line([(75, 30), (110, 29), (90, 45)], fill=255)
    return np.asarray(picture)


# ----------------------------------------------------------------------------------------- network


def test_numpy_computes_what_torch_trained(net: ThinnerNet, thinner: Thinner) -> None:
    wide, lines, _ = draw_pair(_line(), 6, 3)
    pair = [torch.from_numpy(one / np.float32(255))[None, None] for one in (wide, lines)]
    with torch.no_grad():
        expected = (net(*pair).sigmoid() * pair[0])[0, 0].numpy()
    found = thinner(wide > 0, lines > 0)
    assert found.shape == wide.shape
    assert found.dtype == np.float32
    assert expected[wide > 0].std() > 0.1
    np.testing.assert_allclose(found, expected, atol=0.03)  # eight bits


def test_a_thinner_can_go_on_learning(net: ThinnerNet, thinner: Thinner) -> None:
    """Normalisations that went into the kernels are measured again: nothing changes by that."""
    pairs = [draw_pair(np.roll(_line(), shift, axis=1), pen, 3) for shift, pen in ((0, 6), (9, 8))]
    wide, lines = (
        torch.from_numpy(np.stack([pair[i] for pair in pairs])[:, None] / np.float32(255))
        for i in range(2)
    )
    again = unfolded(thinner, (wide, lines))
    assert again.training
    with torch.no_grad():
        learning = again(wide, lines)
        expected = net(wide, lines)
    assert (learning - expected).abs()[wide > 0].mean() < 0.05 * expected[wide > 0].std()
    same = folded(again.eval())
    first = wide[0, 0].numpy() > 0, lines[0, 0].numpy() > 0
    np.testing.assert_allclose(same(*first), thinner(*first), atol=0.05)


def test_weights_survive_a_file(thinner: Thinner, tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    thinner.save(path)
    again = Thinner.load(path)
    assert again.checksum == thinner.checksum
    wide, lines, _ = draw_pair(_line(), 6, 3)
    np.testing.assert_allclose(again(wide > 0, lines > 0), thinner(wide > 0, lines > 0), atol=1e-5)


def test_weights_are_wanted_whole(thinner: Thinner, tmp_path: Path) -> None:
    weights = dict(thinner.weights)
    del weights["up.1.0.scale"]
    with pytest.raises(ValueError, match=r"missing: up\.1\.0\.scale$"):
        Thinner(weights)
    path = tmp_path / "some.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"some\.safetensors is no file of safetensors"):
        Thinner.load(path)
    with pytest.raises(OSError, match="nowhere"):
        Thinner.load(tmp_path / "nowhere")


# --------------------------------------------------------------------------------------- exchanging


@pytest.mark.parametrize("pen", [4, 5, 6, 8])
def test_training_sees_what_the_image_processor_sees(pen: int) -> None:
    line = _line()
    wide, lines, ink = draw_pair(line, pen, 3)
    strokes = np.pad(dilate(line, pen) > 0, pen)
    found = np.pad(centre_lines(strokes, pen), pen)
    for ours, size in ((wide, pen), (lines, 3)):
        theirs = ndimage.maximum_filter(found, size=size)
        rows, columns = (np.flatnonzero(theirs.any(axis=axis)) for axis in (1, 0))
        box = theirs[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        rows, columns = (np.flatnonzero(ours.any(axis=axis)) for axis in (1, 0))
        assert (ours[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] > 0).tolist() == (
            box.tolist()
        )
    assert ((ink > 0) <= (lines > 0)).all()
    assert ((lines > 0) <= (wide > 0)).all()
    assert (wide == dilate(line, pen)).all()


def test_a_round_pen_is_followed_too() -> None:
    wide, lines, ink = draw_pair(_line(), 7, 3, is_round=True)
    assert ((lines > 0) <= (wide > 0)).all()
    assert ((ink > 0) & (lines > 0)).sum() > 0.7 * (ink > 0).sum()


def test_without_a_thinner_what_was_filled_stays_filled() -> None:
    strokes = dilate(_line(), 6) > 0
    assert (exchange_pen(strokes, 6, 3) == widen(centre_lines(strokes, 6), 3)).all()


def test_a_thinner_decides_within_the_strokes(thinner: Thinner) -> None:
    strokes = dilate(_line(), 6) > 0
    filled, found = exchange_pen(strokes, 6, 3), exchange_pen(strokes, 6, 3, thinner)
    assert found.shape == filled.shape
    assert 0.01 < np.abs(found - filled).max() < 1


def test_large_pictures_stay_filled(thinner: Thinner, monkeypatch: pytest.MonkeyPatch) -> None:
    strokes = dilate(_line(), 6) > 0
    monkeypatch.setattr(thinning_inktex, "MOST_PIXELS", strokes.size - 1)
    assert (exchange_pen(strokes, 6, 3, thinner) == exchange_pen(strokes, 6, 3)).all()


def test_ink_never_vanishes(thinner: Thinner) -> None:
    weights = dict(thinner.weights)
    weights["head.bias"] = np.full(4, -100, dtype=np.float32)
    strokes = dilate(_line(), 6) > 0
    found = exchange_pen(strokes, 6, 3, Thinner(weights))
    assert (found == exchange_pen(strokes, 6, 3)).all()


def test_the_image_processor_asks_it_for_wide_pens_alone(
    thinner: Thinner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []

    def remember(self: Thinner, wide: NDArray[np.bool_], lines: NDArray[np.bool_]) -> Any:
        asked.append(wide.shape)
        return lines.astype(np.float32)

    monkeypatch.setattr(Thinner, "__call__", remember)
    processor = InktexImageProcessor(thinner=thinner)
    processor.draw(dilate(_line(), 3))
    assert not asked
    processor.draw(dilate(_line(), 6))
    assert len(asked) == 1


def test_symbols_that_a_wide_pen_joined_are_measured_apart() -> None:
    """Three rows of bars, 20 pixels tall each, that touch only where the pen is wide."""
    picture = Image.new("L", (120, 110))
    pencil = ImageDraw.Draw(picture)
    for x in range(20, 110, 16):
        for y in (20, 43, 66):
            pencil.line([(x, y), (x, y + 19)], fill=255)
    line = np.asarray(picture)

    class Perfect(Thinner):
        def __init__(self) -> None:
            pass

        def __call__(self, wide: NDArray[np.bool_], lines: NDArray[np.bool_]) -> Any:
            found = lines.astype(np.float32)
            first = np.flatnonzero(lines.any(axis=1))[0]
            found[first + 21] = found[first + 44] = 0
            return found

    filled = InktexImageProcessor().place(dilate(line, 6))
    apart = InktexImageProcessor(thinner=Perfect()).place(dilate(line, 6))
    assert any("enlarged" in note for note in filled.notes)
    assert not any("enlarged" in note for note in apart.notes)
    assert any("drawn anew: thinned to 3" in note for note in apart.notes)


def test_what_a_wide_pen_filled_is_no_blot() -> None:
    """Digits that are filled are refused as blots where nothing proves that a pen drew them."""
    picture = Image.new("L", (150, 80))
    pencil = ImageDraw.Draw(picture)
    for x in (40, 62, 84):
        pencil.ellipse([x, 22, x + 12, 36], outline=255)
        pencil.ellipse([x, 36, x + 12, 52], outline=255)
        pencil.line([(x + 6, 22), (x + 6, 52)], fill=255)
    for x in (24, 112):
        pencil.line([(x, 18), (x, 56)], fill=255)
    drawn = dilate(np.asarray(picture), 6)
    assert any("thinned to 3" in note for note in InktexImageProcessor().place(drawn).notes)
    turned = np.asarray(Image.fromarray(drawn).rotate(3))
    with pytest.raises(ValueError, match="things of many widths"):
        InktexImageProcessor().place(turned)


def test_repeated_pixels_are_no_wide_pen() -> None:
    given = dilate(_line(), 3)
    twice = given.repeat(2, axis=0).repeat(2, axis=1)
    placed = InktexImageProcessor().place(twice)
    assert any("enlarged 0.50 times" in note for note in placed.notes)
    assert not any("drawn anew" in note for note in placed.notes)


# ------------------------------------------------------------------------------------------- files


def test_an_image_processor_keeps_its_thinner(thinner: Thinner, tmp_path: Path) -> None:
    InktexImageProcessor(thinner=thinner, resolution=0.5).save_pretrained(tmp_path)
    content = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert "thinner" not in content
    loaded = InktexImageProcessor.from_pretrained(tmp_path)
    assert loaded.thinner is not None
    assert (loaded.resolution, loaded.thinner.checksum) == (0.5, thinner.checksum)
    by_file = InktexImageProcessor.from_pretrained(tmp_path / "preprocessor_config.json")
    assert by_file.thinner is not None
    loaded, unused = InktexImageProcessor.from_pretrained(
        tmp_path, return_unused_kwargs=True, strange=1
    )
    assert loaded.thinner is not None
    assert unused == {"strange": 1}
    InktexImageProcessor().save_pretrained(tmp_path)
    assert InktexImageProcessor.from_pretrained(tmp_path).thinner is None


def test_a_processor_keeps_its_thinner(thinner: Thinner, tmp_path: Path) -> None:
    images = InktexImageProcessor(thinner=thinner)
    InktexProcessor(images, build_tokenizer()).save_pretrained(tmp_path)
    loaded = InktexProcessor.from_pretrained(tmp_path).image_processor.thinner
    assert loaded is not None
    assert loaded.checksum == thinner.checksum
    assert (tmp_path / "thinning_inktex.py").is_file()


def test_exports_and_shards_depend_on_it(
    thinner: Thinner, small_model: Any, tmp_path: Path
) -> None:
    processor = InktexProcessor(InktexImageProcessor(), build_tokenizer())
    small_model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    before = checksum(tmp_path), Recognizer(small_model, processor).fingerprint()
    processor.image_processor.thinner = thinner
    processor.save_pretrained(tmp_path)
    after = checksum(tmp_path), Recognizer(small_model, processor).fingerprint()
    assert before[0] != after[0]
    assert before[1] != after[1]


# ---------------------------------------------------------------------------------------- training


RESOLUTION = 8 / 9
"""Of the reader that the recipe's shapes are for."""


def _recipe(**changes: Any) -> Recipe:
    recipe, _ = load_stages(
        recipe_path("thinner"),
        ["minutes=null", "steps=80", "planners=0", "synthesis.share=0", "synthesis.morphing=0",
         "batch.pixels=40000", "optimizer.warmup_steps=2", "optimizer.average=0.9",
         "optimizer.learning_rate=1e-2",
         "precision='no'"],
    )  # fmt: skip
    settings: dict[str, Any] = {
        "thinner": ThinnerConfig(SMALL, (6,), (3,)), "log_every": 20, "save_every": 1000,
    } | changes  # fmt: skip
    return replace(recipe, **settings)


@pytest.fixture(scope="module")
def examples() -> Sequence[AnyExample]:
    return list(from_expressions(written_expressions(12, seed=5, depth=1)))


def test_it_learns(examples: Sequence[AnyExample], tmp_path: Path) -> None:
    path = train_thinner(_recipe(), examples, examples[:3], tmp_path)
    curve = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in curve] == [20, 40, 60, 80]
    assert curve[-1]["loss"] < 0.8 * curve[0]["loss"]
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["sha256"] == Thinner.load(path).checksum
    assert (record["steps"], record["pen"]) == (80, 6)
    assert 0 < record["wrong_before"] < 0.2
    assert 0 < record["wrong"] < 1
    assert path.name == THINNER_FILE


def test_it_learns_from_what_is_read(
    examples: Sequence[AnyExample],
    small_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "reader"
    small_model.save_pretrained(folder)
    images = InktexImageProcessor(resolution=RESOLUTION)
    InktexProcessor(images, build_tokenizer()).save_pretrained(folder)
    monkeypatch.setattr(thinning, "pretrained_path", lambda: folder)
    first = train_thinner(_recipe(steps=1), examples, [], tmp_path / "first").parent / "averaged"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    config = ThinnerConfig(SMALL, (6,), (3,), pixels=0.5, reader=2.0)
    recipe = _recipe(steps=4, log_every=2, thinner=config, init=str(first))
    train_thinner(recipe, examples, [], tmp_path / "second")
    curve = [
        json.loads(line) for line in (tmp_path / "second" / "curve.jsonl").read_text().splitlines()
    ]
    assert all(0 < entry["reading"] < entry["loss"] for entry in curve)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(
        thinner_net, "shipped_thinner", lambda: Thinner.load(tmp_path / "second" / THINNER_FILE)
    )
    train_thinner(replace(recipe, init="shipped"), examples, [], tmp_path / "shipped")
    monkeypatch.setattr(thinner_net, "shipped_thinner", lambda: None)
    with pytest.raises(ValueError, match="no thinner to start from"):
        train_thinner(replace(recipe, init="shipped"), examples, [], tmp_path / "none")
    wider = replace(recipe, thinner=replace(config, widths=(4, 6, 10)))
    with pytest.raises(ValueError, match=r"does not fit the recipe's thinner\.widths"):
        train_thinner(wider, examples, [], tmp_path / "wider")
    odd = replace(recipe, batch=replace(recipe.batch, heights=(54, 75)))
    with pytest.raises(ValueError, match=r"must be multiples of \d+; those of 75 are not"):
        train_thinner(odd, examples, [], tmp_path / "third")


def test_a_reader_sees_the_published_ink_where_it_lies(examples: Sequence[AnyExample]) -> None:
    recipe = replace(_recipe(), augmentation=None)
    ink = [example for example in examples if isinstance(example, Example)]
    plan = Planner(ink, recipe.batch, None).epoch(0)[0]
    batch = ThinnerPairs(ink, recipe, None, resolution=RESOLUTION)[plan]
    pictures, narrow = batch["pixel_values"], batch["ink"]
    assert pictures.shape[-2:] == tuple(round(side * RESOLUTION) for side in plan.shape)
    reduced = torch.nn.functional.interpolate(
        narrow, size=pictures.shape[-2:], mode="bilinear", antialias=True
    )
    assert (reduced - pictures).abs().max() < 0.02
    assert (pictures * (1 - batch["pixel_mask"][:, None])).max() == 0
    cells = np.prod([side // STRIDE for side in pictures.shape[-2:]])
    assert batch["symbol_labels"].shape[1] == batch["guide"].shape[2] == cells


def test_a_stopped_run_goes_on_to_the_bit(
    examples: Sequence[AnyExample], tmp_path: Path, cut_power: Callable[..., None]
) -> None:
    recipe = _recipe(steps=6, save_every=2)
    whole = train_thinner(recipe, examples, [], tmp_path / "whole")
    cut_power(
        thinning, "take_step", 5, lambda: train_thinner(recipe, examples, [], tmp_path / "cut")
    )
    resumed = train_thinner(recipe, examples, [], tmp_path / "cut")
    assert Thinner.load(resumed).checksum == Thinner.load(whole).checksum


def test_pictures_alone_are_refused(tmp_path: Path) -> None:
    picture = PictureExample("one", dilate(_line(), 3), np.array([5]))
    with pytest.raises(ValueError, match="no ink to train on"):
        train_thinner(_recipe(), [picture], [], tmp_path)
    with pytest.raises(ValueError, match="must not be narrower"):
        ThinnerConfig(SMALL, pens=(3, 6), nibs=(4,))
