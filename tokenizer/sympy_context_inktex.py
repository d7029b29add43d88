"""What the letters of a formula stand for, as the whole of the formula tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from .formula_parts_inktex import (
    DEFINED,
    Braced,
    Construct,
    Fenced,
    Number,
    Part,
    Parts,
    Scripted,
    Sign,
    Table,
    Word,
    head,
    is_relation,
    split_primes,
)
from .sympy_terms_inktex import failure
from .text_signs_inktex import GREEK
from .vocabulary_inktex import FUNCTIONS

__all__ = [
    "Context",
    "Derivation",
    "applied_name",
    "derivation",
    "is_differential",
    "letter_name",
    "letters_of",
    "make_context",
    "rows",
    "subscript_name",
    "with_deltas",
]

_USUAL_FUNCTIONS: Final = frozenset("fgh")
"""Letters that are functions wherever brackets follow."""
_ACCENTS: Final = frozenset({r"\hat", r"\bar", r"\tilde", r"\dot", r"\ddot"})
_DIFFERENTIALS: Final = (Sign("d"), Sign(r"\partial"))
_BINDING: Final = (Sign(r"\sum"), Sign(r"\prod"), Sign(r"\lim"))


@dataclass(frozen=True, slots=True)
class Derivation:
    r"""A fraction that is a derivative.

    Attributes:
        variables: names, each with its order.
        body: what is derived, above the line; empty if it follows.
        is_partial: whether it is written with `\partial`.
    """

    variables: tuple[tuple[str, int], ...]
    body: Parts
    is_partial: bool


@dataclass(slots=True)
class Context:
    r"""What letters stand for.

    Attributes:
        functions: names of letters that are applied to what follows in brackets.
        dependent: name of a letter that is derived -> the variables that it depends on.
        bound: names of the variables that sums, products and limits run over.
        indexed: names of letters whose subscripts are indices.
        has_euler: whether `e` alone is Euler's number.
        has_imaginary: whether `i` is the imaginary unit.
    """

    functions: set[str] = field(default_factory=set)
    dependent: dict[str, list[str]] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    indexed: set[str] = field(default_factory=set)
    has_euler: bool = False
    has_imaginary: bool = False


def with_deltas(parts: Parts) -> Parts:
    r"""Parts with each `\Delta x` as one letter."""
    out: list[Part] = []
    for part in map(_with_inner_deltas, parts):
        letter = head(part)
        if out and out[-1] == Sign(r"\Delta") and isinstance(letter, Sign) and letter_name(letter):
            change = Construct(r"\Delta", ((letter,),))
            out[-1] = replace(part, base=change) if isinstance(part, Scripted) else change
        else:
            out.append(part)
    return tuple(out)


def _with_inner_deltas(part: Part) -> Part:
    match part:
        case Fenced(_, body, _) | Braced(body):
            return replace(part, body=with_deltas(body))
        case Scripted(base, sub, sup):
            scripts = [None if script is None else with_deltas(script) for script in (sub, sup)]
            return Scripted(_with_inner_deltas(base), *scripts)
        case Construct(_, args, index):
            inner = None if index is None else with_deltas(index)
            return replace(part, args=tuple(map(with_deltas, args)), index=inner)
        case Table(lines):
            return Table(tuple(tuple(map(with_deltas, line)) for line in lines))
    return part


def make_context(parts: Parts) -> Context:
    """What the letters of a formula stand for.

    Raises:
        ValueError: if a letter is both derived and what is derived by.
    """
    context = Context()
    alone: set[str] = set()
    defined: set[str] = set()
    for row in rows(parts):
        for number, part in enumerate(row):
            following = row[number + 1] if number + 1 < len(row) else None
            _note(context, part)
            _note_function(context, alone, applied_name(part) or "", following)
            is_first = number == 0 or row[number - 1] == Sign(",")
            if is_first and _defines(row, number):
                defined.add(applied_name(part) or "")
    context.functions = (context.functions - alone) | defined
    for row in rows(parts):
        for part in row:
            _note_indices(context, part)
    for row in rows(parts):
        for part in row:
            if isinstance(part, Scripted) and part.base == Sign("e") and part.sup is not None:
                context.has_euler = True
                has_unit = any(Sign("i") in row for row in rows(part.sup, subscripts=False))
                context.has_imaginary |= has_unit and "i" not in context.bound
    variables = {one for names in context.dependent.values() for one in names}
    if both := sorted(variables & context.dependent.keys()):
        raise failure(f"{both[0]} is a variable in one derivative and a function in another")
    context.functions |= context.dependent.keys()
    return context


def rows(parts: Parts, subscripts: bool = True) -> Iterator[Parts]:
    """All rows in parts, they themselves first; those of subscripts only if wanted."""
    yield parts
    for part in parts:
        for row in _inner(part, subscripts):
            yield from rows(row, subscripts)


def _inner(part: Part, subscripts: bool) -> Iterator[Parts]:
    match part:
        case Fenced(_, body, _) | Braced(body):
            yield body
        case Scripted(base, sub, sup):
            yield from _inner(base, subscripts)
            if sub is not None and subscripts:
                yield sub
            if sup is not None:
                yield sup
        case Construct(_, args, index):
            yield from args
            if index is not None:
                yield index
        case Table(lines):
            yield from (cell for line in lines for cell in line)


def letters_of(parts: Parts) -> set[str]:
    """Names of all letters in parts, those of subscripts as well."""
    return {name for row in rows(parts) for part in row if (name := letter_name(head(part)))}


def letter_name(part: Part) -> str | None:
    """The name of a letter, with its subscript and its accent; None for anything else."""
    match part:
        case Sign(token, False):
            if len(token) == 1 and token.isalpha():
                return token
            if token in GREEK or token in (r"\ell", r"\hbar"):
                return token[1:]
        case Construct(token, ((inner,),)) if isinstance(inner, Sign):
            name = letter_name(inner)
            if name is not None and token in _ACCENTS:
                return name + token[1:]
            return f"Delta {name}" if name is not None and token == r"\Delta" else None
        case Scripted(base, sub, None) if sub is not None:
            name, below = letter_name(base), subscript_name(sub)
            return None if name is None or below is None else f"{name}_{below}"
    return None


def applied_name(part: Part) -> str | None:
    """The name of a letter that may have primes; None for anything else."""
    if isinstance(part, Scripted) and part.sup is not None and not split_primes(part.sup)[1]:
        return letter_name(part.base if part.sub is None else replace(part, sup=None))
    return letter_name(part)


def subscript_name(parts: Parts) -> str | None:
    """A subscript as part of a name; None if it is none."""
    names = []
    for part in parts:
        match part:
            case Number(text) | Word(text) if text.isalnum():
                names.append(text)
            case Sign(token) if token in FUNCTIONS:
                names.append(token[1:])
            case _:
                if isinstance(part, Scripted) or (name := letter_name(part)) is None:
                    return None
                names.append(name)
    return "".join(names)


def is_differential(row: Parts, place: int) -> bool:
    r"""Whether a `d` and a variable stand at a place."""
    following = row[place + 1] if place + 1 < len(row) else None
    if row[place] != Sign("d") or following is None:
        return False
    if isinstance(following, Scripted):
        below = following.sub or ()
        if following.sup is not None or not all(isinstance(one, Number) for one in below):
            return False
    return letter_name(following) is not None


def derivation(part: Part) -> Derivation | None:
    """What a fraction derives; None if it is no derivative."""
    if not isinstance(part, Construct) or part.token != r"\frac" or not all(part.args):
        return None
    above, below = part.args
    mark, order = _powered(above[0])
    variables: list[tuple[str, int]] = []
    place = 0
    while place + 1 < len(below) and below[place] == mark:
        variable, count = _powered(below[place + 1])
        name = letter_name(variable)
        if name is None or count == 0:
            return None
        variables.append((name, count))
        place += 2
    is_whole = mark in _DIFFERENTIALS and place == len(below) and bool(variables)
    if not is_whole or order != sum(count for _, count in variables):
        return None
    return Derivation(tuple(variables), above[1:], mark == Sign(r"\partial"))


def _powered(part: Part) -> tuple[Part, int]:
    """A part without its superscript, which is a number; 0 if it is another one."""
    if not isinstance(part, Scripted) or part.sup is None:
        return part, 1
    base = part.base if part.sub is None else Scripted(part.base, part.sub)
    number = part.sup[0] if len(part.sup) == 1 else None
    if not isinstance(number, Number) or not number.text.isdigit():
        return base, 0
    return base, int(number.text)


def _note_function(context: Context, alone: set[str], name: str, following: Part | None) -> None:
    """Note whether a letter that may be a function stands before brackets."""
    after = head(following) if following is not None else None
    is_applied = isinstance(after, Fenced) and after.opening == "("
    if name.partition("_")[0] in _USUAL_FUNCTIONS:
        (context.functions if is_applied else alone).add(name)


def _note(context: Context, part: Part) -> None:
    if part in (Sign(r"\Re"), Sign(r"\Im")):
        context.has_imaginary = True
    if part in (Sign(r"\ln"), Sign(r"\exp")):
        context.has_euler = True
    found = derivation(part)
    if found is not None and len(found.body) == 1:
        derived = letter_name(found.body[0])
        if derived is not None:
            known = context.dependent.setdefault(derived, [])
            known += [one for one, _ in found.variables if one not in known]
    if isinstance(part, Scripted) and part.base in _BINDING and part.sub:
        variable = letter_name(part.sub[0])
        if variable is not None and part.sub[1:2] in ((Sign("="),), (Sign(r"\rightarrow"),)):
            context.bound.add(variable)


def _note_indices(context: Context, part: Part) -> None:
    if not isinstance(part, Scripted) or part.sub is None:
        return
    name = letter_name(part.base)
    if name is None:
        return
    letters = letters_of(part.sub)
    has_operator = any(one in (Sign("+"), Sign("-")) for one in part.sub[:-1]) and bool(letters)
    if letters & context.bound or has_operator:
        context.indexed.add(name)


def _defines(row: Parts, place: int) -> bool:
    """Whether a letter and variables in brackets are the left side of an equation."""
    if place + 2 >= len(row) or applied_name(row[place]) is None:
        return False
    fence, equals = row[place + 1 : place + 3]
    if not isinstance(fence, Fenced) or fence.opening != "(" or not is_relation(equals):
        return False
    variables = fence.body[::2]
    return (
        equals in (Sign("="), Sign(DEFINED))
        and all(letter_name(one) is not None for one in variables)
        and all(one == Sign(",") for one in fence.body[1::2])
        and len(set(variables)) == len(variables) > 0
    )
