r"""New captions out of known ones: rows, items and symbols change places with others of their kind.

What comes out has the structures of the captions that went in, in proportions that can be shifted
towards what is rare, but hardly ever their wording.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inktex.data.examples import items
from inktex.modeling.grammar_inktex import Grammar, is_formula
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import (
    CELL_END,
    DELIMITER_PAIRS,
    GRAMMAR,
    IDS,
    LINE_END,
    MATRIX_BEGIN,
    MATRIX_END,
    STRUCTURAL_TOKENS,
    UNKNOWN_MARK,
)

from .arithmetic import draw_arithmetic
from .rare import BINARY_TOKENS, INKED, MORE_KINDS, RELATION_TOKENS, with_token
from .small_marks import draw_small_marks
from .worked import draw_worked_lines

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

_GRAMMAR: Final = Grammar(len(IDS), GRAMMAR)
_RARE: Final = 3
"""Tokens that a caption is made to hold, at most."""
_MARKS: Final = 4.0
"""Times that an unknown mark is as frequent as a rare symbol: it may look like anything."""
WITHOUT_INK: Final = (r"\text", r"\mathbb", r"\overset", r"\underset", UNKNOWN_MARK)
"""Tokens beside the written symbols that captions are made to hold."""

_BETWEEN: Final = BINARY_TOKENS | RELATION_TOKENS
"""Tokens that stand between two terms."""

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
        verbatim: share of captions of one line, and of lines, that stay as they are known.
        by_symbol: share of these that are drawn by a symbol that they hold, each symbol as often as
            any other: what tells look-alikes apart is where people write them.
        rare: share of all other captions that are made to hold a token of the alphabet
            (`inktex.synthesis.rare`), and this share of these another one, at most three. Rare
            tokens are chosen so that all of them come to be in about as many captions.
        lines: share of captions that are two to four lines under one another.
        worked: share of these that are worked school mathematics (`inktex.synthesis.worked`).
        alike: share of these whose lines are one caption, changed a little from line to line.
        matrices: share of captions with a matrix or a case distinction.
        small_marks: share of captions of `inktex.synthesis.small_marks`.
        arithmetic: share of captions of `inktex.synthesis.arithmetic`.
        single: share of captions that are one symbol, or one item of a known caption: collections
            of different captions hardly have any, and people write them all the time.
    """

    row: float = 0.3
    item: float = 0.2
    symbol: float = 0.35
    join: float = 0.5
    flatten: float = 0.4
    longest: int = 60
    verbatim: float = 0.0
    by_symbol: float = 0.0
    rare: float = 0.0
    lines: float = 0.0
    worked: float = 0.0
    alike: float = 0.0
    matrices: float = 0.0
    small_marks: float = 0.0
    arithmetic: float = 0.0
    single: float = 0.0


