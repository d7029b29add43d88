"""Location and coverage feedback: where tokens were read, and which cells have been read.

With location feedback the decoder's input for a token holds the token's place in the picture; with
coverage feedback (Tu et al. 2016) its cross-attention knows the cells that have been read. Both are
computed from the attention map of the step that predicted the token, in this file alone: token by
token by `FeedbackState`, for whole sequences by `sequence_feedback`.
"""

import sys
from collections.abc import Mapping
from typing import Any

Array = Any
"""An array of numpy or a tensor of torch: ONNX decoding works without torch."""

UNKNOWN = -1.0
"""Row and column of a token without a place in the picture, or whose place is not known."""
INKLESS = (
    "open", "close", "superscript", "subscript", "limits", "matrix_begin", "matrix_end", "cell",
    "line", "nothing",
)  # fmt: skip
"""Names, in a configuration's `grammar`, of the tokens without a place in the picture."""


def inkless_tokens(grammar: Mapping[str, Any] | None) -> list[int]:
    """Ids of the tokens without a place in the picture."""
    return [int(grammar[name]) for name in INKLESS if name in grammar] if grammar else []


class FeedbackState:
    """Feedback for the next token of each sequence of a batch.

    Args:
        covered: `(batch, cells)` float32, the cells that have been read, from 0 to 1; zeros before
            the first token.
        columns: of the grid of cells; a tensor `(1,)` in a graph, where it is not known beforehand.
        inkless: `(vocabulary, 1)` bool, true for tokens without a place in the picture.

    Attributes:
        locations: `(batch, 2)`, row and column in cells of the tokens of the last `update`.
        covered: `(batch, cells)`, the cells that have been read, these tokens included.
    """

    def __init__(self, covered: Array, columns: int | Array, inkless: Array) -> None:
        self.covered, self._has_ink = covered, ~inkless
        self._xp = _library(covered)
        self._grid = _cell_grid(covered, columns)
        unknown = self._xp.full_like(covered[:, :1], UNKNOWN)
        self.locations = self._xp.concatenate([unknown, unknown], 1)

    def update(self, tokens: Array, attention: Array) -> None:
        """Take in a predicted token of each sequence.

        Args:
            tokens: `(batch,)` ids.
            attention: `(batch, cells)`, mean attention of the guided heads that predicted them.
        """
        has_ink = self._has_ink[tokens]
        places = _centres(attention * attention, self._grid)
        self.locations = self._xp.where(has_ink, places, UNKNOWN)
        shares = attention / _largest(attention)
        self.covered = self._xp.maximum(self.covered, shares * has_ink)

    def reorder(self, sequences: Array) -> None:
        """Continue sequence `i` from sequence `sequences[i]`; others are dropped."""
        self.locations, self.covered = self.locations[sequences], self.covered[sequences]


def sequence_feedback(attention: Array, inkless: Array, columns: int) -> tuple[Array, Array]:
    """Feedback for all tokens of given sequences, as `FeedbackState` gives it token by token.

    Args:
        attention: tensor `(batch, tokens, cells)`, mean attention of the guided heads at each
            token, which predicts the next one.
        inkless: `(batch, tokens)` bool, true for tokens without a place in the picture.
        columns: of the grid of cells.

    Returns:
        `(batch, tokens, 2)` locations of the tokens and `(batch, tokens, cells)` coverage.
    """
    # Squared, so that of two places the likelier one counts more.
    places = shifted(centres(attention * attention, columns))
    inked = attention[:, :-1] * ~inkless[:, 1:, None]
    return places.masked_fill(inkless[..., None], UNKNOWN), coverage(inked)


def centres(weights: Array, columns: int) -> Array:
    """Centres of mass of weights over a grid of cells.

    Args:
        weights: tensor `(..., cells)`, not negative, row by row.
        columns: of the grid.

    Returns:
        `(..., 2)` row and column in cells; `UNKNOWN` where all weights are zero.
    """
    xp = _library(weights)
    # In bfloat16, which autocast would choose, the places would lose their fractions.
    with xp.autocast(weights.device.type, enabled=False):
        places = _centres(weights, _cell_grid(weights, columns))
    return places.masked_fill(weights.sum(-1, keepdim=True) <= 0, UNKNOWN)


def coverage(attention: Array) -> Array:
    """Cells that have been read before each token, and after the last one.

    Args:
        attention: tensor `(batch, tokens, cells)`, not negative; all zero for a token without ink.

    Returns:
        `(batch, tokens + 1, cells)`, from 0 to 1.
    """
    xp, shares = _library(attention), attention / _largest(attention).clip(1e-9)
    return xp.cat([xp.zeros_like(shares[:, :1]), shares], dim=1).cummax(dim=1).values


def shifted(places: Array) -> Array:
    """Places `(batch, tokens, 2)` one token later, the first one unknown."""
    xp = _library(places)
    return xp.cat([xp.full_like(places[:, :1], UNKNOWN), places[:, :-1]], dim=1)


def _centres(weights: Array, grid: Array) -> Array:
    moments = weights @ grid
    return moments[..., :2] / moments[..., 2:]


def _largest(attention: Array) -> Array:
    return _library(attention).amax(attention, axis=-1, keepdims=True)


def _cell_grid(like: Array, columns: int | Array) -> Array:
    """`(cells, 3)` row, column and 1 of each cell: weights times these are moments."""
    xp = _library(like)
    rest = {} if xp.__name__ == "numpy" else {"device": like.device}
    cells = xp.arange(like.shape[-1], **rest)
    grid = xp.stack([cells // columns, cells % columns, xp.ones_like(cells)], -1)
    return xp.asarray(grid, dtype=xp.float32)


def _library(array: Array) -> Any:
    """The module, numpy or torch, that an array is of."""
    return sys.modules[type(array).__module__.partition(".")[0]]


__all__ = [
    "INKLESS", "UNKNOWN", "FeedbackState", "centres", "coverage", "inkless_tokens",
    "sequence_feedback", "shifted",
]  # fmt: skip
