"""VGG encoder (Simonyan and Zisserman 2015), as WAP has it (Zhang et al. 2017)."""

from itertools import pairwise

import torch
from torch import nn

from .configuration_inktex import InktexEncoderConfig
from .layers_inktex import STRIDE, ConvNorm, halve, pointwise


class InktexVGG(nn.Module):
    """Pictures to stride-8 features: blocks of 3x3 convolutions, each but the last then halved.

    `block_layers` are the convolutions of each block, `growth_rates` their channels. WAP halves a
    fourth time; here the last block stays at stride 8, which the symbol map and the guided heads
    need.
    """

    def __init__(self, config: InktexEncoderConfig) -> None:
        super().__init__()
        if 2 ** (len(config.block_layers) - 1) != STRIDE:
            raise ValueError(f"A VGG encoder has 4 blocks, not {len(config.block_layers)}.")
        self.blocks = nn.ModuleList()
        channels = 1
        for layers, wider in zip(config.block_layers, config.growth_rates, strict=True):
            widths = [channels, *[wider] * layers]
            self.blocks.append(nn.ModuleList(ConvNorm(a, b, 3) for a, b in pairwise(widths)))
            channels = wider
        self.fusion = nn.Conv2d(channels, config.fusion_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(config.fusion_channels)
        self.stride = STRIDE

    def forward(self, pixels: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`(batch, 1, h, w)` pixels, `(batch, 1, h, w)` mask to `(batch, fusion, h/8, w/8)`."""
        features = pixels
        for number, block in enumerate(self.blocks):
            if number:
                features, mask = nn.functional.max_pool2d(features, 2), halve(mask)
            for conv in block:  # type: ignore[attr-defined]
                features = conv(features, mask)
        return nn.functional.relu(self.norm(pointwise(features, self.fusion.weight)))


__all__ = ["InktexVGG"]
