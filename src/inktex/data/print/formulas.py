"""The file of typeset formulas that `scripts/prepare_print.py` writes and training reads.

Outlines of glyphs are stored once; a formula has places of them. Beside these, which are for
training, stand grey pictures for evaluation, so that neither needs fonts or a typesetter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inktex.data.arrays import load_arrays
from inktex.data.printed import PrintExample
from inktex.files import new_file
from inktex.ink.filling import pieces
from inktex.ink.render import MEAN_TRACE_HEIGHT
from inktex.tokenizer.vocabulary_inktex import IDS, VOCABULARY

from .outlines import Outline

_VERSION: Final = 1
_UNIT: Final = 1 / 2000
"""Ems of a stored coordinate: a fortieth of a pixel at the published scale, up to 16 ems."""
_LOW: Final = 0.1
"""Of the height of the tallest: what is lower does not count for the size, as for ink."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A typeset formula.

    Attributes:
        tokens: in canonical style.
        face: name of the face.
        outlines: of its glyphs and rules.
        glyph_tokens: for each of them the number of its token.
        places: `(glyphs, 4)`, x and y of each one's origin and its size across and down, in ems.
    """

    tokens: Sequence[str]
    face: str
    outlines: Sequence[Outline]
    glyph_tokens: Sequence[int]
    places: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PrintPicture:
    """A picture of a typeset formula, for evaluation.

    Attributes:
        tokens: in canonical style.
        face: name of the face, or of the typesetter and its face.
        picture: `(height, width)` uint8, as somebody would give it.
    """

    tokens: Sequence[str]
    face: str
    picture: NDArray[np.uint8]


def save_formulas(
    path: Path, formulas: Sequence[Formula], pictures: Sequence[PrintPicture] = ()
) -> None:
    """Write formulas and pictures to a compressed `.npz` file.

    Raises:
        ValueError: if an outline is larger than can be stored.
    """
    numbers: dict[bytes, int] = {}
    outlines: list[Outline] = []
    used: list[int] = []
    for formula in formulas:
        for outline in formula.outlines:
            key = outline.points.tobytes() + outline.offsets.tobytes()
            if key not in numbers:
                numbers[key] = len(outlines)
                outlines.append(outline)
            used.append(numbers[key])
    points = np.concatenate([np.zeros((0, 2)), *(one.points for one in outlines)]) / _UNIT
    if np.abs(points).max(initial=0) > np.iinfo(np.int16).max:
        raise ValueError("An outline is larger than 16 ems.")
    faces = sorted({*(one.face for one in formulas), *(one.face for one in pictures)})
    lengths = [np.diff(one.offsets) for one in outlines]
    with new_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            version=np.array(_VERSION),
            faces=np.array(faces, dtype=str),
            points=np.rint(points).astype(np.int16),
            polygon_points=_joined(lengths, np.int16),
            outline_polygons=_counts(lengths, np.int16),
            formula_face=np.array([faces.index(one.face) for one in formulas], dtype=np.int8),
            formula_tokens=_counts([one.tokens for one in formulas], np.int16),
            formula_glyphs=_counts([one.outlines for one in formulas], np.int32),
            tokens=np.array([IDS[t] for one in formulas for t in one.tokens], dtype=np.int16),
            glyph_outline=np.array(used, dtype=np.int32),
            glyph_token=_joined([np.array(one.glyph_tokens) for one in formulas], np.int16),
            glyph_place=np.concatenate(
                [np.zeros((0, 4)), *(one.places for one in formulas)]
            ).astype(np.float32),
            picture_face=np.array([faces.index(one.face) for one in pictures], dtype=np.int8),
            picture_tokens=_counts([one.tokens for one in pictures], np.int16),
            picture_token=np.array([IDS[t] for one in pictures for t in one.tokens], np.int16),
            picture_size=np.array([one.picture.shape for one in pictures], np.int32).reshape(-1, 2),
            picture_pixels=_joined([one.picture.ravel() for one in pictures], np.uint8),
        )


class PrintedFormulas(Sequence[PrintExample]):
    """The formulas of a file, each brought to the published scale when it is asked for.

    Args:
        path: of a file of `scripts/prepare_print.py`.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is no such file.
    """

    def __init__(self, path: Path | str) -> None:
        stored = _read(path)
        self.faces: list[str] = stored["faces"].tolist()
        self._points = stored["points"].astype(np.float32) * np.float32(_UNIT)
        self._polygons = _ends(stored["polygon_points"])
        self._outlines = _ends(stored["outline_polygons"])
        self._face = stored["formula_face"]
        self._token_ends, self._glyph_ends = (
            _ends(stored[name]) for name in ("formula_tokens", "formula_glyphs")
        )
        self._tokens = stored["tokens"].astype(np.int64)
        self._glyphs = stored["glyph_outline"].astype(np.int64)
        self._glyph_tokens = stored["glyph_token"].astype(np.int64)
        self._places = stored["glyph_place"]

    def __len__(self) -> int:
        return len(self._face)

    def __getitem__(self, index: Any) -> Any:
        """The formula of an index, or those of a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[int(index)]
        glyphs = slice(*self._glyph_ends[number : number + 2])
        tokens = self._tokens[slice(*self._token_ends[number : number + 2])]
        numbers = self._glyphs[glyphs]
        polygon, of_glyph = _ranges(self._outlines, numbers)
        point, of_polygon = _ranges(self._polygons, polygon)
        places = self._places[glyphs][of_glyph[of_polygon]]
        points = self._points[point] * places[:, 2:] + places[:, :2]
        offsets = np.concatenate([[0], np.cumsum(np.diff(self._polygons)[polygon])])
        written, symbols = np.unique(self._glyph_tokens[glyphs], return_inverse=True)
        alignment = np.full(len(tokens), -1, dtype=np.int64)
        alignment[written] = np.arange(len(written))
        points = (points - points.min(axis=0)) * np.float32(_scale(points, offsets))
        return PrintExample(
            id=f"print:{number}",
            face=self.faces[int(self._face[number])],
            points=points.astype(np.float32),
            offsets=offsets.astype(np.int64),
            polygon_symbols=symbols[of_glyph].astype(np.int64),
            symbol_labels=tokens[written],
            tokens=tokens,
            alignment=alignment,
        )


