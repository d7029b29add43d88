r"""Writes canonical tokens as mathematics of Typst, to stand between dollar signs.

Names are those that Typst has had since 0.13; signs whose names have changed since are written by
their characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from .formula_parts_inktex import (
    DEFINED,
    DOUBLE_BAR,
    Braced,
    Construct,
    Fenced,
    Number,
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
from .vocabulary_inktex import DELIMITER_PAIRS, FUNCTIONS, UNKNOWN_MARK

__all__ = ["TYPST_SIGNS", "typst"]

TYPST_SIGNS: Final[dict[str, str]] = {
    **{token: token[1:] for token in GREEK},
    **{token: token[1:] for token in FUNCTIONS},
    r"\bmod": "mod",
    **pairs(r"""
        \varepsilon epsilon \vartheta theta \varphi phi \varsigma sigma.alt
        \partial partial \nabla nabla \infty oo \hbar ℏ \ell ell \aleph ℵ \Re Re \Im Im
        \forall forall \exists exists \emptyset emptyset \angle angle \triangle triangle.t
        \square square \top top \therefore therefore \because because
        \prime prime \cdots dots.c \ldots ... \vdots dots.v \ddots dots.down
        \pm plus.minus \mp minus.plus \times times \div div \cdot dot \circ compose
        \bullet bullet \star star.op \oplus ⊕ \otimes ⊗ \odot ⊙ \ominus ⊖ \diamond ⋄
        \cup union \cap ∩ \setminus without \wedge and \vee or \neg not \dagger dagger
        \leq <= \geq >= \neq != \equiv equiv \approx approx \sim tilde.op \simeq tilde.eq
        \cong tilde.equiv \propto prop \perp perp \ll << \gg >> \in in \notin in.not \ni in.rev
        \subset subset \supset supset \subseteq subset.eq \supseteq supset.eq
        \subsetneq subset.neq \supsetneq supset.neq \sqsubseteq subset.eq.sq
        \sqsupseteq supset.eq.sq \prec prec \succ succ \preceq prec.eq \succeq succ.eq
        \vdash tack.r \Vdash forces \models models \doteq ≐
        \rightarrow -> \leftarrow <- \leftrightarrow <-> \Rightarrow => \Leftarrow arrow.l.double
        \Leftrightarrow <=> \mapsto |-> \uparrow arrow.t \downarrow arrow.b
        \hookrightarrow arrow.r.hook \rightleftharpoons harpoons.rtlb
        \nearrow arrow.tr \searrow arrow.br
        \sum sum \prod product \coprod product.co \int integral \oint integral.cont
        \bigcup union.big \bigcap ⋂ \bigoplus ⨁ \bigotimes ⨂ \bigwedge and.big \bigvee or.big
        \not \/ / \/ \# \# \& \& \$ \$ \% %
    """),
    **{sign: "\\" + SIGNS.get(sign, sign) for pair in DELIMITER_PAIRS.items() for sign in pair},
    DEFINED: DEFINED,
    DOUBLE_BAR: "parallel",
    UNKNOWN_MARK: "times.square",
}
"""Token -> text, where they differ; delimiters here are those that enclose nothing."""

_ACCENTS: Final = pairs(r"""
    \overline overline \underline underline \hat hat \bar macron \vec arrow \tilde tilde \dot dot
    \ddot dot.double \overbrace overbrace \underbrace underbrace
