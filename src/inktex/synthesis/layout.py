r"""A typesetter for ink: canonical tokens and glyphs of strokes in, a placed expression out.

It knows all structures of canonical LaTeX: rows, scripts, limits, fractions, roots, accents,
arrows, braces, matrices, lines under one another, and growing brackets.
How large and how far apart things are is a matter of habits: those of a printed book, or those of
people, measured on their ink (`inktex.synthesis.writers`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inktex.ink import Expression, PlacedSymbol, bounding_box
from inktex.tokenizer.structure_inktex import closing_brace, matrix_cells
from inktex.tokenizer.vocabulary_inktex import (
    DELIMITER_PAIRS,
    LIMITS_OPERATORS,
    MATRIX_BEGIN,
    STRUCTURAL_TOKENS,
)

from .box import Box, Strokes, boxed
from .clearance import LEAST, Outline, gap
from .structure_layout import accented, arrow, binomial, braced, fraction, matrix, root, stacked

Draw = Callable[[str], Strokes]
"""Token to strokes in ems, baseline at y = 0, y downwards; called once for each written symbol.

Of `\\frac` it gives the bar, of `\\sqrt` the sign, of accents and labelled arrows these alone, of
any size: they are fitted. Of `\\binom` it gives two strokes, the brackets; a letter in
`\\mathbb { R }` is asked for as `\\mathbb{R}`."""

Habits = Callable[[str], Sequence[float]]
"""Name of a habit to its numbers (see `HABITS`), in ems of the row unless said otherwise."""

HABITS: Final[Mapping[str, tuple[str, ...]]] = {
    "gap": ("distance",),
    "relation": ("distance",),
    "bracket": ("distance",),
    "comma": ("distance",),
    "word": ("distance",),
    "letter": ("distance",),
    "matrix bracket": ("distance",),
    "accent": ("distance", "shift", "width"),
    "stack": ("size", "distance"),
    "matrix": ("across", "between", "bracket"),
    "lines": ("across", "between", "indent"),
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
`rise` between two baselines, `across` between two columns, `between` two lines, `indent` of each
line further than the one before, `width` of a line over symbols in widths of these,
`overlap` is that of the outer edge of the base and the inner one of
the script, `shift` between two centres; `limit` is of sums and the like, `bound` of integrals."""

