"""Plans of batches, their pictures and labels, and the loader."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from example_cases import STILL, example
from PIL import Image
from scipy import ndimage

from inktex.data.augmentation import AugmentationConfig, Degradation, draw_degradation
from inktex.data.examples import Example, PictureExample, from_expression, from_expressions
from inktex.ink.render import STROKE_WIDTH, render
from inktex.synthesis.random_captions import written_expressions
from inktex.tokenizer.vocabulary_inktex import IDS, VOCABULARY
from inktex.training.batches import (
    IGNORE,
    PlannedBatches,
    rasterize,
    rasterize_degraded,
    reduce_picture,
)
from inktex.training.plans import BatchConfig, Planner
from inktex.training.stream import PlanStream, batch_loader

CONFIG = BatchConfig(
    resolution=0.55, heights=(48, 80, 144), widths=(48, 96, 192, 384), pixels=30_000
)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return from_expressions(written_expressions(24, seed=5))


def test_every_example_is_in_one_batch_of_a_fixed_shape(examples: list[Example]) -> None:
    planner = Planner(examples, CONFIG, AugmentationConfig(), seed=3)
    plans = planner.epoch(7)
    assert sorted(i for plan in plans for i, *_ in plan.members) == list(range(len(examples)))
    assert {plan.shape[0] for plan in plans} <= set(CONFIG.heights)
    assert {plan.shape[1] for plan in plans} <= set(CONFIG.widths)
    assert plans == Planner(examples, CONFIG, AugmentationConfig(), seed=3).epoch(7)
    assert plans != planner.epoch(8)


def test_token_noise_changes_inputs_and_no_labels(examples: list[Example]) -> None:
    plans = Planner(examples, CONFIG, STILL).epoch(0)
    noisy = PlannedBatches(examples, CONFIG, replace(STILL, token_noise=0.3))
    plain = PlannedBatches(examples, CONFIG, STILL)
    changed = total = 0
    for plan in plans:
        wrong, right = noisy[plan], plain[plan]
        assert torch.equal(wrong["labels"], right["labels"])
        mine, theirs = wrong["decoder_input_ids"], right["decoder_input_ids"]
        assert torch.equal(mine[:, 0], theirs[:, 0])
        assert torch.equal(mine == 0, theirs == 0)
        assert set(mine.unique().tolist()) <= set(theirs.unique().tolist())
        changed += int((mine != theirs).sum())
        total += int((theirs > 4).sum())
    assert 0.15 < changed / total < 0.3  # some are replaced by the same token


@pytest.mark.parametrize(("stroke_width", "size"), [(6, 1.0), (3, 0.5), (1, 0.7)])
def test_symbols_of_degraded_pictures_are_where_their_ink_is(
    stroke_width: int, size: float, examples: list[Example]
) -> None:
    degradation = Degradation(stroke_width, size, Image.Resampling.BICUBIC)
    limit = CONFIG.heights[-1], CONFIG.widths[-1]
    on_ink = []
    for one in examples:
        raster = rasterize_degraded(one, 1.0, degradation, limit, CONFIG)
        if raster is None:  # taken for something else than a formula
            continue
        height, width = raster.picture.shape
        assert height <= limit[0]
        assert width <= limit[1]
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


def test_what_is_rejected_is_drawn_without_degradation(
    examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    dot = replace(examples[0], points=np.zeros_like(examples[0].points))
    degradation = Degradation(1, 0.1, Image.Resampling.BOX)
    assert rasterize_degraded(dot, 1.0, degradation, (48, 48), CONFIG) is None
    monkeypatch.setattr("inktex.training.batches.draw_degradation", lambda *_: degradation)
    batches = PlannedBatches([dot], CONFIG, STILL)
    (plan,) = Planner([dot], CONFIG, STILL).epoch(0)
    assert batches[plan]["pixel_values"].sum() > 0


def test_stroke_width_or_size_or_both_are_degraded() -> None:
    rng = np.random.default_rng(0)
    config = replace(STILL, degraded=0.5)
    drawn = [draw_degradation(config, rng) for _ in range(400)]
    degraded = [one for one in drawn if one is not None]
    assert 150 < len(degraded) < 250
    assert {one.size == 1.0 for one in degraded} == {True, False}
    assert {one.stroke_width for one in degraded} == {1, 2, 3, 4, 5, 6, 7, 8}
    assert draw_degradation(STILL, rng) is None


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
        # With planners nothing changes.
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


def test_a_batch_has_tokens_symbol_map_and_attention() -> None:
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
    attention_target = batch["attention_target"]
    assert attention_target.shape == (2, batch["labels"].shape[1], cells)
    assert attention_target[0].sum(-1)[:8].tolist() == pytest.approx([1, 0, 0, 1, 0, 1, 1, 0])
    assert torch.equal(attention_target[0, 0], attention_target[1, 6])
    labels = batch["symbol_labels"][0]
    assert set(labels.tolist()) == {0, IGNORE, IDS["x"], IDS["2"], IDS["="], IDS["4"]}
    assert labels[attention_target[0, 0].argmax()] == IDS["x"]


def test_training_sees_what_the_protocol_draws() -> None:
    expression = written_expressions(1, seed=2)[0]
    one = from_expression(expression)
    picture = rasterize(one, 1.0, STROKE_WIDTH, (256, 1056), BatchConfig(resolution=1.0)).picture
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
    whole = rasterize(one, 1.0, STROKE_WIDTH, limit, published)
    changed = rasterize(one, 1.0, STROKE_WIDTH, limit, other)
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
        # As validation does after that epoch, in an epoch of its own.
        assert config.at(number).at(0).resolution == other.config.resolution


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
