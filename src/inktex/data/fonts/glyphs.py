"""Glyphs of handwriting fonts as strokes, their file, and their split by writer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...files import new_file
from ..arrays import load_arrays
from .sources import find_source
from .symbols import visible_tokens

_VERSION: Final = 1
_HELD_OUT: Final = 0.15
"""Share of fonts that are not in the list, by a hash of their name, that are held out."""


@dataclass(frozen=True, slots=True, eq=False)
class FontGlyph:
    r"""A symbol in one font.

    All lengths are in ems of the font; y points down, the baseline is at y = 0, and the
    glyph's place in a line begins at x = 0. Fonts fill their em differently: divide by `x_height`
    or `cap_height` to compare writers.

    Attributes:
        font: name of the font, which is a writer.
        token: of the vocabulary, or `\\mathbb{R}` and the like.
        character: that the font has the glyph for; a token may be written in several forms.
        strokes: float32 arrays of shape (points, 2), in the order and direction of a right-handed
            writer, each with two points or more.
        advance: width of the glyph's place in a line.
        width: median width of the glyph's strokes in the font.
        x_height: height of a small x in this font.
        cap_height: height of a capital.
        ascender: height of b, d, h, k, l.
    """

    font: str
    token: str
    character: str
    strokes: tuple[NDArray[np.float32], ...]
    advance: float
    width: float
    x_height: float
    cap_height: float
    ascender: float

    @property
    def held_out(self) -> bool:
        """Whether the writer is kept for evaluation."""
        return is_held_out(self.font)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the strokes."""
        points = np.concatenate(self.strokes)
        (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return x0, y0, x1, y1


_HEIGHTS: Final = ("x_height", "cap_height", "ascender")


def is_held_out(font: str) -> bool:
    """Whether a font is kept for evaluation: as the list says, else by a hash of its name."""
    source = find_source(font)
    if source is not None:
        return source.held_out
    digest = hashlib.sha256(font.encode()).digest()
    return int.from_bytes(digest[:4], "big") < _HELD_OUT * 2**32


def save_glyphs(
    path: Path, glyphs: Sequence[FontGlyph], records: Iterable[Mapping[str, Any]] = ()
) -> None:
    """Write glyphs to a compressed `.npz` file; points are stored as float16.

    Args:
        path: of the file; it is there whole or not at all.
        records: what is known of each font: its name, package and licence.
    """
    fonts = sorted({one.font for one in glyphs})
    heights = {one.font: [getattr(one, name) for name in _HEIGHTS] for one in glyphs}
    tokens = sorted({one.token for one in glyphs})
    strokes = [stroke for one in glyphs for stroke in one.strokes]
    points = np.concatenate(strokes) if strokes else np.zeros((0, 2))
    with new_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            version=np.array(_VERSION),
            fonts=np.array(fonts, dtype=str),
            heights=np.array([heights[font] for font in fonts], dtype=np.float32),
            records=np.array([json.dumps(dict(one)) for one in records], dtype=str),
            tokens=np.array(tokens, dtype=str),
            glyph_font=np.array([fonts.index(one.font) for one in glyphs], dtype=np.int16),
            glyph_token=np.array([tokens.index(one.token) for one in glyphs], dtype=np.int16),
            glyph_character=np.array([ord(one.character) for one in glyphs], dtype=np.int32),
            glyph_place=np.array([(one.advance, one.width) for one in glyphs], dtype=np.float32),
            glyph_strokes=np.array([len(one.strokes) for one in glyphs], dtype=np.int16),
            stroke_points=np.array([len(stroke) for stroke in strokes], dtype=np.int16),
            points=points.astype(np.float16),
        )


def load_glyphs(path: str | Path, script: str = "scripts/prepare_fonts.py") -> list[FontGlyph]:
    """The glyphs of a file of `scripts/prepare_fonts.py` or the like, font by font.

    Args:
        path: of the `.npz` file.
        script: that writes it.

    Raises:
        FileNotFoundError: if the file is not there.
        ValueError: if it is no such file.
    """
    stored = load_arrays(path, _VERSION, "glyphs", script)
    points = stored["points"].astype(np.float32)
    pieces = np.split(points, np.cumsum(stored["stroke_points"].astype(np.int64))[:-1])
    fonts, tokens = stored["fonts"].tolist(), stored["tokens"].tolist()
    heights = stored["heights"].tolist()
    glyphs: list[FontGlyph] = []
    first = 0
    for font, token, character, place, count in zip(
        stored["glyph_font"].tolist(),
        stored["glyph_token"].tolist(),
        stored["glyph_character"].tolist(),
        stored["glyph_place"].tolist(),
        stored["glyph_strokes"].tolist(),
        strict=True,
    ):
        strokes = tuple(pieces[first : first + count])
        first += count
        glyph = FontGlyph(
            fonts[font], tokens[token], chr(character), strokes, *place, *heights[font]
        )
        glyphs.append(glyph)
    return glyphs


def coverage(glyphs: Iterable[FontGlyph]) -> dict[str, tuple[int, int]]:
    """In how many fonts each token is.

    Returns:
        Token -> number of training and of held-out fonts that have it, for every visible token,
        in the order of the vocabulary.
    """
    fonts: dict[str, set[str]] = {token: set() for token in visible_tokens()}
    for one in glyphs:
        fonts.setdefault(one.token, set()).add(one.font)
    counts = {}
    for token, names in fonts.items():
        held_out = sum(is_held_out(name) for name in names)
        counts[token] = (len(names) - held_out, held_out)
    return counts
