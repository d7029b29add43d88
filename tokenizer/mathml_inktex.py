r"""Writes canonical tokens as presentation MathML.

What LaTeX says by its commands MathML says by elements, so the tokens are parsed first. Delimiters
that belong together stretch with what they stand around; digits that follow one another are one
number. With `marks` every element that is drawn names the token that it comes from, which tells
whoever typesets it what each glyph is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

from .latex_inktex import parse
from .latex_tree_inktex import Atom, Command, Group, Matrix, Node, Row, Script, emit
from .mathml_signs_inktex import (
    ACCENT_SIGNS,
    DOUBLE_STRUCK,
    IDENTIFIERS,
    OPERATORS,
    RELATIONS,
    SIGNS,
    SLASH,
    UPRIGHT,
)
from .vocabulary_inktex import (
    BIG_OPERATORS,
    DELIMITER_PAIRS,
    FUNCTIONS,
    LIMITS_OPERATORS,
    SUBSCRIPT_LIMITS_OPERATORS,
    UNWRITTEN,
    WORDS,
)

__all__ = ["NAMESPACE", "mark_number", "mathml", "mathml_tree"]

Element = ElementTree.Element
NAMESPACE: Final = "http://www.w3.org/1998/Math/MathML"
_APPLY: Final = "\u2061"
"""The invisible sign between a function and what it is applied to."""
_CLOSING: Final = frozenset(DELIMITER_PAIRS.values())
_SIDE_SCRIPTS: Final = frozenset({r"\int", r"\oint"})
"""Big operators whose limits stand at their right, as TeX sets them."""
_SIGNED: Final = frozenset({"+", "-", r"\pm", r"\mp"})
"""Operators that stand before a term as well as between two."""
_RELATION_SPACE: Final = "0.278em"


def mathml(tokens: Sequence[str], display: bool = True) -> str:
    r"""Write tokens as MathML.

    Args:
        tokens: canonical tokens; special ones are left out, and what is not closed is closed.
        display: whether it stands in a line of its own, where fractions and sums are larger.

    Example:
        >>> mathml(r"x ^ { 1 2 }".split()).partition(">")[2]
        '<msup><mi>x</mi><mn>12</mn></msup></math>'
    """
    tree = mathml_tree([one for one in tokens if one not in UNWRITTEN], display)
    tree.attrib = {"xmlns": NAMESPACE, "display": tree.attrib["display"]}
    return ElementTree.tostring(tree, encoding="unicode")


def mathml_tree(
    tokens: Sequence[str],
    display: bool = True,
    marks: bool = False,
    signs: Mapping[str, str] | None = None,
    stretch: bool = True,
) -> Element:
    """The MathML of tokens as a tree of elements, without namespace.

    Args:
        tokens: as for `mathml`.
        display: as for `mathml`.
        marks: whether each element that is drawn has the number of its token as its `mathcolor`
            (`mark_number` reads it), and none stands for several.
        signs: characters that are to be written for tokens instead of the usual ones; a letter for
            itself stands upright.
        stretch: whether delimiters stretch; round a matrix they always do.

    Raises:
        ValueError: with `marks`, if the tokens are not canonical, so that they have no numbers.
    """
    tree = parse(" ".join(tokens), lenient=True)
    if marks and emit(tree) != [*tokens]:
        raise ValueError(f"{' '.join(tokens)} is not in canonical style.")
    root = Element("math", display="block" if display else "inline")
    root.append(_Writer(display, marks, signs or {}, stretch).node(tree))
    return root


def mark_number(color: str | None) -> int:
    """The number of the token that a `mathcolor` stands for; -1 for another one."""
    if color is None or len(color) != 7 or not color.startswith("#"):
        return -1
    return int(color[1:], 16) - 1


@dataclass
class _Item:
    """Something in a row: its token, its element, and its scripts."""

    token: str
    element: Element
    sub: Element | None = None
    sup: Element | None = None

    def joined(self, display: bool) -> Element:
        """One element for base and scripts."""
        if self.sub is None and self.sup is None:
            return self.element
        above = self.token in BIG_OPERATORS - _SIDE_SCRIPTS or self.token == r"\overbrace"
        below = self.token in LIMITS_OPERATORS - _SIDE_SCRIPTS or self.token == r"\underbrace"
        if display or "brace" in self.token:
            if self.sup is None and below:
                return _element("munder", self.element, self.sub)
            if self.sub is None and above:
                return _element("mover", self.element, self.sup)
            if above or (below and self.token in FUNCTIONS and self.sub is not None):
                return _element("munderover", self.element, self.sub, self.sup)
        if self.sup is None or self.sub is None:
            name = "msub" if self.sup is None else "msup"
            return _element(name, self.element, self.sub if self.sup is None else self.sup)
        return _element("msubsup", self.element, self.sub, self.sup)


class _Writer:
    """Walks the tree in the order of its tokens, and counts them."""

    def __init__(self, display: bool, marks: bool, signs: Mapping[str, str], stretch: bool) -> None:
        self.display, self.marks, self.signs, self.stretch = display, marks, signs, stretch
        self.at = 0
        """Number of the next token."""

    def node(self, node: Node) -> Element:
        return self.row(node) if isinstance(node, Row) else self.item(node).joined(self.display)

    def row(self, row: Row) -> Element:
        items = [self.item(child) for child in row.children]
        fenced = _fenced(self._merged(items), self.display, self.stretch)
        elements = [one.joined(self.display) for one in fenced]
        return elements[0] if len(elements) == 1 else _element("mrow", *elements)

    def braced(self, row: Row) -> Element:
        self.at += 1
        element = self.row(row)
        self.at += 1
        return element

    def item(self, node: Node) -> _Item:
        match node:
            case Atom(token):
                return _Item(token, self.atom(token))
            case Group(body):
                return _Item("", self.braced(body))
            case Script(base, sub, sup):
                item = self.item(base)
                if item.sub is not None or item.sup is not None:
                    item = _Item("", item.joined(self.display))
                if sub is not None:
                    self.at += 1 + (
                        isinstance(base, Atom) and base.token in SUBSCRIPT_LIMITS_OPERATORS
                    )
                    item.sub = self.braced(sub)
                if sup is not None:
                    self.at += 1
                    item.sup = self.braced(sup)
                return item
            case Command():
                return _Item(node.token, self.command(node))
            case Matrix(lines):
                return _Item("matrix", self.matrix(lines))
        return _Item("", self.node(node))

    def leaf(self, name: str, text: str, number: int | None = None, **attributes: str) -> Element:
        """An element with text; it comes from the token of a number, by default the last one."""
        element = Element(name, attributes)
        element.text = text
        return self.marked(element, number)

    def marked(self, element: Element, number: int | None = None) -> Element:
        if self.marks:
            element.set("mathcolor", f"#{(self.at if number is None else number + 1):06x}")
        return element

    def atom(self, token: str) -> Element:
        self.at += 1
        sign = self.signs.get(token) or SIGNS.get(token, token)
        if token in FUNCTIONS:
            return self.leaf("mi", token[1:] if token != r"\bmod" else "mod")
        if token.isdigit():
            return self.leaf("mn", sign)
        if token in UPRIGHT or self.signs.get(token) == token:
            return self.leaf("mi", sign, mathvariant="normal")
        if token in OPERATORS or (token not in IDENTIFIERS and not sign.isalpha()):
            return self.leaf("mo", sign)
        return self.leaf("mi", sign)

    def command(self, node: Command) -> Element:
        token, number = node.token, self.at
        self.at += 1
        if token == r"\text":
            return self.word(node.args[0])
        if token == r"\mathbb":
            return self.double_struck(node.args[0])
        index = None
        if node.index is not None:
            # As the tokens have it: an index with a closing bracket keeps its braces.
            protected = "]" in [one.token for one in _heads(node.index) if isinstance(one, Atom)]
            self.at += 1
            index = self.braced(node.index) if protected else self.row(node.index)
            self.at += 1
        rows = [self.braced(argument) for argument in node.args]
        if token == r"\frac":
            return self.marked(_element("mfrac", *rows), number)
        if token == r"\binom":
            inner = _element("mfrac", *rows)
            inner.set("linethickness", "0")
            sides = [
                self.leaf("mo", s, number, form=f) for s, f in (("(", "prefix"), (")", "postfix"))
            ]
            return _element("mrow", sides[0], inner, sides[1])
        if token == r"\sqrt":
            named = "msqrt" if index is None else "mroot"
            return self.marked(_element(named, *rows, index), number)
        if token in (r"\overset", r"\underset"):
            name = "mover" if token == r"\overset" else "munder"
            return _element(name, rows[1], _alone(rows[0]))
        if token in (r"\xrightarrow", r"\xleftarrow"):
            padded = _element("mpadded", *rows)
            padded.attrib.update(lspace="0.4em", width="+0.8em")
            sign = "→" if token == r"\xrightarrow" else "←"
            return _element("mover", self.leaf("mo", sign, number, stretchy="true"), padded)
        if token in ACCENT_SIGNS:
            name, sign, stretches = ACCENT_SIGNS[token]
            several = sum(1 for _ in rows[0].iter() if _.text) > 1
            is_stretched = "true" if stretches or several else "false"
            accent = self.leaf("mo", sign, number, stretchy=is_stretched)
            element = _element(name, *rows, accent)
            element.set("accent" if name == "mover" else "accentunder", "true")
            return element
        # A command that the vocabulary lacks.
        return _element("mrow", self.leaf("mtext", token, number), *rows)

    def word(self, row: Row) -> Element:
        """Upright letters; known words have their spaces again."""
        self.at += 1
        letters = [one.token if isinstance(one, Atom) else "" for one in row.children]
        spelled = "".join(letters)
        known = WORDS.get(spelled, spelled) if all(letters) else None
        if known is None:  # mathematics in it
            row_element = self.row(row)
            self.at += 1
            return row_element
        if not self.marks:
            self.at += len(letters) + 1
            return self.leaf("mtext", f"\u00a0{known}\u00a0".replace(" ", "\u00a0"))
        pieces: list[Element] = [Element("mspace", width="0.3em")]
        for character in known:
            if character == " ":
                pieces.append(Element("mspace", width="0.3em"))
            else:
                self.at += 1
                pieces.append(self.leaf("mtext", character))
        self.at += 1
        return _element("mrow", *pieces, Element("mspace", width="0.3em"))

    def double_struck(self, row: Row) -> Element:
        self.at += 1
        elements = []
        for child in row.children:
            if isinstance(child, Atom) and child.token in DOUBLE_STRUCK:
                self.at += 1
                elements.append(self.leaf("mi", DOUBLE_STRUCK[child.token], mathvariant="normal"))
            else:
                elements.append(self.node(child))
        self.at += 1
        return elements[0] if len(elements) == 1 else _element("mrow", *elements)

    def matrix(self, lines: Sequence[Sequence[Row]]) -> Element:
        """A table; lines of one cell each stand with their first relations under one another."""
        table, columns = Element("mtable"), max(len(line) for line in lines)
        for line in lines:
            cells = []
            for cell in line:
                self.at += 1  # what begins the matrix, or ends what is before
                cells.append(self.row(cell))
            cells += [Element("mrow") for _ in range(columns - len(cells))]
            table.append(_element("mtr", *(_element("mtd", cell) for cell in cells)))
        self.at += 1
        if columns == 1 and len(lines) > 1:
            _align(table)
        elif columns > 1:
            table.set("columnspacing", "1em")
        return table

    def _merged(self, items: list[_Item]) -> list[_Item]:
        r"""With `\not` put together with what it strikes out, digits with digits, and so on."""
        out: list[_Item] = []
        for item in items:
            last = out[-1] if out else None
            if last is not None and last.token == r"\not" and item.element.text:
                text = item.element.text + SLASH
                item.element.text = text if self.marks else unicodedata.normalize("NFC", text)
                if item.token in RELATIONS:
                    item.element.attrib.update(lspace=_RELATION_SPACE, rspace=_RELATION_SPACE)
                out[-1] = item
                continue
            while not self.marks and _continues(out, item):
                item.element.text = f"{out.pop().element.text}{item.element.text}"
            if item.token in _SIGNED and _begins_term(last):
                item.element.set("form", "prefix")
            out.append(item)
        if self.marks:
            return out
        applied: list[_Item] = []
        for number, item in enumerate(out):
            applied.append(item)
            if item.token in FUNCTIONS - {r"\bmod"} and number + 1 < len(out):
                applied.append(_Item("", self.leaf("mo", _APPLY)))
        return applied


def _continues(out: Sequence[_Item], item: _Item) -> bool:
    """Whether an item goes on with the number, or the decimal point in one, before it."""
    if item.element.tag != "mn" or not out or out[-1].sub is not None or out[-1].sup is not None:
        return False
    if out[-1].token == ".":
        return len(out) > 1 and out[-2].element.tag == "mn" and out[-2].sup is out[-2].sub is None
    return out[-1].element.tag == "mn"


def _begins_term(last: _Item | None) -> bool:
    """Whether what follows an item stands before a term, not between two."""
    if last is None:
        return True
    if last.sub is not None or last.sup is not None:
        return False
    return last.token in RELATIONS | _SIGNED | {
        *DELIMITER_PAIRS,
        ",",
        ";",
        "*",
        r"\times",
        r"\cdot",
    }


def _fenced(items: Iterable[_Item], display: bool, stretch: bool) -> list[_Item]:
    """Items with each pair of delimiters, and what is between them, as one item."""
    out: list[_Item] = []
    open_: list[int] = []
    for item in items:
        opens = [
            i for i in open_
            if DELIMITER_PAIRS.get(out[i].token, "|") == item.token
            and (item.token != "|" or i < len(out) - 1)
        ]  # fmt: skip
        if opens:
            start = opens[-1]
            for number in (i for i in open_ if i > start):
                out[number].element.set("stretchy", "false")
            open_ = [i for i in open_ if i < start]
            inner = [one.joined(display) for one in out[start + 1 :]]
            stretches = stretch or any(one.token == "matrix" for one in out[start + 1 :])
            stretchy = "true" if stretches else "false"
            out[start].element.attrib.update(form="prefix", stretchy=stretchy)
            item.element.attrib.update(form="postfix", stretchy=stretchy)
            whole = _element("mrow", out[start].element, *inner, item.element)
            out[start:] = [_Item("", whole, item.sub, item.sup)]
            continue
        is_plain = item.sub is None and item.sup is None
        if is_plain and (item.token in DELIMITER_PAIRS or item.token == "|"):
            open_.append(len(out))
        elif item.token in _CLOSING or item.token == "|":
            item.element.set("stretchy", "false")
        out.append(item)
    for start in reversed(open_):
        delimiter, beside = out[start], out[start + 1 : start + 2]
        if delimiter.token != "|" and beside and beside[0].token == "matrix":
            delimiter.element.attrib.update(form="prefix", stretchy="true")
            table = beside[0].element
            if table.get("columnalign") is None:
                table.set("columnalign", "left")
            out[start : start + 2] = [_Item("", _element("mrow", delimiter.element, table))]
        else:
            delimiter.element.set("stretchy", "false")
    return out


def _align(table: Element) -> None:
    """Set the first relations of all lines under one another, if each line has one."""
    lines = [row[0] for row in table]
    places = []
    for cell in lines:
        content = [*cell[0]] if cell[0].tag == "mrow" else [cell[0]]
        signs = [one[0] if one.tag in ("mover", "munder") else one for one in content]
        found = [i for i, one in enumerate(signs) if one.tag == "mo" and one.text in _ALIGNED]
        places.append((content, found[0] if found else None))
    if any(place is None for _, place in places):
        table.set("columnalign", "left")
        return
    for row, (content, place) in zip(table, places, strict=True):
        for cell in [*row]:
            row.remove(cell)
        row.append(_element("mtd", _element("mrow", *content[:place])))
        for one in content[place : (place or 0) + 1]:
            one.set("form", "infix")
        row.append(_element("mtd", _element("mrow", *content[place:])))
    table.attrib.update(columnalign="right left", columnspacing="0em")


_ALIGNED: Final = frozenset(SIGNS.get(token, token) for token in RELATIONS)


def _heads(row: Row) -> list[Node]:
    return [child.base if isinstance(child, Script) else child for child in row.children]


def _alone(element: Element) -> Element:
    """An operator in a row of its own: it is no accent that grows with what it stands over."""
    return _element("mrow", element) if element.tag == "mo" else element


def _element(name: str, *children: Element | None) -> Element:
    element = Element(name)
    element.extend(child for child in children if child is not None)
    return element
