"""Pieces of Python text that stand for SymPy expressions, and how they are put together.

Python's integers are kept from its division: `1/2` would be a float where SymPy does not read the
text itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Final

__all__ = [
    "Kind",
    "Level",
    "Term",
    "call",
    "difference",
    "failure",
    "negative",
    "power",
    "product",
    "quotient",
    "symbol",
    "total",
]


class Level(IntEnum):
    """How tight the parts of a text hold together, in Python."""

    RELATION = auto()
    SUM = auto()
    PRODUCT = auto()
    POWER = auto()
    ATOM = auto()


class Kind(Enum):
    """What an expression is."""

    VALUE = "a value"
    MATRIX = "a matrix"
    TRUTH = "a statement"
    SET = "a set"
    TUPLE = "a tuple"


@dataclass(frozen=True, slots=True)
class Term:
    """An expression.

    Attributes:
        text: in Python.
        level: of the text.
        kind: what it is.
        is_integer: whether Python itself takes it for an integer.
        shape: rows and columns of a matrix that is written out.
        name: of a symbol that stands alone.
    """

    text: str
    level: Level = Level.ATOM
    kind: Kind = Kind.VALUE
    is_integer: bool = False
    shape: tuple[int, int] | None = None
    name: str = ""

    def within(self, level: Level) -> str:
        """The text where at least a level is needed, in parentheses if it is below."""
        return self.text if self.level >= level else f"({self.text})"


_TAKEN: Final = frozenset("E I N O Q S beta gamma zeta pi Lambda lambda".split())
"""Names that SymPy or Python have for something else."""


def failure(what: str) -> ValueError:
    """The error for what cannot be expressed."""
    return ValueError(f"SymPy cannot express this formula: {what}.")


def symbol(name: str) -> Term:
    """A symbol, by its bare name where that stands for nothing else."""
    text = name if name.isidentifier() and name not in _TAKEN else f"Symbol({name!r})"
    return Term(text, name=name)


def call(name: str, *arguments: str, kind: Kind = Kind.VALUE) -> Term:
    """A call of a function or a class of SymPy."""
    return Term(f"{name}({', '.join(arguments)})", kind=kind)


def negative(term: Term) -> Term:
    """The negative of a value or a matrix."""
    _check("-", term)
    return Term(f"-{term.within(Level.PRODUCT)}", Level.SUM, term.kind, term.is_integer)


def total(left: Term, right: Term) -> Term:
    """The sum of two values or of two matrices."""
    return _added(left, "+", right, Level.SUM)


def difference(left: Term, right: Term) -> Term:
    """The difference of two values or of two matrices."""
    return _added(left, "-", right, Level.PRODUCT)


def _added(left: Term, sign: str, right: Term, level: Level) -> Term:
    _check(sign, left, right)
    if left.kind is not right.kind:
        raise failure(f"a {sign} stands between {left.kind.value} and {right.kind.value}")
    if right.text.startswith("-"):
        level = Level.PRODUCT
    text = f"{left.within(Level.SUM)} {sign} {right.within(level)}"
    return Term(text, Level.SUM, left.kind, left.is_integer and right.is_integer)


def product(factors: Sequence[Term]) -> Term:
    """The product of values and matrices, in their order."""
    if len(factors) == 1:
        return factors[0]
    _check("product", *factors)
    kinds = [factor.kind for factor in factors]
    kind = Kind.MATRIX if Kind.MATRIX in kinds else Kind.VALUE
    if kind is Kind.MATRIX and Kind.VALUE in kinds[kinds.index(Kind.MATRIX) :]:
        raise failure("a matrix stands before a symbol that can be a number or a vector")
    text = "*".join(factor.within(Level.PRODUCT) for factor in factors)
    return Term(text, Level.PRODUCT, kind, all(factor.is_integer for factor in factors))


def quotient(dividend: Term, divisor: Term) -> Term:
    """One divided by the other; of two integers an exact fraction."""
    _check("fraction", dividend, divisor)
    if divisor.kind is Kind.MATRIX:
        raise failure("a fraction has a matrix below its line")
    if dividend.is_integer and divisor.is_integer:
        if dividend.text.removeprefix("-").isdigit() and divisor.text.isdigit():
            return call("Rational", dividend.text, divisor.text)
        dividend = call("Integer", dividend.text)
    text = f"{dividend.within(Level.PRODUCT)}/{divisor.within(Level.POWER)}"
    return Term(text, Level.PRODUCT, dividend.kind)


def power(base: Term, exponent: Term) -> Term:
    """One to the power of the other."""
    _check("power", base, exponent)
    if exponent.kind is Kind.MATRIX:
        raise failure("an exponent is a matrix")
    is_integer = base.is_integer and exponent.text.isdigit()
    if base.is_integer and exponent.is_integer and not is_integer:
        base = call("Integer", base.text)
    text = f"{base.within(Level.ATOM)}**{exponent.within(Level.ATOM)}"
    return Term(text, Level.POWER, base.kind, is_integer)


def _check(what: str, *terms: Term) -> None:
    for term in terms:
        if term.kind not in (Kind.VALUE, Kind.MATRIX):
            raise failure(f"{term.kind.value} is part of a {what}: {term.text}")
