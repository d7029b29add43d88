"""Boxes of symbols, from attention that is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inktex.symbol_boxes import inked, symbol_boxes


def attention(*cells: tuple[int, int]) -> NDArray[np.float32]:
    """One look at each of some cells of a grid of 4 x 8."""
    grid = np.full((len(cells), 4, 8), 1e-4, dtype=np.float32)
    for number, (row, column) in enumerate(cells):
        grid[number, row, column] = 1.0
    return grid


def test_separate_strokes_belong_to_who_looks_at_them() -> None:
    picture = np.zeros((32, 64), dtype=np.uint8)
    picture[8:20, 4:12] = 255
    picture[6:10, 40:60] = 255
    boxes = symbol_boxes(picture, attention((1, 1), (0, 6)), 8)
    assert boxes == [(4, 8, 12, 20), (40, 6, 60, 10)]


def test_ink_that_touches_is_parted_where_the_looks_part() -> None:
    picture = np.zeros((32, 64), dtype=np.uint8)
    picture[10:14, 4:60] = 255
    looks = attention((1, 1), (1, 6))
    looks[0, 1, :4] = looks[1, 1, 4:] = 0.25
    left, right = symbol_boxes(picture, looks, 8)
    assert left is not None
    assert right is not None
    assert left[0] == 4
    assert right[2] == 60
    assert left[2] == right[0] == pytest.approx(32, abs=2)


def test_who_looks_at_no_ink_has_no_box() -> None:
    picture = np.zeros((32, 64), dtype=np.uint8)
    assert symbol_boxes(picture, attention((1, 1)), 8) == [None]
    picture[0:8, 0:8] = 255
    assert symbol_boxes(picture, attention((0, 0), (3, 7)), 8) == [(0, 0, 8, 8), None]
    assert symbol_boxes(picture, attention(), 8) == []


def test_marks_of_structure_have_no_ink() -> None:
    tokens = r"\sqrt [ 3 ] { [ x ] ^ { 2 } }".split()
    marks = inked(tokens)
    found = [token for token, has_ink in zip(tokens, marks, strict=True) if has_ink]
    assert found == [r"\sqrt", "3", "[", "x", "]", "2"]
