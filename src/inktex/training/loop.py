"""The training loop: Accelerate, averaged weights, checkpoints that resume to the bit."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, parse_flag_from_env, reduce, set_seed
from tqdm.auto import tqdm

from inktex.data.examples import AnyExample

from .checkpoints import forget_checkpoints, load_checkpoint, save_checkpoint
from .guard import FiniteGuard
from .ink_extraction import InkExtractionTask
from .optimization import WeightAverage, learning_rate, make_optimizer
from .recipe import Recipe
from .recognition import Recognition
from .run_folder import CURVE, append_to_curve, record_recipe
from .stream import recipe_batches
from .stroke_restoration import StrokeRestorationTask
from .task import Progress, Task

logger = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    examples: Sequence[AnyExample],
    development: Sequence[AnyExample],
    output: Path,
    resume: bool = True,
) -> Path:
    """Train by a recipe.

    Args:
        output: folder for checkpoints, curves and the averaged weights.
        resume: go on from the last checkpoint in `output`, if there is one.

    Returns:
        The folder with the averaged weights that scored best on the development examples; of a run
        of stroke restoration, the file with the network.

    Raises:
        ValueError: if there is nothing to train on, a shape does not suit the model, `output`
            holds a run of another recipe, or all its checkpoints are damaged.
        DivergedError: a `ValueError`, if the loss stays NaN or infinite; a report is written.
        OSError: if a checkpoint cannot be written, as on a full disk.
    """
    if not examples:
        raise ValueError("There are no examples to train on: check the recipe's `data`.")
    output.mkdir(parents=True, exist_ok=True)
    AcceleratorState._reset_state()  # a run before may have had another precision
    accelerator = Accelerator(
        mixed_precision=usable_precision(recipe.precision),
        gradient_accumulation_steps=recipe.optimizer.accumulate,
        log_with=_trackers(),
        project_dir=str(output),
    )
    set_seed(recipe.seed + accelerator.process_index)
    kind: type[InkExtractionTask | StrokeRestorationTask | Recognition] = Recognition
    if recipe.ink_extraction is not None:
        kind = InkExtractionTask
    elif recipe.stroke_restoration is not None:
        kind = StrokeRestorationTask
    task: Task = kind(recipe, examples, development)
    return Trainer(recipe, task, accelerator, output, resume).run()


class Trainer:
    """A run: a task, its optimizer, and where it stands.

    Args:
        resume: go on from the last checkpoint in `output`, if there is one.
    """

    def __init__(
        self, recipe: Recipe, task: Task, accelerator: Accelerator, output: Path, resume: bool
    ) -> None:
        self.recipe, self.task, self.accelerator, self.output = recipe, task, accelerator, output
        network = task.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(network, recipe.optimizer)
        self.model: Any
        self.optimizer: Any
        self.model, self.optimizer = accelerator.prepare(network, optimizer)
        task.model = accelerator.unwrap_model(self.model)
        config = recipe.optimizer
        self.average = WeightAverage(task.model, config.average, config.start_share)
        self.progress = Progress()
        # The order of the states is the order of the files in a checkpoint.
        accelerator.register_for_checkpointing(self.progress, self.average, *task.states)
        record_recipe(recipe, output, resume, accelerator)
        if not resume:
            forget_checkpoints(accelerator, output)
        elif load_checkpoint(accelerator, output) is not None:
            accelerator.print(
                f"Going on at step {self.progress.step} (epoch {self.progress.epoch})."
            )
        self.guard = FiniteGuard(accelerator, output)
        self.sums: dict[str, float] = {}
        self.pictures, self.logged = 0, time.monotonic()

    def run(self) -> Path:
        """Train to the end of the recipe; gives where the best weights are."""
        recipe, progress, accelerator = self.recipe, self.progress, self.accelerator
        if accelerator.log_with:
            accelerator.init_trackers("curves")
        plans, loader = recipe_batches(
            recipe, self.task.batches, accelerator, progress.epoch, progress.batch
        )
        started = time.monotonic() - progress.seconds
        self.model.train()
        step_losses: dict[str, float] = {}
        is_done = progress.share(recipe) >= 1
        with self._progress_bar() as bar:
            for batch in () if is_done else loader:
                if progress.batch >= plans.length(progress.epoch):
                    progress.epoch, progress.batch = progress.epoch + 1, 0
                progress.batch += 1
                with accelerator.accumulate(self.model):
                    for name, value in self._backward(batch).items():
                        mean = value / recipe.optimizer.accumulate
                        step_losses[name] = step_losses.get(name, 0.0) + mean
                if not accelerator.sync_gradients:
                    continue
                self._step(step_losses)
                step_losses = {}
                progress.seconds = _agreed_seconds(accelerator, time.monotonic() - started)
                self._report(bar)
                if progress.share(recipe) >= 1:
                    break
        # Not `end_training`, which would also end the process group: another run may follow.
        for tracker in accelerator.trackers:
            tracker.finish()
        return self.task.result(self.output)

    def _backward(self, batch: dict[str, torch.Tensor]) -> dict[str, float]:
        """Add a batch's gradients to those that there are; gives its losses."""
        self.task.count(batch)
        self.pictures += len(next(iter(batch.values())))
        device = self.accelerator.device
        batch = {key: value.to(device, non_blocking=True) for key, value in batch.items()}
        share = self.progress.share(self.recipe)
        losses = self.task.losses(self.accelerator, self.model, batch, share)
        self.accelerator.backward(losses[self.task.measures[0]])
        # In one transfer, so that a GPU is waited for once.
        values = torch.stack([one.detach().float() for one in losses.values()]).tolist()
        return dict(zip(losses, values, strict=True))

    def _step(self, losses: dict[str, float]) -> None:
        """An optimizer step with the gradients that there are, unless they are not finite."""
        accelerator, progress, config = self.accelerator, self.progress, self.recipe.optimizer
        rate = learning_rate(config, progress.step, progress.share(self.recipe))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        norm = accelerator.clip_grad_norm_(self.model.parameters(), config.clip)
        # In fp16 infinite gradients are handled by the loss scaler, which adapts to them.
        is_scaled = accelerator.mixed_precision == "fp16"
        loss = losses[self.task.measures[0]]
        checked = torch.tensor(loss, device=accelerator.device) if is_scaled else norm
        if self.guard.is_finite(checked):
            self.optimizer.step()
            self.average.update()
            self.guard.passed(losses)
            for name, value in losses.items():
                self.sums[name] = self.sums.get(name, 0.0) + value
        else:
            self.guard.skipped("loss or its gradient", progress.step, rate)
        self.optimizer.zero_grad(set_to_none=True)
        progress.step += 1

    def _report(self, bar: Any) -> None:
        """Log, validate and save, as far as that is due after this step."""
        recipe, progress = self.recipe, self.progress
        done = progress.share(recipe) >= 1
        if progress.step % recipe.log_every == 0:
            means = self._means()
            rate = self.optimizer.param_groups[0]["lr"]
            self.accelerator.log({**means, "learning_rate": rate}, step=progress.step)
            record = {"step": progress.step, **means, "lr": rate}
            record["pictures_per_second"] = self._speed()
            append_to_curve(self.output, self.accelerator, record)
            bar.set_postfix({k: f"{v:.3f}" for k, v in means.items()}, refresh=False)
        bar.update(1)
        if progress.step % recipe.validate_every == 0 or done:
            self._validate()
        # After the validation, which would be left out if the run was killed in between.
        if progress.step % recipe.save_every == 0 or done:
            self.task.synchronize(self.accelerator)
            save_checkpoint(self.accelerator, self.output)

    def _means(self) -> dict[str, float]:
        """Means of the losses over the steps since the last ones, and over processes."""
        # All processes name all losses, though one of them may not have had each.
        names = self.task.measures
        own = [self.sums.get(name, 0.0) / self.recipe.log_every for name in names]
        self.sums = {}
        means = reduce(torch.tensor(own, device=self.accelerator.device), reduction="mean").tolist()
        return {name: value for name, value in zip(names, means, strict=True) if value}

    def _speed(self) -> float:
        """Pictures a second of all processes since the last log, validations included."""
        now = time.monotonic()
        speed = self.pictures * self.accelerator.num_processes / (now - self.logged)
        self.pictures, self.logged = 0, now
        return round(speed, 1)

    def _validate(self) -> None:
        """Save and score the averaged weights, in the main process."""
        accelerator, progress = self.accelerator, self.progress
        accelerator.wait_for_everyone()
        self.task.synchronize(accelerator)
        if accelerator.is_main_process:
            with self.average.applied():
                scores = self.task.evaluate(self.output, progress)
            if scores:
                minutes = round(progress.seconds / 60, 2)
                record = {"step": progress.step, "epoch": progress.epoch, "minutes": minutes}
                append_to_curve(self.output, accelerator, record | scores)
                rates = {k: v for k, v in scores.items() if k.startswith("exp_rate")}
                accelerator.log(rates, step=progress.step)
                shown = ", ".join(f"{k} {v:.4g}" for k, v in scores.items())
                tqdm.write(f"step {progress.step}, epoch {progress.epoch}: {shown}")
        accelerator.wait_for_everyone()

    def _progress_bar(self) -> Any:
        return tqdm(
            total=self.recipe.steps,
            initial=self.progress.step,
            disable=not self.accelerator.is_local_main_process,
            mininterval=5.0,
            unit="step",
        )


def usable_precision(precision: str) -> str:
    """`no`, `bf16` or `fp16`, of a recipe's `precision`, which may be `auto`.

    On CPUs bfloat16 pays where there are instructions for its products (AVX-512 BF16, AMX): an EPYC
    core with the first trains twice as many pictures in it. Without, products take longer.
    """
    if precision != "auto":
        return precision
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU")
    if torch.cuda.is_available() and not on_cpu:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    if torch.accelerator.is_available() and not on_cpu:
        return "no"
    # Every CPU with AMX has AVX-512 BF16 as well.
    has_products = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return "bf16" if has_products is not None and has_products() else "no"


def _agreed_seconds(accelerator: Accelerator, seconds: float) -> float:
    """The main process's time, so that all processes end a run of some minutes together."""
    if accelerator.num_processes == 1:
        return seconds
    return float(broadcast(torch.tensor([seconds], device=accelerator.device)).item())


def _trackers() -> list[str]:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        logger.warning("tensorboard is not installed: curves go to %s alone.", CURVE)
        return []
    return ["tensorboard"]
