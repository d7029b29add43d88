"""The ink extraction network: what it learns from, what runs it, and how its answer is used."""

from __future__ import annotations

import itertools
import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from example_cases import example as example_of
from ink_cases import GREEN, MAGENTA, GreenInk
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from inktex.data.examples import PictureExample
from inktex.ink.render import draw
from inktex.modeling.ink_extraction_inktex import POSE_PREFIX, InkExtraction, find_ink
from inktex.modeling.ink_network_inktex import (
    InktexInkExtraction,
    InktexInkPose,
    torch_networks,
    trained_weights,
)
from inktex.photos import draw_empty, draw_photo, largest_scale
from inktex.photos.pens import protocol_ink
from inktex.training.batches import PlannedBatches
from inktex.training.ink_extraction import extraction_losses, score_extraction, stack_photos
from inktex.training.ink_pose import draw_turned, pose_losses, score_pose
from inktex.training.loop import train
from inktex.training.plans import BatchConfig
from inktex.training.recipe import load_recipe, recipe_path
from inktex.training.recipe_fields import InkExtractionConfig
from inktex.training.sources import recipe_examples

Traces = list[NDArray[np.float32]]


def corner() -> Traces:
    """An L of 80 by 40 pixels, and a dot."""
    lines = [[[0, 0], [0, 40], [80, 40]], [[60, 10]]]
    return [np.array(one, dtype=np.float32) for one in lines]


def nothing(rng: np.random.Generator) -> Traces:
    return [np.zeros((1, 2), dtype=np.float32)]


def random_network(channels: tuple[int, ...] = (24, 40, 56, 72, 88)) -> InktexInkExtraction:
    """A network as after a training: with normalizations that do something."""
    torch.manual_seed(1)
    network = InktexInkExtraction(channels)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
    return network.eval()


def random_pose() -> InktexInkPose:
    torch.manual_seed(2)
    return InktexInkPose().eval()


def together(
    extraction: InktexInkExtraction, pose: InktexInkPose
) -> dict[str, NDArray[np.float32]]:
    own = {POSE_PREFIX + name: one for name, one in trained_weights(pose).items()}
    return trained_weights(extraction) | own


def folded(extraction: InktexInkExtraction, pose: InktexInkPose) -> dict[str, NDArray[np.float32]]:
    return InkExtraction(together(extraction, pose)).folded()


def ring() -> Traces:
    """Outlines of a typeset 0 of 30 by 40 pixels, whose strokes are 8 pixels wide."""
    lines = [[[0, 0], [0, 40], [30, 40], [30, 0]], [[8, 8], [22, 8], [22, 32], [8, 32]]]
    return [np.array(one, dtype=np.float32) for one in lines]


