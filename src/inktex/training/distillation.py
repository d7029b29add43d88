"""What is read in a picture as somebody gives it should be what was read in the published one.

A model that reads pictures by the protocol well teaches the one that learns to read others: how
likely it holds each token says more than which of them is right, and keeps what is known from being
forgotten (Hinton et al. 2015; Li and Hoiem 2016, "Learning without Forgetting").
"""

from collections.abc import Mapping

import torch

from .batches import IGNORE, PLAIN

__all__ = ["distillation_loss", "plain", "without_plain"]


def plain(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the teacher is given of a batch: the published pictures of its ink, and what to read.

    Where a batch has no such pictures, the teacher is given those that it has.
    """
    names = ("pixel_values", "pixel_mask", "guide", "decoder_input_ids", "symbol_labels")
    return {name: batch.get(PLAIN + name, batch[name]) for name in names}


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
