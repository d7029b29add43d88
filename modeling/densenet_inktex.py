"""Multi-scale DenseNet (Huang et al. 2017; Zhang et al. 2018, "Multi-scale attention")."""

import sys

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from .configuration_inktex import InktexEncoderConfig
from .prepared_inktex import PreparingModule

STRIDE = 8
"""Pixels of the picture, in each direction, that one cell of the encoder's features stands for."""


def is_exporting() -> bool:
    """Whether the model is being exported to ONNX."""
    # Whoever exports has imported torch.onnx, which takes a while.
    return "torch.onnx" in sys.modules and torch.onnx.is_in_onnx_export()


def pointwise(
    features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """1x1 convolution as a matrix product: `(batch, in, h, w)` to `(batch, out, h, w)`.

    On one thread torch sends 1x1 convolutions of small batches to its slowest kernel. With the
    channels last, as they are here, the product needs no copy either.
    """
    if is_exporting():  # other runtimes are not so
        return nn.functional.conv2d(features, weight, bias)
    rows = features.permute(0, 2, 3, 1)
    product = nn.functional.linear(rows.flatten(0, 2), weight.flatten(1), bias)
    return product.unflatten(0, rows.shape[:3]).permute(0, 3, 1, 2)


class ConvNorm(PreparingModule):
    """Convolution, batch normalisation and ReLU: `(batch, in, h, w)` to `(batch, out, h', w')`.

    Where nothing is learnt, `prepared` is the convolution with the normalisation in it.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        if self.is_learning or is_exporting():
            features = self.norm(self._convolve(features, self.conv.weight))
        else:
            folded = self.prepared((self.conv, self.norm), self._fold)
            features = self._convolve(features, *folded)
        features = nn.functional.relu(features, inplace=True)
        # Normalisation lifts the padding off zero. A 3x3 convolution would carry that into the
        # picture, and a picture would read differently alone and in a batch.
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


class DenseLayer(GradientCheckpointingLayer):
    """DenseNet-B layer: 1x1 to a bottleneck, 3x3 to `growth` new channels, appended to the old.

    A bottleneck of 0 leaves the 1x1 convolution out.
    """

    def __init__(self, in_channels: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(in_channels, bottleneck, 1) if bottleneck else None
        self.grow = ConvNorm(bottleneck or in_channels, growth, 3)

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        narrow = features if self.reduce is None else self.reduce(features, mask)
        if self.reduce is not None and not self.grow.is_learning:
            # Nobody looks around: the next layer's 1x1 convolution, or the transition's, is masked
            # itself. Statistics of normalisations, though, are of what is masked.
            mask = None
        return torch.cat([features, self.grow(narrow, mask)], dim=1)


class DenseBlock(nn.Module):
    """Dense layers at one resolution."""

    def __init__(self, in_channels: int, layers: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(in_channels + i * growth, growth, bottleneck) for i in range(layers)
        )
        self.out_channels = in_channels + layers * growth

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        for layer in self.layers:
            features = layer(features, mask)
        return features


class Transition(nn.Module):
    """1x1 convolution that thins the channels out, then the mean of each 2x2 square."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(in_channels, out_channels, 1)

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return nn.functional.avg_pool2d(self.reduce(features, mask), 2)


class InktexDenseNet(nn.Module):
    """Pictures to the fused stride-8 features.

    Blocks stand at strides 4, 8, 16, ...; those coarser than 8 are brought back to stride 8 and
    added, because a subscript is smaller than a stride-16 cell but its context is not.
    """

    def __init__(self, config: InktexEncoderConfig) -> None:
        super().__init__()
        first, second = config.stem_channels
        self.stem = nn.ModuleList([ConvNorm(1, first, 5, 2), ConvNorm(first, second, 3, 2)])
        self.blocks = nn.ModuleList()
        self.transitions = nn.ModuleList()
        self.fusions = nn.ModuleList()
        channels = second
        sizes = zip(
            config.block_layers, config.growth_rates, config.bottleneck_factors, strict=True
        )
        for index, (layers, growth, factor) in enumerate(sizes):
            if index:
                thinned = int(channels * config.compression)
                self.transitions.append(Transition(channels, thinned))
                channels = thinned
            block = DenseBlock(channels, layers, growth, factor * growth)
            self.blocks.append(block)
            channels = block.out_channels
            if index:
                self.fusions.append(nn.Conv2d(channels, config.fusion_channels, 1, bias=False))
        self.norm = nn.BatchNorm2d(config.fusion_channels)
        self.stride = 4 * 2 ** (len(config.block_layers) - 1)

    def forward(self, pixels: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`(batch, 1, h, w)` pixels, `(batch, 1, h, w)` mask to `(batch, fusion, h/8, w/8)`.

        Height and width must be multiples of the coarsest stride.
        """
        features = pixels
        for conv in self.stem:
            mask = halve(mask)
            features = conv(features, mask)
        fused: torch.Tensor | None = None
        for index, block in enumerate(self.blocks):
            if index:
                features = self.transitions[index - 1](features, mask)
                mask = halve(mask)
            features = block(features, mask)
            if index:
                level = pointwise(features, self.fusions[index - 1].weight)  # type: ignore[arg-type]
                if index > 1:
                    level = nn.functional.interpolate(level, scale_factor=2 ** (index - 1))
                fused = level if fused is None else fused + level
        return nn.functional.relu(self.norm(fused))


def halve(mask: torch.Tensor | None) -> torch.Tensor | None:
    """Mask at half the resolution: a cell counts where any of its pixels does."""
    return None if mask is None else nn.functional.max_pool2d(mask, 2)


__all__ = ["STRIDE", "InktexDenseNet", "halve", "is_exporting", "pointwise"]
