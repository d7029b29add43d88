r"""One line of arithmetic or school algebra: `2 + 3 * 8 4 / 1 2 =`, `x ^ { 2 } - 5 x + 6 = 0`.

Textbooks state formulas; what people photograph to have it worked out is mostly digits, with all
the signs for products and quotients, long numbers, an equals sign at the end, and no letter that
would tell a 5 from an s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from inktex.tokenizer.latex_inktex import normalize

__all__ = ["draw_arithmetic", "one_of"]

T = TypeVar("T")
Random = np.random.Generator
_DEEPEST: Final = 2
"""Brackets inside one another."""
_UNKNOWNS: Final = (*"xxxxyyzabcntmkpqs", r"\alpha ", r"\theta ")
_RELATIONS: Final = ("=", "=", "=", "<", ">", r"\leq ", r"\geq ", r"\neq ", r"\approx ")


@dataclass(frozen=True, slots=True)
class _Habits:
    """What one person keeps to within a line: the signs of a product, a quotient, and a decimal."""

    times: str
    divided: str
    point: str
    has_decimals: bool


def draw_arithmetic(rng: Random) -> list[str]:
    """A line in canonical tokens."""
    habits = _Habits(
        one_of(rng, (r"\times ", r"\times ", r"\times ", r"\cdot ", "*", "*")),
        one_of(rng, (r"\div ", r"\div ", "/", "/", ":")),
        one_of(rng, (".", ",")),
        rng.random() < 0.15,
    )
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    return normalize(kind(rng, habits))


def one_of(rng: Random, options: Sequence[T]) -> T:
    """One of some options, each as likely as the others."""
    return options[int(rng.integers(len(options)))]


def _number(rng: Random, habits: _Habits) -> str:
    """A number of one to six digits, most of them of one or two."""
    digits = int(rng.choice([1, 2, 3, 4, 6], p=[0.45, 0.3, 0.15, 0.07, 0.03]))
    number = str(int(rng.integers(10 ** (digits - 1) if digits > 1 else 0, 10**digits)))
    if digits < 4 and habits.has_decimals and rng.random() < 0.5:
        places = int(rng.integers(1, 4))
        number += habits.point + "".join(str(int(one)) for one in rng.integers(10, size=places))
    return number


def _operand(rng: Random, habits: _Habits, depth: int) -> str:
    kind = rng.random()
    if depth < _DEEPEST and kind < 0.18:
        inner = _sum(rng, habits, depth + 1, int(rng.integers(2, 4)))
        return f"[{inner}]" if "(" in inner and rng.random() < 0.3 else f"({inner})"
    number = _number(rng, habits)
    if kind < 0.25:
        return f"{number}^{{{int(rng.integers(2, 10))}}}"
    if kind < 0.28:
        return rf"\sqrt{{{number}}}"
    if kind < 0.30:
        return f"(-{number})"
    return f"{number}!" if kind < 0.31 and len(number) == 1 else number


def _sum(rng: Random, habits: _Habits, depth: int, terms: int) -> str:
    """Some operands with signs between them, and now and then a product without one."""
    out = _operand(rng, habits, depth)
    for _ in range(terms - 1):
        operand = _operand(rng, habits, depth)
        operator = one_of(rng, ("+", "+", "-", "-", habits.times, habits.times, habits.divided))
        out += ("" if operand[0] in "([" and rng.random() < 0.25 else operator) + operand
    return out


def _ending(rng: Random, habits: _Habits) -> str:
    kind = rng.random()
    if kind < 0.5:
        return ""
    if kind < 0.75:
        return "="
    sign = "-" if rng.random() < 0.15 else ""
    return "=?" if kind < 0.78 else f"={sign}{_number(rng, habits)}"


def _exercise(rng: Random, habits: _Habits) -> str:
    terms = int(rng.choice([2, 3, 4, 5, 6, 7], p=[0.35, 0.25, 0.16, 0.12, 0.08, 0.04]))
    sign = "-" if rng.random() < 0.06 else ""
    return sign + _sum(rng, habits, 0, terms) + _ending(rng, habits)


def _fractions(rng: Random, habits: _Habits) -> str:
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        above, below = (
            _sum(rng, habits, 1, 2) if rng.random() < 0.15 else _number(rng, habits)
            for _ in range(2)
        )
        mixed = str(int(rng.integers(1, 10))) if rng.random() < 0.15 else ""
        parts.append(rf"{mixed}\frac{{{above}}}{{{below}}}")
    return one_of(rng, ("+", "-", habits.times, habits.divided)).join(parts) + _ending(rng, habits)


def _powers(rng: Random, habits: _Habits) -> str:
    base = one_of(rng, ("2", "3", "5", "10", "x", "a", "e", _number(rng, habits)))
    powers = []
    for _ in range(int(rng.integers(1, 4))):
        sign = "-" if rng.random() < 0.2 else ""
        power = one_of(rng, ("x", "y", "n", str(int(rng.integers(2, 100)))))
        powers.append(f"{base}^{{{sign}{power}}}")
    return one_of(rng, ("", habits.times, "+", "-")).join(powers) + _ending(rng, habits)


def _constant(rng: Random, habits: _Habits) -> str:
    """A number that is not 0."""
    number = _number(rng, habits)
    return number if number.strip("0.,") else "1"


def _monomial(rng: Random, habits: _Habits, unknown: str, power: int) -> str:
    if not power:
        return _constant(rng, habits)
    # Nobody writes factors of 0 and 1.
    factor = "" if rng.random() < 0.3 else str(int(rng.integers(2, one_of(rng, (10, 10, 100)))))
    if factor and habits.has_decimals:
        factor = f"{factor}{habits.point}{int(rng.integers(1, 100))}"
    return factor + (f"{unknown}^{power}" if power > 1 else unknown * power)


def _polynomial(rng: Random, habits: _Habits) -> str:
    """A polynomial in one unknown, as an expression, an equation, or a function."""
    unknown, degree = one_of(rng, _UNKNOWNS), int(rng.choice([1, 2, 2, 2, 3, 4]))
    out = "-" if rng.random() < 0.1 else ""
    for power in range(degree, -1, -1):
        if power < degree and rng.random() < 0.15:
            continue
        sign = one_of(rng, ("+", "+", "-")) if power < degree else ""
        out += sign + _monomial(rng, habits, unknown, power)
    kind = rng.random()
    if kind < 0.3:
        return out
    if kind < 0.75:
        right = "0" if rng.random() < 0.4 else _number(rng, habits)
        return out + one_of(rng, _RELATIONS) + right
    return one_of(rng, ("y=", f"f({unknown})=", f"p({unknown})=")) + out


def _unknowns(rng: Random, habits: _Habits) -> str:
    """A linear equation in two or three unknowns."""
    letters = one_of(rng, ("xy", "xyz", "ab", "abc", "mn", "pq", "st"))
    out = _monomial(rng, habits, letters[0], 1)
    for letter in letters[1:]:
        out += one_of(rng, ("+", "+", "-")) + _monomial(rng, habits, letter, 1)
    if rng.random() < 0.3:
        return f"{one_of(rng, ('z', 'w', 'd', 'T'))}={out}"
    return out + one_of(rng, ("", f"={_number(rng, habits)}", f"={_number(rng, habits)}"))


def _factors(rng: Random, habits: _Habits) -> str:
    unknown = one_of(rng, _UNKNOWNS)
    brackets = [
        f"({_monomial(rng, habits, unknown, 1)}{one_of(rng, '+-')}{_constant(rng, habits)})"
        for _ in range(int(rng.integers(1, 4)))
    ]
    if len(brackets) == 1:
        brackets.append(f"^{int(rng.integers(2, 5))}")
    before = _number(rng, habits) if rng.random() < 0.3 else ""
    return before + "".join(brackets) + one_of(rng, ("", "", "=0"))


def _comparison(rng: Random, habits: _Habits) -> str:
    left, right = (_number(rng, habits) for _ in range(2))
    unit = one_of(rng, ("", "", "", r"\%", "cm", "m", "kg", r"^{\circ}", r"\$"))
    if unit == r"\$":
        return rf"\${left}{one_of(rng, ('+', '-'))}\${right}"
    return f"{left}{unit}{one_of(rng, _RELATIONS)}{right}{unit}"


_KINDS: Final[tuple[Callable[[Random, _Habits], str], ...]] = (
    _exercise, _exercise, _exercise, _exercise, _exercise, _fractions, _powers, _polynomial,
    _polynomial, _unknowns, _factors, _comparison,
)  # fmt: skip
