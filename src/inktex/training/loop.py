"""The training loop: Accelerate, averaged weights, checkpoints that resume where they stopped."""

import copy
import json
import logging
import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, parse_flag_from_env, reduce, set_seed
from tqdm.auto import tqdm

from inktex.alphabet import read_alphabet
from inktex.examples import AnyExample
from inktex.files import new_file, new_folder, write_text
from inktex.modeling.configuration_inktex import InktexConfig
from inktex.modeling.decoder_inktex import InktexDecoder
from inktex.modeling.generation_inktex import sequence_logits
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.processing_inktex import InktexProcessor
from inktex.modeling.thinning_inktex import THINNER_FILE, Thinner
from inktex.recognizer import pretrained_path, shipped_thinner
from inktex.tokenizer.tokenization_inktex import build_tokenizer
from inktex.tokenizer.vocabulary_inktex import GRAMMAR, VOCABULARY

from .average import WeightAverage
from .batches import IGNORE, PAD, image_processor
from .checkpoints import BEFORE, CHECKPOINT, forget_checkpoints, load_checkpoint, save_checkpoint
from .consistency import consistency_loss
from .counts import TokenCounts
from .distillation import distillation_loss, plain, without_plain
from .growth import can_grow, grown, widened
from .guard import FiniteGuard
from .joint import JointModel, joint_model
from .pairs import JointBatches, write_record
from .recipe import SHIPPED, OptimizerConfig, Recipe, recipe_from_dict
from .risk import expression_risk
from .stream import planned_batches, recipe_batches
from .thinner_net import folded
from .validation import validate_each

logger = logging.getLogger(__name__)

AVERAGED = "averaged"
BEST = "best"
CURVE = "curve.jsonl"
RECIPE = "recipe.json"
MACHINE = "machine.json"
"""What a run was computed on."""
_LOSSES = ("loss", "tokens", "symbols", "guide", "consistency", "distillation", "risk")


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    best: float = -1.0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to what `state_dict` gave."""
        vars(self).update(state)

    def share(self, recipe: Recipe) -> float:
        """How much of the run is done, 0 to 1."""
        if recipe.steps is not None:
            return min(self.step / max(recipe.steps, 1), 1.0)
        return min(self.seconds / (60 * (recipe.minutes or 1)), 1.0)


def learning_rate(config: OptimizerConfig, step: int, share: float) -> float:
    """Learning rate after `step` steps, `share` (0 to 1) of the run being done."""
    warm = min((step + 1) / max(config.warmup_steps, 1), 1.0)
    fall = min((1 - share) / config.decay_share, 1.0) if config.decay_share > 0 else 1.0
    return config.learning_rate * warm * max(fall, 0.0)


def make_optimizer(model: torch.nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """AdamW; vectors (biases, normalisations) are not decayed."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    # Fused: one pass over the weights instead of ten, a fifth of the time on a CPU core.
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, config.beta2), fused=True)


def make_model(recipe: Recipe, tokens: int = 0) -> InktexForConditionalGeneration:
    """A fresh model, or the one of `recipe.init` with the recipe's changes to its configuration.

    An encoder may have more dense layers than that of the checkpoint: see `grown`.

    Args:
        recipe: the run.
        tokens: of the vocabulary that have to be known; where the checkpoint has fewer, it gets all
            (see `widened`). Otherwise it keeps those that it has, and with them its ONNX graphs.

    Raises:
        ValueError: if another change needs weights that the checkpoint does not have.
    """
    decoder = {"grammar": GRAMMAR, **recipe.decoder}
    if recipe.init is None:
        config = InktexConfig(encoder=dict(recipe.encoder), decoder=decoder)
        return InktexForConditionalGeneration(config)
    init = str(pretrained_path()) if recipe.init == SHIPPED else recipe.init
    config = InktexConfig.from_pretrained(init)
    if config.decoder.vocab_size < len(VOCABULARY):  # the grammar of all tokens comes with them
        decoder["grammar"] = config.decoder.grammar
    shallow = copy.deepcopy(config)
    config.encoder.update(recipe.encoder)
    for one in (config, shallow):
        one.decoder.update(decoder)
    deepens = can_grow(shallow.encoder, config.encoder)
    try:
        model: InktexForConditionalGeneration = InktexForConditionalGeneration.from_pretrained(
            init, config=shallow if deepens else config, dtype=torch.float32
        )
    except RuntimeError as error:
        raise ValueError(
            f"The weights in {recipe.init} do not fit the recipe's encoder and decoder: {error}"
        ) from error
    model = grown(model, config) if deepens else model
    is_narrow = model.config.decoder.vocab_size < tokens
    return widened(model, len(VOCABULARY), GRAMMAR) if is_narrow else model


