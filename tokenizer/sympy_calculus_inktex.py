"""Reads sums, products, integrals, limits and derivatives as SymPy expressions."""

from __future__ import annotations

from dataclasses import replace

from .formula_parts_inktex import (
    Construct,
    Number,
    Part,
    Parts,
    Scripted,
    Sign,
    head,
    is_relation,
)
from .sympy_context_inktex import derivation, is_differential, letter_name, letters_of, rows
from .sympy_factors_inktex import Cursor, number_term, split_at
from .sympy_functions_inktex import FunctionReader
from .sympy_terms_inktex import Kind, Term, call, failure, symbol
from .vocabulary_inktex import BIG_OPERATORS

__all__ = ["CalculusReader"]

_SUMS = {r"\sum": "Sum", r"\prod": "Product"}


class CalculusReader(FunctionReader):
    """Reads expressions with operators that bind a variable."""

    def operator(self, cursor: Cursor, part: Part) -> Term | None:
        """A sum, an integral, a limit or a derivative, with what it applies to; None of others."""
        base = head(part)
        token = base.token if isinstance(base, Sign) and not base.negated else ""
        sub, sup = (part.sub, part.sup) if isinstance(part, Scripted) else (None, None)
        if token in _SUMS:
            return self._sum(cursor, token, sub, sup)
        if token == r"\int":
            return self._integral(cursor, sub, sup)
        if token == r"\lim":
            return self._limit(cursor, sub)
        if token in BIG_OPERATORS:
            raise failure(f"it has no meaning for {token}")
        return self._derivative(cursor, part)

    def _body(self, cursor: Cursor, what: str) -> Term:
        """The term that an operator applies to, up to the next plus or minus."""
        if cursor.peek() is None:
            raise failure(f"nothing stands behind {what}")
        body = self.product(cursor)
        if body.kind is not Kind.VALUE:
            raise failure(f"{body.kind.value} stands behind {what}")
        return body

    def _sum(self, cursor: Cursor, token: str, sub: Parts | None, sup: Parts | None) -> Term:
        variable = letter_name(sub[0]) if sub else None
        if sub is None or sup is None or variable is None or sub[1:2] != (Sign("="),):
            raise failure(f"{token} has no variable with both bounds")
        low, high = self.expression(sub[2:]), self.expression(sup)
        body = self._body(cursor, token)
        bounds = f"({symbol(variable).text}, {low.text}, {high.text})"
        return call(_SUMS[token], body.text, bounds)

    def _limit(self, cursor: Cursor, sub: Parts | None) -> Term:
        pieces = split_at(sub or (), Sign(r"\rightarrow"))
        variable = letter_name(pieces[0][0]) if len(pieces) == 2 and pieces[0] else None
        if variable is None or len(pieces[0]) != 1 or not pieces[1]:
            raise failure(r"\lim has no variable with an arrow to its limit")
        target, side = pieces[1], "+-"
        if isinstance(last := target[-1], Scripted) and last.sup in ((Sign("+"),), (Sign("-"),)):
            side = "+" if last.sup == (Sign("+"),) else "-"
            target = (*target[:-1], last.base if last.sub is None else replace(last, sup=None))
        limit = self.expression(target)
        body = self._body(cursor, r"\lim")
        sides = [] if limit.text in ("oo", "-oo") else [repr(side)]
        return call("Limit", body.text, symbol(variable).text, limit.text, *sides)

    def _derivative(self, cursor: Cursor, part: Part) -> Term | None:
        found = derivation(part)
        if found is None:
            return None
        if found.body:
            body = self.expression(found.body)
        else:
            body = self._body(cursor, "the sign of a derivative")
        if body.kind is not Kind.VALUE:
            raise failure(f"{body.kind.value} is derived")
        variables = (
            symbol(name).text if order == 1 else f"({symbol(name).text}, {order})"
            for name, order in found.variables
        )
        return call("Derivative", body.text, *variables)

    def _integral(self, cursor: Cursor, sub: Parts | None, sup: Parts | None) -> Term:
        if (sub is None) is not (sup is None):
            raise failure("an integral has one bound, or a region")
        integrand, variable = self._integrand(cursor)
        if variable in self.context.dependent:
            raise failure(f"{variable} is a function, and what is integrated by")
        below = (part.sub for row in rows(integrand) for part in row if isinstance(part, Scripted))
        if any(variable in letters_of(one) for one in below if one is not None):
            raise failure(f"the subscript {variable} can make a function of what is integrated")
        body = self.expression(integrand) if integrand else number_term("1")
        if body.kind is not Kind.VALUE:
            raise failure(f"{body.kind.value} is integrated")
        name = symbol(variable).text
        if sub is None or sup is None:
            return call("Integral", body.text, name)
        low, high = self.expression(sub), self.expression(sup)
        return call("Integral", body.text, f"({name}, {low.text}, {high.text})")

    def _integrand(self, cursor: Cursor) -> tuple[Parts, str]:
        """What stands between an integral and its differential, and the variable of that."""
        row, start = cursor.parts, cursor.at
        depth = 1
        for place in range(start, len(row)):
            if is_relation(row[place]):
                break
            depth += head(row[place]) == Sign(r"\int")
            if is_differential(row, place):
                depth -= 1
                if not depth:
                    cursor.at = place + 2
                    if place == start and self.is_factor(cursor):
                        raise failure("a differential stands before what is integrated")
                    return row[start:place], letter_name(row[place + 1]) or ""
        for place in range(start, len(row)):
            part = row[place]
            if is_relation(part):
                break
            above = part.args[0] if isinstance(part, Construct) and part.token == r"\frac" else ()
            for at in range(len(above)):
                if isinstance(part, Construct) and is_differential(above, at):
                    rest = above[:at] + above[at + 2 :]
                    fraction = replace(part, args=(rest or (Number("1"),), part.args[1]))
                    cursor.at = place + 1
                    return (*row[start:place], fraction), letter_name(above[at + 1]) or ""
        raise failure("an integral has no differential")
