"""Ink by a wide pen, and by the protocol's: what a thinner learns from.

Ink can be drawn with any pen, so the pairs cost nothing: the strokes of a wide pen as the image
processor sees them, and the same ink by the protocol's pen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from inktex.examples import AnyExample, Example
from inktex.files import write_text
from inktex.modeling.encoder_inktex import STRIDE
from inktex.modeling.strokes_inktex import centre_lines, squares_within
from inktex.modeling.thinning_inktex import Thinner
from inktex.render import PEN_WIDTH, dilate, draw

from .augmentation import vary
from .batches import (
    BatchConfig,
    Plan,
    PlannedBatches,
    Raster,
    Shape,
    collate,
    fit_shape,
    member_example,
    member_rng,
    mislead,
    picture_size,
    symbol_cells,
)
from .recipe import Recipe, ThinnerConfig
from .synthetic import SyntheticInk

__all__ = [
    "PAIR",
    "RECORD",
    "JointBatches",
    "ThinnerPairs",
    "draw_pair",
    "filling",
    "usual_plan",
    "write_record",
]

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
PAIR = ("wide", "lines", "ink")
"""What a batch calls them."""
RECORD = "thinner.json"
"""What became of a run: how much of the ink is wrong, before and after."""
_DEVELOPMENT_PEN = 6
"""Pixels; whose filling is measured."""
_USUAL = 48
"""Expressions of a batch of the usual ones."""


def draw_pair(line: NDArray[np.uint8], pen: int, nib: int, is_round: bool = False) -> Pair:
    """What the thinner is shown of ink by a wide pen, and what it should make of it.

    Args:
        line: `(h, w)` uint8, lines of one pixel, 255 on 0; margins wider than the pen.
        pen, nib: widths of the wide pen and of the narrow one, in pixels.
        is_round: whether the wide pen is round; else it is square.

    Returns:
        `wide`, `lines` and the narrow pen's ink, each `(h, w)`, 255 on 0.
    """
    if is_round:
        centred = np.arange(pen) - (pen - 1) / 2
        disc = centred[:, None] ** 2 + centred**2 <= (pen / 2) ** 2
        lines = centre_lines(ndimage.binary_dilation(line > 0, disc), pen)
    else:
        # As `centre_lines` finds them, in a fraction of its time: nothing but squares is there.
        before = (pen - 1) // 2
        inside = squares_within(np.pad(dilate(line, pen) > 0, pen), pen)
        at = slice(pen - before, pen - before + line.shape[0])
        lines = inside[at, pen - before : pen - before + line.shape[1]]
    found = lines.astype(np.uint8) * np.uint8(255)
    return dilate(found, pen), dilate(found, nib), dilate(line, nib)


def draw_by_pens(
    example: Example,
    factor: float,
    shape: Shape,
    config: BatchConfig,
    thinner: ThinnerConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], Pair]:
    """An example's points in pixels, and its ink by pens of the choice that there is.

    Args:
        example: its ink.
        factor: on its size; where it would not fit, its points come nearer to each other.
        shape: of the pictures, in pixels of the published protocol.
        config: gives the margins.
        thinner: gives the pens.
        rng: chooses.
    """
    pen, nib = int(rng.choice(thinner.pens)), int(rng.choice(thinner.nibs))
    width, height = example.size
    margins = config.margin_before + config.margin_after + PEN_WIDTH
    room = min((shape[0] - margins) / max(height, 1), (shape[1] - margins) / max(width, 1))
    placed = example.points * np.float32(min(factor, room))
    placed += np.float32(config.margin_before + PEN_WIDTH // 2)
    line = draw(np.split(placed, example.offsets[1:-1]), shape[1], shape[0], pen=1)
    return placed, draw_pair(line, pen, nib, rng.random() < thinner.round)


def narrow_raster(
    example: Example,
    placed: NDArray[np.float32],
    ink: NDArray[np.uint8],
    resolution: float,
    config: BatchConfig,
) -> Raster:
    """A model's picture of narrow ink, and where its symbols are.

    Args:
        example: whose ink it is.
        placed: its points, in pixels of `ink`.
        ink: `(h, w)` uint8, the narrow pen's.
        resolution: pixels of the model's picture for one of them.
        config: gives the margins.
    """
    size = [round(side * resolution) for side in ink.shape]
    reduced = np.asarray(Image.fromarray(ink).resize(size[::-1], Image.Resampling.BILINEAR))
    after = config.margin_after + PEN_WIDTH // 2
    ends = np.ceil((placed.max(axis=0) + after) * resolution).astype(int)
    picture = reduced[: ends[1], : ends[0]]
    rows, columns = (-(-side // STRIDE) for side in picture.shape)
    places = placed * np.float32(resolution / STRIDE)
    return Raster(picture, symbol_cells(example, places, rows, columns, step=0.25))


class ThinnerPairs(PlannedBatches):
    """Batches of `wide`, `lines` and `ink`, each `(n, 1, height, width)` float32, 1 for ink.

    Args:
        examples: recorded ink, of which there are traces.
        recipe: how it is varied, and which pens draw it.
        synthetic: of `synthetic_ink`.
        resolution: of a reader, for whom batches also have what `collate` gives; None if there is
            none.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        synthetic: SyntheticInk | None,
        resolution: float | None = None,
    ) -> None:
        super().__init__(examples, recipe.batch, recipe.augmentation, recipe.seed, synthetic)
        self.thinner = recipe.thinner or ThinnerConfig()
        self.resolution = resolution

    def __getitem__(self, plan: Plan) -> dict[str, torch.Tensor]:
        pairs = []
        members: list[tuple[AnyExample, Raster]] = []
        for number, factor, kind in plan.members:
            rng = member_rng(self.seed, plan.epoch, number)
            example = member_example(self.examples, self.synthetic, number, kind, rng)
            assert isinstance(example, Example)
            if self.augmentation is not None:
                example = vary(example, self.augmentation, rng)
            placed, pair = draw_by_pens(example, factor, plan.shape, self.config, self.thinner, rng)
            pairs.append(pair)
            if self.resolution is not None:
                raster = narrow_raster(example, placed, pair[2], self.resolution, self.config)
                members.append((example, raster))
        batch = {
            name: torch.from_numpy(np.stack(pictures)[:, None] / np.float32(255))
            for name, pictures in zip(PAIR, zip(*pairs, strict=True), strict=True)
        }
        if self.resolution is None:
            return batch
        height, width = (round(side * self.resolution) for side in plan.shape)
        return batch | collate(members, (height, width), self.config)


