"""A font of a few polygons, for tests of what reads fonts. Needs fontTools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

Polygon = list[tuple[int, int]]

WIDTH = 60
"""Stroke width of the font of these tests, in units of 1000 an em."""


def bar(x0: int, y0: int, x1: int, y1: int) -> Polygon:
    """A straight stroke with square ends."""
    way = np.array([x1 - x0, y1 - y0], dtype=float)
    across = np.array([-way[1], way[0]]) / np.hypot(*way) * WIDTH / 2
    start, end = np.array([x0, y0]), np.array([x1, y1])
    corners = [start + across, end + across, end - across, start - across]
    return [(round(float(x)), round(float(y))) for x, y in corners]


def disc(x: int, y: int, radius: int, clockwise: bool = True) -> Polygon:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    if clockwise:
        angles = -angles
    return [(round(x + radius * np.cos(a)), round(y + radius * np.sin(a))) for a in angles.tolist()]


def box(x0: int, y0: int, x1: int, y1: int) -> Polygon:
    return [(x0, y0), (x0, y1), (x1, y1), (x1, y0)]


GLYPHS: dict[str, list[Polygon]] = {
    "X": [bar(100, 0, 500, 700), bar(100, 700, 500, 0)],
    "O": [disc(350, 350, 350), disc(350, 350, 350 - WIDTH, clockwise=False)],
    "T": [bar(100, 670, 600, 670), bar(350, 0, 350, 690)],
    "H": [bar(100, 0, 100, 700), bar(500, 0, 500, 700), bar(100, 350, 500, 350)],
    "E": [
        bar(100, 0, 100, 700),
        bar(80, 30, 450, 30),
        bar(80, 350, 400, 350),
        bar(80, 670, 450, 670),
    ],
    "b": [
        bar(100, 0, 100, 700),
        disc(250, 180, 180),
        disc(250, 180, 180 - WIDTH, clockwise=False),
    ],
    "x": [bar(60, 0, 400, 450), bar(60, 450, 400, 0)],
    "i": [bar(100, 0, 100, 420), disc(100, 600, 45)],
    "l": [bar(100, 0, 100, 700)],
    "-": [bar(60, 250, 340, 250)],
    "=": [bar(60, 150, 440, 150), bar(60, 350, 440, 350)],
    ",": [bar(120, 40, 60, -150)],
    ".": [disc(100, 45, 45)],
    "α": [disc(200, 200, 200), disc(200, 200, 140, clockwise=False), bar(380, 400, 400, 0)],
    "■": [box(0, 0, 600, 600)],
}
BOX = [box(50, 0, 450, 700), box(90, 40, 410, 660)[::-1]]


def build_font(
    path: Path, family: str = "Tiny", glyphs: dict[str, list[Polygon]] | None = None
) -> Path:
    """Write a TrueType font of polygons."""
    glyphs = GLYPHS if glyphs is None else glyphs
    names = {character: f"u{ord(character):04X}" for character in glyphs}
    drawn = {".notdef": BOX, **{names[c]: polygons for c, polygons in glyphs.items()}}
    built = {}
    for name, polygons in drawn.items():
        pen = TTGlyphPen(None)
        for polygon in polygons:
            pen.moveTo(polygon[0])
            for point in polygon[1:]:
                pen.lineTo(point)
            pen.closePath()
        built[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(list(drawn))
    builder.setupCharacterMap({ord(c): name for c, name in names.items()})
    builder.setupGlyf(built)
    builder.setupHorizontalMetrics(
        {name: (600, getattr(glyph, "xMin", 0)) for name, glyph in built.items()}
    )
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupPost()
    path.parent.mkdir(parents=True, exist_ok=True)
    builder.save(path)
    return path