def levels_at(picture: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Levels of the pixels that points are in."""
    x, y = np.floor(points).astype(int).T
    return picture[y, x]


# ------------------------------------------------------------------------------------------ photos


def test_protocol_ink_is_the_protocols_at_its_scale() -> None:
    placed = [trace + np.float32(10) for trace in corner()]
    np.testing.assert_array_equal(
        protocol_ink(placed, 1.0, (70, 110)), draw(placed, 110, 70) / np.float32(255)
    )


@pytest.mark.parametrize("angle", [0.0, 20.0, 90.0])
def test_a_photo_shows_the_ink_that_it_says(angle: float) -> None:
    rng = np.random.default_rng(3)
    scale = largest_scale(corner(), (160, 192), angle) * 0.8
    photo = draw_photo(corner(), nothing, (160, 192), scale, angle, rng)
    assert photo is not None
    assert photo.picture.shape == (160, 192, 3)
    ink = photo.ink > 127
    _, columns = np.nonzero(ink)
    extent = np.array([80, 40]) * scale
    turn = math.radians(angle)
    width = extent[0] * math.cos(turn) + extent[1] * math.sin(turn)
    assert np.ptp(columns) == pytest.approx(width + 3 * scale, rel=0.15)
    grey = photo.picture.mean(axis=2)
    around = (np.abs(grey - np.median(grey)) > 20) & ink
    assert around.sum() > 0.3 * ink.sum()  # the ink is where it is said to be


@pytest.mark.parametrize("angle", [0.0, 20.0, 90.0, 180.0, -135.0])
def test_points_are_on_the_ink(angle: float) -> None:
    """In turned pictures, and in those that a camera held aslant took as well."""
    is_aslant = set()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        photo = draw_photo(corner(), nothing, (160, 192), 1.0, angle, rng)
        assert photo is not None
        # Points are where pixels have their middle: those at whole numbers.
        corner_points, dot = photo.points[:3], photo.points[3:]
        along = np.linspace(0, 1, 40)[:, None]
        lines = [a + (b - a) * along for a, b in itertools.pairwise(corner_points)]
        assert (levels_at(photo.ink, np.concatenate([*lines, dot]) + 0.5) > 127).all()
        is_aslant.add(not np.isin(photo.ink, (0, 255)).all())
    assert angle or is_aslant == {False, True}


@pytest.mark.parametrize("angle", [0.0, 20.0, 180.0])
def test_print_is_filled_and_its_holes_are_not(angle: float) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        photo = draw_photo(ring(), nothing, (96, 128), 1.5, angle, rng, is_print=True)
        assert photo is not None
        outer, inner = photo.points[:4], photo.points[4:]
        assert (levels_at(photo.ink, (outer[[0, 3, 2, 1]] + inner) / 2) > 127).all()
        assert levels_at(photo.ink, inner.mean(axis=0, keepdims=True)) == 0
        area = 1.5**2 * (30 * 40 - 14 * 24)
        assert photo.ink.sum() / 255 == pytest.approx(area, rel=0.15)
        grey = photo.picture.mean(axis=2)
        stroke = levels_at(grey, (outer[[0, 3, 2, 1]] + inner) / 2).mean()
        assert abs(stroke - levels_at(grey, inner.mean(axis=0, keepdims=True)).item()) > 15


def test_a_photo_is_the_same_again() -> None:
    first, second = (
        draw_photo(corner(), nothing, (96, 128), 0.8, 2.0, np.random.default_rng(5))
        for _ in range(2)
    )
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.picture, second.picture)


def test_ink_that_does_not_fit_is_not_drawn() -> None:
    rng = np.random.default_rng(0)
    assert draw_photo(corner(), nothing, (96, 96), 1.5, 0.0, rng) is None
    scale = largest_scale(corner(), (96, 96), 30.0)
    assert draw_photo(corner(), nothing, (96, 96), scale, 30.0, rng) is not None
    assert draw_photo(corner(), nothing, (96, 96), scale * 1.01, 30.0, rng) is None


@pytest.mark.parametrize("seed", range(12))
def test_all_kinds_of_photos_can_be_drawn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(6):
        photo = draw_photo(corner(), lambda _: corner(), (96, 192), 0.9, 0.0, rng)
        assert photo is not None
        assert int(photo.picture.max()) > int(photo.picture.min())
        assert 100 < (photo.ink > 127).sum() < 1500


@pytest.mark.parametrize("seed", range(8))
def test_pictures_without_a_formula_have_no_ink_to_find(seed: int) -> None:
    photo = draw_empty(lambda _: corner(), (96, 192), 0.9, np.random.default_rng(seed))
    assert photo.picture.shape == (96, 192, 3)
    assert not photo.ink.any()


# ----------------------------------------------------------------------------------------- network


def test_normalizations_are_folded_into_the_weights() -> None:
    extraction, pose = random_network(), random_pose()
    networks = torch_networks(folded(extraction, pose))
    picture = np.random.default_rng(0).random((3, 64, 96), dtype=np.float32)
    with torch.no_grad():
        ink = extraction(torch.from_numpy(picture)[None])[0].numpy()
        told = pose(torch.from_numpy(picture[:1]))[0].numpy()
    np.testing.assert_allclose(networks.find(picture), ink, atol=1e-5)
    np.testing.assert_allclose(networks.tell(picture[0]), told, atol=1e-5)


def test_onnx_runtime_gives_the_numbers_of_torch() -> None:
    pytest.importorskip("onnxruntime")
    from inktex.ink_network_onnx import onnx_networks

    weights = folded(random_network(), random_pose())
    networks, others = onnx_networks(weights), torch_networks(weights)
    assert networks is not None
    for height, width in ((64, 96), (128, 32)):
        picture = np.random.default_rng(0).random((3, height, width), dtype=np.float32)
        np.testing.assert_allclose(networks.find(picture), others.find(picture), atol=1e-5)
        np.testing.assert_allclose(networks.tell(picture[0]), others.tell(picture[0]), atol=1e-5)


def test_networks_of_another_size_have_no_graph() -> None:
    pytest.importorskip("onnxruntime")
    from inktex.ink_network_onnx import onnx_networks

    assert onnx_networks(folded(random_network((8, 8, 8, 8)), random_pose())) is None


def test_weights_survive_a_file_and_a_pickle(tmp_path: Path) -> None:
    network = random_network((8, 8, 16, 16))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    extraction = InkExtraction(together(network, random_pose()))
    extraction.save(tmp_path / "some.safetensors")
    again = InkExtraction.load(tmp_path / "some.safetensors")
    assert again.checksum == extraction.checksum
    for name, value in extraction.weights.items():
        np.testing.assert_allclose(again.weights[name], value, atol=1e-2)
    again(Image.new("RGB", (40, 40)))  # makes the network, which cannot be pickled
    assert pickle.loads(pickle.dumps(again)).checksum == extraction.checksum
    (tmp_path / "some.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="is damaged"):
        InkExtraction.load(tmp_path / "some.safetensors")


# ------------------------------------------------------------------------------------------- search


def test_ink_is_found_where_it_is() -> None:
    """A formula turned by 20 degrees in a picture three times as large as the overview."""
    upright = Image.new("RGB", (1600, 1200), MAGENTA)
    pencil = ImageDraw.Draw(upright)
    pencil.rectangle((300, 400, 900, 430), fill=GREEN)
    pencil.rectangle((300, 430, 330, 560), fill=GREEN)
    turned = upright.rotate(20, Image.Resampling.BICUBIC, fillcolor=MAGENTA)
    # Two pixels are one at the published scale; the overview has 0.32 of the picture's pixels.
    found = find_ink(turned, GreenInk(0.64, angle=20.0).networks)
    assert found is not None
    assert found.angle == pytest.approx(-20)
    assert found.zoom == pytest.approx(0.5)
    rows, columns = np.nonzero(found.ink > 0.5)
    left, top = found.offset
    box = (
        columns.min() / found.zoom + left, rows.min() / found.zoom + top,
        columns.max() / found.zoom + left, rows.max() / found.zoom + top,
    )  # fmt: skip
    assert box == pytest.approx((300, 400, 900, 560), abs=4)


# ----------------------------------------------------------------------------------------- training


def test_neighbours_are_ink_from_0_on() -> None:
    example = example_of("x + 1")
    picture = PictureExample("p", np.zeros((9, 9), dtype=np.uint8), example.tokens)
    batches = PlannedBatches([picture, example], BatchConfig(), None)
    for seed in range(4):
        traces = batches.neighbour(np.random.default_rng(seed))
        assert [len(trace) for trace in traces] == [len(trace) for trace in example.traces()]
        np.testing.assert_array_equal(np.concatenate(traces).min(axis=0), 0)


def test_losses_are_least_for_the_truth() -> None:
    photo = draw_photo(corner(), nothing, (96, 128), 0.8, 10.0, np.random.default_rng(5))
    assert photo is not None
    batch = stack_photos([photo])
    network = InktexInkExtraction((8, 8, 8, 8))
    found = network(batch["picture"].float() / 255)
    losses = extraction_losses((batch["ink"].float() / 255 - 0.5) * 40, batch)
    worse = extraction_losses(found.detach(), batch)
    assert all(float(worse[name]) > float(losses[name]) for name in losses)


def test_scores_of_the_truth_are_perfect() -> None:
    photo = draw_photo(corner(), nothing, (96, 128), 0.8, 10.0, np.random.default_rng(5))
    assert photo is not None
    truth = photo.ink

    class Oracle(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, pictures: torch.Tensor) -> Any:
            return (torch.from_numpy(truth)[None].float() - 127.5) / 10

    assert score_extraction(Oracle(), [photo]) == {"ink_f1": 1}  # type: ignore[arg-type]


@pytest.mark.parametrize("angle", [0.0, 30.0, -70.0, 180.0])
def test_turned_ink_is_turned_as_it_says(angle: float) -> None:
    """A bar with a dot behind its end."""
    one = example_of("x")
    traces = [[[0, 0], [100, 0]], [[130, 0]]]
    points = np.array([place for trace in traces for place in trace], dtype=np.float32)
    bar = replace(one, points=points, offsets=np.array([0, 2, 3]), trace_symbols=np.array([0, 0]))
    lengths, slopes = [], []
    for seed in range(7):
        ink, scale, said = draw_turned(bar, angle, np.random.default_rng(seed))
        assert said == (angle if abs(angle) < 45 or abs(angle) > 135 else angle + 90)
        parts, count = ndimage.label(ink > 0.4, np.ones((3, 3)))
        sizes = ndimage.sum_labels(ink > 0.4, parts, range(1, count + 1))
        largest = int(np.argmax(sizes)) + 1
        rows, columns = np.nonzero(parts == largest)
        lengths.append(float(np.hypot(np.ptp(rows), np.ptp(columns))) / scale)
        rise, run = -np.ptp(rows), np.ptp(columns)
        if np.corrcoef(rows, columns)[0, 1] < 0:
            rise = -rise
        slopes.append((math.degrees(math.atan2(rise, run)) - said + 90) % 180 - 90)
    # Gaps cut the bar in some of them.
    assert np.median(lengths) == pytest.approx(103, rel=0.1)
    assert abs(np.median(slopes)) < 5


def test_losses_and_scores_of_the_true_pose() -> None:
    batch = {"scale": torch.tensor([-0.5, 1.0]), "angle": torch.tensor([30.0, 186.0])}
    truth = torch.tensor([[-0.5, 20, 0, 0, 0, 30 / 90], [1.0, 0, 0, 20, 0, 6 / 90]])
    for loss in pose_losses(truth, batch).values():
        assert float(loss) == pytest.approx(0, abs=1e-6)
    wrong = torch.tensor([[-0.8, 0, 20, 0, 0, 0.0], [1.5, 20, 0, 0, 0, 0.4]])
    for loss in pose_losses(wrong, batch).values():
        assert float(loss) > 0.1
    drawn = draw_turned(example_of("x + 1"), 30.0, np.random.default_rng(0))
    quarters = round(drawn[2] / 90)

    class Oracle(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, ink: torch.Tensor) -> Any:
            logits = [float(number == quarters % 4) for number in range(4)]
            return torch.tensor([[math.log2(drawn[1]), *logits, drawn[2] / 90 - quarters]])

    scores = score_pose(Oracle(), [drawn])  # type: ignore[arg-type]
    assert scores["quarters_right"] == 1
    assert scores["scale_error"] == pytest.approx(0, abs=1e-3)
    assert scores["slant_error"] == pytest.approx(0, abs=1e-2)


SHORT = (
    "data=strokefont", "steps=2", "validate_every=2", "save_every=2", "log_every=1",
    "synthesis.share=0", "synthesis.wide=0", "synthesis.fonts=null", "workers=0", "planners=0",
    "synthesis.shape_interpolation=0",
)  # fmt: skip


def test_a_short_training_of_the_pose_keeps_the_other_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = InkExtraction(together(InktexInkExtraction(), InktexInkPose()))
    start.save(tmp_path / "ink_extraction.safetensors")
    recipe = load_recipe(recipe_path("ink_pose"), [*SHORT, f"init={tmp_path}", "batch.max_size=8"])
    examples = recipe_examples(recipe)
    best = train(recipe, examples.train[:40], examples.dev[:4], tmp_path / "run")
    extraction = InkExtraction.load(best)
    assert extraction.weights.keys() == start.weights.keys()
    for name, value in extraction.weights.items():
        same = np.array_equal(value, start.weights[name].astype(np.float16).astype(np.float32))
        if not name.startswith("pose."):
            assert same, name
        elif name.endswith("head.2.weight"):
            assert not same


def test_a_short_training_writes_a_network(tmp_path: Path) -> None:
    recipe = load_recipe(
        recipe_path("ink_extraction"),
        [*SHORT, "batch.heights=[96]", "batch.widths=[96,192]", "batch.pixels=40000",
         "ink_extraction.channels=[8,8,16,16]", "ink_extraction.printed=0"],
    )  # fmt: skip
    examples = recipe_examples(recipe)
    best = train(recipe, examples.train[:40], examples.dev[:4], tmp_path / "run")
    extraction = InkExtraction.load(best)
    again = replace(recipe, init=str(best.parent), steps=1, validate_every=1)
    wrong = replace(again, ink_extraction=InkExtractionConfig(channels=(8, 8, 8, 8)))
    with pytest.raises(ValueError, match=r"does not fit ink_extraction\.channels"):
        train(wrong, examples.train[:40], examples.dev[:4], tmp_path / "wrong")
    train(again, examples.train[:40], examples.dev[:4], tmp_path / "again")
    assert extraction.weights["ink.weight"].shape == (4, 8, 1, 1)
    assert extraction.network is None