class Recombiner:
    """Draws new captions.

    Args:
        captions: known captions in canonical style.
        config: how far to change them.
        known: tokens that can be written; others do not occur in what is drawn.
        whole: whether symbols of the whole alphabet stand for one another, those among them that no
            caption has, and what is drawn is brought to canonical style.

    Raises:
        ValueError: if there is no caption to start from.
    """

    def __init__(
        self,
        captions: Iterable[Sequence[str]],
        config: RecombinationConfig | None = None,
        known: Iterable[str] | None = None,
        whole: bool = False,
    ) -> None:
        self.config, self.whole = config or RecombinationConfig(), whole
        allowed = None if known is None else {*known, *STRUCTURAL_TOKENS}
        self.rows: dict[str, list[Row]] = {}
        self.items: list[Row] = []
        counts: dict[str, int] = {}
        holding: dict[str, list[int]] = {}
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
            for token in {*caption}:
                holding.setdefault(token, []).append(len(self.rows["whole"]) - 1)
        if not self.rows:
            raise ValueError("There is no caption to draw new ones from.")
        self.kinds: dict[str, tuple[list[str], NDArray[np.float64]]] = {}
        for kind in MORE_KINDS if whole else _KINDS:
            members = [
                token
                for token in kind.split()
                if token in counts or (whole and allowed is not None and token in allowed)
            ]
            weights = np.array([counts.get(t, 1) for t in members], dtype=float)
            weights = weights**self.config.flatten
            for token in members:
                self.kinds[token] = members, weights / weights.sum()

        rare = [t for t in (*INKED, *WITHOUT_INK) if allowed is None or t in allowed]
        self.holding = [holding[token] for token in rare if token in holding]
        shares = np.array([len(holding.get(t, ())) for t in rare]) / len(self.rows["whole"])
        kept = self.config.verbatim * max(1 - self.config.lines - self.config.matrices, 0.0)
        if self.holding:
            drawn = kept * self.config.by_symbol / len(self.holding)
            shares += np.array([drawn if t in holding else 0.0 for t in rare])
        needs = np.where(np.array(rare) == UNKNOWN_MARK, _MARKS, 1.0)
        insertions = sum(self.config.rare**number for number in range(1, _RARE + 1)) * (1 - kept)
        self.rare = rare, _level(shares, needs, insertions or 1.0)

    def draw(self, rng: np.random.Generator) -> list[str]:
        """A new caption in canonical style."""
        config = self.config
        while True:
            if rng.random() < config.small_marks:
                return draw_small_marks(rng)
            # No number is drawn for what is not asked for: such captions stay the same ones.
            if config.arithmetic and rng.random() < config.arithmetic:
                changed = draw_arithmetic(rng)
                if len(changed) <= config.longest:
                    return changed
                continue
            if config.single and rng.random() < config.single:
                return self._single(rng)
            kind, is_known = rng.random(), False
            if kind < config.lines:
                changed, is_known = self._lines(rng)
            elif kind < config.lines + config.matrices:
                changed = self._matrix(rng)
            else:
                known = self._verbatim(rng, config.longest)
                is_known = known is not None
                changed = known or self._recombined(rng, config.longest)
            for _ in range(_RARE):
                # With a token put in, what is known would no longer tell which symbols belong
                # together.
                if rng.random() >= config.rare or is_known:
                    break
                tokens, weights = self.rare
                token = tokens[int(rng.choice(len(tokens), p=weights))]
                changed = with_token(changed, token, rng)
            if self.whole:
                # What has changed places may want another style: limits, or none. And a second
                # script on a base asks for braces, which no formula has by themselves.
                changed = normalize(" ".join(changed))
                if not is_formula(_GRAMMAR, [IDS[token] for token in changed]):
                    continue
            if 0 < len(changed) <= config.longest:
                return changed

    def _single(self, rng: np.random.Generator) -> list[str]:
        """One item as often as people write it, or one symbol, each as often as any other."""
        while True:
            if rng.random() < 0.5:
                item = _pick(self.items, rng)
            else:
                item = (self.rare[0][int(rng.integers(len(self.rare[0])))],)
            if is_formula(_GRAMMAR, [IDS[token] for token in item]):
                return normalize(" ".join(item))

    def _lines(self, rng: np.random.Generator) -> tuple[list[str], bool]:
        """Some captions under one another, at times behind a brace; whether they are as written."""
        config = self.config
        count = int(rng.choice([2, 2, 2, 3, 3, 4]))
        out = [r"\{"] if rng.random() < 0.25 else []
        out.append(MATRIX_BEGIN)
        longest = config.longest // count - 2
        # No number is drawn for what is not asked for: such captions stay the same ones.
        kind = rng.random() if config.worked or config.alike else 1.0
        is_known = kind < config.worked
        if is_known:
            lines = draw_worked_lines(rng)
        elif kind < config.worked + config.alike:
            lines = self._alike(rng, count, longest)
        else:
            lines = [self._line(rng, longest) for _ in range(count)]
        for number, line in enumerate(lines):
            out += [LINE_END] * (number > 0) + line
        return [*out, MATRIX_END], is_known

    def _alike(self, rng: np.random.Generator, count: int, longest: int) -> list[list[str]]:
        """A caption, and lines that follow from it: changed, or with another right side alone."""
        first = self._line(rng, longest)
        lines = [first]
        for _ in range(count - 1):
            line = self._change(tuple(lines[-1]), rng, 0)
            equals = [start for start, *_ in _items(tuple(line)) if line[start] == "="]
            if equals and rng.random() < 0.4:
                line = line[equals[0] :]
            lines.append(line if 0 < len(line) <= longest else [*first])
        return lines

    def _matrix(self, rng: np.random.Generator) -> list[str]:
        """A matrix in its brackets, or a case distinction, with something beside it."""
        before = self._term(rng, 6)
        if rng.random() < 0.25:
            cells = []
            for number in range(int(rng.integers(2, 4))):
                word = ["i", "f"] if rng.random() < 0.7 else [*"otherwise"]
                condition = self._term(rng, 8, _BETWEEN) if len(word) < 8 else []
                word = [r"\text", "{", *word, "}"]
                cells += [LINE_END] * (number > 0) + self._term(rng, 12) + [CELL_END]
                cells += word + condition if rng.random() < 0.8 else condition or word
            return [*before, "=", r"\{", MATRIX_BEGIN, *cells, MATRIX_END]
        sides = [("(", ")"), ("[", "]"), ("|", "|"), (r"\{", r"\}"), ("", "")]
        left, right = sides[int(rng.choice(5, p=[0.4, 0.3, 0.15, 0.05, 0.1]))]
        lines, columns = (int(rng.choice([1, 2, 2, 2, 3, 3, 4])) for _ in range(2))
        if lines == 1 and not left:  # nobody could see that it is one
            lines = 2
        if lines * columns == 1:
            columns = 2
        is_numeric = rng.random() < 0.5
        cells = []
        for place in range(lines * columns):
            if place:
                cells.append(CELL_END if place % columns else LINE_END)
            if is_numeric:
                digits = str(int(rng.integers(0, 10 if rng.random() < 0.8 else 100)))
                cells += ["-"] * (rng.random() < 0.15) + [*digits]
            elif min(lines, columns) > 2 and rng.random() < 0.2:
                cells.append([r"\cdots", r"\vdots", r"\ddots"][int(rng.integers(3))])
            else:
                cells += self._term(rng, 7)
        out = [*([left] if left else []), MATRIX_BEGIN, *cells, MATRIX_END]
        out += [right] if right else []
        if rng.random() < 0.5:
            out = [*before, "=", *out]
        return [*out, *self._short(rng, 6)] if rng.random() < 0.3 else out

    def _short(self, rng: np.random.Generator, longest: int) -> list[str]:
        """A few items of known captions."""
        for _ in range(20):
            piece = self._piece(rng, whole=False)
            if len(piece) <= longest and MATRIX_BEGIN not in piece and _balanced(piece):
                changed = self._change(piece, rng, 1)
                return changed if len(changed) <= longest else [*piece]
        return ["x"]

    def _term(
        self, rng: np.random.Generator, longest: int, allowed: frozenset[str] = BINARY_TOKENS
    ) -> list[str]:
        """A few items that stand for themselves: nothing is missing before or behind them.

        Args:
            allowed: which of the tokens that stand between terms may be among them.
        """
        for _ in range(20):
            piece = self._short(rng, longest)
            is_whole = piece[0] not in _BETWEEN - {"-"} and piece[-1] not in _BETWEEN
            if is_whole and not (_BETWEEN - allowed).intersection(piece):
                return piece
        return ["x"]

    def _line(self, rng: np.random.Generator, longest: int) -> list[str]:
        known = self._verbatim(rng, longest)
        return self._recombined(rng, longest) if known is None else known

    def _verbatim(self, rng: np.random.Generator, longest: int) -> list[str] | None:
        """A caption as it is known, for the share of them that stays so; else None."""
        if rng.random() < self.config.verbatim:
            for _ in range(20):
                known = self._known(rng)
                if len(known) <= longest:
                    return [*known]
        return None

    def _recombined(self, rng: np.random.Generator, longest: int) -> list[str]:
        """A caption made of pieces of others."""
        while True:
            pieces = int(rng.integers(2, 4)) if rng.random() < self.config.join else 1
            row: list[str] = []
            for _ in range(pieces):
                row.extend(self._piece(rng, whole=pieces == 1 and rng.random() < 0.5))
            changed = self._change(tuple(row), rng, 0)
            if 0 < len(changed) <= longest:
                return changed

    def _known(self, rng: np.random.Generator) -> Row:
        """A caption as it is known."""
        # No number is drawn where it is not asked for: such captions stay the same ones.
        if self.config.by_symbol and rng.random() < self.config.by_symbol:
            holding = self.holding[int(rng.integers(len(self.holding)))]
            return self.rows["whole"][holding[int(rng.integers(len(holding)))]]
        return _pick(self.rows["whole"], rng)

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
        if item[0] in _STYLES:  # letters that are a name
            return [*item]
        out: list[str] = []
        done = 0
        for a, b in inner:
            out.extend(item[done:a])
            part = item[a:b]
            if rng.random() < self.config.row * (0.5**depth):
                # What was changed before may have a role that no caption has.
                known = self.rows.get(_role(item, 0, a), [part])
                other = _pick(known, rng)
                part = other if len(other) <= 16 else part
            out.extend(self._change(part, rng, depth + 1))
            done = b
        out.extend(item[done:])
        if out[0] in self.kinds and not _is_base(out) and rng.random() < self.config.symbol:
            members, weights = self.kinds[out[0]]
            out[0] = members[int(rng.choice(len(members), p=weights))]
        return out


