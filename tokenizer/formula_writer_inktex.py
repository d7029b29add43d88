"""What writers of plain text formats share: the walk over the parts, and where spaces stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar, Final

from .formula_parts_inktex import (
    BINARY,
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
    begins_term,
    is_relation,
    split_primes,
)
from .mathml_signs_inktex import ACCENT_SIGNS
from .vocabulary_inktex import FUNCTIONS

__all__ = ["FormulaWriter", "Kind", "Piece", "Place"]


class Place(Enum):
    """Where a row stands."""

    LINE = auto()
    SCRIPT = auto()
    ARGUMENT = auto()
    """Directly within the brackets of a call, where commas separate its arguments."""


class Kind(Enum):
    """What a piece of text is to its neighbours."""

    NUMBER = auto()
    LETTER = auto()
    NAME = auto()
    """A sign that is written as a word, e.g. `alpha`."""
    FUNCTION = auto()
    """The name of a function, with or without scripts."""
    CALL = auto()
    """A name with arguments in brackets."""
    FENCE = auto()
    SCRIPTED = auto()
    FRACTION = auto()
    """With a slash."""
    PREFIX = auto()
    BINARY = auto()
    RELATION = auto()
    SEPARATOR = auto()
    POSTFIX = auto()
    SLASH = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of a part, and what it is."""

    text: str
    kind: Kind


_SIGNED: Final = frozenset({"+", "-", r"\pm", r"\mp"})
_POSTFIX: Final = frozenset({"!", ".", "?", r"\%"})
_OPERANDS: Final = frozenset(
    {Kind.NUMBER, Kind.LETTER, Kind.NAME, Kind.FUNCTION, Kind.CALL, Kind.FENCE, Kind.SCRIPTED,
     Kind.FRACTION}
)  # fmt: skip
_SHORT: Final = frozenset({Kind.NUMBER, Kind.LETTER, Kind.NAME})
_SCRIPTS: Final = (Sign("+"), Sign("-"), Sign("*"), Sign("?"), Sign("!"), Sign(r"\circ"))
"""Signs beside letters and numbers that need no brackets in a script."""
_CALLS: Final = frozenset({r"\sqrt", r"\mathbb", *ACCENT_SIGNS})
"""Commands that are written as calls."""
_SPACED: Final = frozenset({Kind.BINARY, Kind.RELATION})


