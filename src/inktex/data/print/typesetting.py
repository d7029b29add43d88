"""Canonical tokens to placed glyphs, by ziamath with any OpenType font that has a MATH table.

The MathML of a formula marks each element with the number of its token, so that what is typeset is
aligned with the tokens without a search: fraction bars, roots, delimiters and accents too. Glyphs
and rules are taken from the tree that ziamath lays out, not from its SVG.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray
from ziamath.drawable import Glyph as DrawnGlyph
from ziamath.drawable import HLine
from ziamath.mathfont import MathFont
from ziamath.mathtable import AssembledGlyph
from ziamath.nodes.mnode import Mnode
from ziamath.nodes.munderover import Mover
from ziamath.zmath import Math, loadedfonts

from inktex.tokenizer.mathml_inktex import mark_number, mathml_tree
from inktex.tokenizer.mathml_signs_inktex import SLASH

from .outlines import Outline, outline_of

_RULER: Final = "―"
"""By this character ziamath draws a rule of the width of what is under or over it."""
_BARS: Final = frozenset("‾_")
_COMBINING: Final = {
    "^": "\u0302", "~": "\u0303", "¯": "\u0304", "˙": "\u0307", "¨": "\u0308", "→": "\u20d7",
}  # fmt: skip
"""Accents as the faces have them in the size that stands over a letter, or stretched ones."""
_SPACES: Final = frozenset(" \u00a0\u2009")
_SIZE: Final = 1000.0
"""Pixels of an em to ziamath, which rounds nothing."""
_ARROW: Final = "labelledarrow"


class MissingGlyphError(ValueError):
    """A face lacks a glyph."""


class _LabelledArrow(Mover, tag=_ARROW):
    """An arrow as long as the label over it; ziamath stretches the label's side alone."""

    def __init__(self, element: Element, parent: Any, **kwargs: Any) -> None:
        Mnode.__init__(self, element, parent, **kwargs)
        self.increase_child_scriptlevel(element[1])
        self._isaccent = True
        self.over = Mnode.fromelement(element[1], parent=self, **kwargs)
        width = {"width": self.over.bbox.xmax - self.over.bbox.xmin}
        self.base = Mnode.fromelement(element[0], parent=self, **{**kwargs, **width})
        self._setup(**kwargs)


@dataclass(frozen=True, slots=True)
class PlacedGlyph:
    """A glyph or a rule where it stands.

    Attributes:
        token: number of the token that it is the ink of.
        outline: in ems of its face; a rule is a square of one em.
        place: x and y of its origin, and its size across and down, in ems of the formula.
    """

    token: int
    outline: Outline
    place: tuple[float, float, float, float]


class Face:
    """A font to typeset with.

    Args:
        path: of an OpenType font with a MATH table; None for STIX Two, which ziamath brings.

    Raises:
        ValueError: if it is none.
    """

    def __init__(self, path: Path | None, name: str) -> None:
        self.name, self.path = name, None if path is None else str(path)
        try:
            self.font: Any = loadedfonts["default"] if path is None else MathFont(path, _SIZE)
        except (OSError, ValueError, LookupError, struct.error) as error:
            raise ValueError(f"{path} is no font to typeset formulas with: {error}") from error
        if self.path is not None:
            loadedfonts[self.path] = self.font
        self.font.basesize = _SIZE
        self.em = float(self.font.info.layout.unitsperem)
        self._outlines: dict[int, Outline] = {}

    def outline(self, glyph: Any) -> Outline:
        """Outline of a glyph, the same object for the same one."""
        if isinstance(glyph, AssembledGlyph):  # made anew each time, of parts
            return outline_of(list(_assembled(glyph)), self.em)
        if glyph.index not in self._outlines:
            self._outlines[glyph.index] = outline_of(glyph.operators, self.em)
        return self._outlines[glyph.index]


def _assembled(glyph: AssembledGlyph) -> Iterator[Any]:
    """The moves, lines and curves of a tall delimiter or a long brace, part by part."""
    for part, offset in zip(glyph.glyphs, glyph.offsets, strict=True):
        across, up = (0, offset) if glyph.vert else (offset, 0)
        for operator in part.operators:
            yield operator.xform(1, 0, 0, 1, across, up, 1, 1)


