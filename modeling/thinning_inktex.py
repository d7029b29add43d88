"""What a wide pen wrote as the protocol's pen would have: a small U-Net, computed with numpy.

A wide pen fills loops and acute angles. What stood in them nobody can measure, but the shape around
them tells: a filled 8 is not a filled 0. `inktex.training.thinning` trains the network.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from .strokes_inktex import centre_lines, ink_box, widen

Array = NDArray[np.float32]
Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

THINNER_FILE = "thinner.safetensors"
"""In the folder of a model."""
TRUST = 6.0
"""Natural logarithm of the odds that a pixel is as the lines have it, before the network speaks."""
MOST_PIXELS = 600_000
"""What is larger is no single line of writing at the protocol's size, and stays filled: the network
takes a second for a million pixels."""
_FOLD = 2
"""Pixels each way that are one cell of the network's finest features."""


class Thinner:
    """Tells what a wide pen filled from what it wrote.

    A U-Net (Ronneberger et al. 2015) without its outermost level: squares of 2 by 2 pixels are the
    channels of its finest features.

    Args:
        weights: of `down.I.J` and `up.I.J` kernels `(3, 3, in, out)`, of `reduce.I` and `head`
            matrices `(in, out)`: each `.weight` int8, to be multiplied by `.scale` `(out,)`, and
            `.bias` `(out,)`.

    Raises:
        ValueError: if weights are missing.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.generic]]) -> None:
        # In order: safetensors writes memory as it lies.
        self.weights = {name: np.ascontiguousarray(value) for name, value in weights.items()}
        levels = len([name for name in weights if name.startswith("down.") and "0.bias" in name])
        names = {"head", *(f"reduce.{i}" for i in range(levels - 1))}
        names |= {f"down.{i}.{j}" for i in range(levels) for j in range(2)}
        names |= {f"up.{i}.{j}" for i in range(levels - 1) for j in range(2)}
        kinds = ("weight", "scale", "bias")
        missing = sorted({f"{name}.{kind}" for name in names for kind in kinds} - {*weights})
        if missing:
            raise ValueError(f"Weights of the thinner are missing: {', '.join(missing)}")
        self.levels = levels
        self._layers: dict[str, tuple[Array, Array]] = {}
        for name in names:
            weight, scale, bias = (self.weights[f"{name}.{kind}"] for kind in kinds)
            kernel = weight.astype(np.float32) * scale.astype(np.float32)
            self._layers[name] = kernel, bias.astype(np.float32)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Thinner":
        """Read the weights from a file.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it does not hold a thinner's weights.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            return cls(load(Path(path).read_bytes()))
        except SafetensorError as error:
            raise ValueError(f"{path} is no file of safetensors, or damaged: {error}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the weights to a file."""
        Path(path).write_bytes(self._bytes())

    @property
    def checksum(self) -> str:
        """SHA-256 of the file that `save` writes."""
        return hashlib.sha256(self._bytes()).hexdigest()

    def _bytes(self) -> bytes:
        from safetensors.numpy import save

        return save(self.weights)

    def __call__(self, wide: Mask, lines: Mask) -> Ink:
        """The ink of the narrow pen.

        Args:
            wide: `(h, w)`, what the wide pen drew.
            lines: `(h, w)`, where the narrow pen may have been: along the centres of the strokes,
                and wherever the wide one filled something.

        Returns:
            `(h, w)`, from 0 to 1: how sure it is of each pixel.
        """
        height, width = wide.shape
        step = _FOLD * 2 ** (self.levels - 1)
        pair = np.zeros((height + -height % step, width + -width % step, 2), dtype=np.float32)
        pair[:height, :width, 0], pair[:height, :width, 1] = wide, lines
        features = _unshuffle(pair)
        skipped = []
        for level in range(self.levels):
            if level:
                features = _pool(features)
            features = self._block(f"down.{level}", features)
            skipped.append(features)
        for level in reversed(range(self.levels - 1)):
            matrix, bias = self._layers[f"reduce.{level}"]
            coarse = features @ matrix + bias
            features = skipped[level] + coarse.repeat(2, axis=0).repeat(2, axis=1)
            features = self._block(f"up.{level}", features)
        matrix, bias = self._layers["head"]
        logits = _shuffle(features @ matrix + bias)
        logits = logits[:height, :width] + TRUST * (lines - np.float32(0.5))
        return np.asarray(expit(logits) * wide, dtype=np.float32)

    def _block(self, name: str, features: Array) -> Array:
        for part in range(2):
            features = np.maximum(_convolve(features, *self._layers[f"{name}.{part}"]), 0)
        return features


def save_thinner(thinner: Thinner | None, folder: str | os.PathLike[str]) -> None:
    """Write the file of `Thinner.save` to the folder of a model; without a thinner, remove it."""
    path = Path(folder) / THINNER_FILE
    if thinner is None:
        path.unlink(missing_ok=True)
    else:
        thinner.save(path)


def _convolve(features: Array, kernel: Array, bias: Array) -> Array:
    """`(h, w, in)` and a kernel `(3, 3, in, out)` to `(h, w, out)`, zeros around.

    With a row's margin in memory between it and the next, each of the nine shifts is one stretch of
    memory: nine products of matrices, and nothing is copied.
    """
    height, width, channels = features.shape
    padded = np.zeros((height + 3, width + 2, channels), dtype=np.float32)
    padded[1 : height + 1, 1 : width + 1] = features
    cells, row = padded.reshape(-1, channels), width + 2
    count = height * row
    total = np.empty((count, kernel.shape[-1]), dtype=np.float32)
    total[:] = bias
    for down in range(3):
        for across in range(3):
            start = down * row + across
            total += cells[start : start + count] @ kernel[down, across]
    return total.reshape(height, row, -1)[:, :width]


def _unshuffle(picture: Array) -> Array:
    height, width, channels = picture.shape
    parts = picture.reshape(height // _FOLD, _FOLD, width // _FOLD, _FOLD, channels)
    parts = parts.transpose(0, 2, 4, 1, 3)
    return parts.reshape(height // _FOLD, width // _FOLD, channels * _FOLD**2)


def _shuffle(features: Array) -> Array:
    rows, columns, _ = features.shape
    parts = features.reshape(rows, columns, _FOLD, _FOLD).transpose(0, 2, 1, 3)
    return parts.reshape(rows * _FOLD, columns * _FOLD)


def _pool(features: Array) -> Array:
    rows, columns, channels = features.shape
    parts = features.reshape(rows // 2, 2, columns // 2, 2, channels)
    return np.asarray(parts.max(axis=(1, 3)))


def exchange_pen(strokes: Mask, pen: int, nib: int, thinner: Thinner | None = None) -> Ink:
    """Strokes of a wide pen as a narrow one draws them.

    Args:
        strokes: `(h, w)`.
        pen: its width, in pixels.
        nib: width of the narrow pen.
        thinner: tells what the wide pen filled; without one it stays filled.

    Returns:
        Ink from 0 to 1, in a box that is as much smaller than `strokes` as the pen is narrower.
    """
    lines = centre_lines(strokes, pen)
    if thinner is None or lines.size > MOST_PIXELS:
        return widen(lines, nib)
    lines = np.pad(lines, pen)
    wide, narrow = (ndimage.maximum_filter(lines, size=size) for size in (pen, nib))
    ink = thinner(wide, narrow)
    return (ink if (ink > 0.5).any() else narrow.astype(np.float32))[ink_box(narrow)]


__all__ = ["THINNER_FILE", "TRUST", "Thinner", "exchange_pen", "save_thinner"]
