r"""A typesetter for ink: canonical tokens and glyphs of strokes in, a placed expression out.

It knows what CROHME's grammar has: rows, scripts, limits, fractions, roots and growing brackets.
How large and how far apart things are is a matter of habits: those of a printed book, or those of
people, measured on their ink (`inktex.synthesis.hands`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

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
"""Token to strokes in ems, baseline at y = 0, y downwards; called once for each written symbol.

Of `\\frac` it gives the bar and of `\\sqrt` the sign, of any size: they are fitted."""

Habits = Callable[[str], Sequence[float]]
"""Name of a habit to its numbers (see `HABITS`), in ems of the row unless said otherwise."""

HABITS: Final[Mapping[str, tuple[str, ...]]] = {
    "gap": ("distance",),
    "relation": ("distance",),
    "bracket": ("distance",),
    "comma": ("distance",),
    "fraction": ("size", "axis", "above", "below", "overhang", "shift"),
    "root": ("size", "left", "top", "right", "bottom"),
    "superscript": ("size", "distance", "rise"),
    "subscript": ("size", "distance", "rise"),
    "tall superscript": ("size", "distance", "overlap"),
    "tall subscript": ("size", "distance", "overlap"),
    "upper limit": ("size", "shift", "overlap"),
    "lower limit": ("size", "shift", "overlap"),
    "upper bound": ("size", "shift", "overlap"),
    "lower bound": ("size", "shift", "overlap"),
}
"""What a writer has habits of, and the numbers of each.

`size` is an em of the inner row in ems of the outer one, `distance` is between two boxes of ink,
`rise` between two baselines, `overlap` is that of the outer edge of the base and the inner one of
the script, `shift` between two centres; `limit` is of sums and the like, `bound` of integrals."""

PRINTED: Final[Mapping[str, tuple[float, ...]]] = {
    "gap": (0.12,),
    "relation": (0.25,),
    "bracket": (0.12,),
    "comma": (0.2,),
    "fraction": (1.0, -0.45, 0.3, 0.3, 0.3, 0.0),
    "root": (1.0, 0.5, 0.2, 0.15, 0.05),
    "superscript": (0.65, 0.1, -0.55),
    "subscript": (0.65, 0.1, 0.35),
    "tall superscript": (0.65, 0.1, 0.35),
    "tall subscript": (0.65, 0.1, -0.35),
    "upper limit": (0.65, 0.0, -0.2),
    "lower limit": (0.65, 0.0, 0.2),
    "upper bound": (0.65, 0.6, 0.2),
    "lower bound": (0.65, 0.4, -0.2),
}
"""Habits that follow those of TeX loosely (Knuth, The TeXbook, appendix G)."""

_SMALLEST = 0.35
"""Of an em of the outermost row: no row is written smaller."""
_TALL = 1.4
"""Ems; a taller base has its scripts at its corners."""
RELATIONS: Final = frozenset(
    r"= < > \leq \geq \neq + - \pm \times \div \rightarrow \in \cdot".split()
)
"""Signs with wide gaps around them; most of them tell nothing of their row's size."""
BRACKETS: Final = frozenset({*DELIMITER_PAIRS, *DELIMITER_PAIRS.values(), "|"})
"""Signs that grow with what they stand around."""


def gap_habit(left: str, right: str) -> str:
    """Which habit the gap between two neighbours in a row is."""
    if "," in (left, right):
        return "comma"
    if left in RELATIONS or right in RELATIONS:
        return "relation"
    return "bracket" if left in BRACKETS or right in BRACKETS else "gap"


def script_habit(base: str, mark: str, height: float) -> str:
    """Which habit a script is, on a base of a height in ems."""
    upper = mark == "^"
    if base == r"\int":
        return "upper bound" if upper else "lower bound"
    if base in LIMITS_OPERATORS:
        return "upper limit" if upper else "lower limit"
    script = "superscript" if upper else "subscript"
    return f"tall {script}" if height > _TALL else script