PRINTED: Final[Mapping[str, tuple[float, ...]]] = {
    "gap": (0.12,),
    "relation": (0.25,),
    "bracket": (0.12,),
    "comma": (0.2,),
    "word": (0.5,),
    "letter": (0.1,),
    "matrix bracket": (0.25,),
    "accent": (0.12, 0.05, 1.05),
    "stack": (0.6, 0.15),
    "matrix": (0.9, 0.5, 0.15),
    "lines": (0.0, 0.6, 0.05),
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
_GROWS = 1.5
"""Ems; brackets grow round what is taller."""
RELATIONS: Final = frozenset(
    (
        r"= < > \leq \geq \neq + - \pm \times \div \rightarrow \in \cdot \mp \equiv \approx \sim "
        r"\simeq \cong \propto \ll \gg \notin \ni \subset \supset \subseteq \supseteq \leftarrow "
        r"\leftrightarrow \Rightarrow \Leftarrow \Leftrightarrow \mapsto \cup \cap \wedge \vee "
        r"\oplus \otimes \prec \succ \preceq \succeq \vdash \models \doteq \hookrightarrow "
        r"\rightleftharpoons \subsetneq \supsetneq \sqsubseteq \sqsupseteq \xrightarrow "
        r"\xleftarrow \perp"
    ).split()
)
"""Signs with wide gaps around them; most of them tell nothing of their row's size."""
BRACKETS: Final = frozenset({*DELIMITER_PAIRS, *DELIMITER_PAIRS.values(), "|"})
"""Signs that grow with what they stand around."""


ACCENTS: Final = frozenset(
    r"\overline \underline \hat \bar \vec \tilde \dot \ddot \overbrace \underbrace".split()
)
"""Tokens whose ink stands over or under their one argument."""
_BRACES: Final = frozenset({r"\overbrace", r"\underbrace"})
_ARROWS: Final = frozenset({r"\xrightarrow", r"\xleftarrow"})


def gap_habit(left: str, right: str) -> str:
    """Which habit the gap between two neighbours in a row is."""
    if r"\text" in (left, right):
        return "word"
    if (left in BRACKETS and right == MATRIX_BEGIN) or (left == MATRIX_BEGIN and right in BRACKETS):
        return "matrix bracket"
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
    if base in LIMITS_OPERATORS or base in _BRACES:
        return "upper limit" if upper else "lower limit"
    script = "superscript" if upper else "subscript"
    return f"tall {script}" if height > _TALL else script


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
    for index, strokes in sorted(box.ink(), key=lambda entry: entry[0]):
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
        self.in_word = False

    def row(self, start: int, stop: int, size: float) -> Box:
        """Items of `tokens[start:stop]` side by side; `size` is their em in outermost ones."""
        items: list[tuple[str, Box]] = []
        index = start
        while index < stop:
            token = self.tokens[index]
            item, index = self.item(index, stop, size)
            if item.symbols:
                items.append((token, item))
        self._stretch(items)
        row, reach = Box(), Outline(Box()).far
        before, middle = None, 0.0
        for token, item in items:
            outline = Outline(item)
            x = -item.left
            if token == r"\not":  # it is struck through what comes next
                x += max(row.right, 0.0) + 0.1
            elif before == r"\not":
                x = middle - item.middle
            elif before is not None:
                (distance,) = self.habits("letter" if self.in_word else gap_habit(before, token))
                x += row.right + distance
                x += max(LEAST / size - gap(reach, outline.near + x), 0.0)
            row.add(item, x, 0.0)
            reach = np.maximum(reach, outline.far + x)
            before, middle = token, x + item.middle
        return row

    def _stretch(self, placed: list[tuple[str, Box]]) -> None:
        """Make brackets as tall as what will stand between them, in place."""
        open_: list[int] = []
        for number, (token, _) in enumerate(placed):
            opens = [i for i in open_ if DELIMITER_PAIRS.get(placed[i][0], "|") == token]
            if opens:
                self._grow(placed, opens[-1], number)
                open_ = [i for i in open_ if i < opens[-1]]
            elif token in DELIMITER_PAIRS or token == "|":
                open_.append(number)
        for first in open_:  # as the brace of a case distinction
            if placed[first][0] != "|":
                self._grow(placed, first, min(first + 2, len(placed)), closed=False)

    def _grow(
        self, placed: list[tuple[str, Box]], first: int, last: int, closed: bool = True
    ) -> None:
        inner = [box for _, box in placed[first + 1 : last]]
        if not inner:
            return
        top, bottom = min(box.top for box in inner), max(box.bottom for box in inner)
        if bottom - top < _GROWS:
            return
        for number in (first, last) if closed else (first,):
            token, box = placed[number]
            (index, strokes), *scripts = box.ink()
            lower, upper = box.bottom, box.top
            grown = boxed(index, braced(strokes, top, bottom))
            for one, ink in scripts:  # scripts of a closing bracket stay at its ends
                _, y0, _, y1 = bounding_box(ink)
                shift = top - upper if (y0 + y1) / 2 < (lower + upper) / 2 else bottom - lower
                grown.add(boxed(one, ink), 0.0, shift)
            placed[number] = token, grown

    def item(self, index: int, stop: int, size: float) -> tuple[Box, int]:
        """One symbol with its arguments and scripts, and the index behind it."""
        token = self.tokens[index]
        base, index = self._base(index, stop, size)
        box = Box()
        box.add(base, 0.0, 0.0)
        while index < stop and self.tokens[index] in ("^", "_", r"\limits"):
            mark = self.tokens[index]
            index += 1
            if mark != r"\limits":
                index = self._script(box, base, token, mark, index, stop, size)
        return box, index

    def _base(self, index: int, stop: int, size: float) -> tuple[Box, int]:
        """A symbol with its arguments, without scripts."""
        token, number = self.tokens[index], index
        index += 1
        if token == r"\frac":
            numbers = self.habits("fraction")
            scale = max(numbers[0], _SMALLEST / size)
            parts, index = self._two(index, stop, size * scale)
            return fraction(number, self.draw(token), parts, scale, numbers), index
        if token == r"\sqrt":
            return self._root(number, index, stop, size)
        if token == r"\binom":
            parts, index = self._two(index, stop, size)
            return binomial(number, self.draw(token), parts, 0.9, self.habits("matrix")), index
        if token in (r"\overset", r"\underset"):
            small, distance = self.habits("stack")
            scale = max(small, _SMALLEST / size)
            over, index = self.group(index, stop, size * scale)
            base, index = self.group(index, stop, size)
            return stacked(base, over, scale, distance, token == r"\overset"), index
        if token in _ARROWS:
            small, distance = self.habits("stack")
            scale = max(small, _SMALLEST / size)
            label, index = self.group(index, stop, size * scale)
            return arrow(number, self.draw(token), label, scale, distance), index
        if token in ACCENTS:
            inner, index = self.group(index, stop, size)
            return accented(number, token, self.draw(token), inner, self.habits("accent")), index
        if token == r"\mathbb":
            letter = self.tokens[index + 1]
            return boxed(index + 1, self.draw(rf"\mathbb{{{letter}}}")), index + 3
        if token == MATRIX_BEGIN:
            return self._matrix(number, stop, size)
        if token == r"\text":
            self.in_word = True
            word, index = self.group(index, stop, size)
            self.in_word = False
            return word, index
        if token in STRUCTURAL_TOKENS:
            raise ValueError(f"Token {number}, {token!r}, needs a symbol before it.")
        return boxed(number, self.draw(token)), index

    def _two(self, index: int, stop: int, size: float) -> tuple[tuple[Box, Box], int]:
        first, index = self.group(index, stop, size)
        second, index = self.group(index, stop, size)
        return (first, second), index

    def _root(self, number: int, index: int, stop: int, size: float) -> tuple[Box, int]:
        numbers = self.habits("root")
        scale = max(numbers[0], _SMALLEST / size)
        degree = None
        if index < stop and self.tokens[index] == "[":
            close = self.tokens.index("]", index)
            degree = self.row(index + 1, close, size * 0.5)
            index = close + 1
        inner, index = self.group(index, stop, size * scale)
        sign = self.draw(r"\sqrt")
        return root(number, sign, inner, degree, scale, numbers, _SMALLEST), index

    def _matrix(self, begin: int, stop: int, size: float) -> tuple[Box, int]:
        """The cells of the matrix that starts at `begin`, and the index behind its end."""
        cells, end = matrix_cells(self.tokens, begin, stop)
        lines = [[self.row(*cell, size) for cell in line] for line in cells]
        habit = "lines" if all(len(line) == 1 for line in lines) else "matrix"
        return matrix(lines, self.habits(habit)), end + 1

    def _script(
        self, box: Box, base: Box, token: str, mark: str, index: int, stop: int, size: float
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
            x = base.middle + across - scale * script.middle
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
        placed = Box()
        placed.add(script, x, y, scale)
        if habit.endswith("script"):
            x += max(LEAST / size - gap(Outline(box).far, Outline(placed).near), 0.0)
        elif mark == "^":
            y -= max(LEAST / size - gap(Outline(placed, 1).far, Outline(box, 1).near), 0.0)
        else:
            y += max(LEAST / size - gap(Outline(box, 1).far, Outline(placed, 1).near), 0.0)
        box.add(script, x, y, scale)
        return index

    def group(self, index: int, stop: int, size: float) -> tuple[Box, int]:
        """The row in the braces at `index`, and the index behind them."""
        close = closing_brace(self.tokens, index, stop)
        return self.row(index + 1, close, size), close + 1
