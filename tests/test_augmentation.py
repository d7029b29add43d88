"""Examples and their augmentation."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from example_cases import STILL, example
from scipy import ndimage

from inktex.data.augmentation import AugmentationConfig, degrade, draw_stroke_width, vary
from inktex.data.examples import NONE, Example, cut, from_expression, from_expressions, items
from inktex.ink.render import STROKE_WIDTH
from inktex.synthesis.random_captions import written_expressions
from inktex.tokenizer.vocabulary_inktex import IDS, VOCABULARY
from inktex.training.batches import rasterize
from inktex.training.plans import BatchConfig


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return from_expressions(written_expressions(24, seed=5))


# ------------------------------------------------------------------------------------- examples


def test_an_example_knows_its_symbols() -> None:
    found = example(r"\frac { x } { 2 } + y")
    assert [VOCABULARY[i] for i in found.symbol_labels] == [r"\frac", "x", "2", "+", "y"]
    assert found.alignment.tolist() == [0, -1, 1, -1, -1, 2, -1, 3, 4]
    assert len(found.traces()) == len(found.trace_symbols)
    assert found.points.min() == 0


def test_tokens_outside_the_vocabulary_are_named() -> None:
    expression = written_expressions(1)[0]
    with pytest.raises(ValueError, match="hammer"):
        from_expression(replace(expression, tokens=[r"\hammer"], alignment=[-1]))


def test_items_of_a_row() -> None:
    tokens = r"x ^ { 2 } + \frac { a } { b _ { 1 } } \sqrt [ 3 ] { z }".split()
    found = items([IDS[token] for token in tokens])
    spans = [" ".join(tokens[start:stop]) for start, stop, _ in found]
    assert spans == ["x ^ { 2 }", "+", r"\frac { a } { b _ { 1 } }", r"\sqrt [ 3 ] { z }"]
    rows = [tokens[a:b] for _, _, inner in found for a, b in inner]
    assert rows == [["2"], ["a"], ["b", "_", "{", "1", "}"], ["z"]]


@pytest.mark.parametrize("caption", ["x ^ 2", "x ^ { 2"])
def test_items_need_braces(caption: str) -> None:
    with pytest.raises(ValueError, match="brace"):
        items([IDS[token] for token in caption.split()])


def test_cuts_are_expressions_with_their_own_ink() -> None:
    whole = example(r"\frac { x + 1 } { \sqrt { y } } = \sum \limits _ { n = 1 } ^ { 9 } a _ { n }")
    seen = set()
    for seed in range(60):
        part = cut(whole, np.random.default_rng(seed))
        tokens = [VOCABULARY[i] for i in part.tokens]
        seen.add(" ".join(tokens))
        assert tokens.count("{") == tokens.count("}")
        assert tokens[0] not in ("^", "_", "}", r"\limits")
        inked = part.alignment[part.alignment != NONE]
        assert sorted(inked.tolist()) == list(range(len(part.symbol_labels)))
        assert (part.symbol_labels[part.alignment[part.alignment != NONE]] > 0).all()
        assert set(part.trace_symbols.tolist()) == set(range(len(part.symbol_labels)))
    assert {"x", "x + 1", "n = 1", r"\sqrt { y }"} <= seen


# ---------------------------------------------------------------------------------- augmentation


def test_no_variation_leaves_the_ink_alone(examples: list[Example]) -> None:
    for one in examples[:5]:
        np.testing.assert_allclose(
            vary(one, STILL, np.random.default_rng(0)).points, one.points, atol=1e-3
        )


def test_variation_is_repeatable_and_keeps_the_labels(examples: list[Example]) -> None:
    config = AugmentationConfig()
    one = examples[0]
    first, again, other = (vary(one, config, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first.points == again.points).all()
    assert not np.allclose(first.points, other.points)
    assert first.tokens is one.tokens
    assert first.trace_symbols is one.trace_symbols


def test_symbols_of_synthetic_ink_are_varied_less() -> None:
    config = AugmentationConfig(symbol_shape=0.2, slant=0.1, synthetic=0.5).of_synthetic_ink()
    assert (config.symbol_shape, config.elastic, config.slant) == (0.1, 0.4, 0.1)
    assert AugmentationConfig().of_synthetic_ink() == AugmentationConfig()


def test_each_symbol_has_its_own_shape(examples: list[Example]) -> None:
    letter = np.array([[0, 0], [0, 40], [20, 40]], dtype=np.float32)
    bar = np.array([[0, 60], [300, 60]], dtype=np.float32)
    one = replace(
        examples[0],
        points=np.concatenate([letter, letter + np.array([100, 0]), bar]).astype(np.float32),
        offsets=np.array([0, 3, 6, 8]),
        trace_symbols=np.array([0, 1, 2]),
        symbol_labels=np.array([10, 10, 11]),
    )
    config = replace(STILL, symbol_shape=0.2, symbol_elastic=0.03)
    first, second, line = vary(one, config, np.random.default_rng(0)).traces()
    moved = [trace - trace.mean(axis=0) for trace in (first, second)]
    assert not np.allclose(moved[0], moved[1], atol=1.0)
    for trace in moved:
        np.testing.assert_allclose(trace, letter - letter.mean(axis=0), atol=20)
    rise, run = line[1, 1] - line[0, 1], line[1, 0] - line[0, 0]
    assert abs(rise / run) < 0.1, "a long bar stays level"
    np.testing.assert_allclose(run, 300, rtol=0.1)


def test_traces_of_a_symbol_move_against_each_other(examples: list[Example]) -> None:
    stem = np.array([[10, 0], [10, 40]], dtype=np.float32)
    crossbar = np.array([[0, 12], [20, 12]], dtype=np.float32)
    alone = np.array([[60, 0], [60, 40]], dtype=np.float32)
    one = replace(
        examples[0],
        points=np.concatenate([stem, crossbar, alone]),
        offsets=np.array([0, 2, 4, 6]),
        trace_symbols=np.array([0, 0, 1]),
        symbol_labels=np.array([10, 11]),
    )
    config = replace(STILL, stroke_shift=0.1, stroke_shape=0.1)
    varied = vary(one, config, np.random.default_rng(3))
    first, second, third = varied.traces()
    np.testing.assert_allclose(third[1] - third[0], alone[1] - alone[0], atol=1e-3)
    before = crossbar.mean(axis=0) - stem.mean(axis=0)
    after = second.mean(axis=0) - first.mean(axis=0)
    assert 0.5 < np.abs(after - before).max() < 20
    assert not np.allclose(first[1] - first[0], stem[1] - stem[0], atol=0.1)


def test_coarse_sampling_keeps_the_ends_of_traces(examples: list[Example]) -> None:
    config = replace(STILL, sampling=1.0)
    line = np.stack([np.linspace(0, 90, 10), np.linspace(0, 45, 10)], axis=1).astype(np.float32)
    one = replace(
        examples[0],
        points=np.concatenate([line, line + 7]),
        offsets=np.array([0, 10, 20]),
        trace_symbols=np.array([0, 0]),
    )
    thin = vary(one, config, np.random.default_rng(0))
    assert len(thin.points) < 14
    for ours, theirs in zip(thin.traces(), one.traces(), strict=True):
        np.testing.assert_allclose(ours[[0, -1]], theirs[[0, -1]], atol=1e-3)
    assert len(thin.point_symbols) == len(thin.points)


def test_smoothing_rounds_corners_and_keeps_the_ends(examples: list[Example]) -> None:
    corner = np.array([[0, 0], [10, 0], [20, 0], [20, 10], [20, 20]], dtype=np.float32)
    one = replace(examples[0], points=corner, offsets=np.array([0, 5]), trace_symbols=np.array([0]))
    smooth = vary(one, replace(STILL, smoothing=1.0), np.random.default_rng(0)).points
    np.testing.assert_allclose(smooth[[0, -1]], corner[[0, -1]], atol=1e-3)
    np.testing.assert_allclose(smooth[2], [17.5, 2.5], atol=1e-3)


def test_wide_strokes_are_restroked(examples: list[Example]) -> None:
    one, config = examples[0], BatchConfig(resolution=1.0)
    limit = (1000, 3000)
    thin, wide = (rasterize(one, 1.0, pen, limit, config).picture for pen in (STROKE_WIDTH, 7))
    assert thin.shape == wide.shape
    assert not np.array_equal(thin, wide)
    ink = thin > 127
    assert (wide > 127)[~ndimage.binary_dilation(ink, iterations=4)].sum() == 0
    drawn = AugmentationConfig(wide_strokes=1.0)
    rng = np.random.default_rng(0)
    assert {draw_stroke_width(drawn, rng) for _ in range(50)} == {5, 6, 7}
    assert max(draw_stroke_width(AugmentationConfig(), rng) for _ in range(50)) <= 4


def test_pictures_are_degraded_a_little() -> None:
    picture = np.zeros((40, 60), dtype=np.uint8)
    picture[10:14, 5:55] = 200
    rng = np.random.default_rng(0)
    assert np.array_equal(degrade(picture, STILL, rng), picture)
    cut = degrade(picture, replace(STILL, threshold=1.0), rng)
    assert set(np.unique(cut)) == {0, 255}
    assert np.array_equal(cut > 0, picture > 0)
    blurred = degrade(picture, replace(STILL, blur=1.0), rng)
    assert blurred[9, 30] > 0
    holed = degrade(picture, replace(STILL, occlusion=1.0), rng)
    assert 0 < (holed != picture).sum() <= 16
    rough = degrade(picture, replace(STILL, edges=1.0), rng)
    changed = rough != picture
    assert changed[9:15, 4:56].sum() == changed.sum() > 100, "noise off the edges"
    assert not changed[11:13, 6:54].any(), "noise within the stroke"
    levels = degrade(picture, replace(STILL, contrast=0.3), rng)
    assert len(np.unique(levels)) == 2
    assert levels.dtype == np.uint8


PHOTO_FIELDS = ("breaks", "swelling", "wearing", "speckle", "ruling", "leftovers")


@pytest.mark.parametrize("field", PHOTO_FIELDS)
def test_what_is_left_of_a_photo(field: str) -> None:
    picture = np.zeros((60, 120), dtype=np.uint8)
    picture[20:22, 10:110] = picture[10:50, 60:62] = 255
    changes: dict[str, Any] = {field: 1.0}
    config = replace(STILL, **changes)
    for seed in range(20):
        before = picture.copy()
        changed = degrade(picture, config, np.random.default_rng(seed))
        assert np.array_equal(picture, before), "the given picture was written to"
        assert changed.shape == picture.shape
        assert changed.dtype == np.uint8
        more, less = (changed > picture).sum(), (changed < picture).sum()
        if field in ("breaks", "wearing"):
            assert not more
            assert (changed > 0).sum() > 0.7 * (picture > 0).sum()
        else:
            assert not less
        again = degrade(picture, config, np.random.default_rng(seed))
        np.testing.assert_array_equal(again, changed)
    tiny = np.full((2, 3), 255, dtype=np.uint8)
    assert np.array_equal(degrade(tiny, config, np.random.default_rng(0)), tiny)


def test_what_is_not_asked_for_draws_nothing() -> None:
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    degrade(np.full((40, 60), 255, dtype=np.uint8), STILL, first)
    assert first.random() == second.random()
