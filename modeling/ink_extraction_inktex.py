"""Ink extraction: a small network finds a formula's ink in any picture, in two passes."""

import hashlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

Network = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]
"""From a picture `(3, height, width)`, 0 to 1, to logits of its ink `(height, width)`, and at
stride 8 the logarithm of its scale and cosine and sine of its angle; see `InktexInkExtraction`."""
NetworkMaker = Callable[[Mapping[str, NDArray[np.float32]]], Network | None]
"""From folded weights to a network; None if it cannot run one of this size."""

OVERVIEW = 512
"""Pixels of the longer side of the picture that tells the formula's scale, angle and place."""
MAX_PIXELS = 1_500_000
"""Of the part that is read at the published scale; a larger one is reduced to this."""
MARGIN = 20
"""Pixels at the published scale around the formula, since the overview is coarse."""
_DOUBTFUL = 0.2
"""Probability in the overview from which on a pixel belongs to what is looked at closely."""
_GEOMETRY_STRIDE = 8
_MULTIPLE = 32


INK_EXTRACTION_FILE = "ink_extraction.safetensors"
"""In the folder of a model."""
_EPSILON = np.float32(1e-5)
"""Of torch's batch normalization."""


class InkExtraction:
    """The network's weights, and what runs them.

    Args:
        weights: of `trained_weights`, by name.
        network: runs them; None to make it at the first picture.
        make_network: of `folded` weights; without it, or where it gives None, torch runs them.
    """

    def __init__(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        network: Network | None = None,
        make_network: NetworkMaker | None = None,
    ) -> None:
        self.weights = dict(weights)
        self.network, self.make_network = network, make_network

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        make_network: NetworkMaker | None = None,
    ) -> "InkExtraction":
        """Loads the weights of a file.

        Args:
            path: of the file.
            make_network: see the class.

        Raises:
            ValueError: if it is damaged.
        """
        try:
            weights = load_file(path)
        except Exception as error:  # safetensors raises a class of its own
            raise ValueError(f"{os.fspath(path)} is damaged: {error}") from error
        weights = {name: value.astype(np.float32) for name, value in weights.items()}
        return cls(weights, make_network=make_network)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the weights, in half precision."""
        half = {name: value.astype(np.float16) for name, value in self.weights.items()}
        save_file(half, path)

    @property
    def checksum(self) -> str:
        """SHA-256 of the weights in half precision."""
        found = hashlib.sha256()
        for name in sorted(self.weights):
            found.update(name.encode())
            found.update(self.weights[name].astype(np.float16).tobytes())
        return found.hexdigest()

    def folded(self) -> dict[str, NDArray[np.float32]]:
        """Returns the weights of the network without normalizations, which gives the same."""
        weights = dict(self.weights)
        for name in self.weights:
            norm, _, part = name.rpartition(".")
            if part != "running_var":
                continue
            block, _, number = norm.rpartition(".")
            convolution = f"{block}.{int(number) - 1}"
            gain = weights[f"{norm}.weight"] / np.sqrt(weights[name] + _EPSILON)
            shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
            kernel = weights[f"{convolution}.weight"] * gain[:, None, None, None]
            weights |= {f"{convolution}.weight": kernel, f"{convolution}.bias": shift}
            for one in ("weight", "bias", "running_mean", "running_var"):
                del weights[f"{norm}.{one}"]
        return weights

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the weights alone, since sessions cannot be."""
        return {**self.__dict__, "network": None}

    def __call__(self, picture: Image.Image) -> "FoundInk | None":
        """Finds the formula's ink in an RGB picture; None if there is none."""
        if self.network is None and self.make_network is not None:
            self.network = self.make_network(self.folded())
        if self.network is None:
            from .ink_network_inktex import torch_network

            self.network = torch_network(self.folded())
        return find_ink(picture, self.network)


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


def find_ink_extraction(folder: str | os.PathLike[str]) -> Path | None:
    """Returns the file of the weights in the folder of a model; None if there is none."""
    path = Path(folder) / INK_EXTRACTION_FILE
    return path if path.is_file() else None


def save_ink_extraction(extraction: InkExtraction | None, folder: str | os.PathLike[str]) -> None:
    """Writes the weights to the folder of a model; if there are none, removes what is there."""
    path = Path(folder) / INK_EXTRACTION_FILE
    path.unlink(missing_ok=True)
    if extraction is not None:
        extraction.save(path)


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
        width, height = (max(round(side * factor), 1) for side in picture.size)
        small = picture.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
    overview = _run(network, small)
    if overview is None:
        return None
    ink, scale, angle = overview
    factor = small.size[0] / picture.size[0]
    zoom = factor / scale
    rows, columns = np.nonzero(ink > _DOUBTFUL)
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


def _run(network: Network, picture: Image.Image) -> tuple[NDArray[np.float32], float, float] | None:
    """Ink `(h, w)` of an RGB picture, its scale and its angle in degrees; None without ink."""
    pixels = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
    height, width = pixels.shape[1:]
    below, right = -height % _MULTIPLE, -width % _MULTIPLE
    logits, scale, direction = network(np.pad(pixels, ((0, 0), (0, below), (0, right)), "edge"))
    ink = (1 / (1 + np.exp(-logits[:height, :width]))).astype(np.float32)
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
    width, height = (max(round(float(side) * zoom), 1) for side in extent)
    back = rotation.T  # from the upright picture to the given one
    start = (back @ (low - middle) + middle) / times
    step = back / (zoom * times)
    mapping = (step[0, 0], step[0, 1], start[0], step[1, 0], step[1, 1], start[1])
    paper = tuple(np.median(np.asarray(reduced.resize((32, 32))), axis=(0, 1)).astype(int).tolist())
    return reduced.transform(
        (width, height), Image.Transform.AFFINE, mapping, Image.Resampling.BICUBIC, fillcolor=paper
    )


__all__ = [
    "INK_EXTRACTION_FILE", "FoundInk", "InkExtraction", "Network", "find_ink",
    "find_ink_extraction", "save_ink_extraction",
]  # fmt: skip