class JointBatches(PlannedBatches):
    """Batches for a model and a thinner that learn together.

    Some of the pictures, numbered in `thinned` `(k,)`, are to come through the thinner: a batch has
    `wide`, `lines` and `ink` of these, each `(k, 1, height, width)` bool in pixels of the published
    protocol, and in `pixel_values` their ink as published, for a teacher. The others are as without
    a thinner.

    Args:
        examples: all that there is to train on, of which there must be ink.
        recipe: how it is varied, and which pens draw it.
        synthetic: of `synthetic_ink`.

    Raises:
        ValueError: if there is an example without ink.
    """

    def __init__(
        self, examples: Sequence[AnyExample], recipe: Recipe, synthetic: SyntheticInk | None
    ) -> None:
        super().__init__(examples, recipe.batch, recipe.augmentation, recipe.seed, synthetic)
        if recipe.thinner is None or not all(isinstance(one, Example) for one in examples):
            raise ValueError(
                "thinner.share needs ink: what a pen was is not to be told from pictures."
            )
        self.thinner = recipe.thinner

    def __getitem__(self, plan: Plan) -> dict[str, torch.Tensor]:
        members: list[tuple[AnyExample, Raster]] = []
        pairs: list[Pair] = []
        rng = member_rng(self.seed, plan.epoch, 0)
        count = max(round(self.thinner.share * len(plan.members)), 1)
        thinned = np.sort(rng.permutation(len(plan.members))[:count])
        config = self.config.at(plan.epoch)
        height, width = (round(side / config.resolution) for side in plan.shape)
        for ordinal, (number, factor, kind) in enumerate(plan.members):
            rng = member_rng(self.seed, plan.epoch, number)
            example = member_example(self.examples, self.synthetic, number, kind, rng)
            if ordinal not in thinned:
                members.append(self._variant(example, factor, plan.shape, config, rng))
                continue
            assert isinstance(example, Example)
            if self.augmentation is not None:
                example = vary(example, self.augmentation, rng)
            placed, pair = draw_by_pens(example, factor, (height, width), config, self.thinner, rng)
            members.append(
                (example, narrow_raster(example, placed, pair[2], config.resolution, config))
            )
            pairs.append(pair)
        batch = collate(members, plan.shape, config)
        if self.augmentation is not None and self.augmentation.tokens:
            mislead(batch["decoder_input_ids"], self.augmentation.tokens, rng)
        drawn = {
            name: torch.from_numpy(np.stack(pictures)[:, None] > 0)
            for name, pictures in zip(PAIR, zip(*pairs, strict=True), strict=True)
        }
        return batch | drawn | {"thinned": torch.from_numpy(thinned)}


