r"""Captions in which small marks decide what is meant: `3 , 1 4`, `[ 0 , 1 ]`, `f ^ { \prime }`.

A comma and a point, a prime and a 1, the dots of a colon, a minus sign beside a fraction bar, and
`|` beside a bracket and a 1 differ by little ink, and textbooks have few numbers to learn from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from inktex.tokenizer.latex_inktex import normalize

__all__ = ["SMALL_MARKS", "draw_small_marks"]

SMALL_MARKS: Final = frozenset({",", ".", ":", "!", r"\prime", "|", "-", r"\cdot", r"\ldots"})
"""The marks that these captions are about; each has one at least."""
_LETTERS: Final = (
    *"abcdefghijkmnpqrstuvwxyz",
    *"ABCFGMNPSTXY",
    "\\alpha ",
    "\\theta ",
    "\\lambda ",
)


def draw_small_marks(rng: np.random.Generator) -> list[str]:
    """A caption in canonical tokens."""
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    return normalize(kind(rng))


def _one_of(rng: np.random.Generator, *options: str) -> str:
    return options[int(rng.integers(len(options)))]


def _letter(rng: np.random.Generator) -> str:
    return _one_of(rng, *_LETTERS)


def _digits(rng: np.random.Generator, most: int) -> str:
    return "".join(str(int(one)) for one in rng.integers(10, size=rng.integers(1, most + 1)))


def _decimal(rng: np.random.Generator) -> str:
    whole = "0" if rng.random() < 0.3 else str(int(rng.integers(1, 10 ** int(rng.integers(1, 4)))))
    return whole + _one_of(rng, ",", ".") + _digits(rng, 4)


def _positive(rng: np.random.Generator) -> str:
    return _decimal(rng) if rng.random() < 0.4 else _digits(rng, 2)


def _number(rng: np.random.Generator) -> str:
    return ("-" if rng.random() < 0.2 else "") + _positive(rng)


def _term(rng: np.random.Generator) -> str:
    if rng.random() < 0.45:
        return _number(rng)
    sign, letter = "-" if rng.random() < 0.15 else "", _letter(rng)
    kind = rng.random()
    if kind < 0.6:
        return sign + letter
    return f"{sign}{letter}{_one_of(rng, '_', '^')}{{{_digits(rng, 1)}}}"


def _sum_of_decimals(rng: np.random.Generator) -> str:
    operator = _one_of(rng, "+", "-", r"\cdot ", r"\times ", r"\div ")
    ending = _one_of(rng, "", f"={_decimal(rng)}", f"<{_decimal(rng)}", f"\\approx {_decimal(rng)}")
    return _decimal(rng) + operator + _positive(rng) + ending


def _measured(rng: np.random.Generator) -> str:
    unit = _one_of(
        rng, "", "", r"\%", r"^{\circ}", "m", "cm", "kg", f"\\cdot 10^{{-{_digits(rng, 1)}}}"
    )
    return f"{_letter(rng)}={_decimal(rng)}{unit}"


def _interval(rng: np.random.Generator) -> str:
    left, right = _one_of(rng, "[", "("), _one_of(rng, "]", ")")
    return f"{_letter(rng)}\\in {left}{_term(rng)},{_term(rng)}{right}"


def _tuple(rng: np.random.Generator) -> str:
    parts = [_term(rng) for _ in range(int(rng.integers(2, 5)))]
    if rng.random() < 0.2:
        parts[-1:-1] = [r"\ldots"]
    left, right = (("(", ")"), ("[", "]"), (r"\{", r"\}"), ("", ""))[int(rng.integers(4))]
    return left + ",".join(parts) + right


def _primes(rng: np.random.Generator) -> str:
    name, argument = _letter(rng), _letter(rng)
    primes = "'" * int(rng.choice([1, 1, 1, 2]))
    return _one_of(
        rng,
        f"{name}{primes}({argument})",
        f"{name}''+{name}'-{name}=0",
        f"{name}{primes}={_term(rng)}",
        f"{name}'{argument}+{name}{argument}'",
        f"({name}\\cdot {argument})'",
        f"{name}{primes}(1)=-{_digits(rng, 1)}",
    )


def _absolute(rng: np.random.Generator) -> str:
    one, other = _term(rng), _term(rng)
    return _one_of(
        rng,
        f"|{one}|",
        f"|{_letter(rng)}-{other}|<{_number(rng)}",
        f"|{one}|=|{other}|",
        f"{_letter(rng)}({_letter(rng)}|{_letter(rng)})",
        f"{_digits(rng, 1)}|{_digits(rng, 2)}",
        f"1-|{one}|",
    )


def _colons(rng: np.random.Generator) -> str:
    return _one_of(
        rng,
        f"{_term(rng)}:{_term(rng)}={_term(rng)}:{_term(rng)}",
        f"{_letter(rng)}:{_letter(rng)}\\rightarrow {_letter(rng)}",
        f"\\{{{_letter(rng)}:{_letter(rng)}>{_number(rng)}\\}}",
        f"{_letter(rng)}:={_term(rng)}",
    )


def _minus(rng: np.random.Generator) -> str:
    return _one_of(
        rng,
        f"-\\frac{{{_term(rng)}}}{{{_term(rng)}}}",
        f"-{_letter(rng)}^{{-{_digits(rng, 1)}}}",
        f"\\frac{{-{_letter(rng)}}}{{-{_digits(rng, 1)}}}",
        f"{_digits(rng, 2)}-{_digits(rng, 2)}=-{_digits(rng, 1)}",
        f"-{_digits(rng, 1)}-1",
    )


def _factorial(rng: np.random.Generator) -> str:
    return _one_of(
        rng,
        f"{_letter(rng)}!={_digits(rng, 2)}",
        f"({_letter(rng)}-1)!",
        f"\\frac{{{_letter(rng)}!}}{{{_digits(rng, 1)}!}}",
    )


_KINDS: Final[tuple[Callable[[np.random.Generator], str], ...]] = (
    _sum_of_decimals, _measured, _interval, _tuple, _primes, _absolute, _colons, _minus, _factorial,
)  # fmt: skip
