r"""Writes canonical tokens as an expression of SymPy, as text.

`sympy.sympify` reads the text, and so does Python where the names of SymPy and of the symbols are
known. Nothing is guessed: where mathematics leaves open what is meant, the error says what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from .formula_parts_inktex import (
    Construct,
    Fenced,
    Number,
    Part,
    Parts,
    Sign,
    Table,
    Word,
    bounded,
    formula_parts,
    is_relation,
    lines_of,
)
from .sympy_calculus_inktex import CalculusReader
from .sympy_context_inktex import make_context, rows, with_deltas
from .sympy_factors_inktex import described, split_at
from .sympy_terms_inktex import Kind, Level, Term, call, failure

__all__ = ["sympy_expression"]

_COMPARED: Final = {"<": "<", ">": ">", r"\leq": "<=", r"\geq": ">="}
_ARROWS: Final = {
    Sign(r"\Rightarrow"): "Implies",
    Sign(r"\Leftarrow"): "Implies",
    Sign(r"\Leftrightarrow"): "Equivalent",
}
_CONDITION_WORDS: Final = ("if", "for", "when", "where")
_ELSE_WORDS: Final = ("otherwise", "else")
_SET_OPERATORS: Final = {r"\cup": "Union", r"\cap": "Intersection", r"\setminus": "Complement"}
_SIDES: Final = {
    ("[", "]"): "Interval",
    ("(", ")"): "Interval.open",
    ("[", ")"): "Interval.Ropen",
    ("(", "]"): "Interval.Lopen",
}


@bounded
def sympy_expression(tokens: Sequence[str]) -> str:
    r"""Write tokens as an expression of SymPy.

    An equation is an `Eq`, a system of them a list. Letters side by side are factors; `f`, `g`,
    `h`, letters that the formula defines or derives, and the functions of LaTeX are applied to what
    follows. With `\pm` it is a list of both readings, the upper signs first.

    Args:
        tokens: canonical tokens; special ones are left out, and what is not closed is closed.

    Raises:
        ValueError: if the formula is none that SymPy can express, or may mean several things; the
            message says which part of it. Also if there are too many tokens, or too deep ones.

    Example:
        >>> sympy_expression("x ^ { 2 } + y ^ { 2 } = 1".split())
        'Eq(x**2 + y**2, 1)'
    """
    parts = with_deltas(formula_parts(tokens))
    if not parts:
        raise failure("there is none")
    context = make_context(parts)
    has_signs = any(part in (Sign(r"\pm"), Sign(r"\mp")) for row in rows(parts) for part in row)
    terms = _StatementReader(context, True).whole(parts)
    if has_signs:
        terms += _StatementReader(context, False).whole(parts)
    texts = [term.text for term in terms]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


class _StatementReader(CalculusReader):
    """Reads equations, inequalities, and what is made of them."""

    def whole(self, parts: Parts) -> list[Term]:
        """The statements of a formula, or the one expression that it is."""
        lines = lines_of(parts)
        brace = parts[0] if len(parts) == 1 else None
        if isinstance(brace, Fenced) and (brace.opening, brace.closing) == (r"\{", ""):
            inside = lines_of(brace.body)
            lines = inside if len(inside) > 1 and not _is_piecewise(inside) else lines
        terms: list[Term] = []
        last: Parts = ()
        for line in lines:
            if line[:1] == (Sign(r"\therefore"),):
                line = line[1:]
            if terms and line and is_relation(line[0]):
                line = (*last, *line)  # goes on with the last line
            terms += self._listed(line)
            places = [place for place, part in enumerate(line) if is_relation(part)]
            last = line[places[-1] + 1 :] if places else ()
        if len(lines) > 1 and any(term.kind is not Kind.TRUTH for term in terms):
            raise failure("there are several lines that are no system of equations")
        return terms

    def _listed(self, parts: Parts) -> list[Term]:
        """Statements or expressions with commas, or with "and" between them."""
        while parts and parts[-1] in (Sign("."), Sign(","), Sign(";")):
            parts = parts[:-1]
        pieces = split_at(parts, Sign(","), Sign(";"), Word("and"))
        if _has_decimal_comma(parts):
            raise failure("a comma between two numbers can be one of a list or of a decimal number")
        terms = [self.statement(piece) for piece in pieces]
        if len({term.kind is Kind.TRUTH for term in terms}) > 1:
            raise failure("there are equations and expressions that are none in one list")
        return terms

    def grouped(self, body: Parts) -> Term:
        """What stands in brackets alone: a value or a statement."""
        is_logical = any(
            is_relation(part) or part in (Sign(r"\wedge"), Sign(r"\vee"), Sign(r"\neg"))
            for part in body
        )
        return self.statement(body) if is_logical else self.expression(body)

    def statement(self, parts: Parts) -> Term:
        """Statements with arrows between them, or a single one, or an expression."""
        arrows = [part for part in parts if isinstance(part, Sign) and part in _ARROWS]
        if not arrows:
            return self._either(parts)
        sides = [self._truth(piece) for piece in split_at(parts, *_ARROWS)]
        links = []
        for number, arrow in enumerate(arrows):
            pair = [sides[number].text, sides[number + 1].text]
            if arrow == Sign(r"\Leftarrow"):
                pair.reverse()
            links.append(call(_ARROWS[arrow], *pair, kind=Kind.TRUTH))
        return _all(links)

    def _truth(self, parts: Parts) -> Term:
        term = self._either(parts)
        if term.kind is not Kind.TRUTH and not term.name:
            raise failure(f"{term.text} is no statement")
        return term

    def _either(self, parts: Parts) -> Term:
        for name, separators in (("Or", (Sign(r"\vee"), Word("or"))), ("And", (Sign(r"\wedge"),))):
            pieces = split_at(parts, *separators)
            if len(pieces) > 1:
                return call(name, *(self._truth(one).text for one in pieces), kind=Kind.TRUTH)
        if parts[:1] == (Sign(r"\neg"),):
            return call("Not", self._truth(parts[1:]).text, kind=Kind.TRUTH)
        return self._comparison(parts)

    def _comparison(self, parts: Parts) -> Term:
        places = [place for place, part in enumerate(parts) if is_relation(part)]
        if not places:
            return self._set(parts) if self._is_set(parts) else self.expression(parts)
        bounds = [-1, *places, len(parts)]
        sides = [parts[a + 1 : b] for a, b in pairwise(bounds)]
        if not all(sides):
            raise failure(f"{described(parts[places[0]])} has nothing at one of its sides")
        return _all(
            [
                self._compared(sides[number], parts[place], sides[number + 1])
                for number, place in enumerate(places)
            ]
        )

    def _compared(self, left: Parts, sign: Part, right: Parts) -> Term:
        token = sign.token if isinstance(sign, Sign) else ""
        is_negated = isinstance(sign, Sign) and sign.negated
        if token in (r"\in", r"\notin"):
            element, whole = self.expression(left).text, self._set(right).text
            term = call("Contains", element, whole, kind=Kind.TRUTH)
            is_outside = is_negated is not (token == r"\notin")
            return call("Not", term.text, kind=Kind.TRUTH) if is_outside else term
        congruent = _modulus(right) if token == r"\equiv" and not is_negated else None
        if congruent is not None:
            value, modulus = congruent
            by = self.expression(modulus).text
            sides = [f"Mod({self.expression(side).text}, {by})" for side in (left, value)]
            return call("Eq", *sides, kind=Kind.TRUTH)
        if token in ("=", r"\neq") and not (is_negated and token == r"\neq"):
            name = "Eq" if token == "=" and not is_negated else "Ne"
            return call(name, *_equals(self._side(left), self._side(right)), kind=Kind.TRUTH)
        if token in _COMPARED and not is_negated:
            values = [self._side(side) for side in (left, right)]
            if any(value.kind is not Kind.VALUE for value in values):
                raise failure(f"{token} stands between what has no order")
            text = f" {_COMPARED[token]} ".join(value.within(Level.SUM) for value in values)
            return Term(text, Level.RELATION, Kind.TRUTH)
        raise failure(
            f"it has no relation for {'a struck ' if is_negated else ''}{described(sign)}"
        )

    def _side(self, parts: Parts) -> Term:
        return self._set(parts) if self._is_set(parts) else self.expression(parts)

    def _is_set(self, parts: Parts) -> bool:
        """Whether parts are joined as sets are, whatever they are."""
        return any(isinstance(part, Sign) and part.token in _SET_OPERATORS for part in parts)

    def _set(self, parts: Parts) -> Term:
        """A set: one that is written out, or sets joined to one another."""
        for token, name in _SET_OPERATORS.items():
            pieces = split_at(parts, Sign(token))
            if len(pieces) > 1:
                if (token == r"\setminus" and len(pieces) > 2) or not all(pieces):
                    raise failure(f"there is no set at one side of {token}")
                return call(name, *(self._set(piece).text for piece in pieces), kind=Kind.SET)
        part = parts[0] if len(parts) == 1 else None
        if isinstance(part, Fenced) and (part.opening, part.closing) in _SIDES:
            ends = split_at(part.body, Sign(","))
            if len(ends) == 1 and part.opening == "(":
                return self._set(part.body)
            if len(ends) == 2:
                texts = [self.expression(end).text for end in ends]
                return call(_SIDES[part.opening, part.closing], *texts, kind=Kind.SET)
        if isinstance(part, Fenced) and part.opening == r"\{":
            elements = [self.expression(one).text for one in split_at(part.body, Sign(","))]
            return call("FiniteSet", *elements, kind=Kind.SET)
        if isinstance(part, Sign | Construct):
            term = self.expression(parts)
            if term.kind is Kind.SET:
                return term
        raise failure("a set is none that is written out")

    def cases(self, table: Table) -> Term:
        """A function that is defined by cases."""
        lines = [_split_case(line) for line in table.lines]
        pairs = []
        for value, condition in lines:
            if not value or condition is None:
                raise failure("a brace has lines that are no cases with their conditions")
            pairs.append(f"({self.expression(value).text}, {self._condition(condition)})")
        return call("Piecewise", *pairs)

    def _condition(self, parts: Parts) -> str:
        if parts and isinstance(word := parts[0], Word):
            if word.text in _ELSE_WORDS and len(parts) == 1:
                return "True"
            if word.text in _CONDITION_WORDS:
                parts = parts[1:]
        return self._truth(parts).text


def _all(terms: Sequence[Term]) -> Term:
    """One statement that all of some hold."""
    if len(terms) == 1:
        return terms[0]
    return call("And", *(term.text for term in terms), kind=Kind.TRUTH)


def _equals(left: Term, right: Term) -> list[str]:
    """The two sides of an equation; a symbol that equals a matrix is one of its shape."""
    texts = [left.text, right.text]
    if left.kind is right.kind:
        return texts
    for number, (one, other) in enumerate(((left, right), (right, left))):
        if one.name and other.shape is not None:
            texts[number] = f"MatrixSymbol({one.name!r}, {other.shape[0]}, {other.shape[1]})"
            return texts
    raise failure(
        f"an equation has {left.kind.value} at one side and {right.kind.value} at another"
    )


def _modulus(parts: Parts) -> tuple[Parts, Parts] | None:
    r"""What stands before `(\bmod n)`, and the `n`."""
    last = parts[-1] if parts else None
    if len(parts) > 1 and isinstance(last, Fenced) and last.body[:1] == (Sign(r"\bmod"),):
        return parts[:-1], last.body[1:]
    return None


def _has_decimal_comma(parts: Parts) -> bool:
    return any(
        parts[place] == Sign(",")
        and isinstance(parts[place - 1], Number)
        and isinstance(parts[place + 1], Number)
        for place in range(1, len(parts) - 1)
    )


def _split_case(line: Sequence[Parts]) -> tuple[Parts, Parts | None]:
    """A line of cases as its value and its condition."""
    if len(line) == 2:
        value = line[0][:-1] if line[0][-1:] == (Sign(","),) else line[0]
        return value, line[1]
    pieces = split_at(line[0], Sign(",")) if len(line) == 1 else []
    if len(pieces) == 2:
        return pieces[0], pieces[1]
    cell = line[0] if len(line) == 1 else ()
    words = [place for place, part in enumerate(cell) if isinstance(part, Word)]
    return (cell[: words[0]], cell[words[0] :]) if len(words) == 1 else (cell, None)


def _is_piecewise(lines: Sequence[Parts]) -> bool:
    """Whether lines are values with conditions behind a comma or a word."""
    split = [_split_case((line,)) for line in lines]
    return all(
        condition is not None and value and not any(map(is_relation, value))
        for value, condition in split
    )
