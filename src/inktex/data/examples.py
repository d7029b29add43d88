"""Expressions as compact arrays, for augmentation, drawing and batching."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inktex.data.crohme.split import writer
from inktex.data.printed import PrintExample
from inktex.ink import Expression
from inktex.ink.render import MARGIN_AFTER, MARGIN_BEFORE, STROKE_WIDTH, published_scale
from inktex.tokenizer.structure_inktex import closing_brace, matrix_cells
from inktex.tokenizer.vocabulary_inktex import (
    ARGUMENT_COUNTS,
    IDS,
    MATRIX_BEGIN,
    OPTIONAL_ARGUMENT_TOKENS,
    STRUCTURAL_TOKENS,
    VOCABULARY,
)

NONE = -1
"""Stands for "no symbol" in every array of symbol indices."""


@dataclass(frozen=True, slots=True)
class Example:
    """One expression to train on. Coordinates are pixels of the published protocol.

    Attributes:
        id: the expression's name.
        writer: empty if it is not known.
        points: `(points, 2)` float32, all traces one after another.
        offsets: `(traces + 1,)` int64; trace `i` is `points[offsets[i]:offsets[i + 1]]`.
        trace_symbols: `(traces,)` int64, the symbol each trace belongs to, or -1.
        symbol_labels: `(symbols,)` int64, the id of the token that each symbol is, 0 if unknown.
        tokens: `(tokens,)` int64 ids, without start and end.
        alignment: `(tokens,)` int64, the symbol that each token is, or -1.
    """

    id: str
    writer: str
    points: NDArray[np.float32]
    offsets: NDArray[np.int64]
    trace_symbols: NDArray[np.int64]
    symbol_labels: NDArray[np.int64]
    tokens: NDArray[np.int64]
    alignment: NDArray[np.int64]

    @property
    def point_symbols(self) -> NDArray[np.int64]:
        """`(points,)`, the symbol each point belongs to, or -1."""
        return np.repeat(self.trace_symbols, np.diff(self.offsets))

    @property
    def caption(self) -> list[str]:
        """The tokens as text."""
        return [VOCABULARY[number] for number in self.tokens.tolist()]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the ink, in pixels of the published protocol."""
        width, height = np.ptp(self.points, axis=0)
        return float(width), float(height)

    def traces(self) -> list[NDArray[np.float32]]:
        """The traces as separate arrays `(points, 2)`."""
        return np.split(self.points, self.offsets[1:-1])


