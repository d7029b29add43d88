"""Alignment of readings with captions, recall of symbols, and what look-alikes are read as."""

from __future__ import annotations

import random

import pytest

from inktex.evaluation.scores import align, edit_distance
from inktex.evaluation.symbols import (
    LEFT_OUT,
    LOOK_ALIKES,
    OTHER,
    MarkScores,
    Recall,
    count_look_alikes,
    count_marks,
    count_recall,
    pair_symbols,
    written_symbols,
)
from inktex.tokenizer.vocabulary_inktex import FOLDED, STRUCTURAL_TOKENS, VOCABULARY


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ("", "", []),
        ("ab", "ab", [("a", "a"), ("b", "b")]),
        ("abc", "axc", [("a", "a"), ("b", "x"), ("c", "c")]),
        ("abc", "ac", [("a", "a"), ("b", None), ("c", "c")]),
        ("ac", "abc", [("a", "a"), (None, "b"), ("c", "c")]),
        ("", "a", [(None, "a")]),
        ("abc", "xc", [("a", None), ("b", "x"), ("c", "c")]),
    ],
)
def test_alignment(first: str, second: str, pairs: list[tuple[str | None, str | None]]) -> None:
    assert align(list(first), list(second)) == pairs


def test_an_alignment_has_as_many_edits_as_the_distance_and_loses_nothing() -> None:
    generator = random.Random(0)
    for _ in range(200):
        first, second = (generator.choices("abc", k=generator.randrange(8)) for _ in "12")
        pairs = align(first, second)
        assert sum(a != b for a, b in pairs) == edit_distance(first, second)
        assert [a for a, _ in pairs if a is not None] == first
        assert [b for _, b in pairs if b is not None] == second
        assert (None, None) not in pairs


@pytest.mark.parametrize(
    ("tokens", "symbols"),
    [
        (r"x ^ { 2 } + \frac { 1 } { y }", r"x 2 + \frac 1 y"),
        (r"\sqrt [ 3 ] { [ x ] }", r"\sqrt 3 [ x ]"),
        (r"f \in \mathbb { R } _ { + }", r"f \in \mathbb{R} +"),
        (r"\begin{matrix} a & b \\ c & d \end{matrix}", "a b c d"),
        (r"\hat { x } \text { i f } \overset { ? } { = }", r"\hat x i f ? ="),
        ("<mark> + 1", "<mark> + 1"),
    ],
)
def test_symbols_are_what_has_ink(tokens: str, symbols: str) -> None:
    assert written_symbols(tokens.split()) == symbols.split()


def test_structure_costs_no_symbol_its_recall() -> None:
    pairs = pair_symbols([r"x ^ { 2 } + \varphi"], ["x 2 + \\phi"])
    assert pairs == [("x", "x"), ("2", "2"), ("+", "+"), (r"\phi", r"\phi")]


def test_recall_counts_every_symbol_of_the_vocabulary() -> None:
    captions = [r"\omega + w", r"\mathbb { R } = w", "w"]
    readings = [r"w + w", r"\mathbb { R } = w", ""]
    recall = count_recall(pair_symbols(captions, readings))
    assert recall[r"\omega"] == Recall(1, 0)
    assert recall["w"] == Recall(3, 2)
    assert recall["+"] == recall["="] == recall[r"\mathbb{R}"] == Recall(1, 1)
    assert recall["R"] == recall[r"\partial"] == Recall(0, 0)
    assert not {*recall} & {*STRUCTURAL_TOKENS, *FOLDED}
    assert sum(one.written for one in recall.values()) == 7


def test_look_alikes_are_counted_by_group() -> None:
    captions = ["O + 0", "o + 0", "1 = x", "|"]
    readings = ["0 + 0", "Q + 0", r"l = \times", ""]
    groups = {one.symbols: one.table for one in count_look_alikes(pair_symbols(captions, readings))}
    rounds = groups["0", "O", "o"]
    assert rounds["0"] == {"0": 2, "O": 0, "o": 0, OTHER: 0, LEFT_OUT: 0}
    assert rounds["O"] == {"0": 1, "O": 0, "o": 0, OTHER: 0, LEFT_OUT: 0}
    assert rounds["o"] == {"0": 0, "O": 0, "o": 0, OTHER: 1, LEFT_OUT: 0}
    bars = groups["1", "l", "I", "|"]
    assert (bars["1"]["l"], bars["|"][LEFT_OUT], sum(bars["I"].values())) == (1, 1, 0)
    assert groups["x", "X", r"\times", r"\chi"]["x"][r"\times"] == 1
    dots = groups[".", r"\cdot", ",", r"\prime", "1"]
    assert dots["1"] == {".": 0, r"\cdot": 0, ",": 0, r"\prime": 0, "1": 0, OTHER: 1, LEFT_OUT: 0}
    assert [*groups] == [*LOOK_ALIKES]


def test_look_alikes_are_symbols_that_captions_have() -> None:
    members = {symbol for group in LOOK_ALIKES for symbol in group}
    assert members <= {*VOCABULARY} - STRUCTURAL_TOKENS - {*FOLDED}
    for group in LOOK_ALIKES:
        assert len({*group}) == len(group) > 1


def test_unknown_marks_are_believed_where_something_else_is_likely() -> None:
    readings = [
        ("<mark>", 0.9),  # named
        ("x", 0.5),  # believed
        ("x", 0.49),
        ("", 0.9),  # nothing is no symbol
        ("<nothing>", 0.9),
        ("x + <mark>", 0.7),  # named
        (r"\sqrt { }", 0.8),  # believed
    ]
    found = count_marks(["<mark>"] * len(readings), readings)
    assert found == MarkScores(pictures=7, named=2, believed=2)
    assert "2 (28.6%) as something else" in str(found)
    mixed = count_marks(["x + <mark>", "x"], [("x + y", 0.9), ("y", 0.9)])
    assert mixed == MarkScores(pictures=1, named=0, believed=1)
    assert count_marks(["x"], [("y", 0.9)]) is None
