"""Muon: momentum whose matrices are orthogonalized before they are added to the weights."""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the Newton-Schulz iteration: after five of it singular values lie between 0.7 and 1.2."""

ITERATIONS = 5
MOMENTUM = 0.95
UPDATE_RMS = 0.2
"""Root mean square of an update before the learning rate: what AdamW's updates have, so that both
take the same learning rate (Liu et al. 2025, "Muon is Scalable for LLM Training",
https://arxiv.org/abs/2502.16982)."""


class Muon(torch.optim.AdamW):
    """Muon for hidden layers' matrices and kernels, AdamW for all else.

    Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/.

    `torch.optim.Muon` takes matrices alone; most of an encoder's weights are kernels, which are
    taken here as matrices of `out_channels` rows. Its momentum is AdamW's average of gradients, of
    the same name in the state, so that a run may go on from AdamW's checkpoint.

    Args:
        groups: as of AdamW.
        hidden: the parameters to orthogonalize, of 2 or more dimensions.
        options: of AdamW, for the others.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], hidden: Iterable[nn.Parameter], **options: Any
    ) -> None:
        super().__init__(groups, **options)
        self.hidden = set(hidden)
        # Infinite gradients under fp16's scaling: the scaler skips the step, as fused AdamW alone
        # would do by itself.
        self._step_supports_amp_scaling = False

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step; the gradients of hidden layers are None afterwards."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            hidden = [p for p in group["params"] if p in self.hidden and p.grad is not None]
            self._step_hidden(hidden, group["lr"], group["weight_decay"])
            for p in hidden:
                p.grad = None  # not AdamW's
        super().step()
        return loss

    def _step_hidden(self, hidden: list[nn.Parameter], rate: float, weight_decay: float) -> None:
        # Matrices of a shape in one batch of products.
        by_shape: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for p in hidden:
            by_shape.setdefault(_matrix(p).shape, []).append(p)
        for shape, parameters in by_shape.items():
            updates = orthogonalized(torch.stack([self._momentum(p) for p in parameters]))
            scale = UPDATE_RMS * max(shape) ** 0.5
            for p, update in zip(parameters, updates, strict=True):
                p.mul_(1 - rate * weight_decay)
                p.add_(update.reshape(p.shape).to(p.dtype), alpha=-rate * scale)

    def _momentum(self, p: nn.Parameter) -> torch.Tensor:
        """The parameter's momentum with this step's gradient, ahead by one step (Nesterov)."""
        assert p.grad is not None
        state = self.state[p]
        if "exp_avg" not in state:
            state["step"] = torch.zeros(())  # AdamW asks for it where a state is loaded
            state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        state["exp_avg"].lerp_(p.grad, 1 - MOMENTUM)
        return _matrix(p.grad.lerp(state["exp_avg"], MOMENTUM))


def _matrix(tensor: torch.Tensor) -> torch.Tensor:
    """A kernel as a matrix of `out_channels` rows; a matrix as it is."""
    return tensor.reshape(len(tensor), -1)


def orthogonalized(matrices: torch.Tensor) -> torch.Tensor:
    """Nearly U V^T of each matrix U S V^T, by Newton-Schulz iterations in bfloat16.

    Args:
        matrices: [batch, rows, columns].

    Returns:
        Matrices of the same shape, in bfloat16, whose singular values lie around 1.
    """
    x = matrices.bfloat16()
    is_tall = x.shape[-2] > x.shape[-1]
    if is_tall:
        x = x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if is_tall else x
