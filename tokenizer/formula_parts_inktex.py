r"""The parts of a formula, as the writers of other formats tell them apart.

The tree of the parser has one sign after another. Here digits are put together to numbers, `\not`
and the sign that it strikes out to one sign, and delimiters that belong together stand around their
content, so that a writer has no need to look at its neighbours for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Final

from .latex_inktex import parse
from .latex_tree_inktex import Atom, Command, Group, Matrix, Node, Row, Script
from .mathml_signs_inktex import RELATIONS
from .vocabulary_inktex import (
    BIG_OPERATORS,
    DELIMITER_PAIRS,
    FUNCTIONS,
    UNWRITTEN,
    WORDS,
)

__all__ = [
    "BINARY",
    "DEFINED",
    "DOUBLE_BAR",
    "Braced",
    "Construct",
    "Fenced",
    "Number",
    "Part",
    "Parts",
    "Scripted",
    "Sign",
    "Table",
    "Word",
    "begins_term",
    "bounded",
    "formula_parts",
    "head",
    "is_relation",
    "lines_of",
    "split_primes",
]

DEFINED: Final = ":="
"""Stands for a colon and the equals sign after it."""
DOUBLE_BAR: Final = "||"
"""Stands for two bars side by side that enclose nothing."""
BINARY: Final = frozenset(
    r"""+ - \pm \mp \times \div \cdot * \circ \bullet \star \oplus \otimes \odot \ominus \cup \cap
    \setminus \wedge \vee \diamond \bmod""".split()
)
"""Operators between two terms."""
_SEPARATORS: Final = frozenset({",", ";"})
_OPENING: Final = {closing: opening for opening, closing in DELIMITER_PAIRS.items()}
_INTERVALS: Final = {")": "[", "]": "("}
"""A bracket that closes, and the one that it closes of a half-open interval."""


@dataclass(frozen=True, slots=True)
class Number:
    """Digits, with or without a decimal point."""

    text: str


@dataclass(frozen=True, slots=True)
class Sign:
    """One token that takes no argument; `negated` where a slash goes through it."""

    token: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """Upright text."""

    text: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """Two delimiters and what they enclose; one of them is "" beside a table alone."""

    opening: str
    body: Parts
    closing: str


@dataclass(frozen=True, slots=True)
class Scripted:
    """A base with a subscript, a superscript or both."""

    base: Part
    sub: Parts | None = None
    sup: Parts | None = None


@dataclass(frozen=True, slots=True)
class Construct:
    r"""A command with arguments, e.g. `\frac`; `index` is the optional one of `\sqrt`."""

    token: str
    args: tuple[Parts, ...]
    index: Parts | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Lines of cells; the delimiters around it are a `Fenced`."""

    lines: tuple[tuple[Parts, ...], ...]


@dataclass(frozen=True, slots=True)
class Braced:
    """A base that is a whole: the `{x^2}` of `{x^2}^3`; nothing in it for a base that is empty."""

    body: Parts


Part = Number | Sign | Word | Fenced | Scripted | Construct | Table | Braced
Parts = tuple[Part, ...]


def bounded(write: Callable[[Sequence[str]], str]) -> Callable[[Sequence[str]], str]:
    """A writer that gives an error for a formula that is nested too deep for Python."""

    @wraps(write)
    def bounded_write(tokens: Sequence[str]) -> str:
        try:
            return write(tokens)
        except RecursionError:
            raise ValueError("The formula is nested too deep.") from None

    return bounded_write


def formula_parts(tokens: Sequence[str]) -> Parts:
    r"""The parts of a formula.

    Args:
        tokens: canonical tokens; special ones are left out, and what is not closed is closed.

    Raises:
        ValueError: if there are too many tokens, or they are nested too deep.

    Example:
        >>> formula_parts("1 2 ^ { x }".split())
        (Scripted(base=Number(text='12'), sub=None, sup=(Sign(token='x', negated=False),)),)
    """
    tree = parse(" ".join(token for token in tokens if token not in UNWRITTEN), lenient=True)
    return _row(tree if isinstance(tree, Row) else Row((tree,)))


def head(part: Part) -> Part:
    """What scripts stand at: the base of a part, or the part."""
    return part.base if isinstance(part, Scripted) else part


def is_relation(part: Part) -> bool:
    """Whether a part is a sign of a relation, with or without scripts."""
    match head(part):
        case Sign(token):
            return token in RELATIONS or token == DEFINED
        case Construct(token, args) if token in (r"\overset", r"\underset"):
            return len(args[1]) == 1 and is_relation(args[1][0])
        case Construct(token):
            return token in (r"\xrightarrow", r"\xleftarrow")
    return False


def begins_term(before: Part | None) -> bool:
    """Whether a term begins behind a part: a sign there is no operator between two."""
    if before is None or is_relation(before):
        return True
    return isinstance(before, Sign) and (
        before.token in BINARY | _SEPARATORS
        or before.token in DELIMITER_PAIRS
        or before.token in (r"\not", DOUBLE_BAR, "/")
    )


def split_primes(sup: Parts | None) -> tuple[int, Parts]:
    """How many primes a superscript begins with, and what it has behind them."""
    rest = sup or ()
    count = 0
    while count < len(rest) and rest[count] == Sign(r"\prime"):
        count += 1
    return count, rest[count:]


