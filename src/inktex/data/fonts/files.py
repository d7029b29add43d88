"""Fonts of one or several files: their outlines in ems, and their measured heights."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont, TTLibError
from numpy.typing import NDArray

SUFFIXES: Final = (".ttf", ".otf", ".woff2", ".woff")
"""Endings of font files."""

_CURVE_STEPS: Final = 10
"""Straight pieces for a curve segment: at 160 pixels a capital they are off by under a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The filled outline of one glyph.

    Attributes:
        contours: closed polygons, float64, shape (points, 2), in ems, y down, baseline at 0.
        advance: width of the glyph's place in a line, in ems.
    """

    contours: list[NDArray[np.float64]]
    advance: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in ems; all 0 for an empty glyph."""
        if not self.contours:
            return 0.0, 0.0, 0.0, 0.0
        points = np.concatenate(self.contours)
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)

    def key(self) -> bytes:
        """The shape without its place: equal for two glyphs with the same outline."""
        if not self.contours:
            return b""
        x0, y0, _, _ = self.box
        moved = [np.round((one - (x0, y0)) * 500).astype(np.int16) for one in self.contours]
        return b"|".join(sorted(one.tobytes() for one in moved))


@dataclass(eq=False)
class Font:
    """One font, in one file or in several with a range of characters each.

    Attributes:
        name: of the font.
        paths: of its files.
    """

    name: str
    paths: list[Path]
    _places: dict[str, tuple[TTFont, str]] = field(default_factory=dict, repr=False)
    _missing: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for path in self.paths:
            try:
                font = TTFont(path, lazy=True)
                names = font.getBestCmap() or {}
            except (TTLibError, OSError, ValueError, AssertionError, KeyError) as error:
                raise ValueError(f"{path} cannot be read as a font: {error}") from error
            for code, name in names.items():
                self._places.setdefault(chr(code), (font, name))

    def __contains__(self, character: str) -> bool:
        return character in self._places

    def outline(self, character: str) -> Outline:
        """The outline of a character's glyph.

        Raises:
            KeyError: if the font lacks the character.
            ValueError: if its outline cannot be read.
        """
        font, name = self._places[character]
        return _outline(font, name)

    def is_fallback(self, outline: Outline) -> bool:
        """Whether an outline is that of the font's glyph for characters that it lacks."""
        if self._missing is None:
            font = next(iter(self._places.values()))[0]
            try:
                self._missing = _outline(font, font.getGlyphOrder()[0]).key()
            except (ValueError, KeyError):
                self._missing = b""
        return bool(self._missing) and outline.key() == self._missing

    def height(self, characters: str) -> float | None:
        """The median height above the baseline of those characters that the font has, in ems."""
        tops = []
        for character in characters:
            if character in self:
                outline = self.outline(character)
                if outline.contours:
                    tops.append(-outline.box[1])
        return float(np.median(tops)) if tops else None


class _Polygons(BasePen):
    """Collects closed polygons; components are decomposed by the base class."""

    def __init__(self, glyphs: Any) -> None:
        super().__init__(glyphs)
        self.contours: list[list[tuple[float, float]]] = []

    def _moveTo(self, point: tuple[float, float]) -> None:  # noqa: N802
        self.contours.append([point])

    def _lineTo(self, point: tuple[float, float]) -> None:  # noqa: N802
        self.contours[-1].append(point)

    def _curveToOne(  # noqa: N802
        self, one: tuple[float, float], two: tuple[float, float], end: tuple[float, float]
    ) -> None:
        start = np.array(self.contours[-1][-1])
        t = np.linspace(0, 1, _CURVE_STEPS + 1)[1:, None]
        points = (
            (1 - t) ** 3 * start
            + 3 * (1 - t) ** 2 * t * np.array(one)
            + 3 * (1 - t) * t**2 * np.array(two)
            + t**3 * np.array(end)
        )
        self.contours[-1].extend((float(x), float(y)) for x, y in points)


def _outline(font: Any, name: str) -> Outline:
    glyphs = font.getGlyphSet()
    pen = _Polygons(glyphs)
    try:
        glyphs[name].draw(pen)
    except (TTLibError, ValueError, AssertionError, IndexError, AttributeError) as error:
        raise ValueError(f"glyph {name} has no outline that can be read: {error}") from error
    em = float(font["head"].unitsPerEm)
    contours = [
        np.array(one, dtype=np.float64) * (1 / em, -1 / em) for one in pen.contours if len(one) > 2
    ]
    return Outline(contours, float(glyphs[name].width) / em)
