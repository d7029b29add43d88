r"""Writes canonical tokens as AsciiMath, as ASCIIMathML 2.2 reads it.

Signs that AsciiMath has no name for are written by their characters, which it leaves as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Final

from .formula_parts_inktex import (
    DEFINED,
    DOUBLE_BAR,
    Braced,
    Construct,
    Fenced,
    Parts,
    Scripted,
    Sign,
    Table,
    bounded,
    formula_parts,
    is_relation,
    lines_of,
    split_primes,
)
from .formula_writer_inktex import FormulaWriter, Kind, Piece, Place
from .mathml_signs_inktex import SIGNS
from .text_signs_inktex import GREEK, composed, pairs
from .vocabulary_inktex import DELIMITER_PAIRS, FUNCTIONS

__all__ = ["ASCIIMATH_SIGNS", "asciimath"]

_QUOTED_FUNCTIONS: Final = frozenset({r"\lg", r"\sup", r"\inf", r"\ker", r"\arg", r"\deg"})
"""Functions that AsciiMath does not know by these names."""

ASCIIMATH_SIGNS: Final[dict[str, str]] = {
    **{token: token[1:] for token in GREEK if token != r"\Upsilon"},
    **{token: token[1:] for token in FUNCTIONS - _QUOTED_FUNCTIONS},
    **{token: f'"{token[1:]}"' for token in _QUOTED_FUNCTIONS},
    r"\bmod": "mod",
    **pairs(r"""
        \varepsilon epsilon \vartheta theta \varphi phi
        \partial del \nabla grad \infty oo \hbar hbar \aleph aleph \forall AA \exists EE
        \emptyset O/ \angle /_ \triangle /_\ \square square \top TT \therefore :. \because :'
        \prime ' \cdots cdots \ldots ... \vdots vdots \ddots ddots
        \pm +- \mp -+ \times xx \div -: \cdot * * ** \star *** \circ @ \oplus o+ \otimes ox
        \odot o. \ominus o- \cup uu \cap nn \setminus \\ \wedge ^^ \vee vv \neg not
        \dagger dag \diamond diamond
        \leq <= \geq >= \neq != \equiv -= \approx ~~ \sim ~ \cong ~= \propto prop \perp _|_
        \ll mlt \gg mgt \in in \notin !in \subset sub \supset sup \subseteq sube \supseteq supe
        \prec -< \succ >- \preceq -<= \succeq >-= \vdash |-- \models |==
        \rightarrow -> \leftarrow larr \leftrightarrow harr \Rightarrow => \Leftarrow lArr
        \Leftrightarrow <=> \mapsto |-> \uparrow uarr \downarrow darr
        \rightleftharpoons rightleftharpoons
        \sum sum \prod prod \int int \oint oint \bigcup uuu \bigcap nnn \bigwedge ^^^ \bigvee vvv
        / // \# # \& & \$ $ \% %
    """),
    **{sign: f'"{SIGNS.get(sign, sign)}"' for pair in DELIMITER_PAIRS.items() for sign in pair},
    r"\not": "//",
    DEFINED: DEFINED,
    DOUBLE_BAR: "∥",
}
"""Token -> text, where they differ; delimiters here are those that enclose nothing."""

_NAMES: Final = tuple(
    r"""!-= != !in !sub !sube !sup !supe (: ** *** +- -+ -: -< -<= -= -> ->> -lt ... // /_ /_\ :' :)
    :. := :| :|: :} << <= <=> => >- >-= >-> >->> ><| >= >> O/ ^^ ^^^ __| _|_ o+ o- o. {: |-- |-> |:
    |== |>< |><| |__ |~ ~= ~| ~~ \\
    AA Abs Arccos Arcsin Arctan CC Cos Cosh Cot Csc Delta EE Gamma Lambda Lamda Lim Ln Log NN Omega
    Phi Pi Psi QQ RR Sec Sigma Sin Sinh TT Tan Tanh Theta Xi ZZ abs aleph alpha and angle approx
    arc ast bar bb beta bot bowtie cancel cap cc cdot ceil chi circ class color cong cos cot csc
    cup dArr dag darr ddag ddot del delta det diamond dim div dot emptyset epsi eta exists exp floor
    forall fr frac gamma gcd ge geq gg glb grad gt hArr harr hat hbar id if iff in infty int iota
    italic kappa lArr lambda lamda larr lcm ldots le lim ll ln log lt lub mapsto math max mbox mgt
    min mlt mod models mp mu nabla ne neg nn nnn norm not nu obrace odot oint omega ominus oo or
    otimes over ox partial phi pi pm prec prime prod prop psi quad rArr rarr rho right root sec sf
    sigma sim sin sqrt square star sub succ sum sup tan tau text theta tilde times to top triangle
    tt uarr ubrace ul under upsilon uu uuu var vdash vdots vec vee vv vvv wedge xi xx
    zeta""".split()
)
"""What is read as one sign, or begins one."""
_LONGEST: Final = max(map(len, _NAMES))
_CONTINUED: Final = {
    start: tuple(name[len(start) :] for name in _NAMES if name.startswith(start) and name != start)
    for start in {name[:length] for name in _NAMES for length in range(1, len(name))}
}
"""Beginning of a name -> what it goes on with."""

_ACCENTS: Final = pairs(r"""
    \overline bar \underline ul \hat hat \bar bar \vec vec \tilde tilde \dot dot \ddot ddot
    \overbrace obrace \underbrace ubrace
""")
_CALLS: Final = {r"\lfloor": "floor", r"\lceil": "ceil"}
_SIDES: Final = {r"\{": "{", r"\}": "}", r"\langle": "(:", r"\rangle": ":)", "": ""}
_IN_CELLS: Final = {Sign(","): '","', Sign("|"): ":|:"}
"""Signs in the cells of a matrix, where others end cells and draw lines between them."""
_DOUBLED: Final = frozenset("CNQRZ")
_APPLIED: Final = frozenset(token[1:] for token in FUNCTIONS - _QUOTED_FUNCTIONS) - {
    *("lim", "max", "min", "dim", "bmod")
} | {"f", "g"}
"""What AsciiMath takes together with what stands behind it."""


@bounded
def asciimath(tokens: Sequence[str]) -> str:
    r"""Write tokens as AsciiMath.

    Args:
        tokens: canonical tokens; special ones are left out, and what is not closed is closed.

    Returns:
        The text, `""` for no tokens.

    Raises:
        ValueError: if there are too many tokens, or they are nested too deep.

    Example:
        >>> asciimath(r"\frac { x + 1 } { \sqrt { 2 } }".split())
        '(x + 1)/sqrt(2)'
    """
    writer = _Writer()
    lines = lines_of(formula_parts(tokens))
    return writer.row(lines[0]) if len(lines) == 1 else writer.lines(lines)


class _Writer(FormulaWriter):
    signs: ClassVar[dict[str, str]] = ASCIIMATH_SIGNS

    def lines(self, lines: Sequence[Parts]) -> str:
        """Lines whose first relations stand under one another, if each has one."""
        places = [
            next((i for i, part in enumerate(line) if is_relation(part)), None) for line in lines
        ]
        rows: list[tuple[Parts, ...]] = [
            (line,) if None in places else (line[:place], line[place:])
            for line, place in zip(lines, places, strict=True)
        ]
        return self._table(Table(tuple(rows)), "{:", ":}").text

    def pieces(self, parts: Parts, place: Place) -> list[Piece]:
        pieces = super().pieces(parts, place)
        for number, (left, right) in enumerate(pairwise(pieces), 1):
            # Or the slash would divide the function as well.
            name = re.split("[_^']", left.text)[0]
            if name in _APPLIED and right.kind is Kind.FRACTION:
                pieces[number] = Piece(f"{{:{right.text}:}}", Kind.OTHER)
        return pieces

    def sign(self, part: Sign, place: Place) -> str:
        if place is Place.ARGUMENT and part in _IN_CELLS:
            return _IN_CELLS[part]
        return super().sign(part, place)

    def unlisted(self, token: str) -> str:
        if len(token) == 1:
            return token
        return SIGNS.get(token) or _quoted(token)

    def struck(self, token: str) -> str:
        sign = composed(token)
        return sign or "cancel" + self._between("(", self.sign(Sign(token), Place.LINE), ")")

    def clashes(self, left: str, right: str) -> bool:
        ends = (left[-length:] for length in range(1, min(_LONGEST, len(left)) + 1))
        return any(right.startswith(_CONTINUED.get(end, ())) for end in ends)

    def word(self, text: str) -> Piece:
        return Piece(_quoted(text), Kind.OTHER)

    def bracketed(self, parts: Parts, place: Place) -> str:
        return self._enclosed("(", parts, ")", place)

    def fenced(self, part: Fenced, place: Place) -> Piece:
        sides = (part.opening, part.closing)
        inner = part.body[0] if len(part.body) == 1 else None
        if sides == ("|", "|") and not isinstance(inner, Table):
            if isinstance(inner, Fenced) and (inner.opening, inner.closing) == sides:
                return Piece(f"norm{self.bracketed(inner.body, Place.LINE)}", Kind.CALL)
            return Piece(f"abs{self.bracketed(part.body, Place.LINE)}", Kind.CALL)
        if part.opening in _CALLS and DELIMITER_PAIRS[part.opening] == part.closing:
            return Piece(_CALLS[part.opening] + self.bracketed(part.body, Place.LINE), Kind.CALL)
        opening, closing = (_SIDES.get(side, SIGNS.get(side, side)) for side in sides)
        if isinstance(inner, Table):
            return self._table(inner, opening or "{:", closing or ":}")
        return Piece(self._enclosed(opening, part.body, closing, Place.LINE), Kind.FENCE)

    def scripted(self, part: Scripted, place: Place) -> Piece:
        primes, sup = split_primes(part.sup)
        text = self._base(part, place)
        scripts = "'" * primes + self.attached("_", part.sub) + self.attached("^", sup)
        if self.clashes(text, scripts):
            text = f"{{:{text}:}}"
        return Piece(text + scripts, self.scripted_kind(part))

    def _base(self, part: Scripted, place: Place) -> str:
        """What scripts are attached to, so that all of it is their base."""
        base = part.base
        if isinstance(base, Braced):
            return f"{{:{self.row(base.body)}:}}"
        if base == Sign("|"):
            return _IN_CELLS[base]  # or it would look for another one
        text = self.piece(base, None, place).text
        is_whole = not isinstance(base, Scripted) and not (
            isinstance(base, Construct) and base.token == r"\frac"
        )
        return text if is_whole else f"{{:{text}:}}"

    def construct(self, part: Construct, place: Place) -> Piece:
        token, args = part.token, part.args
        if token == r"\frac":
            return self.fraction(*args)
        if token == r"\binom":
            return self._table(Table(tuple((arg,) for arg in args)), "(", ")")
        if token in _ACCENTS and self.is_short(args[0]):
            return Piece(f"{_ACCENTS[token]} {self.row(args[0])}", Kind.CALL)
        letter = args[0][0] if token == r"\mathbb" and len(args[0]) == 1 else None
        if isinstance(letter, Sign) and letter.token in _DOUBLED:
            return Piece(letter.token * 2, Kind.NAME)
        texts = [self.bracketed(arg, Place.LINE) for arg in args]
        if token == r"\sqrt":
            if part.index is not None:
                return Piece(f"root{self.bracketed(part.index, Place.LINE)}{texts[0]}", Kind.CALL)
            return Piece(f"sqrt{texts[0]}", Kind.CALL)
        if token in _ACCENTS:
            return Piece(_ACCENTS[token] + texts[0], Kind.CALL)
        if token in (r"\overset", r"\underset"):
            return Piece(f"{token[1:]}{texts[0]}{texts[1]}", Kind.OTHER)
        if token in (r"\xrightarrow", r"\xleftarrow"):
            arrow = "->" if token == r"\xrightarrow" else "larr"
            return Piece(f"overset{texts[0]}({arrow})", Kind.RELATION)
        if token == r"\mathbb":
            return Piece(f"bbb{texts[0]}", Kind.CALL)
        if token == r"\text":
            return Piece(self.row(args[0], place), Kind.OTHER)
        # A command that the vocabulary lacks.
        return Piece(" ".join([_quoted(token), *texts]), Kind.OTHER)

    def table(self, part: Table) -> Piece:
        return self._table(part, "{:", ":}")

    def braced(self, part: Braced, place: Place) -> Piece:
        return Piece(f"{{:{self.row(part.body, place)}:}}", Kind.OTHER)

    def juxtaposed(self, left: Piece, right: Piece, following: Piece | None) -> str:
        if right.kind is Kind.LETTER and left.kind in (Kind.NUMBER, Kind.LETTER):
            return ""
        if right.kind is not Kind.FENCE or right.text.startswith("(mod"):
            return " "
        tight = (Kind.NUMBER, Kind.LETTER, Kind.NAME, Kind.FUNCTION, Kind.FENCE)
        return "" if left.kind in tight else " "

    def _enclosed(self, opening: str, parts: Parts, closing: str, place: Place) -> str:
        """Parts in brackets that are not taken for a matrix."""
        return self._between(opening, self._without_matrix(parts, place), closing)

    def _between(self, opening: str, text: str, closing: str) -> str:
        before = " " if self.clashes(opening, text) else ""
        after = " " if self.clashes(text, closing) else ""
        return f"{opening}{before}{text}{after}{closing}"

    def _table(self, table: Table, opening: str, closing: str) -> Piece:
        """Lines of equally many cells in brackets, in those that AsciiMath takes for a matrix."""
        columns = max(len(line) for line in table.lines)
        # Within a closing brace lines in parentheses are a set of points.
        sides = "[]" if "[" in opening or closing in ("}", "]") else "()"
        lines = []
        for line in table.lines:
            cells = [self._cell(cell) for cell in line] + [""] * (columns - len(line))
            lines.append(self._between(sides[0], ",".join(cells), sides[1]))
        return Piece(self._between(opening, ",".join(lines), closing), Kind.FENCE)

    def _without_matrix(self, parts: Parts, place: Place) -> str:
        """A row; where brackets alone are in it, their commas are text, or it were a matrix."""
        if not _is_like_a_matrix(parts):
            return self.row(parts, place)
        if len(parts) > 1 or not isinstance(inner := parts[0], Fenced):
            return self.row(parts, Place.ARGUMENT)
        opening, closing = (_SIDES.get(side, side) for side in (inner.opening, inner.closing))
        return self._enclosed(opening, inner.body, closing, Place.ARGUMENT)

    def _cell(self, parts: Parts) -> str:
        text = self._without_matrix(parts, Place.ARGUMENT)
        return f"{{:{text}:}}" if text[:1] in ("(", "[") or text[-1:] in (")", "]") else text


def _is_like_a_matrix(parts: Parts) -> bool:
    """Whether parts are brackets with commas between them."""
    return all(
        part == Sign(",") if number % 2 else isinstance(part, Fenced) and part.opening in ("(", "[")
        for number, part in enumerate(parts)
    ) and bool(parts)


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', "'"))