def lines_of(parts: Parts) -> tuple[Parts, ...]:
    """The lines of a formula that is nothing but lines under one another; else the one line."""
    table = parts[0] if len(parts) == 1 else None
    if not isinstance(table, Table) or any(len(line) > 1 for line in table.lines):
        return (parts,)
    return tuple(line[0] for line in table.lines)


def _row(row: Row) -> Parts:
    parts: list[Part] = []
    for node in row.children:
        _append(parts, _part(node))
    return tuple(_with_open_fences(_with_fences(parts)))


def _part(node: Node) -> Part:
    match node:
        case Atom(token):
            return Number(token) if token.isdigit() else Sign(token)
        case Group(body):
            return Braced(_row(body))
        case Script(base, sub, sup):
            return Scripted(
                _part(base), None if sub is None else _row(sub), None if sup is None else _row(sup)
            )
        case Command(token, args, index):
            word = _word(args[0]) if token == r"\text" else None
            if word is not None:
                return Word(word)
            return Construct(token, tuple(map(_row, args)), None if index is None else _row(index))
        case Matrix(lines):
            return Table(tuple(tuple(map(_row, line)) for line in lines))
        case Row():
            return Braced(_row(node))


def _word(row: Row) -> str | None:
    r"""The text of a `\text`, with its spaces again; None if there is mathematics in it."""
    # Three letters of a word may have been taken for a function.
    letters = [
        one.token[1:] if one.token in FUNCTIONS else one.token
        for one in row.children
        if isinstance(one, Atom)
    ]
    spelled = "".join(letters)
    if not letters or len(letters) < len(row.children) or "\\" in spelled:
        return None
    return WORDS.get(spelled, spelled)


def _append(parts: list[Part], part: Part) -> None:
    """Add a part, put together with what it goes on with."""
    base = head(part)
    last = parts[-1] if parts else None
    if isinstance(base, Sign) and last == Sign(r"\not"):
        parts.pop()
        base = replace(base, negated=True)
    elif isinstance(base, Sign) and base.token == "=" and last == Sign(":"):
        parts.pop()
        base = Sign(DEFINED)
    elif isinstance(base, Number) and isinstance(last, Number):
        parts.pop()
        base = Number(last.text + base.text)
    elif isinstance(base, Number) and last == Sign("."):
        before = parts[-2] if len(parts) > 1 else None
        if isinstance(before, Number) and "." not in before.text:
            del parts[-2:]
            base = Number(f"{before.text}.{base.text}")
        elif begins_term(before):
            parts.pop()
            base = Number(f".{base.text}")
    parts.append(replace(part, base=base) if isinstance(part, Scripted) else base)


def _with_fences(parts: Iterable[Part]) -> list[Part]:
    """Parts with each pair of delimiters, and what is between them, as one part."""
    out: list[Part] = []
    open_: list[int] = []
    for part in parts:
        base = head(part)
        token = base.token if isinstance(base, Sign) and not base.negated else ""
        start = _start(out, open_, token)
        if start is None:
            if part == base and (token in DELIMITER_PAIRS or token == "|"):
                open_.append(len(out))
            out.append(part)
            continue
        opening = out[start]
        assert isinstance(opening, Sign)
        fenced = Fenced(opening.token, tuple(_with_open_fences(out[start + 1 :])), token)
        out[start:] = [replace(part, base=fenced) if isinstance(part, Scripted) else fenced]
        open_ = [place for place in open_ if place < start]
    return out


def _start(out: Sequence[Part], open_: Sequence[int], closing: str) -> int | None:
    """The place of the delimiter that a token closes; None if it closes none."""
    if not open_:
        return None
    last = open_[-1]
    if closing == "|":
        enclosed = out[last + 1 :]
        is_pair = out[last] == Sign("|") and bool(enclosed) and _ends_term(enclosed[-1])
        return last if is_pair and not any(map(_separates, enclosed)) else None
    if closing not in _OPENING:
        return None
    own = [place for place in open_ if out[place] == Sign(_OPENING[closing])]
    if own:
        return own[-1]
    is_interval = (
        out[last] == Sign(_INTERVALS.get(closing, "")) and out[last:].count(Sign(",")) == 1
    )
    return last if is_interval else None


def _separates(part: Part) -> bool:
    """Whether a part is none of an absolute value's, but of what stands at a bar."""
    return is_relation(part) or (isinstance(part, Sign) and part.token in _SEPARATORS)


def _ends_term(part: Part) -> bool:
    """Whether a bar behind a part can close."""
    base = head(part)
    return not isinstance(base, Sign) or not (
        base.token in BINARY | FUNCTIONS | BIG_OPERATORS
        or base.token in DELIMITER_PAIRS
        or base.token == "|"
        or _separates(base)
    )


def _with_open_fences(parts: list[Part]) -> list[Part]:
    """Parts with the brace at one side of a table around it, and double bars as one sign."""
    out: list[Part] = []
    for part in parts:
        last = out[-1] if out else None
        if isinstance(head(part), Table) and last == Sign(r"\{"):
            out[-1] = Fenced(r"\{", (part,), "")
        elif part == Sign(r"\}") and isinstance(last, Table):
            out[-1] = Fenced("", (last,), r"\}")
        elif part == last == Sign("|"):
            out[-1] = Sign(DOUBLE_BAR)
        else:
            out.append(part)
    return out
