"""Distillation: a model learns how probable another one holds each token of ink that it knows.

That says more than which token is right, and keeps what is known from being forgotten while more is
learnt (Hinton et al. 2015, https://arxiv.org/abs/1503.02531; Li and Hoiem 2016, "Learning without
Forgetting").
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.shipped import pretrained_path

from .batches import IGNORE
from .recipe_fields import SHIPPED

__all__ = ["distillation_loss", "load_teacher", "taught_logits"]


def load_teacher(folder: str) -> InktexForConditionalGeneration:
    """The weights that teach, which stay as they are.

    Args:
        folder: of a checkpoint, or `shipped`.

    Raises:
        OSError: if there are none.
    """
    path = pretrained_path() if folder == SHIPPED else Path(folder)
    model: InktexForConditionalGeneration = InktexForConditionalGeneration.from_pretrained(
        path, dtype=torch.float32
    )
    return model.to(memory_format=torch.channels_last).eval().requires_grad_(False)


@torch.no_grad()
def taught_logits(
    teacher: InktexForConditionalGeneration,
    batch: Mapping[str, torch.Tensor],
    pictures: torch.Tensor,
    sequences: torch.Tensor,
) -> torch.Tensor:
    """What the teacher reads in some pictures of a batch, given the right tokens before each.

    Token noise is for the one who learns: it may be of tokens that the teacher does not have.

    Args:
        batch: of `collate`.
        pictures: `(pictures,)`, which of them.
        sequences: `(sequences,)`, those of these pictures.

    Returns:
        `(chosen sequences, tokens, vocabulary of the teacher)`.
    """
    given = {name: batch[name][pictures] for name in ("pixel_values", "pixel_mask")}
    tokens = teacher.prepare_decoder_input_ids_from_labels(batch["labels"][sequences])
    tokens[:, 0] = batch["decoder_input_ids"][sequences, 0]  # of either direction
    given["decoder_input_ids"] = tokens
    given["attention_target"] = batch["attention_target"][sequences]
    logits: torch.Tensor = teacher(**given, use_cache=False).logits
    return logits


def distillation_loss(
    logits: torch.Tensor, taught: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Mean Kullback-Leibler divergence of what was learnt from what is taught, in nats a token.

    Args:
        logits: `(sequences, tokens, vocabulary)`, which learn.
        taught: the same of the teacher, whose vocabulary may be the beginning of that.
        labels: `(sequences, tokens)`, -100 where nothing is to be read.

    Returns:
        A scalar.
    """
    learnt, known = (one.float().log_softmax(dim=-1) for one in (logits, taught))
    divergence = (known.exp() * (known - learnt[..., : known.shape[-1]])).sum(dim=-1)
    read = labels != IGNORE
    return (divergence * read).sum() / read.sum().clamp(min=1)
