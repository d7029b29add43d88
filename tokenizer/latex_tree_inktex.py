"""The tree of a LaTeX expression, and the canonical tokens of a tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .latex_lexer_inktex import NEGATED
from .vocabulary_inktex import (
    CELL_END,
    LINE_END,
    MATRIX_BEGIN,
    MATRIX_END,
    STRUCTURAL_TOKENS,
    SUBSCRIPT_LIMITS_OPERATORS,
)

__all__ = [
    "Atom",
    "Command",
    "Emitted",
    "Group",
    "Matrix",
    "Node",
    "Row",
    "Script",
    "attach",
    "emit",
    "emit_marked",
    "make_row",
]

# Names that people spell out letter by letter. The second set may be an index (`a_{tan}`), so it
# stays as it is inside scripts.
_SPELLED = {name: "\\" + name for name in ("log", "lim")}
_SPELLED_OUTSIDE_SCRIPTS = {name: "\\" + name for name in ("sin", "cos", "tan")}


@dataclass(frozen=True, slots=True)
class Atom:
    """One sign; `refs` are the ids of the MathML elements that it stands for."""

    token: str
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Signs side by side, without inner rows: mere grouping is not kept."""

    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A base that keeps its braces: `{x^2}^3`, `{}_n C_k`."""

    body: Row


@dataclass(frozen=True, slots=True)
class Script:
    """A base with a subscript, a superscript or both."""

    base: Node
    sub: Row | None = None
    sup: Row | None = None


@dataclass(frozen=True, slots=True)
class Command:
    r"""A command with braced arguments, e.g. `\frac`; `index` is the optional one of `\sqrt`."""

    token: str
    args: tuple[Row, ...]
    index: Row | None = None
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """Lines under one another, each of one or more cells; delimiters are signs beside it."""

    lines: tuple[tuple[Row, ...], ...]


Node = Atom | Row | Group | Script | Command | Matrix


@dataclass(frozen=True, slots=True)
class Emitted:
    r"""A token of the canonical form with its origin.

    Attributes:
        token: the token.
        ink: whether it is a written sign; false for `{ } ^ _ \limits`, the brackets of a root's
            index, and the marks of a matrix's lines and cells.
        refs: the `refs` of the tree node that it stands for.
    """

    token: str
    ink: bool
    refs: tuple[str, ...] = ()


def attach(items: list[Node], mark: str, argument: Row, *, grouped: bool = False) -> bool:
    """Attach a script to the last of `items`, in place.

    Args:
        items: the row so far; empty means an empty base.
        mark: `_` or `^`.
        argument: the script; an empty one is dropped.
        grouped: whether the last item stood in braces, so that a second script of the same kind
            belongs to the whole of it.

    Returns:
        Whether it could be attached; false for `x^2^3`, which has no meaning.
    """
    if not argument.children:
        return True
    base = items[-1] if items else Group(Row())
    script = base if isinstance(base, Script) else Script(base)
    taken = script.sub if mark == "_" else script.sup
    if taken is not None:
        if not grouped:
            return False
        script = Script(Group(Row((base,))))
    script = replace(script, sub=argument) if mark == "_" else replace(script, sup=argument)
    items[-1:] = [script]
    return True


def make_row(items: Iterable[Node], *, in_script: bool = False) -> Row:
    """A flat row of `items`, in which spelled-out function names are one sign."""
    flat: list[Node] = []
    for item in items:
        flat.extend(item.children if isinstance(item, Row) else (item,))
    names = _SPELLED if in_script else _SPELLED | _SPELLED_OUTSIDE_SCRIPTS
    merged: list[Node] = []
    for item in flat:
        merged.append(item)
        _merge_negated(merged)
        _merge_spelled(merged, names)
    return Row(tuple(merged))


def _merge_negated(items: list[Node]) -> None:
    r"""Replace `\not` and the sign after it by the negated sign; the sign may carry scripts."""
    if len(items) < 2 or not isinstance(slash := items[-2], Atom) or slash.token != "\\not":
        return
    last = items[-1]
    head = last.base if isinstance(last, Script) else last
    if isinstance(head, Atom) and head.token in NEGATED:
        sign = Atom(NEGATED[head.token], slash.refs + head.refs)
        items[-2:] = [replace(last, base=sign) if isinstance(last, Script) else sign]


def _merge_spelled(items: list[Node], names: dict[str, str]) -> None:
    """Replace the last three items by the function that they spell; the last may carry scripts."""
    if len(items) < 3:
        return
    last = items[-1]
    head = last.base if isinstance(last, Script) else last
    letters = (items[-3], items[-2], head)
    if not all(isinstance(letter, Atom) for letter in letters):
        return
    token = names.get("".join(letter.token for letter in letters if isinstance(letter, Atom)))
    if token is None:
        return
    refs = tuple(ref for letter in letters if isinstance(letter, Atom) for ref in letter.refs)
    name = Atom(token, refs)
    items[-3:] = [replace(last, base=name) if isinstance(last, Script) else name]


def emit_marked(node: Node) -> list[Emitted]:
    """The canonical tokens of a tree with their origins."""
    out: list[Emitted] = []
    _emit(node, out)
    return out


def emit(node: Node) -> list[str]:
    """The canonical tokens of a tree."""
    return [emitted.token for emitted in emit_marked(node)]


def _braced(row: Row, out: list[Emitted]) -> None:
    out.append(Emitted("{", False))
    _emit(row, out)
    out.append(Emitted("}", False))


def _emit(node: Node, out: list[Emitted]) -> None:
    match node:
        case Atom(token, refs):
            out.append(Emitted(token, True, refs))
        case Row(children):
            for child in children:
                _emit(child, out)
        case Group(body):
            _braced(body, out)
        case Script(base, sub, sup):
            _emit(base, out)
            if sub is not None:
                if isinstance(base, Atom) and base.token in SUBSCRIPT_LIMITS_OPERATORS:
                    out.append(Emitted("\\limits", False))
                out.append(Emitted("_", False))
                _braced(sub, out)
            if sup is not None:
                out.append(Emitted("^", False))
                _braced(sup, out)
        case Command(token, args, index, refs):
            out.append(Emitted(token, token not in STRUCTURAL_TOKENS, refs))
            if index is not None:
                out.append(Emitted("[", False))
                # A closing bracket inside would end the index, so such an index keeps its braces.
                protected = any(isinstance(c, Atom) and c.token == "]" for c in _signs(index))
                (_braced if protected else _emit)(index, out)
                out.append(Emitted("]", False))
            for arg in args:
                _braced(arg, out)
        case Matrix(lines):
            out.append(Emitted(MATRIX_BEGIN, False))
            for number, line in enumerate(lines):
                if number:
                    out.append(Emitted(LINE_END, False))
                for column, cell in enumerate(line):
                    if column:
                        out.append(Emitted(CELL_END, False))
                    _emit(cell, out)
            out.append(Emitted(MATRIX_END, False))


def _signs(row: Row) -> Iterator[Node]:
    for child in row.children:
        yield child.base if isinstance(child, Script) else child
