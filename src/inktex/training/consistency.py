"""What is read in two pictures of one expression should be the same.

A small change of a picture, which a person does not see, turns many a reading. The loss here is the
difference between the probabilities that the model gives the next token in variants of one example
(Liang et al. 2021, "R-Drop", where the variants differ by dropout alone).
"""

import torch

from .batches import IGNORE

__all__ = ["consistency_loss"]


def consistency_loss(
    logits: torch.Tensor, labels: torch.Tensor, variants: int, directions: int = 1
) -> torch.Tensor:
    """Mean symmetric Kullback-Leibler divergence, in nats a token, between neighbouring variants.

    Args:
        logits: `(examples * variants * directions, tokens, vocabulary)`, as the batches have them.
        labels: `(examples * variants * directions, tokens)`, -100 where nothing is to be read.
        variants: pictures of each example.
        directions: in which each picture is read.

    Returns:
        A scalar. The gradient goes through both sides.
    """
    likely = logits.float().log_softmax(dim=-1).unflatten(0, (-1, variants, directions))
    other = likely.roll(1, dims=1)
    divergence = ((likely.exp() - other.exp()) * (likely - other)).sum(dim=-1) / 2
    read = (labels != IGNORE).unflatten(0, (-1, variants, directions))
    return (divergence * read).sum() / read.sum().clamp(min=1)
