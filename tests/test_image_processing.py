"""Pictures of all kinds come out in the normal form."""

from __future__ import annotations

import base64
import copy
import io
import json
import math
import pickle
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from scipy import ndimage

from inktex.ink import Ink
from inktex.ink.render import (
    MARGIN_AFTER,
    MARGIN_BEFORE,
    MEAN_TRACE_HEIGHT,
    STROKE_WIDTH,
    draw,
    picture_box,
    published_scale,
    render,
)
from inktex.inputs import prepare
from inktex.modeling.grey_levels_inktex import grey_levels
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.image_settings_inktex import SETTING_NAMES, ImageSettings
from inktex.modeling.measurement_inktex import (
    MeasuredInk,
    measure,
    symbol_height,
    upright_ink,
)
from inktex.modeling.normalization_inktex import Plan, apply, make_plan
from inktex.modeling.stroke_restoration_inktex import StrokeRestoration
from inktex.modeling.stroke_width_inktex import (
    EIGHT,
    run_lengths,
    runs,
    square_coverage,
    squares_within,
    stroke_width,
    width_quantile,
)

SETTINGS = ImageSettings()
PROCESSOR = InktexImageProcessor()
"""Aims at exactly the protocol's size, so that results can be compared with its pictures."""


def _traces() -> list[NDArray[np.float32]]:
    """`2 + x = o`, more or less, about as the protocol scales it."""
    angle = np.linspace(0, 2 * np.pi, 24)
    strokes: list[Any] = [
        [(0, 8), (4, 1), (12, 0), (18, 6), (14, 18), (0, 36), (20, 35)],
        [(40, 8), (41, 32)],
        [(28, 20), (54, 19)],
        [(66, 6), (84, 36)],
        [(84, 5), (67, 37)],
        [(98, 14), (120, 13)],
        [(98, 24), (121, 25)],
        np.stack([145 + 12 * np.cos(angle), 20 + 17 * np.sin(angle)], axis=1),
    ]
    return [np.array(stroke, dtype=np.float32) for stroke in strokes]


INK = render(_traces())
"""White on black, by the protocol."""
REFERENCE = np.asarray(
    Image.fromarray(INK).resize(
        (math.ceil(INK.shape[1] * 0.55), math.ceil(INK.shape[0] * 0.55)), Image.Resampling.BILINEAR
    )
)


def _overlap(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Intersection over union of two pictures' ink, brought to one size; off by a pixel is on."""
    size = REFERENCE.shape[1], REFERENCE.shape[0]
    masks = [np.asarray(Image.fromarray(p).resize(size)) > 100 for p in (first, second)]
    wide = [
        np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(3))) > 0
        for mask in masks
    ]
    found = (masks[0] & wide[1]).sum() + (masks[1] & wide[0]).sum()
    return float(found / (masks[0].sum() + masks[1].sum()))


def _photo(ink: NDArray[Any], is_dark: bool = True) -> Image.Image:
    """A photo: four times as large, with a gradient, a soft shadow, noise and blur."""
    sheet = ImageOps.expand(Image.fromarray(ink), border=20, fill=0)
    large = sheet.resize((sheet.width * 4, sheet.height * 4), Image.Resampling.BICUBIC)
    mask = np.asarray(large) / 255
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
    light = 0.5 + 0.4 * columns / mask.shape[1]
    light *= 1 - 0.4 / (1 + np.exp((columns + rows - 500) / 20))
    noise = np.random.default_rng(0).normal(0, 0.015, mask.shape)
    levels = np.clip(light * (1 - 0.7 * mask) + noise, 0, 1)
    picture = Image.fromarray((255 * (levels if is_dark else 1 - levels)).astype(np.uint8))
    return picture.filter(ImageFilter.GaussianBlur(1))


def _planned(picture: NDArray[Any]) -> tuple[MeasuredInk, Plan]:
    ink = measure(upright_ink(grey_levels(picture, 10**6)), SETTINGS)
    return ink, make_plan(ink, SETTINGS)


# --- what is clean stays as it is ---------------------------------------------------------


@pytest.mark.parametrize("is_dark", [False, True])
def test_published_pictures_are_merely_reduced(is_dark: bool) -> None:
    picture = 255 - INK if is_dark else INK
    np.testing.assert_array_equal(PROCESSOR.draw(picture), REFERENCE)


