"""The glyphs of the fonts of a folder, less those that a rule leaves out."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...extras import require
from ...tokenizer.vocabulary_inktex import UNKNOWN_MARK

require("train", "Reading fonts", "fontTools", "brotli", "skimage")

from scipy import ndimage  # noqa: E402

from .files import SUFFIXES, Font, Outline  # noqa: E402
from .glyphs import FontGlyph  # noqa: E402
from .raster import Canvas, fill  # noqa: E402
from .rules import (  # noqa: E402
    BREAKAGES,
    MAX_BROKEN_SHARE,
    Measures,
    has_other_form,
    holes,
    is_misplaced,
    measure,
    why_broken,
)
from .skeleton import local_radius  # noqa: E402
from .sources import RECORD, find_source  # noqa: E402
from .strokes import order_strokes, smooth, spiral, trace_strokes  # noqa: E402
from .symbols import (  # noqa: E402
    CENTRED_CHARACTERS,
    CHARACTERS,
    GROUPS,
    character_group,
)

log = logging.getLogger(__name__)

CAPITAL_PIXELS: Final = 160
"""Height of a capital in the raster, in pixels; thin strokes are then 8 pixels wide."""
_STEP: Final = CAPITAL_PIXELS / 24
"""Distance of the points of a stroke, in pixels."""
_BULLET_PITCH: Final = 0.06
"""Distance of the turns of a bullet, in heights of a capital: less than the stroke width."""
_LARGEST: Final = 12
"""Width and height in capitals above which a glyph is an ornament."""
_HOLES: Final = {"b": (2, 9), "e": (0, 0), "g": (0, 0), "r": (1, 9)}
"""Least and most holes of the capitals of letters that have another number when they are small."""
_HOLE_RADIUS: Final = 4.0
"""Holes smaller than a square of this side, in pixels, do not count."""
_SIGNS_OF_MONEY: Final = "¥₩"
"""Characters that fonts of Japan and Korea show for the backslash."""
_CAPITALS, _SMALL, _ASCENDERS = "HEITLZ", "xzvwnrs", "bdhkl"
_GREEK_CAPITALS, _GREEK_SMALL, _GREEK_ASCENDERS = "ΓΠΗΤΕ", "νικαπ", "βδθλ"


@dataclass
class Extraction:
    """The glyphs of one or several fonts.

    Attributes:
        glyphs: that are kept.
        left_out: reason (`inktex.data.fonts.rules.REASONS`) -> number of glyphs.
        records: for each font its name, package and licence, as far as they are known.
    """

    glyphs: list[FontGlyph] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    records: list[dict[str, Any]] = field(default_factory=list)

    @property
    def candidates(self) -> int:
        """Number of glyphs that the fonts have for tokens, kept or not."""
        return len(self.glyphs) + self.left_out.total()

    def add(self, other: Extraction) -> None:
        """Add the result of another font."""
        self.glyphs += other.glyphs
        self.left_out += other.left_out
        self.records += other.records


def extract(folder: Path, say: Callable[[str], None] = print) -> Extraction:
    """The glyphs of all fonts in a folder, font by font; each has a folder of its name.

    Raises:
        ValueError: if there is no font in the folder.
    """
    fonts = list(_fonts(folder))
    if not fonts:
        raise ValueError(f"{folder} has no folders of font files ({', '.join(SUFFIXES)}).")
    whole = Extraction()
    for number, (name, paths) in enumerate(fonts, start=1):
        try:
            found = extract_font(name, paths)
        except ValueError as error:
            say(f"[{number}/{len(fonts)}] {name}: is skipped: {error}")
            continue
        whole.add(found)
        say(f"[{number}/{len(fonts)}] {name}: {len(found.glyphs)} of {found.candidates} glyphs")
    return whole


def _fonts(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Name and files of each font; files of one font have a range of its characters each."""
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        paths = [path for path in sorted(place.iterdir()) if path.suffix in SUFFIXES]
        if paths:
            yield place.name, paths


def extract_font(
    name: str, paths: list[Path], characters: Mapping[str, str] = CHARACTERS
) -> Extraction:
    """Glyphs of one font in the order of `characters`, and what was left out.

    Args:
        name: of the font; if it is in the list, this says what is drawn by hand.
        paths: of its files.
        characters: token -> its characters, the likeliest form first.

    Raises:
        ValueError: if a file cannot be read, or the font has neither Latin nor Greek letters.
    """
    font = Font(name, paths)
    heights = _heights(font)
    result = Extraction(records=[_record(name, paths)])
    outlines = _outlines(font, characters)
    reasons = _before_tracing(font, outlines, heights["cap_height"])
    axis = _axis(outlines, heights["x_height"])
    traced: dict[str, _Traced | None] = {}
    for token, forms in characters.items():
        seen: set[bytes] = set()
        for character in forms:
            outline = outlines.get(character)
            if outline is None or (key := outline.key()) in seen:
                continue
            reason = reasons.get(character)
            if reason is None:
                seen.add(key)
                if character not in traced:
                    traced[character] = _trace(outline, heights["cap_height"])
                ink = traced[character]
                reason = "empty" if ink is None else ink.reason(token, heights["x_height"])
            if reason is not None or ink is None:
                result.left_out[reason or "empty"] += 1
                continue
            strokes = tuple(one.astype(np.float32) for one in ink.place(token, character, axis))
            result.glyphs.append(
                FontGlyph(name, token, character, strokes, outline.advance, ink.width, **heights)
            )
    return _all_or_nothing(result)


