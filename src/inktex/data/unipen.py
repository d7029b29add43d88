r"""Letters, digits and signs of UNIPEN's writers as glyphs.

UNIPEN (Guyon et al. 1994; train_r01_v07 is on Zenodo, doi 10.5281/zenodo.1195803, under CC BY 4.0)
has single characters in the folders 1a to 1d. Their files name parts of the ink of others, in which
y points up. Writers write at sizes of their own: an em is what their characters are on average as
tall as a font's, and characters keep their sizes to one another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .fonts.glyphs import FontGlyph
from .hands import Strokes, boxes_of, hand_glyph, thinned

REPOSITORY: Final = "https://github.com/GreenCappuccino/train_r01_v07"
"""UNIPEN's train_r01_v07, mended so that it can be parsed."""
FOLDERS: Final = ("data/1a", "data/1b", "data/1c", "data/1d", "include")
_SEGMENT: Final = re.compile(r'\.SEGMENT\s+CHARACTER\s+(\S+)\s+\S+\s+"(.*)"')
_TOKENS: Final = {
    **{sign: sign for sign in "()[]/+=<>,.!:;?*-|"},
    **{sign: rf"\{sign}" for sign in "{}%#&$"},
    **{"\\" + sign: rf"\{sign}" for sign in "{}%#&$"},
    "'": r"\prime",
    r"\'": r"\prime",
}
_MOST: Final = 3
"""Glyphs of a token that are taken from a writer."""
_FEW: Final = 5
"""Characters; who left fewer has no size that could be told."""
_TOLERANCE: Final = 1.9
"""Times that a glyph may be larger or smaller than the fonts' on average, with an allowance of
`_SMALL`: others are cut wrongly."""
_SMALL: Final = 0.25
"""Ems; symbols that are smaller than this have no height to tell an em by."""


_Character = tuple[str, Strokes]
"""A token, and strokes in the tablet's units."""
_Pieces = list[NDArray[np.float32] | None]
"""Movements of a pen, y downwards; None where it was lifted."""


def read_unipen(folder: Path, references: Iterable[FontGlyph]) -> list[FontGlyph]:
    """The characters of a copy of UNIPEN.

    Args:
        folder: that has `data` and `include`.
        references: fonts' glyphs, which tell how tall each symbol is and where it stands.

    Returns:
        Glyphs in ems in which capitals are 1 high, as of fonts whose `cap_height` is 1.

    Raises:
        FileNotFoundError: if the folder has no characters.
    """
    medians = {token: np.median(boxes, axis=0) for token, boxes in boxes_of(references).items()}
    heights = {token: box[3] - box[1] for token, box in medians.items()}
    glyphs: list[FontGlyph] = []
    for name, characters in _writers(folder, {*medians}).items():
        tall = [(t, _height(s)) for t, s in characters if heights[t] > _SMALL]
        if len(tall) < _FEW:
            continue
        em = float(np.median([height / heights[token] for token, height in tall]))
        counts: dict[str, int] = {}
        for token, strokes in characters:
            if counts.get(token, 0) < _MOST and em > 0:
                placed = _placed(strokes, em, medians[token])
                if placed is not None:
                    counts[token] = counts.get(token, 0) + 1
                    glyphs.append(hand_glyph(name, token, placed))
    return glyphs


def _placed(strokes: Strokes, em: float, box: NDArray[np.float64]) -> Strokes | None:
    """Strokes in ems, in the middle of a box; None if their size is not believable."""
    scaled = [stroke / em for stroke in strokes]
    points = np.concatenate(scaled)
    low, high = points.min(axis=0), points.max(axis=0)
    sides, expected = high - low, box[2:] - box[:2]
    if (sides > expected * _TOLERANCE + _SMALL).any():
        return None
    if np.hypot(*sides) < np.hypot(*expected) / _TOLERANCE and np.hypot(*expected) > _SMALL:
        return None
    shift = np.array([-low[0], (box[1] + box[3]) / 2 - (low[1] + high[1]) / 2])
    return tuple(thinned(_smooth(stroke + shift)) for stroke in scaled)


def _smooth(stroke: NDArray[np.float32]) -> NDArray[np.float32]:
    """A stroke without the steps of a coarse tablet; its ends stay."""
    if len(stroke) < 4:
        return stroke
    inner = (stroke[:-2] + 2 * stroke[1:-1] + stroke[2:]) / 4
    return np.concatenate([stroke[:1], inner, stroke[-1:]])


