"""Pictures of all kinds are read; those that the published protocol drew are kept as they are."""

from __future__ import annotations

import base64
import copy
import io
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ink_cases import formula, green_processor
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from inktex.ink import Ink
from inktex.ink.render import (
    MARGIN_AFTER,
    MARGIN_BEFORE,
    MEAN_TRACE_HEIGHT,
    STROKE_WIDTH,
    draw,
    published_scale,
    render,
)
from inktex.inputs import prepare
from inktex.modeling.grey_levels_inktex import grey_levels
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.image_settings_inktex import RETIRED, SETTING_NAMES, ImageSettings
from inktex.modeling.ink_extraction_inktex import INK_EXTRACTION_FILE, InkExtraction
from inktex.modeling.published_ink_inktex import mean_symbol_height, square_coverage

SETTINGS = ImageSettings()
PROCESSOR = InktexImageProcessor()
"""Without a network: it reads published pictures alone."""

INK = render(formula())
"""White on black, by the protocol."""
REFERENCE = np.asarray(
    Image.fromarray(INK).resize(
        (math.ceil(INK.shape[1] * 0.55), math.ceil(INK.shape[0] * 0.55)), Image.Resampling.BILINEAR
    )
)


# --- published pictures are kept ----------------------------------------------------------


@pytest.mark.parametrize("is_dark", [False, True])
def test_published_pictures_are_merely_reduced(is_dark: bool) -> None:
    placed = PROCESSOR.normalize_picture(255 - INK if is_dark else INK)
    np.testing.assert_array_equal(placed.picture, REFERENCE)
    assert placed.reasons == ("drawn by the published protocol, kept as it is",)
    assert placed.ink is None


@pytest.mark.parametrize("factor", [0.6, 1.8])
def test_size_within_the_protocols_range_stays(factor: float) -> None:
    picture = render(formula(), scale=published_scale(formula()) * factor)
    np.testing.assert_array_equal(InktexImageProcessor(resolution=1.0).draw(picture), picture)