def load_pictures(path: Path | str) -> list[PrintPicture]:
    """The pictures of a file; errors as for `PrintedFormulas`."""
    stored = _read(path)
    faces, sizes = stored["faces"].tolist(), stored["picture_size"].astype(np.int64)
    token_ends, pixel_ends = _ends(stored["picture_tokens"]), _ends(sizes.prod(axis=1))
    found = []
    for number, face in enumerate(stored["picture_face"].tolist()):
        tokens = stored["picture_token"][slice(*token_ends[number : number + 2])].tolist()
        pixels = stored["picture_pixels"][slice(*pixel_ends[number : number + 2])]
        picture = pixels.reshape(sizes[number])
        found.append(PrintPicture([VOCABULARY[one] for one in tokens], faces[face], picture))
    return found


def _scale(points: NDArray[np.floating], offsets: NDArray[np.int64]) -> float:
    """Pixels of the published protocol for each em.

    The protocol measures the heights of traces; here are those of all that is filled, holes aside.
    """
    low = np.minimum.reduceat(points[:, 1], offsets[:-1])
    high = np.maximum.reduceat(points[:, 1], offsets[:-1])
    following = np.arange(1, len(points) + 1)
    following[offsets[1:] - 1] = offsets[:-1]
    x, y = points[:, 0], points[:, 1]
    area = np.add.reduceat(x * y[following] - x[following] * y, offsets[:-1])
    heights = (high - low)[area > 0]
    heights = heights if len(heights) else high - low
    tall = heights[heights * (1 / _LOW) > heights.max()]
    return MEAN_TRACE_HEIGHT / float(tall.mean())


def _ranges(
    ends: NDArray[np.int64], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All indices of some ranges `ends[i]:ends[i + 1]`, and which range each is of."""
    owner, ordinal = pieces(ends[numbers + 1] - ends[numbers])
    return ends[numbers][owner] + ordinal, owner


def _counts(groups: Sequence[Any], kind: Any) -> NDArray[Any]:
    return np.array([len(one) for one in groups], dtype=kind)


def _joined(pieces: Sequence[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=kind), *pieces]).astype(kind)


def _ends(counts: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts.astype(np.int64))])


def _read(path: Path | str) -> dict[str, NDArray[Any]]:
    try:
        return load_arrays(path, _VERSION, "typeset formulas", "scripts/prepare_print.py")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} is no file of typeset formulas: {error}") from error
