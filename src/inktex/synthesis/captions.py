r"""New captions out of known ones: rows, items and symbols change places with others of their kind.

What comes out has the structures of the captions that went in, in proportions that can be shifted
towards what is rare, but hardly ever their wording.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inktex.examples import items
from inktex.tokenizer.vocabulary_inktex import DELIMITER_PAIRS, IDS

_KINDS: Final[tuple[str, ...]] = (
    "0 1 2 3 4 5 6 7 8 9",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z "
    r"\alpha \beta \gamma \theta \lambda \mu \pi \phi \sigma \infty",
    r"A B C E F G H I L M N P R S T V X Y \Delta",
    r"+ - \times \div \cdot \pm /",
    r"= < > \leq \geq \neq \rightarrow",
    r"\sin \cos \tan \log",
    r"\sum \int",
    r"\ldots \cdots",
    r"\in \forall \exists",
)
"""Symbols that may stand for one another."""

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecombinationConfig:
    """How far captions are changed.

    Attributes:
        row: share of inner rows that another row of the same role takes the place of.
        item: share of items that another item takes the place of.
        symbol: share of symbols that another of the same kind takes the place of.
        join: share of captions that begin as pieces of two or three others.
        flatten: symbols are drawn with their training frequency to this power (0: all alike).
        longest: tokens; longer captions are drawn anew.
    """

    row: float = 0.3
    item: float = 0.2
    symbol: float = 0.35
    join: float = 0.5
    flatten: float = 0.4
    longest: int = 60


class Recombiner:
    """Draws new captions.

    Args:
        captions: known captions in canonical style.
        config: how far to change them.
        known: tokens that can be written; others do not occur in what is drawn.

    Raises:
        ValueError: if there is no caption to start from.
    """

    def __init__(
        self,
        captions: Iterable[Sequence[str]],
        config: RecombinationConfig | None = None,
        known: Iterable[str] | None = None,
    ) -> None:
        self.config = config or RecombinationConfig()
        allowed = None if known is None else {*known, "{", "}", "^", "_", r"\limits"}
        self.rows: dict[str, list[Row]] = {}
        self.items: list[Row] = []
        counts: dict[str, int] = {}
        for caption in captions:
            if allowed is not None and not allowed.issuperset(caption):
                continue
            try:
                found = [("whole", tuple(caption)), *_inner_rows(tuple(caption))]
            except ValueError:
                continue  # not canonical
            for role, row in found:
                self.rows.setdefault(role, []).append(row)
                self.items.extend(row[start:stop] for start, stop, _ in _items(row))
            for token in caption:
                counts[token] = counts.get(token, 0) + 1
        if not self.rows:
            raise ValueError("There is no caption to draw new ones from.")
        self.kinds: dict[str, tuple[list[str], NDArray[np.float64]]] = {}
        for kind in _KINDS:
            members = [token for token in kind.split() if token in counts]
            weights = np.array([counts[token] for token in members]) ** self.config.flatten
            for token in members:
                self.kinds[token] = members, weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> list[str]:
        """A new caption in canonical style."""
        while True:
            pieces = int(rng.integers(2, 4)) if rng.random() < self.config.join else 1
            row: list[str] = []
            for _ in range(pieces):
                row.extend(self._piece(rng, whole=pieces == 1 and rng.random() < 0.5))
            changed = self._change(tuple(row), rng, 0)
            if 0 < len(changed) <= self.config.longest:
                return changed

    def _piece(self, rng: np.random.Generator, whole: bool) -> Row:
        """Some neighbouring items of a caption, brackets in pairs if that can be had."""
        row = _pick(self.rows["whole"], rng)
        if whole:
            return row
        parts = _items(row)
        piece = row
        for _ in range(6):
            length = min(int(rng.geometric(0.25)), len(parts))
            first = int(rng.integers(0, len(parts) - length + 1))
            piece = row[parts[first][0] : parts[first + length - 1][1]]
            if _balanced(piece):
                break
        return piece

    def _change(self, row: Row, rng: np.random.Generator, depth: int) -> list[str]:
        out: list[str] = []
        for start, stop, inner in _items(row):
            item = row[start:stop]
            if rng.random() < self.config.item and item[0] not in _PAIRED:
                item = _pick(self.items, rng)
                if item[0] in _PAIRED or len(item) > 20:
                    item = row[start:stop]
                else:
                    ((start, stop, inner),) = _items(item)
                    out.extend(self._change_item(item, inner, rng, depth))
                    continue
            out.extend(
                self._change_item(item, [(a - start, b - start) for a, b in inner], rng, depth)
            )
        return out

    def _change_item(
        self,
        item: Row,
        inner: Sequence[tuple[int, int]],
        rng: np.random.Generator,
        depth: int,
    ) -> list[str]:
        out: list[str] = []
        done = 0
        for a, b in inner:
            out.extend(item[done:a])
            part = item[a:b]
            if rng.random() < self.config.row * (0.5**depth):
                other = _pick(self.rows[_role(item, 0, a)], rng)
                part = other if len(other) <= 16 else part
            out.extend(self._change(part, rng, depth + 1))
            done = b
        out.extend(item[done:])
        if out[0] in self.kinds and not _is_base(out) and rng.random() < self.config.symbol:
            members, weights = self.kinds[out[0]]
            out[0] = members[int(rng.choice(len(members), p=weights))]
        return out


_PAIRED: Final = frozenset({*DELIMITER_PAIRS, *DELIMITER_PAIRS.values()})
_ROLES: Final[Mapping[str, str]] = {r"\frac": "fraction", r"\sqrt": "root"}


def _items(row: Row) -> list[tuple[int, int, list[tuple[int, int]]]]:
    return items([IDS[token] for token in row])


def _inner_rows(row: Row) -> Iterator[tuple[str, Row]]:
    """All rows inside a row, at any depth, with their roles."""
    for start, _, inner in _items(row):
        for a, b in inner:
            yield _role(row, start, a), row[a:b]
            yield from _inner_rows(row[a:b])


def _role(row: Row, start: int, inner: int) -> str:
    """What the row that begins at token `inner` is to the item that begins at `start`."""
    mark = row[inner - 2]
    if mark not in ("^", "_"):
        return _ROLES.get(row[start], "fraction")
    base = row[start]
    return f"{mark} {base}" if base in (r"\sum", r"\int", r"\lim") else mark


def _is_base(item: Sequence[str]) -> bool:
    """Whether it is a logarithm with its base; no other function has one."""
    return item[0] == r"\log" and item[1:2] == ["_"]


def _balanced(row: Row) -> bool:
    waiting: list[str] = []
    for token in row:
        if token in DELIMITER_PAIRS:
            waiting.append(DELIMITER_PAIRS[token])
        elif token in _PAIRED and (not waiting or waiting.pop() != token):
            return False
    return not waiting


def _pick(rows: Sequence[Row], rng: np.random.Generator) -> Row:
    return rows[int(rng.integers(len(rows)))]
