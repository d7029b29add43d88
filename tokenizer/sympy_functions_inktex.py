"""Reads functions that are applied to arguments as SymPy expressions."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .formula_parts_inktex import (
    Fenced,
    Number,
    Part,
    Parts,
    Scripted,
    Sign,
    head,
    split_primes,
)
from .sympy_context_inktex import applied_name, letter_name
from .sympy_factors_inktex import Cursor, FactorReader, function_call, split_at
from .sympy_terms_inktex import Kind, Term, call, failure, negative, product
from .text_signs_inktex import pairs
from .vocabulary_inktex import BIG_OPERATORS, FUNCTIONS

__all__ = ["FunctionReader"]

_APPLIED: Final = pairs(r"""
    \sin sin \cos cos \tan tan \cot cot \sec sec \csc csc \arcsin asin \arccos acos \arctan atan
    \sinh sinh \cosh cosh \tanh tanh \coth coth \log log \ln log \lg log \exp exp
    \Re re \Im im \arg arg
""")
"""Functions of one argument, and SymPy's names of them."""
_INVERSE: Final = {
    name: f"a{name}" for name in "sin cos tan cot sec csc sinh cosh tanh coth".split()
}
_SPECIAL: Final = {"Gamma": "gamma", "zeta": "zeta"}
"""Letters that name a function of SymPy where brackets follow."""
_DIFFERENTIATED: Final = frozenset({*"rstuvwxyzASVW", "phi", "theta"})
"""Letters of which `d` often stands for the differential."""


class FunctionReader(FactorReader):
    """Reads functions: those of LaTeX by their names, and letters that the formula applies."""

    def applied(self, cursor: Cursor, part: Part) -> Term | None:
        """A function with its argument; None for anything else."""
        base = head(part)
        sub, sup = (part.sub, part.sup) if isinstance(part, Scripted) else (None, None)
        token = base.token if isinstance(base, Sign) and not base.negated else ""
        if token in _APPLIED:
            return self._known(cursor, token, sub, sup)
        if token in (r"\max", r"\min") and part == base:
            return self._extreme(cursor, token)
        following = cursor.peek()
        if following is None:
            return None
        self._check_clear(part, following)
        fence, name = head(following), applied_name(part)
        if not isinstance(fence, Fenced) or (fence.opening, fence.closing) != ("(", ")"):
            return None
        if name is None:
            return self._derived(cursor, part, fence)
        if name in _SPECIAL and part == base and following == fence:
            cursor.at += 1
            return call(_SPECIAL[name], self.value(fence.body, "an argument").text)
        if name not in self.context.functions:
            return None
        cursor.at += 1
        pieces = split_at(fence.body, Sign(","))
        arguments = [self.value(piece, "an argument") for piece in pieces]
        term = function_call(name, ", ".join(argument.text for argument in arguments))
        term = self._primed(term, arguments, split_primes(sup)[0])
        return self.raised(term, following) if isinstance(following, Scripted) else term

    def _derived(self, cursor: Cursor, part: Part, fence: Fenced) -> Term | None:
        """The `n`-th derivative of a function, `f^{(n)}(x)`; None for what is no function."""
        if not isinstance(part, Scripted) or part.sup is None:
            return None
        name = applied_name(part.base if part.sub is None else replace(part, sup=None))
        if name is None or (name[0] not in "fghEFGHP" and name not in self.context.functions):
            return None
        order = part.sup[0]
        if len(part.sup) > 1 or not isinstance(order, Fenced) or order.opening != "(":
            raise failure(f"a superscript stands between {name} and its argument")
        argument = self.value(fence.body, "an argument")
        if not argument.name or self.expression(order.body).kind is not Kind.VALUE:
            raise failure("a derivative is one of something else than one variable")
        cursor.at += 1
        term = function_call(name, argument.text)
        count = self.expression(order.body).text
        return call("Derivative", term.text, f"({argument.text}, {count})")

    def _primed(self, term: Term, arguments: list[Term], primes: int) -> Term:
        """The derivative of a function of one variable."""
        if not primes:
            return term
        if len(arguments) != 1 or not arguments[0].name:
            raise failure("a prime stands at a function of something else than one variable")
        variable = arguments[0].text
        return call("Derivative", term.text, variable if primes == 1 else f"({variable}, {primes})")

    def _known(self, cursor: Cursor, token: str, sub: Parts | None, sup: Parts | None) -> Term:
        name = _APPLIED[token]
        base = ["10"] if token == r"\lg" else []
        if sub is not None:
            if token != r"\log":
                raise failure(f"{token} has a subscript")
            base = [self.expression(sub).text]
        if sup == (Sign("-"), Number("1")):
            if name not in _INVERSE:
                raise failure(f"{token}^{{-1}} can be a power or the inverse function")
            name, sup = _INVERSE[name], None
        argument, outer = self._argument(cursor, token)
        term = call(name, argument.text, *base)
        for raised in (sup, outer):
            if raised is not None:
                term = self.raised(term, Scripted(Sign(token), sup=raised))
        return term

    def _argument(self, cursor: Cursor, token: str) -> tuple[Term, Parts | None]:
        """The argument of a function, and the superscript of the brackets around it."""
        part = cursor.peek()
        fence = head(part) if part is not None else None
        if isinstance(fence, Fenced) and fence.opening in ("(", "[") and part is not None:
            cursor.at += 1
            sup = part.sup if isinstance(part, Scripted) else None
            return self.value(fence.body, f"the argument of {token}"), sup
        sign = self.sign(cursor)
        factors: list[Term] = []
        while self.is_factor(cursor):
            part = cursor.peek()
            base = head(part) if part is not None else None
            is_function = isinstance(base, Sign) and base.token in FUNCTIONS | BIG_OPERATORS
            is_fence = isinstance(base, Fenced) and base.opening == "("
            if factors and (is_function or is_fence):
                break
            factors.append(self.factor(cursor))
        if not factors:
            raise failure(f"{token} has no argument that it is applied to")
        argument = product(factors)
        if argument.kind is not Kind.VALUE:
            raise failure(f"{token} is applied to {argument.kind.value}")
        return negative(argument) if sign == "-" else argument, None

    def _extreme(self, cursor: Cursor, token: str) -> Term:
        fence = cursor.peek()
        if not isinstance(fence, Fenced) or fence.opening not in ("(", r"\{"):
            raise failure(f"{token} has no list in brackets behind it")
        cursor.at += 1
        terms = [self.value(piece, token) for piece in split_at(fence.body, Sign(","))]
        return call(token[1:].capitalize(), *(term.text for term in terms))

    def _check_clear(self, part: Part, following: Part) -> None:
        """Raise an error for letters side by side that can mean several things."""
        name, after = applied_name(part), head(following)
        if name is None:
            return
        if name == "d" and letter_name(after) in _DIFFERENTIATED:
            raise failure(f"d{letter_name(after)} can be a differential or a product")
        if not isinstance(after, Fenced) or name in self.context.functions:
            return
        is_list = any(isinstance(one, Sign) and one.token == "," for one in after.body)
        is_single = len(after.body) == 1
        is_usual = name[0] in "EFGHPfgh" or (after.opening == "[" and name[0].isupper())
        is_bracketed = after.opening in ("(", "[") and name not in ("pi", *_SPECIAL)
        if is_bracketed and (is_list or is_single or is_usual):
            raise failure(f"{name} before brackets can be a function or a factor")
