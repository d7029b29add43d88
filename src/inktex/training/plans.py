"""Which examples go into which batch: an epoch's batches are planned from its seed alone.

Every batch has one of a few fixed shapes, because CPU kernels are compiled for each new shape. As a
plan depends on the seed and the epoch only, a run that was interrupted continues with exactly the
batches that were to come.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inktex.data.augmentation import AugmentationConfig, draw_scale
from inktex.data.examples import AnyExample, Example, cut
from inktex.ink.render import MARGIN_AFTER, MARGIN_BEFORE, STROKE_WIDTH

from .synthetic import SyntheticInk

Shape = tuple[int, int]
Kind = Literal["whole", "cut", "synthetic"]
Member = tuple[int, float, Kind]
"""Number of an example, its size factor, and whether it is used whole, cut or synthesized."""


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """How examples are drawn and batched.

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
        passes: how often an epoch has each example, each time augmented anew; more than once so
            that large batches of many shapes are full.
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

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise ValueError(f"batch.passes must be 1 or more, not {self.passes}.")
        if min(self.margin_before, self.margin_after) < 0:
            raise ValueError("batch.margin_before and batch.margin_after must not be negative.")
        if (self.coarse_resolution is None) != (self.coarse_epochs == 0):
            raise ValueError("batch.coarse_resolution and batch.coarse_epochs go together.")

    def at(self, epoch: int) -> "BatchConfig":
        """The settings of one epoch, with the one resolution that it has."""
        coarse = self.coarse_resolution if epoch < self.coarse_epochs else None
        return replace(
            self, resolution=coarse or self.resolution, coarse_resolution=None, coarse_epochs=0
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """One batch to come: its shape, its members and its epoch."""

    shape: Shape
    members: tuple[Member, ...]
    epoch: int = 0


def picture_size(
    width: float, height: float, config: BatchConfig, resolution: float | None = None
) -> Shape:
    """Height and width of the model's picture of some ink, in pixels.

    Args:
        width, height: of the ink, in published pixels.
        resolution: to use instead of the one of `config`.
    """
    margins = STROKE_WIDTH + config.margin_before + config.margin_after
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
    """How many examples a batch of a shape holds."""
    return max(min(config.pixels // (shape[0] * shape[1]), config.max_size), 1)


_TOKEN_COST = 140
"""Pixels that the encoder handles in the time that the decoder needs for one position."""


def _cost(plan: Plan, lengths: NDArray[np.float64]) -> float:
    """Computing time of a batch, in pixels of the encoder. `lengths`: tokens of every example."""
    height, width = plan.shape
    longest = max(lengths[number] for number, *_ in plan.members)
    return len(plan.members) * (height * width + 2 * _TOKEN_COST * float(longest))


class Planner:
    """Plans an epoch's batches.

    Args:
        config: shapes and sizes.
        augmentation: from which the size factor is drawn; None for no variation.
        synthetic: source of the examples that are added in each epoch; None to add none.
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
        accumulated, a step has batches of any size, the same ones for any number of processes, so
        that each step has short and long expressions. The last batches that do not fill a step are
        left out.
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
            # Every other round is reversed, so that no process always gets the larger batches.
            for start in range(processes, together, 2 * processes):
                step[start : start + processes] = step[start : start + processes][::-1]
        return [plan for step in steps for plan in step]

    def _merge(self, queues: dict[Shape, list[Member]]) -> Iterator[tuple[Shape, list[Member]]]:
        """Move what does not fill a batch to the next wider shape, so that batches are full."""
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
        order = np.argsort([lengths[index] for index, *_ in queue], kind="stable")
        for start in range(0, len(queue), size):
            yield tuple(queue[i] for i in order[start : start + size])


def member_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Random numbers of one example in one epoch, independent of process and order."""
    return np.random.default_rng((seed, epoch, index))


def member_example(
    examples: Sequence[AnyExample],
    synthetic: SyntheticInk | None,
    number: int,
    kind: Kind,
    rng: np.random.Generator,
    whole: bool = True,
) -> AnyExample:
    """The example that a member of a batch stands for, before augmentation.

    Args:
        rng: of `member_rng`.
        whole: whether shape interpolation is applied. It hardly changes the size, so plans do
            without.

    Raises:
        ValueError: if the member is synthetic and `synthetic` is None.
    """
    if kind == "synthetic":
        if synthetic is None:
            raise ValueError("A batch with synthetic examples needs a source of synthetic ink.")
        example: AnyExample = synthetic.draw(rng, f"synthetic-{number}")
    else:
        example = examples[number]
        if kind == "cut" and isinstance(example, Example):  # a picture cannot be cut
            example = cut(example, rng)
    if whole and synthetic is not None and isinstance(example, Example):
        example = synthetic.interpolate(example, rng)
    return example