def _tokens(recipe: Recipe, examples: Sequence[AnyExample]) -> int:
    """How many tokens of the vocabulary a run needs: all up to the last one that occurs."""
    if recipe.synthesis.wide:
        return len(VOCABULARY)
    return 1 + max(int(example.tokens.max(initial=0)) for example in examples)


def train(
    recipe: Recipe,
    examples: Sequence[AnyExample],
    development: Sequence[AnyExample],
    output: Path,
    resume: bool = True,
) -> Path:
    """Train by a recipe.

    Args:
        recipe: the run.
        examples: what to train on.
        development: what to choose checkpoints on.
        output: folder for checkpoints, curves and the averaged weights.
        resume: go on from the last checkpoint in `output`, if there is one.

    Returns:
        The folder with the averaged weights that scored best on the development examples.

    Raises:
        ValueError: if there is nothing to train on, a shape does not suit the model, `output`
            holds a run of another recipe, or all its checkpoints are damaged.
        DivergedError: a `ValueError`, if the loss stays no finite number; a report is written.
        OSError: if a checkpoint cannot be written, as on a full disk.
    """
    if not examples:
        raise ValueError("There are no examples to train on: check the recipe's `data`.")
    output.mkdir(parents=True, exist_ok=True)
    AcceleratorState._reset_state()  # the run before may have had another precision
    accelerator = Accelerator(
        mixed_precision=usable_precision(recipe.precision),
        log_with=_trackers(),
        project_dir=str(output),
    )
    set_seed(recipe.seed + accelerator.process_index)
    batches = planned_batches(recipe, examples)
    tokens = _tokens(recipe, examples)
    model: Any = make_model(recipe, tokens)
    if isinstance(batches, JointBatches):
        model = joint_model(recipe, model, batches)
    if recipe.optimizer.fixed_norms:
        _fix_norms(_reader(model))
    model = model.to(memory_format=torch.channels_last)
    if recipe.loss.risk and not isinstance(_reader(model).decoder, InktexDecoder):
        raise ValueError("loss.risk needs a Transformer decoder: set it to 0.")
    optimizer = make_optimizer(model, recipe.optimizer)
    model, optimizer = accelerator.prepare(model, optimizer)
    learning = accelerator.unwrap_model(model)
    bare = _reader(learning)
    _check_shapes(recipe, bare.encoder.backbone.stride)
    teacher = _teacher(recipe, accelerator, tokens)
    average = WeightAverage(learning, recipe.optimizer.average, recipe.optimizer.start_share)
    progress = Progress()
    counts = TokenCounts()
    known = _alphabet_of_start(recipe)
    accelerator.register_for_checkpointing(progress, average, counts)
    check_recipe(recipe, output, resume, accelerator)
    if not resume:
        forget_checkpoints(accelerator, output)
    if resume and load_checkpoint(accelerator, output) is not None:
        accelerator.print(f"Going on at step {progress.step} (epoch {progress.epoch}).")
    guard = FiniteGuard(accelerator, output)
    if accelerator.log_with:
        accelerator.init_trackers("curves")
    accumulate = recipe.optimizer.accumulate
    plans, loader = recipe_batches(recipe, batches, accelerator, progress.epoch, progress.batch)
    processor = make_processor(recipe)
    bar = tqdm(
        total=recipe.steps,
        initial=progress.step,
        disable=not accelerator.is_local_main_process,
        mininterval=5.0,
        unit="step",
    )
    started = time.monotonic() - progress.seconds
    model.train()
    sums: dict[str, float] = {}
    step_losses: dict[str, float] = {}
    if progress.share(recipe) < 1:
        for batch in loader:
            rate = learning_rate(recipe.optimizer, progress.step, progress.share(recipe))
            for group in optimizer.param_groups:
                group["lr"] = rate
            if progress.batch >= plans.length(progress.epoch):
                progress.epoch, progress.batch = progress.epoch + 1, 0
            progress.batch += 1
            counts.add(batch["labels"], 2 if recipe.batch.reverse else 1)
            is_whole = progress.batch % accumulate == 0
            with nullcontext() if is_whole else accelerator.no_sync(model):
                losses = _backward(
                    accelerator, model, batch, recipe, progress.share(recipe), teacher
                )
            for name, value in losses.items():
                step_losses[name] = step_losses.get(name, 0.0) + value / accumulate
            if not is_whole:
                continue
            if take_step(accelerator, model, optimizer, recipe, step_losses["loss"], guard):
                guard.took(step_losses)
                average.update()
                for name, value in step_losses.items():
                    sums[name] = sums.get(name, 0.0) + value
            else:
                guard.skipped("loss or its gradient", progress.step, rate)
            step_losses = {}
            progress.step += 1
            progress.seconds = agreed_seconds(accelerator, time.monotonic() - started)
            if progress.step % recipe.log_every == 0:
                means = _mean(accelerator, sums, recipe.log_every)
                sums = {}
                counts.share(accelerator)
                accelerator.log({**means, "learning_rate": rate}, step=progress.step)
                append_record(output, accelerator, {"step": progress.step, **means, "lr": rate})
                bar.set_postfix({k: f"{v:.3f}" for k, v in means.items()}, refresh=False)
            bar.update(1)
            done = progress.share(recipe) >= 1
            if progress.step % recipe.validate_every == 0 or done:
                counts.share(accelerator)
                _validate(
                    accelerator, learning, processor, average, development, recipe, output, progress
                )
                if accelerator.is_main_process:
                    for folder in (output / AVERAGED, output / BEST):
                        if folder.is_dir():
                            counts.save(folder, known)
            # After the evaluation: a run that is killed in between must not take itself for done.
            if progress.step % recipe.save_every == 0 or done:
                save_checkpoint(accelerator, output)
            if done:
                break
    bar.close()
    if isinstance(learning, JointModel) and accelerator.is_main_process:
        thinner = Thinner.load(output / AVERAGED / THINNER_FILE)
        with new_file(output / THINNER_FILE) as partial:
            thinner.save(partial)
        write_record(output, thinner, progress.step, progress.seconds, development)
    # Not `end_training`, which would also part the processes: another run may follow.
    for tracker in accelerator.trackers:
        tracker.finish()
    return output / (BEST if (output / BEST).is_dir() else AVERAGED)


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


