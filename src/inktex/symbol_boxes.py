"""Where in the picture each symbol of a reading is, from where the guided heads look."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .modeling.stroke_width_inktex import EIGHT
from .tokenizer.vocabulary_inktex import STRUCTURAL_TOKENS

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""

_OWNED = 0.75
"""A stroke of which one token has such a share is that token's altogether."""
INK = 0.4
"""Darkness from which on a pixel is ink."""


def symbol_boxes(
    picture: NDArray[np.uint8], attention: NDArray[np.float32], stride: int
) -> list[Box | None]:
    """The box around each token's ink.

    Every pixel of ink belongs to the token that looks at its place most, and connected ink to one
    token alone where hardly another one looks at it.

    Args:
        picture: `(height, width)` uint8, the model's picture, ink 255 on paper 0.
        attention: `(tokens, rows, columns)`, for each token with ink a distribution over cells.
        stride: pixels from one cell to the next.

    Returns:
        For each token its box in pixels of the picture, None if it has no ink.
    """
    ink = picture > INK * picture.max(initial=1)
    rows, columns = np.nonzero(ink)
    if not len(attention) or not len(rows):
        return [None] * len(attention)
    votes = _votes(attention, rows, columns, stride)
    parts, count = ndimage.label(ink, EIGHT)
    part = parts[rows, columns] - 1
    shares = np.zeros((count, len(attention)))
    np.add.at(shares, part, votes)
    shares /= shares.sum(axis=1, keepdims=True)
    owner = np.where(
        shares.max(axis=1)[part] > _OWNED, shares.argmax(axis=1)[part], votes.argmax(axis=1)
    )
    return [_around(rows[owner == token], columns[owner == token]) for token in range(len(votes.T))]


def _votes(
    attention: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    stride: int,
) -> NDArray[np.float64]:
    """`(pixels, tokens)`: how likely each pixel of ink belongs to each token."""
    weights = attention / attention.sum(axis=(1, 2), keepdims=True).clip(1e-9)
    entropy = -(weights * np.log(weights.clip(1e-9))).sum(axis=(1, 2))
    # Who looks at a large symbol looks little at each part of it.
    spread = weights * np.exp(entropy)[:, None, None]
    places = np.stack([(rows + 0.5) / stride - 0.5, (columns + 0.5) / stride - 0.5])
    votes = np.stack(
        [ndimage.map_coordinates(one, places, order=1, mode="nearest") for one in spread], axis=1
    )
    votes = votes.astype(np.float64) + 1e-9
    return votes / votes.sum(axis=1, keepdims=True)


def _around(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Box | None:
    if not len(rows):
        return None
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return float(left), float(top), float(right), float(bottom)


def inked(tokens: Sequence[str]) -> list[bool]:
    r"""Which tokens have ink of their own: no braces, and no brackets of a root's degree."""
    found = [token not in STRUCTURAL_TOKENS for token in tokens]
    for index, token in enumerate(tokens):
        if token == r"\sqrt" and tokens[index + 1 : index + 2] == ["["]:
            depth = 0
            for end in range(index + 1, len(tokens)):
                depth += (tokens[end] == "{") - (tokens[end] == "}")
                if tokens[end] == "]" and depth == 0:
                    found[index + 1] = found[end] = False
                    break
    return found
