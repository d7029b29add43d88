r"""Captions of several lines as pupils write them: a formula, and what follows from it.

Textbooks have formulas; exercise books have equations that are solved, sums that are worked out,
columns that are added and systems. Their lines have parts in common, and mostly digits in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from inktex.tokenizer.latex_inktex import normalize

from .arithmetic import one_of

__all__ = ["draw_worked_lines"]

Random = np.random.Generator
_MOST: Final = 5
"""Lines."""
_UNKNOWNS: Final = ("x", "x", "x", "y", "t", "n", "a", "z", "k")
_RELATIONS: Final = ("=", "=", "=", "=", "<", ">", r"\leq ", r"\geq ")
_TIMES: Final = (r"\times ", r"\cdot ")


def draw_worked_lines(rng: Random) -> list[list[str]]:
    """Two to five lines, each in canonical tokens."""
    lines = _KINDS[int(rng.integers(len(_KINDS)))](rng)
    if len(lines) > 2 and rng.random() < 0.3:  # people stop, or begin in the middle
        first = int(rng.integers(2))
        lines = lines[first : max(first + 2, len(lines) - int(rng.integers(2)))]
    return [normalize(line) for line in lines[:_MOST]]


def _number(rng: Random, most: int = 20) -> int:
    return int(rng.integers(1, most))


def _signed(number: int) -> str:
    return f"+{number}" if number >= 0 else str(number)


def _times(number: int, unknown: str) -> str:
    """A multiple as people write it: 1 is left out."""
    if abs(number) == 1:
        return unknown if number > 0 else f"-{unknown}"
    return f"{number}{unknown}"


def _linear(rng: Random) -> list[str]:
    unknown, relation = one_of(rng, _UNKNOWNS), one_of(rng, _RELATIONS)
    factor, offset, root = _number(rng, 10), _number(rng) * int(rng.choice([-1, 1])), _number(rng)
    value = factor * root
    if rng.random() < 0.3:  # with a fraction left over
        value += int(rng.integers(1, factor + 1))
    lines = [f"{_times(factor, unknown)}{_signed(offset)}{relation}{value + offset}"]
    if rng.random() < 0.4:
        lines.append(f"{_times(factor, unknown)}{relation}{value + offset}{_signed(-offset)}")
    lines.append(f"{_times(factor, unknown)}{relation}{value}")
    if value % factor or rng.random() < 0.25:
        lines.append(rf"{unknown}{relation}\frac{{{value}}}{{{factor}}}")
    if value % factor == 0:
        lines.append(f"{unknown}{relation}{value // factor}")
    return lines


def _both_sides(rng: Random) -> list[str]:
    unknown = one_of(rng, _UNKNOWNS)
    left, right, offset, root = (_number(rng, 10) for _ in range(4))
    left += right
    total = (left - right) * root
    return [
        f"{_times(left, unknown)}-{offset}={_times(right, unknown)}{_signed(total - offset)}",
        f"{_times(left, unknown)}-{_times(right, unknown)}={total}",
        f"{_times(left - right, unknown)}={total}",
        f"{unknown}={root}",
    ]


def _quadratic(rng: Random) -> list[str]:
    unknown = one_of(rng, _UNKNOWNS)
    p, q = (_number(rng, 10) * int(rng.choice([-1, 1])) for _ in range(2))
    middle = _times(-(p + q), unknown) if p + q else ""
    sign = "+" if p + q < 0 else ""
    lines = [
        f"{unknown}^2{sign}{middle}{_signed(p * q)}=0",
        f"({unknown}{_signed(-p)})({unknown}{_signed(-q)})=0",
    ]
    if rng.random() < 0.5:
        return [*lines, f"{unknown}_1={p}", f"{unknown}_2={q}"]
    return [*lines, f"{unknown}={p}", f"{unknown}={q}"]


def _worked_out(rng: Random) -> list[str]:
    """A product and a sum, with or without `=` at the beginning of the lines."""
    a, b, c, d = (_number(rng, 60), _number(rng, 10), _number(rng, 10), _number(rng, 30))
    times, sign = one_of(rng, _TIMES), int(rng.choice([-1, 1]))
    operator = "+" if sign > 0 else "-"
    begin = one_of(rng, ("", "="))
    lines = [f"{a}{times}{b}^2{operator}{c}{times}{d}"]
    if rng.random() < 0.5:
        lines.append(f"{begin}{a}{times}({b}{times}{b}){operator}{c}{times}{d}")
    lines.append(f"{begin}({a}{times}{b * b}){operator}{c * d}")
    lines.append(f"{begin}{a * b * b}{operator}{c * d}")
    return [*lines, f"{begin}{a * b * b + sign * c * d}"]


def _column(rng: Random) -> list[str]:
    most = int(rng.choice([10, 100, 1000, 10000]))
    a, b = _number(rng, most), _number(rng, most)
    operator = one_of(rng, ("+", "-", r"\times "))
    lines = [str(a), f"{operator}{b}"]
    if rng.random() < 0.5:
        result = {"+": a + b, "-": a - b}.get(operator, a * b)
        lines[1] = rf"\underline{{{lines[1]}}}"
        lines.append(str(result))
    return lines


def _value(rng: Random) -> list[str]:
    """A polynomial at a place."""
    name, unknown = one_of(rng, ("f", "g", "p", "h")), one_of(rng, ("x", "x", "t"))
    power, a, b, at = int(rng.integers(2, 4)), _number(rng, 9), _number(rng, 9), _number(rng, 5)
    times = one_of(rng, _TIMES)
    call = f"{name}({at})="
    return [
        f"{name}({unknown})={unknown}^{power}-{_times(a, unknown)}+{b}",
        f"{call}({at})^{power}-{a}{times}{at}+{b}",
        f"{call}{at**power}-{a * at}+{b}",
        f"{call}{at**power - a * at + b}",
    ]


def _pythagoras(rng: Random) -> list[str]:
    a, b, c = [(3, 4, 5), (6, 8, 10), (5, 12, 13), (9, 12, 15), (8, 15, 17)][int(rng.integers(5))]
    unknown = one_of(rng, ("c", "d", "x", "h", "l"))
    begin = one_of(rng, (f"{unknown}=", f"{unknown}=", "="))
    return [
        rf"{unknown}=\sqrt{{a^2+b^2}}",
        rf"{begin}\sqrt{{{a}^2+{b}^2}}",
        rf"{begin}\sqrt{{{a * a}+{b * b}}}",
        rf"{begin}\sqrt{{{c * c}}}",
        f"{begin}{c}",
    ]


def _area(rng: Random) -> list[str]:
    a, b = _number(rng, 30), _number(rng, 30)
    unit = one_of(rng, ("", "", "cm^2", "m^2"))
    times = one_of(rng, _TIMES)
    if rng.random() < 0.5:
        return [r"A=\frac{1}{2}bh", rf"A=\frac{{1}}{{2}}({a})({b})", f"A={a * b / 2:g}{unit}"]
    return [
        one_of(rng, (r"A=l\cdot b", r"A=a\times b")),
        f"{one_of(rng, ('A=', '='))}{a}{times}{b}",
        f"{one_of(rng, ('A=', '='))}{a * b}{unit}",
    ]


def _system(rng: Random) -> list[str]:
    unknowns = "xyz"[: int(rng.choice([2, 2, 3]))]
    lines = []
    for _ in unknowns:
        factors = [_number(rng, 12) * int(rng.choice([-1, 1, 1])) for _ in unknowns]
        row = _times(factors[0], unknowns[0])
        for factor, unknown in zip(factors[1:], unknowns[1:], strict=True):
            row += ("+" if factor > 0 else "") + _times(factor, unknown)
        lines.append(f"{row}={_number(rng, 40)}")
    return lines


def _powers(rng: Random) -> list[str]:
    unknown, times = one_of(rng, _UNKNOWNS), one_of(rng, (r"\cdot ", r"\times ", ""))
    a, b, c = (int(rng.integers(2, 8)) for _ in range(3))
    return [
        rf"({a}{unknown}^{b})^{c}{times}{unknown}^{b}",
        rf"={a}^{c}{unknown}^{{{b * c}}}{times}{unknown}^{b}",
        rf"={a**c}{unknown}^{{{b * c + b}}}",
    ]


def _chance(rng: Random) -> list[str]:
    event, point = one_of(rng, ("A", "B", "E", "X")), one_of(rng, (".", ","))
    tenths = _number(rng, 10)
    return [
        rf"P(\overline{{{event}}})=1-P({event})",
        rf"P(\overline{{{event}}})=1-0{point}{tenths}",
        rf"P(\overline{{{event}}})=0{point}{10 - tenths}",
    ]


_KINDS: Final[tuple[Callable[[Random], list[str]], ...]] = (
    _linear, _linear, _both_sides, _quadratic, _worked_out, _column, _value, _pythagoras, _area,
    _system, _powers, _chance,
)  # fmt: skip