class FormulaWriter(ABC):
    """Writes the parts of a formula as text."""

    signs: ClassVar[dict[str, str]]
    """Token -> text, where they differ."""

    @abstractmethod
    def unlisted(self, token: str) -> str:
        """The text of a token that `signs` lacks."""

    @abstractmethod
    def struck(self, token: str) -> str:
        """The text of a sign with a slash through it."""

    @abstractmethod
    def word(self, text: str) -> Piece:
        """Upright text."""

    @abstractmethod
    def fenced(self, part: Fenced, place: Place) -> Piece:
        """Delimiters and what they enclose."""

    @abstractmethod
    def scripted(self, part: Scripted, place: Place) -> Piece:
        """A base with its scripts."""

    @abstractmethod
    def construct(self, part: Construct, place: Place) -> Piece:
        """A command with its arguments."""

    @abstractmethod
    def table(self, part: Table) -> Piece:
        """Lines of cells without delimiters."""

    @abstractmethod
    def braced(self, part: Braced, place: Place) -> Piece:
        """A base that is a whole."""

    @abstractmethod
    def juxtaposed(self, left: Piece, right: Piece, following: Piece | None) -> str:
        """What stands between two operands without an operator, a space or nothing."""

    def clashes(self, left: str, right: str) -> bool:
        """Whether two texts would be read as others if they were not separated."""
        return False

    def sign(self, part: Sign, place: Place) -> str:
        """The text of a sign."""
        if part.negated:
            return self.struck(part.token)
        if (text := self.signs.get(part.token)) is not None:
            return text
        return self.unlisted(part.token)

    def row(self, parts: Parts, place: Place = Place.LINE) -> str:
        """The text of parts side by side."""
        return self.joined(self.pieces(parts, place), place)

    def pieces(self, parts: Parts, place: Place) -> list[Piece]:
        """The pieces of parts side by side, in their order."""
        return [
            self.piece(part, parts[number - 1] if number else None, place)
            for number, part in enumerate(parts)
        ]

    def piece(self, part: Part, before: Part | None, place: Place) -> Piece:
        """The text of a part behind another one, and what it is."""
        match part:
            case Number(text):
                return Piece(text, Kind.NUMBER)
            case Word(text):
                return self.word(text)
            case Fenced():
                return self.fenced(part, place)
            case Table():
                return self.table(part)
            case Braced():
                return self.braced(part, place)
            case Sign():
                return Piece(self.sign(part, place), self._kind(part, before))
            case Scripted():
                piece = self.scripted(part, place)
            case Construct():
                piece = self.construct(part, place)
        return Piece(piece.text, Kind.RELATION) if is_relation(part) else piece

    def scripted_kind(self, part: Scripted) -> Kind:
        """What a base with scripts is."""
        match part.base:
            case Sign(token) if token in BINARY:
                return Kind.BINARY
            case Sign(token) if token in FUNCTIONS:
                return Kind.FUNCTION
            case Sign() if part.sub is None and not split_primes(part.sup)[1]:
                kind = self._kind(part.base, None)
                return kind if kind in _SHORT else Kind.SCRIPTED
        return Kind.SCRIPTED

    def _kind(self, part: Sign, before: Part | None) -> Kind:
        token = part.token
        if is_relation(part) or token in ("|", DOUBLE_BAR):
            return Kind.RELATION
        if part.negated:
            return Kind.OTHER
        if token in BINARY:
            return Kind.PREFIX if token in _SIGNED and begins_term(before) else Kind.BINARY
        if token in (",", ";"):
            return Kind.SEPARATOR
        if token in _POSTFIX:
            return Kind.POSTFIX
        if token == "/":
            return Kind.SLASH
        if token in FUNCTIONS:
            return Kind.FUNCTION
        if len(token) == 1 and token.isalpha():
            return Kind.LETTER
        return Kind.NAME if self.signs.get(token, token)[0].isalpha() else Kind.OTHER

    def joined(self, pieces: Sequence[Piece], place: Place) -> str:
        """The text of pieces side by side, in scripts without spaces around `=`, `+` and `-`."""
        tight = {
            number
            for number in range(1, len(pieces) - 1)
            if place is Place.SCRIPT
            and pieces[number].text in ("=", "+", "-")
            and pieces[number - 1].kind in _SHORT
            and pieces[number + 1].kind in _SHORT
        }
        out = ""
        for number, piece in enumerate(pieces):
            is_tight = not number or bool({number, number - 1} & tight)
            gap = "" if is_tight else self.between(*pieces[number - 1 : number + 2])
            out += " " if not gap and self.clashes(out, piece.text) else gap
            out += piece.text
        return out

    def between(self, left: Piece, right: Piece, following: Piece | None = None) -> str:
        """What stands between two pieces, a space or nothing."""
        if right.kind is Kind.SEPARATOR:
            return ""
        if left.kind is Kind.PREFIX and right.kind in _OPERANDS:
            return ""
        if {left.kind, right.kind} & _SPACED or left.kind is Kind.SEPARATOR:
            return " "
        if right.kind is Kind.POSTFIX:
            return " " if left.kind is Kind.FRACTION or left.text == right.text == "." else ""
        if Kind.SLASH in (left.kind, right.kind):
            return ""
        return self.juxtaposed(left, right, following)

    def fraction(self, numerator: Parts, denominator: Parts) -> Piece:
        """A fraction with a slash."""
        return Piece(f"{self.operand(numerator)}/{self.operand(denominator)}", Kind.FRACTION)

    def operand(self, parts: Parts) -> str:
        """A side of a slash: in brackets, which are not seen, unless it is simple."""
        text = self.simple(parts)
        return self.bracketed(parts, Place.LINE) if text is None else text

    def bracketed(self, parts: Parts, place: Place) -> str:
        """Parts in brackets."""
        return f"({self.row(parts, place)})"

    def simple(self, parts: Parts) -> str | None:
        """The text of parts that a slash or a script takes as a whole; None of others."""
        if len(parts) != 1:
            return None
        part = parts[0]
        if isinstance(part, Scripted):
            scripts = [script for script in (part.sub, part.sup) if script is not None]
            # `*/` would end a comment.
            if not all(map(self.is_short, [(part.base,), *scripts])):
                return None
            return self.scripted(part, Place.LINE).text
        # Others are not written to be looked at: that would take twice as long a level.
        is_call = isinstance(part, Construct) and part.token in _CALLS
        return self.piece(part, None, Place.LINE).text if is_call or self.is_short(parts) else None

    def script(self, parts: Parts) -> bool:
        """Whether a script needs no brackets."""
        return self.is_short(parts) or (len(parts) == 1 and parts[0] in _SCRIPTS)

    def is_short(self, parts: Parts) -> bool:
        """Whether parts are one number or letter."""
        if len(parts) != 1 or not isinstance(parts[0], Number | Sign):
            return False
        return self.piece(parts[0], None, Place.SCRIPT).kind in _SHORT

    def attached(self, mark: str, parts: Parts | None) -> str:
        """A script with its mark, `_` or `^`; nothing for None."""
        if not parts:
            return ""
        if self.script(parts):
            return mark + self.row(parts, Place.SCRIPT)
        return mark + self.bracketed(parts, Place.SCRIPT)
