"""Ink extraction: a small U-Net that finds the ink of a formula in a picture of any kind.

Ronneberger et al. 2015. The picture is folded to stride 2 first, so that the first layers are cheap;
two small heads at stride 8 tell how large the writing is and how it is turned.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
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
        scale: `(batch, height / 8, width / 8)`, binary logarithm of the pixels for each pixel at the
            published scale; of use where there is ink.
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
    """

    def __init__(self, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.stride = _FOLD * 2 ** (len(channels) - 1)
        before = [3 * _FOLD**2, *channels[:-1]]
        self.down = nn.ModuleList(
            _block(inside, width) for inside, width in zip(before, channels, strict=True)
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in itertools.pairwise(channels)
        )
        self.up = nn.ModuleList(_block(width, width) for width in channels[:-1])
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


def _block(inside: int, outside: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inside, outside):
        layers += [
            nn.Conv2d(channels, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)



Network = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]
"""From a picture `(3, height, width)`, 0 to 1, to the arrays of an `Extraction` of it, unbatched."""

OVERVIEW = 512
"""Pixels of the longer side of the picture in which scale, angle and place of the formula are found."""
MAX_PIXELS = 1_500_000
"""Of the part that is read at the published scale; a larger one is reduced to this."""
MARGIN = 20
"""Pixels at the published scale around the formula, since the overview is coarse."""
_GEOMETRY_STRIDE = 8
_MULTIPLE = 32


@dataclass(frozen=True, slots=True)
class FoundInk:
    """The ink of the formula in a picture, upright and at about the published scale.

    Attributes:
        ink: `(h, w)` float32, its probability.
        angle: degrees by which the picture was rotated counterclockwise about its middle.
        zoom: pixels of `ink` for each pixel of the picture.
        offset: x and y of the left upper corner of `ink`, in pixels of the rotated picture.
    """

    ink: NDArray[np.float32]
    angle: float
    zoom: float
    offset: tuple[float, float]


def find_ink(picture: Image.Image, network: Network) -> FoundInk | None:
    """Finds the formula's ink in a picture: roughly in an overview, then at the published scale.

    Args:
        picture: RGB.
        network: see `Network`.

    Returns:
        None if there is no ink.
    """
    factor = min(OVERVIEW / max(picture.size), 1.0)
    small = picture
    if factor < 1:
        size = tuple(max(round(side * factor), 1) for side in picture.size)
        small = picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    overview = _run(network, small)
    if overview is None:
        return None
    ink, scale, angle = overview
    factor = small.size[0] / picture.size[0]
    zoom = factor / scale
    rows, columns = np.nonzero(ink > 0.5)
    middle = np.array([picture.size[0], picture.size[1]]) / 2
    turn = math.radians(-angle)  # upright is where the formula's own angle is taken back
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    points = (np.stack([columns, rows], axis=1) + 0.5) / factor - middle
    points = points @ rotation.T + middle
    margin = MARGIN / zoom + 1 / factor
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    extent = high - low
    zoom = min(zoom, math.sqrt(MAX_PIXELS / float(np.prod(extent))))
    upright = _upright(picture, rotation, middle, low, extent, zoom)
    found = _run(network, upright)
    if found is None:
        return None
    return FoundInk(found[0], -angle, zoom, (float(low[0]), float(low[1])))


def _run(
    network: Network, picture: Image.Image
) -> tuple[NDArray[np.float32], float, float] | None:
    """Ink `(h, w)` of an RGB picture, its scale and its angle in degrees; None without ink."""
    pixels = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
    height, width = pixels.shape[1:]
    below, right = -height % _MULTIPLE, -width % _MULTIPLE
    logits, scale, direction = network(np.pad(pixels, ((0, 0), (0, below), (0, right)), "edge"))
    ink = 1 / (1 + np.exp(-logits[:height, :width]))
    if not (ink > 0.5).any():
        return None
    rows, columns = scale.shape
    weight = np.zeros((rows * _GEOMETRY_STRIDE, columns * _GEOMETRY_STRIDE), dtype=np.float32)
    weight[:height, :width] = ink > 0.5
    weight = weight.reshape(rows, _GEOMETRY_STRIDE, columns, _GEOMETRY_STRIDE).mean(axis=(1, 3))
    total = float(weight.sum())
    octaves = float((scale * weight).sum()) / total
    across, down = ((direction * weight).sum(axis=(1, 2)) / total).tolist()
    return ink, 2.0**octaves, math.degrees(math.atan2(down, across))


def _upright(
    picture: Image.Image,
    rotation: NDArray[np.float64],
    middle: NDArray[np.float64],
    low: NDArray[np.float64],
    extent: NDArray[np.float64],
    zoom: float,
) -> Image.Image:
    """The part of a picture around the formula, turned upright and resized by `zoom`."""
    times = max(int(1 / zoom), 1)  # Pillow's transform takes single pixels and would skip others
    reduced = picture.reduce(times) if times > 1 else picture
    size = tuple(max(round(float(side) * zoom), 1) for side in extent)
    back = rotation.T  # from the upright picture to the given one
    start = (back @ (low - middle) + middle) / times
    step = back / (zoom * times)
    mapping = (step[0, 0], step[0, 1], start[0], step[1, 0], step[1, 1], start[1])
    paper = tuple(np.median(np.asarray(reduced.resize((32, 32))), axis=(0, 1)).astype(int).tolist())
    return reduced.transform(
        size, Image.Transform.AFFINE, mapping, Image.Resampling.BICUBIC, fillcolor=paper
    )  # fmt: skip


def torch_network(module: InktexInkExtraction) -> Network:
    """A network that runs in torch."""
    module = module.eval()

    def run(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        with torch.inference_mode():
            batch = torch.from_numpy(pixels)[None].contiguous(memory_format=torch.channels_last)
            found: Any = module(batch)
        return tuple(one[0].numpy() for one in found)

    return run


__all__ = [
    "CHANNELS", "Extraction", "FoundInk", "InktexInkExtraction", "Network", "find_ink",
    "torch_network",
]  # fmt: skip
