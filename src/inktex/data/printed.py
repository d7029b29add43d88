"""Typeset formulas as compact arrays: filled outlines instead of strokes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inktex.tokenizer.vocabulary_inktex import VOCABULARY

_ENLARGED_BELOW: Final = 0.75
_ENLARGED_TO: Final = 1.4
"""Print that is given smaller than that share of the published scale is enlarged to about this
multiple of it by the image processor, which takes its strokes for a pen's; larger print is left as
it is (the mean over 55 formulas each, given at 0.5 to 1.4 times the published scale)."""
_BLURRED: Final = 0.5
_DARK: Final = 0.1
"""Shares of given pictures that are blurred, and that are light on dark."""


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
        given: how large it is given to the image processor, as a share of the published scale; None
            where it is drawn as the model's picture without that.
    """

    id: str
    face: str
    points: NDArray[np.float32]
    offsets: NDArray[np.int64]
    polygon_symbols: NDArray[np.int64]
    symbol_labels: NDArray[np.int64]
    tokens: NDArray[np.int64]
    alignment: NDArray[np.int64]
    given: float | None = None

    @property
    def caption(self) -> list[str]:
        """The tokens in writing."""
        return [VOCABULARY[number] for number in self.tokens.tolist()]

    def outlines(self) -> list[NDArray[np.float32]]:
        """The polygons as separate arrays `(points, 2)`."""
        return np.split(self.points, self.offsets[1:-1])

    @property
    def size(self) -> tuple[float, float]:
        """Width and height that it comes to, in pixels of the published protocol."""
        width, height = np.ptp(self.points, axis=0) * self.enlargement
        return float(width), float(height)

    @property
    def enlargement(self) -> float:
        """How large it comes to be, as a share of the published scale."""
        if self.given is None:
            return 1.0
        return self.given if self.given >= _ENLARGED_BELOW else _ENLARGED_TO


def as_given(filled: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A grey picture as a screenshot or a scan has it.

    Args:
        filled: `(height, width)`, share of each pixel that is ink.
        rng: of its levels, and whether it is blurred.
    """
    if rng.random() < _BLURRED:
        filled = ndimage.gaussian_filter(filled, rng.uniform(0.2, 0.6))
    paper, ink = rng.uniform(0.85, 1.0), rng.uniform(0.0, 0.35)
    if rng.random() < _DARK:
        paper, ink = 1 - paper, 1 - ink
    levels: NDArray[np.uint8] = np.rint(255 * (paper + (ink - paper) * filled)).astype(np.uint8)
    return levels
