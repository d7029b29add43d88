r"""Symbols that training ink lacks, built from symbols that it has, by the same writer.

`O` is written as `0` is, `\nabla` is a `\Delta` upside down, `\oplus` a small `+` in an `o`. What
real ink shows in its strokes (speed, joins, slips) stays. Lengths are ems: baseline at y = 0,
y downwards, capitals reach up to -1.
"""

from collections.abc import Callable, Mapping
from string import ascii_uppercase
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inktex.ink import bounding_box
from inktex.tokenizer.vocabulary_inktex import FUNCTIONS, UNKNOWN_MARK

from .box import Strokes, fit
from .marks import mark

Draw = Callable[[str], Strokes]
Random = np.random.Generator
Place = tuple[float, float, float, float]
"""Left, top, right and bottom."""
Maker = Callable[[Draw, Random], Strokes]


def _map(strokes: Strokes, matrix: tuple[tuple[float, float], tuple[float, float]]) -> Strokes:
    """Strokes under a linear map, moved so that they begin at x = 0 and end at y = 0."""
    turned = tuple((s @ np.array(matrix, dtype=np.float32).T).astype(np.float32) for s in strokes)
    x0, _, _, y1 = bounding_box(turned)
    shift = np.array([x0, y1], dtype=np.float32)
    return tuple(s - shift for s in turned)


def _flipped(strokes: Strokes) -> Strokes:
    return _map(strokes, ((1, 0), (0, -1)))


def _mirrored(strokes: Strokes) -> Strokes:
    return _map(strokes, ((-1, 0), (0, 1)))


def _turned(strokes: Strokes, degrees: float) -> Strokes:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return _map(strokes, ((c, -s), (s, c)))


def _moved(strokes: Strokes, turn: float, flip: str) -> Strokes:
    strokes = _turned(strokes, turn) if turn else strokes
    strokes = _mirrored(strokes) if "x" in flip else strokes
    return _flipped(strokes) if "y" in flip else strokes


def _wobbly(place: Place, rng: Random, amount: float = 0.04) -> Place:
    left, top, right, bottom = place
    size = max(right - left, bottom - top)
    d = rng.normal(0.0, amount * size, 4)
    return left + d[0], top + d[1], right + d[2], bottom + d[3]


def _in(token: str, place: Place, turn: float = 0.0, flip: str = "") -> Maker:
    """A symbol in a place, turned by degrees (clockwise), mirrored (`x`) or upside down (`y`)."""

    def make(draw: Draw, rng: Random) -> Strokes:
        return fit(_moved(draw(token), turn, flip), _wobbly(place, rng))

    return make


def _tall(token: str, top: float, bottom: float, turn: float = 0.0, flip: str = "") -> Maker:
    """A symbol from a top to a bottom, as wide as it is for that height, give or take."""

    def make(draw: Draw, rng: Random) -> Strokes:
        strokes = _moved(draw(token), turn, flip)
        x0, y0, x1, y1 = bounding_box(strokes)
        width = (x1 - x0) * (bottom - top) / max(y1 - y0, 0.1) * rng.uniform(0.85, 1.15)
        return fit(strokes, _wobbly((0.0, top, float(np.clip(width, 0.1, 2.5)), bottom), rng, 0.02))

    return make


def _longest(token: str, top: float, bottom: float) -> Maker:
    """The longest stroke of a symbol, from a top to a bottom."""

    def make(draw: Draw, rng: Random) -> Strokes:
        longest = max(draw(token), key=lambda stroke: float(np.abs(np.diff(stroke, axis=0)).sum()))
        return _tall(token, top, bottom)(lambda _: (longest,), rng)

    return make


def _all(*makers: Maker) -> Maker:
    """Several parts as one symbol."""

    def make(draw: Draw, rng: Random) -> Strokes:
        return tuple(stroke for maker in makers for stroke in maker(draw, rng))

    return make


def _any(*makers: Maker) -> Maker:
    """One of several ways to write a symbol."""

    def make(draw: Draw, rng: Random) -> Strokes:
        return makers[int(rng.integers(len(makers)))](draw, rng)

    return make


