"""Training of the image processor's thinner: what did a wide pen fill, and what did it write?

Ink can be drawn with any pen, so the pairs to learn from cost nothing: the strokes of a wide pen as
the image processor sees them, and the same ink by the protocol's pen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from safetensors.torch import save_file
from tqdm import tqdm

from inktex.examples import AnyExample, Example
from inktex.files import new_file, new_folder
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.thinning_inktex import THINNER_FILE
from inktex.shipped import pretrained_path

from .average import WeightAverage
from .batches import Planner
from .checkpoints import forget_checkpoints, load_checkpoint, save_checkpoint
from .distillation import distillation_loss
from .guard import FiniteGuard
from .loop import (
    AVERAGED,
    Progress,
    agreed_seconds,
    append_record,
    check_recipe,
    learning_rate,
    make_optimizer,
    take_step,
    usable_precision,
)
from .pairs import ThinnerPairs, write_record
from .recipe import Recipe, ThinnerConfig
from .stream import PlanStream, batch_loader
from .synthetic import synthetic_ink
from .thinner_net import NET, ThinnerNet, folded, ink_loss, narrow_ink, starting_net

__all__ = ["train_thinner"]


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
        model = starting_net(recipe, ThinnerPairs(ink, recipe, synthetic))
        if model is None:
            raise ValueError(f"There is no thinner to start from in {recipe.init}: leave init out.")
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
            loss = config.pixels * ink_loss(logits, batch["wide"], batch["ink"])
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
        write_record(output, thinner, progress.step, progress.seconds, development)
    accelerator.wait_for_everyone()
    return output / THINNER_FILE


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
    pixels = narrow_ink(logits, batch["wide"], batch["pixel_mask"])
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
