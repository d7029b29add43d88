"""Training batches: pictures of fixed shapes, with all that the ink teaches about them.

Every batch has one of a few fixed shapes, because CPU kernels are compiled for each new one. Which
expression goes into which batch is planned for a whole epoch from its seed alone, so that a run
that was interrupted continues with exactly the batches that were to come.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from inktex.examples import NONE, AnyExample, Example, PictureExample, cut
from inktex.modeling.encoder_inktex import STRIDE
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.placing_inktex import place_picture
from inktex.modeling.strokes_inktex import STROKE_RANGE, centre_lines
from inktex.printed import PrintExample
from inktex.render import MARGIN_AFTER, MARGIN_BEFORE, PEN_WIDTH, dilate, draw
from inktex.tokenizer.vocabulary_inktex import (
    EOS_TOKEN,
    IDS,
    L2R_TOKEN,
    PAD_TOKEN,
    R2L_TOKEN,
    SPECIAL_TOKENS,
)

from .augmentation import (
    AugmentationConfig,
    Given,
    degrade,
    draw_given,
    draw_pen,
    draw_scale,
    vary,
    vary_picture,
)
from .print_pictures import rasterize_print, vary_print
from .synthetic import SyntheticInk

PAD, EOS = IDS[PAD_TOKEN], IDS[EOS_TOKEN]
STARTS = (IDS[L2R_TOKEN], IDS[R2L_TOKEN])
IGNORE = -100

_LAST_SPECIAL = max(IDS[token] for token in SPECIAL_TOKENS)

Shape = tuple[int, int]
Kind = Literal["whole", "cut", "synthetic"]
Member = tuple[int, float, Kind]
"""Number of an example, its size factor, and what is to become of it."""


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """How examples are drawn and put together.

    Attributes:
        resolution: pixels of the model's picture for each pixel of the published protocol.
        coarse_resolution, coarse_epochs: resolution of the first `coarse_epochs` epochs, in which
            smaller pictures give more of them in the same time.
        heights, widths: of the fixed shapes, in pixels of the model's picture, ascending.
        pixels: a batch holds about this many pixels in all.
        max_size: pictures in a batch, at most.
        token_multiple: token sequences are padded to a multiple of this.
        cut_share: share of the examples of an epoch that are cut down to a sub-expression.
        reverse: whether every expression is read from right to left as well.
        margin_before, margin_after: left of and above the ink, right of and below it, in pixels of
            the published protocol, which has the defaults.
        passes: how often an epoch goes through all examples, each time with another variation; more
            than once so that large batches of many shapes come full.
        multiple: of pictures, that batches which are not full have; what is left over is left out
            of the epoch. A GPU chooses its kernels anew for each number of pictures.
        variants: pictures of each example in a batch, varied each for itself; they count as so many
            for `pixels` and `max_size`.
    """

    resolution: float = 0.62
    coarse_resolution: float | None = None
    coarse_epochs: int = 0
    heights: tuple[int, ...] = (48, 64, 80, 96, 112, 144, 176, 208, 256)
    widths: tuple[int, ...] = (
        *(48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 304, 352, 416, 480, 560, 672, 816),
        1056,
    )
    pixels: int = 300_000
    max_size: int = 32
    token_multiple: int = 4
    cut_share: float = 0.0
    reverse: bool = True
    margin_before: int = MARGIN_BEFORE
    margin_after: int = MARGIN_AFTER
    passes: int = 1
    multiple: int = 1
    variants: int = 1

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise ValueError(f"batch.passes must be 1 or more, not {self.passes}.")
        if self.multiple < 1:
            raise ValueError(f"batch.multiple must be 1 or more, not {self.multiple}.")
        if self.variants < 1:
            raise ValueError(f"batch.variants must be 1 or more, not {self.variants}.")
        if min(self.margin_before, self.margin_after) < 0:
            raise ValueError("batch.margin_before and batch.margin_after must not be negative.")
        if (self.coarse_resolution is None) != (self.coarse_epochs == 0):
            raise ValueError("batch.coarse_resolution and batch.coarse_epochs go together.")

    def at(self, epoch: int) -> "BatchConfig":
        """The settings of one epoch: the same but for the resolution."""
        if self.coarse_resolution is None or epoch >= self.coarse_epochs:
            return self
        return replace(
            self, resolution=self.coarse_resolution, coarse_resolution=None, coarse_epochs=0
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """One batch to come: its shape, who is in it, and of which epoch."""

    shape: Shape
    members: tuple[Member, ...]
    epoch: int = 0


def picture_size(
    width: float, height: float, config: BatchConfig, resolution: float | None = None
) -> Shape:
    """Height and width of the model's picture for ink of a size in published pixels.

    Args:
        width, height: of the ink.
        config: gives margins and resolution.
        resolution: another one.
    """
    margins = PEN_WIDTH + config.margin_before + config.margin_after
    resolution = config.resolution if resolution is None else resolution
    return (
        max(int(np.ceil((height + margins) * resolution)), 1),
        max(int(np.ceil((width + margins) * resolution)), 1),
    )


def fit_shape(size: Shape, config: BatchConfig) -> Shape:
    """Smallest fixed shape that holds a picture; the largest one if none does."""
    height = next((h for h in config.heights if h >= size[0]), config.heights[-1])
    width = next((w for w in config.widths if w >= size[1]), config.widths[-1])
    return height, width


def batch_size(shape: Shape, config: BatchConfig) -> int:
    """Examples in a batch of a shape."""
    pictures = min(config.pixels // (shape[0] * shape[1]), config.max_size)
    return max(pictures // config.variants, 1)


PLAIN = "plain_"
"""Before the names of what a batch has of the same ink as published, for a teacher."""
_VARIANT_SCALE = (0.85, 1.0)
"""Size of an example's further variants, which must fit the shape that the first was given."""
_TOKEN_COST = 140
"""Pixels that the encoder handles in the time that the decoder needs for one position."""