def test_size_and_strokes_within_the_tolerance_stay() -> None:
    for scale in (0.75, 1.3):
        traces = [trace * scale for trace in _traces()]
        picture = render(traces, scale=1.0)
        ink, plan = _planned(picture)
        assert (plan.resize, plan.restroke, plan.is_rescaled) == (None, "keep", False)
        np.testing.assert_array_equal(apply(ink, plan, SETTINGS).ink * 255, picture)


@pytest.mark.parametrize("scale", [1.7, 2.3])
@pytest.mark.parametrize("pen", [3, 4])
def test_tall_ink_stays_if_the_pen_tells_its_size(pen: int, scale: float) -> None:
    traces = [trace * scale + 20 for trace in _traces()]
    picture = draw(traces, 600, 200, stroke_width=pen)
    _, plan = _planned(picture)
    assert plan.is_rescaled == (scale > 2)
    assert (plan.restroke != "keep") == (pen == 4 or scale > 2)


def test_margins_are_the_protocols() -> None:
    wide = np.pad(INK, ((30, 5), (0, 70)))
    np.testing.assert_array_equal(PROCESSOR.draw(wide), REFERENCE)
    rows, columns = np.nonzero(INK)
    tight = INK[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    np.testing.assert_array_equal(PROCESSOR.draw(tight), REFERENCE)


# --- the plan, by numbers alone


def _measured(**measures: Any) -> MeasuredInk:
    """Measures of ink on plain paper as published, but for some; there are no pixels."""

    class Numbers:
        square_coverage = staticmethod(lambda size: measures.get("coverage", {}).get(size, 0.0))
        resized_coverage = staticmethod(lambda scale: measures["resized"])

    usual = {
        "settings": SETTINGS, "is_plain": True, "zoom": 1.0, "size": 10_000, "fringed_size": 10_800,
        "symbol_height": 28.0, "stroke_width": 3.0, "thinnest_width": 3.0, "subpixel_width": 3.0,
        "wide_pen": None, "has_published_pen": False, "has_two_levels": False,
    }  # fmt: skip
    numbers = Numbers()
    vars(numbers).update({**usual, **measures})
    return cast(MeasuredInk, numbers)


@pytest.mark.parametrize(
    ("measures", "resize", "restroke", "width", "reduction", "words"),
    [
        ({}, None, "keep", 3, 1, ("tall, kept", "wide, kept")),
        ({"is_plain": False}, None, "keep", 3, 1, ("1.00 times, by the height", "kept")),
        # Enlarged before its strokes are redrawn; reduced afterwards where they only are wide.
        ({"symbol_height": 14.0, "stroke_width": 1.0, "subpixel_width": 3.0}, 2, "keep", 2, 1,
         ("resized 2.00 times, by the height of the symbols", "kept")),
        ({"symbol_height": 7.0, "stroke_width": 3.0}, 4, "narrow", 12, 1,
         ("resized 4.00 times", "wide, redrawn narrower")),
        ({"symbol_height": 84.0, "stroke_width": 3.0}, None, "widen", 3, 1 / 3,
         ("resized 0.33 times", "redrawn wider, 3 pixels at the published size")),
        ({"symbol_height": 56.0, "has_published_pen": True}, None, "keep", 3, 1, ("kept", "kept")),
        # The published pen, resized: its width gives the factor.
        ({"symbol_height": 60.0, "stroke_width": 6.0, "subpixel_width": 6.0, "resized": 0.95},
         None, "keep", 6, 0.5, ("resized 0.50 times, by the width of the strokes", "kept")),
        ({"stroke_width": 6.0, "subpixel_width": 6.0, "resized": 0.5}, 1, "narrow", 6, 1,
         ("kept", "narrower")),
        # Other square pens: a thinner one, a wider one.
        ({"thinnest_width": 2.0, "stroke_width": 2.5, "resized": 0.0}, None, "widen", 2, 1,
         ("kept", "wider")),
        ({"coverage": {4: 1.0}}, 1, "narrow", 3, 1, ("kept", "narrower")),
        # A wide square pen whose strokes are redrawn; one whose drawing was enlarged.
        ({"stroke_width": 6.0, "wide_pen": 6, "restroked_height": 30.0}, None, "narrow", 6, 1,
         ("kept", "strokes 6.0 pixels wide, redrawn narrower")),
        ({"stroke_width": 6.0, "symbol_height": 70.0, "wide_pen": 6, "restroked_height": 70.0,
          "subpixel_width": 6.0, "resized": 1.0}, None, "keep", 6, 0.5, ("0.50 times", "kept")),
    ],
)  # fmt: skip
def test_measures_decide(
    measures: dict[str, Any],
    resize: float | None,
    restroke: str,
    width: float,
    reduction: float,
    words: tuple[str, str],
) -> None:
    plan = make_plan(_measured(**measures), SETTINGS)
    assert (plan.resize, plan.restroke) == (resize, restroke)
    assert plan.stroke_width == pytest.approx(width)
    assert plan.reduction == pytest.approx(reduction)
    for reason, part in zip(plan.reasons, words, strict=True):
        assert part in reason


def test_no_ink_is_enlarged_beyond_measure() -> None:
    plan = make_plan(_measured(symbol_height=1.4, size=8_000_000), SETTINGS)
    assert plan.resize == 1.0


# --- settings


def test_an_image_processor_of_0_1_loads(tmp_path: Path) -> None:
    """As 0.1 wrote it, with the old name of the file of weights."""
    content = {
        "auto_map": {"AutoImageProcessor": "image_processing_inktex.InktexImageProcessor"},
        "height_tolerance": 1.6, "image_processor_type": "InktexImageProcessor", "margin_after": 5,
        "margin_before": 6, "max_height": 256, "max_pixels": 100000000, "max_width": 1056,
        "pad_multiple": 16, "resolution": 0.8888888888888888, "stroke_range": [2.0, 4.5],
        "stroke_width": 3, "symbol_height": 28.0,
    }  # fmt: skip
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(content))
    weights = {
        f"{name}.{kind}": np.ones((3, 3, 8, 8) if kind == "weight" and "." in name else (8, 4))
        for name in ("down.0.0", "down.0.1", "head")
        for kind in ("weight", "scale", "bias")
    }
    for name in ("scale", "bias"):
        weights |= {f"{part}.{name}": np.ones(8) for part in ("down.0.0", "down.0.1")}
        weights[f"head.{name}"] = np.ones(4)
    restoration = StrokeRestoration(weights)
    restoration.save(tmp_path / "thinner.safetensors")
    loaded = InktexImageProcessor.from_pretrained(tmp_path)
    assert loaded.settings == ImageSettings(
        resolution=8 / 9, margin_before=6, margin_after=5, stroke_range=(2.0, 4.5)
    )
    assert loaded.stroke_restoration.checksum == restoration.checksum
    loaded.save_pretrained(tmp_path)
    assert not (tmp_path / "thinner.safetensors").exists()
    again = InktexImageProcessor.from_pretrained(tmp_path)
    assert again.stroke_restoration.checksum == restoration.checksum
    written = json.loads((tmp_path / "preprocessor_config.json").read_text())
    since = {"photo_ink": "thresholds"}
    assert {name: written[name] for name in SETTING_NAMES} == {
        name: (content | since)[name] for name in SETTING_NAMES
    }


