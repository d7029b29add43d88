"""Pictures of ink: the published protocol, and ink that nobody should write."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inktex.data.crohme.files import locate
from inktex.ink.inkml import read_inkml
from inktex.ink.render import (
    MARGIN_AFTER,
    MARGIN_BEFORE,
    MAX_SIDE,
    STROKE_WIDTH,
    dilate,
    draw,
    place,
    published_scale,
    render,
)

MARGINS = MARGIN_BEFORE + MARGIN_AFTER


def trace(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, dtype=np.float32)


def test_scale_leaves_low_traces_out() -> None:
    tall, small = trace((0, 0), (0, 100)), trace((0, 0), (30, 11))
    tenth = trace((0, 0), (30, 10))
    assert published_scale([tall]) == pytest.approx(28 / 100)
    assert published_scale([tall, tenth]) == pytest.approx(28 / 100)
    assert published_scale([tall, small]) == pytest.approx(28 / 55)  # of 55.5, cut to whole units


def test_scale_of_fractional_units_is_not_cut() -> None:
    traces = [trace((0.5, 0), (0.5, 100)), trace((0, 0), (30, 11))]
    assert published_scale(traces) == pytest.approx(28 / 55.5)


def test_scale_of_level_ink() -> None:
    assert published_scale([trace((0, 5), (56, 5))]) == pytest.approx(0.5)
    assert published_scale([trace((3, 5))]) == 1.0


def test_margins_and_pen() -> None:
    picture = render([trace((0, 0), (10, 28))])
    assert picture.shape == (28 + STROKE_WIDTH + MARGINS, 10 + STROKE_WIDTH + MARGINS)
    assert set(np.unique(picture)) == {0, 255}
    rows, columns = np.nonzero(picture)
    assert (rows.min(), columns.min()) == (MARGIN_BEFORE, MARGIN_BEFORE)
    assert picture.shape[0] - 1 - rows.max() == MARGIN_AFTER
    assert picture.shape[1] - 1 - columns.max() == MARGIN_AFTER


def test_dot_is_three_by_three() -> None:
    picture = render([trace((7, 7))])
    assert picture.shape == (STROKE_WIDTH + MARGINS, STROKE_WIDTH + MARGINS)
    assert (picture[12:15, 12:15] == 255).all()
    assert picture.sum() == 9 * 255


def test_coordinates_are_cut_before_they_are_moved() -> None:
    # At scale 0.5 the points 1 and 4 fall on pixels 0 and 2, the points 2 and 5 on 1 and 2.
    near, _, _ = place([trace((1, 0), (4, 0))], scale=0.5)
    far, _, _ = place([trace((2, 0), (5, 0))], scale=0.5)
    assert np.ptp(near[0][:, 0]) == 2
    assert np.ptp(far[0][:, 0]) == 1


def test_place_keeps_empty_traces_and_their_order() -> None:
    empty = np.empty((0, 2), dtype=np.float32)
    placed, _, _ = place([trace((0, 0), (5, 9)), empty, trace((2, 2))])
    assert [len(one) for one in placed] == [2, 0, 1]


@pytest.mark.parametrize("pen", [1, 2, 3, 5])
def test_dilate_makes_a_square(pen: int) -> None:
    picture = np.zeros((11, 11), dtype=np.uint8)
    picture[5, 5] = 255
    wide = dilate(picture, pen)
    rows, columns = np.nonzero(wide)
    assert np.ptp(rows) == np.ptp(columns) == pen - 1
    assert (wide > 0).sum() == pen * pen


def test_draw_clips_at_the_edge() -> None:
    assert draw([trace((-5, 2), (20, 2))], width=8, height=5).shape == (5, 8)


def test_no_ink() -> None:
    with pytest.raises(ValueError, match="no points"):
        render([])
    with pytest.raises(ValueError, match="no points"):
        published_scale([np.empty((0, 2), dtype=np.float32)])


def test_not_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        render([trace((0, 0), (float("nan"), 1))])


def test_too_large() -> None:
    with pytest.raises(ValueError, match=str(MAX_SIDE)):
        render([trace((0, 0), (1e6, 10))])


@pytest.mark.parametrize(
    "points",
    [
        [(1e9, 1e9), (1e9 + 640, 1e9 + 640)],
        [(0, 0), (1e-40, 1e-42)],
        [(1e-45, 0), (0, 0)],
        [(-1e9, -1e9)],
        [(0.1, 0.2), (0.3, 0.9)],
    ],
)
def test_odd_units(points: list[tuple[float, float]]) -> None:
    picture = render([trace(*points)])
    assert max(picture.shape) <= MAX_SIDE
    assert picture.any()


@pytest.mark.parametrize("year", ["2014", "2016"])
def test_official_pictures(crohme: Path, year: str) -> None:
    archive_path = crohme / f"offline_{year}.zip"
    if not archive_path.is_file():
        pytest.skip(f"needs the official pictures: {archive_path}")
    near, overlaps = [], []
    with zipfile.ZipFile(archive_path) as archive:
        pictures = {Path(name).stem: name for name in archive.namelist() if name.endswith(".bmp")}
        for entry in locate(crohme, year, "test"):
            if entry.id not in pictures:
                continue
            ours = render(read_inkml(entry.content).traces) > 0
            with Image.open(io.BytesIO(archive.read(pictures[entry.id]))) as picture:
                theirs = np.asarray(picture.convert("L")) > 127
            difference = np.abs(np.subtract(ours.shape, theirs.shape)) / theirs.shape
            near.append(difference.max() <= 0.02)
            if ours.shape == theirs.shape:
                overlaps.append((ours & theirs).sum() / (ours | theirs).sum())
            else:
                overlaps.append(0.0)
    assert np.mean(near) >= 0.999
    assert np.median(overlaps) == 1.0
    assert np.mean(np.array(overlaps) > 0.98) >= 0.99
