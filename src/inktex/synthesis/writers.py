r"""Writers measured on training ink: their glyphs, and their habits of size and distance.

Every row of an expression (the whole, a numerator, an exponent) has a baseline and a size, which
are estimated from the symbols in it. In units of that size, ems, a symbol becomes a glyph that can
be written anywhere, and distances become habits that can be drawn from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from inktex.data.examples import NONE, Example, items
from inktex.ink import bounding_box
from inktex.tokenizer.vocabulary_inktex import BIG_OPERATORS, UNKNOWN_MARK

if TYPE_CHECKING:
    from inktex.data.fonts import FontGlyph

from .box import Strokes, fit
from .derived import DERIVED, derive
from .layout import BRACKETS, HABITS, Habits, gap_habit, script_habit
from .structure_layout import AXIS

Extent = tuple[float, float]
"""Top and bottom in ems, baseline at 0, y downwards; capitals and digits reach up to -1."""

_EXTENTS: Final[Mapping[Extent, str]] = {
    (-0.6, 0.0): r"a c e m n o r s u v w x z \alpha \pi \sigma \omega \epsilon \cos",
    (-1.0, 0.0): "0 1 2 3 4 5 6 7 8 9 b d h k l "
    "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z "
    r"\delta \theta \lambda \lim \forall \exists "
    r"\Delta \Gamma \Lambda \Omega \Phi \Psi \Sigma \Theta",
    (-0.85, 0.0): r"i t \sin \tan",
    (-0.6, 0.35): r"g p q y \gamma \mu \eta \chi \rho",
    (-0.85, 0.35): "j",
    (-1.0, 0.3): r"f \beta \phi \log \psi \xi \zeta",
}
_FIRST_GUESS: Final = {
    token: extent for extent, tokens in _EXTENTS.items() for token in tokens.split()
}
_ANCHORS: Final = tuple("0123456789")
"""Their mean extent is an em, so that ems stay what they are while the extents are fitted."""
_LARGEST: Final = 4.0
"""Ems from the origin; what reaches further has been taken for something that it is not."""
_TALLEST: Final = 2.0
"""Ems; big operators alone are taller."""
_SPREAD: Final = tuple(np.linspace(0.6, 1.5, 19).tolist())
"""Factors on a printed book's habit, where the ink has no example of it."""
_OPERATOR: Final = 1.5
"""Ems: height of large operators, at least."""
_FEW: Final = 15
"""Glyphs; who left fewer is not asked to write a whole expression."""


@dataclass(slots=True)
class Row:
    """A row of an expression's tree with what could be measured of it; pixels.

    Attributes:
        start, stop: its tokens.
        items: start, stop and inner rows of each item.
        size: an em, or None where no symbol tells.
        baseline: y of the baseline, or None.
    """

    start: int
    stop: int
    items: list[tuple[int, int, list[tuple[int, int]]]]
    size: float | None = None
    baseline: float | None = None


