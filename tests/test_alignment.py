"""Tokens and symbols: MathML, the ladder of levels, and the bars on CROHME where it is at hand."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from inktex.data.crohme.files import locate
from inktex.ink import Ink, MathNode, Symbol
from inktex.ink.alignment import align, caption, expression
from inktex.ink.inkml import InkMLError, read_inkml
from inktex.ink.mathml import mathml_marked


def leaf(text: str, identity: str | None = None, tag: str = "mi") -> MathNode:
    return MathNode(tag, text, identity if identity is not None else f"{text}_1")


def node(tag: str, *children: MathNode, identity: str | None = None) -> MathNode:
    return MathNode(tag, "", identity, children)


def drawn(truth: str | None, math: MathNode | None, *symbols: str | tuple[str, str]) -> Ink:
    """Ink with one trace for each symbol, symbol k at x = 10 k; `label` or (label, node)."""
    pairs = [(s, f"{s}_1") if isinstance(s, str) else s for s in symbols]
    return Ink(
        traces=[np.array([[10 * k, 0], [10 * k + 5, 8]], np.float32) for k in range(len(pairs))],
        symbols=[Symbol(label, (k,), link) for k, (label, link) in enumerate(pairs)],
        truth=truth,
        mathml=None if math is None else node("math", math),
        id="made up",
    )


def tokens_of(math: MathNode, *, swap: bool = False) -> str:
    return " ".join(m.token for m in mathml_marked(node("math", math), swap_roots=swap))


@pytest.mark.parametrize(
    ("math", "expected"),
    [
        (node("msup", leaf("x"), leaf("2")), "x ^ { 2 }"),
        (node("msubsup", leaf("int"), leaf("0"), leaf("1")), r"\int \limits _ { 0 } ^ { 1 }"),
        (node("munder", leaf("im"), leaf("n")), r"\lim \limits _ { n }"),
        (node("mover", leaf("sum"), leaf("n")), r"\sum ^ { n }"),
        (node("munderover", leaf("sum"), leaf("k"), leaf("n")), r"\sum \limits _ { k } ^ { n }"),
        (node("mfrac", leaf("1"), node("mrow", leaf("a"), leaf("b"))), r"\frac { 1 } { a b }"),
        (node("msqrt", leaf("x"), leaf("y")), r"\sqrt { x y }"),
        (node("mroot", leaf("x"), leaf("3")), r"\sqrt [ 3 ] { x }"),
        (node("msub", node("msub", leaf("a"), leaf("b")), leaf("c")), "a _ { b _ { c } }"),
        (node("msup", node("msub", leaf("a"), leaf("b")), leaf("c")), "a _ { b } ^ { c }"),
        (node("msub", leaf("a"), leaf(",")), "a ,"),
        (node("msub", leaf("a")), "a"),
        (node("mrow", leaf("theta"), leaf("infin"), leaf("ctdot")), r"\theta \infty \cdots"),
        (node("mrow", leaf("{"), leaf("27"), leaf("}")), r"\{ 2 7 \}"),
        (node("mrow", leaf("l"), leaf("o"), leaf("g")), r"\log"),
        (node("mrow", leaf(r"\lt"), leaf("ge"), leaf("\xb7")), r"< \geq \cdot"),
        (node("mrow"), ""),
    ],
)
def test_mathml_tokens(math: MathNode, expected: str) -> None:
    assert tokens_of(math) == expected


def test_swapped_root() -> None:
    assert tokens_of(node("mroot", leaf("3"), leaf("x")), swap=True) == r"\sqrt [ 3 ] { x }"


def test_strict_alignment_goes_by_ids() -> None:
    math = node(
        "mrow",
        node("mfrac", leaf("y"), leaf("x", "x_2"), identity="bar"),
        node("msup", leaf("x"), leaf("2")),
    )
    # The file's order is not the order of reading, and twins are told apart by their links.
    ink = drawn(r"$\frac y x x^2$", math, ("x", "x_1"), ("-", "bar"), "2", ("x", "x_2"), "y")
    found = expression(ink, "own")
    assert (found.aligned, found.level, found.reason) == (True, "strict", "")
    assert " ".join(found.tokens) == r"\frac { y } { x } x ^ { 2 }"
    assert found.alignment == [1, -1, 4, -1, -1, 3, -1, 0, -1, -1, 2, -1]
    assert found.symbols[1].label == "-"
    assert list(found.symbols[1].box) == [10, 0, 15, 8]
    assert (found.id, found.source, found.truth) == ("made up", "own", ink.truth)


def test_brackets_with_and_without_ink() -> None:
    math = node(
        "mrow",
        node("mroot", node("mrow", leaf("["), leaf("a"), leaf("]")), leaf("3"), identity="root"),
    )
    found = expression(drawn(r"\sqrt[3]{[a]}", math, "[", "a", "]", "3", (r"\sqrt", "root")))
    assert found.level == "strict"
    assert " ".join(found.tokens) == r"\sqrt [ 3 ] { [ a ] }"
    assert found.alignment == [4, -1, 3, -1, -1, 0, 1, 2, -1]


def test_spelling() -> None:
    ink = drawn(r"a \cdot b", node("mrow", leaf("a"), leaf("."), leaf("b")), "a", ".", "b")
    assert expression(ink).level == "spelling"
    swapped = node("mroot", leaf("3"), leaf("x"), identity="root")
    found = expression(drawn(r"\sqrt[3]x", swapped, "x", "3", (r"\sqrt", "root")))
    assert (found.level, found.alignment) == ("spelling", [2, -1, 1, -1, -1, 0, -1])


def test_merges_make_one_symbol() -> None:
    dots = [leaf(".", f"._{k}") for k in (1, 2, 3)]
    links = [(".", f"._{k}") for k in (1, 2, 3)]
    ink = drawn(r"1 \cdots n", node("mrow", leaf("1"), *dots, leaf("n")), "1", *links, "n")
    found = expression(ink)
    assert (found.level, found.alignment) == ("merge", [0, 1, 2])
    assert found.symbols[1].traces == (1, 2, 3)
    assert found.symbols[1].label == r"\cdots"
    assert list(found.symbols[1].box) == [10, 0, 35, 8]
    tangent = drawn(r"\tan x", node("mrow", leaf("t"), leaf("g"), leaf("x")), "t", "g", "x")
    assert (expression(tangent).level, expression(tangent).alignment) == ("merge", [0, 1])
    letters = drawn("l o g x", node("mrow", *map(leaf, "logx")), "l", "o", "g", "x")
    assert (expression(letters).level, expression(letters).tokens) == ("merge", [r"\log", "x"])


def test_sequence_and_left_over_labels() -> None:
    longer = node("mrow", leaf("a"), leaf("+"), leaf("b"), leaf("="))
    assert expression(drawn("a+b", longer, "a", "+", "b", "=")).level == "sequence"
    without_b = node("mrow", leaf("a"), leaf("+"))
    found = expression(drawn("a+b", without_b, "b", "a", "+"))
    assert (found.level, found.alignment) == ("label", [1, 2, 0])


def test_twins_are_not_guessed() -> None:
    math = node("mrow", leaf("a"), leaf("+"))
    ink = drawn("a+bb", math, "a", "+", ("b", "lost_1"), ("b", "lost_2"))
    found = expression(ink)
    assert not found.aligned
    assert found.level == "none"
    assert "2 x b left over for 2 such symbols" in found.reason
    assert found.alignment == [-1] * 4
    assert len(found.symbols) == 4


def test_labels_are_checked_but_ids_rule() -> None:
    ink = drawn("a+b", node("mrow", leaf("a"), leaf("+"), leaf("b")), "a", ("t", "+_1"), "b")
    found = align(ink, ["a", "+", "b"])
    assert (found.level, found.indices) == ("strict", [0, 1, 2])


def test_duplicate_ids_and_symbols_without_ink() -> None:
    twice = node("mrow", leaf("a"), leaf("+"), leaf("a"))
    found = expression(drawn("a+a", twice, "a", "+"))
    assert not found.aligned
    assert found.reason
    ink = drawn("a", node("mrow", leaf("a")), "a", "b")
    bare = Ink(ink.traces, [Symbol("a", (), "a_1"), ink.symbols[1]], "a", ink.mathml)
    assert "no traces" in expression(bare).reason
    assert [symbol.label for symbol in expression(bare).symbols] == ["b"]


def test_reasons_for_missing_annotations() -> None:
    assert "no MathML" in expression(drawn("a", None, "a")).reason
    assert "no symbols" in expression(drawn("a", leaf("a"))).reason
    silent = expression(drawn(None, None, "a"))
    assert silent.tokens == []
    assert silent.alignment == []
    assert "does not say" in silent.reason
    with pytest.raises(ValueError, match="not canonical"):
        align(drawn("a", leaf("a"), "a"), ["x", "^", "2"])


def test_caption_prefers_the_raw_latex() -> None:
    math = node("mrow", leaf("a"), leaf("/"), leaf("b"))
    assert caption(drawn(r"a \div b", math)) == ["a", r"\div", "b"]
    assert caption(drawn(None, math)) == ["a", "/", "b"]
    root = node("mroot", leaf("a"), leaf("b"))
    assert " ".join(caption(drawn(r"\sqrt{a} ABOVE {b}", root))) == r"\sqrt [ b ] { a }"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("year", "split", "name", "least"),
    [
        ("2014", "train", "train", 0.99),
        ("2014", "test", "2014", 0.99),
        ("2016", "test", "2016", 0.995),
    ],
)
def test_captions_and_alignment_of_crohme(
    crohme: Path, year: str, split: str, name: str, least: float
) -> None:
    """Captions are the published ones for all sources, and nearly all training ink is aligned."""
    lines = (crohme / f"captions_{name}.tsv").read_text(encoding="utf-8").splitlines()
    published = dict(line.split("\t") for line in lines)
    equal: dict[str, list[bool]] = defaultdict(list)
    levels: Counter[str] = Counter()
    for entry in locate(crohme, year, split):
        try:
            one = expression(read_inkml(entry.content), entry.source)
        except InkMLError:
            continue
        levels[one.level] += 1
        if entry.id in published:
            equal[entry.source].append(one.tokens == published[entry.id].split())
    assert all(np.mean(found) >= least for found in equal.values())
    if split == "train":
        assert np.mean([one for found in equal.values() for one in found]) >= 0.995
        assert levels["strict"] >= 0.965 * levels.total()
        assert sum(levels[one] for one in ("strict", "spelling", "merge")) >= 0.99 * levels.total()
