"""The task of training a recognition model: its losses, and its validation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from inktex.data.examples import AnyExample
from inktex.modeling.decoder_inktex import InktexDecoder
from inktex.modeling.generation_inktex import sequence_logits
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration

from .batches import IGNORE, PAD
from .counts import TokenCounts
from .distillation import distillation_loss, load_teacher, taught_logits
from .models import (
    freeze_batch_norm,
    initial_counts,
    make_model,
    make_processor,
    required_tokens,
    save_model,
)
from .mrt import mrt_loss
from .recipe_fields import Recipe
from .run_folder import AVERAGED, BEST
from .stream import planned_batches
from .task import Progress, Task
from .validation import validate_each


class Recognition(Task):
    """Trains a model to write the tokens of an expression.

    Raises:
        ValueError: if a shape does not suit the model, or the initial weights do not.
    """

    measures = ("loss", "tokens", "symbol_map", "attention_supervision", "mrt", "distillation")

    def __init__(
        self, recipe: Recipe, examples: Sequence[AnyExample], development: Sequence[AnyExample]
    ) -> None:
        self.recipe, self.development = recipe, development
        self.batches = planned_batches(recipe, examples)
        self.model: InktexForConditionalGeneration = make_model(
            recipe, required_tokens(recipe, examples)
        )
        if recipe.optimizer.freeze_batch_norm:
            freeze_batch_norm(self.model)
        if recipe.loss.mrt and not isinstance(self.model.decoder, InktexDecoder):
            raise ValueError("loss.mrt needs a Transformer decoder: set it to 0.")
        teacher = recipe.loss.teacher if recipe.loss.distillation else None
        self.teacher = None if teacher is None else load_teacher(teacher)
        _check_shapes(recipe, self.model.encoder.backbone.stride)
        self.processor = make_processor(recipe)
        self.counts = TokenCounts(initial_counts(recipe))
        self.states = (self.counts,)

    def count(self, batch: dict[str, torch.Tensor]) -> None:
        """Count the tokens of a batch."""
        self.counts.add(batch["labels"], 2 if self.recipe.batch.reverse else 1)

    def synchronize(self, accelerator: Accelerator) -> None:
        """Add up the counts of all processes."""
        self.counts.share(accelerator)

    def losses(
        self,
        accelerator: Accelerator,
        model: Any,
        batch: dict[str, torch.Tensor],
        share: float,
    ) -> dict[str, torch.Tensor]:
        """Losses of a batch of `collate`; see `Task.losses`."""
        config, recorded = self.recipe.loss, batch.pop("is_recorded", None)
        if self.model.config.decoder.location_feedback:
            batch |= picture_feedback(self.model, batch)
        with accelerator.autocast():
            output = model(
                **batch,
                use_cache=False,
                label_smoothing=config.label_smoothing,
                symbol_weight=config.symbol_map,
                attention_weight=config.attention_supervision,
            )
            loss, mrt = output.loss, None
            if config.mrt and share >= config.mrt_from:
                # On the same pass's encoding, so that one backward pass has all gradients.
                hidden = output.encoder_last_hidden_state
                mrt = mrt_loss(self.model, hidden, batch, config.mrt_samples)
                loss = loss + config.mrt * mrt
            distillation = None
            if self.teacher is not None and recorded is not None and bool(recorded.any()):
                self.teacher.to(recorded.device)
                rows = recorded.repeat_interleave(len(batch["labels"]) // len(recorded))
                taught = taught_logits(self.teacher, batch, recorded, rows)
                labels = batch["labels"][rows]
                distillation = distillation_loss(output.logits[rows], taught, labels)
                loss = loss + config.distillation * distillation
        found = (
            *(loss, output.token_loss, output.symbol_loss, output.attention_loss),
            *(mrt, distillation),
        )
        return {
            name: one for name, one in zip(self.measures, found, strict=True) if one is not None
        }

    def evaluate(self, output: Path, progress: Progress) -> dict[str, Any]:
        """Save the model, score it, and keep it if none was better; see `Task.evaluate`."""
        self._save(output / AVERAGED)
        if not self.development:
            return {}
        batches = self.recipe.batch.at(progress.epoch)
        scores, rates = validate_each(self.model, self.development, batches)
        if scores.exp_rate >= progress.best:
            progress.best = scores.exp_rate
            self._save(output / BEST)
        named = {f"exp_rate_{name}": round(rate, 4) for name, rate in rates.items()}
        return {**scores.as_dict(), **(named if len(rates) > 1 else {})}

    def result(self, output: Path) -> Path:
        """Folder of the best weights; of the last ones if there is nothing to choose by."""
        return output / (BEST if (output / BEST).is_dir() else AVERAGED)

    def _save(self, folder: Path) -> None:
        save_model(self.model, self.processor, folder)
        self.counts.save(folder)


@torch.no_grad()
def picture_feedback(
    model: InktexForConditionalGeneration, batch: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Location and coverage feedback of a batch with pictures that have no ink.

    At inference the feedback comes from the supervised heads' attention, in training from the ink.
    For pictures without ink it is the attention of a pass without feedback noise; without any, the
    decoder would unlearn to use feedback. For a batch of ink alone `forward` computes it.

    Args:
        model: with location feedback.
        batch: of `collate`.

    Returns:
        `locations` and `covered`, arguments of `forward`; empty for a batch of ink alone.
    """
    inputs = batch["decoder_input_ids"]
    is_picture = (batch["symbol_labels"] == IGNORE).all(dim=1)
    if not bool(is_picture.any()):
        return {}
    # These alone are read: with all pictures of a batch the pass took as long as a training step.
    rows = is_picture.repeat_interleave(len(inputs) // len(is_picture))
    tokens = inputs[rows]
    was_training = model.training
    model.eval()
    memory = model.get_encoder()(batch["pixel_values"][is_picture], batch["pixel_mask"][is_picture])
    columns = int(memory.grid_shape[0, 1])
    end = tokens.new_full((len(tokens), 1), PAD)
    _, attention = sequence_logits(model, memory, torch.cat([tokens, end], dim=1))
    model.train(was_training)
    if attention is None:
        return {}
    decoder: Any = model.decoder
    attended, covered = decoder.feedback(tokens, attention, columns)
    found = {"locations": model.guided_locations(batch["attention_target"], columns)}
    found["locations"][rows] = attended
    if covered is not None:
        found["covered"] = model.guided_coverage(batch["attention_target"])
        found["covered"][rows] = covered
    return found


def _check_shapes(recipe: Recipe, stride: int) -> None:
    sides = (*recipe.batch.heights, *recipe.batch.widths)
    odd = [side for side in sides if side % stride]
    if odd:
        raise ValueError(
            f"batch.heights and batch.widths must be multiples of {stride}, the model's coarsest "
            f"stride; {', '.join(map(str, odd))} are not."
        )