def _bar(place: Place) -> Maker:
    """A short line: what the writer draws as `-`, or as `|` where the place is tall."""
    left, top, right, bottom = place
    return _in("|" if bottom - top > right - left else "-", place)


def _line(a: tuple[float, float], b: tuple[float, float]) -> Maker:
    """A line from one point to another, as straight as the writer's `-`."""

    def make(draw: Draw, rng: Random) -> Strokes:
        (stroke,) = fit(draw("-")[:1], (0.0, -0.02, 1.0, 0.02))
        start, end = np.array(a), np.array(b)
        start, end = start + rng.normal(0, 0.03, 2), end + rng.normal(0, 0.03, 2)
        along = end - start
        across = np.array([-along[1], along[0]])
        return ((start + stroke[:, :1] * along + stroke[:, 1:] * across).astype(np.float32),)

    return make


def _letters(word: str) -> Maker:
    """A name in letters, close to one another."""

    def make(draw: Draw, rng: Random) -> Strokes:
        strokes: list[NDArray[np.float32]] = []
        edge = 0.0
        gap = rng.uniform(0.04, 0.16)
        for letter in word:
            found = draw(letter)
            x0, _, x1, _ = bounding_box(found)
            shift = np.array([edge - x0, 0.0], dtype=np.float32)
            strokes += [stroke + shift for stroke in found]
            edge += x1 - x0 + gap * rng.uniform(0.5, 1.5)
        return tuple(strokes)

    return make


def _double_struck(letter: str) -> Maker:
    """A letter with a second stem, as blackboard bold is written."""

    def make(draw: Draw, rng: Random) -> Strokes:
        strokes = draw(letter)
        x0, y0, x1, y1 = bounding_box(strokes)
        left = x0 + max(rng.uniform(0.2, 0.4) * (x1 - x0), _APART)
        if letter == "Z":  # its diagonal is the doubled stroke
            place = (x0 + 0.25 * (x1 - x0), y1 - 0.06), (x1 - 0.05, y0 + 0.12 * (y1 - y0))
            return (*strokes, *_line(*place)(draw, rng))
        stem = _bar((left, y0 + 0.08 * (y1 - y0), left + 0.02, y1 - 0.08 * (y1 - y0)))
        return (*strokes, *stem(draw, rng))

    return make


def _two_headed(token: str) -> Maker:
    """An arrow, and over its left half one that points the other way."""

    def make(draw: Draw, rng: Random) -> Strokes:
        left, top, right, bottom = _wobbly(_ARROW, rng)
        strokes = fit(draw(token), (left, top, right, bottom))
        back = fit(_mirrored(draw(token)), (left, top, left + 0.6 * (right - left), bottom))
        return (*strokes, *back)

    return make


def _struck(token: str) -> Maker:
    """A symbol with a slash through it."""

    def make(draw: Draw, rng: Random) -> Strokes:
        strokes = draw(token)
        x0, y0, x1, y1 = bounding_box(strokes)
        m, w, h = (x0 + x1) / 2, max(0.25 * (x1 - x0), 0.1), max(0.2 * (y1 - y0), 0.15)
        slash = _line((m + w, y0 - h), (m - w, y1 + h))
        return (*strokes, *slash(draw, rng))

    return make


def _grown(token: str, factor: float) -> Maker:
    """A symbol at another size round the axis."""

    def make(draw: Draw, rng: Random) -> Strokes:
        strokes = draw(token)
        x0, y0, x1, y1 = bounding_box(strokes)
        height = (y1 - y0) * factor * rng.uniform(0.85, 1.15)
        return fit(strokes, (0.0, -0.45 - height / 2, (x1 - x0) * factor, -0.45 + height / 2))

    return make


FUNCTION_LETTERS: Final[Mapping[str, str]] = {
    **{token: token[1:] for token in sorted(FUNCTIONS)},
    r"\bmod": "mod",
    r"\Re": "Re",
    r"\Im": "Im",
}
"""Functions and the letters that their names are written with."""