def test_margins_are_the_protocols() -> None:
    wide = np.pad(INK, ((30, 5), (0, 70)))
    placed = PROCESSOR.normalize_picture(wide)
    np.testing.assert_array_equal(placed.picture, REFERENCE)
    height, width = REFERENCE.shape
    assert placed.to_source((0, 0, width, height)) == (0, 30, INK.shape[1], 30 + INK.shape[0])
    corner = placed.from_source(np.array([[INK.shape[1], 30 + INK.shape[0]]]))
    np.testing.assert_allclose(corner, [[width, height]])
    rows, columns = np.nonzero(INK)
    tight = INK[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    np.testing.assert_array_equal(PROCESSOR.draw(tight), REFERENCE)


def test_the_network_is_not_asked_for_published_pictures() -> None:
    def asked(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        raise AssertionError

    processor = InktexImageProcessor(ink_extraction=InkExtraction({}, asked))
    np.testing.assert_array_equal(processor.draw(INK), REFERENCE)
    with pytest.raises(AssertionError):
        processor.draw(INK // 4)


@pytest.mark.parametrize(
    "picture",
    [
        draw([trace + 20 for trace in formula()], 220, 90, stroke_width=2),
        draw([trace + 20 for trace in formula()], 220, 90, stroke_width=4),
        draw([trace * 2.5 + 20 for trace in formula()], 500, 160),
        np.kron(INK, np.ones((2, 2), dtype=np.uint8)),
        INK // 4,
        Image.fromarray(INK).filter(ImageFilter.BoxBlur(1)),
        Image.new("L", (60, 40), 255),
    ],
    ids=["thin", "thick", "tall", "enlarged", "faint", "blurred", "blank"],
)
def test_other_pictures_need_a_network(picture: Any) -> None:
    with pytest.raises(ValueError, match=f"from_pretrained.*{INK_EXTRACTION_FILE}") as error:
        PROCESSOR.draw(picture)
    assert not isinstance(error.value, NoFormulaError)


def test_large_pictures_are_capped() -> None:
    row = np.tile(INK, (1, 20))
    height, width = PROCESSOR.draw(row).shape
    assert width == 1056
    assert height / width == pytest.approx(row.shape[0] / row.shape[1], rel=0.05)


@pytest.mark.parametrize("size", range(1, 8))
def test_squares_cover_what_morphology_says(size: int) -> None:
    rng = np.random.default_rng(size)
    blots = ndimage.binary_dilation(rng.random((31, 45)) < 0.03, np.ones((5, 6)))
    for strokes in (blots, blots[5:9], np.ones((3, 40), dtype=bool)):
        share = ndimage.binary_opening(strokes, np.ones((size, size)))[strokes].mean()
        assert square_coverage(strokes, size) == pytest.approx(share)


def test_height_is_that_of_symbols_and_not_of_dots() -> None:
    strokes = np.zeros((33, 40), dtype=bool)
    strokes[:, :3] = strokes[5:28, 10:13] = strokes[10:14, 20:40] = True
    assert mean_symbol_height(strokes, 3) == (30 + 20) / 2
    assert mean_symbol_height(strokes[10:14, 20:40], 3) == 20 - 3


# --- settings


def test_an_image_processor_of_0_1_loads(tmp_path: Path) -> None:
    """As 0.1 wrote it, with settings that nothing depends on now."""
    content = {
        "auto_map": {"AutoImageProcessor": "image_processing_inktex.InktexImageProcessor"},
        "height_tolerance": 1.6, "image_processor_type": "InktexImageProcessor", "margin_after": 5,
        "margin_before": 6, "max_height": 256, "max_pixels": 100000000, "max_width": 1056,
        "pad_multiple": 16, "photo_ink": "thresholds", "resolution": 0.8888888888888888,
        "stroke_range": [2.0, 4.5], "stroke_width": 3, "symbol_height": 28.0,
    }  # fmt: skip
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(content))
    (tmp_path / "thinner.safetensors").write_bytes(b"weights that nothing reads")
    loaded = InktexImageProcessor.from_pretrained(tmp_path)
    assert loaded.settings == ImageSettings(resolution=8 / 9, margin_before=6, margin_after=5)
    assert loaded.ink_extraction is None
    loaded.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert {name: written[name] for name in SETTING_NAMES} == {
        name: content[name] for name in SETTING_NAMES
    }
    assert not written.keys() & {*RETIRED, "ink_extraction", "settings"}


def test_settings_are_checked_where_they_are_declared() -> None:
    processor = InktexImageProcessor(resolution=0.5, margin_after=4)
    assert processor.resolution == processor.settings.resolution == 0.5
    processor.resolution = 0.6
    assert processor.settings == ImageSettings(resolution=0.6, margin_after=4)
    with pytest.raises(ValueError, match="resolution must be at least"):
        processor.resolution = 0
    with pytest.raises(ValueError, match="margin_after must be at least 0, not -1"):
        InktexImageProcessor(margin_after=-1)
    for unknown in ("thinness", *RETIRED):
        with pytest.raises(ValueError, match=f"no setting {unknown}"):
            processor(INK, **{unknown: 1})
    assert copy.deepcopy(processor).settings == pickle.loads(pickle.dumps(processor)).settings


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("thinner", "ink_extraction"),
        ("stroke_restoration", "ink_extraction"),
        ("place", "normalize_picture"),
    ],
)
def test_old_names_say_the_new_ones(name: str, new: str) -> None:
    with pytest.raises(AttributeError, match=f"{name} is called {new}"):
        getattr(PROCESSOR, name)
    with pytest.raises(AttributeError, match=f"{name} is called {new}"):
        InktexImageProcessor(**{name: None})


def test_defaults_are_those_of_the_published_protocol() -> None:
    assert (SETTINGS.symbol_height, SETTINGS.stroke_width) == (MEAN_TRACE_HEIGHT, STROKE_WIDTH)
    assert (SETTINGS.margin_before, SETTINGS.margin_after) == (MARGIN_BEFORE, MARGIN_AFTER)