def _before_tracing(font: Font, outlines: Mapping[str, Outline], capital: float) -> dict[str, str]:
    """Characters whose outlines are not traced, and why."""
    source = find_source(font.name)
    drawn = source.drawn if source else GROUPS
    money = {outlines[one].key() for one in _SIGNS_OF_MONEY if one in outlines}
    unicase = _is_unicase(outlines, capital)
    reasons = {}
    for character, outline in outlines.items():
        if character_group(character) not in drawn:
            reasons[character] = "not drawn"
        elif not outline.contours or font.is_fallback(outline):
            reasons[character] = "empty"
        elif character == "\\" and outline.key() in money:
            reasons[character] = "same"
        elif unicase and character.isascii() and character.islower():
            reasons[character] = "unicase"
    return reasons


@dataclass(frozen=True, slots=True, eq=False)
class _Traced:
    """Strokes of an outline, in ems, and how well they stand for it."""

    strokes: list[NDArray[np.float64]]
    measures: Measures
    width: float
    capital: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        points = np.concatenate(self.strokes)
        (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return x0, y0, x1, y1

    def reason(self, token: str, x_height: float) -> str | None:
        """Why the glyph is left out; unknown marks may have any shape."""
        if token == UNKNOWN_MARK:
            return None
        broken = why_broken(token, self.measures)
        if broken is None and is_misplaced(token, self.box, x_height):
            return "misplaced"
        if broken is None and has_other_form(token, self.strokes, self.measures):
            return "form"
        return broken

    def place(self, token: str, character: str, axis: float) -> list[NDArray[np.float64]]:
        """The strokes, on the axis of operators where the font raises them; discs are filled."""
        lines = self.strokes
        if token == r"\bullet":
            pitch = _BULLET_PITCH * self.capital
            lines = [spiral(lines[0].mean(axis=0), self.width / 2, pitch)]
        _, top, _, bottom = self.box
        lift = axis - (top + bottom) / 2 if character in CENTRED_CHARACTERS else 0.0
        return [one + np.array([0.0, lift]) for one in lines]


def _trace(outline: Outline, capital: float) -> _Traced | None:
    """Strokes of an outline; None if there is no ink, or the glyph is an ornament."""
    scale = CAPITAL_PIXELS / capital
    canvas = Canvas.around(outline.box, scale)
    if max(canvas.width, canvas.height) > _LARGEST * CAPITAL_PIXELS:
        return None
    raster = fill(outline.contours, canvas)
    lines, radii = trace_strokes(raster)
    if not lines:
        return None
    smoothed = [
        smooth(line, float(np.median(radius)), _STEP)
        for line, radius in zip(lines, radii, strict=True)
    ]
    distance = np.asarray(ndimage.distance_transform_edt(raster), dtype=np.float64)
    found = measure(raster, smoothed, [local_radius(distance, one) for one in smoothed])
    written = order_strokes(smoothed, CAPITAL_PIXELS)
    return _Traced([canvas.to_ems(one) for one in written], found, found.width / scale, capital)


def _heights(font: Font) -> dict[str, float]:
    """Measured heights in ems; fonts state them, but often wrongly."""
    capital = font.height(_CAPITALS) or font.height(_GREEK_CAPITALS)
    small = font.height(_SMALL) or font.height(_GREEK_SMALL)
    ascender = font.height(_ASCENDERS) or font.height(_GREEK_ASCENDERS)
    if not capital or not small or not ascender or min(capital, small, ascender) <= 0:
        raise ValueError("it has neither Latin nor Greek letters.")
    return {"x_height": small, "cap_height": capital, "ascender": ascender}


def _outlines(font: Font, characters: Mapping[str, str]) -> dict[str, Outline]:
    """Outlines of all characters of a table, and of those that they are compared with."""
    found: dict[str, Outline] = {}
    for character in sorted({*"".join(characters.values()), *_SIGNS_OF_MONEY, "+"}):
        if character in font:
            try:
                found[character] = font.outline(character)
            except ValueError as error:
                log.warning("%s: %s is left out: %s", font.name, character, error)
    return found


def _is_unicase(outlines: Mapping[str, Outline], capital: float) -> bool:
    """Whether a font draws its small letters as capitals: a B has two holes and an E none."""
    votes = 0
    for letter, (least, most) in _HOLES.items():
        outline = outlines.get(letter)
        if outline is None or not outline.contours:
            continue
        raster = fill(outline.contours, Canvas.around(outline.box, CAPITAL_PIXELS / capital))
        votes += 1 if least <= holes(raster, _HOLE_RADIUS) <= most else -1
    return votes > 0


def _axis(outlines: Mapping[str, Outline], x_height: float) -> float:
    """The y about which operators are centred: that of the plus, else half a small x."""
    plus = outlines.get("+")
    if plus is None or not plus.contours:
        return -x_height / 2
    return (plus.box[1] + plus.box[3]) / 2


def _record(name: str, paths: list[Path]) -> dict[str, Any]:
    record = paths[0].parent / RECORD
    if record.is_file():
        return {**json.loads(record.read_text(encoding="utf-8")), "name": name}
    return {"name": name}


def _all_or_nothing(result: Extraction) -> Extraction:
    """Leave out a font whose glyphs are mostly broken: the rest of it is hardly better."""
    broken = sum(result.left_out[reason] for reason in BREAKAGES)
    if broken <= MAX_BROKEN_SHARE * (broken + len(result.glyphs)):
        return result
    left_out = result.left_out + Counter({"font": len(result.glyphs)})
    return replace(result, glyphs=[], left_out=left_out)