@dataclass(frozen=True, slots=True)
class PictureExample:
    """One picture to train on, without ink.

    Attributes:
        id: its name.
        picture: `(height, width)` uint8, ink 255 on 0, at the published scale, margins included:
            the output of the image processor at a resolution of 1.
        tokens: `(tokens,)` int64 ids, without start and end.
    """

    id: str
    picture: NDArray[np.uint8]
    tokens: NDArray[np.int64]

    @property
    def caption(self) -> list[str]:
        """The tokens as text."""
        return [VOCABULARY[number] for number in self.tokens.tolist()]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the ink, in pixels of the published protocol."""
        margins = STROKE_WIDTH + MARGIN_BEFORE + MARGIN_AFTER
        height, width = self.picture.shape
        return float(max(width - margins, 1)), float(max(height - margins, 1))

    @property
    def symbol_labels(self) -> NDArray[np.int64]:
        """Empty: the symbols are not known."""
        return np.zeros(0, dtype=np.int64)

    @property
    def alignment(self) -> NDArray[np.int64]:
        """`(tokens,)`, all -1."""
        return np.full(len(self.tokens), NONE, dtype=np.int64)


AnyExample = Example | PictureExample | PrintExample


@dataclass(slots=True)
class SplitExamples:
    """The examples of a run.

    Attributes:
        train: what to train on, rehearsal included.
        dev: what to choose checkpoints by.
        test: of custom data, what only the final score is of; empty for other data.
    """

    train: list[AnyExample] = field(default_factory=list)
    dev: list[AnyExample] = field(default_factory=list)
    test: list[AnyExample] = field(default_factory=list)


def from_expression(expression: Expression) -> Example:
    """The compact form of an expression.

    Raises:
        ValueError: if a token is not in the vocabulary, or there is no ink.
    """
    unknown = [token for token in expression.tokens if token not in IDS]
    if unknown:
        raise ValueError(
            f"{expression.id}: the vocabulary lacks {unknown}. Leave the expression out, or write "
            "it with tokens that `inktex.tokenizer.vocabulary_inktex.VOCABULARY` has."
        )
    kept = [i for i, trace in enumerate(expression.traces) if len(trace)]
    traces = [np.asarray(expression.traces[i], dtype=np.float32) for i in kept]
    scale = published_scale(traces)
    position = {old: new for new, old in enumerate(kept)}
    trace_symbols = np.full(len(traces), NONE, dtype=np.int64)
    for index, symbol in enumerate(expression.symbols):
        for trace in symbol.traces:
            if trace in position:
                trace_symbols[position[trace]] = index
    alignment = np.asarray(expression.alignment, dtype=np.int64)
    if len(alignment) != len(expression.tokens):
        alignment = np.full(len(expression.tokens), NONE, dtype=np.int64)
    labels = np.array([IDS.get(s.label, 0) for s in expression.symbols], dtype=np.int64)
    tokens = np.array([IDS[token] for token in expression.tokens], dtype=np.int64)
    # The token of the caption is preferred to the label of the group: `\frac` is labelled `-`.
    aligned = alignment != NONE
    labels[alignment[aligned]] = tokens[aligned]
    points = np.concatenate(traces)
    return Example(
        id=expression.id,
        writer=writer(expression.id, expression.source) or "",
        points=((points - points.min(axis=0)) * scale).astype(np.float32),
        offsets=np.cumsum([0, *map(len, traces)]).astype(np.int64),
        trace_symbols=trace_symbols,
        symbol_labels=labels,
        tokens=tokens,
        alignment=alignment,
    )


def select(example: Example, start: int, stop: int) -> Example | None:
    """The tokens `start` to `stop` of an example with their ink alone; None if one has no ink."""
    alignment = example.alignment[start:stop]
    symbols = np.unique(alignment[alignment != NONE])
    keep = np.isin(example.trace_symbols, symbols)
    if len(symbols) == 0 or len(np.unique(example.trace_symbols[keep])) < len(symbols):
        return None
    renumber = np.full(len(example.symbol_labels), NONE, dtype=np.int64)
    renumber[symbols] = np.arange(len(symbols))
    traces = [trace for trace, kept in zip(example.traces(), keep, strict=True) if kept]
    points = np.concatenate(traces)
    return Example(
        id=f"{example.id}[{start}:{stop}]",
        writer=example.writer,
        points=points - points.min(axis=0),
        offsets=np.cumsum([0, *map(len, traces)]).astype(np.int64),
        trace_symbols=renumber[example.trace_symbols[keep]],
        symbol_labels=example.symbol_labels[symbols],
        tokens=example.tokens[start:stop],
        alignment=np.where(alignment == NONE, NONE, renumber[alignment]),
    )


_SCRIPTS = frozenset({"^", "_", r"\limits"})
_INKLESS = np.array([token in STRUCTURAL_TOKENS for token in IDS])


def items(tokens: Sequence[int]) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Split a row of canonical tokens into items: a symbol with all its arguments and scripts.

    Returns:
        For each item its start, its stop, and the `(start, stop)` of the rows inside its braces, or
        of a matrix its cells that are not empty.

    Raises:
        ValueError: if braces do not balance, or a matrix has no end.
    """
    row = [VOCABULARY[number] for number in tokens]
    found: list[tuple[int, int, list[tuple[int, int]]]] = []
    index = 0
    while index < len(row):
        start = index
        inner: list[tuple[int, int]] = []
        token = row[index]
        if token == MATRIX_BEGIN:
            lines, index = matrix_cells(row, index)
            inner += [cell for line in lines for cell in line if cell[1] > cell[0]]
        index += 1
        if token in OPTIONAL_ARGUMENT_TOKENS and row[index : index + 1] == ["["]:
            index = row.index("]", index) + 1
        for _ in range(0 if token in _SCRIPTS else ARGUMENT_COUNTS.get(token, 0)):
            index = _skip_group(row, index, inner)
        while index < len(row) and row[index] in _SCRIPTS:
            mark = row[index]
            index += 1
            if mark != r"\limits":
                index = _skip_group(row, index, inner)
        found.append((start, index, inner))
    return found


def _skip_group(row: Sequence[str], index: int, inner: list[tuple[int, int]]) -> int:
    """Add the row in the braces at `index` to `inner`; gives the index behind them."""
    close = closing_brace(row, index)
    inner.append((index + 1, close))
    return close + 1


def cut(example: Example, rng: np.random.Generator) -> Example:
    """A random sub-expression: some neighbouring items of one row, at any depth of the tree.

    Returns:
        The part, or the example itself where it cannot be cut (not aligned, too short).
    """
    inked = ~_INKLESS[example.tokens]
    if len(example.tokens) < 4 or (example.alignment[inked] == NONE).mean() > 0.2:
        return example
    tokens = example.tokens.tolist()
    try:
        rows = [(0, len(tokens))]
        found = []
        while rows:
            start, stop = rows.pop()
            row = [
                (start + a, start + b, [(start + c, start + d) for c, d in inner])
                for a, b, inner in items(tokens[start:stop])
            ]
            found.append(row)
            rows.extend(inner for *_, inners in row for inner in inners)
    except ValueError:
        return example
    weights = np.array([len(row) for row in found], dtype=np.float64)
    row = found[rng.choice(len(found), p=weights / weights.sum())]
    length = int(rng.integers(1, len(row) + 1))
    first = int(rng.integers(0, len(row) - length + 1))
    start, stop = row[first][0], row[first + length - 1][1]
    alignment, needed = example.alignment[start:stop], inked[start:stop]
    if (alignment[needed] == NONE).any():
        return example
    part = select(example, start, stop)
    return example if part is None or part.tokens.size == 0 else part


def from_expressions(expressions: Iterable[Expression]) -> list[Example]:
    """The compact forms of expressions; errors as for `from_expression`."""
    return [from_expression(expression) for expression in expressions]