def test_settings_are_checked_where_they_are_declared() -> None:
    processor = InktexImageProcessor(resolution=0.5, stroke_range=[1, 4])
    assert processor.resolution == processor.settings.resolution == 0.5
    processor.resolution = 0.6
    assert processor.settings == ImageSettings(resolution=0.6, stroke_range=(1, 4))
    with pytest.raises(ValueError, match="resolution must be at least"):
        processor.resolution = 0
    with pytest.raises(ValueError, match="margin_after must be at least 0, not -1"):
        InktexImageProcessor(margin_after=-1)
    with pytest.raises(ValueError, match="stroke_range"):
        InktexImageProcessor(stroke_range=(4, 2))
    with pytest.raises(ValueError, match="no setting thinness"):
        processor(INK, thinness=1)
    for name, new in (("thinner", "stroke_restoration"), ("place", "normalize_picture")):
        with pytest.raises(AttributeError, match=f"{name} is called {new}"):
            getattr(processor, name)
    with pytest.raises(AttributeError, match="thinner is called stroke_restoration"):
        InktexImageProcessor(thinner=None)
    assert copy.deepcopy(processor).settings == pickle.loads(pickle.dumps(processor)).settings


def test_defaults_are_those_of_the_published_protocol() -> None:
    assert (SETTINGS.symbol_height, SETTINGS.stroke_width) == (MEAN_TRACE_HEIGHT, STROKE_WIDTH)
    assert (SETTINGS.margin_before, SETTINGS.margin_after) == (MARGIN_BEFORE, MARGIN_AFTER)


