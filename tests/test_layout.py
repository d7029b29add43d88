"""The typesetter: ink whose every symbol is where its caption says."""

from collections.abc import Sequence

import numpy as np
import pytest

from inktex.ink import Box, Expression
from inktex.synthesis.box import boxed
from inktex.synthesis.clearance import LEAST, Outline, dense, gap
from inktex.synthesis.layout import HABITS, PRINTED, lay_out
from inktex.synthesis.random_captions import random_caption, written_expressions
from inktex.synthesis.strokefont import glyphs
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import IDS, STRUCTURAL_TOKENS

NOWHERE = (float("nan"),) * 4


def written(caption: str) -> tuple[Expression, list[Box]]:
    """The expression, and each token's box: not a number for tokens without ink."""
    expression = lay_out(caption.split(), glyphs().__getitem__)
    boxes = [expression.symbols[i].box if i >= 0 else NOWHERE for i in expression.alignment]
    return expression, boxes


def test_a_row_goes_from_left_to_right() -> None:
    _, boxes = written("a + b = 4 x")
    lefts, rights = [box[0] for box in boxes], [box[2] for box in boxes]
    assert all(right < left for right, left in zip(rights, lefts[1:], strict=False))


def test_scripts_are_small_and_stand_where_they_belong() -> None:
    _, boxes = written("x _ { x } ^ { x }")
    base, below, above = boxes[0], boxes[3], boxes[7]
    assert below[3] - below[1] < 0.75 * (base[3] - base[1])
    assert above[3] - above[1] < 0.75 * (base[3] - base[1])
    assert base[2] < min(below[0], above[0])
    assert (above[1] + above[3]) / 2 < base[1] + 0.2
    assert (below[1] + below[3]) / 2 > base[3] - 0.2


def test_fractions_have_a_bar_between_their_parts() -> None:
    expression, boxes = written(r"\frac { a + b } { 2 }")
    bar, plus, two = boxes[0], boxes[3], boxes[7]
    assert plus[3] < bar[1] == bar[3] < two[1]
    assert bar[0] < boxes[2][0]
    assert bar[2] > boxes[4][2]
    assert (two[0] + two[2]) / 2 == pytest.approx((bar[0] + bar[2]) / 2, abs=1e-5)
    assert expression.symbols[0].label == r"\frac"


def test_roots_reach_over_what_is_under_them() -> None:
    _, boxes = written(r"\sqrt [ 3 ] { \frac { x } { y } }")
    root, index, x, y = boxes[0], boxes[2], boxes[7], boxes[10]
    assert root[0] <= index[2]
    assert root[1] < x[1]
    assert root[2] > y[2]
    assert index[3] < y[3]
    assert boxes[1] is boxes[3] is NOWHERE, "the brackets of a root have no ink"


def test_limits_stand_above_and_below() -> None:
    _, boxes = written(r"\sum \limits _ { i = 1 } ^ { n } i")
    total, i, n, after = boxes[0], boxes[4], boxes[10], boxes[12]
    assert i[1] > total[3]
    assert n[3] < total[1]
    assert total[0] < (n[0] + n[2]) / 2 < total[2]
    assert after[0] > total[2]


def test_brackets_grow_with_their_content() -> None:
    _, small = written("( x )")
    _, tall = written(r"( \frac { x } { y } )")
    assert tall[0][3] - tall[0][1] > 1.3 * (small[0][3] - small[0][1])
    assert tall[0][1] <= tall[3][1] + 1e-6


@pytest.mark.parametrize("caption", ["^ { 2 }", "x ^ 2", "x ^ { 2", r"\frac { 1 }"])
def test_captions_that_are_not_canonical_are_refused(caption: str) -> None:
    with pytest.raises(ValueError, match=r"[Bb]race|needs a symbol"):
        written(caption)


def test_nothing_to_write_is_an_error() -> None:
    with pytest.raises(ValueError, match="no token has ink"):
        lay_out([], glyphs().__getitem__)


def test_random_captions_are_canonical_and_fully_aligned() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        caption = random_caption(rng)
        assert normalize(" ".join(caption)) == caption
    for expression in written_expressions(40, seed=1):
        assert expression.aligned
        inked = [t for t in expression.tokens if t not in STRUCTURAL_TOKENS]
        aligned = [i for i in expression.alignment if i >= 0]
        assert sorted(aligned) == list(range(len(inked))) == list(range(len(expression.symbols)))
        owned = [trace for symbol in expression.symbols for trace in symbol.traces]
        assert sorted(owned) == list(range(len(expression.traces)))
        for token, index in zip(expression.tokens, expression.alignment, strict=True):
            assert index < 0 or expression.symbols[index].label == token


def test_the_same_seed_writes_the_same() -> None:
    first, again, other = (written_expressions(3, seed=seed) for seed in (4, 4, 5))
    assert [e.tokens for e in first] == [e.tokens for e in again] != [e.tokens for e in other]
    assert all(np.array_equal(a, b) for a, b in zip(first[0].traces, again[0].traces, strict=True))


def test_every_glyph_is_in_the_vocabulary_and_about_an_em_tall() -> None:
    for token, strokes in glyphs().items():
        assert token in IDS
        points = np.concatenate(strokes)
        assert np.abs(points).max() < 5.5, token
        assert np.ptp(points, axis=0).max() > 0.02, token


@pytest.mark.parametrize(
    "caption",
    [
        "a b c",
        "f ( x )",
        "x _ { 1 } ^ { 2 } y",
        r"\sum \limits _ { i } ^ { n } a",
        r"\frac { a } { g } b",
    ],
)
def test_ink_keeps_clear_of_ink_whatever_the_habits(caption: str) -> None:
    def tight(name: str) -> Sequence[float]:
        return tuple(
            -0.6 if number in ("distance", "overlap", "above", "below") else value
            for number, value in zip(HABITS[name], PRINTED[name], strict=True)
        )

    found = lay_out(caption.split(), glyphs().__getitem__, habits=tight)
    inks = [
        np.concatenate([dense(found.traces[trace]) for trace in symbol.traces])
        for symbol in found.symbols
    ]
    for number, ink in enumerate(inks):
        for other in inks[:number]:
            nearest = np.hypot(*(ink[:, None] - other[None]).transpose(2, 0, 1)).min()
            assert nearest > 0.5 * LEAST


def test_shapes_that_interlock_come_closer_than_their_boxes() -> None:
    falling = np.array([[0, -1], [1, 0]], np.float32)  # as of V and A
    left = Outline(boxed(0, (falling,)))
    right = Outline(boxed(1, (falling + np.array([0.6, 0], np.float32),)))
    assert left.far.max() > right.near.min()  # so do their boxes overlap
    assert 0.3 < gap(left.far, right.near) <= 0.6
    assert gap(right.far, left.near) < -0.6
    assert (
        gap(left.far, Outline(boxed(1, (falling + np.array([0, 3], np.float32),))).near) == np.inf
    )
