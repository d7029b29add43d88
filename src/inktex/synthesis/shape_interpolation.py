"""Shapes of a symbol between those of two writers.

The training ink shows a symbol in as many shapes as there are writers, and those of new writers
are between them, or a little beyond. Two symbols of the same class that were drawn with the same
strokes are moved towards each other, point by point along the strokes. Single glyphs of further
people are shapes to move towards as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inktex.data.examples import Example
from inktex.tokenizer.vocabulary_inktex import IDS

from .box import Strokes

Line = NDArray[np.float32]
"""`(_POINTS, 2)`, a trace in equal steps."""

_POINTS: Final = 16
_TRIED: Final = 6
"""Symbols of other expressions that are looked at before one is left as it is."""
_FARTHEST: Final = 0.22
"""Mean distance of their points, in sizes of the symbol; what is farther was drawn differently."""
_EQUAL: Final = 1e-3
_WEIGHTS: Final = (-0.3, 1.0)
"""From a little away from the other symbol to all the way to it."""
_FITTED: Final = frozenset({IDS[r"\sqrt"]})
"""Their shape is that of what they enclose."""
_DOUBLE_STRUCK: Final = IDS[r"\mathbb"]
"""The letter two tokens on has the label of a plain one, and another shape."""


class ShapeInterpolation:
    """Moves the symbols of expressions towards those of others.

    Args:
        share: of the symbols that are moved, where there is another one to move them to.
        glyphs: tokens of the vocabulary and their strokes; other tokens are passed over.
    """

    def __init__(
        self,
        examples: Iterable[Example],
        share: float,
        glyphs: Iterable[tuple[str, Strokes]] = (),
    ) -> None:
        self.share = share
        found: dict[tuple[int, int], list[NDArray[np.float32]]] = {}

        def add(label: int, traces: Sequence[NDArray[np.float32]]) -> None:
            lines = np.stack([_steps(trace) for trace in traces])
            centre, size = _frame(lines)
            if size > 0:
                found.setdefault((label, len(traces)), []).append((lines - centre) / size)

        for example in examples:
            for label, traces in _symbols(example):
                add(label, [_trace(example, trace) for trace in traces])
        for token, strokes in glyphs:
            if token in IDS and IDS[token] not in _FITTED:
                add(IDS[token], strokes)
        self.shapes = {key: np.stack(shapes) for key, shapes in found.items()}
        """`(symbols, traces, _POINTS, 2)`, centred and of size 1, by label and number of traces."""

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """A variant of the example with the same labels."""
        points = example.points.copy()
        for label, traces in _symbols(example):
            shapes = self.shapes.get((label, len(traces)))
            if rng.random() >= self.share or shapes is None:
                continue
            lines = np.stack([_steps(_trace(example, trace)) for trace in traces])
            centre, size = _frame(lines)
            if size == 0:
                continue
            moves = shapes[rng.integers(len(shapes), size=_TRIED)] * size + centre - lines
            distances = np.linalg.norm(moves, axis=-1).mean(axis=(1, 2)) / size
            near = np.flatnonzero((distances < _FARTHEST) & (distances > _EQUAL))
            if not len(near):
                continue
            weight = np.float32(rng.uniform(*_WEIGHTS))
            for trace, move in zip(traces, moves[near[0]], strict=True):
                start, stop = example.offsets[trace], example.offsets[trace + 1]
                places = _places(example.points[start:stop])
                points[start:stop] += weight * _at(places, _STEPS, move)
        return replace(example, points=points - points.min(axis=0))


_STEPS: Final = np.linspace(0.0, 1.0, _POINTS)


def _symbols(example: Example) -> Iterable[tuple[int, NDArray[np.int64]]]:
    """Label and traces of each symbol that can be moved."""
    styled = {*example.alignment[2:][example.tokens[:-2] == _DOUBLE_STRUCK].tolist()}
    for symbol, label in enumerate(example.symbol_labels.tolist()):
        traces = np.flatnonzero(example.trace_symbols == symbol)
        if label > 0 and label not in _FITTED and len(traces) and symbol not in styled:
            yield label, traces


def _trace(example: Example, trace: int) -> NDArray[np.float32]:
    return example.points[example.offsets[trace] : example.offsets[trace + 1]]


def _steps(points: NDArray[np.float32]) -> Line:
    return _at(_STEPS, _places(points), points)


def _places(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """`(points,)`, how far along the trace each of them is, 0 to 1."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    walked = np.concatenate([[0.0], np.cumsum(steps, dtype=np.float64)])
    return walked / walked[-1] if walked[-1] > 0 else walked


def _at(
    wanted: NDArray[np.float64], places: NDArray[np.float64], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """`(wanted, 2)`: values `(places, 2)` in between."""
    across, down = (np.interp(wanted, places, values[:, axis]) for axis in (0, 1))
    return np.stack([across, down], axis=1).astype(np.float32)


def _frame(lines: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Centre of a symbol's box and its longer side."""
    low, high = lines.min(axis=(0, 1)), lines.max(axis=(0, 1))
    return (low + high) / 2, float((high - low).max())