# --- ink


def test_ink_is_drawn_as_published_and_not_measured() -> None:
    whole = InktexImageProcessor(resolution=1.0)
    placed = prepare([trace.tolist() for trace in _traces()], whole)
    np.testing.assert_array_equal(placed.picture, INK)
    scale = published_scale(_traces())
    drawn = picture_box(placed.to_source((0, 0, 1, 1)), _traces(), scale)
    assert drawn == pytest.approx((0, 0, 1, 1), abs=1e-3)
    np.testing.assert_array_equal(prepare(Ink(_traces()), PROCESSOR).picture, REFERENCE)
    bars = [np.array([(10.0 * i, 0), (10.0 * i, 28)], dtype=np.float32) for i in range(200)]
    with pytest.raises(NoFormulaError, match="200 separate marks"):
        PROCESSOR.draw(render(bars))
    assert prepare(Ink(bars), PROCESSOR).picture.any()
    small = InktexImageProcessor(
        resolution=1.0, symbol_height=14, margin_before=3, margin_after=2, max_width=40
    )
    placed = prepare(Ink(_traces()), small)
    assert placed.picture.shape[1] == 40
    of_ink = placed.to_source((0, 0, 40, placed.picture.shape[0]))
    half = render(_traces(), scale=scale / 2)
    sides = (9, 9, half.shape[1] - 9, half.shape[0] - 9)
    assert picture_box(of_ink, _traces(), scale / 2) == pytest.approx(sides, abs=1e-3)


# --- what differs is brought there --------------------------------------------------------


@pytest.mark.parametrize("pen", [1, 7])
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_strokes_and_size_are_normalised(pen: int, scale: float) -> None:
    traces = [trace * scale + 20 for trace in _traces()]
    picture = draw(
        traces, int(180 * scale) + 40, int(45 * scale) + 40, stroke_width=round(pen * scale)
    )
    drawn = PROCESSOR.draw(255 - picture)
    assert drawn.shape[0] == pytest.approx(REFERENCE.shape[0], rel=0.15)
    assert _overlap(drawn, REFERENCE) > 0.9


@pytest.mark.parametrize("factor", [0.4, 4.0])
def test_other_resolutions_come_out_alike(factor: float) -> None:
    size = round(INK.shape[1] * factor), round(INK.shape[0] * factor)
    drawn = PROCESSOR.draw(Image.fromarray(INK).resize(size, Image.Resampling.BICUBIC))
    assert drawn.shape[0] == pytest.approx(REFERENCE.shape[0], rel=0.15)
    assert _overlap(drawn, REFERENCE) > 0.9


@pytest.mark.parametrize("is_dark", [True, False])
def test_photos_lose_light_and_noise(is_dark: bool) -> None:
    drawn = PROCESSOR.draw(_photo(INK, is_dark))
    assert drawn.shape[0] == pytest.approx(REFERENCE.shape[0], rel=0.15)
    assert _overlap(drawn, REFERENCE) > 0.9


@pytest.mark.parametrize("factor", [0.5, 2.0, 2.4, 3.0])
def test_a_drawing_comes_out_as_large_as_it_was(factor: float) -> None:
    size = round(INK.shape[1] * factor), round(INK.shape[0] * factor)
    picture = Image.fromarray(INK).resize(size, Image.Resampling.BICUBIC)
    drawn = InktexImageProcessor().draw(picture)  # nothing is enlarged that is known exactly
    assert drawn.shape == pytest.approx(REFERENCE.shape, abs=2)
    assert _overlap(drawn, REFERENCE) > 0.97


