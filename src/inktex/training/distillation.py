"""What is read in a picture as somebody gives it should be what was read in the published one.

A model that reads pictures by the protocol well teaches the one that learns to read others: how
likely it holds each token says more than which of them is right, and keeps what is known from being
forgotten (Hinton et al. 2015; Li and Hoiem 2016, "Learning without Forgetting").
"""

from collections.abc import Mapping
from typing import Any

import torch

from .batches import IGNORE, PLAIN

__all__ = ["distillation_loss", "taught", "without_plain"]


@torch.no_grad()
def taught(teacher: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What the teacher makes of the published pictures of a batch.

    Args:
        teacher: an `InktexForConditionalGeneration` in evaluation mode.
        batch: of `collate`, with plain pictures.

    Returns:
        `(sequences, tokens, vocabulary)` logits, tokens as `decoder_input_ids` has them.
    """
    plain = {
        key.removeprefix(PLAIN): value for key, value in batch.items() if key.startswith(PLAIN)
    }
    logits: torch.Tensor = teacher(
        **plain, decoder_input_ids=batch["decoder_input_ids"], use_cache=False
    ).logits
    return logits


def without_plain(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the learning model is given of a batch."""
    return {key: value for key, value in batch.items() if not key.startswith(PLAIN)}


def distillation_loss(
    logits: torch.Tensor, taught: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Mean Kullback-Leibler divergence of what was learnt from what is taught, in nats a token.

    Args:
        logits: `(sequences, tokens, vocabulary)`, which learn.
        taught: the same of the teacher.
        labels: `(sequences, tokens)`, -100 where nothing is to be read.

    Returns:
        A scalar.
    """
    learnt, known = (one.float().log_softmax(dim=-1) for one in (logits, taught))
    divergence = (known.exp() * (known - learnt)).sum(dim=-1)
    read = labels != IGNORE
    return (divergence * read).sum() / read.sum().clamp(min=1)
