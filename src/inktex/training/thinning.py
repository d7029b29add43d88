"""Training of the image processor's thinner: what did a wide pen fill, and what did it write?

Ink can be drawn with any pen, so the pairs to learn from cost nothing: the strokes of a wide pen as
the image processor sees them, and the same ink by the protocol's pen.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from scipy import ndimage
from torch import nn
from tqdm import tqdm

from inktex.examples import AnyExample, Example
from inktex.files import new_file, new_folder, write_text
from inktex.modeling.densenet_inktex import STRIDE
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.strokes_inktex import centre_lines, squares_within
from inktex.modeling.thinning_inktex import THINNER_FILE, TRUST, Thinner
from inktex.recognizer import pretrained_path, shipped_thinner
from inktex.render import PEN_WIDTH, dilate, draw

from .augmentation import vary
from .average import WeightAverage
from .batches import (
    Plan,
    PlannedBatches,
    Planner,
    Raster,
    Shape,
    collate,
    member_example,
    member_rng,
    symbol_cells,
)
from .checkpoints import forget_checkpoints, load_checkpoint, save_checkpoint
from .distillation import distillation_loss
from .guard import FiniteGuard
from .loop import (
    AVERAGED,
    SHIPPED,
    Progress,
    agreed_seconds,
    append_record,
    check_recipe,
    learning_rate,
    make_optimizer,
    take_step,
    usable_precision,
)
from .recipe import Recipe, ThinnerConfig
from .stream import PlanStream, batch_loader
from .synthetic import SyntheticInk, synthetic_ink

__all__ = [
    "RECORD",
    "ThinnerNet",
    "ThinnerPairs",
    "folded",
    "train_thinner",
    "unfolded",
]

RECORD = "thinner.json"
"""What became of a run: how much of the ink is wrong, before and after, and on what it ran."""
NET = "net.safetensors"
"""In `averaged`: the network with its normalisations, from which another run can start."""
_DEVELOPMENT_PEN = 6
"""Pixels; whose filling is measured."""

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


class ThinnerNet(nn.Module):
    """The network that `Thinner` computes with numpy, as it is trained: with batch normalisation.

    Args:
        widths: channels at strides 2, 4, 8, ... pixels.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.step = 2 ** len(widths)
        before = [8, *widths[:-1]]
        self.down = nn.ModuleList(
            _block(inside, width) for inside, width in zip(before, widths, strict=True)
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(_block(width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 4, 1)

    def forward(self, wide: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
        """Logits of the narrow pen's ink.

        Args:
            wide: `(batch, 1, height, width)`, 1 where the wide pen drew, else 0.
            lines: the same of where the narrow pen may have been.
        """
        height, width = wide.shape[-2:]
        pair = torch.cat([wide, lines], dim=1)
        pair = nn.functional.pad(pair, (0, -width % self.step, 0, -height % self.step))
        features = nn.functional.pixel_unshuffle(pair, 2)
        features = features.contiguous(memory_format=torch.channels_last)
        skipped = []
        for level, block in enumerate(self.down):
            if level:
                features = nn.functional.max_pool2d(features, 2)
            features = block(features)
            skipped.append(features)
        for level in reversed(range(len(self.up))):
            coarse = self.reduce[level](features)
            features = skipped[level] + nn.functional.interpolate(coarse, scale_factor=2)
            features = self.up[level](features)
        logits = nn.functional.pixel_shuffle(self.head(features), 2)[..., :height, :width]
        return logits + TRUST * (lines - 0.5)


def _block(inside: int, outside: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inside, outside):
        layers += [
            nn.Conv2d(channels, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _layers(net: ThinnerNet) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d | None]]:
    """Each convolution by its name in a thinner's weights, and the normalisation behind it."""
    for part, blocks in (("down", net.down), ("up", net.up)):
        for level, block in enumerate(blocks):
            assert isinstance(block, nn.Sequential)
            for number, start in enumerate(range(0, len(block), 3)):
                convolution, norm = block[start], block[start + 1]
                assert isinstance(convolution, nn.Conv2d)
                assert isinstance(norm, nn.BatchNorm2d)
                yield f"{part}.{level}.{number}", convolution, norm
    for level, single in enumerate(net.reduce):
        assert isinstance(single, nn.Conv2d)
        yield f"reduce.{level}", single, None
    yield "head", net.head, None


@torch.no_grad()
def folded(net: ThinnerNet) -> Thinner:
    """The thinner of a trained network.

    Normalisations go into the kernels, these into eight bits, with a scale for each channel out.
    """
    weights: dict[str, NDArray[np.generic]] = {}
    for name, convolution, norm in _layers(net):
        if norm is None:
            assert convolution.bias is not None
            kernel, bias = convolution.weight[:, :, 0, 0].T, convolution.bias
        else:
            assert norm.running_var is not None
            assert norm.running_mean is not None
            gain = norm.weight / (norm.running_var + norm.eps).sqrt()
            kernel = (convolution.weight * gain[:, None, None, None]).permute(2, 3, 1, 0)
            bias = norm.bias - norm.running_mean * gain
        scale = (kernel.abs().flatten(0, -2).amax(dim=0) / 127).clamp(min=1e-12)
        weights[f"{name}.weight"] = (kernel / scale).round().to(torch.int8).cpu().numpy()
        weights[f"{name}.scale"] = scale.cpu().numpy()
        weights[f"{name}.bias"] = bias.cpu().numpy()
    return Thinner(weights)


@torch.no_grad()
def unfolded(thinner: Thinner, pair: Sequence[torch.Tensor]) -> ThinnerNet:
    """A network to train on, of a thinner whose normalisations went into its kernels.

    Args:
        thinner: which it computes as, before it learns.
        pair: `wide` and `lines` of a batch, on which the new normalisations are measured.
    """
    weights = {name: torch.from_numpy(value) for name, value in thinner.weights.items()}
    net = ThinnerNet([len(weights[f"down.{i}.0.bias"]) for i in range(thinner.levels)]).train()

    def measure(norm: nn.Module, given: tuple[torch.Tensor, ...], bias: torch.Tensor) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_var is not None
        assert norm.running_mean is not None
        variance, mean = torch.var_mean(given[0], dim=(0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + bias)

    hooks = []
    for name, convolution, norm in _layers(net):
        kernel, bias = weights[f"{name}.weight"] * weights[f"{name}.scale"], weights[f"{name}.bias"]
        if norm is None:
            assert convolution.bias is not None
            convolution.weight.copy_(kernel.T[:, :, None, None])
            convolution.bias.copy_(bias)
        else:
            convolution.weight.copy_(kernel.permute(3, 2, 0, 1))
            hooks.append(norm.register_forward_pre_hook(partial(measure, bias=bias)))
    net(*pair)
    for hook in hooks:
        hook.remove()
    return net


# ------------------------------------------------------------------------------------------- pairs


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
            pen, nib = int(rng.choice(self.thinner.pens)), int(rng.choice(self.thinner.nibs))
            placed = self._place(example, factor, plan.shape)
            line = draw(
                np.split(placed, example.offsets[1:-1]), plan.shape[1], plan.shape[0], pen=1
            )
            pairs.append(draw_pair(line, pen, nib, rng.random() < self.thinner.round))
            if self.resolution is not None:
                members.append((example, self._raster(example, placed, pairs[-1][2])))
        names = ("wide", "lines", "ink")
        batch = {
            name: torch.from_numpy(np.stack(pictures)[:, None] / np.float32(255))
            for name, pictures in zip(names, zip(*pairs, strict=True), strict=True)
        }
        if self.resolution is None:
            return batch
        height, width = (round(side * self.resolution) for side in plan.shape)
        return batch | collate(members, (height, width), self.config)

    def _raster(
        self, example: Example, placed: NDArray[np.float32], ink: NDArray[np.uint8]
    ) -> Raster:
        """The reader's picture of narrow ink, and where its symbols are."""
        assert self.resolution is not None
        size = [round(side * self.resolution) for side in ink.shape]
        reduced = np.asarray(Image.fromarray(ink).resize(size[::-1], Image.Resampling.BILINEAR))
        after = self.config.margin_after + PEN_WIDTH // 2
        ends = np.ceil((placed.max(axis=0) + after) * self.resolution).astype(int)
        picture = reduced[: ends[1], : ends[0]]
        rows, columns = (-(-side // STRIDE) for side in picture.shape)
        places = placed * np.float32(self.resolution / STRIDE)
        return Raster(picture, symbol_cells(example, places, rows, columns, step=0.25))

    def _place(self, example: Example, factor: float, shape: Shape) -> NDArray[np.float32]:
        """The points in pixels, nearer to each other than planned if they would not fit."""
        width, height = example.size
        margins = self.config.margin_before + self.config.margin_after + PEN_WIDTH
        room = min((shape[0] - margins) / max(height, 1), (shape[1] - margins) / max(width, 1))
        placed = example.points * np.float32(min(factor, room))
        return placed + np.float32(self.config.margin_before + PEN_WIDTH // 2)


# ---------------------------------------------------------------------------------------- training


def train_thinner(
    recipe: Recipe,
    examples: Sequence[AnyExample],
    development: Sequence[AnyExample],
    output: Path,
    resume: bool = True,
) -> Path:
    """Train a thinner by a recipe.

    Args:
        recipe: the run; what it says of models and their losses is not used.
        examples: what to train on; pictures without ink are passed over.
        development: on what to measure.
        output: folder for checkpoints, the curve and the thinner.
        resume: go on from the last checkpoint in `output`, if there is one.

    Returns:
        The file with the averaged weights. `thinner.json` beside it tells how much is wrong.

    Raises:
        ValueError: if there is no ink to train on, `init` has another network, `output` holds a run
            of another recipe, or all its checkpoints are damaged.
        DivergedError: a `ValueError`, if the loss stays no finite number.
        OSError: if something cannot be written.
    """
    ink = [example for example in examples if isinstance(example, Example)]
    if not ink:
        raise ValueError("There is no ink to train on: pictures do not tell what the pen was.")
    output.mkdir(parents=True, exist_ok=True)
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision=usable_precision(recipe.precision), project_dir=str(output)
    )
    set_seed(recipe.seed + accelerator.process_index)
    config = recipe.thinner or ThinnerConfig()
    synthetic = synthetic_ink(ink, recipe.synthesis)
    planner = Planner(
        ink, recipe.batch, recipe.augmentation, recipe.seed, synthetic, recipe.synthesis.share
    )
    model: Any = ThinnerNet(config.widths)
    if recipe.init is not None:
        try:
            model.load_state_dict(_start(recipe, ThinnerPairs(ink, recipe, synthetic), planner))
        except RuntimeError as error:
            raise ValueError(
                f"The thinner in {recipe.init} does not fit the recipe's thinner.widths: {error}"
            ) from error
    model.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, recipe.optimizer)
    model, optimizer = accelerator.prepare(model, optimizer)
    bare: ThinnerNet = accelerator.unwrap_model(model)
    average = WeightAverage(bare, recipe.optimizer.average)
    progress = Progress()
    accelerator.register_for_checkpointing(progress, average)
    check_recipe(recipe, output, resume, accelerator)
    if not resume:
        forget_checkpoints(accelerator, output)
    if resume and load_checkpoint(accelerator, output) is not None:
        accelerator.print(f"Going on at step {progress.step} (epoch {progress.epoch}).")
    guard = FiniteGuard(accelerator, output)
    plans = PlanStream(
        planner,
        accelerator.num_processes,
        accelerator.process_index,
        epoch=progress.epoch,
        batch=progress.batch,
        planners=recipe.planners,
    )
    reader, resolution = None, None
    if config.reader:
        reader = InktexForConditionalGeneration.from_pretrained(
            pretrained_path(), dtype=torch.float32
        )
        reader = reader.to(accelerator.device).eval().requires_grad_(False)
        resolution = InktexImageProcessor.from_pretrained(pretrained_path()).resolution
        _check_reader(recipe, resolution, reader.encoder.backbone.stride)
    pairs = ThinnerPairs(ink, recipe, synthetic, resolution)
    loader = batch_loader(pairs, plans, recipe.workers, recipe.seed)
    bar = tqdm(
        total=recipe.steps,
        initial=progress.step,
        disable=not accelerator.is_local_main_process,
        mininterval=5.0,
        unit="step",
    )
    started = time.monotonic() - progress.seconds
    model.train()
    sums = torch.zeros(4)
    for batch in loader:
        if progress.share(recipe) >= 1:
            break
        rate = learning_rate(recipe.optimizer, progress.step, progress.share(recipe))
        for group in optimizer.param_groups:
            group["lr"] = rate
        if progress.batch >= plans.length(progress.epoch):
            progress.epoch, progress.batch = progress.epoch + 1, 0
        progress.batch += 1
        batch = {key: value.to(accelerator.device) for key, value in batch.items()}
        with accelerator.autocast():
            logits = model(batch["wide"], batch["lines"]).float()
            loss = config.pixels * _loss(logits, batch)
            read = logits.new_zeros(())
            if reader is not None:
                read = _difference(reader, logits, batch)
                loss = loss + config.reader * read
        accelerator.backward(loss)
        if take_step(accelerator, model, optimizer, recipe, float(loss.detach()), guard):
            guard.took({"loss": float(loss.detach())})
            average.update()
            told = (loss.detach(), read.detach(), *_wrong(logits.detach(), batch))
            sums += torch.tensor([float(one) for one in told])
        else:
            guard.skipped("loss or its gradient", progress.step, rate)
        progress.step += 1
        progress.seconds = agreed_seconds(accelerator, time.monotonic() - started)
        if progress.step % recipe.log_every == 0:
            means = accelerator.reduce(sums.to(accelerator.device), reduction="mean")
            loss_mean, read_mean, before, after = (means / recipe.log_every).tolist()
            sums = torch.zeros(4)
            record = {"step": progress.step, "loss": loss_mean, "lr": rate}
            record |= {"wrong_before": before, "wrong": after}
            record |= {"reading": read_mean} if reader is not None else {}
            append_record(output, accelerator, record)
            bar.set_postfix(loss=f"{loss_mean:.4f}", wrong=f"{after:.4f}", refresh=False)
        bar.update(1)
        if progress.step % recipe.save_every == 0 or progress.share(recipe) >= 1:
            save_checkpoint(accelerator, output)
    bar.close()
    if accelerator.is_main_process:
        with average.applied() as averaged:
            assert isinstance(averaged, ThinnerNet)
            thinner = folded(averaged)
            with new_folder(output / AVERAGED) as folder:
                save_file(
                    {k: v.contiguous() for k, v in averaged.state_dict().items()}, folder / NET
                )
        with new_file(output / THINNER_FILE) as partial:
            thinner.save(partial)
        before, after = filling(thinner, development)
        record = {
            "sha256": thinner.checksum,
            "steps": progress.step,
            "minutes": progress.seconds / 60,
            "pen": _DEVELOPMENT_PEN,
            "wrong_before": before,
            "wrong": after,
        }
        write_text(output / RECORD, json.dumps(record, indent=1) + "\n")
    accelerator.wait_for_everyone()
    return output / THINNER_FILE


def _start(recipe: Recipe, pairs: ThinnerPairs, planner: Planner) -> dict[str, torch.Tensor]:
    """The weights of the network that a run starts from: another run's, or the shipped thinner's.

    Raises:
        ValueError: if there is no shipped one.
        OSError: if the other run's cannot be read.
    """
    if recipe.init != SHIPPED:
        return load_file(Path(str(recipe.init)) / NET)
    thinner = shipped_thinner()
    if thinner is None:
        raise ValueError("This checkout has no thinner to start from: leave init out.")
    batch = pairs[planner.epoch(0)[0]]
    return unfolded(thinner, (batch["wide"], batch["lines"])).state_dict()


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


def _loss(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean cross-entropy of the pixels that the wide pen drew, in nats."""
    each = nn.functional.binary_cross_entropy_with_logits(logits, batch["ink"], reduction="none")
    return (each * batch["wide"]).sum() / batch["wide"].sum().clamp(min=1)


def _difference(
    reader: InktexForConditionalGeneration, logits: torch.Tensor, batch: dict[str, torch.Tensor]
) -> torch.Tensor:
    """How otherwise a model reads what the thinner makes of the strokes, in nats a token.

    Args:
        reader: whose weights do not learn.
        logits: `(n, 1, height, width)`, the thinner's.
        batch: of `ThinnerPairs` with a resolution.
    """
    shared = {key: batch[key] for key in ("pixel_mask", "decoder_input_ids", "guide")}
    with torch.no_grad():
        taught = reader(pixel_values=batch["pixel_values"], **shared, use_cache=False).logits
    # As Pillow reduces them: averages over all pixels that fall into one.
    pixels = nn.functional.interpolate(
        logits.sigmoid() * batch["wide"],
        size=batch["pixel_values"].shape[-2:],
        mode="bilinear",
        antialias=True,
    )
    pixels = pixels * batch["pixel_mask"][:, None]
    learnt = reader(pixel_values=pixels, **shared, use_cache=False).logits
    return distillation_loss(learnt, taught, batch["labels"])


def _check_reader(recipe: Recipe, resolution: float, stride: int) -> None:
    sides = (*recipe.batch.heights, *recipe.batch.widths)
    odd = [side for side in sides if abs(side * resolution / stride % 1) > 1e-6]
    if odd:
        raise ValueError(
            f"The reader sees batch.heights and batch.widths times {resolution}, which must be "
            f"multiples of {stride}; those of {', '.join(map(str, odd))} are not."
        )


def _wrong(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> tuple[float, float]:
    """Shares of the wide pen's pixels that are wrong where all stays filled, and are now."""
    wide = batch["wide"]
    total = wide.sum().clamp(min=1)
    before = ((batch["lines"] != batch["ink"]) * wide).sum() / total
    after = (((logits > 0) != (batch["ink"] > 0.5)) * wide).sum() / total
    return float(before), float(after)