class Measured:
    """An example's symbols as boxes, and its rows with their sizes and baselines.

    Args:
        example: every token that has ink is aligned.
        extents: of the tokens that tell a row's size.

    Raises:
        ValueError: if the example cannot be measured: braces do not balance, or ink is missing.
    """

    def __init__(self, example: Example, extents: Mapping[str, Extent]) -> None:
        self.example = example
        self.tokens = example.caption
        symbols = example.point_symbols
        count = len(example.symbol_labels)
        low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
        known = symbols != NONE
        np.minimum.at(low, symbols[known], example.points[known])
        np.maximum.at(high, symbols[known], example.points[known])
        if not np.isfinite(low).all():
            raise ValueError("A symbol has no ink.")
        self.boxes = np.concatenate([low, high], axis=1)
        self.rows: dict[tuple[int, int], Row] = {}
        self._measure(0, len(self.tokens), None, extents)

    def _measure(
        self, start: int, stop: int, outer: float | None, extents: Mapping[str, Extent]
    ) -> None:
        tokens = self.example.tokens[start:stop].tolist()
        parts = [
            (start + a, start + b, [(start + c, start + d) for c, d in inner])
            for a, b, inner in items(tokens)
        ]
        row = Row(start, stop, parts)
        self.rows[start, stop] = row
        sizes, bottoms = [], []
        for first, _, _ in parts:
            extent = extents.get(self.tokens[first])
            symbol = self.example.alignment[first]
            if extent is not None and symbol != NONE:
                _, top, _, bottom = self.boxes[symbol]
                sizes.append((bottom - top) / (extent[1] - extent[0]))
                bottoms.append((bottom, extent[1]))
        if sizes:
            row.size = max(float(np.median(sizes)), 1.0)
            row.baseline = float(np.median([b - row.size * extent for b, extent in bottoms]))
        for _, _, inner in parts:
            for a, b in inner:
                self._measure(a, b, row.size, extents)

    def box(self, start: int, stop: int) -> NDArray[np.float64] | None:
        """Left, top, right and bottom of the ink of some tokens; None if they have none."""
        numbers = self.example.alignment[start:stop]
        boxes = self.boxes[numbers[numbers != NONE]]
        if not len(boxes):
            return None
        return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def fit_extents(examples: Iterable[Example], rounds: int = 3) -> dict[str, Extent]:
    """How far each token reaches above and below its baseline: medians over the ink."""
    extents: dict[str, Extent] = dict(_FIRST_GUESS)
    kept = list(examples)
    for _ in range(rounds):
        seen: dict[str, list[Extent]] = {}
        for example in kept:
            try:
                measured = Measured(example, extents)
            except ValueError:
                continue
            for row in measured.rows.values():
                if row.size is None or row.baseline is None or len(row.items) < 3:
                    continue
                for first, _, _ in row.items:
                    symbol = example.alignment[first]
                    if symbol != NONE and measured.tokens[first] in extents:
                        _, top, _, bottom = measured.boxes[symbol]
                        seen.setdefault(measured.tokens[first], []).append(
                            ((top - row.baseline) / row.size, (bottom - row.baseline) / row.size)
                        )
        medians = {t: np.median(np.array(e), axis=0) for t, e in seen.items() if len(e) >= 5}
        anchors = np.mean([medians[t] for t in _ANCHORS if t in medians] or [(-1.0, 0.0)], axis=0)
        em, shift = anchors[1] - anchors[0], anchors[1]
        for token, (top, bottom) in medians.items():
            extents[token] = (float((top - shift) / em), float((bottom - shift) / em))
    return extents


@dataclass(slots=True)
class Writers:
    """Glyphs by writer and token, and habits.

    Attributes:
        glyphs: writer (or expression, where the writer is not known) -> token -> glyphs.
        by_token: token -> the writers who have a glyph of it.
        habits: name -> observations `(observations, numbers)`, sorted by the first number.
        derived: of the symbols that a writer has no glyph of, and others have, the share that is
            built from the writer's own glyphs (`inktex.synthesis.derived`).
    """

    glyphs: dict[str, dict[str, list[Strokes]]] = field(default_factory=dict)
    by_token: dict[str, list[str]] = field(default_factory=dict)
    habits: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    derived: float = 0.5
    _weights: tuple[list[str], NDArray[np.float64]] | None = None

    def glyph_tokens(self) -> list[str]:
        """Tokens of which there is a glyph."""
        return sorted(self.by_token)

    def add_fonts(self, glyphs: Iterable[FontGlyph]) -> None:
        """Add fonts, each as one writer. Capitals of all are an em high.

        Large operators are as tall as people write them: fonts have some at the size of letters, or
        only the letter or the small operator of that shape.

        Args:
            glyphs: of `scripts/prepare_fonts.py`.
        """
        for glyph in glyphs:
            strokes = tuple(stroke / np.float32(glyph.cap_height) for stroke in glyph.strokes)
            if glyph.token in BIG_OPERATORS:
                strokes = _as_tall_as(_OPERATOR, strokes)
            own = self.glyphs.setdefault(f"font {glyph.font}", {})
            own.setdefault(glyph.token, []).append(strokes)
            writers = self.by_token.setdefault(glyph.token, [])
            if writers[-1:] != [f"font {glyph.font}"]:
                writers.append(f"font {glyph.font}")
        self._weights = None

    def tokens(self) -> list[str]:
        """Tokens that can be written: those with a glyph, and those built from these."""
        found = {*self.by_token}
        writer = self.draw_writer(np.random.default_rng(0))
        for token in DERIVED:
            try:
                derive(token, writer.draw, writer.rng)
            except KeyError:
                continue
            found.add(token)
        return sorted(found)

    def draw_writer(self, rng: np.random.Generator) -> Writer:
        """A random writer, with a probability by the square root of the number of glyphs."""
        if self._weights is None:
            counts = {
                writer: sum(len(glyphs) for token, glyphs in found.items() if token != UNKNOWN_MARK)
                for writer, found in self.glyphs.items()
            }
            able = sorted(w for w, count in counts.items() if count >= _FEW) or sorted(counts)
            weights = np.sqrt([counts[w] for w in able])
            self._weights = able, weights / weights.sum()
        able, weights = self._weights
        return Writer(self, [able[i] for i in rng.choice(len(able), 2, p=weights)], rng)


