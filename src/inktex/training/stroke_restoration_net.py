"""The stroke restoration network as torch trains it, and its export for the image processor."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from inktex.modeling.ink_network_inktex import unet_block
from inktex.modeling.stroke_restoration_inktex import (
    STROKE_RESTORATION_FILE,
    TRUST,
    StrokeRestoration,
)

__all__ = [
    "STROKE_RESTORATION_FILE",
    "StrokeRestorationNet",
    "StrokeRestoration",
    "fold",
    "ink_loss",
]


class StrokeRestorationNet(nn.Module):
    """The network of `StrokeRestoration` as it is trained: with batch normalisation.

    Args:
        channels: at strides 2, 4, 8, ... pixels.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.step = 2 ** len(channels)
        before = [8, *channels[:-1]]
        self.down = nn.ModuleList(
            unet_block(inside, width) for inside, width in zip(before, channels, strict=True)
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in itertools.pairwise(channels)
        )
        self.up = nn.ModuleList(unet_block(width, width) for width in channels[:-1])
        self.head = nn.Conv2d(channels[0], 4, 1)

    def forward(self, wide: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 1, height, width)` of the narrow strokes.

        Args:
            wide: `(batch, 1, height, width)`, 1 on wide strokes, else 0.
            lines: the same, 1 where a narrow stroke may have been.
        """
        height, width = wide.shape[-2:]
        pair = torch.cat([wide, lines], dim=1)
        pair = nn.functional.pad(pair, (0, -width % self.step, 0, -height % self.step))
        features = nn.functional.pixel_unshuffle(pair, 2)
        features = features.contiguous(memory_format=torch.channels_last)
        skipped = []
        for level, block in enumerate(self.down):
            if level:
                features = nn.functional.max_pool2d(features, 2)
            features = block(features)
            skipped.append(features)
        for level in reversed(range(len(self.up))):
            coarse = self.reduce[level](features)
            features = skipped[level] + nn.functional.interpolate(coarse, scale_factor=2)
            features = self.up[level](features)
        logits = nn.functional.pixel_shuffle(self.head(features), 2)[..., :height, :width]
        return logits + TRUST * (lines - 0.5)


def ink_loss(logits: torch.Tensor, wide: torch.Tensor, narrow: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the pixels of wide strokes, in nats.

    Args:
        wide, narrow: `(n, 1, height, width)`, 1 on wide and on narrow strokes, else 0.
    """
    each = nn.functional.binary_cross_entropy_with_logits(logits, narrow, reduction="none")
    return (each * wide).sum() / wide.sum().clamp(min=1)


@torch.no_grad()
def fold(net: StrokeRestorationNet) -> StrokeRestoration:
    """The network for the image processor: 8-bit kernels with a scale for each output channel.

    Batch normalizations are folded into the kernels.
    """
    weights: dict[str, NDArray[np.generic]] = {}
    for name, convolution, norm in _layers(net):
        if norm is None:
            assert convolution.bias is not None
            kernel, bias = convolution.weight[:, :, 0, 0].T, convolution.bias
        else:
            assert norm.running_var is not None
            assert norm.running_mean is not None
            gain = norm.weight / (norm.running_var + norm.eps).sqrt()
            kernel = (convolution.weight * gain[:, None, None, None]).permute(2, 3, 1, 0)
            bias = norm.bias - norm.running_mean * gain
        scale = (kernel.abs().flatten(0, -2).amax(dim=0) / 127).clamp(min=1e-12)
        weights[f"{name}.weight"] = (kernel / scale).round().to(torch.int8).cpu().numpy()
        weights[f"{name}.scale"] = scale.cpu().numpy()
        weights[f"{name}.bias"] = bias.cpu().clone().numpy()  # else it would follow the network
    return StrokeRestoration(weights)


def _layers(
    net: StrokeRestorationNet,
) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d | None]]:
    """Each convolution by its name in the exported weights, and the normalization after it."""
    for part, blocks in (("down", net.down), ("up", net.up)):
        for level, block in enumerate(blocks):
            assert isinstance(block, nn.Sequential)
            for number, start in enumerate(range(0, len(block), 3)):
                convolution, norm = block[start], block[start + 1]
                assert isinstance(convolution, nn.Conv2d)
                assert isinstance(norm, nn.BatchNorm2d)
                yield f"{part}.{level}.{number}", convolution, norm
    for level, single in enumerate(net.reduce):
        assert isinstance(single, nn.Conv2d)
        yield f"reduce.{level}", single, None
    yield "head", net.head, None
