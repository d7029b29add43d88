"""Averaged weights: an exponential moving average, which reads better than any one step's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

AVERAGE = "average.json"
"""What scripts/average_checkpoints.py writes beside the weights that it averaged."""


class WeightAverage:
    """Moving average of a model's parameters and buffers.

    The decay is held low at first, so that the random start is forgotten.

    Args:
        model: whose weights to follow.
        decay: share of the old average that a step keeps.
        start_share: share of the weights that the model has now in those of `applied`.
    """

    def __init__(self, model: nn.Module, decay: float, start_share: float = 0.0) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"The decay must lie in [0, 1), got {decay}.")
        self.model, self.decay, self.steps = model, decay, 0
        self.weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.start_share = start_share
        self.start = {k: v.clone() for k, v in self.weights.items()} if start_share else None

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's present weights in."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        moving, present = [], []
        for key, value in self.model.state_dict().items():
            if value.is_floating_point():
                moving.append(self.weights[key])
                present.append(value)
            else:
                self.weights[key].copy_(value)
        torch._foreach_lerp_(moving, present, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[nn.Module]:
        """The model with the averaged weights in it; its own come back afterwards.

        With a `start_share` they are the mean of the averaged weights and of those at the start.
        """
        own = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self._with_start())
        try:
            yield self.model
        finally:
            self.model.load_state_dict(own)

    def _with_start(self) -> dict[str, torch.Tensor]:
        if self.start is None:
            return self.weights
        return {
            key: value.lerp(self.start[key], self.start_share)
            if value.is_floating_point()
            else value
            for key, value in self.weights.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"weights": self.weights, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to what `state_dict` gave."""
        self.steps = int(state["steps"])
        for key, value in state["weights"].items():
            self.weights[key].copy_(value)
