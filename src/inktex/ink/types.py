"""Types of digital ink: traces, symbols, MathML, and expressions with their captions.

Coordinates are those of the recording device: x to the right, y downwards, in the file's own
units, which differ wildly between devices. Nothing here scales them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Trace = NDArray[np.float32]
"""One stroke: float32, shape (points, 2), x and y in ink units, at least one point."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in ink units; a single dot has no width and no height."""


def bounding_box(traces: Iterable[Trace]) -> Box:
    """The box around traces: left, top, right, bottom in ink units.

    Args:
        traces: float32 arrays of shape (points, 2), ink units.

    Raises:
        ValueError: if there is no point.
    """
    filled = [trace for trace in traces if len(trace)]
    if not filled:
        raise ValueError("no ink: a bounding box needs at least one point")
    points = np.concatenate(filled)
    x0, y0 = points.min(axis=0).tolist()
    x1, y1 = points.max(axis=0).tolist()
    return x0, y0, x1, y1


@dataclass(frozen=True, slots=True)
class MathNode:
    """An element of presentation MathML.

    Attributes:
        tag: local name without namespace, e.g. `msup`.
        text: the element's own text, stripped; empty for inner elements.
        id: `xml:id`, which symbols link to, or None.
        children: the elements inside, in order.
    """

    tag: str
    text: str = ""
    id: str | None = None
    children: tuple[MathNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Symbol:
    r"""The traces of one written sign.

    Attributes:
        label: as in the file, e.g. `\\alpha`, `-`.
        traces: indices into `Ink.traces`, ascending; empty if the file names none that exist.
        node: id of its MathML element, or None.
    """

    label: str
    traces: tuple[int, ...]
    node: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """The content of one ink file.

    Attributes:
        traces: float32 arrays of shape (points, 2), ink units, in the order of the file; each
            has at least one point.
        symbols: the annotated signs, in the order of the file; they need not cover all traces.
        truth: the raw LaTeX of the file, or None.
        mathml: the root of the file's presentation MathML, or None.
        id: name of the expression, normally the file name without its ending; may be empty.
        annotations: the file's other annotations (writer, age, ...), by type.
    """

    traces: list[Trace]
    symbols: list[Symbol] = field(default_factory=list)
    truth: str | None = None
    mathml: MathNode | None = None
    id: str = ""
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def box(self) -> Box:
        """Box around all the ink, in ink units; ValueError if there is none."""
        return bounding_box(self.traces)

    def symbol_box(self, symbol: Symbol) -> Box:
        """Box around one symbol, in ink units; ValueError if it has no traces."""
        return bounding_box(self.traces[index] for index in symbol.traces)


@dataclass(frozen=True, slots=True)
class PlacedSymbol:
    """A symbol with its bounding box.

    Attributes:
        label: as in the file.
        traces: indices into `Expression.traces`, ascending, at least one.
        box: (x0, y0, x1, y1) in ink units.
    """

    label: str
    traces: tuple[int, ...]
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    r"""One written expression with its caption, and the symbol of each token.

    Attributes:
        id: name of the expression.
        source: the collection that it comes from, e.g. `KAIST`.
        traces: float32 arrays of shape (points, 2), ink units.
        symbols: the signs that have ink.
        tokens: the caption in canonical tokens; empty if the file has none.
        alignment: for each token the index of its symbol in `symbols`, or -1 for tokens without
            ink (braces, `^`, `_`, `\\limits`, the brackets of a root). All -1 if not `aligned`.
        truth: the raw LaTeX of the file, or None.
        aligned: whether every token that has ink is tied to its symbol.
        level: how it was aligned (see `inktex.ink.alignment.LEVELS`), or `none`.
        reason: why it is not aligned; empty if it is.
    """

    id: str
    source: str
    traces: list[Trace]
    symbols: list[PlacedSymbol]
    tokens: list[str]
    alignment: list[int]
    truth: str | None = None
    aligned: bool = False
    level: str = "none"
    reason: str = ""

    @property
    def box(self) -> Box:
        """Box around all the ink, in ink units; ValueError if there is none."""
        return bounding_box(self.traces)
