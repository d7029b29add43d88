"""Layers that encoders share, and the cache of what is computed from their weights."""

import math
import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

STRIDE = 8
"""Pixels of the picture, in each direction, per cell of the encoder's features."""


class DerivedWeightCache:
    """Keeps a value computed from weights until one of the weights is changed or moved.

    A change is noticed by a tensor's address and by its version counter, which every in-place
    operation increments except through `.data`; code that writes there has to call `clear`. No
    gradient flows through the value. Copies and pickles start empty.
    """

    def __init__(self) -> None:
        self._entry: tuple[list[torch.Tensor], list[int], Any] | None = None

    def __call__(self, modules: Iterable[nn.Module], compute: Callable[[], Any]) -> Any:
        """Return the cached value, or that of `compute` where there is none for these weights.

        Args:
            modules: hold the weights directly; their submodules are not searched.
            compute: called without arguments and without gradient.
        """
        weights = [
            tensor
            for module in modules
            for kind in (module._parameters, module._buffers)
            for tensor in kind.values()
            if tensor is not None
        ]
        if any(tensor.is_inference() for tensor in weights):  # these have no version counter
            with torch.no_grad():
                return compute()
        versions = [tensor._version for tensor in weights]
        if self._entry is not None:
            cached, cached_versions, value = self._entry
            addresses = [tensor.data_ptr() for tensor in weights]
            if versions == cached_versions and addresses == [one.data_ptr() for one in cached]:
                return value
        with torch.no_grad():
            value = compute()
        # The tensors are kept so that no other ones are allocated at their addresses.
        self._entry = [tensor.detach() for tensor in weights], versions, value
        return value

    def clear(self) -> None:
        """Forget the cached value."""
        self._entry = None

    def __reduce__(self) -> tuple[Any, ...]:
        return DerivedWeightCache, ()


class CachingModule(nn.Module):
    """A module with a `derived_weights` cache.

    `train` and `eval` clear it, since training may write to weights through `.data`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.derived_weights = DerivedWeightCache()

    def train(self, mode: bool = True) -> Any:
        """See `torch.nn.Module.train`."""
        self.derived_weights.clear()
        return super().train(mode)


def is_exporting() -> bool:
    """Whether the model is being exported to ONNX."""
    # An export has imported torch.onnx; importing it here would take a while.
    return "torch.onnx" in sys.modules and torch.onnx.is_in_onnx_export()


def pointwise(
    features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """1x1 convolution as a matrix product: `(batch, in, h, w)` to `(batch, out, h, w)`.

    On one thread oneDNN picks its slowest kernel for 1x1 convolutions of small batches. With
    channels last, as here, the product needs no copy either.
    """
    if is_exporting():  # ONNX Runtime has no such problem
        return nn.functional.conv2d(features, weight, bias)
    rows = features.permute(0, 2, 3, 1)
    product = nn.functional.linear(rows.flatten(0, 2), weight.flatten(1), bias)
    return product.unflatten(0, rows.shape[:3]).permute(0, 3, 1, 2)


class ConvNorm(CachingModule):
    """Convolution, batch normalisation and ReLU: `(batch, in, h, w)` to `(batch, out, h', w')`.

    Without gradient `derived_weights` holds the convolution with the normalisation folded in.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Convolve; `mask` `(batch, 1, h', w')` is 0 for padding, which stays 0."""
        if self.is_learning or is_exporting():
            features = self.norm(self._convolve(features, self.conv.weight))
        else:
            folded = self.derived_weights((self.conv, self.norm), self._fold)
            features = self._convolve(features, *folded)
        features = nn.functional.relu(features, inplace=True)
        # Normalisation lifts the padding off zero. A 3x3 convolution would carry that into the
        # picture, whose features would then depend on the padding.
        if mask is None:
            return features
        mask = mask.to(features.dtype)  # under autocast the product would be float32 otherwise
        return features * mask if self.is_learning else features.mul_(mask)

    @property
    def is_learning(self) -> bool:
        """Whether a gradient, or the statistics of the normalisation, may be wanted."""
        return self.training or torch.is_grad_enabled()

    def _convolve(
        self, features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        if self.conv.kernel_size == (1, 1):
            return pointwise(features, weight, bias)
        return nn.functional.conv2d(features, weight, bias, self.conv.stride, self.conv.padding)

    def _fold(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight and bias of the convolution and the normalisation in one."""
        norm, weight = self.norm, self.conv.weight
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight = (weight * scale[:, None, None, None]).contiguous(memory_format=torch.channels_last)
        return weight, norm.bias - norm.running_mean * scale


def halve(mask: torch.Tensor | None) -> torch.Tensor | None:
    """Mask at half the resolution: a cell counts where any of its pixels does."""
    return None if mask is None else nn.functional.max_pool2d(mask, 2)


def sinusoid_rates(size: int, device: torch.device | None = None) -> torch.Tensor:
    """`(size / 2,)` angular rates of the `sinusoids`."""
    half = size // 2
    steps = torch.arange(half, device=device, dtype=torch.float32)
    return torch.exp(steps * (-math.log(10000.0) / max(half - 1, 1)))


def sinusoids(
    positions: torch.Tensor, size: int, rates: torch.Tensor | None = None
) -> torch.Tensor:
    """Sines and cosines (Vaswani et al. 2017, section 3.5): `(...)` positions to `(..., size)`.

    Args:
        positions: of any type.
        size: of the code.
        rates: of `sinusoid_rates`, if computed before.
    """
    if rates is None:
        rates = sinusoid_rates(size, positions.device)
    angles = positions.float()[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


__all__ = [
    "STRIDE", "CachingModule", "ConvNorm", "DerivedWeightCache", "halve", "is_exporting",
    "pointwise", "sinusoid_rates", "sinusoids",
]  # fmt: skip