def agreed_seconds(accelerator: Accelerator, seconds: float) -> float:
    """The main process's time, by which all of them go: else one ends while another goes on."""
    if accelerator.num_processes == 1:
        return seconds
    return float(broadcast(torch.tensor([seconds], device=accelerator.device)).item())


def _mean(accelerator: Accelerator, sums: dict[str, float], steps: int) -> dict[str, float]:
    """Means over steps and processes, whose batches all have their part in each step."""
    # All processes name all losses, though one may have had no ink to learn from.
    own = [sums.get(name, 0.0) / steps for name in _LOSSES]
    means = reduce(torch.tensor(own, device=accelerator.device), reduction="mean").tolist()
    return {name: value for name, value in zip(_LOSSES, means, strict=True) if value}


def _backward(
    accelerator: Accelerator,
    model: Any,
    batch: dict[str, torch.Tensor],
    recipe: Recipe,
    share: float,
    teacher: InktexForConditionalGeneration | None = None,
) -> dict[str, float]:
    """Add a batch's gradients to those that there are; gives its losses.

    Args:
        accelerator, model, recipe: of the run.
        batch: of `collate`.
        share: of the run that is done, 0 to 1.
        teacher: to learn from, too.
    """
    batch = {key: value.to(accelerator.device, non_blocking=True) for key, value in batch.items()}
    bare = _reader(accelerator.unwrap_model(model))
    taught = None
    if teacher is not None:
        with accelerator.autocast():
            taught = _read_plain(teacher, plain(batch))
        batch = without_plain(batch)
    if bare.config.decoder.location_feedback:
        batch |= _find_places(bare, batch)
    with accelerator.autocast():
        output = model(
            **batch,
            use_cache=False,
            label_smoothing=recipe.loss.label_smoothing,
            symbol_weight=recipe.loss.symbol,
            guide_weight=recipe.loss.guide,
        )
        # The model's own loss has the tokens' with a weight of 1.
        loss = output.loss + (recipe.loss.tokens - 1) * output.token_loss
        risk, difference, distillation = None, None, None
        if taught is not None:
            distillation = distillation_loss(output.logits, taught, batch["labels"])
            loss = loss + recipe.loss.distillation * distillation
        if recipe.loss.consistency:
            directions = len(batch["labels"]) // len(batch["pixel_values"])
            difference = consistency_loss(
                output.logits, batch["labels"], recipe.batch.variants, directions
            )
            loss = loss + recipe.loss.consistency * difference
        if recipe.loss.risk and share >= recipe.loss.risk_from:
            # On what the same pass made of the pictures: gradients come together in one backward.
            hidden = output.encoder_last_hidden_state
            risk = expression_risk(bare, hidden, batch, recipe.loss.chances)
            loss = loss + recipe.loss.risk * risk
    accelerator.backward(loss / recipe.optimizer.accumulate)
    found = (
        loss, output.token_loss, output.symbol_loss, output.guide_loss, difference, distillation,
        risk,
    )  # fmt: skip
    named = {name: one for name, one in zip(_LOSSES, found, strict=True) if one is not None}
    # At once: a GPU is waited for a single time.
    values = torch.stack([one.detach().float() for one in named.values()]).tolist()
    return dict(zip(named, values, strict=True))


