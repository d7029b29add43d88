"""Reads sums, products and their factors as SymPy expressions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from .formula_parts_inktex import (
    DOUBLE_BAR,
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
from .sympy_context_inktex import Context, letter_name, letters_of, subscript_name
from .sympy_terms_inktex import (
    Kind,
    Term,
    call,
    difference,
    failure,
    negative,
    power,
    product,
    quotient,
    symbol,
    total,
)
from .text_signs_inktex import pairs
from .vocabulary_inktex import FUNCTIONS, UNKNOWN_MARK

__all__ = ["Cursor", "FactorReader", "described", "function_call", "number_term", "split_at"]

_ADDITIVE: Final = frozenset({"+", "-", r"\pm", r"\mp"})
_TIMES: Final = frozenset({r"\cdot", r"\times", "*"})
_DIVIDED: Final = frozenset({"/", r"\div"})
_SETS: Final = pairs("N Naturals Z Integers Q Rationals R Reals C Complexes")
_DESCRIBED: Final = {
    UNKNOWN_MARK: "there is a mark that is no symbol",
    DOUBLE_BAR: "|| has no meaning here",
    r"\prime": "a prime stands for itself",
}


class Cursor:
    """A place in a row of parts."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.at = parts, 0

    def peek(self) -> Part | None:
        """The part at the place; None at the end."""
        return self.parts[self.at] if self.at < len(self.parts) else None

    def token(self) -> str:
        """The token of the sign at the place, without scripts; "" for anything else."""
        part = self.peek()
        return part.token if isinstance(part, Sign) and not part.negated else ""


def split_at(parts: Parts, *separators: Part) -> list[Parts]:
    """The parts between separators."""
    pieces: list[list[Part]] = [[]]
    for part in parts:
        if part in separators:
            pieces.append([])
        else:
            pieces[-1].append(part)
    return [tuple(piece) for piece in pieces]