_APART: Final = 0.2
"""Ems between two lines that are to be seen as two; the pen's width is half of that."""
_ROUND: Final = (0.0, -0.85, 0.85, 0.0)
_INNER: Final = (0.2, -0.65, 0.65, -0.2)
_RELATION: Final = (0.0, -0.7, 0.75, -0.15)
_UNDER: Final = (0.0, -0.02, 0.75, 0.0)
_ARROW: Final = (0.0, -0.65, 1.1, -0.2)
_LEFT_STEM: Final = (0.0, -1.2, 0.02, 0.25)

DERIVED: Final[Mapping[str, Maker]] = {
    **{token: _letters(word) for token, word in FUNCTION_LETTERS.items()},
    **{rf"\mathbb{{{letter}}}": _double_struck(letter) for letter in ascii_uppercase},
    UNKNOWN_MARK: mark,
    r"\binom": lambda draw, _: draw("(")[:1] + draw(")")[:1],  # of any size
    # capitals
    "O": _any(_tall("o", -1.0, 0.0), _tall("0", -1.0, 0.0)),
    "U": _tall("u", -1.0, 0.0),
    "W": _tall("w", -1.0, 0.0),
    "Z": _tall("z", -1.0, 0.0),
    "J": _longest("j", -1.0, 0.0),
    "D": _all(_bar((0.0, -1.0, 0.02, 0.0)), _in(")", (0.02, -1.0, 0.6, 0.0))),
    "Q": _all(_tall("0", -1.0, 0.0), _line((0.4, -0.3), (0.75, 0.1))),
    "P": _all(_bar((0.0, -1.0, 0.02, 0.0)), _in(")", (0.02, -1.0, 0.5, -0.45))),
    # Greek
    # Not K, \rho, \nu and \omega: they would be k, p, v and w, stroke for stroke.
    r"\kappa": _tall("k", -0.65, 0.0),
    r"\chi": _tall("x", -0.6, 0.35),
    r"\epsilon": _tall("3", -0.6, 0.0, flip="x"),
    r"\eta": _tall("n", -0.6, 0.35),
    r"\Lambda": _tall("V", -1.0, 0.0, flip="y"),
    r"\Gamma": _tall("L", -1.0, 0.0, flip="y"),
    r"\Pi": _all(
        _bar((0.0, -1.0, 0.02, 0.0)), _bar((0.6, -1.0, 0.62, 0.0)), _bar((-0.1, -1.0, 0.72, -0.98))
    ),
    r"\Sigma": _tall(r"\sum", -1.0, 0.0),
    r"\Phi": _tall(r"\phi", -1.0, 0.0),
    r"\Theta": _all(_in("0", (0.0, -1.0, 0.85, 0.0)), _bar((0.25, -0.51, 0.6, -0.49))),
    r"\Xi": _all(
        _bar((0.0, -1.0, 0.65, -0.98)),
        _bar((0.1, -0.52, 0.55, -0.5)),
        _bar((0.0, -0.02, 0.65, 0.0)),
    ),
    r"\partial": _tall("6", -1.0, 0.0, flip="x"),
    r"\nabla": _tall(r"\Delta", -0.95, 0.0, flip="y"),
    r"\hbar": _all(_tall("h", -1.0, 0.0), _line((-0.1, -0.7), (0.35, -0.82))),
    # operators
    "*": _all(
        _line((0.0, -0.5), (0.5, -0.5)),
        _line((0.1, -0.72), (0.4, -0.28)),
        _line((0.4, -0.72), (0.1, -0.28)),
    ),
    r"\circ": _in("o", (0.0, -0.65, 0.35, -0.3)),
    r"\bullet": _all(*[_in("o", (i, -0.6 + i, 0.3 - i, -0.3 - i)) for i in (0.0, 0.05, 0.1)]),
    r"\oplus": _all(_in("0", _ROUND), _in("+", _INNER)),
    r"\otimes": _all(_in("0", _ROUND), _in(r"\times", _INNER)),
    r"\ominus": _all(_in("0", _ROUND), _in("-", (0.2, -0.45, 0.65, -0.43))),
    r"\odot": _all(_in("0", _ROUND), _in(".", (0.38, -0.47, 0.47, -0.38))),
    r"\emptyset": _all(_tall("0", -0.95, 0.0), _line((0.65, -1.05), (-0.05, 0.1))),
    r"\cup": _in("C", _RELATION, turn=-90),
    r"\cap": _in("C", _RELATION, turn=90),
    r"\wedge": _in("<", _RELATION, turn=90),
    r"\vee": _any(_in("<", _RELATION, turn=-90), _in("v", _RELATION)),
    r"\neg": _in("L", (0.0, -0.55, 0.6, -0.25), turn=180),
    r"\mp": _in(r"\pm", (0.0, -0.8, 0.7, 0.0), flip="y"),
    r"\setminus": _tall("/", -1.0, 0.1, flip="x"),
    r"\dagger": _all(_bar((0.25, -1.0, 0.27, 0.1)), _bar((0.0, -0.7, 0.5, -0.68))),
    r"\star": _all(
        _line((0.0, -0.55), (0.6, -0.55)),
        _line((0.6, -0.55), (0.12, -0.15)),
        _line((0.12, -0.15), (0.3, -0.8)),
        _line((0.3, -0.8), (0.48, -0.15)),
        _line((0.48, -0.15), (0.0, -0.55)),
    ),
    # relations
    r"\equiv": _all(*[_in("-", (0.0, y, 0.7, y + 0.02)) for y in (-0.65, -0.42, -0.2)]),
    r"\sim": _in("s", (0.0, -0.5, 0.75, -0.3), turn=90),
    r"\approx": _all(
        _in("s", (0.0, -0.62, 0.75, -0.45), turn=90), _in("s", (0.0, -0.32, 0.75, -0.15), turn=90)
    ),
    r"\simeq": _all(_in("s", (0.0, -0.6, 0.75, -0.4), turn=90), _bar((0.0, -0.2, 0.75, -0.18))),
    r"\cong": _all(
        _in("s", (0.0, -0.8, 0.75, -0.62), turn=90), _in("=", (0.0, -0.42, 0.75, -0.18))
    ),
    r"\propto": _in(r"\alpha", (0.0, -0.6, 0.9, -0.15)),
    r"\perp": _all(_bar((0.35, -0.9, 0.37, 0.0)), _bar((0.0, -0.02, 0.75, 0.0))),
    r"\top": _tall("T", -0.9, 0.0),
    r"\ll": _all(_in("<", (0.0, -0.7, 0.45, -0.1)), _in("<", (0.35, -0.7, 0.8, -0.1))),
    r"\gg": _all(_in(">", (0.0, -0.7, 0.45, -0.1)), _in(">", (0.35, -0.7, 0.8, -0.1))),
    r"\ni": _in(r"\in", _RELATION, flip="x"),
    r"\notin": _struck(r"\in"),
    r"\subset": _in("C", _RELATION),
    r"\supset": _in("C", _RELATION, flip="x"),
    r"\subseteq": _all(_in("C", (0.0, -0.85, 0.75, -0.25)), _bar(_UNDER)),
    r"\supseteq": _all(_in("C", (0.0, -0.85, 0.75, -0.25), flip="x"), _bar(_UNDER)),
    r"\subsetneq": _all(
        _in("C", (0.0, -0.9, 0.75, -0.35)),
        _bar((0.0, -0.1, 0.75, -0.08)),
        _line((0.5, -0.25), (0.25, 0.1)),
    ),
    r"\supsetneq": _all(
        _in("C", (0.0, -0.9, 0.75, -0.35), flip="x"),
        _bar((0.0, -0.1, 0.75, -0.08)),
        _line((0.5, -0.25), (0.25, 0.1)),
    ),
    r"\sqsubseteq": _all(_in("[", (0.0, -0.85, 0.75, -0.25)), _bar(_UNDER)),
    r"\sqsupseteq": _all(_in("]", (0.0, -0.85, 0.75, -0.25)), _bar(_UNDER)),
    r"\vdash": _all(_bar((0.0, -0.9, 0.02, 0.0)), _bar((0.0, -0.46, 0.6, -0.44))),
    r"\models": _all(_bar((0.0, -0.9, 0.02, 0.0)), _in("=", (0.0, -0.6, 0.6, -0.3))),
    r"\Vdash": _all(
        _bar((0.0, -0.9, 0.02, 0.0)), _bar((0.2, -0.9, 0.22, 0.0)), _bar((0.2, -0.46, 0.75, -0.44))
    ),
    r"\doteq": _all(_in("=", (0.0, -0.45, 0.7, -0.2)), _in(".", (0.32, -0.75, 0.38, -0.69))),
    # arrows
    r"\leftarrow": _in(r"\rightarrow", _ARROW, flip="x"),
    r"\leftrightarrow": _two_headed(r"\rightarrow"),
    r"\xrightarrow": _in(r"\rightarrow", _ARROW),
    r"\xleftarrow": _in(r"\rightarrow", _ARROW, flip="x"),
    r"\Rightarrow": _all(_in("=", (0.0, -0.55, 0.9, -0.3)), _in(">", (0.75, -0.75, 1.1, -0.1))),
    r"\Leftarrow": _all(_in("=", (0.2, -0.55, 1.1, -0.3)), _in("<", (0.0, -0.75, 0.35, -0.1))),
    r"\Leftrightarrow": _all(
        _in("=", (0.2, -0.55, 1.1, -0.3)),
        _in("<", (0.0, -0.75, 0.35, -0.1)),
        _in(">", (0.95, -0.75, 1.3, -0.1)),
    ),
    r"\mapsto": _all(_bar((0.0, -0.62, 0.02, -0.22)), _in(r"\rightarrow", _ARROW)),
    r"\hookrightarrow": _all(_in("C", (-0.2, -0.7, 0.0, -0.43)), _in(r"\rightarrow", _ARROW)),
    r"\rightleftharpoons": _all(
        _in(r"\rightarrow", (0.0, -0.75, 1.1, -0.45)),
        _in(r"\rightarrow", (0.0, -0.35, 1.1, -0.05), flip="x"),
    ),
    r"\uparrow": _in(r"\rightarrow", (0.0, -1.0, 0.4, 0.1), turn=-90),
    r"\downarrow": _in(r"\rightarrow", (0.0, -1.0, 0.4, 0.1), turn=90),
    r"\nearrow": _in(r"\rightarrow", (0.0, -0.9, 0.9, 0.0), turn=-45),
    r"\searrow": _in(r"\rightarrow", (0.0, -0.9, 0.9, 0.0), turn=45),
    # brackets
    r"\langle": _in("<", (0.0, -1.15, 0.35, 0.2)),
    r"\rangle": _in(">", (0.0, -1.15, 0.35, 0.2)),
    r"\lfloor": _all(_bar(_LEFT_STEM), _bar((0.0, 0.23, 0.3, 0.25))),
    r"\lceil": _all(_bar(_LEFT_STEM), _bar((0.0, -1.2, 0.3, -1.18))),
    r"\rfloor": _all(_bar((0.3, -1.2, 0.32, 0.25)), _bar((0.0, 0.23, 0.32, 0.25))),
    r"\rceil": _all(_bar((0.3, -1.2, 0.32, 0.25)), _bar((0.0, -1.2, 0.32, -1.18))),
    # large operators
    r"\prod": _all(
        _bar((0.0, -1.2, 0.02, 0.3)), _bar((0.9, -1.2, 0.92, 0.3)), _bar((-0.15, -1.22, 1.07, -1.2))
    ),
    r"\coprod": _all(
        _bar((0.0, -1.2, 0.02, 0.3)), _bar((0.9, -1.2, 0.92, 0.3)), _bar((-0.15, 0.28, 1.07, 0.3))
    ),
    r"\oint": _all(_tall(r"\int", -1.4, 0.5), _in("o", (0.05, -0.65, 0.45, -0.25))),
    r"\bigcup": _in("C", (0.0, -1.2, 1.1, 0.3), turn=-90),
    r"\bigcap": _in("C", (0.0, -1.2, 1.1, 0.3), turn=90),
    r"\bigoplus": _grown(r"\oplus", 1.6),
    r"\bigotimes": _grown(r"\otimes", 1.6),
    r"\bigwedge": _in("<", (0.0, -1.2, 1.0, 0.3), turn=90),
    r"\bigvee": _in("<", (0.0, -1.2, 1.0, 0.3), turn=-90),
    # punctuation and the like
    ":": _all(_in(".", (0.0, -0.55, 0.06, -0.49)), _in(".", (0.0, -0.06, 0.06, 0.0))),
    ";": _all(_in(".", (0.05, -0.55, 0.11, -0.49)), _in(",", (0.0, -0.1, 0.12, 0.2))),
    r"\%": _all(
        _in("o", (0.0, -0.95, 0.35, -0.6)),
        _in("/", (0.1, -1.0, 0.8, 0.0)),
        _in("o", (0.55, -0.35, 0.9, 0.0)),
    ),
    r"\#": _all(
        _in("/", (0.15, -1.0, 0.3, 0.0)),
        _in("/", (0.45, -1.0, 0.6, 0.0)),
        _bar((0.0, -0.67, 0.8, -0.65)),
        _bar((0.0, -0.35, 0.8, -0.33)),
    ),
    r"\$": _all(_tall("S", -0.95, 0.0), _bar((0.27, -1.15, 0.29, 0.15))),
    r"\vdots": _all(*[_in(".", (0.0, y, 0.06, y + 0.06)) for y in (-0.9, -0.5, -0.1)]),
    r"\ddots": _all(*[_in(".", (1 + y, y, 1.06 + y, y + 0.06)) for y in (-0.9, -0.5, -0.1)]),
    r"\therefore": _all(
        *[
            _in(".", (x, y, x + 0.06, y + 0.06))
            for x, y in ((0.0, -0.1), (0.5, -0.1), (0.25, -0.55))
        ]
    ),
    r"\because": _all(
        *[_in(".", (x, y, x + 0.06, y + 0.06)) for x, y in ((0.0, -0.6), (0.5, -0.6), (0.25, -0.1))]
    ),
    r"\not": _in("/", (0.0, -1.05, 0.45, 0.15)),
    r"\triangle": _tall(r"\Delta", -0.85, 0.0),
    r"\angle": _all(_line((0.6, -0.75), (0.0, 0.0)), _line((0.0, 0.0), (0.75, 0.0))),
    r"\square": _all(
        _in("[", (0.0, -0.8, 0.4, 0.0)),
        _in("]", (0.4, -0.8, 0.8, 0.0)),
    ),
    r"\diamond": _all(_in("<", (0.0, -0.75, 0.3, -0.1)), _in(">", (0.3, -0.75, 0.6, -0.1))),
    # accents
    r"\hat": _in("<", (0.0, -0.2, 0.4, 0.0), turn=90),
    r"\bar": _in("-", (0.0, -0.02, 0.45, 0.0)),
    r"\overline": _in("-", (0.0, -0.02, 1.0, 0.0)),
    r"\underline": _in("-", (0.0, -0.02, 1.0, 0.0)),
    r"\vec": _in(r"\rightarrow", (0.0, -0.25, 0.6, 0.0)),
    r"\tilde": _in("s", (0.0, -0.15, 0.45, 0.0), turn=90),
    r"\dot": _in(".", (0.0, -0.06, 0.06, 0.0)),
    r"\ddot": _all(_in(".", (0.0, -0.06, 0.06, 0.0)), _in(".", (0.25, -0.06, 0.31, 0.0))),
    r"\overbrace": _in(r"\{", (0.0, -0.3, 2.0, 0.0), turn=90),
    r"\underbrace": _in(r"\{", (0.0, -0.3, 2.0, 0.0), turn=-90),
}
"""Token to how it is built. What it is built from is asked of the same writer."""


def derive(token: str, draw: Draw, rng: Random) -> Strokes:
    r"""A symbol built from others.

    Args:
        token: which one, of `DERIVED`.
        draw: gives the strokes of a token that the writer left.

    Raises:
        KeyError: if it cannot be built, or `draw` lacks what it takes.
    """
    return DERIVED[token](draw, rng)