def _height(strokes: Strokes) -> float:
    return float(np.ptp(np.concatenate(strokes)[:, 1]))


def _writers(folder: Path, known: set[str]) -> dict[str, list[_Character]]:
    """What writers wrote, by provider and number, in the order of the files."""
    files = sorted(
        path
        for kind in ("1a", "1b", "1c", "1d")
        for path in (folder / "data" / kind).rglob("*")
        if path.is_file()
    )
    if not files:
        raise FileNotFoundError(f"{folder} has no characters: it is no copy of {REPOSITORY}.")
    ink = _Ink(folder / "include")
    writers: dict[str, list[_Character]] = {}
    numbers: dict[tuple[str, str], str] = {}
    for path in sorted(files, key=lambda path: path.parts[len(folder.parts) + 2 :]):
        provider = path.parts[len(folder.parts) + 2]
        for writer, label, strokes in _characters(path, ink):
            token = label if label.isascii() and label.isalnum() else _TOKENS.get(label)
            if token is None or token not in known or len(label.strip("\\")) != 1:
                continue
            if token == "0" and len(strokes) > 1:  # struck through, which is the empty set here
                continue
            key = (provider, writer or path.stem)
            name = numbers.setdefault(key, f"unipen {provider} {len(numbers)}")
            writers.setdefault(name, []).append((token, strokes))
    return writers


def _characters(path: Path, ink: _Ink) -> Iterator[tuple[str, str, Strokes]]:
    """Writer, label and strokes of each character that a file names."""
    included: list[str] = []
    pieces: _Pieces | None = None
    writer = ""
    for line in path.read_text("latin-1").splitlines():
        if line.startswith(".INCLUDE"):
            included.append(line.split()[1])
            continue
        match = _SEGMENT.match(line)
        if match is None:
            continue
        if pieces is None:
            pieces = []
            for name in included:
                found, by = ink.read(name)
                pieces += found
                writer = by or writer
        strokes = _part(pieces, match[1])
        if strokes:
            yield writer, match[2], strokes


def _part(pieces: _Pieces, places: str) -> Strokes:
    """The strokes of `3-5`, `3:10-5:20` or several of these; none if they are not there."""
    strokes: list[NDArray[np.float32]] = []
    for span in places.split(","):
        first, _, last = span.partition("-")
        (a, _, start), (b, _, end) = first.partition(":"), (last or first).partition(":")
        if not (a.isdigit() and b.isdigit()) or int(b) >= len(pieces):
            return ()
        for number in range(int(a), int(b) + 1):
            piece = pieces[number]
            if piece is None:
                continue
            low = int(start) if start.isdigit() and number == int(a) else 0
            high = int(end) + 1 if last and end.isdigit() and number == int(b) else len(piece)
            if low < high:
                strokes.append(piece[low:high])
    return tuple(strokes)


class _Ink:
    """Files of ink, each parsed once as long as it is asked for in a row."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = ""
        self.parsed: tuple[_Pieces, str] = [], ""

    def read(self, name: str) -> tuple[_Pieces, str]:
        """Pieces of pen movement, None where the pen is up, y downwards; and the writer."""
        path = self.folder / name
        if name != self.name:
            self.name = name
            self.parsed = _parse(path) if path.is_file() else ([], "")
        return self.parsed


def _parse(path: Path) -> tuple[_Pieces, str]:
    pieces: _Pieces = []
    points: list[tuple[float, float]] = []
    columns, writer = (0, 1), ""
    is_down: bool | None = None

    def end() -> None:
        # A lifted pen counts where the tablet followed it.
        if is_down or (is_down is False and points):
            ink = np.array([(x, -y) for x, y in points], dtype=np.float32).reshape(-1, 2)
            pieces.append(ink if is_down and len(ink) else None)
        points.clear()

    for line in path.read_text("latin-1").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0].startswith("."):
            if words[0] == ".COORD":
                columns = (words.index("X") - 1, words.index("Y") - 1)
            elif words[0] == ".WRITER_ID" and len(words) > 1:
                writer = words[1]
            elif words[0] in (".PEN_DOWN", ".PEN_UP"):
                end()
                is_down = words[0] == ".PEN_DOWN"
            continue
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            continue
        if is_down is not None and len(numbers) > max(columns):
            points.append((numbers[columns[0]], numbers[columns[1]]))
    end()
    return pieces, writer
