"""Contact sheets of font glyphs: what a person looks at before glyphs are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from .glyphs import FontGlyph

__all__ = ["draw_sheet"]

_CELL: Final = 60
_INK: Final = 3
_HEAD: Final = 100
_ALLOWED: Final = 0.82
"""Share of a cell that the larger side of a glyph may take."""
_CAPITAL: Final = 34
"""Height of a capital in pixels: so sizes and places compare, unless a glyph is too large."""


def draw_sheet(glyphs: Sequence[FontGlyph], held_out: bool | None = None) -> Image.Image:
    """Rows of symbols by columns of fonts.

    The grey line in a cell is the baseline. Of several forms of a token in a font, each has its
    own row. Glyphs too large for their cell are drawn smaller, without a baseline.

    Args:
        glyphs: of any fonts.
        held_out: only writers that are held out, or only the others; None for all.

    Returns:
        An RGB picture: names of fonts on top, tokens on the left.
    """
    shown = [one for one in glyphs if held_out is None or one.held_out is held_out]
    fonts = list(dict.fromkeys(one.font for one in shown))
    rows = list(dict.fromkeys((one.token, one.character) for one in shown))
    order = {token: i for i, token in enumerate(dict.fromkeys(one.token for one in shown))}
    rows.sort(key=lambda row: order[row[0]])
    size = (_HEAD + _CELL * max(len(fonts), 1), _CELL * (len(rows) + 1))
    sheet = Image.new("RGB", size, "white")
    pencil = ImageDraw.Draw(sheet)
    for column, font in enumerate(fonts):
        for line, text in enumerate((font[:10], font[10:20], font[20:])):
            pencil.text((_HEAD + column * _CELL + 2, 12 + 14 * line), text, fill="black")
    for number, (token, character) in enumerate(rows):
        text = f"{token}\nU+{ord(character):04X}"
        pencil.text((4, (number + 1) * _CELL + 16), text, fill="black")
    for one in shown:
        left = _HEAD + fonts.index(one.font) * _CELL
        top = (rows.index((one.token, one.character)) + 1) * _CELL
        _draw(pencil, one, left, top)
    return sheet


def _draw(pencil: ImageDraw.ImageDraw, glyph: FontGlyph, left: int, top: int) -> None:
    pencil.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), outline=(225, 225, 225))
    x0, y0, x1, y1 = glyph.box
    scale = _CAPITAL / glyph.cap_height
    baseline = top + 0.7 * _CELL
    room = _ALLOWED * _CELL
    fits = max(x1 - x0, y1 - y0) * scale <= room
    fits = fits and baseline + y0 * scale >= top + _INK
    fits = fits and baseline + y1 * scale <= top + _CELL - _INK
    if fits:
        pencil.line((left + 2, baseline, left + _CELL - 3, baseline), fill=(205, 205, 205))
    else:
        scale = min(scale, room / max(x1 - x0, y1 - y0))
        baseline = top + _CELL / 2 - (y0 + y1) / 2 * scale
    middle = left + _CELL / 2 - (x0 + x1) / 2 * scale
    radius = _INK / 2
    for stroke in glyph.strokes:
        points = stroke * scale + np.array([middle, baseline])
        path = [(float(x), float(y)) for x, y in points]
        pencil.line(path, fill="black", width=_INK, joint="curve")
        for x, y in (path[0], path[-1]):
            pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill="black")
