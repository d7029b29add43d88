"""The ink is found in pictures that the published protocol did not draw, and its place is known."""

from __future__ import annotations

import io
import itertools
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ink_cases import GREEN, MAGENTA, formula, green_processor
from negatives import KINDS, negatives
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from inktex.cli.preprocessing import preprocessing_sheet
from inktex.ink.render import draw, place
from inktex.ink_network_onnx import shipped_ink_extraction
from inktex.modeling import normalization_inktex
from inktex.modeling.grey_levels_inktex import colours, on_paper, reduced_levels
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.ink_extraction_inktex import OVERVIEW
from inktex.modeling.normalization_inktex import NormalizedPicture

Colour = tuple[int, int, int]
Points = NDArray[np.float64]


def _sheet(
    zoom: float = 1.0,
    pen: int = 3,
    ink: Colour = (0, 0, 0),
    paper: Colour = (255, 255, 255),
    turn: float = 0.0,
    is_shaded: bool = False,
) -> tuple[Image.Image, Points]:
    """A picture of the formula, and points of its strokes there, `(n, 2)`.

    Args:
        zoom: pixels for each pixel at the published scale.
        pen: width of the strokes, in pixels.
        turn: degrees, counterclockwise.
        is_shaded: whether it is darker towards the right.
    """
    placed, width, height = place(formula())
    width, height = round(width * zoom), round(height * zoom)
    traces = [trace * np.float32(zoom) for trace in placed]
    drawn = Image.fromarray(draw(traces, width, height, pen))
    turned = drawn.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    share = np.asarray(turned, dtype=np.float64)[..., None] / 255
    levels = np.array(paper) * (1 - share) + np.array(ink) * share
    if is_shaded:
        levels *= np.linspace(1, 0.6, turned.width)[:, None]
    along = np.linspace(0, 1, 12)[:, None]
    pairs = [pair for trace in traces for pair in itertools.pairwise(trace)]
    points = np.concatenate([start + (end - start) * along for start, end in pairs]) + 0.5
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    points = (points - np.array(drawn.size) / 2) @ rotation + np.array(turned.size) / 2
    return Image.fromarray(levels.round().astype(np.uint8)), points


def _shares(found: NormalizedPicture, points: Points) -> tuple[float, float]:
    """Share of a given picture's points where ink was found, and of the ink that is elsewhere."""
    height, width = found.picture.shape
    x, y = np.floor(found.from_source(points)).astype(int).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    ink, strokes = found.picture > 100, np.zeros((height, width), dtype=bool)
    strokes[y[inside], x[inside]] = True
    near = ndimage.binary_dilation(ink, np.ones((3, 3)))
    hits = near[y[inside], x[inside]].sum() / len(points)
    elsewhere = ink & ~ndimage.binary_dilation(strokes, np.ones((7, 7)))
    return float(hits), float(elsewhere.sum() / ink.sum())


# --- the shipped network --------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> InktexImageProcessor:
    extraction = shipped_ink_extraction()
    if extraction is None:
        pytest.skip("needs ink_extraction.safetensors in src/inktex/pretrained")
    return InktexImageProcessor(ink_extraction=extraction)


@pytest.mark.parametrize(
    "sheet",
    [
        {"pen": 6},
        {"pen": 1},
        {"zoom": 3.0, "pen": 9},
        {"zoom": 3.0, "pen": 4},
        {"zoom": 0.6, "pen": 2},
        {"zoom": 2.0, "pen": 6, "ink": (240, 240, 240), "paper": (20, 20, 20)},
        {"zoom": 2.0, "pen": 6, "ink": (255, 220, 0)},
        {"zoom": 2.0, "pen": 5, "ink": (60, 60, 70), "paper": (200, 200, 195), "is_shaded": True},
        {"zoom": 2.0, "pen": 5, "turn": 10.0},
        {"zoom": 2.0, "pen": 5, "turn": -10.0, "is_shaded": True},
    ],
)
def test_ink_of_all_kinds_is_found_where_it_is(
    shipped: InktexImageProcessor, sheet: dict[str, Any]
) -> None:
    picture, points = _sheet(**sheet)
    hits, elsewhere = _shares(shipped.normalize_picture(picture), points)
    assert hits > 0.8
    assert elsewhere < 0.2


def test_a_compressed_drawing_is_read(shipped: InktexImageProcessor) -> None:
    picture, points = _sheet()
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    hits, elsewhere = _shares(shipped.normalize_picture(file.getvalue()), points)
    assert hits > 0.8
    assert elsewhere < 0.2


@pytest.mark.parametrize("level", [0, 200, 255])
def test_there_is_no_ink_on_an_empty_sheet(shipped: InktexImageProcessor, level: int) -> None:
    with pytest.raises(NoFormulaError, match="no ink in the picture"):
        shipped.draw(Image.new("L", (200, 120), level))


# --- places, with a network that knows the answer -------------------------------------------


