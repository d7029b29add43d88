r"""Symbols that people drew one at a time, as glyphs: each drawing is a writer of one symbol.

Detexify (https://detexify.kirelabs.org) names the LaTeX command of what is drawn. Its drawings are
a database under the Open Database License (https://github.com/kirel/detexify-data); those that its
author looked through are JSON lines in https://github.com/kirel/detexify-next. They have no size
and no baseline: each drawing gets those of a font's glyph of the same symbol.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from inktex.tokenizer.latex_inktex import normalize

from .fonts.glyphs import FontGlyph
from .fonts.symbols import visible_tokens
from .hands import Box, Strokes, boxes_of, hand_glyph, thinned

REPOSITORY: Final = "https://github.com/kirel/detexify-next"
_SOURCE: Final = Path("packages/data/source")
FOLDERS: Final = tuple((_SOURCE / name).as_posix() for name in ("samples", "reviews"))
"""What is read of the repository, beside the files in the folders above."""
_STYLED: Final = re.compile(r"\\math(bb|ds|cal|scr|frak)\{(\w)\}")
_CALLIGRAPHIC: Final = 12
"""Drawings of each calligraphic letter that are kept: styles are dropped from captions, and fewer
letters are calligraphic than not."""
_FILLED: Final = r"\black"
"""Begins commands of filled symbols, which captions have as the open ones."""


@dataclass(frozen=True, slots=True)
class DrawnSymbols:
    """What was read.

    Attributes:
        glyphs: in ems in which capitals are 1 high, as of fonts whose `cap_height` is 1.
        unplaced: tokens of which no font has a glyph, so that there is no size for them.
    """

    glyphs: list[FontGlyph]
    unplaced: tuple[str, ...]


def read_drawn_symbols(folder: Path, references: Iterable[FontGlyph]) -> DrawnSymbols:
    """The drawings of a copy of Detexify's repository.

    Args:
        folder: the repository.
        references: fonts' glyphs, which give each symbol its sizes and places in a line.

    Raises:
        FileNotFoundError: if the folder has no drawings.
        ValueError: if a file is not as Detexify's are.
    """
    boxes = boxes_of(references)
    visible = {*visible_tokens(), *(token for token in boxes if token.startswith(r"\mathbb"))}
    glyphs: list[FontGlyph] = []
    unplaced: set[str] = set()
    seen: Counter[str] = Counter()
    for command, name, strokes in _drawings(folder):
        token = token_of(*command)
        if token is None or token not in visible or not strokes:
            continue
        if token not in boxes:
            unplaced.add(token)
            continue
        if command[0].startswith(r"\mathcal"):
            seen[command[0]] += 1
            if seen[command[0]] > _CALLIGRAPHIC:
                continue
        box = boxes[token][seen[token] % len(boxes[token])]
        seen[token] += 1
        glyphs.append(hand_glyph(name, token, placed_in(strokes, box)))
    return DrawnSymbols(glyphs, tuple(sorted(unplaced)))


def token_of(command: str, package: str = "") -> str | None:
    r"""The token of a symbol; None if the vocabulary has none.

    Args:
        command: as LaTeX has it.
        package: that it comes from.

    Returns:
        A token, or `\mathbb{R}` and the like, as `FontGlyph` has them.
    """
    styled = _STYLED.fullmatch(command)
    if styled is not None:
        style, letter = styled.groups()
        if style in ("bb", "ds"):
            return rf"\mathbb{{{letter}}}"
        return letter if style == "cal" else None
    if command.startswith(_FILLED):
        return None
    if package == "upgreek":
        command = "\\" + (command[3:] if command[1] == "u" else command[3:].capitalize())
    tokens = normalize(command)
    return tokens[0] if len(tokens) == 1 else None


def placed_in(strokes: Strokes, box: Box) -> Strokes:
    """Strokes at the size and in the middle of a box, their proportions kept.

    Args:
        box: left, top, right and bottom.
    """
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    sides = np.array([box[2] - box[0], box[3] - box[1]])
    scale = float(np.hypot(*sides) / max(np.hypot(*(high - low)), 1e-6))
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    placed = [(stroke - (low + high) / 2) * scale + middle for stroke in strokes]
    shift = np.array([min(float(np.concatenate(placed)[:, 0].min()), 0.0), 0.0])
    return tuple(thinned(stroke - shift) for stroke in placed)


def _drawings(folder: Path) -> Iterator[tuple[tuple[str, str], str, Strokes]]:
    """Command and package, name and strokes of each drawing that was not rejected."""
    source = folder / _SOURCE
    try:
        symbols = json.loads((source / "symbols.json").read_text("utf-8"))["symbols"]
        rejected = json.loads((source / "reviews/rejected-samples.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{folder} is no copy of {REPOSITORY}: {error}") from error
    for symbol in symbols:
        if "samples" not in symbol:
            continue
        command = (symbol["command"], symbol.get("package") or "")
        with (source / symbol["samples"]["path"]).open(encoding="utf-8") as lines:
            for line in lines:
                sample = json.loads(line)
                if sample["id"] not in rejected["rejected"]:
                    yield command, sample["id"], _strokes(sample)


def _strokes(sample: Mapping[str, Any]) -> Strokes:
    return tuple(
        np.array([(point["x"], point["y"]) for point in stroke], dtype=np.float32)
        for stroke in sample["strokes"]
        if stroke
    )