def test_a_compressed_drawing_comes_out_as_it_was() -> None:
    file = io.BytesIO()
    Image.fromarray(255 - INK).save(file, "JPEG", quality=30)
    np.testing.assert_array_equal(PROCESSOR.draw(file.getvalue()), REFERENCE)


@pytest.mark.parametrize("pen", [2, 4, 5, 6])
def test_a_square_pen_is_exchanged_for_the_protocols(pen: int) -> None:
    line = np.pad(ndimage.minimum_filter(INK, size=3), pen)
    drawn = PROCESSOR.draw(ndimage.maximum_filter(line, size=pen))
    assert drawn.shape == pytest.approx(REFERENCE.shape, abs=1)
    assert _overlap(drawn, REFERENCE) > 0.97


def test_ink_that_only_its_symbols_tell_the_size_of_comes_out_as_large() -> None:
    traces = [trace * 3 + 20 for trace in _traces()]
    drawn = PROCESSOR.draw(draw(traces, 600, 200, stroke_width=4))
    assert drawn.shape == pytest.approx(REFERENCE.shape, rel=0.1)


def test_large_pictures_are_capped() -> None:
    row = np.tile(INK, (1, 20))
    height, width = PROCESSOR.draw(row).shape
    assert width == 1056
    assert height / width == pytest.approx(row.shape[0] / row.shape[1], rel=0.05)