class Writer:
    """One writer of one expression.

    A symbol without an own glyph is built from other own glyphs, or taken from another writer, the
    same for the whole expression if possible. Habits stay about the same throughout.

    Args:
        source: glyphs and habits to choose from.
        names: writers in order of preference.
    """

    def __init__(self, source: Writers, names: Sequence[str], rng: np.random.Generator) -> None:
        self.source, self.names, self.rng = source, list(names), rng
        self.places = {name: rng.random() for name in HABITS}

    def draw(self, token: str) -> Strokes:
        """A glyph.

        Raises:
            KeyError: if no writer has one.
        """
        for name in self.names:
            found = self.source.glyphs[name].get(token)
            if found:
                return found[int(self.rng.integers(len(found)))]
        able = self.source.by_token.get(token, [])
        if token in DERIVED and (not able or self.rng.random() < self.source.derived):
            return derive(token, self.draw, self.rng)
        if not able:
            raise KeyError(token)
        self.names.append(able[int(self.rng.integers(len(able)))])
        return self.draw(token)

    def habit(self, name: str) -> Sequence[float]:
        """Numbers of one habit: an observation from about the same place of its distribution."""
        observed = self.source.habits[name]
        place = np.clip(self.places[name] + self.rng.normal(0.0, 0.15), 0.0, 1.0)
        return observed[int(place * (len(observed) - 1))].tolist()