def test_settings_and_the_network_are_saved(tmp_path: Path) -> None:
    extraction = InkExtraction({"ink.bias": np.arange(4, dtype=np.float32)})
    processor = InktexImageProcessor(resolution=0.4, max_width=640, ink_extraction=extraction)
    assert "ink_extraction" not in processor.to_dict()
    processor.save_pretrained(tmp_path)
    loaded = InktexImageProcessor.from_pretrained(tmp_path)
    assert (loaded.resolution, loaded.max_width, loaded.symbol_height) == (0.4, 640, 28.0)
    assert loaded.ink_extraction.checksum == extraction.checksum
    (tmp_path / INK_EXTRACTION_FILE).write_bytes(b"no weights")
    with pytest.raises(ValueError, match="is damaged"):
        InktexImageProcessor.from_pretrained(tmp_path)
    PROCESSOR.save_pretrained(tmp_path)
    assert InktexImageProcessor.from_pretrained(tmp_path).ink_extraction is None


# --- ink


def test_ink_is_drawn_as_published_and_not_measured() -> None:
    whole = InktexImageProcessor(resolution=1.0)
    placed = prepare([trace.tolist() for trace in formula()], whole)
    np.testing.assert_array_equal(placed.picture, INK)
    assert placed.to_source((0, 0, 1, 1)) == (0, 0, 1, 1)
    np.testing.assert_array_equal(prepare(Ink(formula()), PROCESSOR).picture, REFERENCE)
    small = InktexImageProcessor(
        resolution=1.0, symbol_height=14, margin_before=3, margin_after=2, max_width=40
    )
    placed = prepare(Ink(formula()), small)
    assert placed.picture.shape[1] == 40
    left, top, right, bottom = placed.to_source((0, 0, 40, placed.picture.shape[0]))
    half = render(formula(), scale=published_scale(formula()) / 2)
    assert (left, top) == (9, 9)
    assert (right, bottom) == pytest.approx((half.shape[1] - 9, half.shape[0] - 9))


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
    np.testing.assert_array_equal(PROCESSOR.draw(KINDS[kind]()), REFERENCE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_exif_comes_out_upright(orientation: int) -> None:
    upright = Image.fromarray(255 - INK)
    turns = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    for turn in turns.get(orientation, []):
        upright = upright.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    upright.save(file, "PNG", exif=exif)
    np.testing.assert_array_equal(PROCESSOR.draw(file.getvalue()), REFERENCE)


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
    np.testing.assert_allclose(grey_levels(path, 10**6), 1 - INK / 255, atol=0.1)


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
    grey_levels(path, 10**6)
    monkeypatch.delitem(Image.OPEN, "HEIF")
    for source in (path, path.read_bytes()):
        with pytest.raises(ValueError, match=r"pip install 'inktex\[heic\]'"):
            PROCESSOR.draw(source)


def test_batches_are_padded_right_and_below() -> None:
    narrow = render(formula()[:3])
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


# --- what cannot be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((50, 80), np.uint8), "no ink in the picture"),
        (np.full((50, 80, 3), 255, np.uint8), "no ink in the picture"),
        (Image.new("RGBA", (40, 40)), "transparent"),
    ],
)
def test_blank_pictures_have_no_formula(picture: Any, message: str) -> None:
    with pytest.raises(NoFormulaError, match=message) as error:
        green_processor()(picture)
    assert error.value.score is None


@pytest.mark.parametrize(
    ("picture", "message"),
    [
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


@pytest.mark.parametrize(
    ("bad", "kind"), [(np.zeros((30, 30)), NoFormulaError), (np.zeros((1, 1)), ValueError)]
)
def test_the_bad_picture_of_a_batch_is_named(bad: NDArray[Any], kind: type[Exception]) -> None:
    with pytest.raises(ValueError, match="Picture 1 of 2: ") as error:
        green_processor()([INK, bad])
    assert type(error.value) is kind
