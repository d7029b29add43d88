"""What wide pens filled is told from what they wrote, and the weights go where the model goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from restoration_cases import loops_and_bar, small_net

import inktex
from inktex.ink.render import dilate
from inktex.modeling import stroke_restoration_inktex
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.processing_inktex import InktexProcessor
from inktex.modeling.stroke_restoration_inktex import (
    StrokeRestoration,
    centre_lines,
    restroke,
    widen,
)
from inktex.onnx.files import checksum
from inktex.recognizer import Recognizer
from inktex.tokenizer.tokenization_inktex import build_tokenizer
from inktex.training.stroke_restoration import draw_pair
from inktex.training.stroke_restoration_net import StrokeRestorationNet, fold


@pytest.fixture(scope="module")
def net() -> StrokeRestorationNet:
    return small_net()


@pytest.fixture
def thinner(net: StrokeRestorationNet) -> StrokeRestoration:
    return fold(net)


# ----------------------------------------------------------------------------------------- network


def test_weights_survive_a_file(thinner: StrokeRestoration, tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    thinner.save(path)
    again = StrokeRestoration.load(path)
    assert again.checksum == thinner.checksum
    wide, lines, _ = draw_pair(loops_and_bar(), 6, 3)
    np.testing.assert_allclose(again(wide > 0, lines > 0), thinner(wide > 0, lines > 0), atol=1e-5)


def test_weights_are_wanted_whole(thinner: StrokeRestoration, tmp_path: Path) -> None:
    weights = dict(thinner.weights)
    del weights["up.1.0.scale"]
    with pytest.raises(ValueError, match=r"missing: up\.1\.0\.scale$"):
        StrokeRestoration(weights)
    path = tmp_path / "some.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"some\.safetensors is no file of safetensors"):
        StrokeRestoration.load(path)
    with pytest.raises(OSError, match="nowhere"):
        StrokeRestoration.load(tmp_path / "nowhere")


# --------------------------------------------------------------------------------------- exchanging


def test_without_a_thinner_what_was_filled_stays_filled() -> None:
    strokes = dilate(loops_and_bar(), 6) > 0
    assert (restroke(strokes, 6, 3) == widen(centre_lines(strokes, 6), 3)).all()


def test_a_thinner_decides_within_the_strokes(thinner: StrokeRestoration) -> None:
    strokes = dilate(loops_and_bar(), 6) > 0
    filled, found = restroke(strokes, 6, 3), restroke(strokes, 6, 3, thinner)
    assert found.shape == filled.shape
    assert 0.01 < np.abs(found - filled).max() < 1


def test_large_pictures_stay_filled(
    thinner: StrokeRestoration, monkeypatch: pytest.MonkeyPatch
) -> None:
    strokes = dilate(loops_and_bar(), 6) > 0
    monkeypatch.setattr(stroke_restoration_inktex, "MAX_PIXELS", strokes.size - 1)
    assert (restroke(strokes, 6, 3, thinner) == restroke(strokes, 6, 3)).all()


def test_ink_never_vanishes(thinner: StrokeRestoration) -> None:
    weights = dict(thinner.weights)
    weights["head.bias"] = np.full(4, -100, dtype=np.float32)
    strokes = dilate(loops_and_bar(), 6) > 0
    found = restroke(strokes, 6, 3, StrokeRestoration(weights))
    assert (found == restroke(strokes, 6, 3)).all()


def test_the_image_processor_asks_it_for_wide_pens_alone(
    thinner: StrokeRestoration, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []

    def remember(self: StrokeRestoration, wide: NDArray[np.bool_], lines: NDArray[np.bool_]) -> Any:
        asked.append(wide.shape)
        return lines.astype(np.float32)

    monkeypatch.setattr(StrokeRestoration, "__call__", remember)
    processor = InktexImageProcessor(stroke_restoration=thinner)
    processor.draw(dilate(loops_and_bar(), 3))
    assert not asked
    processor.draw(dilate(loops_and_bar(), 6))
    assert len(asked) == 1


def test_symbols_that_a_wide_pen_joined_are_measured_apart() -> None:
    """Three rows of bars, 20 pixels tall each, that touch only where the pen is wide."""
    picture = Image.new("L", (120, 110))
    pencil = ImageDraw.Draw(picture)
    for x in range(20, 110, 16):
        for y in (20, 43, 66):
            pencil.line([(x, y), (x, y + 19)], fill=255)
    line = np.asarray(picture)

    class Perfect(StrokeRestoration):
        def __init__(self) -> None:
            pass

        def __call__(self, wide: NDArray[np.bool_], lines: NDArray[np.bool_]) -> Any:
            found = lines.astype(np.float32)
            first = np.flatnonzero(lines.any(axis=1))[0]
            found[first + 21] = found[first + 44] = 0
            return found

    filled = InktexImageProcessor().normalize_picture(dilate(line, 6))
    apart = InktexImageProcessor(stroke_restoration=Perfect()).normalize_picture(dilate(line, 6))
    assert any("resized" in note for note in filled.reasons)
    assert not any("resized" in note for note in apart.reasons)
    assert any("redrawn narrower" in note for note in apart.reasons)


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
    placed = InktexImageProcessor().normalize_picture(drawn)
    assert any("redrawn narrower" in reason for reason in placed.reasons)
    turned = np.asarray(Image.fromarray(drawn).rotate(3))
    with pytest.raises(ValueError, match="things of many widths"):
        InktexImageProcessor().normalize_picture(turned)


def test_repeated_pixels_are_no_wide_pen() -> None:
    given = dilate(loops_and_bar(), 3)
    twice = given.repeat(2, axis=0).repeat(2, axis=1)
    placed = InktexImageProcessor().normalize_picture(twice)
    assert any("resized 0.50 times" in note for note in placed.reasons)
    assert not any("redrawn" in note for note in placed.reasons)


# ------------------------------------------------------------------------------------------- files


def test_an_image_processor_keeps_its_thinner(thinner: StrokeRestoration, tmp_path: Path) -> None:
    InktexImageProcessor(stroke_restoration=thinner, resolution=0.5).save_pretrained(tmp_path)
    content = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert "thinner" not in content
    loaded = InktexImageProcessor.from_pretrained(tmp_path)
    assert loaded.stroke_restoration is not None
    assert (loaded.resolution, loaded.stroke_restoration.checksum) == (0.5, thinner.checksum)
    by_file = InktexImageProcessor.from_pretrained(tmp_path / "preprocessor_config.json")
    assert by_file.stroke_restoration is not None
    loaded, unused = InktexImageProcessor.from_pretrained(
        tmp_path, return_unused_kwargs=True, strange=1
    )
    assert loaded.stroke_restoration is not None
    assert unused == {"strange": 1}
    InktexImageProcessor().save_pretrained(tmp_path)
    assert InktexImageProcessor.from_pretrained(tmp_path).stroke_restoration is None


def test_a_processor_keeps_its_thinner(thinner: StrokeRestoration, tmp_path: Path) -> None:
    images = InktexImageProcessor(stroke_restoration=thinner)
    InktexProcessor(images, build_tokenizer()).save_pretrained(tmp_path)
    inktex.register()
    loaded = InktexProcessor.from_pretrained(tmp_path).image_processor.stroke_restoration
    assert loaded is not None
    assert loaded.checksum == thinner.checksum
    assert (tmp_path / "stroke_restoration_inktex.py").is_file()


def test_exports_and_shards_depend_on_it(
    thinner: StrokeRestoration, small_model: Any, tmp_path: Path
) -> None:
    processor = InktexProcessor(InktexImageProcessor(), build_tokenizer())
    small_model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    before = checksum(tmp_path), Recognizer.from_model(small_model, processor).fingerprint()
    processor.image_processor.stroke_restoration = thinner
    processor.save_pretrained(tmp_path)
    after = checksum(tmp_path), Recognizer.from_model(small_model, processor).fingerprint()
    assert before[0] != after[0]
    assert before[1] != after[1]
