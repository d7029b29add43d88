"""The split `unknown-marks`: pictures of single characters of scripts that training does not see.

Training writes marks outside the alphabet as characters of Japanese, Korean and Russian fonts, and
as doodles. Here they are characters of Hindi and Thai (`inktex.data.fonts.symbols.UNSEEN_MARKS`),
out of fonts that `scripts/prepare_fonts.py` fetches, each varied as further writers might write it.
The same fonts give the same pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image

from inktex.data.fonts.symbols import UNSEEN_MARKS
from inktex.ink.render import render
from inktex.synthesis.layout import lay_out
from inktex.tokenizer.vocabulary_inktex import UNKNOWN_MARK

from .samples import Sample
from .varied_writers import vary_writers

__all__ = ["MARKS_SPLIT", "mark_samples"]

MARKS_SPLIT: Final = "unknown-marks"
_FONTS: Final = "fonts"
"""Name that the script gives to the folder of fonts."""


def mark_samples(folder: Path, count: int = 200) -> list[Sample]:
    """The pictures of the split, with the font as source.

    Args:
        folder: that holds the folder of fonts, under the name that its script gives it.
        count: how many; a smaller number gives the first ones of a larger.

    Raises:
        FileNotFoundError: if a font is missing.
        ImportError: if what reads fonts is not installed.
        ValueError: if a font cannot be read, or has none of the characters.
    """
    # Only here: what it imports may be missing.
    from inktex.data.fonts.files import SUFFIXES
    from inktex.data.fonts.glyph_tracing import extract_font

    expressions = []
    for font, characters in UNSEEN_MARKS.items():
        place = folder / _FONTS / font
        paths = sorted(one for one in place.glob("*") if one.suffix in SUFFIXES)
        if not paths:
            raise FileNotFoundError(
                f"There is no font in {place}. Fetch it with\n"
                f"    python scripts/prepare_fonts.py --fetch --fonts {folder / _FONTS}"
            )
        glyphs = extract_font(font, paths, {UNKNOWN_MARK: characters}).glyphs
        if not glyphs:
            raise ValueError(f"The font in {place} has none of the characters {characters}.")
        for glyph in glyphs:
            name = f"{MARKS_SPLIT}:{font}-{ord(glyph.character):04x}"
            drawn = {UNKNOWN_MARK: glyph.strokes}
            expressions.append(lay_out([UNKNOWN_MARK], drawn.__getitem__, name, font))
    varied = vary_writers(expressions, -(-count // len(expressions)))
    return [
        Sample(one.id, Image.fromarray(render(one.traces)), UNKNOWN_MARK, one.source)
        for one in varied[:count]
    ]