def collect(examples: Iterable[Example], habits: Habits) -> Writers:
    """Glyphs and habits of all the ink that can be measured.

    Args:
        habits: what to do where the ink shows no example of a habit.
    """
    kept = list(examples)
    extents = fit_extents(kept[:: max(len(kept) // 1500, 1)])
    writers = Writers()
    observed: dict[str, list[tuple[float, ...]]] = {name: [] for name in HABITS}
    for example in kept:
        inked = example.alignment != NONE
        try:
            measured = Measured(example, extents)
        except ValueError:
            continue
        if not inked.any():
            continue
        own = writers.glyphs.setdefault(example.writer or example.id, {})
        for row in measured.rows.values():
            if row.size is not None and row.baseline is not None:
                _observe(measured, row, row.size, row.baseline, own, observed)
    for name in sorted(writers.glyphs):
        for token in writers.glyphs[name]:
            writers.by_token.setdefault(token, []).append(name)
    for name, rows in observed.items():
        if len(rows) < _FEW:  # nobody shows it: people differ in it as much as in the others
            rows = [tuple(factor * n for n in habits(name)) for factor in _SPREAD]
        table = np.array(rows, dtype=np.float64)
        low, high = np.percentile(table, [6, 97], axis=0)
        table = np.clip(table, low, high)
        writers.habits[name] = table[np.argsort(table[:, 0], kind="stable")]
    return writers


def _as_tall_as(height: float, strokes: Strokes) -> Strokes:
    """Strokes enlarged round the axis to a height, if they are lower."""
    left, top, right, bottom = bounding_box(strokes)
    factor = height / max(bottom - top, 0.1)
    if factor <= 1:
        return strokes
    return fit(strokes, (left * factor, AXIS - height / 2, right * factor, AXIS + height / 2))


def _observe(
    measured: Measured,
    row: Row,
    size: float,
    baseline: float,
    glyphs: dict[str, list[Strokes]],
    observed: dict[str, list[tuple[float, ...]]],
) -> None:
    """Take from one row its symbols as glyphs and its distances as habits."""
    example = measured.example
    before: tuple[str, float] | None = None
    for start, stop, inner in row.items:
        token, symbol = measured.tokens[start], example.alignment[start]
        whole = measured.box(start, stop)
        if whole is None or symbol == NONE:
            before = None
            continue
        if before is not None:
            distance = (float(whole[0]) - before[1]) / size
            observed[gap_habit(before[0], token)].append((distance,))
        before = token, float(whole[2])
        box = measured.boxes[symbol]
        glyph = _glyph(example, int(symbol), box, token, size, baseline)
        if glyph is not None:
            glyphs.setdefault(token, []).append(glyph)
        arguments = {r"\frac": 2, r"\sqrt": 1}.get(token, 0)
        parts = [measured.box(*place) for place in inner[:arguments]]
        sizes = [measured.rows[place].size for place in inner[:arguments]]
        scale = np.mean([s for s in sizes if s is not None] or [size]) / size
        if arguments and all(part is not None for part in parts):
            base = np.concatenate([box, *[part for part in parts if part is not None]])
            boxes = base.reshape(-1, 4)
            if token == r"\frac":
                observed["fraction"].append(_fraction(boxes, float(scale), size, baseline))
            else:
                left, top, right, bottom = (boxes[0] - boxes[1]) / size
                observed["root"].append((float(scale), -left, -top, right, bottom))
            box = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
        for a, b in inner[arguments:]:
            script, marks = measured.rows[a, b], measured.tokens[:a]
            ink = measured.box(a, b)
            if ink is None or script.size is None or script.baseline is None:
                continue
            mark = marks[-2]
            if mark not in ("^", "_"):
                continue
            habit = script_habit(token, mark, (box[3] - box[1]) / size)
            across = ink[0] - box[2] if habit.endswith("script") else (ink - box)[[0, 2]].mean()
            if habit in ("superscript", "subscript"):
                up = script.baseline - baseline
            else:
                up = ink[3] - box[1] if mark == "^" else ink[1] - box[3]
            observed[habit].append((script.size / size, float(across / size), float(up / size)))


def _fraction(
    boxes: NDArray[np.float64], scale: float, size: float, baseline: float
) -> tuple[float, ...]:
    bar, numerator, denominator = boxes
    widest = max(part[2] - part[0] for part in boxes[1:])
    middle = (numerator + denominator)[[0, 2]].sum() / 4 - (bar[0] + bar[2]) / 2
    return (
        scale,
        float(((bar[1] + bar[3]) / 2 - baseline) / size),
        float((bar[1] - numerator[3]) / size),
        float((denominator[1] - bar[3]) / size),
        float((bar[2] - bar[0] - widest) / size),
        float(middle / size),
    )


def _glyph(
    example: Example,
    symbol: int,
    box: NDArray[np.float64],
    token: str,
    size: float,
    baseline: float,
) -> Strokes | None:
    """A symbol's strokes in ems; None if it is too large or too far off to be believed."""
    origin = np.array([box[0], baseline])
    _, top, right, bottom = (box - np.tile(origin, 2)) / size
    if token not in (r"\frac", r"\sqrt") and max(-top, bottom, right) > _LARGEST:
        return None
    if token not in BIG_OPERATORS and bottom - top > _TALLEST:
        return None
    if token in BRACKETS and bottom - top > 1.8:  # grown around something
        return None
    traces = np.flatnonzero(example.trace_symbols == symbol)
    return tuple(
        ((example.points[example.offsets[t] : example.offsets[t + 1]] - origin) / size).astype(
            np.float32
        )
        for t in traces
    )