def _reader(model: Any) -> InktexForConditionalGeneration:
    """What reads, in a model that learns: all of it, or with a thinner before it."""
    reader: InktexForConditionalGeneration = model.model if isinstance(model, JointModel) else model
    return reader


class _FixedNorm(torch.nn.BatchNorm2d):
    """A normalisation that never takes the statistics of a batch."""

    def train(self, mode: bool = True) -> "_FixedNorm":
        return super().train(False)


def _fix_norms(model: torch.nn.Module) -> None:
    for module in model.modules():
        if type(module) is torch.nn.BatchNorm2d:
            module.__class__ = _FixedNorm
            module.train(False)


def _teacher(
    recipe: Recipe, accelerator: Accelerator, tokens: int
) -> InktexForConditionalGeneration | None:
    """What the run starts from, which stays as it is; None if the recipe wants no teacher."""
    if not recipe.loss.distillation:
        return None
    teacher = make_model(recipe, tokens).to(memory_format=torch.channels_last)
    return teacher.to(accelerator.device).eval().requires_grad_(False)


@torch.no_grad()
def _read_plain(
    teacher: InktexForConditionalGeneration, batch: dict[str, torch.Tensor]
) -> torch.Tensor:
    """`(sequences, tokens, vocabulary)` logits of the teacher."""
    if teacher.config.decoder.location_feedback:
        batch = batch | _find_places(teacher, batch)
    del batch["symbol_labels"]
    logits: torch.Tensor = teacher(**batch, use_cache=False).logits
    return logits


