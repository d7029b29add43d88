"""Typeset formulas as compact arrays: filled outlines instead of strokes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inktex.tokenizer.vocabulary_inktex import VOCABULARY

__all__ = ["PrintExample"]


@dataclass(frozen=True, slots=True)
class PrintExample:
    """One typeset formula to train on. Coordinates are pixels of the published protocol.

    Its size is that of ink: letters, signs and rules are as tall on average as the protocol's
    traces.

    Attributes:
        id: its name.
        face: that it is set in.
        points: `(points, 2)` float32, the polygons around what is filled, one after another; those
            around holes run the other way.
        offsets: `(polygons + 1,)` int64; polygon `i` is `points[offsets[i]:offsets[i + 1]]`.
        polygon_symbols: `(polygons,)` int64, the symbol that each polygon belongs to.
        symbol_labels: `(symbols,)` int64, the id of the token that each symbol is.
        tokens: `(tokens,)` int64 ids, without start and end.
        alignment: `(tokens,)` int64, the symbol that each token is, or -1.
    """

    id: str
    face: str
    points: NDArray[np.float32]
    offsets: NDArray[np.int64]
    polygon_symbols: NDArray[np.int64]
    symbol_labels: NDArray[np.int64]
    tokens: NDArray[np.int64]
    alignment: NDArray[np.int64]

    @property
    def caption(self) -> list[str]:
        """The tokens in writing."""
        return [VOCABULARY[number] for number in self.tokens.tolist()]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of what is filled, in pixels of the published protocol."""
        width, height = np.ptp(self.points, axis=0)
        return float(width), float(height)
