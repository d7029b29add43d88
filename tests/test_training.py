"""Training: batches, recipes, the loop, and runs that stop and go on."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy import ndimage

from inktex.data.examples import (
    NONE,
    Example,
    PictureExample,
    cut,
    from_expression,
    from_expressions,
    items,
)
from inktex.ink.render import MARGIN_AFTER, MARGIN_BEFORE, PEN_WIDTH, render
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.processing_inktex import InktexProcessor
from inktex.recognizer import pretrained_path
from inktex.synthesis.grammar import written_expressions
from inktex.tokenizer.tokenization_inktex import build_tokenizer
from inktex.tokenizer.vocabulary_inktex import IDS, VOCABULARY
from inktex.training import loop, stream
from inktex.training.augmentation import (
    AugmentationConfig,
    Given,
    degrade,
    draw_given,
    draw_pen,
    vary,
)
from inktex.training.average import WeightAverage
from inktex.training.batches import (
    IGNORE,
    BatchConfig,
    PlannedBatches,
    Planner,
    rasterize,
    rasterize_given,
    reduce_picture,
)
from inktex.training.consistency import consistency_loss
from inktex.training.distillation import distillation_loss, without_plain
from inktex.training.loop import learning_rate, train, usable_precision
from inktex.training.recipe import (
    OptimizerConfig,
    Recipe,
    load_recipe,
    load_stages,
    recipe_from_dict,
    recipe_path,
)
from inktex.training.sources import recipe_examples
from inktex.training.stream import PlanStream, batch_loader

CONFIG = BatchConfig(
    resolution=0.55, heights=(48, 80, 144), widths=(48, 96, 192, 384), pixels=30_000
)
STILL = AugmentationConfig(
    scale=(1.0, 1.0), aspect=0, rotation=0, slant=0, jitter=0, symbol_scale=0, elastic=0, pens=(3,)
)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return from_expressions(written_expressions(24, seed=5))


def example(caption: str) -> Example:
    from inktex.synthesis.layout import lay_out
    from inktex.synthesis.strokefont import glyphs

    return from_expression(lay_out(caption.split(), glyphs().__getitem__))


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


def test_symbols_change_their_shape_each_for_itself(examples: list[Example]) -> None:
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


def test_wide_pens_come_out_as_the_image_processor_has_them(examples: list[Example]) -> None:
    one, config = examples[0], BatchConfig(resolution=1.0)
    limit = (1000, 3000)
    thin, wide = (rasterize(one, 1.0, pen, limit, config).picture for pen in (PEN_WIDTH, 7))
    assert thin.shape == wide.shape
    assert not np.array_equal(thin, wide)
    ink = thin > 127
    assert (wide > 127)[~ndimage.binary_dilation(ink, iterations=4)].sum() == 0
    drawn = AugmentationConfig(wide_pens=1.0)
    rng = np.random.default_rng(0)
    assert {draw_pen(drawn, rng) for _ in range(50)} == {5, 6, 7}
    assert max(draw_pen(AugmentationConfig(), rng) for _ in range(50)) <= 4


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


PHOTO = ("breaks", "swelling", "wearing", "speckle", "ruling", "leftovers")


@pytest.mark.parametrize("field", PHOTO)
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


# --------------------------------------------------------------------------------------- batches


def test_every_example_is_in_one_batch_of_a_fixed_shape(examples: list[Example]) -> None:
    planner = Planner(examples, CONFIG, AugmentationConfig(), seed=3)
    plans = planner.epoch(7)
    assert sorted(i for plan in plans for i, *_ in plan.members) == list(range(len(examples)))
    assert {plan.shape[0] for plan in plans} <= set(CONFIG.heights)
    assert {plan.shape[1] for plan in plans} <= set(CONFIG.widths)
    assert plans == Planner(examples, CONFIG, AugmentationConfig(), seed=3).epoch(7)
    assert plans != planner.epoch(8)


def test_some_tokens_are_told_wrongly_but_none_is_taught_wrongly(examples: list[Example]) -> None:
    plans = Planner(examples, CONFIG, STILL).epoch(0)
    misled = PlannedBatches(examples, CONFIG, replace(STILL, tokens=0.3))
    honest = PlannedBatches(examples, CONFIG, STILL)
    changed = total = 0
    for plan in plans:
        wrong, right = misled[plan], honest[plan]
        assert torch.equal(wrong["labels"], right["labels"])
        mine, theirs = wrong["decoder_input_ids"], right["decoder_input_ids"]
        assert torch.equal(mine[:, 0], theirs[:, 0])
        assert torch.equal(mine == 0, theirs == 0)
        assert set(mine.unique().tolist()) <= set(theirs.unique().tolist())
        changed += int((mine != theirs).sum())
        total += int((theirs > 4).sum())
    assert 0.15 < changed / total < 0.3  # some are replaced by their like


def test_variants_of_an_example_stand_side_by_side(examples: list[Example]) -> None:
    augmentation = AugmentationConfig()
    config = replace(CONFIG, variants=3)
    plans = Planner(examples, config, augmentation).epoch(0)
    assert sorted(i for plan in plans for i, *_ in plan.members) == list(range(len(examples)))
    varied = PlannedBatches(examples, config, augmentation)
    plain = PlannedBatches(examples, CONFIG, augmentation)
    for plan in plans:
        several, one = varied[plan], plain[plan]
        assert len(several["pixel_values"]) == 3 * len(plan.members)
        for name in ("pixel_values", "symbol_labels"):
            assert torch.equal(several[name][::3], one[name])
        pictures = several["pixel_values"].unflatten(0, (-1, 3))
        assert (pictures[:, 1:] != pictures[:, :1]).flatten(2).any(dim=2).all()
        assert not torch.equal(pictures[:, 1], pictures[:, 2])
        labels = several["labels"].unflatten(0, (-1, 3, 2))
        assert torch.equal(labels, labels[:, :1].expand_as(labels))
    assert max(len(varied[plan]["pixel_values"]) for plan in plans) <= config.max_size


def test_consistency_compares_the_variants_of_an_example_in_the_same_direction() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 2, 5, 7, generator=generator)  # examples, variant, directions
    alike = logits.expand(2, 2, 2, 5, 7)
    labels = torch.ones(8, 5, dtype=torch.long)
    assert consistency_loss(alike.flatten(0, 2), labels, 2, 2).item() == 0
    even, odd = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log()
    two = torch.stack([even, odd])[:, None].repeat(1, 2, 1)
    # The divergence of one from the other, and back.
    mean = 0.5 * (0.5 * math.log(4 / 3) + 0.25 * math.log(0.5) + 0.75 * math.log(1.5))
    one_read = torch.tensor([[1, IGNORE], [1, IGNORE]])
    two[:, 1] = torch.randn(2, 2, generator=generator)  # behind the end, where nothing counts
    assert consistency_loss(two, one_read, 2).item() == pytest.approx(mean)


def test_distillation_measures_what_was_learnt_by_what_is_taught() -> None:
    even, odd = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log()
    labels = torch.tensor([[1, IGNORE]])
    learnt, known = (one.repeat(1, 2, 1) for one in (odd, even))
    learnt[:, 1] = torch.tensor([9.0, -9.0])  # behind the end, where nothing counts
    of_learnt = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert distillation_loss(learnt, known, labels).item() == pytest.approx(of_learnt)
    assert distillation_loss(known, known, labels).item() == 0


def test_a_teacher_sees_the_same_ink_as_published(examples: list[Example]) -> None:
    config = BatchConfig(heights=(64, 128), widths=(128, 384), max_size=4)
    augmentation = AugmentationConfig(given=1.0, given_pens=(6,), threshold=1.0)
    plans = Planner(examples, config, augmentation).epoch(0)
    batches = PlannedBatches(examples, config, augmentation, with_plain=True)
    drawn, plain = batches[plans[0]], PlannedBatches(examples, config, augmentation)[plans[0]]
    assert all(torch.equal(drawn[key], plain[key]) for key in plain), "the same but for more of it"
    assert set(without_plain(drawn)) == set(plain)
    assert drawn["plain_pixel_values"].shape == drawn["pixel_values"].shape
    assert drawn["plain_guide"].shape == drawn["guide"].shape
    assert (drawn["plain_pixel_values"] != drawn["pixel_values"]).flatten(1).any(dim=1).all()
    grey = (drawn["plain_pixel_values"] > 0.1) & (drawn["plain_pixel_values"] < 0.9)
    assert grey.any(), "the threshold is not for it"
    assert set(drawn["pixel_values"].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(("pen", "size"), [(6, 1.0), (3, 0.5), (1, 0.7)])
def test_given_pictures_come_out_as_the_image_processor_has_them(
    pen: int, size: float, examples: list[Example]
) -> None:
    given = Given(pen, size, Image.Resampling.BICUBIC)
    limit = CONFIG.heights[-1], CONFIG.widths[-1]
    on_ink = []
    for one in examples:
        raster = rasterize_given(one, 1.0, given, limit, CONFIG)
        if raster is None:  # taken for something else than a formula
            continue
        height, width = raster.picture.shape
        assert height <= limit[0]
        assert width <= limit[1]
        # Whatever became of pen and size, the symbols are where their ink is.
        rows, columns = raster.cells.shape[1:]
        inked = np.zeros((rows * 8, columns * 8), dtype=bool)
        inked[:height, :width] = raster.picture > 64
        around = ndimage.binary_dilation(
            inked.reshape(rows, 8, columns, 8).any(axis=(1, 3)), np.ones((3, 3))
        )
        cells = raster.cells.sum(axis=0)
        on_ink.append(float(cells[around].sum() / cells.sum()))
        ink = inked.reshape(rows, 8, columns, 8).sum(axis=(1, 3))
        near = ndimage.binary_dilation(cells > 0, np.ones((3, 3)))
        assert ink[near].sum() / ink.sum() > 0.95
    assert len(on_ink) > 0.8 * len(examples)
    assert min(on_ink) > 0.95


def test_what_is_no_formula_is_drawn_instead_of_given(
    examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    dot = replace(examples[0], points=np.zeros_like(examples[0].points))
    given = Given(1, 0.1, Image.Resampling.BOX)
    assert rasterize_given(dot, 1.0, given, (48, 48), CONFIG) is None
    monkeypatch.setattr("inktex.training.batches.draw_given", lambda *_: given)
    batches = PlannedBatches([dot], CONFIG, STILL)
    (plan,) = Planner([dot], CONFIG, STILL).epoch(0)
    assert batches[plan]["pixel_values"].sum() > 0


def test_some_are_given_with_another_pen_some_at_another_size() -> None:
    rng = np.random.default_rng(0)
    config = replace(STILL, given=0.5)
    drawn = [draw_given(config, rng) for _ in range(400)]
    given = [one for one in drawn if one is not None]
    assert 150 < len(given) < 250
    assert {one.size == 1.0 for one in given} == {True, False}
    assert {one.pen for one in given} == {1, 2, 3, 4, 5, 6, 7, 8}
    assert draw_given(STILL, rng) is None


def test_a_stream_goes_from_epoch_to_epoch(examples: list[Example]) -> None:
    planner = Planner(examples, CONFIG, AugmentationConfig(), seed=3)
    first, second = (planner.epoch(number, processes=2) for number in (0, 1))
    for rank in range(2):
        own = [*first[rank::2], *second[rank::2]]
        whole = PlanStream(planner, processes=2, rank=rank)
        assert list(islice(whole, len(own))) == own
        assert (whole.length(0), whole.length(1)) == (len(first) // 2, len(second) // 2)
        again = PlanStream(planner, processes=2, rank=rank, batch=3)
        assert list(islice(again, len(own) - 3)) == own[3:]
        # Planned by others, nothing changes.
        ahead = PlanStream(planner, processes=2, rank=rank, planners=2)
        assert list(islice(ahead, len(own))) == own
    with pytest.raises(ValueError, match="fewer batches than make a step"):
        next(iter(PlanStream(planner, accumulate=1000)))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_draws_without_an_end(workers: int, examples: list[Example]) -> None:
    planner = Planner(examples, CONFIG, AugmentationConfig(), seed=3)
    batches = PlannedBatches(examples, CONFIG, AugmentationConfig(), seed=3)
    loader = batch_loader(batches, PlanStream(planner), workers, seed=3)
    plans = [*planner.epoch(0), *planner.epoch(1)]
    for plan, drawn in zip(plans, loader, strict=False):
        for key, value in batches[plan].items():
            assert torch.equal(drawn[key], value)


def test_processes_get_batches_of_like_size(examples: list[Example]) -> None:
    plans = Planner(examples, CONFIG, None).epoch(0, processes=2)
    assert len(plans) % 2 == 0
    areas = [len(plan.members) * plan.shape[0] * plan.shape[1] for plan in plans]
    in_step = [abs(a - b) for a, b in zip(areas[::2], areas[1::2], strict=True)]
    assert max(in_step) <= max(areas) / 2
    members = [i for plan in plans for i, *_ in plan.members]
    assert len(set(members)) == len(members)


def test_a_batch_holds_what_the_ink_teaches() -> None:
    one = example(r"x ^ { 2 } = 4")
    plans = Planner([one], CONFIG, None).epoch(0)
    batch = PlannedBatches([one], CONFIG, None)[plans[0]]
    count, _, height, width = batch["pixel_values"].shape
    cells = (height // 8) * (width // 8)
    assert count == 1
    assert batch["pixel_values"].max() > 0.9
    forward = [VOCABULARY[i] for i in batch["labels"][0] if i != IGNORE]
    backward = [VOCABULARY[i] for i in batch["labels"][1] if i != IGNORE]
    assert forward == [*"x^{2}=4", "</s>"]
    assert backward == [*reversed("x^{2}=4"), "</s>"]
    assert [VOCABULARY[i] for i in batch["decoder_input_ids"][:, 0]] == ["<l2r>", "<r2l>"]
    assert batch["decoder_input_ids"][0, 1:8].tolist() == batch["labels"][0, :7].tolist()
    # Inked tokens look at their ink, the others nowhere; both directions at the same places.
    guide = batch["guide"]
    assert guide.shape == (2, batch["labels"].shape[1], cells)
    assert guide[0].sum(-1)[:8].tolist() == pytest.approx([1, 0, 0, 1, 0, 1, 1, 0])
    assert torch.equal(guide[0, 0], guide[1, 6])
    labels = batch["symbol_labels"][0]
    assert set(labels.tolist()) == {0, IGNORE, IDS["x"], IDS["2"], IDS["="], IDS["4"]}
    assert labels[guide[0, 0].argmax()] == IDS["x"]


def test_training_sees_what_the_protocol_draws() -> None:
    expression = written_expressions(1, seed=2)[0]
    one = from_expression(expression)
    picture = rasterize(one, 1.0, PEN_WIDTH, (256, 1056), BatchConfig(resolution=1.0)).picture
    published = render(expression.traces)
    h, w = (min(sides) for sides in zip(picture.shape, published.shape, strict=True))
    # The protocol cuts coordinates to whole pixels, training rounds them: half a pixel apart.
    assert abs(picture.shape[0] - published.shape[0]) <= 2
    assert abs(picture.shape[1] - published.shape[1]) <= 2
    ours, theirs = picture[:h, :w] > 127, published[:h, :w] > 127
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.6


@pytest.mark.parametrize(("before", "after"), [(6, 5), (0, 0), (20, 30)])
def test_margins_are_cut_and_widened(before: int, after: int) -> None:
    expression = written_expressions(1, seed=2)[0]
    one, limit = from_expression(expression), (512, 1056)
    published = BatchConfig(resolution=1.0)
    other = replace(published, margin_before=before, margin_after=after)
    whole = rasterize(one, 1.0, PEN_WIDTH, limit, published)
    changed = rasterize(one, 1.0, PEN_WIDTH, limit, other)
    margins = [(12, 11), (before, after)]
    inner = [
        raster.picture[first : len(raster.picture) - last, first : raster.picture.shape[1] - last]
        for raster, (first, last) in zip((whole, changed), margins, strict=True)
    ]
    np.testing.assert_array_equal(inner[0], inner[1])
    as_picture = PictureExample("", render(expression.traces), one.tokens)
    given = reduce_picture(as_picture, 1.0, limit, other).picture
    ink = np.nonzero(given)
    assert (int(ink[0].min()), int(ink[1].min())) == (before, before)
    assert given.shape == (int(ink[0].max()) + 1 + after, int(ink[1].max()) + 1 + after)
    with pytest.raises(ValueError, match="negative"):
        BatchConfig(margin_before=-1)


def test_ink_too_large_for_every_shape_is_shrunk_to_fit(examples: list[Example]) -> None:
    config = replace(CONFIG, heights=(48,), widths=(48,))
    for one in examples[:6]:
        raster = rasterize(one, 1.4, 3, (48, 48), config)
        assert raster.picture.shape <= (48, 48)
        assert raster.picture.max() > 60
        assert (raster.cells.sum(axis=(1, 2)) > 0).all(), "a symbol fell out of the picture"


# ---------------------------------------------------------------------------------------- recipes


def test_shipped_recipes_load() -> None:
    for name in ("tiny", "base"):
        recipe = load_recipe(recipe_path(name))
        assert recipe.name == name
        assert recipe_from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_every_field_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nsteps: 5\noptimizer: {learning_rate: 1e-3}\n")
    changes = ["optimizer.learning_rate=2e-3", "batch.heights=[16, 32]", "augmentation=null"]
    recipe = load_recipe(path, [*changes, "decoder.dropout=0.5"])
    assert recipe.optimizer.learning_rate == 2e-3
    assert recipe.batch.heights == (16, 32)
    assert recipe.augmentation is None
    assert recipe.decoder == {"dropout": 0.5}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"steps": 5, "optimiser": {}}, "Unknown field optimiser"),
        ({"steps": 5, "batch": {"hights": [1]}}, "Unknown field batch.hights"),
        ({}, "exactly one of steps and minutes"),
        ({"steps": 1, "minutes": 1}, "exactly one of steps and minutes"),
    ],
)
def test_wrong_recipes_are_refused(content: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recipe_from_dict(content)


def test_a_recipe_may_have_stages(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(
        "name: two\ndecoder: {dropout: 0.3, hidden_size: 64}\n"
        "stages: [{steps: 3}, {steps: 5, decoder: {dropout: 0.1}}]\n"
    )
    first, second = load_stages(path, ["optimizer.clip=0.5"])
    assert (first.steps, second.steps) == (3, 5)
    assert first.decoder == {"dropout": 0.3, "hidden_size": 64}
    assert second.decoder == {"dropout": 0.1, "hidden_size": 64}
    assert first.optimizer.clip == second.optimizer.clip == 0.5
    with pytest.raises(ValueError, match="2 runs, not one"):
        load_recipe(path)
    path.write_text("stages: many")
    with pytest.raises(ValueError, match="list of mappings"):
        load_stages(path)


def test_the_chain_is_one_that_can_be_followed() -> None:
    stages = load_stages(recipe_path("chain"))
    sizes = [stage.encoder.get("block_layers", [2, 6, 8]) for stage in stages]
    assert all(
        a <= b for before, after in pairwise(sizes) for a, b in zip(before, after, strict=True)
    )
    base = load_recipe(recipe_path("base"))
    assert base.augmentation is not None
    *_, shown, judged, rough, last = stages
    plain = replace(base.augmentation, edges=0.0)
    published = replace(base.batch, margin_before=MARGIN_BEFORE, margin_after=MARGIN_AFTER)
    for stage in (shown, judged):
        assert (stage.encoder, stage.augmentation) == (base.encoder, plain)
        assert (stage.batch, stage.synthesis) == (published, base.synthesis)
    assert shown.loss == base.loss
    assert judged.loss == rough.loss
    assert (rough.encoder, rough.augmentation) == (base.encoder, base.augmentation)
    assert (rough.batch, rough.synthesis) == (base.batch, base.synthesis)
    assert rough.loss == replace(base.loss, risk=1.0), "it learns from what it reads"
    gpu = load_recipe(recipe_path("gpu"))
    same: dict[str, Any] = {
        "name": gpu.name,
        "validate_every": gpu.validate_every,
        "save_every": gpu.save_every,
    }
    assert replace(last, **same) == gpu


@pytest.mark.parametrize("name", ["finetune", "photos"])
def test_a_recipe_that_starts_from_weights_has_their_pictures(name: str) -> None:
    recipe = load_recipe(recipe_path(name))
    shipped = InktexImageProcessor.from_pretrained(pretrained_path()).to_dict()
    del shipped["auto_map"]
    assert loop.make_processor(recipe).image_processor.to_dict() == shipped
    kept = recipe_from_dict(recipe.to_dict())  # of a run that goes on
    assert kept == recipe


def test_what_a_recipe_says_of_pictures_stands(tmp_path: Path) -> None:
    images = InktexImageProcessor(
        resolution=0.7, margin_before=3, margin_after=2, stroke_range=(1.5, 7.0), symbol_height=30
    )
    InktexProcessor(images, build_tokenizer()).save_pretrained(tmp_path)
    changes = [f"init={tmp_path}", "batch.margin_after=9"]
    batch = load_recipe(recipe_path("finetune"), changes).batch
    assert (batch.resolution, batch.margin_before, batch.margin_after) == (0.7, 3, 9)
    made = loop.make_processor(load_recipe(recipe_path("finetune"), changes)).image_processor
    assert (made.stroke_range, made.symbol_height, made.margin_after) == ([1.5, 7.0], 30, 9)
    fresh = load_recipe(recipe_path("tiny")).batch
    assert (fresh.margin_before, fresh.margin_after) == (MARGIN_BEFORE, MARGIN_AFTER)


def test_first_epochs_have_coarser_pictures() -> None:
    examples = list(from_expressions(written_expressions(12, 5)))
    config = replace(CONFIG, resolution=0.8, coarse_resolution=0.4, coarse_epochs=2)
    planner = Planner(examples, config, STILL)
    coarse = Planner(examples, replace(CONFIG, resolution=0.4), STILL)
    fine = Planner(examples, replace(CONFIG, resolution=0.8), STILL)
    assert planner.epoch(1) == coarse.epoch(1)
    assert planner.epoch(2) == fine.epoch(2)
    batches = PlannedBatches(examples, config, STILL)
    for number, other in ((1, coarse), (2, fine)):
        plan = planner.epoch(number)[0]
        drawn = PlannedBatches(examples, other.config, STILL)[plan]
        assert torch.equal(batches[plan]["pixel_values"], drawn["pixel_values"])


def test_coarse_resolution_and_epochs_go_together() -> None:
    with pytest.raises(ValueError, match="coarse_epochs"):
        BatchConfig(coarse_resolution=0.5)


def test_accumulated_batches_are_of_any_size_and_whole_steps() -> None:
    examples = list(from_expressions(written_expressions(60, 5)))
    planner = Planner(examples, replace(CONFIG, max_size=2), STILL)
    plans = planner.epoch(0, processes=2, accumulate=4)
    assert plans
    assert len(plans) % 8 == 0
    areas = [plan.shape[0] * plan.shape[1] for plan in plans]
    assert any(len({*areas[i : i + 8]}) > 2 for i in range(0, len(areas), 8))


def test_recipe_trains_on_several_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(data: str, split: str, skip_broken: bool) -> list[Example]:
        asked.append(split)
        return []

    monkeypatch.setattr("inktex.training.data.load_examples", load)
    recipe_examples(load_recipe(recipe_path("crohme")))
    assert asked == ["train", "test2011", "test2012", "test2013", "dev"]


def test_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="ablation, alphabet, base, chain, crohme, finetune, gpu"):
        recipe_path("huge")


# --------------------------------------------------------------------------------------- the loop


def test_learning_rate_warms_up_stays_and_falls() -> None:
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=10, decay_share=0.5)
    rates = [learning_rate(config, step, step / 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:51] == [1.0] * 41
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == 0


def test_average_follows_and_gives_the_own_weights_back() -> None:
    layer = torch.nn.Linear(2, 1, bias=False)
    layer.weight.data[:] = 0
    average = WeightAverage(layer, decay=0.5)
    layer.weight.data[:] = 1
    for _ in range(30):
        average.update()
    layer.weight.data[:] = 7
    with average.applied():
        torch.testing.assert_close(layer.weight, torch.ones(1, 2))
    assert (layer.weight == 7).all()


def test_what_is_saved_may_lie_between_the_start_and_the_average() -> None:
    layer = torch.nn.BatchNorm1d(2)
    layer.weight.data[:] = 0
    average = WeightAverage(layer, decay=0.0, start_share=0.25)
    layer.weight.data[:] = 4
    layer.running_mean.data[:] = 8  # type: ignore[union-attr]
    layer.num_batches_tracked.fill_(3)  # type: ignore[union-attr]
    for _ in range(200):
        average.update()
    with average.applied():
        torch.testing.assert_close(layer.weight, torch.full((2,), 3.0))
        torch.testing.assert_close(layer.running_mean, torch.full((2,), 6.0))
        assert layer.num_batches_tracked == 3
    assert (layer.weight == 4).all()
    torch.testing.assert_close(average.weights["weight"], torch.full((2,), 4.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimizer.start_share=0.5", "needs a start"),
        ("optimizer.start_share=1", "below 1, not 1"),
        ("rehearsal.share=1", "rehearsal.share must be 0 or more and below 1"),
        ("rehearsal.share=-0.1", "rehearsal.share must be 0 or more and below 1"),
        ("steps=two", "steps is a number, not 'two'"),
        ("steps=-2", "steps must be above 0, not -2"),
        ("optimizer.learning_rate=fast", "optimizer.learning_rate is a number, not 'fast'"),
        ("batch.max_size=many", "batch.max_size is a number, not 'many'"),
    ],
)
def test_shares_that_are_none_are_refused(change: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_recipe(recipe_path("tiny"), [change])


def small_recipe(**changes: Any) -> Recipe:
    content = yaml.safe_load(recipe_path("tiny").read_text())
    content["encoder"] |= {"stem_channels": [4, 8], "growth_rates": [4, 8, 8]}
    content["encoder"] |= {"fusion_channels": 32, "hidden_size": 32}
    content["decoder"] |= {"hidden_size": 32, "intermediate_size": 32, "dropout": 0.2}
    content["batch"] |= {"pixels": 12_000, "cut_share": 0.5}
    content["optimizer"] |= {"decay_share": 0.0, "warmup_steps": 2}
    content["augmentation"] |= {"tokens": 0.1}
    content["synthesis"] = {"share": 0.3}
    return recipe_from_dict(content | changes)


def test_the_risk_may_count_from_a_part_of_the_run_on(
    examples: list[Example], tmp_path: Path
) -> None:
    loss = {"risk": 1.0, "risk_from": 0.5, "chances": 1}
    train(small_recipe(steps=4, log_every=1, loss=loss), examples, [], tmp_path)
    lines = (tmp_path / "curve.jsonl").read_text(encoding="utf-8").splitlines()
    assert ["risk" in json.loads(line) for line in lines] == [False, False, True, True]


def test_an_epoch_may_go_through_all_examples_several_times(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(steps=1)
    recipe = replace(recipe, batch=replace(recipe.batch, passes=3))
    given: list[int] = []

    class Counting(Planner):
        def __init__(self, some: list[Example], *arguments: Any) -> None:
            given.append(len(some))
            super().__init__(some, *arguments)

    monkeypatch.setattr(stream, "Planner", Counting)
    train(recipe, examples, [], tmp_path)
    assert given == [3 * len(examples)]
    with pytest.raises(ValueError, match=r"batch\.passes must be 1 or more, not 0"):
        replace(recipe.batch, passes=0)


def test_a_stopped_run_goes_on_to_the_bit(
    examples: list[Example], tmp_path: Path, cut_power: Callable[..., None]
) -> None:
    recipe = small_recipe(steps=9, save_every=2, validate_every=100)
    whole = train(recipe, examples, [], tmp_path / "whole")
    cut_power(loop, "_backward", 7, lambda: train(recipe, examples, [], tmp_path / "cut"))
    assert not (tmp_path / "cut" / "averaged").exists()
    resumed = train(recipe, examples, [], tmp_path / "cut")

    for folder in (whole, tmp_path / "whole" / "checkpoint"):
        theirs = tmp_path / "cut" / folder.name
        weights = [(path / "model.safetensors").read_bytes() for path in (folder, theirs)]
        assert weights[0] == weights[1], f"{folder.name} differs"
    assert resumed.name == whole.name


def test_a_run_of_another_recipe_is_not_continued(examples: list[Example], tmp_path: Path) -> None:
    train(small_recipe(steps=1), examples, [], tmp_path)
    with pytest.raises(ValueError, match="seed"):
        train(small_recipe(steps=1, seed=1), examples, [], tmp_path)
    train(small_recipe(steps=1, seed=1), examples, [], tmp_path, resume=False)


def test_a_run_of_an_older_version_is_continued(examples: list[Example], tmp_path: Path) -> None:
    train(small_recipe(steps=1), examples, [], tmp_path)
    path = tmp_path / "recipe.json"
    content = json.loads(path.read_text())
    for field in PHOTO:  # which that version did not have
        del content["augmentation"][field]
    path.write_text(json.dumps(content))
    train(small_recipe(steps=2), examples, [], tmp_path)
    assert json.loads((tmp_path / "recipe.json").read_text())["augmentation"]["breaks"] == 0


def test_training_learns_and_keeps_what_reads_best(examples: list[Example], tmp_path: Path) -> None:
    recipe = small_recipe(steps=60, validate_every=30, save_every=1000)
    best = train(recipe, examples, examples[:4], tmp_path)
    records = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    scores = [record for record in records if "exp_rate" in record]
    assert [record["step"] for record in scores] == [30, 60]
    assert all(record["expressions"] == 4 for record in scores)
    (losses,) = [record["loss"] for record in records if "loss" in record]
    assert losses < 10.5  # an untrained model's is about 11
    assert best == tmp_path / "best"
    model = InktexForConditionalGeneration.from_pretrained(best)
    assert model.config.encoder.stem_channels == [4, 8]
    assert list((tmp_path / "curves").rglob("events*")), "no TensorBoard curve"


def test_precision_is_chosen_by_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for precision in ("no", "bf16", "fp16"):
        assert usable_precision(precision) == precision
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    for has_units, precision in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has_units: has)
        assert usable_precision("auto") == precision
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert usable_precision("auto") == "no", "a torch that cannot tell"


def test_bfloat16_teaches_the_same(examples: list[Example], tmp_path: Path) -> None:
    losses = []
    for precision in ("no", "bf16"):
        recipe = small_recipe(steps=4, log_every=4, precision=precision)
        train(recipe, examples, [], tmp_path / precision)
        first = (tmp_path / precision / "curve.jsonl").read_text().splitlines()[0]
        losses.append(json.loads(first)["loss"])
    assert losses[0] != losses[1], "bfloat16 was not used"
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_run_may_learn_from_what_it_reads(
    examples: list[Example], tmp_path: Path, precision: str
) -> None:
    loss = {"risk": 1.0, "chances": 1}
    recipe = small_recipe(steps=2, log_every=1, loss=loss, precision=precision)
    recipe.decoder.update({"location_feedback": True, "coverage_feedback": True})
    train(recipe, examples, [], tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run/curve.jsonl").read_text().splitlines()]
    assert all(0 < record["risk"] <= 1 for record in records if "loss" in record)
    decoder = {"architecture": "recurrent", "hidden_size": 32}
    recurrent = small_recipe(steps=2, loss=loss, decoder=decoder)
    with pytest.raises(ValueError, match="Transformer"):
        train(recurrent, examples, [], tmp_path / "other")


def test_a_run_may_ask_for_consistency(examples: list[Example], tmp_path: Path) -> None:
    recipe = small_recipe(steps=2, log_every=1, loss={"consistency": 2.0}, batch={"variants": 2})
    train(recipe, examples, examples[:4], tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run/curve.jsonl").read_text().splitlines()]
    assert all(record["consistency"] > 0 for record in records if "loss" in record)
    with pytest.raises(ValueError, match="variants"):
        small_recipe(loss={"consistency": 1.0})


def test_a_run_may_learn_from_what_it_starts_from(examples: list[Example], tmp_path: Path) -> None:
    first = train(small_recipe(steps=1), examples, [], tmp_path / "first")
    loss = {"distillation": 2.0}
    augmentation = {"given": 1.0, "given_pens": [6]}
    recipe = small_recipe(
        steps=2, log_every=1, loss=loss, init=str(first), augmentation=augmentation
    )
    train(recipe, examples, [], tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run/curve.jsonl").read_text().splitlines()]
    assert all(record["distillation"] > 0 for record in records if "loss" in record)
    with pytest.raises(ValueError, match="init"):
        small_recipe(loss=loss)


def test_a_run_that_only_keeps_what_it_knows_stays_as_it_is(
    examples: list[Example], tmp_path: Path
) -> None:
    """By a teacher alone, without dropout and with the normalisations of reading, nothing moves."""
    first = train(small_recipe(steps=2), examples, examples[:4], tmp_path / "first")
    settings = small_recipe(steps=3, init=str(first)).to_dict()
    settings["encoder"], settings["decoder"] = {"dropout": 0.0}, {"dropout": 0.0}
    settings["loss"] = {"tokens": 0.0, "symbol": 0.0, "guide": 0.0, "distillation": 1.0}
    settings["optimizer"] |= {"fixed_norms": True, "weight_decay": 0.0, "average": 0.5}
    settings |= {"augmentation": None, "log_every": 1, "validate_every": 2}
    still = recipe_from_dict(settings)
    train(still, examples, examples[:4], tmp_path / "still")
    records = [json.loads(x) for x in (tmp_path / "still/curve.jsonl").read_text().splitlines()]
    losses = [record for record in records if "loss" in record]
    assert all(record["loss"] == pytest.approx(record["distillation"]) for record in losses)
    assert losses[0]["distillation"] < 1e-4, "where tokens stand is told a little off"
    assert all(record["tokens"] > 1 for record in losses), "told, though it does not count"
    moving = replace(still, optimizer=replace(still.optimizer, fixed_norms=False))
    train(moving, examples, [], tmp_path / "moving")
    before, after, moved = (
        InktexForConditionalGeneration.from_pretrained(folder).state_dict()
        for folder in (first, tmp_path / "still" / "averaged", tmp_path / "moving" / "averaged")
    )
    statistics = [name for name in before if "running_" in name]
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    assert not any(torch.equal(before[name], moved[name]) for name in statistics)


def test_a_run_starts_from_the_weights_of_another(examples: list[Example], tmp_path: Path) -> None:
    first = train(small_recipe(steps=2), examples, [], tmp_path / "first")
    recipe = small_recipe(steps=1, init=str(first))
    model = loop.make_model(recipe)
    expected = InktexForConditionalGeneration.from_pretrained(first).state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_a_run_may_change_the_dropout_of_what_it_starts_from(
    examples: list[Example], tmp_path: Path
) -> None:
    first = train(small_recipe(steps=1), examples, [], tmp_path / "first")
    plain = replace(small_recipe(steps=1, init=str(first)), encoder={}, decoder={})
    kept = loop.make_model(plain)
    changed = loop.make_model(replace(plain, decoder={"dropout": 0.45}))
    assert kept.config.decoder.dropout == kept.decoder.dropout.p == 0.2
    assert changed.config.decoder.dropout == changed.decoder.dropout.p == 0.45
    assert changed.config.decoder.hidden_size == 32
    recipe = replace(small_recipe(steps=1, init=str(first)), decoder={"intermediate_size": 64})
    with pytest.raises(ValueError, match="do not fit"):
        loop.make_model(recipe)


def test_a_deeper_encoder_begins_as_the_one_it_grew_out_of(
    examples: list[Example], tmp_path: Path
) -> None:
    first = train(small_recipe(steps=2), examples, [], tmp_path / "first")
    start = small_recipe(steps=1, init=str(first))
    deeper = replace(start, encoder={"block_layers": [2, 2, 4]}, decoder={})
    shallow, grown = loop.make_model(start).eval(), loop.make_model(deeper).eval()
    assert grown.config.encoder.block_layers == [2, 2, 4]
    assert grown.generation_config.to_dict() == shallow.generation_config.to_dict()
    assert sum(p.numel() for p in grown.parameters()) > sum(p.numel() for p in shallow.parameters())
    plans = Planner(examples, CONFIG, None).epoch(0)
    batch = PlannedBatches(examples, CONFIG, None)[plans[0]]
    with torch.no_grad():
        before, after = (model(**batch, use_cache=False) for model in (shallow, grown))
    torch.testing.assert_close(after.logits, before.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after.symbol_logits, before.symbol_logits, atol=1e-4, rtol=1e-4)
    grown.train()(**batch, use_cache=False).loss.backward()
    silent = [name for name, p in grown.named_parameters() if p.grad is None]
    assert not silent, "a weight that does not learn"
    with pytest.raises(ValueError, match="do not fit"):
        loop.make_model(replace(deeper, encoder={"block_layers": [1, 2, 1]}))


def test_shapes_that_do_not_suit_the_model_are_refused(
    examples: list[Example], tmp_path: Path
) -> None:
    recipe = small_recipe(steps=1)
    recipe = replace(recipe, batch=replace(recipe.batch, heights=(40, 144)))
    with pytest.raises(ValueError, match=r"multiples of 16.*40"):
        train(recipe, examples, [], tmp_path)


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no examples"):
        train(small_recipe(steps=1), [], [], tmp_path)