@pytest.mark.parametrize("turn", [0.0, 20.0, -90.0])
@pytest.mark.parametrize("form", ["as it is", "turned by EXIF", "reduced"])
def test_places_in_the_models_picture_are_places_in_the_given_one(
    form: str, turn: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, points = _sheet(4.0, 12, GREEN, MAGENTA, turn)
    overview = OVERVIEW / max(picture.size)
    source: Any = picture
    if form == "turned by EXIF":
        exif = Image.Exif()
        exif[0x0112] = 6  # "turn me clockwise"
        file = io.BytesIO()
        picture.rotate(90, expand=True).save(file, "PNG", exif=exif)
        source = file.getvalue()
    elif form == "reduced":
        enough = picture.width * picture.height // 2
        reduced = partial(reduced_levels, enough=enough)
        assert reduced(picture, 10**8)[1] == 2
        monkeypatch.setattr(normalization_inktex, "reduced_levels", reduced)
        overview = min(overview, 1 / 2)
    found = green_processor(4.0 * overview, turn).normalize_picture(source)
    assert found.skew_angle == pytest.approx(-turn)
    assert "ink found by the network, at 0.25 times the size of the picture" in found.reasons
    hits, elsewhere = _shares(found, points)
    assert hits > 0.99
    assert elsewhere == 0
    # The whole of the model's picture, as a box, has all the ink in it.
    height, width = found.picture.shape
    left, top, right, bottom = found.to_source((0, 0, width, height))
    assert (points > (left, top)).all()
    assert (points < (right, bottom)).all()
    # A point is a box without a size, and goes back to where it came from.
    corners = np.array([[0.0, 0.0], [width, 0.0], [width / 3, height]])
    there = np.array([found.to_source((x, y, x, y))[:2] for x, y in corners.tolist()])
    np.testing.assert_allclose(found.from_source(there), corners, atol=1e-6)


def test_boxes_of_strokes_are_around_them() -> None:
    picture, points = _sheet(4.0, 12, GREEN, MAGENTA)
    found = green_processor(4.0 * OVERVIEW / max(picture.size)).normalize_picture(picture)
    rows, columns = np.nonzero(found.picture > 127)
    low, high = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
    box = found.to_source((*map(float, low), *map(float, high)))  # type: ignore[arg-type]
    assert box == pytest.approx((*points.min(axis=0) - 6, *points.max(axis=0) + 6), abs=6)


@pytest.mark.parametrize("mark", [np.s_[28:31, 15:45], np.s_[15:45, 28:31], np.s_[28:32, 28:32]])
def test_single_strokes_are_read(mark: tuple[slice, slice]) -> None:
    picture = np.full((60, 60, 3), MAGENTA, dtype=np.uint8)
    picture[mark] = GREEN
    assert green_processor().draw(picture).max() > 200


# --- what the network is shown --------------------------------------------------------------


def test_large_pictures_are_reduced_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inktex.modeling.grey_levels_inktex.ENOUGH", 40_000)
    picture = _sheet(4.0, 5, is_shaded=True)[0]
    small, step = reduced_levels(picture, 10**8, 40_000)
    assert step > 1
    assert small.shape == (picture.height // step, picture.width // step, 4)
    levels = np.asarray(picture, dtype=np.float32)[:, :, 0] / 255
    high, wide = (side // step * step for side in levels.shape)
    blocks = levels[:high, :wide].reshape(high // step, step, wide // step, step).mean((1, 3))
    np.testing.assert_allclose(on_paper(small), blocks, atol=1e-3)
    from_array, again = reduced_levels(np.asarray(picture), 10**8, 40_000)
    assert again == step
    np.testing.assert_allclose(on_paper(from_array), on_paper(small), atol=1e-3)


def test_colours_are_shown_and_what_is_drawn_on_nothing_has_paper() -> None:
    picture = _sheet(pen=4, ink=(200, 30, 30))[0]
    levels = reduced_levels(picture, 10**6)[0]
    np.testing.assert_array_equal(colours(levels, on_paper(levels)), np.asarray(picture))
    picture.putalpha(Image.fromarray(255 - np.asarray(picture)[..., 1]))
    levels = reduced_levels(picture, 10**6)[0]
    shown = colours(levels, on_paper(levels))
    assert (shown[0, 0] == 255).all()
    assert (shown == shown[..., :1]).all()
    grey = np.asarray(picture.convert("L"))
    levels = reduced_levels(grey, 10**6)[0]
    np.testing.assert_array_equal(colours(levels, levels), np.repeat(grey[..., None], 3, axis=2))


def test_what_was_done_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    picture = _sheet(2.0, 6, GREEN, MAGENTA)[0]
    picture.save(path)
    processor = green_processor()
    sheet = preprocessing_sheet(path, processor)
    assert sheet.width == 900
    assert preprocessing_sheet(Image.new("L", (50, 50), 255), processor).height < sheet.height
    with pytest.raises(ValueError, match="Arrays"):
        preprocessing_sheet(np.asarray(picture), processor)


def test_negatives_are_the_same_for_every_count() -> None:
    few, many = (list(negatives(count, seed=3)) for count in (5, 11))
    assert [name for name, _ in many[:10]] == list(KINDS)
    for (_, first), (_, second) in zip(few, many, strict=False):
        assert first.tobytes() == second.tobytes()
