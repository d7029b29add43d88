"""Photos of sheets come out as the ink that is on them; what is no formula is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from negatives import KINDS, negatives
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from scipy import ndimage

from inktex.cli.preprocessing import preprocessing_sheet
from inktex.ink.render import dilate, render
from inktex.modeling import grey_levels_inktex, normalization_inktex
from inktex.modeling.binarization_inktex import photo_ink
from inktex.modeling.grey_levels_inktex import on_paper, reduced_levels
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.measurement_inktex import resize
from inktex.modeling.ruling_inktex import remove_ruling
from inktex.modeling.stroke_restoration_inktex import centre_lines, widen
from inktex.modeling.stroke_width_inktex import (
    THINNEST,
    square_pen_width,
    subpixel_stroke_width,
)

PROCESSOR = InktexImageProcessor()


def _formula(*others: Any, scale: float = 1.0) -> NDArray[np.uint8]:
    """`x - 1 = o`, more or less, and other strokes, white on black as published."""
    angle = np.linspace(0, 2 * np.pi, 24)
    strokes: list[Any] = [
        [(0, 6), (18, 36)],
        [(18, 5), (1, 37)],
        [(30, 20), (50, 19)],
        [(62, 8), (70, 2), (70, 36)],
        [(84, 14), (106, 13)],
        [(84, 24), (107, 25)],
        np.stack([130 + 12 * np.cos(angle), 20 + 17 * np.sin(angle)], axis=1),
        *others,
    ]
    return render([scale * np.array(stroke, dtype=np.float32) for stroke in strokes])


INK = _formula()
REFERENCE = PROCESSOR.draw(INK)
OVERLINED = _formula([(0, -10), (144, -11)])


def _sheet(zoom: int = 3, paper: int = 60, ink: NDArray[np.uint8] = INK) -> Image.Image:
    """Dark grey ink on light grey paper, large as in a photo, not yet photographed."""
    large = Image.fromarray(ink).resize((ink.shape[1] * zoom, ink.shape[0] * zoom))
    share = np.asarray(ImageOps.expand(large, paper, 0), dtype=np.float32) / 255
    return Image.fromarray((215 - 150 * share).astype(np.uint8))


def _photographed(sheet: Image.Image, noise: float = 3.0) -> Image.Image:
    """Light from the left, blur and noise."""
    levels = np.asarray(sheet.filter(ImageFilter.GaussianBlur(1)), dtype=np.float32)
    light = np.linspace(1.0, 0.6, levels.shape[1])[None, :]
    grain = np.random.default_rng(0).normal(0, noise, levels.shape)
    return Image.fromarray((levels * light + grain).clip(0, 255).astype(np.uint8))


def _agrees(drawn: NDArray[Any], reference: NDArray[Any] = REFERENCE) -> bool:
    """Whether a picture shows the formula and nothing else, give or take a pixel and a half."""
    size = reference.shape[1], reference.shape[0]
    first, second = (np.asarray(Image.fromarray(p).resize(size)) > 90 for p in (drawn, reference))
    near = [ndimage.binary_dilation(one, np.ones((3, 3))) for one in (first, second)]
    hits = [(first & near[1]).sum() / first.sum(), (second & near[0]).sum() / second.sum()]
    return bool(min(hits) > 0.85)


def test_a_clean_picture_agrees_and_another_does_not() -> None:
    assert _agrees(PROCESSOR.draw(_photographed(_sheet())))
    assert not _agrees(PROCESSOR.draw(INK[:, : INK.shape[1] // 2]))


@pytest.mark.parametrize("lines", ["ruled", "squared", "turned"])
@pytest.mark.parametrize("is_photo", [True, False])
def test_ruled_lines_go_and_strokes_stay(lines: str, is_photo: bool) -> None:
    sheet = _sheet(paper=70)
    pencil = ImageDraw.Draw(sheet)
    drop = 12 if lines == "turned" else 0
    for y in range(-20, sheet.height + 20, 37):
        pencil.line((0, y, sheet.width, y + drop), fill=90, width=2)
    if lines == "squared":
        for x in range(5, sheet.width, 37):
            pencil.line((x, 0, x, sheet.height), fill=90, width=2)
    picture = _photographed(sheet, 2.0) if is_photo else sheet
    placed = PROCESSOR.normalize_picture(picture)
    # Thin lines in a photo may be too faint to be taken for ink in the first place.
    assert is_photo or any("ruled lines removed" in note for note in placed.reasons)
    assert _agrees(placed.picture)


def test_a_fraction_bar_is_no_ruled_line() -> None:
    ink = np.zeros((80, 300), dtype=bool)
    ink[38:41] = True  # from edge to edge, but alone
    ink[10:30, 140:144] = ink[50:70, 140:144] = True
    kept, count, slope = remove_ruling(ink)
    assert (count, slope) == (0, 0.0)
    assert kept is ink


def test_a_table_around_the_sheet_is_cut_off() -> None:
    sheet = _sheet()
    turned = sheet.convert("L").rotate(2, expand=True, fillcolor=25)
    placed = PROCESSOR.normalize_picture(_photographed(turned))
    assert "surroundings of the sheet cut off" in placed.reasons
    height, width = placed.picture.shape
    assert width / height == pytest.approx(REFERENCE.shape[1] / REFERENCE.shape[0], rel=0.2)


def test_the_fingers_of_a_shadow_are_no_ink() -> None:
    sheet = _sheet()
    shadow = Image.new("L", sheet.size, 255)
    pencil = ImageDraw.Draw(shadow)
    for y in (25, 225):  # above and below the formula, as wide as a few strokes
        pencil.rectangle((60, y, 330, y + 24), fill=150)
    dim = np.asarray(shadow.filter(ImageFilter.GaussianBlur(7)), dtype=np.float32) / 255
    dimmed = Image.fromarray((np.asarray(sheet, dtype=np.float32) * dim).astype(np.uint8))
    assert _agrees(PROCESSOR.draw(_photographed(dimmed)))


def _shape(drawn: NDArray[Any]) -> tuple[int, int]:
    """Pieces of ink, and holes in it."""
    ink = np.pad(drawn > 100, 1)
    return ndimage.label(ink, np.ones((3, 3)))[1], ndimage.label(~ink)[1] - 1


def _written(pen: int, zoom: float = 1.0) -> NDArray[np.uint8]:
    """The formula with another pen, in pixels at the published size."""
    line = ndimage.minimum_filter(INK, size=3)
    wide = Image.fromarray(ndimage.maximum_filter(np.pad(line, pen), size=pen))
    size = round(wide.width * zoom), round(wide.height * zoom)
    return np.asarray(wide.resize(size, Image.Resampling.BICUBIC))


@pytest.mark.parametrize("pen", [5, 6, 7, 8])
def test_wide_strokes_come_out_as_narrow_ones(pen: int) -> None:
    placed = PROCESSOR.normalize_picture(_written(pen))
    strokes = f"strokes {pen}.0 pixels wide, redrawn narrower, 3 pixels at the published size"
    assert strokes in placed.reasons
    assert _agrees(placed.picture)
    assert pen == 8 or _shape(placed.picture) == _shape(REFERENCE)  # there the = runs together
    assert placed.picture.shape == pytest.approx(REFERENCE.shape, abs=2)  # as large as it was


@pytest.mark.parametrize("pen", [6, 7])
@pytest.mark.parametrize("zoom", [2.5, 4.0])
def test_felt_pens_write_at_any_resolution(pen: int, zoom: float) -> None:
    placed = PROCESSOR.normalize_picture(_written(pen, zoom))
    assert any("redrawn" in note for note in placed.reasons)
    assert _agrees(placed.picture)
    assert _shape(placed.picture) == _shape(REFERENCE)


@given(
    pen=st.integers(6, 9), overlap=st.integers(0, 4), length=st.integers(20, 60),
    turn=st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_centre_lines_of_a_wide_pen_draw_the_same_ink_again(
    pen: int, overlap: int, length: int, turn: int
) -> None:
    distance = pen - overlap
    lines = np.zeros((distance + 1, length), dtype=bool)
    lines[[0, -1]] = True
    ink = ndimage.binary_dilation(np.pad(np.rot90(lines, turn), pen), np.ones((pen, pen)))
    found = np.rot90(centre_lines(ink, pen), -turn)
    rows, columns = np.nonzero(found)
    found = found[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert found.shape == lines.shape
    assert found[lines].all()
    redrawn = ndimage.binary_dilation(np.pad(centre_lines(ink, pen), pen), np.ones((pen, pen)))
    assert (redrawn[pen:-pen, pen:-pen] == ink).all()  # where they ran together, nothing tells


def test_a_pen_is_no_wider_than_what_it_drew() -> None:
    """Where strokes run together, most of the ink is in wider runs than the pen."""
    lines = np.zeros((80, 120), dtype=bool)
    for column in range(20, 100, 7):
        lines[20:60, column] = True
    lines[20, 20:98] = True
    for pen in (5, 6):
        drawn = dilate(lines.astype(np.uint8) * 255, pen) > 0
        assert square_pen_width(drawn, pen + 1.0) == pen
        assert square_pen_width(drawn, float(pen)) == pen
    assert square_pen_width(lines, 3.0) == 3, "no square drew this"


def test_the_dots_of_a_wide_pen_stay_filled() -> None:
    dot = np.pad(np.ones((10, 9), dtype=bool), 4)
    assert ndimage.label(~widen(centre_lines(dot, 7), 3).astype(bool))[1] <= 1
    assert centre_lines(dot, 7).sum() == 4 * 3


@pytest.mark.parametrize("resampling", [Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("factor", [0.5, 0.75, 1.5, 3.0])
def test_levels_tell_the_pen_to_a_part_of_a_pixel(
    factor: float, resampling: Image.Resampling
) -> None:
    small = Image.fromarray(OVERLINED)
    size = round(small.width * factor), round(small.height * factor)
    ink = np.asarray(small.resize(size, resampling), dtype=np.float32) / np.float32(255)
    assert subpixel_stroke_width(ink, THINNEST) == pytest.approx(3 * factor, rel=0.06)


@pytest.mark.parametrize(
    ("scale", "factor", "resampling"),
    [(1.5, 0.5, Image.Resampling.BICUBIC), (1.0, 2.0, Image.Resampling.NEAREST)],
)
def test_the_pen_tells_by_how_much_a_drawing_was_resized(
    scale: float, factor: float, resampling: Image.Resampling
) -> None:
    """Tall ones of half the size have the height that is wanted, doubled pixels a felt pen."""
    drawn = Image.fromarray(_formula(scale=scale))
    size = round(drawn.width * factor), round(drawn.height * factor)
    placed = PROCESSOR.normalize_picture(drawn.resize(size, resampling))
    assert placed.scale[0] == pytest.approx(PROCESSOR.resolution / factor, rel=0.04)


def test_small_marks_far_apart_are_not_enlarged_beyond_measure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []

    def watched(picture: NDArray[np.float32], scale: float, *others: Any) -> NDArray[np.float32]:
        sizes.append(picture.size * scale**2)
        return resize(picture, scale, *others)

    monkeypatch.setattr(normalization_inktex, "resize", watched)
    tiny = Image.fromarray(INK).resize((INK.shape[1] // 3, INK.shape[0] // 3))
    sheet = Image.new("L", (1400, 1400))
    for corner in ((0, 0), (1300, 1350)):
        sheet.paste(tiny, corner)
    PROCESSOR.normalize_picture(sheet)
    assert max(sizes) <= 1.01 * normalization_inktex.MAX_PIXELS


@pytest.mark.parametrize("degrees", [-16, -12, 12, 16])
def test_a_drawing_far_from_level_is_turned(degrees: int) -> None:
    turned = Image.fromarray(OVERLINED).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    placed = PROCESSOR.normalize_picture(turned)
    assert placed.skew_angle == pytest.approx(-degrees, abs=2.5)  # its bars are not quite level
    assert any("rotated by" in note for note in placed.reasons)
    assert _agrees(placed.picture, PROCESSOR.draw(OVERLINED))
    # What is ink in the given picture is in the frame.
    height, width = placed.picture.shape
    left, top, right, bottom = placed.to_source((0, 0, width, height))
    rows, columns = np.nonzero(np.asarray(turned) > 127)
    assert left <= columns.min()
    assert right >= columns.max()
    assert top <= rows.min()
    assert bottom >= rows.max()
    # A point is a box without a size, and goes back to where it came from.
    points = np.array([[0.0, 0.0], [width, 0.0], [width / 3, height]])
    there = np.array([placed.to_source((x, y, x, y))[:2] for x, y in points.tolist()])
    np.testing.assert_allclose(placed.from_source(there), points, atol=1e-6)


def test_places_in_a_turned_picture_are_where_they_were() -> None:
    turned = Image.fromarray(OVERLINED).rotate(13, expand=True)
    ink = np.asarray(turned) > 127
    placed = PROCESSOR.normalize_picture(turned)
    y, x = np.argwhere(ink)[np.argmin(np.argwhere(ink)[:, 0])]  # the right end of the line above
    assert placed.skew_angle
    drawn = np.argwhere(placed.picture > 100)
    end = drawn[(drawn[:, 1] - drawn[:, 0]).argmax()]
    left, up, right, down = placed.to_source((end[1], end[0], end[1] + 1, end[0] + 1))
    assert (left + right) / 2 == pytest.approx(x, abs=4)
    assert (up + down) / 2 == pytest.approx(y, abs=4)


@given(degrees=st.floats(-6, 6))
@settings(max_examples=20, deadline=None)
def test_hands_that_write_uphill_are_left_alone(degrees: float) -> None:
    turned = Image.fromarray(OVERLINED).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    assert PROCESSOR.normalize_picture(turned).skew_angle == 0


@pytest.mark.parametrize("degrees", [-7, 8])
def test_a_sheet_held_askew_is_turned(degrees: int) -> None:
    sheet = _sheet(ink=OVERLINED).rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=215
    )
    placed = PROCESSOR.normalize_picture(_photographed(sheet, 2.0))
    assert placed.skew_angle == pytest.approx(-degrees, abs=2.5)
    assert _agrees(placed.picture, PROCESSOR.draw(OVERLINED))


@pytest.mark.parametrize("degrees", [-5, 3])
def test_ruled_lines_tell_how_a_sheet_was_held(degrees: int) -> None:
    sheet = _sheet(paper=120)
    pencil = ImageDraw.Draw(sheet)
    for y in range(-20, sheet.height + 20, 37):
        pencil.line((0, y, sheet.width, y), fill=90, width=2)
    turned = sheet.rotate(degrees, Image.Resampling.BICUBIC).crop(
        (50, 50, sheet.width - 50, sheet.height - 50)
    )
    placed = PROCESSOR.normalize_picture(turned)
    assert placed.skew_angle == pytest.approx(-degrees, abs=0.4)
    assert (
        f"rotated by {placed.skew_angle:.1f} degrees counterclockwise, by the ruled lines"
        in placed.reasons
    )
    assert _agrees(placed.picture)


def test_a_level_sheet_is_not_turned() -> None:
    for picture in (INK, _photographed(_sheet())):
        assert PROCESSOR.normalize_picture(picture).skew_angle == 0


def test_faint_flat_marks_are_no_ink() -> None:
    sheet = _sheet()
    pencil = ImageDraw.Draw(sheet)
    for box in ((90, 30, 150, 38), (300, 220, 330, 227)):  # as edges of shadows come out
        pencil.rectangle(box, fill=127)
    placed = PROCESSOR.normalize_picture(_photographed(sheet, 2.0))
    assert "2 faint marks removed" in placed.reasons
    assert _agrees(placed.picture)


def test_fingers_of_a_shadow_across_strokes_are_no_ink() -> None:
    """Strokes hang together with them, and in the corner that is darkest ink is as faint."""
    sheet = _sheet()
    light = np.ones((sheet.height, sheet.width), dtype=np.float32)
    for y in (105, 140, 175):
        light[y : y + 14, : sheet.width // 2] = 0.7
    light = ndimage.gaussian_filter(light, 2)
    shaded = Image.fromarray((np.asarray(sheet) * light).astype(np.uint8))
    assert _agrees(PROCESSOR.draw(_photographed(shaded, 2.0)))


def test_the_line_above_is_no_part_of_the_formula() -> None:
    sheet = _sheet()
    ImageDraw.Draw(sheet).line((100, 0, 103, 9, 180, 2), fill=60, width=8)
    assert _agrees(PROCESSOR.draw(_photographed(sheet)))


def test_dirt_goes_and_few_dots_stay() -> None:
    rng = np.random.default_rng(1)
    dots = Image.fromarray(np.asarray(_sheet()))
    pencil = ImageDraw.Draw(dots)
    pencil.ellipse((420, 150, 431, 161), fill=60)
    clean = photo_ink(np.asarray(_photographed(dots), dtype=np.float32) / np.float32(255))
    assert clean.ink[150:162, 420:432].any()
    for x, y in rng.integers(10, (dots.width - 10, dots.height - 10), (60, 2)).tolist():
        pencil.ellipse((x, y, x + 4, y + 4), fill=60)
    dirty = photo_ink(np.asarray(_photographed(dots), dtype=np.float32) / np.float32(255))
    assert any("specks removed" in note for note in dirty.reasons)
    assert dirty.ink.sum() < 1.1 * clean.ink.sum()


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ("yellow", "white"),
        ("red", "white"),
        ("#88aaff", "white"),
        ("blue", "black"),
        ("#202020", "#f0e0b0"),
    ],
)
def test_ink_of_any_colour_is_seen(ink: str, paper: str) -> None:
    coloured = Image.new("RGB", (INK.shape[1], INK.shape[0]), paper)
    coloured.paste(ink, mask=Image.fromarray(INK))
    np.testing.assert_allclose(PROCESSOR.draw(coloured).astype(int), REFERENCE, atol=2)


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


def test_large_pictures_are_reduced_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grey_levels_inktex, "ENOUGH", 40_000)
    picture = _photographed(_sheet(4)).convert("RGB")
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


def test_large_jpegs_are_decoded_to_a_smaller_size() -> None:
    picture = _photographed(_sheet(4)).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    for number in (2, 3, 4):
        most = picture.width * picture.height // number**2
        drafted, step = reduced_levels(file.getvalue(), 10**8, most)
        plain, again = reduced_levels(Image.open(io.BytesIO(file.getvalue())), 10**8, most)
        assert step == again == number
        high, wide = plain.shape[:2]
        assert np.abs(drafted[:high, :wide] - plain).mean() < 0.02


def test_boxes_of_a_reduced_picture_are_in_the_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.fromarray(255 - INK).resize((INK.shape[1] * 5, INK.shape[0] * 5))
    whole = PROCESSOR.normalize_picture(picture)
    plain = reduced_levels(picture, 10**8)[1]
    monkeypatch.setattr(
        normalization_inktex, "reduced_levels", lambda p, most: reduced_levels(p, most, 60_000)
    )
    reduced = PROCESSOR.normalize_picture(picture)
    assert plain == 1
    for first, second in zip(
        *(p.to_source((0, 0, *p.picture.shape[::-1])) for p in (whole, reduced)), strict=True
    ):
        assert first == pytest.approx(second, abs=0.04 * picture.width)


# --- no formula ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sheet", "ruled sheet", "noise", "page of print", "plot"])
def test_what_holds_no_formula_is_rejected(kind: str) -> None:
    for seed in range(3):
        picture = KINDS[kind](np.random.default_rng(seed))
        with pytest.raises(NoFormulaError, match=r"blank|No formula found"):
            PROCESSOR.draw(picture)


def test_negatives_are_the_same_for_every_count() -> None:
    few, many = (list(negatives(count, seed=3)) for count in (5, 21))
    assert [name for name, _ in many[:20]] == list(KINDS)
    for (_, first), (_, second) in zip(few, many, strict=False):
        assert first.tobytes() == second.tobytes()


def test_things_of_many_widths_are_no_strokes() -> None:
    """A tree: its crown is no stroke of the pen that drew its stem."""
    picture = Image.new("L", (240, 200), 255)
    pencil = ImageDraw.Draw(picture)
    for x, y in ((60, 60), (170, 90)):
        pencil.rectangle((x - 4, y, x + 4, y + 80), fill=0)
        pencil.ellipse((x - 34, y - 34, x + 34, y + 34), fill=0)
    with pytest.raises(NoFormulaError, match="many widths"):
        PROCESSOR.draw(picture)


@pytest.mark.parametrize(("stem", "is_read"), [(11, True), (24, False)])
def test_bold_stems_beside_thin_lines_are_strokes(stem: int, is_read: bool) -> None:
    """A bold T over a long thin bar: its stem is four times as wide as most of the ink."""
    picture = Image.new("L", (300, 120), 255)
    pencil = ImageDraw.Draw(picture)
    pencil.rectangle((20, 80, 279, 81), fill=0)
    for left in (60, 200):
        pencil.rectangle((left, 20, left + 40, 22), fill=0)
        pencil.rectangle((left + 20 - stem // 2, 20, left + 20 + stem // 2, 67), fill=0)
    if is_read:
        assert PROCESSOR.draw(picture).max() == 255
    else:
        with pytest.raises(NoFormulaError, match="many widths"):
            PROCESSOR.draw(picture)


def test_axes_of_a_chart_are_no_strokes() -> None:
    picture = Image.new("L", (300, 240), 255)
    pencil = ImageDraw.Draw(picture)
    pencil.line((20, 10, 20, 220, 290, 220), fill=0, width=2)
    pencil.line((30, 180, 90, 120, 150, 150, 210, 60, 270, 40), fill=0, width=2)
    with pytest.raises(NoFormulaError, match="straight"):
        PROCESSOR.draw(picture)


@pytest.mark.parametrize("side", [20, 40])
def test_a_chessboard_is_no_formula(side: int) -> None:
    board = np.indices((8, 10)).sum(axis=0) % 2 * np.uint8(220)
    with pytest.raises(NoFormulaError, match="straight"):
        PROCESSOR.draw(np.kron(board, np.ones((side, side), dtype=np.uint8)))


@pytest.mark.parametrize("pen", [2, 4, 6, 8])
def test_filled_loops_of_a_wide_pen_are_no_blots(pen: int) -> None:
    assert PROCESSOR.draw(_written(pen)).any()


def test_bars_and_equals_of_straight_sides_are_read() -> None:
    """As a mouse, or a typesetter, draws them."""
    picture = np.zeros((160, 260), dtype=np.uint8)
    picture[60:64, 120:240] = picture[96:100, 120:240] = 255  # =
    picture[10:150, 40:44] = 255  # |
    assert PROCESSOR.draw(picture).any()


@pytest.mark.parametrize("ink", ["-", "|", "."])
def test_single_strokes_are_no_texture(ink: str) -> None:
    picture = np.zeros((60, 60), dtype=np.uint8)
    picture[{"-": np.s_[28:31, 15:45], "|": np.s_[15:45, 28:31], ".": np.s_[28:32, 28:32]}[ink]] = (
        255
    )
    assert PROCESSOR.draw(picture).max() > 200


def test_the_error_of_a_batch_is_of_the_same_class() -> None:
    with pytest.raises(NoFormulaError, match="Picture 1 of 2"):
        PROCESSOR([INK, np.zeros((30, 30))])


# --- showing it ---------------------------------------------------------------------------


def test_what_was_done_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    _photographed(_sheet()).save(path)
    sheet = preprocessing_sheet(path, PROCESSOR)
    assert sheet.width == 900
    assert sheet.getcolors(10**6) is not None
    blank = preprocessing_sheet(Image.new("L", (50, 50), 255), PROCESSOR)
    assert blank.height < sheet.height
    with pytest.raises(ValueError, match="Arrays"):
        preprocessing_sheet(INK, PROCESSOR)
