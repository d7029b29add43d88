"""Glyphs of a stroke font, one for each token that it can write (A. V. Hershey, 1967)."""

from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Glyph = tuple[NDArray[np.float32], ...]
"""Strokes, each `(points, 2)`, in ems: baseline at y = 0, capitals reach up to y = -1."""

_CAPITAL_HEIGHT: Final = 21.0
_BASELINE: Final = 9.0

_SAME = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ()[]|/+=<>,.!:;?"
_FONTS: Final[Mapping[str, Mapping[str, str]]] = {
    "futural": {**{sign: sign for sign in _SAME}, r"\{": "{", r"\}": "}", r"\prime": "'"},
    "greek": {
        r"\alpha": "a",
        r"\beta": "b",
        r"\gamma": "g",
        r"\theta": "q",
        r"\lambda": "l",
        r"\mu": "m",
        r"\pi": "p",
        r"\sigma": "s",
        r"\phi": "f",
        r"\omega": "w",
        r"\Delta": "D",
        r"\Pi": "P",
    },
    "mathlow": {
        "-": "-",
        r"\pm": "!",
        r"\times": "#",
        r"\cdot": "$",
        r"\leq": "&",
        r"\geq": "'",
        r"\div": "x",
        r"\neq": "?",
        r"\infty": "_",
        r"\in": "h",
        r"\exists": "v",
        r"\rightarrow": "i",
        r"\sum": ";",
        r"\prod": ":",
        r"\int": "q",
        r"\partial": "m",
    },
}
_ROOT: Final = ((0.0, -0.55), (0.12, -0.5), (0.24, 0.0), (0.4, -1.0), (1.4, -1.0))
_WORDS: Final = ("sin", "cos", "tan", "log", "lim", "exp", "max", "min")


@cache
def glyphs() -> Mapping[str, Glyph]:
    """Token to glyph, for every token that the stroke font can write.

    Raises:
        ImportError: if the package Hershey-Fonts is not installed.
    """
    try:
        from HersheyFonts import HersheyFonts
    except ImportError as error:
        raise ImportError(
            "The stroke font needs the package Hershey-Fonts, which the extras train and export "
            "bring: pip install 'inktex[train]'."
        ) from error
    found: dict[str, Glyph] = {}
    for font, names in _FONTS.items():
        hershey = HersheyFonts()
        hershey.load_default_font(font)
        for token, name in names.items():
            found[token] = _glyph(hershey.all_glyphs[name].strokes)
    for word in _WORDS:
        found["\\" + word] = _join([found[letter] for letter in word])
    dots = [found["."]] * 3
    found[r"\ldots"] = _join(dots)
    found[r"\frac"] = (np.array([(0.0, 0.0), (1.0, 0.0)], dtype=np.float32),)
    found[r"\sqrt"] = (np.array(_ROOT, dtype=np.float32),)
    found[r"\cdots"] = tuple(stroke + _at(0.0, -0.4) for stroke in found[r"\ldots"])
    return found


def _glyph(strokes: list[list[tuple[int, int]]]) -> Glyph:
    arrays = [np.array(stroke, dtype=np.float32) for stroke in strokes]
    left = min(float(array[:, 0].min()) for array in arrays)
    offset = np.array([left, _BASELINE], dtype=np.float32)
    return tuple(((array - offset) / _CAPITAL_HEIGHT).astype(np.float32) for array in arrays)


def _at(x: float, y: float) -> NDArray[np.float32]:
    return np.array([x, y], dtype=np.float32)


def _join(parts: list[Glyph], gap: float = 0.15) -> Glyph:
    """Glyphs side by side as one."""
    strokes: list[NDArray[np.float32]] = []
    x = 0.0
    for part in parts:
        strokes.extend(stroke + _at(x, 0.0) for stroke in part)
        x = max(float(stroke[:, 0].max()) for stroke in strokes) + gap
    return tuple(strokes)
