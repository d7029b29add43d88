"""The model's picture of typeset formulas: filled outlines, by the image processor or without it.

What the image processor makes of print is black and white at the published scale, its letters
filled and of thick and thin strokes, the thin ones widened. So is what is drawn here without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inktex.data.augmentation import AugmentationConfig, draw_affine
from inktex.data.printed import PrintExample, as_given
from inktex.ink.filling import fill
from inktex.ink.render import MARGIN_BEFORE, STROKE_WIDTH, dilate
from inktex.modeling.encoder_inktex import STRIDE
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.normalization_inktex import normalize

_STRAIGHT: Final = 0.3
"""Print is turned, sheared and stretched by this share of what ink is."""
_WIDENED: Final = ((0, 1, 2), (0.25, 0.5, 0.25))
"""Pixels of the published scale by which outlines are widened, and how often."""
_THIN: Final = 0.25
"""Of a pixel: lines thinner than one must not break, so the image processor asks for no more."""
_VISIBLE: Final = 0.5
"""Pixels of the model's picture: less ink than that in a cell does not show there."""


def vary_print(
    example: PrintExample, config: AugmentationConfig, rng: np.random.Generator
) -> PrintExample:
    """A variant of a formula: a little turned, sheared and stretched as a whole."""
    matrix = draw_affine(config, rng, _STRAIGHT)
    points = example.points @ matrix.T
    return replace(example, points=(points - points.min(axis=0)).astype(np.float32))


def rasterize_print(
    example: PrintExample,
    factor: float,
    processor: InktexImageProcessor,
    rng: np.random.Generator | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The model's picture of a formula, and where its symbols are in it.

    Args:
        processor: for the batches, with the largest height and width of the picture.
        rng: of how it is given and how much its outlines are widened; None for neither.

    Returns:
        `(height, width)` uint8, ink 255 on 0, and `(symbols, rows, columns)` float32, how many of
        its pixels each symbol fills in each cell.
    """
    if rng is not None and example.given is not None:
        found = _processed(example, example.given * factor, processor, rng)
        if found is not None:
            return found
        factor *= example.enlargement
    widened = 0 if rng is None else int(rng.choice(_WIDENED[0], p=_WIDENED[1]))
    before, after = processor.margin_before + STROKE_WIDTH // 2, processor.margin_after
    extent = np.ptp(example.points, axis=0) * factor + before + after + STROKE_WIDTH // 2 + 1
    resolution = processor.resolution
    excess = max(*(extent[::-1] * resolution / (processor.max_height, processor.max_width)), 1.0)
    resolution /= excess
    full = np.ceil(extent).astype(int).tolist()
    placed = example.points * np.float32(factor) + np.float32(before)
    filled = fill(placed, example.offsets, *full)[0]
    picture = dilate((filled > _THIN) * np.uint8(255), 1 + widened)
    size = (
        min(max(round(full[0] * resolution), 1), processor.max_width),
        min(max(round(full[1] * resolution), 1), processor.max_height),
    )
    shrunk = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
    scale = np.array(size) / np.array(full)
    return shrunk, _cells(example, placed * scale, shrunk.shape)


def _processed(
    example: PrintExample, size: float, processor: InktexImageProcessor, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
    """A formula as the image processor sees it; None if it finds no formula there."""
    placed = example.points * np.float32(size) + np.float32(MARGIN_BEFORE + rng.random())
    width, height = np.ceil(placed.max(axis=0) + MARGIN_BEFORE).astype(int).tolist()
    picture = as_given(fill(placed, example.offsets, width, height)[0], rng)
    try:
        found = normalize(picture, processor.settings)
    except ValueError:  # nothing that looks like a formula
        return None
    return found.picture, _cells(example, found.from_source(placed), found.picture.shape)


def _cells(
    example: PrintExample, places: NDArray[np.floating], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """How many pixels each symbol fills in each cell; `places` are in pixels of the picture."""
    rows, columns = (-(-side // STRIDE) for side in shape)
    filled = fill(
        places / STRIDE,
        example.offsets,
        columns,
        rows,
        example.polygon_symbols,
        len(example.symbol_labels),
    )
    pixels = (filled * STRIDE**2).astype(np.float32)
    pixels[pixels < _VISIBLE] = 0
    return pixels
