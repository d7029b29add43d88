"""The list of openly licensed faces with a MATH table, and how they are fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inktex.data.fonts.sources import FontSource, fetch

from .typesetting import Face


@dataclass(frozen=True, slots=True)
class FaceSource:
    """A face.

    Attributes:
        name: of the face, and of its folder.
        source: where it is to be had; None for what the typesetter brings.
        weight: how often it is used, beside the others.
        held_out: whether it is kept for evaluation.
    """

    name: str
    source: FontSource | None
    weight: float = 1.0
    held_out: bool = False


def _gyre(name: str) -> FaceSource:
    file, licence = f"texgyre{name}-math.otf", "GUST-Font-License"
    source = FontSource(f"gyre-{name}", "apt", "fonts-texgyre-math", file, licence)
    return FaceSource(source.name, source)


FACES: Final[tuple[FaceSource, ...]] = (
    FaceSource(
        "latin-modern",
        FontSource(
            "latin-modern", "apt", "fonts-lmodern", "latinmodern-math.otf", "GUST-Font-License"
        ),
        weight=3.0,  # Computer Modern, which most print is set in
    ),
    FaceSource("stix-two", None),
    *map(_gyre, ("termes", "pagella", "bonum", "schola", "dejavu")),
    FaceSource(
        "asana",
        FontSource("asana", "apt", "fonts-oflb-asana-math", "Asana-Math.otf", "OFL-1.1"),
        held_out=True,
    ),
    FaceSource(
        "noto-sans",
        FontSource(
            "noto-sans", "npm", "@fontsource/noto-sans-math", "*-latin-400-normal.woff2", "OFL-1.1"
        ),
        held_out=True,
    ),
)
"""All faces."""


def fetch_faces(folder: Path) -> list[str]:
    """Fetch the faces of the list; arguments, result as of `inktex.data.fonts.sources.fetch`."""
    missing = fetch(folder, [one.source for one in FACES if one.source is not None])
    for packed in sorted(folder.glob("*/*.woff2")):
        _unpack(packed)
    return missing


def load_faces(folder: Path, held_out: bool = False) -> list[tuple[Face, float]]:
    """The faces that are there, with their weights.

    Args:
        held_out: whether those for evaluation.

    Raises:
        ValueError: if a file is no font with a MATH table.
    """
    found = []
    for one in FACES:
        if one.held_out != held_out:
            continue
        if one.source is None:
            found.append((Face(None, one.name), one.weight))
            continue
        files = sorted([*(folder / one.name).glob("*.otf"), *(folder / one.name).glob("*.ttf")])
        if files:
            found.append((Face(files[0], one.name), one.weight))
    return found


def _unpack(path: Path) -> None:
    """Write a font without the compression of the web beside the one that has it."""
    from fontTools.ttLib import TTFont

    with TTFont(path) as font:
        ending = ".otf" if "CFF " in font else ".ttf"
        target = path.with_suffix(ending)
        if not target.is_file():
            font.flavor = None
            font.save(target)
