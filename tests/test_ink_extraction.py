"""The ink extraction network: what it learns from, what runs it, and how its answer is used."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inktex.ink.render import draw
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.ink_extraction_inktex import InkExtraction, find_ink
from inktex.modeling.ink_network_inktex import InktexInkExtraction, torch_network, trained_weights
from inktex.photos import draw_empty, draw_photo, largest_scale
from inktex.photos.pens import protocol_ink
from inktex.training.ink_extraction import extraction_losses, score_extraction, stack_photos
from inktex.training.loop import train
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


def folded(network: InktexInkExtraction) -> dict[str, NDArray[np.float32]]:
    return InkExtraction(trained_weights(network)).folded()


class GreenInk:
    """In place of a network: ink is green, its scale and angle are known.

    Args:
        scales: at the first call, the second, ...
        angle: degrees.
    """

    def __init__(self, scales: list[float], angle: float = 0.0) -> None:
        self.scales: Iterator[float] = iter(scales)
        self.angle = angle

    def __call__(self, pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        _, height, width = pixels.shape
        cells = np.ones((height // 8, width // 8), dtype=np.float32)
        turn = math.radians(self.angle)
        logits = (pixels[1] - pixels[0] - 0.5) * 20
        scale = cells * np.float32(math.log2(next(self.scales)))
        return logits, scale, np.stack([cells * math.cos(turn), cells * math.sin(turn)])


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
    network = random_network()
    picture = np.random.default_rng(0).random((3, 64, 96), dtype=np.float32)
    with torch.no_grad():
        expected = [one[0].numpy() for one in network(torch.from_numpy(picture)[None])]
    for found, wanted in zip(torch_network(folded(network))(picture), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_onnx_runtime_gives_the_numbers_of_torch() -> None:
    pytest.importorskip("onnxruntime")
    from inktex.onnx.ink_network import onnx_network

    weights = folded(random_network())
    network = onnx_network(weights)
    assert network is not None
    for height, width in ((64, 96), (128, 32)):
        picture = np.random.default_rng(0).random((3, height, width), dtype=np.float32)
        for ours, theirs in zip(network(picture), torch_network(weights)(picture), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_networks_of_another_size_have_no_graph() -> None:
    pytest.importorskip("onnxruntime")
    from inktex.onnx.ink_network import onnx_network

    assert onnx_network(folded(random_network((8, 8, 8, 8)))) is None


def test_weights_survive_a_file_and_a_pickle(tmp_path: Path) -> None:
    network = random_network((8, 8, 16, 16))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    extraction = InkExtraction(trained_weights(network))
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
    upright = Image.new("RGB", (1600, 1200), (255, 0, 255))
    pencil = ImageDraw.Draw(upright)
    pencil.rectangle((300, 400, 900, 430), fill=(0, 255, 0))
    pencil.rectangle((300, 430, 330, 560), fill=(0, 255, 0))
    turned = upright.rotate(20, Image.Resampling.BICUBIC, fillcolor=(255, 0, 255))
    # Two pixels are one at the published scale; the overview has 0.32 of the picture's pixels.
    found = find_ink(turned, GreenInk([0.64, 1.0], angle=20.0))
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


def test_a_picture_without_ink_has_no_formula() -> None:
    processor = InktexImageProcessor(
        ink_extraction=InkExtraction({}, GreenInk([1.0])), photo_ink="network"
    )
    rng = np.random.default_rng(0)
    photo = (rng.random((80, 120, 3)) * 60 + 120).astype(np.uint8)
    photo[..., 1] = photo[..., 0]
    with pytest.raises(NoFormulaError, match="no ink in the picture"):
        processor.normalize_picture(photo)


def test_places_in_the_models_picture_are_places_in_the_given_one() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 60, (240, 400))
    photo = np.stack([noise + 120, noise + 60, noise + 120], axis=-1).astype(np.uint8)
    photo[60:66, 100:260] = photo[60:180, 100:106] = (0, 255, 0)  # L-shaped, 6 pixels wide
    extraction = InkExtraction({}, GreenInk([2.0, 1.0]))
    processor = InktexImageProcessor(ink_extraction=extraction, photo_ink="network")
    found = processor.normalize_picture(photo)
    assert any("network" in reason for reason in found.reasons)
    rows, columns = np.nonzero(found.picture > 127)
    box = found.to_source(
        (float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max()))
    )
    assert box == pytest.approx((100, 60, 260, 180), abs=8)


def test_drawings_on_plain_paper_do_not_ask_the_network() -> None:
    processor = InktexImageProcessor(
        ink_extraction=InkExtraction({}, GreenInk([])), photo_ink="network"
    )
    drawing = Image.fromarray(255 - draw([t + np.float32(12) for t in corner()], 110, 70))
    plain = InktexImageProcessor().draw(drawing)
    np.testing.assert_array_equal(processor.draw(drawing), plain)


def test_thresholds_find_the_ink_unless_the_network_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    photo = np.repeat(rng.integers(150, 220, (120, 200, 1)), 3, axis=2).astype(np.uint8)
    photo[40:80, 60:66] = photo[76:82, 60:140] = 20
    processor = InktexImageProcessor(ink_extraction=InkExtraction({}, GreenInk([])))
    plain = InktexImageProcessor().draw(photo)
    np.testing.assert_array_equal(processor.draw(photo), plain)
    with pytest.raises(ValueError, match="photo_ink is one of thresholds, network, not magic"):
        InktexImageProcessor(photo_ink="magic")


def test_the_network_goes_where_the_processor_goes(tmp_path: Path) -> None:
    extraction = InkExtraction(trained_weights(random_network((8, 8, 16, 16))))
    InktexImageProcessor(ink_extraction=extraction).save_pretrained(tmp_path)
    again = InktexImageProcessor.from_pretrained(tmp_path)
    assert again.ink_extraction.checksum == extraction.checksum
    assert "ink_extraction" not in again.to_dict()
    InktexImageProcessor().save_pretrained(tmp_path)
    assert InktexImageProcessor.from_pretrained(tmp_path).ink_extraction is None


# ----------------------------------------------------------------------------------------- training


def test_losses_are_least_for_the_truth() -> None:
    photo = draw_photo(corner(), nothing, (96, 128), 0.8, 10.0, np.random.default_rng(5))
    assert photo is not None
    batch = stack_photos([photo])
    network = InktexInkExtraction((8, 8, 8, 8))
    found = network(batch["picture"].float() / 255)
    turn = math.radians(10)
    cells = torch.ones_like(found.scale)
    right = found._replace(
        ink=(batch["ink"].float() / 255 - 0.5) * 40,
        scale=cells * math.log2(0.8),
        direction=torch.stack([cells * math.cos(turn), cells * math.sin(turn)], dim=1),
    )
    losses = extraction_losses(right, batch)
    assert float(losses["scale"]) == pytest.approx(0, abs=1e-6)
    assert float(losses["direction"]) == pytest.approx(0, abs=1e-6)
    worse = {name: one.detach() for name, one in extraction_losses(found, batch).items()}
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
            ink = (torch.from_numpy(truth)[None].float() - 127.5) / 10
            cells = torch.ones(1, 12, 16)
            turn = math.radians(10)
            direction = torch.stack([cells * math.cos(turn), cells * math.sin(turn)], dim=1)
            return type(InktexInkExtraction((8, 8, 8, 8))(pictures))(
                ink, cells * math.log2(0.8), direction
            )

    scores = score_extraction(Oracle(), [photo])  # type: ignore[arg-type]
    assert scores["ink_f1"] == 1
    assert scores["scale_error"] == pytest.approx(0, abs=1e-3)
    assert scores["angle_error"] == pytest.approx(0, abs=1e-2)


def test_a_short_training_writes_a_network(tmp_path: Path) -> None:
    recipe = load_recipe(
        recipe_path("ink_extraction"),
        ["data=strokefont", "steps=2", "validate_every=2", "save_every=2", "log_every=1",
         "batch.heights=[96]", "batch.widths=[96,192]", "batch.pixels=40000", "synthesis.share=0",
         "synthesis.wide=0", "synthesis.fonts=null", "synthesis.print=null",
         "synthesis.shape_interpolation=0", "ink_extraction.printed=0",
         "ink_extraction.channels=[8,8,16,16]", "workers=0", "planners=0"],
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
