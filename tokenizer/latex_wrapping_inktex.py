r"""Writes canonical tokens as compact LaTeX with what a document needs around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .compact_inktex import compact
from .latex_inktex import parse
from .latex_tree_inktex import Atom, Command, Matrix, Node, Row, Script, emit
from .mathml_signs_inktex import RELATIONS
from .vocabulary_inktex import DELIMITER_PAIRS, NOTHING_TOKEN, SPECIAL_TOKENS

__all__ = ["WRAPPINGS", "wrapped"]

WRAPPINGS: Final[dict[str, tuple[str, str]]] = {
    "inline": (r"\(", r"\)"),
    "display": (r"\[", r"\]"),
    "equation": (r"\begin{equation}", r"\end{equation}"),
    "align": (r"\begin{align}", r"\end{align}"),
}
"""Name -> what stands before a formula, and behind it."""
_SPECIAL: Final = frozenset({*SPECIAL_TOKENS, NOTHING_TOKEN})
_CLOSING: Final = frozenset(DELIMITER_PAIRS.values())
_PROTECTED: Final = ("[", "*")
"""Signs that would be an argument of what begins a line."""


def wrapped(tokens: Sequence[str], wrapping: str) -> str:
    r"""Write tokens as compact LaTeX in a wrapping, in one line of text.

    In `align` the lines of a formula stand with their first relations under one another, and a
    formula of one line is a line of its own.

    Args:
        tokens: canonical tokens; special ones are left out, and what is not closed is closed.
        wrapping: a name of `WRAPPINGS`.

    Raises:
        ValueError: for another name; in `align` also if there are too many tokens, or they are
            nested too deep.

    Example:
        >>> wrapped("x = 1".split(), "align")
        '\\begin{align}x&=1\\end{align}'
    """
    if wrapping not in WRAPPINGS:
        raise ValueError(f"{wrapping!r} is no wrapping: choose one of {', '.join(WRAPPINGS)}.")
    before, after = WRAPPINGS[wrapping]
    body = _aligned(tokens) if wrapping == "align" else compact(tokens)
    return f"{before}{body}{after}"


def _aligned(tokens: Sequence[str]) -> str:
    tree = parse(" ".join(token for token in tokens if token not in _SPECIAL), lenient=True)
    row = tree if isinstance(tree, Row) else Row((tree,))
    lines = [row]
    whole = row.children[0] if len(row.children) == 1 else None
    if isinstance(whole, Matrix) and all(len(line) == 1 for line in whole.lines):
        lines = [line[0] for line in whole.lines]
    return r"\\".join(map(_line, lines))


def _line(row: Row) -> str:
    """A line with a mark before its first relation."""
    place = _first_relation(row)
    parts = [row] if place is None else [Row(row.children[:place]), Row(row.children[place:])]
    text = "&".join(compact(emit(part)) for part in parts)
    return f"{{}}{text}" if text.startswith(_PROTECTED) else text


def _first_relation(row: Row) -> int | None:
    """The place of the first relation that stands in no brackets; None if there is none."""
    depth = 0
    for place, node in enumerate(row.children):
        sign = node.base if isinstance(node, Script) else node
        token = sign.token if isinstance(sign, Atom) else ""
        depth = max(depth + (token in DELIMITER_PAIRS) - (token in _CLOSING), 0)
        if depth == 0 and _is_relation(node):
            return place
    return None


def _is_relation(node: Node) -> bool:
    match node:
        case Atom(token):
            return token in RELATIONS
        case Script(base):
            return _is_relation(base)
        case Command(token, args) if token in (r"\overset", r"\underset"):
            return len(args[1].children) == 1 and _is_relation(args[1].children[0])
        case Command(token):
            return token in (r"\xrightarrow", r"\xleftarrow")
    return False