@pytest.mark.parametrize("size", range(1, 8))
def test_squares_in_the_ink_are_those_of_morphology(size: int) -> None:
    rng = np.random.default_rng(size)
    blots = ndimage.binary_dilation(rng.random((31, 45)) < 0.03, np.ones((5, 6)))
    for strokes in (blots, np.pad(blots[5:9], 0), np.ones((3, 40), dtype=bool)):
        square = np.ones((size, size))
        eroded = ndimage.binary_erosion(strokes, square, origin=-(size // 2))
        found = squares_within(strokes, size)
        assert found.shape == tuple(max(side - size + 1, 0) for side in strokes.shape)
        assert found.sum() == eroded.sum()
        np.testing.assert_array_equal(found, eroded[: found.shape[0], : found.shape[1]])
        share = ndimage.binary_opening(strokes, square)[strokes].mean()
        assert square_coverage(strokes, size) == pytest.approx(share)


def test_quantiles_of_widths_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 10, 101, 5000):
        widths = rng.integers(1, 9, count)
        for share in (0.0, 0.1, 0.25, 0.5, 0.9, 1.0):
            expected = np.quantile(widths, share)
            assert width_quantile(widths, share) == pytest.approx(expected, abs=1e-12)


def test_runs_end_with_their_row() -> None:
    strokes = np.array([[1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1]], dtype=bool)
    assert run_lengths(strokes).tolist() == [2, 1, 1, 2, 4]
    assert runs(strokes).tolist() == [[2, 2, 0, 1], [1, 0, 2, 2], [4, 4, 4, 4]]
    assert run_lengths(~strokes).tolist() == [1, 1]
    assert run_lengths(np.zeros((2, 3), dtype=bool)).tolist() == []


def test_measures_are_exact_for_the_protocols_pen() -> None:
    strokes = INK > 127
    assert 3 <= stroke_width(strokes) <= 4
    heights = [np.ptp(trace[:, 1]) for trace in _traces()]
    bars = [height for height in heights if height >= 0.1 * max(heights)]
    # The plus and the x are one component each, the two strokes of = are too level to count.
    labels, _ = ndimage.label(strokes, EIGHT)
    assert symbol_height(labels, 3.0) == pytest.approx(float(np.mean(bars)), rel=0.3)


# --- every kind of input ------------------------------------------------------------------


def _transparent(ink: int) -> Image.Image:
    picture = Image.new("RGBA", (INK.shape[1], INK.shape[0]), (ink, ink, ink, 0))
    picture.putalpha(Image.fromarray(INK))
    return picture


def _card(ink: int) -> Image.Image:
    """A sheet with ink on it that takes a fifth of an else transparent picture."""
    sheet = np.abs(np.int32(255 - ink) - INK).astype(np.uint8) if ink else 255 - INK
    height, width = sheet.shape
    picture = Image.new("RGBA", (2 * width, 3 * height))
    picture.paste(Image.fromarray(sheet).convert("RGBA"), (width // 2, height))
    return picture


def _haloed(ink: int) -> Image.Image:
    """Strokes with a narrow edge of paper around them, on nothing."""
    picture = Image.fromarray(INK if ink else 255 - INK).convert("RGBA")
    around = ndimage.binary_dilation(INK > 127, iterations=2)
    picture.putalpha(Image.fromarray((255 * around).astype(np.uint8)))
    return picture


def _two_coloured() -> Image.Image:
    """Strokes half black, half of a light ochre, on nothing."""
    half = np.arange(INK.shape[1]) > INK.shape[1] / 2
    colours = np.where(half[None, :, None], np.array([190, 190, 90]), 0)
    colours = np.broadcast_to(colours, (*INK.shape, 3))
    return Image.fromarray(np.dstack([colours, INK]).astype(np.uint8), "RGBA")


def _rotated() -> Image.Image:
    file = io.BytesIO()
    turned = Image.fromarray(255 - INK).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me clockwise"
    turned.save(file, "PNG", exif=exif)
    return Image.open(io.BytesIO(file.getvalue()))


KINDS = {
    "L": lambda: Image.fromarray(INK),
    "1": lambda: Image.fromarray(INK).convert("1", dither=Image.Dither.NONE),
    "P": lambda: Image.fromarray(255 - INK).convert("RGB").quantize(2),
    "RGB": lambda: Image.fromarray(255 - INK).convert("RGB"),
    "CMYK": lambda: Image.fromarray(255 - INK).convert("CMYK"),
    "LA": lambda: Image.fromarray(255 - INK).convert("LA"),
    "I;16": lambda: Image.fromarray((255 - INK).astype(np.uint16) * 257),
    "I": lambda: Image.fromarray((255 - INK).astype(np.int32)),
    "F": lambda: Image.fromarray((255 - INK).astype(np.float32) / 255),
    "black on nothing": lambda: _transparent(0),
    "white on nothing": lambda: _transparent(255),
    "white card on nothing": lambda: _card(0),
    "black card on nothing": lambda: _card(255),
    "black with a white edge on nothing": lambda: _haloed(0),
    "white with a black edge on nothing": lambda: _haloed(255),
    "turned by EXIF": _rotated,
    "array": lambda: INK,
    "array of bool": lambda: INK > 0,
    "array of floats": lambda: INK.astype(np.float64) / 255,
    "array of floats to 255": lambda: INK.astype(np.float32),
    "array of uint16": lambda: INK.astype(np.uint16) * 257,
    "normalised array": lambda: INK / 127.5 - 1,
    "(h, w, 1)": lambda: INK[:, :, None],
    "(1, h, w)": lambda: INK[None],
    "(h, w, 3)": lambda: np.repeat(INK[:, :, None], 3, axis=2),
    "(3, h, w)": lambda: np.repeat(INK[None], 3, axis=0),
    "(h, w, 4)": lambda: np.asarray(_transparent(0)),
    "tensor": lambda: torch.from_numpy(INK),
    "tensor of bfloat16": lambda: (torch.from_numpy(INK) / 255).bfloat16()[None],
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_pictures(kind: str) -> None:
    np.testing.assert_allclose(PROCESSOR.draw(KINDS[kind]()).astype(int), REFERENCE, atol=2)


def test_strokes_of_two_colours_are_not_taken_for_paper_with_ink() -> None:
    levels = grey_levels(_two_coloured(), 10**6)
    assert levels[0, 0] == 1, "strokes that are dark on the whole need white paper"
    assert levels[INK > 127].max() < 0.8


def test_files_bytes_and_base64(tmp_path: Path) -> None:
    path = tmp_path / "ink.png"
    Image.fromarray(255 - INK).save(path)
    content = path.read_bytes()
    data = "data:image/png;base64," + base64.b64encode(content).decode()
    with path.open("rb") as file:
        for source in (path, str(path), content, data, file):
            np.testing.assert_array_equal(PROCESSOR.draw(source), REFERENCE)


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "HEIF", "TIFF", "GIF"])
def test_formats_of_photos_and_scanners(kind: str, tmp_path: Path) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    lossless = {"HEIF": {"quality": -1}, "AVIF": {"quality": 100}}.get(kind, {})
    path = tmp_path / "picture"
    Image.fromarray(255 - INK).convert("RGB").save(path, kind, **lossless)
    drawn = PROCESSOR.draw(path)
    assert (np.abs(drawn.astype(int) - REFERENCE) > 60).mean() < 0.01


@pytest.mark.parametrize("kind", ["TIFF", "GIF"])
def test_the_first_page_is_read_and_the_others_are_spoken_of(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pages = [Image.fromarray(255 - INK), Image.new("L", (INK.shape[1], INK.shape[0]), 255)]
    path = tmp_path / "pages"
    pages[0].save(path, kind, save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(PROCESSOR.draw(path), REFERENCE)
    assert f"{path} has 2 pages or frames: the first one is read." in caplog.text


def test_a_heic_photo_names_the_package_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    path = tmp_path / "photo.heic"
    Image.fromarray(255 - INK).convert("RGB").save(path, "HEIF")
    PROCESSOR.draw(path)
    monkeypatch.delitem(Image.OPEN, "HEIF")
    for source in (path, path.read_bytes()):
        with pytest.raises(ValueError, match=r"pip install 'inktex\[heic\]'"):
            PROCESSOR.draw(source)


def test_batches_are_padded_right_and_below() -> None:
    narrow = render(_traces()[:3])
    batch = PROCESSOR([INK, narrow], return_tensors="pt")
    pixels, mask = batch["pixel_values"], batch["pixel_mask"]
    assert pixels.dtype == mask.dtype == torch.float32
    assert pixels.shape == (2, 1, *mask.shape[1:])
    assert not [side for side in mask.shape[1:] if side % 16]
    for i, picture in enumerate((INK, narrow)):
        alone = PROCESSOR.draw(picture)
        h, w = alone.shape
        assert mask[i].sum() == h * w
        assert mask[i, :h, :w].all()
        torch.testing.assert_close(pixels[i, 0, :h, :w], torch.from_numpy(alone / 255).float())
        assert pixels[i, 0].sum() == pytest.approx(alone.sum() / 255, rel=1e-5)
    stacked = PROCESSOR(np.stack([INK, INK])[:, None])
    assert stacked["pixel_values"].shape[0] == 2
    assert isinstance(stacked["pixel_values"], np.ndarray)


def test_settings_are_saved(tmp_path: Path) -> None:
    InktexImageProcessor(resolution=0.4, max_width=640).save_pretrained(tmp_path)
    loaded = InktexImageProcessor.from_pretrained(tmp_path)
    assert (loaded.resolution, loaded.max_width, loaded.symbol_height) == (0.4, 640, 28.0)


# --- what cannot be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((50, 80), np.uint8), "blank"),
        (np.full((50, 80, 3), 255, np.uint8), "blank"),
        (np.random.default_rng(0).normal(0.6, 0.02, (90, 80)).clip(0, 1), "blank"),
        (Image.new("RGBA", (40, 40)), "transparent"),
        (np.zeros((1, 1), np.uint8), "1x1"),
        (np.zeros((0, 5), np.uint8), "5x0"),
        (np.full((40, 40), np.nan), "NaN"),
        (np.zeros((40, 40), np.complex64), "complex64"),
        (np.zeros((2, 3, 4, 5, 6)), "shape"),
        (np.zeros((7, 40, 40)), "shape"),
        (np.broadcast_to(np.uint8(0), (50_000, 50_000)), "limit"),
        (b"no picture", "format"),
        ("nowhere.png", "nowhere.png"),
        (object(), "object"),
        ([], "empty"),
    ],
)
def test_what_is_wrong_is_said(picture: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PROCESSOR(picture)


def test_bombs_and_damaged_files_are_refused() -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    with pytest.raises(ValueError, match=r"exceeds|limit"):
        PROCESSOR(bomb.getvalue())
    noise = np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    with pytest.raises(ValueError, match="damaged"):
        PROCESSOR(file.getvalue()[:20_000])


def test_the_bad_picture_of_a_batch_is_named() -> None:
    with pytest.raises(ValueError, match=r"Picture 1 of 2: .*blank"):
        PROCESSOR([INK, np.zeros((30, 30))])