def take_step(
    accelerator: Accelerator,
    model: Any,
    optimizer: Any,
    recipe: Recipe,
    loss: float,
    guard: FiniteGuard,
) -> bool:
    """A step with the gradients that there are; not if they are no finite numbers."""
    norm = accelerator.clip_grad_norm_(model.parameters(), recipe.optimizer.clip)
    # In fp16 the scaler of the loss looks after infinite gradients: they set its scale.
    is_scaled = accelerator.mixed_precision == "fp16"
    told = torch.tensor(loss, device=accelerator.device) if is_scaled else norm
    is_finite = guard.is_finite(told)
    if is_finite:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return is_finite


@torch.no_grad()
def _find_places(
    model: InktexForConditionalGeneration, batch: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Feedback for examples that are pictures without recorded ink, from the model's attention.

    Without feedback in training the decoder would learn to ignore it. A batch of ink alone is left
    to the model, which computes its feedback from the ink.
    """
    inputs = batch["decoder_input_ids"]
    is_picture = (batch["symbol_labels"] == IGNORE).all(dim=1)
    if not bool(is_picture.any()):
        return {}
    was_training = model.training
    model.eval()
    memory = model.get_encoder()(batch["pixel_values"], batch["pixel_mask"])
    columns = int(memory.grid_shape[0, 1])
    end = inputs.new_full((len(inputs), 1), PAD)
    _, attention = sequence_logits(model, memory, torch.cat([inputs, end], dim=1))
    model.train(was_training)
    if attention is None:
        return {}
    decoder: Any = model.decoder
    locations, covered = decoder.feedback(inputs, attention, columns)
    by_ink = model.guided_locations(batch["guide"], columns)
    both = is_picture.repeat_interleave(len(inputs) // len(is_picture))[:, None, None]
    found = {"locations": torch.where(both, locations, by_ink)}
    if covered is not None:
        found["covered"] = torch.where(both, covered, model.guided_coverage(batch["guide"]))
    return found


def _validate(
    accelerator: Accelerator,
    learning: Any,
    processor: InktexProcessor,
    average: WeightAverage,
    development: Sequence[AnyExample],
    recipe: Recipe,
    output: Path,
    progress: Progress,
) -> None:
    """Save the averaged weights, score them, and keep the best.

    Reading makes no random draw, so the run goes on as if it had not been looked at.
    """
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        bare = _reader(learning)
        with average.applied():
            if isinstance(learning, JointModel):
                processor.image_processor.thinner = folded(learning.thinner)
            save_model(bare, processor, output / AVERAGED)
            if development:
                batches = recipe.batch.at(progress.epoch)
                scores, rates = validate_each(bare, development, batches)
                rate = scores.exp_rate
                named = {f"exp_rate_{k}": round(v, 4) for k, v in rates.items()}
                append_record(
                    output,
                    accelerator,
                    {
                        "step": progress.step,
                        "epoch": progress.epoch,
                        "minutes": round(progress.seconds / 60, 2),
                        **scores.as_dict(),
                        **(named if len(rates) > 1 else {}),
                    },
                )
                accelerator.log({"exp_rate": rate}, step=progress.step)
                tqdm.write(f"step {progress.step}, epoch {progress.epoch}: {scores}")
                if len(rates) > 1:
                    tqdm.write(", ".join(f"{k} {v:.1%}" for k, v in rates.items()))
                if rate >= progress.best:
                    progress.best = rate
                    save_model(bare, processor, output / BEST)
    accelerator.wait_for_everyone()


def make_processor(recipe: Recipe) -> InktexProcessor:
    """The processor that brings pictures to the resolution that the model is trained at.

    What the recipe does not set stays as in the weights that it starts from.
    """
    images = image_processor(recipe.batch)
    images.thinner = shipped_thinner()  # it knows of pens, whatever model reads what it draws
    start = _processor_of_start(recipe)
    if start is not None:
        for name in ("symbol_height", "stroke_width", "height_tolerance", "stroke_range"):
            setattr(images, name, getattr(start, name))
        images.thinner = start.thinner or images.thinner
    return InktexProcessor(images, build_tokenizer())


def _alphabet_of_start(recipe: Recipe) -> dict[str, int]:
    """What the weights that a recipe starts from were trained on; empty if it is not known."""
    if recipe.init is None:
        return {}
    return read_alphabet(Path(pretrained_path() if recipe.init == SHIPPED else recipe.init))


def _processor_of_start(recipe: Recipe) -> InktexImageProcessor | None:
    """The image processor of the weights that a recipe starts from; None if there is none."""
    if recipe.init is None:
        return None
    init = pretrained_path() if recipe.init == SHIPPED else recipe.init
    try:
        found: InktexImageProcessor = InktexImageProcessor.from_pretrained(str(init))
    except OSError:  # weights alone
        return None
    return found


def save_model(
    model: InktexForConditionalGeneration, processor: InktexProcessor, folder: Path
) -> None:
    """Write a model so that whoever reads the folder sees the old one or the new one, whole."""
    with new_folder(folder) as partial:
        model.save_pretrained(partial)
        processor.save_pretrained(partial)


def _check_shapes(recipe: Recipe, stride: int) -> None:
    sides = (*recipe.batch.heights, *recipe.batch.widths)
    odd = [side for side in sides if side % stride]
    if odd:
        raise ValueError(
            f"batch.heights and batch.widths must be multiples of {stride}, the model's coarsest "
            f"stride; {', '.join(map(str, odd))} are not."
        )
    resolution = recipe.batch.resolution
    odd = [side for side in sides if abs(side / resolution - round(side / resolution)) > 1e-6]
    if recipe.is_joint and odd:
        raise ValueError(
            "The thinner sees batch.heights and batch.widths at the protocol's scale, divided by "
            f"batch.resolution; those of {', '.join(map(str, odd))} are no whole pixels."
        )


def check_recipe(recipe: Recipe, output: Path, resume: bool, accelerator: Accelerator) -> None:
    """Note a run's recipe and machine in its folder.

    Raises:
        ValueError: if the run that is to go on there has another recipe.
    """
    path = output / RECIPE
    present = recipe.to_dict()
    if resume and path.exists() and any((output / one).is_dir() for one in (CHECKPOINT, BEFORE)):
        # A recipe of before a field was there had its default.
        before = recipe_from_dict(json.loads(path.read_text(encoding="utf-8"))).to_dict()
        changed = [k for k in present if present[k] != before.get(k) and k not in _MAY_CHANGE]
        if changed:
            raise ValueError(
                f"{output} holds a run whose {', '.join(changed)} differ(s) from this recipe. "
                "Choose another output folder, or start it anew with --fresh."
            )
    if accelerator.is_main_process:
        write_text(path, json.dumps(present, indent=2))
        write_text(output / MACHINE, json.dumps(_machine(accelerator), indent=2))


def _machine(accelerator: Accelerator) -> dict[str, Any]:
    """How many processes compute a run, on how many cores, and on which GPU if on one."""
    on_gpu = accelerator.device.type == "cuda"
    return {
        "processes": accelerator.num_processes,
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name(accelerator.device) if on_gpu else None,
    }


_MAY_CHANGE = {
    "steps",
    "minutes",
    "workers",
    "planners",
    "validate_every",
    "save_every",
    "log_every",
}


def append_record(output: Path, accelerator: Accelerator, record: dict[str, Any]) -> None:
    """Add a point to a run's curve."""
    if accelerator.is_main_process:
        with open(output / CURVE, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _trackers() -> list[str]:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        logger.warning("tensorboard is not installed: curves go to %s alone.", CURVE)
        return []
    return ["tensorboard"]
