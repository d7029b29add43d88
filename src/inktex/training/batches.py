"""Training batches: augmented pictures of fixed shapes with tokens, symbol map and attention.

`plans.py` decides which examples a batch has.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from inktex.data.augmentation import (
    AugmentationConfig,
    Degradation,
    degrade,
    draw_degradation,
    draw_stroke_width,
    vary,
    vary_picture,
)
from inktex.data.examples import NONE, AnyExample, Example, PictureExample
from inktex.data.printed import PrintExample
from inktex.ink.filling import pieces
from inktex.ink.render import MARGIN_AFTER, MARGIN_BEFORE, STROKE_WIDTH, dilate, draw
from inktex.modeling.encoder_inktex import STRIDE
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.image_settings_inktex import STROKE_RANGE
from inktex.modeling.stroke_restoration_inktex import centre_lines
from inktex.tokenizer.vocabulary_inktex import (
    EOS_TOKEN,
    IDS,
    L2R_TOKEN,
    PAD_TOKEN,
    R2L_TOKEN,
    SPECIAL_TOKENS,
)

from .plans import BatchConfig, Kind, Plan, Shape, member_example, member_rng, picture_size
from .print_pictures import rasterize_print, vary_print
from .synthetic import SyntheticInk

PAD, EOS = IDS[PAD_TOKEN], IDS[EOS_TOKEN]
STARTS = (IDS[L2R_TOKEN], IDS[R2L_TOKEN])
IGNORE = -100

_LAST_SPECIAL = max(IDS[token] for token in SPECIAL_TOKENS)


class PlannedBatches(Dataset[dict[str, torch.Tensor]]):
    """Batches as a map-style data set, whose keys are plans.

    Args:
        config: shapes and sizes.
        augmentation: how far each example is varied; None for no variation.
        seed: of everything random; that of the planner.
        synthetic: source of the examples that the planner added.
        marks_recorded: whether batches say in `is_recorded`, `(n,)`, which of their examples are no
            synthetic ones.
    """

    def __init__(
        self,
        examples: Sequence[AnyExample],
        config: BatchConfig,
        augmentation: AugmentationConfig | None,
        seed: int = 0,
        synthetic: SyntheticInk | None = None,
        marks_recorded: bool = False,
    ) -> None:
        self.examples, self.config, self.augmentation = examples, config, augmentation
        self.marks_recorded = marks_recorded
        self.seed, self.synthetic = seed, synthetic
        self.augmentations: dict[Kind, AugmentationConfig | None] = {
            "whole": augmentation,
            "cut": augmentation,
            "synthetic": None if augmentation is None else augmentation.of_synthetic_ink(),
        }

    def __getitem__(self, plan: Plan) -> dict[str, torch.Tensor]:
        members: list[tuple[AnyExample, Raster]] = []
        config = self.config.at(plan.epoch)
        noise = 0.0 if self.augmentation is None else self.augmentation.token_noise
        rng = member_rng(self.seed, plan.epoch, 0)
        for number, factor, kind in plan.members:
            rng = member_rng(self.seed, plan.epoch, number)
            example = member_example(self.examples, self.synthetic, number, kind, rng)
            augmentation = self.augmentations[kind]
            members.append(draw_member(example, factor, plan.shape, config, augmentation, rng))
        batch = collate(members, plan.shape, config)
        if noise:
            add_token_noise(batch["decoder_input_ids"], noise, rng)
        if self.marks_recorded:
            recorded = [kind != "synthetic" for _, _, kind in plan.members]
            batch["is_recorded"] = torch.tensor(recorded)
        return batch

    def varied_ink(self, plan: Plan) -> Iterator[tuple[Example, float, np.random.Generator]]:
        """The augmented ink of a plan, its size factor, and what draws the rest of its picture."""
        for number, factor, kind in plan.members:
            rng = member_rng(self.seed, plan.epoch, number)
            example = member_example(self.examples, self.synthetic, number, kind, rng)
            assert isinstance(example, Example)
            augmentation = self.augmentations[kind]
            if augmentation is not None:
                example = vary(example, augmentation, rng)
            yield example, factor, rng


def ink_alone(examples: Iterable[AnyExample]) -> list[Example]:
    """The examples that have ink, which can be drawn in other ways.

    Raises:
        ValueError: if none has.
    """
    ink = [example for example in examples if isinstance(example, Example)]
    if not ink:
        raise ValueError("There is no ink to train on: pictures cannot be drawn anew.")
    return ink


def draw_member(
    example: AnyExample,
    factor: float,
    shape: Shape,
    config: BatchConfig,
    augmentation: AugmentationConfig | None,
    rng: np.random.Generator,
) -> tuple[AnyExample, "Raster"]:
    """Augment an example and draw it; returns it with its picture.

    Args:
        example: as `member_example` gives it.
        shape: largest height and width of the picture.
        augmentation: how far it is varied; None to draw it by the published protocol.
    """
    if augmentation is None:
        if isinstance(example, PictureExample):
            return example, reduce_picture(example, factor, shape, config)
        if isinstance(example, PrintExample):
            return example, Raster(
                *rasterize_print(example, factor, image_processor(config, shape))
            )
        return example, rasterize(example, factor, STROKE_WIDTH, shape, config)
    if isinstance(example, PictureExample):
        example = vary_picture(example, augmentation, rng)
        raster = reduce_picture(example, factor, shape, config)
    elif isinstance(example, PrintExample):
        example = vary_print(example, augmentation, rng)
        raster = Raster(*rasterize_print(example, factor, image_processor(config, shape), rng))
    else:
        example = vary(example, augmentation, rng)
        stroke_width = draw_stroke_width(augmentation, rng)
        degradation = draw_degradation(augmentation, rng)
        degraded = None
        if degradation is not None:
            degraded = rasterize_degraded(example, factor, degradation, shape, config)
        raster = degraded or rasterize(example, factor, stroke_width, shape, config)
    return example, replace(raster, picture=degrade(raster.picture, augmentation, rng))


def add_token_noise(inputs: torch.Tensor, share: float, rng: np.random.Generator) -> None:
    """Replace some of the decoder's input tokens, in place, by others of the batch.

    The decoder then relies on the picture rather than on the tokens before, and learns to go on
    after a mistake.

    Args:
        inputs: `(sequences, tokens)`; special tokens stay.
        share: of the tokens that are replaced.
    """
    written = inputs > _LAST_SPECIAL
    wrong = torch.from_numpy(rng.random(inputs.shape) < share) & written
    inputs[wrong] = torch.from_numpy(rng.choice(inputs[written].numpy(), size=int(wrong.sum())))


@dataclass(frozen=True, slots=True)
class Raster:
    """The model's picture of an example.

    Attributes:
        picture: `(height, width)` uint8, ink 255 on 0.
        cells: `(symbols, rows, columns)` float32, how much of each symbol's ink is in each cell.
    """

    picture: NDArray[np.uint8]
    cells: NDArray[np.float32]


def rasterize(
    example: Example, factor: float, stroke_width: int, limit: Shape, config: BatchConfig
) -> Raster:
    """The model's picture of an example, and where its symbols are in it.

    The ink is drawn by the published protocol and then reduced to the model's resolution, further
    if it would not fit.

    Args:
        factor: on the published scale.
        stroke_width: in pixels of the protocol.
        limit: largest height and width, in pixels.
    """
    width, height = example.size
    size = picture_size(width * factor, height * factor, config)
    resolution = config.resolution
    excess = max(size[0] / limit[0], size[1] / limit[1])
    if excess > 1:
        # The resolution reduces ink, margins and stroke width alike.
        resolution = resolution / excess * 0.999
        size = picture_size(width * factor, height * factor, config, resolution)
        size = (min(size[0], limit[0]), min(size[1], limit[1]))
    before = config.margin_before + STROKE_WIDTH // 2
    placed = example.points * np.float32(factor) + np.float32(before)
    full = (int(np.rint(size[1] / resolution)), int(np.rint(size[0] / resolution)))
    picture = draw(np.split(placed, example.offsets[1:-1]), *full, stroke_width=stroke_width)
    if stroke_width > STROKE_RANGE[1]:
        # The image processor restrokes wide strokes, too.
        lines = centre_lines(picture > 0, stroke_width)
        picture = dilate(lines * np.uint8(255), STROKE_WIDTH)
    shrunk = Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    rows, columns = -(-size[0] // STRIDE), -(-size[1] // STRIDE)
    cells = symbol_cells(
        example, placed * np.float32(resolution / STRIDE), rows, columns, step=0.25
    )
    return Raster(np.asarray(shrunk), cells)


def image_processor(config: BatchConfig, limit: Shape | None = None) -> InktexImageProcessor:
    """The image processor that normalizes pictures as the batches have them.

    Args:
        limit: height and width of the largest picture; None for the largest of the fixed shapes.
    """
    height, width = limit or (config.heights[-1], config.widths[-1])
    return InktexImageProcessor(
        resolution=config.resolution,
        margin_before=config.margin_before,
        margin_after=config.margin_after,
        max_height=height,
        max_width=width,
    )


def rasterize_degraded(
    example: Example, factor: float, degradation: Degradation, limit: Shape, config: BatchConfig
) -> Raster | None:
    """What the image processor makes of an example at another size and stroke width, if anything.

    Args:
        limit: height and width of the picture, at most.
    """
    margin = MARGIN_BEFORE + degradation.stroke_width
    placed = example.points * np.float32(factor) + np.float32(margin)
    width, height = (int(np.ceil(side * factor)) + 2 * margin for side in example.size)
    traces = np.split(placed, example.offsets[1:-1])
    drawn = Image.fromarray(draw(traces, width, height, stroke_width=degradation.stroke_width))
    size = max(round(width * degradation.size), 1), max(round(height * degradation.size), 1)
    if size != drawn.size:
        drawn = drawn.resize(size, degradation.resampling)
    try:
        found = image_processor(config, limit).normalize_picture(drawn)
    except ValueError:  # rejected: it does not look like a formula
        return None
    rows, columns = (-(-side // STRIDE) for side in found.picture.shape)
    places = (found.from_source(placed * degradation.size) / STRIDE).astype(np.float32)
    cells = symbol_cells(example, places, rows, columns, step=0.25)
    return Raster(found.picture, cells)


def reduce_picture(
    example: PictureExample, factor: float, limit: Shape, config: BatchConfig
) -> Raster:
    """The model's picture of a picture, without symbol cells; arguments as for `rasterize`."""
    picture = example.picture
    # The picture has the published margins: they are cut or padded to those of `config`.
    cut = MARGIN_BEFORE - config.margin_before, MARGIN_AFTER - config.margin_after
    before, after = (max(side, 0) for side in cut)
    picture = picture[before : picture.shape[0] - after, before : picture.shape[1] - after]
    picture = np.pad(picture, tuple(max(-side, 0) for side in cut))
    height, width = picture.shape
    scale = factor * config.resolution
    scale /= max(height * scale / limit[0], width * scale / limit[1], 1.0)
    size = (
        min(max(int(np.ceil(height * scale)), 1), limit[0]),
        min(max(int(np.ceil(width * scale)), 1), limit[1]),
    )
    shrunk = Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    cells = np.zeros((0, -(-size[0] // STRIDE), -(-size[1] // STRIDE)), dtype=np.float32)
    return Raster(np.asarray(shrunk), cells)


def symbol_cells(
    example: Example, places: NDArray[np.float32], rows: int, columns: int, step: float
) -> NDArray[np.float32]:
    """The length of each symbol's strokes in each cell.

    Args:
        example: gives traces and symbols.
        places: `(points, 2)`, x and y of the points in cells.
        step: strokes are sampled this often, in cells.

    Returns:
        `(symbols, rows, columns)` float32.
    """
    count = len(example.symbol_labels)
    symbols = example.point_symbols
    ends = np.zeros(len(places), dtype=bool)
    ends[example.offsets[1:] - 1] = True
    heads, tails = places, np.concatenate([places[1:], places[-1:]])
    length = np.hypot(*(tails - heads).T)
    samples = np.where(ends, 1, np.ceil(length / step).clip(1, 400)).astype(np.int64)
    owner, ordinal = pieces(samples)
    share = (ordinal / samples[owner])[:, None]
    share[ends[owner]] = 0.0
    sampled = heads[owner] + (tails[owner] - heads[owner]) * share
    owned = symbols[owner]
    known = owned != NONE
    column = sampled[known, 0].astype(np.int64).clip(0, columns - 1)
    row = sampled[known, 1].astype(np.int64).clip(0, rows - 1)
    flat = (owned[known] * rows + row) * columns + column
    grid = np.bincount(flat, minlength=count * rows * columns)
    return grid.reshape(count, rows, columns).astype(np.float32)


def collate(
    members: Sequence[tuple[AnyExample, Raster]], shape: Shape, config: BatchConfig
) -> dict[str, torch.Tensor]:
    """Put drawn examples into one batch.

    Returns:
        `pixel_values` (n, 1, H, W), `pixel_mask` (n, H, W), `symbol_labels` (n, cells), and for
        both directions side by side (2n, tokens): `decoder_input_ids`, `labels`, and
        `attention_target` (2n, tokens, cells); n instead of 2n where only one direction is read.
    """
    height, width = shape
    rows, columns = height // STRIDE, width // STRIDE
    count = len(members)
    longest = max(len(example.tokens) for example, _ in members) + 1
    longest += -longest % config.token_multiple
    pixels = np.zeros((count, 1, height, width), dtype=np.float32)
    mask = np.zeros((count, height, width), dtype=np.float32)
    symbol_labels = np.full((count, rows, columns), IGNORE, dtype=np.int64)
    directions = 2 if config.reverse else 1
    inputs = np.full((count, directions, longest), PAD, dtype=np.int64)
    labels = np.full((count, directions, longest), IGNORE, dtype=np.int64)
    attention_target = np.zeros((count, directions, longest, rows, columns), dtype=np.float32)
    for i, (example, raster) in enumerate(members):
        h, w = raster.picture.shape
        pixels[i, 0, :h, :w] = raster.picture / np.float32(255)
        mask[i, :h, :w] = 1
        r, c = raster.cells.shape[1:]
        if len(example.symbol_labels):
            winner = example.symbol_labels[raster.cells.argmax(axis=0)]
            inked = raster.cells.sum(axis=0) > 0
            # Ink of a symbol without a label, or of none, is ignored; only cells without any ink
            # are paper.
            symbol_labels[i, :r, :c] = np.where(inked, np.where(winner > 0, winner, IGNORE), 0)
        totals = raster.cells.sum(axis=(1, 2), keepdims=True)
        spread = raster.cells / np.maximum(totals, 1.0)
        for direction in range(directions):
            order = slice(None, None, -1 if direction else 1)
            tokens, alignment = example.tokens[order], example.alignment[order]
            n = len(tokens)
            inputs[i, direction, 0] = STARTS[direction]
            inputs[i, direction, 1 : n + 1] = tokens
            labels[i, direction, :n] = tokens
            labels[i, direction, n] = EOS
            known = alignment != NONE
            attention_target[i, direction, :n, :r, :c][known] = spread[alignment[known]]
    return {
        "pixel_values": torch.from_numpy(pixels),
        "pixel_mask": torch.from_numpy(mask),
        "symbol_labels": torch.from_numpy(symbol_labels).flatten(1),
        "decoder_input_ids": torch.from_numpy(inputs).flatten(0, 1),
        "labels": torch.from_numpy(labels).flatten(0, 1),
        "attention_target": torch.from_numpy(attention_target).flatten(0, 1).flatten(2),
    }