def _cost(plan: Plan, lengths: NDArray[np.float64]) -> float:
    """How long a batch takes, in pixels. `lengths`: tokens of every example."""
    height, width = plan.shape
    longest = max(lengths[number] for number, *_ in plan.members)
    return len(plan.members) * (height * width + 2 * _TOKEN_COST * float(longest))


class Planner:
    """Plans an epoch's batches.

    Args:
        examples: all that there is to train on.
        config: shapes and sizes.
        augmentation: from which the size factor is drawn; None for no variation.
        seed: of everything random.
        synthetic: writes the examples that are added in each epoch; None to add none.
        share: share of an epoch's examples that are synthetic.
    """

    def __init__(
        self,
        examples: Sequence[AnyExample],
        config: BatchConfig,
        augmentation: AugmentationConfig | None,
        seed: int = 0,
        synthetic: SyntheticInk | None = None,
        share: float = 0.0,
    ) -> None:
        self.examples, self.config, self.augmentation = examples, config, augmentation
        self.seed, self.synthetic = seed, synthetic
        self.added = round(len(examples) * share / (1 - share)) if synthetic else 0

    def epoch(self, epoch: int, processes: int = 1, accumulate: int = 1) -> list[Plan]:
        """The batches of an epoch, every example in at most one of them, whole or cut.

        Process `i` takes every `processes`-th batch from the `i`-th on. Batches of a step have
        about the same size, so that no process waits long for another. Where gradients are
        accumulated, a step has batches of any size, the same ones for any number of processes that
        share it, so that it sees short and long expressions. The few batches that would make no
        whole step are left out, as is what is left over by `multiple`.
        """
        config = self.config.at(epoch)
        rng = np.random.default_rng((self.seed, epoch))
        queues: dict[Shape, list[Member]] = {}
        lengths = np.zeros(len(self.examples) + self.added)
        for index in rng.permutation(len(lengths)):
            factor = draw_scale(self.augmentation, rng) if self.augmentation else 1.0
            kind: Kind = "cut" if rng.random() < self.config.cut_share else "whole"
            if index >= len(self.examples):
                kind = "synthetic"
            example = member_example(
                self.examples, self.synthetic, int(index), kind,
                member_rng(self.seed, epoch, int(index)), whole=False,
            )  # fmt: skip
            width, height = example.size
            lengths[index] = len(example.tokens)
            size = picture_size(width * factor, height * factor, config)
            shape = fit_shape(size, config)
            queues.setdefault(shape, []).append((int(index), factor, kind))
        plans = [
            Plan(shape, members, epoch)
            for shape, queue in self._merge(queues)
            for members in self._split(shape, queue, lengths)
        ]
        plans = [plans[i] for i in rng.permutation(len(plans))]
        together = processes * accumulate
        if accumulate == 1 and processes > 1:
            plans.sort(key=lambda plan: _cost(plan, lengths))
        steps = [plans[i : i + together] for i in range(0, len(plans) - together + 1, together)]
        if accumulate == 1:
            return [plan for i in rng.permutation(len(steps)) for plan in steps[i]]
        for step in steps:
            step.sort(key=lambda plan: _cost(plan, lengths))
            # Every other round the other way, so that no process always gets the larger ones.
            for start in range(processes, together, 2 * processes):
                step[start : start + processes] = step[start : start + processes][::-1]
        return [plan for step in steps for plan in step]

    def _merge(self, queues: dict[Shape, list[Member]]) -> Iterator[tuple[Shape, list[Member]]]:
        """Move what does not fill a batch to the next wider shape, so that few are left over."""
        for shape in sorted(queues):
            queue = queues[shape]
            surplus = len(queue) % batch_size(shape, self.config)
            wider = [w for w in self.config.widths if w > shape[1]]
            if surplus and wider and surplus < batch_size(shape, self.config) // 2:
                target = (shape[0], wider[0])
                if target in queues:
                    queues[target].extend(queue[len(queue) - surplus :])
                    del queue[len(queue) - surplus :]
            if queue:
                yield shape, queue

    def _split(
        self, shape: Shape, queue: list[Member], lengths: NDArray[np.float64]
    ) -> Iterator[tuple[Member, ...]]:
        """Cut a queue into batches of expressions of about the same number of tokens."""
        size = batch_size(shape, self.config)
        # They come in no order: what is left out is no other than what stays.
        queue = queue[: len(queue) - len(queue) % size % self.config.multiple]
        order = np.argsort([lengths[index] for index, *_ in queue], kind="stable")
        for start in range(0, len(queue), size):
            yield tuple(queue[i] for i in order[start : start + size])


