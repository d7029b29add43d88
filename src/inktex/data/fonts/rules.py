r"""Rules by which glyphs of fonts are left out, with their thresholds.

Each threshold was set on the fonts of `inktex.data.fonts.sources`, by looking at the glyphs on both
sides of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from .raster import draw_strokes

REASONS: Final[Mapping[str, str]] = {
    "not drawn": "the list of fonts says that this range of the font is not drawn by hand",
    "empty": "the glyph has no outline, or is the font's box for characters that it lacks",
    "same": "a backslash with the outline of a sign of money, as in fonts of Japan and Korea",
    "unicase": "a small letter of a font whose small letters are capitals",
    "overlap": "strokes of the glyph's width do not cover it",
    "left over": "a part of the glyph lies beside all strokes",
    "filled": "an area of the glyph is wider than a stroke",
    "strokes": "more or fewer strokes than the symbol is written with",
    "misplaced": "a low sign stands high, or a high one low",
    "form": "it has another token's form: a closed \\varphi, a brace like a bracket",
    "font": "the rules above leave out most of the font, so all of it",
}
"""Why a glyph is left out -> what that means."""

BREAKAGES: Final = ("overlap", "left over", "filled", "strokes")
"""Reasons that say that strokes do not fit their glyph."""

MIN_OVERLAP: Final = 0.78
"""Intersection over union of a glyph and its redrawing. Of the kept glyphs 1 % have under 0.84 and
half over 0.92; below 0.78 bold letters have lost holes or limbs, and asterisks their rays."""
MAX_LEFT: Final = 3.0
"""Half stroke widths that ink may lie off its redrawing. Of the kept glyphs 1 % have over 2.0, at
sharp corners; lost barbs of arrows have 3.2 and more, lost dots 3.4 to 9.8."""
MAX_WIDTH: Final = 2.5
"""Widest over median stroke width. Of the kept glyphs 1 % have over 2.0; filled arrowheads 2.8."""
MAX_STROKES: Final = 4
"""Strokes of a glyph whose token is not in the table below. Of the kept glyphs 1 % have 4; hollow
letters and those with serifs have more."""
MAX_BROKEN_SHARE: Final = 0.3
"""Share of broken glyphs above which a font is left out whole. A font in chalk has 0.42 and one of
hollow letters 0.75, the next worst 0.18."""
_GAP: Final = 0.4
"""Gaps up to this many half stroke widths do not count: fonts have them between stem and bow."""

_STROKES: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("-", ".", "/", "|", r"\setminus", r"\cdot", r"\circ", r"\dot"), (1, 1)),
    **dict.fromkeys(("0", "(", ")", r"\langle", r"\rangle", r"\prime", r"\sim", ","), (1, 1)),
    **dict.fromkeys((r"\bullet", r"\tilde", r"\bar", r"\infty"), (1, 1)),
    **dict.fromkeys(("<", ">", r"\hat"), (1, 2)),
    **dict.fromkeys(("1", "I"), (1, 3)),
    **dict.fromkeys(("=", ":", ";", "!", "x", "X", "+", r"\times", r"\odot"), (2, 2)),
    **dict.fromkeys((r"\approx", r"\simeq", r"\parallel", r"\ddot"), (2, 2)),
    **dict.fromkeys((r"\ll", r"\gg"), (2, 4)),
    **dict.fromkeys(("i", "j", "?"), (2, 3)),
    **dict.fromkeys((r"\div", r"\pm", r"\mp", r"\equiv", r"\cong", r"\neq"), (3, 3)),
    **dict.fromkeys((r"\oplus", r"\otimes", r"\therefore", r"\because"), (3, 3)),
    **dict.fromkeys((r"\ldots", r"\cdots", r"\vdots", r"\ddots"), (3, 3)),
    **dict.fromkeys((r"\star", r"\leftrightarrow", r"\Leftrightarrow"), (1, 6)),
    r"\%": (2, 4),
    "*": (3, 4),
    r"\#": (4, 4),
}
"""Tokens whose number of strokes is known -> the least and the most that its glyphs may have."""


_HOLES: Final[Mapping[str, tuple[int, int]]] = {
    r"\phi": (2, 2),
    r"\varphi": (0, 1),
    r"\theta": (2, 2),
    # Letters without holes have some where a font draws them hollow.
    **dict.fromkeys("HKMNTVWXY", (0, 0)),
}
"""Tokens that holes tell from another form -> the least and the most that their glyphs may have."""
_NUB: Final = 0.04
"""How far the point of a brace sticks out from its bows, in heights: less looks like a bracket."""
_FLAT: Final = 0.35
"""Height of a bar over its width, at the most."""
_WAVE: Final = 0.1
"""Distance of a bar from a straight line, in its widths, at the most. Bars have up to 0.07, and the
tilde that one font has in the place of a bar 0.13."""

_DOTTED: Final = frozenset(". , : ; -".split()) | {
    *(r"\cdot \cdots \ldots \vdots \ddots \dot \ddot \bullet \prime".split()),
    *(r"\therefore \because \bar".split()),
}
"""Tokens that may be dots alone; a bold minus is hardly longer than wide."""


@dataclass(frozen=True, slots=True)
class Measures:
    """How well strokes stand for a glyph. Dots, which are their own measure, are set aside.

    Attributes:
        overlap: intersection over union of the glyph and its strokes, drawn at its local width.
        left: how far the glyph reaches beyond its strokes so drawn, in half stroke widths.
        width: median stroke width, in pixels.
        widest: largest stroke width over the median.
        holes: least and most areas of paper inside the glyph, since fonts leave gaps of a fraction
            of the stroke width between stem and bow.
        strokes: number of strokes, dots included.
        dots: number of dots.
    """

    overlap: float
    left: float
    width: float
    widest: float
    holes: tuple[int, int]
    strokes: int
    dots: int


def measure(
    raster: NDArray[np.bool_],
    strokes: Sequence[NDArray[np.float64]],
    radii: Sequence[NDArray[np.float64]],
) -> Measures:
    """Draw strokes anew and compare them with the glyph that they were taken from.

    Args:
        raster: the glyph, bool, shape (height, width).
        strokes: each of shape (points, 2), in pixels, at least one.
        radii: half the stroke width at each point, each of shape (points,), in pixels.
    """
    islands = label(raster, connectivity=2)
    middles = [stroke[len(stroke) // 2].astype(int) for stroke in strokes]
    places = [int(islands[y, x]) for x, y in middles]
    line = raster
    paths: list[NDArray[np.float64]] = []
    halves: list[NDArray[np.float64]] = []
    for stroke, radius, place in zip(strokes, radii, places, strict=True):
        short = float(np.ptp(stroke, axis=0).max()) < 2 * float(radius.max())
        if short and place and places.count(place) == 1:
            line = line & (islands != place)
        else:
            paths.append(stroke)
            halves.append(radius)
    count = len(strokes)
    median = float(np.median(np.concatenate(halves or list(radii))))
    if not paths or not line.any():
        return Measures(1.0, 0.0, 2 * median, 1.0, (0, 0), count, count)
    drawn = draw_strokes(paths, halves, raster.shape)
    bolder = ndimage.distance_transform_edt(~np.pad(line, 8)) < _GAP * median + 1
    inside = sorted(holes(one, median) for one in (line, bolder))
    return Measures(
        overlap=float((line & drawn).sum() / (line | drawn).sum()),
        left=float(ndimage.distance_transform_edt(~drawn)[line].max()) / median,
        width=2 * median,
        widest=max(float(one.max()) for one in halves) / median,
        holes=(inside[0], inside[1]),
        strokes=count,
        dots=count - len(paths),
    )


def holes(raster: NDArray[np.bool_], radius: float) -> int:
    """Areas of paper inside a shape that are larger than a quarter square of its stroke width.

    Args:
        raster: the shape, bool, shape (height, width), with an empty margin.
        radius: half its stroke width, in pixels.
    """
    sizes = np.bincount(label(~raster, connectivity=1).ravel())[1:]
    return int((sizes > radius**2).sum()) - 1


def why_broken(token: str, found: Measures) -> str | None:
    """The rule that a glyph breaks, a key of `REASONS`; None if there is none."""
    if found.dots == found.strokes and token not in _DOTTED:
        return "filled"
    if found.overlap < MIN_OVERLAP:
        return "overlap"
    if found.widest > MAX_WIDTH and token not in (",", r"\prime", ";"):
        return "filled"
    if found.left > MAX_LEFT:
        return "left over"
    least, most = _STROKES.get(token, (1, MAX_STROKES))
    return None if least <= found.strokes <= most else "strokes"


def is_misplaced(token: str, box: tuple[float, float, float, float], x_height: float) -> bool:
    """Whether a sign that differs from others in height alone stands at another height.

    Args:
        box: of its strokes: left, top, right, bottom in ems, y down, baseline at 0.
        x_height: of the font, in ems.
    """
    middle = -(box[1] + box[3]) / 2 / x_height
    if token in (",", ".", r"\ldots"):
        return middle > 0.35
    if token == r"\prime":
        return middle < 0.6
    return token in (r"\cdot", r"\cdots") and not 0.35 < middle < 1.0


def has_other_form(token: str, strokes: Sequence[NDArray[np.float64]], found: Measures) -> bool:
    """Whether a glyph is of a form that is another token's.

    Fonts draw U+03C6 closed or open, and some put other accents where they should not be.

    Args:
        strokes: each of shape (points, 2), in ems, y down.
    """
    least, most = _HOLES.get(token, (0, 99))
    if found.holes[1] < least or found.holes[0] > most:
        return True
    points = np.concatenate(list(strokes))
    low, high = points.min(axis=0), points.max(axis=0)
    width, height = (high - low).tolist()
    x, y = ((points - low) / max(width, height)).T
    if token in (r"\{", r"\}"):
        x = x if token == r"\{" else -x
        level = y / max(float(y.max()), 1e-9)
        middle = x[(level > 0.35) & (level < 0.65)]
        bows = x[(level > 0.12) & (level < 0.3)], x[(level > 0.7) & (level < 0.88)]
        if not all(map(len, (middle, *bows))):
            return True
        # The mean of both bows, since braces lean.
        return float((bows[0].min() + bows[1].min()) / 2 - middle.min()) < _NUB
    if token == "Q":  # without its tail it is an O
        return len(strokes) == 1 and bool(np.allclose(strokes[0][0], strokes[0][-1]))
    if token == r"\bar":
        return height > _FLAT * width or _wave(points) > _WAVE
    if token in (r"\tilde", r"\sim"):
        return height > 0.7 * width or found.holes[1] > 0 or height < 0.08 * width
    if token == r"\hat":
        top = float(x[np.argmin(y)]) / max(float(x.max()), 1e-9)
        return not 0.25 < top < 0.75 or height < 0.15 * width
    return False


def _wave(points: NDArray[np.float64]) -> float:
    """Largest distance of points from a straight line, as a share of their width."""
    x, y = points.T
    line = np.polyval(np.polyfit(x, y, 1), x)
    return float(np.abs(y - line).max() / max(float(np.ptp(x)), 1e-9))