def usual_plan(batches: PlannedBatches) -> Plan:
    """A batch of expressions of about the usual size, without an epoch being planned."""
    config, examples = batches.config, batches.examples
    some = range(0, len(examples), max(len(examples) // (4 * _USUAL), 1))
    sizes = {number: picture_size(*examples[number].size, config) for number in some}
    order = sorted(some, key=lambda number: sizes[number][0] * sizes[number][1])
    middle = order[len(order) // 2 :][:_USUAL]
    largest = max(sizes[n][0] for n in middle), max(sizes[n][1] for n in middle)
    return Plan(fit_shape(largest, config), tuple((number, 1.0, "whole") for number in middle))


def filling(
    thinner: Thinner, examples: Sequence[AnyExample], pen: int = _DEVELOPMENT_PEN
) -> tuple[float, float]:
    """Share of a wide pen's ink that is not as the protocol's pen would have left it.

    Args:
        thinner: to measure.
        examples: whose ink to draw, as published.
        pen: width of the wide pen, in pixels.

    Returns:
        The share where everything stays filled, and the thinner's.
    """
    wrong, total = np.zeros(2), 0
    for example in examples:
        if not isinstance(example, Example):
            continue
        width, height = (int(np.ceil(side)) + 4 * pen for side in example.size)
        traces = np.split(example.points + np.float32(2 * pen), example.offsets[1:-1])
        wide, lines, ink = draw_pair(draw(traces, width, height, pen=1), pen, PEN_WIDTH)
        found = thinner(wide > 0, lines > 0) > 0.5
        wrong += (lines != ink).sum(), (found != (ink > 0)).sum()
        total += int((wide > 0).sum())
    before, after = (wrong / max(total, 1)).tolist()
    return before, after


def write_record(
    output: Path, thinner: Thinner, steps: int, seconds: float, examples: Sequence[AnyExample]
) -> None:
    """Write `thinner.json`: what became of a run that trained a thinner.

    Args:
        output: folder of the run.
        thinner: its thinner.
        steps, seconds: of training.
        examples: on whose ink to measure it.
    """
    before, after = filling(thinner, examples)
    record = {
        "sha256": thinner.checksum,
        "steps": steps,
        "minutes": seconds / 60,
        "pen": _DEVELOPMENT_PEN,
        "wrong_before": before,
        "wrong": after,
    }
    write_text(output / RECORD, json.dumps(record, indent=1) + "\n")
