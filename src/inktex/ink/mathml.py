"""Presentation MathML to canonical LaTeX tokens with the ids of their elements."""

from __future__ import annotations

from dataclasses import replace

from ..tokenizer.latex_inktex import parse
from ..tokenizer.latex_lexer_inktex import LatexError, name_token
from ..tokenizer.latex_tree_inktex import (
    Atom,
    Command,
    Emitted,
    Group,
    Node,
    Row,
    Script,
    attach,
    emit_marked,
    make_row,
)
from .types import MathNode

# Names of XML entities without `&` and `;` (`&infin;`), beyond those that are LaTeX names too.
# `im` is a limit whose first letter was taken for a backslash escape.
_ENTITIES = {
    "im": "\\lim",
    "rarr": "\\rightarrow",
    "larr": "\\leftarrow",
    "ctdot": "\\cdots",
    "hellip": "\\ldots",
    "sdot": "\\cdot",
    "plusmn": "\\pm",
    "{": "\\{",
    "}": "\\}",
    "%": "\\%",
    "&": "\\&",
    "#": "\\#",
    "$": "\\$",
}
_SCRIPTS = {
    "msub": "_",
    "msup": "^",
    "msubsup": "_^",
    "munder": "_",
    "mover": "^",
    "munderover": "_^",
}


def mathml_marked(root: MathNode, *, swap_roots: bool = False) -> list[Emitted]:
    """The canonical tokens of presentation MathML.

    Args:
        root: the `math` element.
        swap_roots: take the first child of `mroot` for the index, as some files have it.

    Returns:
        The tokens in order; `refs` holds the ids of the elements that each stands for.
    """
    return emit_marked(mathml_tree(root, swap_roots=swap_roots))


def mathml_tree(root: MathNode, *, swap_roots: bool = False) -> Row:
    """Presentation MathML as a tree of the LaTeX parser; arguments as for `mathml_marked`."""
    return make_row(_nodes(root, swap_roots, False))


def _nodes(node: MathNode, swap: bool, in_script: bool) -> list[Node]:
    refs = () if node.id is None else (node.id,)
    children = node.children
    if not children and node.text:
        return _leaf(node.text, refs)
    if node.tag == "mfrac" and len(children) == 2:
        args = tuple(_row((child,), swap, in_script) for child in children)
        return [Command("\\frac", args, None, refs)]
    if node.tag == "msqrt":
        return [Command("\\sqrt", (_row(children, swap, in_script),), None, refs)]
    if node.tag == "mroot" and len(children) == 2:
        base, index = reversed(children) if swap else children
        radicand = _row((base,), swap, in_script)
        return [Command("\\sqrt", (radicand,), _row((index,), swap, True), refs)]
    if node.tag in _SCRIPTS and children:
        items = _nodes(children[0], swap, in_script)
        # A script element with too few children has lost a script, not its base.
        for mark, child in zip(_SCRIPTS[node.tag], children[1:], strict=False):
            _attach(items, mark, _row((child,), swap, True))
        return items
    return [item for child in children for item in _nodes(child, swap, in_script)]


def _row(nodes: tuple[MathNode, ...], swap: bool, in_script: bool) -> Row:
    items = (item for node in nodes for item in _nodes(node, swap, in_script))
    return make_row(items, in_script=in_script)


def _attach(items: list[Node], mark: str, script: Row) -> None:
    """Attach a script to the last item; a subscript of a subscripted base goes one level down."""
    if mark == "_" and len(script.children) == 1:
        only = script.children[0]
        if isinstance(only, Atom) and only.token == ",":  # a low comma is still a comma
            items.append(only)
            return
    last = items[-1] if items else Group(Row())
    if mark == "_" and isinstance(last, Script) and last.sub is not None:
        # A subscript of something that has one is written lower still: x_{a_b}.
        inner = list(last.sub.children)
        _attach(inner, mark, script)
        items[-1] = replace(last, sub=make_row(inner, in_script=True))
        return
    attach(items, mark, script, grouped=True)


def _leaf(text: str, refs: tuple[str, ...]) -> list[Node]:
    token = _ENTITIES.get(text) or (name_token(text) if len(text) > 1 else None)
    if token is not None:
        return [Atom(token, refs)]
    try:
        tree = parse(text, lenient=True)
    except LatexError:
        return [Atom(text, refs)]
    children = tree.children if isinstance(tree, Row) else (tree,)
    return [replace(c, refs=refs) if isinstance(c, Atom | Command) else c for c in children]
