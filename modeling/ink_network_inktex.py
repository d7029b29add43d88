"""Networks of ink extraction: one finds a formula's ink in a picture, one its scale and angle.

The first is a small U-Net (Ronneberger et al. 2015). The picture is folded to stride 2 first, so
that the first layers cost little. The second looks at the ink that the first has found.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .ink_extraction_inktex import POSE_PREFIX, InkNetworks

CHANNELS = (24, 40, 56, 72, 88)
"""Of the U-Net at strides 2, 4, 8, ... pixels."""
POSE_CHANNELS = (16, 24, 32, 48, 64)
"""Of the other one, likewise."""
_FOLD = 2
_NO_INK = 1e-3


class InktexInkExtraction(nn.Module):
    """Finds the ink of a formula in a picture.

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

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Find the ink.

        Args:
            pictures: `(batch, 3, height, width)`, red, green and blue, 0 to 1; both sides multiples
                of `stride`.

        Returns:
            `(batch, height, width)`, logits of the formula's ink, drawn as the published protocol
            draws it at this scale.
        """
        features = nn.functional.pixel_unshuffle(pictures - 0.5, _FOLD)
        skipped = []
        for level, block in enumerate(self.down):
            if level:
                features = nn.functional.max_pool2d(features, 2)
            features = block(features)
            skipped.append(features)
        for level in reversed(range(len(self.up))):
            coarse = self.reduce[level](features)
            features = skipped[level] + nn.functional.interpolate(coarse, scale_factor=2.0)
            features = self.up[level](features)
        return nn.functional.pixel_shuffle(self.ink(features), _FOLD)[:, 0]


class InktexInkPose(nn.Module):
    """Tells how large the writing is and how it is turned, by its ink alone.

    Args:
        channels: at strides 2, 4, 8, ... pixels.
        is_folded: without normalizations, which are folded into the convolutions.
    """

    def __init__(self, channels: Sequence[int] = POSE_CHANNELS, is_folded: bool = False) -> None:
        super().__init__()
        self.stride = 2 ** len(channels)
        layers: list[nn.Module] = []
        for number, (inside, outside) in enumerate(
            itertools.pairwise((1, *channels, channels[-1]))
        ):
            stride = 2 if number < len(channels) else 1
            layers += [
                nn.Conv2d(inside, outside, 3, stride, padding=1, bias=is_folded),
                nn.Identity() if is_folded else nn.BatchNorm2d(outside),
                nn.ReLU(inplace=True),
            ]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(2 * channels[-1], 64), nn.ReLU(inplace=True), nn.Linear(64, 6)
        )

    def forward(self, ink: torch.Tensor) -> torch.Tensor:
        """Tell scale and angle.

        Args:
            ink: `(batch, height, width)`, its probability, cropped to it and padded with 0 to
                multiples of `stride`.

        Returns:
            `(batch, 6)`: binary logarithm of the pixels for each pixel at the published scale; by
            how many right angles the formula is turned counterclockwise, as logits of 0, 1, 2 and
            3; and by how much more, in right angles, from -0.5 to 0.5. In this order.
        """
        features = self.features(ink[:, None])
        weight = nn.functional.avg_pool2d(ink[:, None], self.stride) + _NO_INK
        mean = (features * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3))
        found: torch.Tensor = self.head(torch.cat([mean, features.amax(dim=(2, 3))], dim=1))
        return found


def unet_block(inside: int, outside: int, is_folded: bool = False) -> nn.Sequential:
    """Two 3x3 convolutions, each normalized unless that is folded into it, and ReLU."""
    layers: list[nn.Module] = []
    for channels in (inside, outside):
        layers.append(nn.Conv2d(channels, outside, 3, padding=1, bias=is_folded))
        layers.append(nn.Identity() if is_folded else nn.BatchNorm2d(outside))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def trained_weights(network: nn.Module) -> dict[str, NDArray[np.float32]]:
    """The weights of a network, normalizations included, by name."""
    # Kernels in channels-last order would be written to files in the order of their memory.
    return {
        key: np.ascontiguousarray(value.float().cpu().numpy())
        for key, value in network.state_dict().items()
        if value.is_floating_point()
    }


def torch_networks(weights: Mapping[str, NDArray[np.float32]]) -> InkNetworks:
    """Both networks in torch, of `InkExtraction.folded` weights."""
    own = {key: value for key, value in weights.items() if not key.startswith(POSE_PREFIX)}
    others = {
        key.removeprefix(POSE_PREFIX): value
        for key, value in weights.items()
        if key.startswith(POSE_PREFIX)
    }
    levels = sum(key.startswith("down.") and key.endswith(".0.bias") for key in own)
    channels = [len(own[f"down.{level}.0.bias"]) for level in range(levels)]
    extraction = _loaded(InktexInkExtraction(channels, is_folded=True), own)
    biases = [key for key in others if key.startswith("features.") and key.endswith(".bias")]
    biases.sort(key=lambda key: int(key.split(".")[1]))  # files have them by the alphabet
    sizes = [len(others[key]) for key in biases]
    pose = _loaded(InktexInkPose(sizes[:-1], is_folded=True), others)

    def find(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            batch = torch.from_numpy(pixels)[None].contiguous(memory_format=torch.channels_last)
            logits: NDArray[np.float32] = extraction(batch)[0].numpy()
        return logits

    def tell(ink: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            told: NDArray[np.float32] = pose(torch.from_numpy(ink)[None])[0].numpy()
        return told

    return InkNetworks(find, tell)


def _loaded(module: nn.Module, weights: Mapping[str, NDArray[np.float32]]) -> Any:
    module.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    return module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


__all__ = [
    "CHANNELS", "POSE_CHANNELS", "InktexInkExtraction", "InktexInkPose", "torch_networks",
    "trained_weights", "unet_block",
]  # fmt: skip