def typeset(
    tokens: Sequence[str],
    face: Face,
    display: bool = True,
    signs: Mapping[str, str] | None = None,
    stretch: bool = True,
) -> list[PlacedGlyph]:
    """Glyphs and rules of a formula.

    Args:
        tokens: in canonical style.
        face: to set them in.
        display, signs, stretch: as for `mathml_tree`.

    Raises:
        MissingGlyphError: if the face lacks a glyph, so that a box or nothing would stand there.
        ValueError: if the tokens are not canonical, or cannot be set.
    """
    tree = _adapted(mathml_tree(tokens, display, True, signs, stretch))
    try:
        root = Math(tree, size=_SIZE, font=face.path).node
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"{' '.join(tokens)} cannot be set in {face.name}: {error}") from error
    found: list[PlacedGlyph] = []
    for drawn, parent, x, y in _walk(root, 0.0, 0.0):
        glyph = _placed(drawn, parent, x, y, face)
        if glyph is None:
            continue
        is_slash = found and getattr(drawn, "char", "") == SLASH
        found.append(_centred(glyph, found[-1]) if is_slash else glyph)
    if not found:
        raise ValueError("There is nothing to typeset: no token has ink.")
    return found


def _adapted(tree: Element) -> Element:
    """The tree with what ziamath writes in another way.

    Each row is laid out twice, and so is all within it: a row that is alone in another one goes.
    """
    for element in [*tree.iter()]:
        if element.tag in ("math", "mtd") and [one.tag for one in element] == ["mrow"]:
            element[:] = element[0][:]
        if element.tag in ("mover", "munder"):
            base, beside = element
            if element.get("accent") == "true" and beside.tag == "mo":
                stretches = beside.get("stretchy") == "true"
                if not (stretches and beside.text == "→"):
                    beside.text = _COMBINING.get(beside.text or "", beside.text)
                if not stretches:  # in a row it is not as wide as what it stands over
                    element[1] = Element("mrow")
                    element[1].append(beside)
            if beside.tag == "mo" and beside.text in _BARS:
                beside.text = _RULER
            elif element.tag == "mover" and base.tag == "mo" and beside.tag == "mpadded":
                element.tag = _ARROW
    return tree


def _walk(node: Any, x: float, y: float) -> Iterator[tuple[Any, Any, float, float]]:
    """All that is drawn, with the node around it and its place in pixels."""
    for (across, down), child in zip(node.nodexy, node.nodes, strict=True):
        if isinstance(child, DrawnGlyph | HLine):
            yield child, node, x + across, y + down
        else:
            yield from _walk(child, x + across, y + down)


def _placed(drawn: Any, parent: Any, x: float, y: float, face: Face) -> PlacedGlyph | None:
    """A glyph or a rule with its token; None for a space or a rule without width."""
    x, y = x / _SIZE, y / _SIZE
    token = mark_number(drawn.style.mathcolor)
    if isinstance(drawn, HLine):
        if drawn.lw <= 0 or drawn.length <= 0:
            return None
        if token < 0:  # an overline, which ziamath draws without its colour
            token = mark_number(parent.element[1].get("mathcolor"))
        size = drawn.length / _SIZE, drawn.lw / _SIZE
        return PlacedGlyph(token, RULE, (x, y, *size))
    if drawn.char in _SPACES:
        return None
    if drawn.char == SLASH:
        token -= 1  # `\not` stands directly before what it strikes out
    if drawn.glyph.index == 0:
        raise MissingGlyphError(f"{face.name} has no {drawn.char!r}.")
    outline = face.outline(drawn.glyph)
    if token < 0 or not len(outline.points):
        raise MissingGlyphError(f"{face.name} draws nothing for {drawn.char!r}.")
    size_ = drawn.size / _SIZE
    return PlacedGlyph(token, outline, (x, y, size_, size_))


def _centred(glyph: PlacedGlyph, other: PlacedGlyph) -> PlacedGlyph:
    """A glyph with its middle on that of another one."""
    (low, high), (own_low, own_high) = box(other), box(glyph)
    across, down = ((low + high - own_low - own_high) / 2).tolist()
    x, y, *size = glyph.place
    return replace(glyph, place=(x + across, y + down, size[0], size[1]))


def box(glyph: PlacedGlyph) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Left upper and right lower corner of a placed glyph, in ems of the formula."""
    x, y, across, down = glyph.place
    points = glyph.outline.points * np.array([across, down]) + np.array([x, y])
    return points.min(axis=0), points.max(axis=0)


RULE: Final = Outline(
    np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32), np.array([0, 4], dtype=np.int64)
)
"""The outline of all rules, whose place has their sides."""