class FactorReader(ABC):
    r"""Reads expressions.

    Attributes:
        context: what letters stand for.
        is_upper: whether the upper one of `\pm` and `\mp` is read.
    """

    def __init__(self, context: Context, is_upper: bool) -> None:
        self.context, self.is_upper = context, is_upper

    @abstractmethod
    def operator(self, cursor: Cursor, part: Part) -> Term | None:
        """A sum, an integral, a limit or a derivative, with what it applies to; None of others."""

    @abstractmethod
    def applied(self, cursor: Cursor, part: Part) -> Term | None:
        """A function with its argument; None for anything else."""

    @abstractmethod
    def grouped(self, body: Parts) -> Term:
        """What stands in brackets alone: a value or a statement."""

    @abstractmethod
    def cases(self, table: Table) -> Term:
        """What stands behind a brace."""

    def expression(self, parts: Parts) -> Term:
        """All of a row as a sum.

        Raises:
            ValueError: if it cannot be expressed.
        """
        cursor = Cursor(parts)
        term = self.sum(cursor)
        if (part := cursor.peek()) is not None:
            raise failure(f"{described(part)} is no part of an expression")
        return term

    def sum(self, cursor: Cursor) -> Term:
        """Terms with signs before them, as many as there are."""
        if cursor.peek() is None:
            raise failure("something is missing beside an operator or within brackets")
        sign = self.sign(cursor)
        term = self.product(cursor)
        term = negative(term) if sign == "-" else term
        while (sign := self.sign(cursor)) != "":
            following = self.product(cursor)
            term = total(term, following) if sign == "+" else difference(term, following)
        return term

    def sign(self, cursor: Cursor) -> str:
        """`+` or `-` if a sign of a sum stands at the place, which is then behind it; else ""."""
        token = cursor.token()
        if token not in _ADDITIVE:
            return ""
        cursor.at += 1
        if token in ("+", "-"):
            return token
        return "+" if (token == r"\pm") == self.is_upper else "-"

    def product(self, cursor: Cursor) -> Term:
        """Factors side by side, or with signs of products and quotients between them."""
        term = self._implicit(cursor)
        while (token := cursor.token()) in _TIMES | _DIVIDED | {r"\bmod"}:
            cursor.at += 1
            if token in _TIMES:
                term = product([term, self._signed(cursor)])
            elif token == r"\bmod":
                term = call("Mod", term.text, self._signed(cursor).text)
            else:
                start = cursor.at
                divisor = self._signed(cursor)
                if self._is_juxtaposed(cursor.parts[start : cursor.at]):
                    raise failure("it is not clear how far what stands below a slash goes")
                term = quotient(term, divisor)
        return term

    def _is_juxtaposed(self, parts: Parts) -> bool:
        """Whether parts are several factors, unless a function is what the last ones belong to."""
        first = head(parts[0]) if parts else None
        is_applied = isinstance(first, Sign) and (
            first.token in FUNCTIONS or letter_name(first) in self.context.functions
        )
        operands = [one for one in parts if one != Sign("!") and one not in (Sign("-"), Sign("+"))]
        return len(operands) > 1 and not is_applied

    def _signed(self, cursor: Cursor) -> Term:
        sign = self.sign(cursor)
        term = self._implicit(cursor)
        return negative(term) if sign == "-" else term

    def _implicit(self, cursor: Cursor) -> Term:
        """Factors side by side."""
        factors: list[Term] = []
        while self.is_factor(cursor):
            before, part = cursor.parts[cursor.at - 1 : cursor.at], cursor.peek()
            factor = self.factor(cursor)
            if factors and isinstance(before[0], Number) and _is_numeric(part):
                raise failure("a number before a fraction can be a mixed number or a product")
            factors.append(factor)
        if not factors:
            part = cursor.peek()
            what = "nothing" if part is None else described(part)
            raise failure(f"there is {what} where a number or a symbol should be")
        return product(factors)

    def is_factor(self, cursor: Cursor) -> bool:
        """Whether another factor stands at the place, without an operator before it."""
        part = cursor.peek()
        if part is None or is_relation(part) or isinstance(part, Word):
            return False
        return cursor.token() not in _ADDITIVE | _TIMES | _DIVIDED | {
            *("!", ",", ";", r"\bmod", "|", DOUBLE_BAR, r"\wedge", r"\vee", r"\neg")
        }

    def factor(self, cursor: Cursor) -> Term:
        """One factor, with what belongs to it: arguments, factorials, powers of these."""
        part = cursor.peek()
        assert part is not None
        cursor.at += 1
        term = self.operator(cursor, part) or self.applied(cursor, part) or self._single(part)
        while (mark := cursor.peek()) is not None and head(mark) == Sign("!"):
            cursor.at += 1
            name = "factorial"
            if mark == Sign("!") and cursor.token() == "!":
                cursor.at += 1
                name = "factorial2"
            term = call(name, term.text)
            if isinstance(mark, Scripted):
                term = self.raised(term, mark)
        return term

    def _single(self, part: Part) -> Term:
        match part:
            case Number(text):
                return number_term(text)
            case Sign(token):
                return self._sign_term(part, token)
            case Fenced():
                return self._fenced(part)
            case Scripted(base, sub, _):
                if base == Sign("e") and sub is None and part.sup is not None:
                    return call("exp", self._exponent(part.sup).text)
                return self.raised(self._subscripted(part), part)
            case Construct():
                return self._construct(part)
            case Braced(body) if body:
                return self.expression(body)
        raise failure(f"{described(part)} is no part of an expression")

    def letter(self, name: str) -> Term:
        """What a letter by itself stands for."""
        if name == "e" and self.context.has_euler:
            return Term("E")
        if name == "i" and self.context.has_imaginary and name not in self.context.bound:
            return Term("I")
        if name == "pi":
            return Term("pi")
        if name in self.context.dependent:
            return function_call(
                name, ", ".join(symbol(v).text for v in self.context.dependent[name])
            )
        return symbol(name)

    def _sign_term(self, part: Sign, token: str) -> Term:
        name = letter_name(part)
        if name is not None:
            return self.letter(name)
        if part == Sign(r"\infty"):
            return Term("oo")
        if part == Sign(r"\emptyset"):
            return Term("EmptySet", kind=Kind.SET)
        if token in FUNCTIONS:
            raise failure(f"{token} has no argument that it is applied to")
        raise failure(_DESCRIBED.get(token) or f"it has no meaning for {described(part)} here")

    def _subscripted(self, part: Scripted) -> Term:
        """The base of a part with its subscript."""
        base, sub = part.base, part.sub
        if sub is None:
            return self._single(base)
        name = letter_name(base)
        if name is None:
            raise failure(f"{described(base)} has a subscript")
        if name in self.context.indexed:
            return call("Indexed", repr(name), *(one.text for one in self._indices(sub)))
        below = subscript_name(sub)
        if below is None:
            raise failure(f"the subscript of {name} is none of letters and digits")
        full = f"{name}_{below}"
        return self.letter(full) if full in self.context.dependent else symbol(full)

    def _indices(self, sub: Parts) -> list[Term]:
        pieces = split_at(sub, Sign(","))
        is_plain = all(isinstance(part, Number) or letter_name(part) is not None for part in sub)
        if len(pieces) == 1 and len(sub) > 1 and is_plain:
            if any(isinstance(part, Number) for part in sub):
                raise failure("a subscript can be one index or several")
            pieces = [(part,) for part in sub]  # a_{ij}
        return [self.expression(piece) for piece in pieces]

    def raised(self, term: Term, part: Scripted) -> Term:
        """A term with the superscript of a part."""
        primes, sup = split_primes(part.sup)
        if primes:
            raise failure("a prime can stand for a derivative or for another symbol")
        if not sup:
            return term
        if letter_name(part.base) is not None and isinstance(sup[0], Fenced) and len(sup) == 1:
            raise failure("a superscript in brackets can be an exponent or a mark")
        if sup == (Sign(r"\circ"),):
            return quotient(product([term, Term("pi")]), number_term("180"))
        if len(sup) == 1 and isinstance(mark := sup[0], Sign):
            if mark.token in ("*", "+", "-", r"\dagger", r"\top", r"\perp", r"\star"):
                raise failure(f"the superscript {mark.token} is no exponent")
            if mark.token == "T" and term.kind is Kind.MATRIX:
                return call("Transpose", term.text, kind=Kind.MATRIX)
            if mark.token == "T" and term.name[:1].isupper():
                raise failure(f"{term.name}^T can be a power or a transpose")
        return power(term, self._exponent(sup))

    def _exponent(self, sup: Parts) -> Term:
        term = self.expression(sup)
        if term.kind is not Kind.VALUE:
            raise failure(f"an exponent is {term.kind.value}")
        return term

    def _fenced(self, part: Fenced) -> Term:
        sides, body = (part.opening, part.closing), part.body
        inner = body[0] if len(body) == 1 else None
        if isinstance(inner, Table):
            if sides in (("(", ")"), ("[", "]")):
                return self._matrix(inner)
            if sides == ("|", "|"):
                return call("Determinant", self._matrix(inner).text)
            if sides == (r"\{", ""):
                return self.cases(inner)
            raise failure("there is a table in other brackets than those of a matrix")
        if sides == ("|", "|"):
            if isinstance(inner, Fenced) and inner.opening == "|":
                raise failure("there is a norm")
            return call("Abs", self.value(body, "a bar").text)
        if part.opening in (r"\lfloor", r"\lceil") and part.closing[2:] == part.opening[2:]:
            name = "floor" if part.opening == r"\lfloor" else "ceiling"
            return call(name, self.value(body, "a bracket").text)
        pieces = split_at(body, Sign(","))
        if sides == ("(", ")") and len(pieces) > 1:
            terms = [self.value(piece, "a pair") for piece in pieces]
            return Term(f"({', '.join(term.text for term in terms)})", kind=Kind.TUPLE)
        if sides == (r"\{", r"\}"):
            if len(pieces) > 1:
                terms = [self.value(piece, "a set") for piece in pieces]
                return call("FiniteSet", *(term.text for term in terms), kind=Kind.SET)
            if not any(isinstance(head(one), Fenced) for one in body):
                raise failure("braces can stand for a set or for brackets")
        if len(pieces) > 1 or sides not in (("(", ")"), ("[", "]"), (r"\{", r"\}")):
            raise failure(f"{part.opening} and {part.closing} can stand for several things")
        return self.grouped(body)

    def value(self, body: Parts, where: str) -> Term:
        """All of a row as a value or a pair of values; `where` it stands is for the message."""
        term = self.expression(body)
        if term.kind not in (Kind.VALUE, Kind.TUPLE):
            raise failure(f"{term.kind.value} stands within {where}")
        return term

    def _matrix(self, table: Table) -> Term:
        lines = [[self.expression(cell) for cell in line] for line in table.lines]
        if len({len(line) for line in lines}) != 1:
            raise failure("the lines of a matrix have different lengths")
        if any(cell.kind is not Kind.VALUE for line in lines for cell in line):
            raise failure("the cell of a matrix is no value")
        text = ", ".join(f"[{', '.join(cell.text for cell in line)}]" for line in lines)
        shape = (len(lines), len(lines[0]))
        return Term(f"Matrix([{text}])", kind=Kind.MATRIX, shape=shape)

    def _construct(self, part: Construct) -> Term:
        token, args = part.token, part.args
        name = letter_name(part)
        if name is not None:
            return self.letter(name)
        if token == r"\frac":
            return quotient(*(self.expression(arg) for arg in args))
        if token == r"\binom":
            return call("binomial", *(self.expression(arg).text for arg in args))
        if token == r"\sqrt":
            body = self.value(args[0], "a root").text
            if part.index is None:
                return call("sqrt", body)
            return call("root", body, self.value(part.index, "the index of a root").text)
        letter = args[0][0] if token == r"\mathbb" and len(args[0]) == 1 else None
        if isinstance(letter, Sign) and letter.token in _SETS:
            return Term(_SETS[letter.token], kind=Kind.SET)
        raise failure(f"it has no meaning for {token}")


def number_term(text: str) -> Term:
    """A number; integers without zeros before them."""
    if text.isdigit():
        return Term(str(int(text)), is_integer=True)
    return Term(f"0{text}" if text.startswith(".") else text)


def described(part: Part) -> str:
    """A part in words, for messages."""
    match head(part):
        case Number(text):
            return text
        case Sign(token):
            return token
        case Word(text):
            return f'the word "{text}"'
        case Fenced(opening, _, closing):
            return f"what {opening} and {closing} enclose"
        case Construct(token):
            return token
        case Table():
            return "a table"
    return "an empty base"


def function_call(name: str, arguments: str) -> Term:
    """A function without a definition, applied to arguments."""
    return Term(f"Function({name!r})({arguments})")


def _is_numeric(part: Part | None) -> bool:
    return (
        isinstance(part, Construct)
        and part.token == r"\frac"
        and not any(letters_of(arg) for arg in part.args)
    )
