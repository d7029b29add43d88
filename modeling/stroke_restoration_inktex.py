"""Restroking: strokes of one width redrawn with another, and what a wide pen filled restored.

A wide pen fills loops and acute angles. What stood in them cannot be measured, but the shape around
them says it: a filled 8 differs from a filled 0. A small U-Net, computed with numpy, restores it;
`inktex.training` trains its weights.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from .stroke_width_inktex import EIGHT, EXACTLY, ink_box

Array = NDArray[np.float32]
Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

STROKE_RESTORATION_FILE = "stroke_restoration.safetensors"
"""In the folder of a model."""
STROKE_RESTORATION_FILES = (STROKE_RESTORATION_FILE, "thinner.safetensors")
"""Names under which it is looked for; the second is that of 0.1."""
TRUST = 6.0
"""Logit of a pixel being as the lines have it, to which the network's logit is added."""
MAX_PIXELS = 600_000
"""Larger pictures stay filled: at the published scale they are no single line of writing, and the
network takes a second for a million pixels."""
_FOLD = 2
"""Pixels each way that are one cell of the network's finest features."""


class StrokeRestoration:
    """Estimates which ink a wide pen filled and which it wrote.

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
        # safetensors writes memory as it lies, so it has to be contiguous.
        self.weights = {name: np.ascontiguousarray(value) for name, value in weights.items()}
        levels = len([name for name in weights if name.startswith("down.") and "0.bias" in name])
        names = {"head", *(f"reduce.{i}" for i in range(levels - 1))}
        names |= {f"down.{i}.{j}" for i in range(levels) for j in range(2)}
        names |= {f"up.{i}.{j}" for i in range(levels - 1) for j in range(2)}
        kinds = ("weight", "scale", "bias")
        missing = sorted({f"{name}.{kind}" for name in names for kind in kinds} - {*weights})
        if missing:
            raise ValueError(f"Weights of the stroke restoration are missing: {', '.join(missing)}")
        self.levels = levels
        self._layers: dict[str, tuple[Array, Array]] = {}
        for name in names:
            weight, scale, bias = (self.weights[f"{name}.{kind}"] for kind in kinds)
            kernel = weight.astype(np.float32) * scale.astype(np.float32)
            self._layers[name] = kernel, bias.astype(np.float32)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "StrokeRestoration":
        """Reads the weights from a file.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it does not hold such weights.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            return cls(load(Path(path).read_bytes()))
        except SafetensorError as error:
            raise ValueError(f"{path} is no file of safetensors, or damaged: {error}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the weights to a file."""
        Path(path).write_bytes(self._bytes())

    @property
    def checksum(self) -> str:
        """SHA-256 of the file that `save` writes."""
        return hashlib.sha256(self._bytes()).hexdigest()

    def _bytes(self) -> bytes:
        from safetensors.numpy import save

        return save(self.weights)

    def __call__(self, wide: Mask, lines: Mask) -> Ink:
        """Estimates the ink of the narrow pen.

        Args:
            wide: `(h, w)`, the ink of the wide pen.
            lines: `(h, w)`, where the narrow pen may have drawn: along the centres of the strokes,
                and wherever the wide one filled something.

        Returns:
            `(h, w)`: probability of ink in each pixel, 0 to 1.
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


def find_stroke_restoration(folder: str | os.PathLike[str]) -> Path | None:
    """Returns the file of the weights in the folder of a model; None if there is none."""
    paths = [Path(folder) / name for name in STROKE_RESTORATION_FILES]
    return next((path for path in paths if path.is_file()), None)


def save_stroke_restoration(
    restoration: StrokeRestoration | None, folder: str | os.PathLike[str]
) -> None:
    """Writes the weights to the folder of a model; if there are none, removes what is there."""
    for name in STROKE_RESTORATION_FILES:
        (Path(folder) / name).unlink(missing_ok=True)
    if restoration is not None:
        restoration.save(Path(folder) / STROKE_RESTORATION_FILE)


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


def restroke(
    strokes: Mask, width: int, target: int, restoration: StrokeRestoration | None = None
) -> Ink:
    """Redraws wide strokes as narrow ones.

    Args:
        strokes: `(h, w)`.
        width: of these strokes, in pixels.
        target: width of the narrow strokes, in pixels.
        restoration: of what the wide pen filled; without one it stays filled.

    Returns:
        Ink from 0 to 1, in a box smaller than `strokes` by the difference of the widths.
    """
    lines = centre_lines(strokes, width)
    if restoration is None or lines.size > MAX_PIXELS:
        return widen(lines, target)
    lines = np.pad(lines, width)
    wide, narrow = (ndimage.maximum_filter(lines, size=size) for size in (width, target))
    ink = restoration(wide, narrow)
    return (ink if (ink > 0.5).any() else narrow.astype(np.float32))[ink_box(narrow)]


def widen(lines: Mask, size: int) -> Ink:
    """Draws lines `(h, w)` with a square pen, as the published protocol does; crops to the ink."""
    drawn = ndimage.maximum_filter(np.pad(lines, size), size=size)
    return drawn[ink_box(drawn)].astype(np.float32)


def centre_lines(strokes: Mask, width: int) -> Mask:
    """Finds the lines along which a pen drew wide strokes.

    Where the pen filled a loop or an acute angle, the result is filled too.

    Args:
        strokes: `(h, w)`.
        width: of the pen, in pixels.

    Returns:
        `(h, w)`.
    """
    square = np.ones((width, width))
    inside = ndimage.binary_erosion(strokes, square)
    drawn = ndimage.binary_dilation(inside, square)
    labels, _ = ndimage.label(strokes, EIGHT)
    others = strokes.copy()
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        own = labels[rows, columns] == number
        if drawn[rows, columns][own].mean() >= EXACTLY:
            others[rows, columns] &= ~own
    # Slanting lines of a round pen are narrower than the square: their skeleton is used instead.
    return np.asarray(skeleton(others) | inside)


def skeleton(strokes: Mask) -> Mask:
    """Thins strokes to lines of one pixel in their middle (Guo and Hall 1989)."""
    picture = np.pad(strokes, 1)
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            rows, columns = np.nonzero(picture)
            north, ne, east, se, south, sw, west, nw = (
                picture[rows + down, columns + right]
                for down, right in (
                    (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)
                )
            )  # fmt: skip
            parts = np.sum(
                [~north & (ne | east), ~east & (se | south), ~south & (sw | west),
                 ~west & (nw | north)],
                axis=0,
            )  # fmt: skip
            neighbours = np.minimum(
                np.sum([nw | north, ne | east, se | south, sw | west], axis=0),
                np.sum([north | ne, east | se, south | sw, west | nw], axis=0),
            )
            inner = (north | ne | ~se) & east if first else (south | sw | ~nw) & west
            gone = (parts == 1) & (neighbours >= 2) & (neighbours <= 3) & ~inner
            if gone.any():
                picture[rows[gone], columns[gone]] = False
                changed = True
    return picture[1:-1, 1:-1]


__all__ = [
    "STROKE_RESTORATION_FILE", "STROKE_RESTORATION_FILES", "TRUST", "StrokeRestoration",
    "centre_lines", "find_stroke_restoration", "restroke", "save_stroke_restoration", "skeleton",
    "widen",
]  # fmt: skip