@dataclass
class _Box:
    """Symbols placed so far, as `(token index, strokes)`, and how far they reach, in ems."""

    symbols: list[tuple[int, Strokes]] = field(default_factory=list)
    left: float = np.inf
    top: float = np.inf
    right: float = -np.inf
    bottom: float = -np.inf

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def add(self, other: "_Box", x: float, y: float, scale: float = 1.0) -> None:
        """Place another box into this one, its origin at `(x, y)`."""
        if not other.symbols:
            return
        shift = np.array([x, y], dtype=np.float32)
        self.symbols.extend(
            (index, tuple(stroke * np.float32(scale) + shift for stroke in strokes))
            for index, strokes in other.symbols
        )
        self.left = min(self.left, x + scale * other.left)
        self.top = min(self.top, y + scale * other.top)
        self.right = max(self.right, x + scale * other.right)
        self.bottom = max(self.bottom, y + scale * other.bottom)


def lay_out(
    tokens: Sequence[str],
    draw: Draw,
    name: str = "",
    source: str = "",
    habits: Habits = PRINTED.__getitem__,
) -> Expression:
    r"""Write canonical tokens as ink.

    Args:
        tokens: a caption in canonical style.
        draw: gives each symbol's strokes.
        name: id of the expression.
        source: its source.
        habits: sizes and distances; asked anew each time.

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
    box = _Writer(list(tokens), draw, habits).row(0, len(tokens), 1.0)
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
    def __init__(self, tokens: list[str], draw: Draw, habits: Habits) -> None:
        self.tokens, self.draw, self.habits = tokens, draw, habits

    def row(self, start: int, stop: int, size: float) -> _Box:
        """Items of `tokens[start:stop]` side by side; `size` is only for the smallest script."""
        box = _Box()
        index = start
        before = None
        brackets = False
        while index < stop:
            token = self.tokens[index]
            item, index = self.item(index, stop, size)
            brackets = brackets or token in BRACKETS
            if not item.symbols:
                continue
            x = -item.left
            if before is not None:
                (distance,) = self.habits(gap_habit(before, token))
                x += box.right + distance
            box.add(item, x, 0.0)
            before = token
        return self._stretch(box) if brackets else box

    def _stretch(self, box: _Box) -> _Box:
        """Make brackets as tall as what stands in their row."""
        others = [s for i, s in box.symbols if self.tokens[i] not in BRACKETS]
        if not others:
            return box
        _, top, _, bottom = bounding_box(stroke for strokes in others for stroke in strokes)
        if bottom - top < 1.5:
            return box
        stretched = []
        for index, strokes in box.symbols:
            if self.tokens[index] in BRACKETS:
                x0, y0, x1, y1 = bounding_box(strokes)
                if y0 > -1.9 and y1 - y0 > 0.9:  # not already grown inside a script or fraction
                    strokes = _fit(strokes, (x0, top, x1, bottom))
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
            numbers = self.habits("fraction")
            scale = max(numbers[0], _SMALLEST / size)
            numerator, index = self.group(index, stop, size * scale)
            denominator, index = self.group(index, stop, size * scale)
            base = self._fraction(base_index, numerator, denominator, scale, numbers)
        elif token == r"\sqrt":
            numbers = self.habits("root")
            scale = max(numbers[0], _SMALLEST / size)
            degree = None
            if index < stop and self.tokens[index] == "[":
                close = self.tokens.index("]", index)
                degree = self.row(index + 1, close, size * 0.5)
                index = close + 1
            inner, index = self.group(index, stop, size * scale)
            base = self._root(base_index, inner, degree, scale, numbers)
        elif token in STRUCTURAL_TOKENS:
            raise ValueError(f"Token {base_index}, {token!r}, needs a symbol before it.")
        else:
            base = _boxed(base_index, self.draw(token))
        box = _Box()
        box.add(base, 0.0, 0.0)
        while index < stop and self.tokens[index] in ("^", "_", r"\limits"):
            mark = self.tokens[index]
            index += 1
            if mark != r"\limits":
                index = self._script(box, base, token, mark, index, stop, size)
        return box, index

    def _script(
        self, box: _Box, base: _Box, token: str, mark: str, index: int, stop: int, size: float
    ) -> int:
        habit = script_habit(token, mark, base.height)
        scale, across, up = self.habits(habit)
        scale = max(scale, _SMALLEST / size)
        script, index = self.group(index, stop, size * scale)
        if not script.symbols:
            return index
        if habit.endswith("script"):
            x = base.right + across - scale * script.left
        else:
            x = (base.left + base.right) / 2 + across - scale * (script.left + script.right) / 2
        if habit in ("superscript", "subscript"):
            y = up
        elif mark == "^":
            y = base.top + up - scale * script.bottom
        else:
            y = base.bottom + up - scale * script.top
        # However high or low its base line is: a script that does not reach over or under the
        # middle of its base would stand beside it.
        middle = (base.top + base.bottom) / 2
        if mark == "^":
            y = min(y, middle - scale * (script.top + script.bottom) / 2 - 0.1)
        else:
            y = max(y, middle - scale * (script.top + script.bottom) / 2 + 0.1)
        box.add(script, x, y, scale)
        return index

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

    def _fraction(
        self,
        index: int,
        numerator: _Box,
        denominator: _Box,
        scale: float,
        numbers: Sequence[float],
    ) -> _Box:
        _, axis, above, below, overhang, shift = numbers
        parts = [part for part in (numerator, denominator) if part.symbols]
        widest = max([scale * part.width for part in parts], default=0.3)
        width = max(widest + overhang, 0.6 * widest, 0.3)
        bar = self.draw(r"\frac")
        x0, y0, x1, y1 = bounding_box(bar)
        thickness = min((y1 - y0) * width / max(x1 - x0, 0.05), 0.2 * width, 0.5)
        base = _boxed(index, _fit(bar, (0.0, axis - thickness / 2, width, axis + thickness / 2)))
        middle = width / 2
        for part, up in (
            (numerator, base.top - above - scale * numerator.bottom),
            (denominator, base.bottom + below - scale * denominator.top),
        ):
            if part.symbols:
                base.add(part, middle + shift - scale * (part.left + part.right) / 2, up, scale)
        return base

    def _root(
        self,
        index: int,
        inner: _Box,
        degree: _Box | None,
        scale: float,
        numbers: Sequence[float],
    ) -> _Box:
        _, left, top, right, bottom = numbers
        content = _Box()
        content.add(inner, 0.0, 0.0, scale)
        if not content.symbols:
            content.left, content.top, content.right, content.bottom = 0.0, -0.8, 0.3, 0.0
        target = (
            content.left - left,
            min(content.top, -0.4) - top,
            max(content.right + right, content.left + 0.3),
            max(content.bottom, -0.1) + bottom,
        )
        sign = self.draw(r"\sqrt")
        x0, y0, x1, y1 = bounding_box(sign)
        points = np.concatenate(sign)
        high = points[points[:, 1] < y0 + 0.25 * (y1 - y0)]
        # The hook in front keeps its shape as well as it may; the bar gets as long as needed.
        knee = float(np.clip(high[:, 0].min(), x0 + 0.05 * (x1 - x0), x0 + 0.95 * (x1 - x0)))
        sources = np.array([x0, knee, x1])
        places = np.array([target[0], content.left - 0.25 * left, target[2]])
        tall = (target[3] - target[1]) / max(y1 - y0, 0.05)
        strokes = tuple(
            np.stack(
                [np.interp(s[:, 0], sources, places), target[1] + (s[:, 1] - y0) * tall], axis=1
            ).astype(np.float32)
            for s in sign
        )
        base = _boxed(index, strokes)
        base.add(inner, 0.0, 0.0, scale)
        if degree is not None and degree.symbols:
            smaller = max(0.5, _SMALLEST)
            x = target[0] + 0.4 * left - smaller * degree.right
            y = target[1] + 0.45 * (target[3] - target[1]) - smaller * degree.bottom
            base.add(degree, x, y, smaller)
        return base


def _boxed(index: int, strokes: Strokes) -> _Box:
    return _Box([(index, strokes)], *bounding_box(strokes))


def _fit(strokes: Strokes, target: tuple[float, float, float, float]) -> Strokes:
    """Strokes stretched into a box; a direction in which they have no extent stays as it is."""
    x0, y0, x1, y1 = bounding_box(strokes)
    low, high = np.array([x0, y0]), np.array([x1, y1])
    start, end = np.array(target[:2]), np.array(target[2:])
    extent = high - low
    flat = extent < 1e-6
    factor = np.where(flat, 1.0, (end - start) / np.where(flat, 1.0, extent))
    origin = np.where(flat, (start + end) / 2, start)
    return tuple(((stroke - low) * factor + origin).astype(np.float32) for stroke in strokes)