""")
_CALLS: Final = {r"\lfloor": "floor", r"\lceil": "ceil"}
_TABLES: Final = {
    ("(", ")"): "",
    ("[", "]"): 'delim: "[", ',
    (r"\{", r"\}"): 'delim: "{", ',
    ("|", "|"): 'delim: "|", ',
    ("", ""): "delim: #none, ",
}
_SEPARATING: Final = frozenset({",", ";", ":"})
_LITERAL: Final = frozenset("+-*=<>|,.;:!?%")
"""Characters beside letters and digits that stand for themselves."""
_CALLABLE: Final = frozenset(GREEK) | FUNCTIONS
"""Tokens before a bracket without a space between."""
_CALLABLE_NAMES: Final = frozenset(TYPST_SIGNS[token] for token in _CALLABLE)
_NAME_AT_END: Final = re.compile(r"[^\W\d_]+(\.[^\W\d_]+)*$")
_WITH_SCRIPTS: Final = frozenset({r"\overset", r"\underset", r"\xrightarrow", r"\xleftarrow"})
"""Commands that are written as scripts."""


@bounded
def typst(tokens: Sequence[str]) -> str:
    r"""Write tokens as mathematics of Typst, without the dollar signs.

    Args:
        tokens: canonical tokens; special ones are left out, and what is not closed is closed.

    Returns:
        The text, `""` for no tokens. Several lines are separated by ` \ `, with `&` before the
        relations that stand under one another.

    Raises:
        ValueError: if there are too many tokens, or they are nested too deep.

    Example:
        >>> typst(r"\frac { x + 1 } { \sqrt { 2 } }".split())
        '(x + 1)/sqrt(2)'
    """
    writer = _Writer()
    lines = lines_of(formula_parts(tokens))
    if len(lines) == 1:
        return writer.row(lines[0])
    return r" \ ".join(map(writer.aligned, lines))


class _Writer(FormulaWriter):
    signs: ClassVar[dict[str, str]] = TYPST_SIGNS

    def aligned(self, parts: Parts) -> str:
        """A line with a mark before its first relation."""
        place = next((i for i, part in enumerate(parts) if is_relation(part)), None)
        if place is None:
            return self.row(parts)
        return f"{self.row(parts[:place])} &{self.row(parts[place:])}".lstrip()

    def sign(self, part: Sign, place: Place) -> str:
        if place is Place.ARGUMENT and part.token in _SEPARATING and not part.negated:
            return "\\" + part.token
        return super().sign(part, place)

    def unlisted(self, token: str) -> str:
        if len(token) == 1:
            is_literal = token.isalnum() or token in _LITERAL or not token.isascii()
            return token if is_literal else "\\" + token
        return _quoted(token)

    def struck(self, token: str) -> str:
        sign = composed(token)
        return sign or f"cancel({self.sign(Sign(token), Place.ARGUMENT)})"

    def clashes(self, left: str, right: str) -> bool:
        name = _NAME_AT_END.search(left.removesuffix("."))
        if name is None:
            return False
        if left.endswith("."):
            return right[:1].isalpha()
        is_call = right.startswith("(") and len(name[0]) > 1 and name[0] not in _CALLABLE_NAMES
        return is_call or right[:1].isalnum()

    def word(self, text: str) -> Piece:
        return Piece(_quoted(text), Kind.OTHER)

    def fenced(self, part: Fenced, place: Place) -> Piece:
        sides = (part.opening, part.closing)
        inner = part.body[0] if len(part.body) == 1 else None
        if isinstance(inner, Table):
            if "" in sides:
                return self._cases(inner, reverse=part.opening == "")
            if sides in _TABLES:
                return self._matrix(inner, _TABLES[sides])
        if sides == ("|", "|"):
            if isinstance(inner, Fenced) and (inner.opening, inner.closing) == sides:
                if len(inner.body) == 1 and isinstance(table := inner.body[0], Table):
                    return self._matrix(table, 'delim: "‖", ')
                return self._call("norm", inner.body)
            return self._call("abs", part.body)
        if part.body and part.opening in _CALLS and DELIMITER_PAIRS[part.opening] == part.closing:
            return self._call(_CALLS[part.opening], part.body)
        text = self.row(part.body)
        if text.startswith("|") or text.endswith("|"):  # `[|` is another sign
            text = f" {text} "
        opening, closing = (SIGNS.get(side, side) for side in sides)
        return Piece(f"{opening}{text}{closing}", Kind.FENCE)

    def scripted(self, part: Scripted, place: Place) -> Piece:
        primes, sup = split_primes(part.sup)
        base = part.base
        if part.sup == (Sign(r"\circ"),) and part.sub is None and isinstance(base, Number | Fenced):
            return Piece(f"{self.piece(base, None, place).text} degree", Kind.SCRIPTED)
        noted = _noted(part)
        if noted is not None and isinstance(base, Construct):
            return self._call(base.token[1:], base.args[0], noted)
        text = self._base(part, place) + "'" * primes
        text += self.attached("_", part.sub) + self.attached("^", sup)
        return Piece(text, self.scripted_kind(part))

    def _base(self, part: Scripted, place: Place) -> str:
        """What scripts are attached to, so that all of it is their base."""
        base = part.base
        if isinstance(base, Braced):
            return f"lr({self.row(base.body, Place.ARGUMENT)})" if base.body else '""'
        if isinstance(base, Construct) and base.token == r"\frac":
            return self._call("frac", *base.args).text
        text = self.piece(base, None, place).text
        if isinstance(base, Scripted) or (
            isinstance(base, Construct) and base.token in _WITH_SCRIPTS
        ):
            return f"lr({text})"
        return text

    def construct(self, part: Construct, place: Place) -> Piece:
        token, args = part.token, part.args
        if token == r"\frac":
            return self.fraction(*args)
        if token == r"\binom":
            return self._call("binom", *args)
        if token == r"\sqrt":
            if part.index is not None:
                return self._call("root", part.index, *args)
            return self._call("sqrt", *args)
        if token in _ACCENTS:
            return self._call(_ACCENTS[token], *args)
        if token == r"\overset":
            return Piece(
                self._call("limits", args[1]).text + self.attached("^", args[0]), Kind.OTHER
            )
        if token == r"\underset":
            return Piece(
                self._call("limits", args[1]).text + self.attached("_", args[0]), Kind.OTHER
            )
        if token in (r"\xrightarrow", r"\xleftarrow"):
            arrow = "->" if token == r"\xrightarrow" else "<-"
            return Piece(f"stretch({arrow})" + self.attached("^", args[0]), Kind.RELATION)
        if token == r"\mathbb":
            letter = self.row(args[0], Place.ARGUMENT)
            if len(letter) == 1 and letter.isascii() and letter.isupper():
                return Piece(letter * 2, Kind.NAME)
            return Piece(f"bb({letter})", Kind.CALL)
        if token == r"\text":
            return Piece(self.row(args[0], place), Kind.OTHER)
        # A command that the vocabulary lacks.
        return Piece(
            " ".join([_quoted(token), *(f"({self.row(arg)})" for arg in args)]), Kind.OTHER
        )

    def table(self, part: Table) -> Piece:
        return self._matrix(part, _TABLES["", ""])

    def braced(self, part: Braced, place: Place) -> Piece:
        return Piece(self.row(part.body, place) or '""', Kind.OTHER)

    def juxtaposed(self, left: Piece, right: Piece, following: Piece | None) -> str:
        if right.kind is Kind.LETTER and left.kind is Kind.NUMBER:
            # `2x`, but `4 a c`
            is_first = following is not None and following.kind in (Kind.LETTER, Kind.NAME)
            return " " if is_first else ""
        if right.kind is Kind.FENCE:
            if left.kind in (Kind.NUMBER, Kind.LETTER, Kind.FENCE):
                return " " if right.text.startswith("(mod") else ""
            # With separators in it, it would be read as a call's arguments.
            if left.text in _CALLABLE_NAMES and right.text.startswith("("):
                return " " if _SEPARATING & {*right.text} else ""
        return " "

    def _call(self, name: str, *arguments: Parts) -> Piece:
        texts = (self.row(argument, Place.ARGUMENT) for argument in arguments)
        return Piece(f"{name}({', '.join(texts)})", Kind.CALL)

    def _matrix(self, table: Table, delimiter: str) -> Piece:
        lines = [[self.row(cell, Place.ARGUMENT) for cell in line] for line in table.lines]
        if all(len(line) == 1 for line in lines) and delimiter != _TABLES["", ""]:
            cells = ", ".join(line[0] for line in lines)
            return Piece(f"vec({delimiter}{cells})", Kind.CALL)
        text = "; ".join(", ".join(line) for line in lines)
        return Piece(f"mat({delimiter}{text})", Kind.CALL)

    def _cases(self, table: Table, reverse: bool) -> Piece:
        lines = (
            " & ".join(self.row(cell, Place.ARGUMENT) for cell in line) for line in table.lines
        )
        setting = "reverse: #true, " if reverse else ""
        return Piece(f"cases({setting}{', '.join(lines)})", Kind.CALL)


def _noted(part: Scripted) -> Parts | None:
    """What stands at the middle of a brace over or under its base; None if there is no brace."""
    token = part.base.token if isinstance(part.base, Construct) else ""
    if token == r"\overbrace" and part.sub is None and not split_primes(part.sup)[0]:
        return part.sup
    return part.sub if token == r"\underbrace" and part.sup is None else None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