def member_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Random numbers for one example in one epoch, whoever asks and in whatever order."""
    return np.random.default_rng((seed, epoch, index))


def member_example(
    examples: Sequence[AnyExample],
    synthetic: SyntheticInk | None,
    number: int,
    kind: Kind,
    rng: np.random.Generator,
    whole: bool = True,
) -> AnyExample:
    """What a member of a batch is, before the whole of it is varied.

    Args:
        examples, synthetic: of the run.
        number, kind: of the member.
        rng: of `member_rng`.
        whole: whether its symbols are moved towards other hands' as well, which changes its size
            by little: plans do without.

    Raises:
        ValueError: if it is to be written and there is nobody to write it.
    """
    if kind == "synthetic":
        if synthetic is None:
            raise ValueError("A batch with synthetic examples needs somebody to write them.")
        example: AnyExample = synthetic.draw(rng, f"synthetic-{number}")
    else:
        example = examples[number]
        if kind == "cut" and isinstance(example, Example):  # a picture cannot be cut
            example = cut(example, rng)
    if whole and synthetic is not None and isinstance(example, Example):
        example = synthetic.between_hands(example, rng)
    return example


class PlannedBatches(Dataset[dict[str, torch.Tensor]]):
    """Batches as a map-style data set, whose keys are the plans that they are drawn by.

    Args:
        examples: all that there is to train on.
        config: shapes and sizes.
        augmentation: how far each example is varied; None for no variation.
        seed: of everything random; that of the planner.
        synthetic: writes the examples that the planner added.
        with_plain: whether batches also have pictures of the same ink, varied alike, as published.
    """

    def __init__(
        self,
        examples: Sequence[AnyExample],
        config: BatchConfig,
        augmentation: AugmentationConfig | None,
        seed: int = 0,
        synthetic: SyntheticInk | None = None,
        with_plain: bool = False,
    ) -> None:
        self.examples, self.config, self.augmentation = examples, config, augmentation
        self.seed, self.synthetic, self.with_plain = seed, synthetic, with_plain

    def __getitem__(self, plan: Plan) -> dict[str, torch.Tensor]:
        members: list[tuple[AnyExample, Raster]] = []
        plain: list[tuple[AnyExample, Raster]] = []
        config = self.config.at(plan.epoch)
        noise = 0.0 if self.augmentation is None else self.augmentation.tokens
        rng = member_rng(self.seed, plan.epoch, 0)
        for number, factor, kind in plan.members:
            rng = member_rng(self.seed, plan.epoch, number)
            example = member_example(self.examples, self.synthetic, number, kind, rng)
            sizes = [(factor, rng)]
            for ordinal in range(1, self.config.variants):
                other = np.random.default_rng((self.seed, plan.epoch, number, ordinal))
                sizes.append((factor * other.uniform(*_VARIANT_SCALE), other))
            for size, own in sizes:
                varied, raster = self._variant(example, size, plan.shape, config, own)
                members.append((varied, raster))
                if self.with_plain:
                    plain.append((varied, _plain(varied, size, plan.shape, config)))
        batch = collate(members, plan.shape, config)
        if plain:
            also = collate(plain, plan.shape, config)
            batch |= {PLAIN + key: also[key] for key in ("pixel_values", "pixel_mask", "guide")}
        if noise:
            mislead(batch["decoder_input_ids"], noise, rng)
        return batch

    def _variant(
        self,
        example: AnyExample,
        factor: float,
        shape: Shape,
        config: BatchConfig,
        rng: np.random.Generator,
    ) -> tuple[AnyExample, "Raster"]:
        """The example varied, and its picture."""
        augmentation = self.augmentation
        if augmentation is None:
            return example, _plain(example, factor, shape, config)
        if isinstance(example, PictureExample):
            example = vary_picture(example, augmentation, rng)
            raster = reduce_picture(example, factor, shape, config)
        elif isinstance(example, PrintExample):
            example = vary_print(example, augmentation, rng)
            raster = Raster(*rasterize_print(example, factor, image_processor(config, shape), rng))
        else:
            example = vary(example, augmentation, rng)
            pen, given = draw_pen(augmentation, rng), draw_given(augmentation, rng)
            found = None
            if given is not None:
                found = rasterize_given(example, factor, given, shape, config)
            raster = found or rasterize(example, factor, pen, shape, config)
        return example, replace(raster, picture=degrade(raster.picture, augmentation, rng))


def _plain(example: AnyExample, factor: float, shape: Shape, config: BatchConfig) -> "Raster":
    """The picture of an example as it is, drawn by the protocol."""
    if isinstance(example, PictureExample):
        return reduce_picture(example, factor, shape, config)
    if isinstance(example, PrintExample):
        return Raster(*rasterize_print(example, factor, image_processor(config, shape)))
    return rasterize(example, factor, PEN_WIDTH, shape, config)


def mislead(inputs: torch.Tensor, share: float, rng: np.random.Generator) -> None:
    """Put other tokens of the batch in the place of some that the decoder is told it has read.

    It then learns to look at the ink instead of reciting, and to go on after a mistake.
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
    example: Example, factor: float, pen: int, limit: Shape, config: BatchConfig
) -> Raster:
    """The model's picture of an example, and where its symbols are in it.

    It is drawn as published, at the published scale times `factor`, and then reduced to the
    model's resolution; further if it would not fit `limit` (height, width).
    """
    width, height = example.size
    size = picture_size(width * factor, height * factor, config)
    resolution = config.resolution
    excess = max(size[0] / limit[0], size[1] / limit[1])
    if excess > 1:
        # Ink and margins shrink alike by the resolution; the pen with them.
        resolution = resolution / excess * 0.999
        size = picture_size(width * factor, height * factor, config, resolution)
        size = (min(size[0], limit[0]), min(size[1], limit[1]))
    before = config.margin_before + PEN_WIDTH // 2
    placed = example.points * np.float32(factor) + np.float32(before)
    full = (int(np.rint(size[1] / resolution)), int(np.rint(size[0] / resolution)))
    picture = draw(np.split(placed, example.offsets[1:-1]), *full, pen=pen)
    if pen > STROKE_RANGE[1]:
        # As the image processor does, which leaves no wide strokes.
        lines = centre_lines(picture > 0, pen)
        picture = dilate(lines * np.uint8(255), PEN_WIDTH)
    shrunk = Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    rows, columns = -(-size[0] // STRIDE), -(-size[1] // STRIDE)
    cells = symbol_cells(
        example, placed * np.float32(resolution / STRIDE), rows, columns, step=0.25
    )
    return Raster(np.asarray(shrunk), cells)


def image_processor(config: BatchConfig, limit: Shape | None = None) -> InktexImageProcessor:
    """Brings pictures to what batches are made of.

    Args:
        config: of the batches.
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


def rasterize_given(
    example: Example, factor: float, given: Given, limit: Shape, config: BatchConfig
) -> Raster | None:
    """The model's picture of an example that somebody gives as a picture of another size and pen.

    The image processor makes it of that picture, as it does for whoever asks the model to read it;
    None if it finds no formula there.

    Args:
        example: its ink.
        factor: on its size.
        given: size and pen.
        limit: height and width of the picture, at most.
        config: of the batches.
    """
    margin = MARGIN_BEFORE + given.pen
    placed = example.points * np.float32(factor) + np.float32(margin)
    width, height = (int(np.ceil(side * factor)) + 2 * margin for side in example.size)
    traces = np.split(placed, example.offsets[1:-1])
    drawn = Image.fromarray(draw(traces, width, height, pen=given.pen))
    size = max(round(width * given.size), 1), max(round(height * given.size), 1)
    if size != drawn.size:
        drawn = drawn.resize(size, given.resampling)
    try:
        found = place_picture(drawn, image_processor(config, limit))
    except ValueError:  # nothing that looks like a formula
        return None
    rows, columns = (-(-side // STRIDE) for side in found.picture.shape)
    places = (found.inside(placed * given.size) / STRIDE).astype(np.float32)
    cells = symbol_cells(example, places, rows, columns, step=0.25)
    return Raster(found.picture, cells)


def reduce_picture(
    example: PictureExample, factor: float, limit: Shape, config: BatchConfig
) -> Raster:
    """The model's picture of a picture; arguments as for `rasterize`. Nothing is known of cells."""
    given = example.picture
    # The picture has the published margins: what is more than those wanted goes, what lacks comes.
    cut = MARGIN_BEFORE - config.margin_before, MARGIN_AFTER - config.margin_after
    before, after = (max(side, 0) for side in cut)
    given = given[before : given.shape[0] - after, before : given.shape[1] - after]
    given = np.pad(given, tuple(max(-side, 0) for side in cut))
    height, width = given.shape
    scale = factor * config.resolution
    scale /= max(height * scale / limit[0], width * scale / limit[1], 1.0)
    size = (
        min(max(int(np.ceil(height * scale)), 1), limit[0]),
        min(max(int(np.ceil(width * scale)), 1), limit[1]),
    )
    shrunk = Image.fromarray(given).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    cells = np.zeros((0, -(-size[0] // STRIDE), -(-size[1] // STRIDE)), dtype=np.float32)
    return Raster(np.asarray(shrunk), cells)


def symbol_cells(
    example: Example, places: NDArray[np.float32], rows: int, columns: int, step: float
) -> NDArray[np.float32]:
    """How long each symbol's strokes are in each cell.

    Args:
        example: gives traces and symbols.
        places: `(points, 2)`, x and y of the points in cells.
        rows, columns: of the grid.
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
    owner = np.repeat(np.arange(len(places)), samples)
    ordinal = np.arange(len(owner)) - np.repeat(np.cumsum(samples) - samples, samples)
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
        both directions side by side (2n, tokens): `decoder_input_ids`, `labels`, and `guide`
        (2n, tokens, cells); n instead of 2n where only one direction is read.
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
    guide = np.zeros((count, directions, longest, rows, columns), dtype=np.float32)
    for i, (example, raster) in enumerate(members):
        h, w = raster.picture.shape
        pixels[i, 0, :h, :w] = raster.picture / np.float32(255)
        mask[i, :h, :w] = 1
        r, c = raster.cells.shape[1:]
        if len(example.symbol_labels):
            winner = example.symbol_labels[raster.cells.argmax(axis=0)]
            inked = raster.cells.sum(axis=0) > 0
            # A symbol without a label, or ink of nobody, says nothing; both come out as paper
            # only where there is no ink at all.
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
            guide[i, direction, :n, :r, :c][known] = spread[alignment[known]]
    return {
        "pixel_values": torch.from_numpy(pixels),
        "pixel_mask": torch.from_numpy(mask),
        "symbol_labels": torch.from_numpy(symbol_labels).flatten(1),
        "decoder_input_ids": torch.from_numpy(inputs).flatten(0, 1),
        "labels": torch.from_numpy(labels).flatten(0, 1),
        "guide": torch.from_numpy(guide).flatten(0, 1).flatten(2),
    }
