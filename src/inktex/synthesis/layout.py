r"""A typesetter for ink: canonical tokens and glyphs of strokes in, a placed expression out.

It knows what CROHME's grammar has: rows, scripts, limits, fractions, roots and growing brackets.
Sizes and distances follow the habits of TeX (Knuth, The TeXbook, appendix G) loosely, in ems.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inktex.ink import Expression, PlacedSymbol, bounding_box
from inktex.tokenizer.vocabulary_inktex import (
    DELIMITER_PAIRS,
    LIMITS_OPERATORS,
    STRUCTURAL_TOKENS,
)

Strokes = tuple[NDArray[np.float32], ...]
Draw = Callable[[str], Strokes]
"""Token to strokes in ems, baseline at y = 0, y downwards; called once for each written symbol."""

_SCRIPT_SIZE = 0.65
_SMALLEST = 0.4
_AXIS = -0.45  # height of minus signs and fraction bars above the baseline
_RELATIONS = frozenset(r"= < > \leq \geq \neq + - \pm \times \div \rightarrow \in \cdot".split())
_BRACKETS = frozenset({*DELIMITER_PAIRS, *DELIMITER_PAIRS.values(), "|"})


@dataclass
class _Box:
    """Symbols placed so far, as `(token index, strokes)`, and how far they reach, in ems."""

    symbols: list[tuple[int, Strokes]] = field(default_factory=list)
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    bottom: float = 0.0

    def add(self, other: "_Box", x: float, y: float, scale: float = 1.0) -> None:
        """Place another box into this one, its origin at `(x, y)`."""
        shift = np.array([x, y], dtype=np.float32)
        self.symbols.extend(
            (index, tuple(stroke * np.float32(scale) + shift for stroke in strokes))
            for index, strokes in other.symbols
        )
        if other.symbols:
            self.right = max(self.right, x + scale * other.right)
            self.left = min(self.left, x + scale * other.left)
            self.top = min(self.top, y + scale * other.top)
            self.bottom = max(self.bottom, y + scale * other.bottom)


def lay_out(tokens: Sequence[str], draw: Draw, name: str = "", source: str = "") -> Expression:
    r"""Write canonical tokens as ink.

    Args:
        tokens: a caption in canonical style.
        draw: gives each symbol's strokes. `\frac` and `\sqrt` are drawn here.
        name: id of the expression.
        source: its source.

    Returns:
        The expression, its alignment complete, coordinates in ems.

    Raises:
        ValueError: if the tokens are not canonical.
        KeyError: if `draw` does not know a token.

    Example:
        >>> from inktex.synthesis.strokefont import glyphs
        >>> lay_out(["x", "^", "{", "2", "}"], glyphs().__getitem__).alignment
        [0, -1, -1, 1, -1]
    """
    writer = _Writer(list(tokens), draw)
    box = writer.row(0, len(tokens), 1.0)
    if not box.symbols:
        raise ValueError("There is nothing to write: no token has ink.")
    traces: list[NDArray[np.float32]] = []
    symbols: list[PlacedSymbol] = []
    alignment = [-1] * len(tokens)
    for index, strokes in sorted(box.symbols, key=lambda entry: entry[0]):
        alignment[index] = len(symbols)
        numbers = tuple(range(len(traces), len(traces) + len(strokes)))
        symbols.append(PlacedSymbol(tokens[index], numbers, bounding_box(strokes)))
        traces.extend(strokes)
    return Expression(
        id=name,
        source=source,
        traces=traces,
        symbols=symbols,
        tokens=list(tokens),
        alignment=alignment,
        truth=" ".join(tokens),
        aligned=True,
        level="strict",
    )


class _Writer:
    def __init__(self, tokens: list[str], draw: Draw) -> None:
        self.tokens, self.draw = tokens, draw

    def row(self, start: int, stop: int, size: float) -> _Box:
        """Items of `tokens[start:stop]` side by side; `size` is only for the smallest script."""
        box = _Box()
        index, x = start, 0.0
        brackets: list[tuple[int, float, _Box]] = []
        while index < stop:
            token = self.tokens[index]
            item, index_after = self.item(index, stop, size)
            space = 0.25 if token in _RELATIONS else 0.12
            if token in _RELATIONS and index > start:
                x += space - 0.12
            if token in _BRACKETS:
                brackets.append((index, x, item))
            box.add(item, x - item.left, 0.0)
            x += item.right - item.left + space
            index = index_after
        return self._stretch(box) if brackets else box

    def _stretch(self, box: _Box) -> _Box:
        """Make brackets as tall as what stands in their row."""
        others = [s for i, s in box.symbols if self.tokens[i] not in _BRACKETS]
        if not others:
            return box
        _, top, _, bottom = bounding_box(stroke for strokes in others for stroke in strokes)
        if bottom - top < 1.5:
            return box
        stretched = []
        for index, strokes in box.symbols:
            if self.tokens[index] in _BRACKETS:
                x0, y0, _, y1 = bounding_box(strokes)
                if y0 > -1.6 and y1 - y0 > 0.9:  # not already grown inside a script or fraction
                    grow = np.array([1.0, (bottom - top) / (y1 - y0)], dtype=np.float32)
                    (origin,), (target,) = _line((x0, y0)), _line((x0, top))
                    strokes = tuple((s - origin) * grow + target for s in strokes)
            stretched.append((index, strokes))
        box.symbols = stretched
        box.top, box.bottom = min(box.top, top), max(box.bottom, bottom)
        return box

    def item(self, index: int, stop: int, size: float) -> tuple[_Box, int]:
        """One symbol with its arguments and scripts, and the index behind it."""
        token = self.tokens[index]
        base_index = index
        index += 1
        if token == r"\frac":
            numerator, index = self.group(index, stop, size)
            denominator, index = self.group(index, stop, size)
            base = _fraction(base_index, numerator, denominator)
        elif token == r"\sqrt":
            degree = None
            if index < stop and self.tokens[index] == "[":
                close = self.tokens.index("]", index)
                degree = self.row(index + 1, close, size * _SCRIPT_SIZE)
                index = close + 1
            inner, index = self.group(index, stop, size)
            base = _root(base_index, inner, degree)
        elif token in STRUCTURAL_TOKENS:
            raise ValueError(f"Token {base_index}, {token!r}, needs a symbol before it.")
        else:
            base = _boxed(base_index, self.draw(token))
        limits = False
        scripts: dict[str, _Box] = {}
        smaller = max(size * _SCRIPT_SIZE, _SMALLEST)
        while index < stop and self.tokens[index] in ("^", "_", r"\limits"):
            mark = self.tokens[index]
            index += 1
            if mark == r"\limits":
                limits = token in LIMITS_OPERATORS and token != r"\int"
                continue
            scripts[mark], index = self.group(index, stop, smaller)
        return _with_scripts(base, scripts, smaller / size, limits), index

    def group(self, index: int, stop: int, size: float) -> tuple[_Box, int]:
        if index >= stop or self.tokens[index] != "{":
            raise ValueError(f"Token {index} should be an opening brace.")
        depth, start = 1, index + 1
        while depth:
            index += 1
            if index >= stop:
                raise ValueError(f"The brace at token {start - 1} is never closed.")
            depth += (self.tokens[index] == "{") - (self.tokens[index] == "}")
        return self.row(start, index, size), index + 1


def _boxed(index: int, strokes: Strokes) -> _Box:
    x0, y0, x1, y1 = bounding_box(strokes)
    return _Box([(index, strokes)], x0, x1, y0, y1)


def _line(*points: tuple[float, float]) -> NDArray[np.float32]:
    return np.array(points, dtype=np.float32)


def _fraction(index: int, numerator: _Box, denominator: _Box) -> _Box:
    widths = [box.right - box.left for box in (numerator, denominator)]
    width = max(*widths, 0.5) + 0.3
    box = _boxed(index, (_line((0.0, _AXIS), (width, _AXIS)),))
    for part, own, y in (
        (numerator, widths[0], _AXIS - 0.3 - numerator.bottom),
        (denominator, widths[1], _AXIS + 0.3 - denominator.top),
    ):
        box.add(part, (width - own) / 2 - part.left, y)
    return box


def _root(index: int, inner: _Box, degree: _Box | None) -> _Box:
    top, bottom = min(inner.top, -0.8) - 0.2, max(inner.bottom, 0.0) + 0.05
    height = bottom - top
    lead = 0.35 + 0.05 * height
    width = inner.right - inner.left + 0.25
    sign = _line(
        (0.0, bottom - 0.45 * height),
        (0.3 * lead, bottom - 0.5 * height),
        (0.6 * lead, bottom),
        (lead, top),
        (lead + width, top),
    )
    box = _boxed(index, (sign,))
    box.add(inner, lead + 0.1 - inner.left, 0.0)
    if degree is not None:
        scale = 0.55
        x = 0.3 * lead - scale * degree.right
        box.add(degree, x, bottom - 0.55 * height - scale * degree.bottom, scale)
    return box


def _with_scripts(base: _Box, scripts: dict[str, _Box], scale: float, limits: bool) -> _Box:
    box = _Box()
    box.add(base, 0.0, 0.0)
    box.left = base.left
    for mark, script in scripts.items():
        if limits:
            x = (base.left + base.right) / 2 - scale * (script.left + script.right) / 2
            if mark == "_":
                box.add(script, x, base.bottom + 0.2 - scale * script.top, scale)
            else:
                box.add(script, x, base.top - 0.2 - scale * script.bottom, scale)
            continue
        x = base.right + 0.1 - scale * script.left
        if mark == "_":
            y = base.bottom + 0.25 if base.bottom > 0.3 else 0.35
            box.add(script, x, max(y, base.bottom - 0.2 - scale * script.top - 0.5), scale)
        else:
            y = min(base.top + 0.35, -0.55)
            box.add(script, x, min(y, y - scale * script.bottom), scale)
    return box