def _level(
    shares: NDArray[np.float64], needs: NDArray[np.float64], insertions: float
) -> NDArray[np.float64]:
    """Probabilities of tokens that bring those that are rare to one level.

    Args:
        shares: `(tokens,)`, of captions that have each token before any is inserted.
        needs: `(tokens,)`, how much above its share each is to come, as a multiple of the others.
        insertions: a caption.

    Returns:
        `(tokens,)`, in proportion to what each lacks up to the level; 0 for what is above it.
    """
    order = np.argsort(shares, kind="stable")
    total = insertions + np.cumsum((needs * shares)[order])
    levels = total / np.cumsum(needs[order])
    level = levels[np.flatnonzero(levels > shares[order])[-1]]
    lacking: NDArray[np.float64] = needs * np.maximum(level - shares, 0.0)
    return lacking / lacking.sum()


_PAIRED: Final = frozenset({*DELIMITER_PAIRS, *DELIMITER_PAIRS.values()})
_STYLES: Final = frozenset({r"\text", r"\mathbb"})
_ROLES: Final[Mapping[str, str]] = {
    r"\frac": "fraction",
    r"\binom": "binomial",
    r"\sqrt": "root",
    r"\overset": "label",
    r"\underset": "label",
    r"\xrightarrow": "label",
    r"\xleftarrow": "label",
    r"\text": "word",
    r"\mathbb": "double-struck",
    MATRIX_BEGIN: "cell",
}


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
        return _ROLES.get(row[start], "accent")
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
