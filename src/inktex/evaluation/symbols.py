r"""Recall of each symbol, what look-alikes are read as, and whether unknown marks are believed.

Symbols are compared without the structure round them: `x ^ { 2 }` that is read as `x 2` has both of
its symbols. A double-struck letter is one symbol, `\mathbb{R}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from inktex.symbol_boxes import inked
from inktex.tokenizer.vocabulary_inktex import (
    FOLDED,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    UNKNOWN_MARK,
    VOCABULARY,
)

from .scores import align
from .spelling import normalize_spelling

__all__ = [
    "BELIEVED",
    "LOOK_ALIKES",
    "LookAlikes",
    "MarkScores",
    "Pair",
    "Recall",
    "count_look_alikes",
    "count_marks",
    "count_recall",
    "pair_symbols",
    "written_symbols",
]

Pair = tuple[str | None, str | None]
"""A symbol that was written and what it was read as; None for one that the other side lacks."""

LOOK_ALIKES: Final = tuple(
    tuple(group.split())
    for group in (
        "0 O o",
        "1 l I |",
        r"x X \times \chi",
        r"w W \omega",
        r"u U \cup",
        r"v V \nu \vee",
        r"c C \subset",
        r"p P \rho",
        r"a \alpha",
        r"k K \kappa",
        "z Z 2",
        r". \cdot , \prime 1",
        r"- \frac",
        r"\Sigma \sum",
        r"\Pi \prod",
        r"\phi \emptyset",
    )
)
"""Symbols that handwriting hardly tells apart. `\\frac` is the bar of a fraction; both forms of a
phi are `\\phi`, since `\\varphi` is folded to it."""

OTHER: Final = "other"
"""Column of what was read as a symbol that is no member of the group."""
LEFT_OUT: Final = "left out"
"""Column of what was not read at all."""
BELIEVED: Final = 0.5
"""Probability from which on a user believes a reading."""


@dataclass(frozen=True, slots=True)
class MarkScores:
    """What became of pictures with marks outside the alphabet.

    Attributes:
        pictures: number of them.
        named: how many were read with an unknown mark in them.
        believed: how many were read as something else, with a probability of `BELIEVED` or more.
    """

    pictures: int
    named: int
    believed: int

    def __str__(self) -> str:
        return (
            f"{self.pictures} pictures with marks outside the alphabet: {self.named} are read with "
            f"an unknown mark, {self.believed} ({self.believed / self.pictures:.1%}) as something "
            f"else with a probability of {BELIEVED} or more."
        )


@dataclass(frozen=True, slots=True)
class Recall:
    """How many there were of a symbol in the captions, and how many of these were read as it."""

    written: int
    recalled: int


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """What the members of a group of look-alikes were read as.

    Attributes:
        symbols: the group.
        table: written symbol -> read symbol, `OTHER` or `LEFT_OUT` -> how often, in the order of
            the group; zeros included.
    """

    symbols: tuple[str, ...]
    table: dict[str, dict[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {"symbols": [*self.symbols], "table": self.table}


def written_symbols(tokens: Sequence[str]) -> list[str]:
    r"""The symbols of canonical tokens, in their order: what has ink, `\mathbb { R }` as one."""
    found = []
    for index, has_ink in enumerate(inked(tokens)):
        if has_ink:
            is_struck = [*tokens[max(index - 2, 0) : index]] == [r"\mathbb", "{"]
            found.append(rf"\mathbb{{{tokens[index]}}}" if is_struck else tokens[index])
    return found


def pair_symbols(captions: Iterable[str], readings: Iterable[str]) -> list[Pair]:
    """The symbols of captions, each beside what it was read as.

    Args:
        captions, readings: of the same expressions, canonical tokens separated by spaces.
    """
    pairs: list[Pair] = []
    for caption, reading in zip(captions, readings, strict=True):
        written, read = (
            written_symbols(normalize_spelling(text.split())) for text in (caption, reading)
        )
        pairs += align(written, read)
    return pairs


def count_recall(pairs: Iterable[Pair]) -> dict[str, Recall]:
    r"""For each symbol of the vocabulary how many there were, and how many were recalled.

    Returns:
        All symbols of the vocabulary in its order, those with no example too, then `\mathbb{R}`
        and the like that occur.
    """
    written: Counter[str] = Counter()
    recalled: Counter[str] = Counter()
    for symbol, read in pairs:
        if symbol is not None:
            written[symbol] += 1
            recalled[symbol] += symbol == read
    without = {*SPECIAL_TOKENS, *STRUCTURAL_TOKENS, *FOLDED}
    known = [token for token in VOCABULARY if token not in without]
    return {
        symbol: Recall(written[symbol], recalled[symbol])
        for symbol in dict.fromkeys([*known, *sorted(written)])
    }


def count_look_alikes(pairs: Iterable[Pair]) -> list[LookAlikes]:
    """For each group of `LOOK_ALIKES` how often each written member was read as which."""
    counts = Counter(pairs)
    found = []
    for group in LOOK_ALIKES:
        table = {symbol: dict.fromkeys((*group, OTHER, LEFT_OUT), 0) for symbol in group}
        for (written, read), count in counts.items():
            if written in table:
                column = LEFT_OUT if read is None else read if read in group else OTHER
                table[written][column] += count
        found.append(LookAlikes(group, table))
    return found


def count_marks(
    captions: Iterable[str], readings: Iterable[tuple[str, float]]
) -> MarkScores | None:
    """How unknown marks were read; None if no caption has one.

    Args:
        captions: canonical tokens separated by spaces.
        readings: tokens of each, and the probability of the reading; nothing for a picture that
            could not be read. Nothing is not something else.
    """
    marked = [
        (written_symbols(tokens.split()), score)
        for caption, (tokens, score) in zip(captions, readings, strict=True)
        if UNKNOWN_MARK in caption.split()
    ]
    if not marked:
        return None
    named = [UNKNOWN_MARK in symbols for symbols, _ in marked]
    believed = [
        bool(symbols) and UNKNOWN_MARK not in symbols and score >= BELIEVED
        for symbols, score in marked
    ]
    return MarkScores(len(marked), sum(named), sum(believed))
