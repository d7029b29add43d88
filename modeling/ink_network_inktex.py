"""Ink extraction: a small U-Net that finds the ink of a formula in a picture of any kind.

Ronneberger et al. 2015. The picture is folded to stride 2 first, so that the first layers cost
little; two small heads at stride 8 tell how large the writing is and how it is turned.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

CHANNELS = (24, 40, 56, 72, 88)
"""At strides 2, 4, 8, ... pixels."""
HEAD_LEVEL = 2
"""Level of `CHANNELS` whose features tell scale and angle: stride 8."""
_FOLD = 2


class Extraction(NamedTuple):
    """What the network says of a batch of pictures.

    Attributes:
        ink: `(batch, height, width)`, logits of the formula's ink, drawn as the published protocol
            draws it at this scale.
        scale: `(batch, height / 8, width / 8)`, binary logarithm of the pixels for each pixel at
            the published scale; of use where there is ink.
        direction: `(batch, 2, height / 8, width / 8)`, cosine and sine of the angle by which the
            formula is turned counterclockwise; of use where there is ink.
    """

    ink: torch.Tensor
    scale: torch.Tensor
    direction: torch.Tensor


class InktexInkExtraction(nn.Module):
    """The network.

    Args:
        channels: at strides 2, 4, 8, ... pixels.
        is_folded: without normalizations, which are folded into the convolutions.
    """

    def __init__(self, channels: Sequence[int] = CHANNELS, is_folded: bool = False) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.stride = _FOLD * 2 ** (len(channels) - 1)
        before = [3 * _FOLD**2, *channels[:-1]]
        self.down = nn.ModuleList(
            unet_block(inside, width, is_folded)
            for inside, width in zip(before, channels, strict=True)
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in itertools.pairwise(channels)
        )
        self.up = nn.ModuleList(unet_block(width, width, is_folded) for width in channels[:-1])
        self.ink = nn.Conv2d(channels[0], _FOLD**2, 1)
        self.geometry = nn.Conv2d(channels[HEAD_LEVEL], 3, 1)

    def forward(self, pictures: torch.Tensor) -> Extraction:
        """Find the ink.

        Args:
            pictures: `(batch, 3, height, width)`, red, green and blue, 0 to 1; both sides multiples
                of `stride`.
        """
        features = nn.functional.pixel_unshuffle(pictures - 0.5, _FOLD)
        skipped = []
        for level, block in enumerate(self.down):
            if level:
                features = nn.functional.max_pool2d(features, 2)
            features = block(features)
            skipped.append(features)
        geometry = None
        for level in reversed(range(len(self.up))):
            coarse = self.reduce[level](features)
            features = skipped[level] + nn.functional.interpolate(coarse, scale_factor=2.0)
            features = self.up[level](features)
            if level == HEAD_LEVEL:
                geometry = self.geometry(features)
        assert geometry is not None
        ink = nn.functional.pixel_shuffle(self.ink(features), _FOLD)[:, 0]
        return Extraction(ink, geometry[:, 0], geometry[:, 1:])


def unet_block(inside: int, outside: int, is_folded: bool = False) -> nn.Sequential:
    """Two 3x3 convolutions, each normalized unless that is folded into it, and ReLU."""
    layers: list[nn.Module] = []
    for channels in (inside, outside):
        layers.append(nn.Conv2d(channels, outside, 3, padding=1, bias=is_folded))
        layers.append(nn.Identity() if is_folded else nn.BatchNorm2d(outside))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def trained_weights(network: InktexInkExtraction) -> dict[str, NDArray[np.float32]]:
    """The weights of a network, normalizations included, by name."""
    # Kernels in channels-last order would be written to files in the order of their memory.
    return {
        key: np.ascontiguousarray(value.float().cpu().numpy())
        for key, value in network.state_dict().items()
        if value.is_floating_point()
    }


def torch_network(weights: Mapping[str, NDArray[np.float32]]) -> Any:
    """A `Network` that runs in torch, of `InkExtraction.folded` weights."""
    channels = [
        len(weights[f"down.{level}.0.bias"])
        for level in range(
            sum(key.startswith("down.") and key.endswith(".0.bias") for key in weights)
        )
    ]
    module = InktexInkExtraction(channels, is_folded=True)
    module.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    module = module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        with torch.inference_mode():
            batch = torch.from_numpy(pixels)[None].contiguous(memory_format=torch.channels_last)
            found: Any = module(batch)
        return tuple(one[0].numpy() for one in found)

    return run


__all__ = [
    "CHANNELS", "Extraction", "InktexInkExtraction", "torch_network", "trained_weights",
    "unet_block",
]  # fmt: skip
