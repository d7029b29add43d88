"""Several formulas in one picture: which ink is one of them, where it is, and what it says."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import inktex
from inktex.cli import main
from inktex.ink.render import published_scale, render
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.modeling.normalized_picture_inktex import Box
from inktex.recognizer import Recognizer
from inktex.regions import MAX_COMPONENTS, Groups, network, normalized, split
from inktex.synthesis.random_captions import written_expressions

GAP = 60


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return inktex.load(engine="onnx")


@pytest.fixture(scope="module")
def formulas() -> list[NDArray[np.uint8]]:
    return [render(one.traces) for one in written_expressions(5, seed=8)]


def page(rows: list[list[NDArray[np.uint8]]]) -> tuple[NDArray[np.uint8], list[Box]]:
    """Formulas in rows, ink 255 on paper 0, and the box of each one's ink."""
    ink = np.zeros((3000, 3000), dtype=np.uint8)
    boxes: list[Box] = []
    top = 20
    for row in rows:
        left = 30
        for one in row:
            height, width = one.shape
            ink[top : top + height, left : left + width] = one
            down, across = (np.flatnonzero(one.any(axis=axis)) for axis in (1, 0))
            own = (left + across[0], top + down[0], left + across[-1] + 1, top + down[-1] + 1)
            boxes.append((float(own[0]), float(own[1]), float(own[2]), float(own[3])))
            left += width + 5 * GAP
        top += max(one.shape[0] for one in row) + GAP
    bottom, right = (np.flatnonzero(ink.any(axis=axis))[-1] + 30 for axis in (1, 0))
    return ink[:bottom, :right], boxes


def test_formulas_are_found_and_read_row_by_row(
    recognizer: Recognizer, formulas: list[NDArray[np.uint8]]
) -> None:
    first, second, third, fourth, fifth = formulas
    ink, boxes = page([[first], [second, third], [fourth], [fifth]])
    readings = recognizer.read_regions(255 - ink)
    assert len(readings) == 5
    for reading, box in zip(readings, boxes, strict=True):
        assert reading.box == pytest.approx(box, abs=3)
        for symbol in reading.symbols:
            assert symbol.box is None or symbol.box[1] >= box[1] - 3
    alone = [recognizer(255 - one) for one in formulas]
    assert [one.tokens for one in readings] == [one.tokens for one in alone]


def test_a_formula_alone_is_one_region(
    recognizer: Recognizer, formulas: list[NDArray[np.uint8]]
) -> None:
    (reading,) = recognizer.read_regions(255 - formulas[0])
    alone = recognizer(255 - formulas[0])
    assert reading == alone
    assert reading.box is not None


def test_ink_may_hold_several_formulas(recognizer: Recognizer) -> None:
    one, other = (expression.traces for expression in written_expressions(2, seed=4))
    bottom = max(float(trace[:, 1].max()) for trace in one)
    top = min(float(trace[:, 1].min()) for trace in other)
    below = [trace + np.array([0, bottom - top + 2], dtype=np.float32) for trace in other]
    readings = recognizer.read_regions([*below, *one])
    assert [reading.tokens for reading in readings] == [
        recognizer(strokes).tokens for strokes in (one, other)
    ]
    # Boxes are in the units of the ink, a pen's width around it.
    boxes = [reading.box for reading in readings if reading.box is not None]
    for box, traces in zip(boxes, (one, below), strict=True):
        points, pen = np.concatenate(traces), 3 / published_scale(traces)
        around = [*points.min(axis=0) - pen / 2, *points.max(axis=0) + pen / 2]
        assert box == pytest.approx(around, abs=pen)


def test_a_page_may_be_skewed(recognizer: Recognizer, formulas: list[NDArray[np.uint8]]) -> None:
    ink, boxes = page([[one] for one in formulas])
    turned = Image.fromarray(255 - ink).rotate(4, Image.Resampling.BICUBIC, True, fillcolor=255)
    readings = recognizer.read_regions(turned)
    assert len(readings) == len(boxes)
    tops = [reading.box[1] for reading in readings if reading.box is not None]
    assert tops == sorted(tops)


def test_other_options_of_a_reading_count_as_well(
    recognizer: Recognizer, formulas: list[NDArray[np.uint8]]
) -> None:
    ink, _ = page([[one] for one in formulas[:2]])
    for reading in recognizer.read_regions(255 - ink, candidates=2, symbols=False):
        assert reading.symbols == ()
        assert any(reading.candidates)
    with pytest.raises(ValueError, match="preset"):
        recognizer.read_regions(255 - ink, preset="slow")  # type: ignore[arg-type]


def test_what_is_blank_or_a_texture_has_no_formulas(recognizer: Recognizer) -> None:
    with pytest.raises(NoFormulaError, match="blank"):
        recognizer.read_regions(np.full((100, 100), 255, np.uint8))
    texture = np.zeros((200, 400), dtype=bool)
    texture[::4, ::4] = True
    with pytest.raises(NoFormulaError, match=f"a page may have {MAX_COMPONENTS}"):
        split(texture)
    assert split(np.zeros((5, 5), dtype=bool)) == []


def test_groups_score_pairs_alike_either_way_and_at_any_size() -> None:
    boxes = np.array([[0, 0, 10, 12], [14, 2, 22, 11], [15, -8, 19, -2]], dtype=float)
    groups, larger = (Groups(normalized(one), network()) for one in (boxes, 7 * boxes))
    assert np.allclose(groups.scores, larger.scores)
    forth, back = (groups.features(*pair)[0] for pair in ((0, np.array([1])), (1, np.array([0]))))
    assert np.allclose(forth, back)
    assert (groups.scores[0, 1:] > 0).all()


def test_the_command_prints_a_line_for_each(
    formulas: list[NDArray[np.uint8]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ink, boxes = page([[one] for one in formulas[:3]])
    path, blank = tmp_path / "page.png", tmp_path / "blank.png"
    Image.fromarray(255 - ink).save(path)
    Image.new("L", (50, 50), 255).save(blank)
    assert main(["recognize", "--regions", str(path)]) == 0
    plain = capsys.readouterr().out.splitlines()
    assert main(["recognize", "--regions", "--json", str(path), str(blank)]) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["latex"] for one in records[:3]] == plain
    for record, box in zip(records, boxes, strict=False):
        assert record["box"] == pytest.approx(box, abs=3)
    assert "blank" in records[3]["error"]
