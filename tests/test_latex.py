"""The normaliser: published style, what people write, fixed point, errors with a place."""

from __future__ import annotations

import ast
import pickle
import random
import sys
from types import ModuleType

import pytest

from inktex.tokenizer import latex_inktex, latex_lexer_inktex, latex_tree_inktex, structure_inktex
from inktex.tokenizer.latex_inktex import LatexError, normalize, parse
from inktex.tokenizer.latex_lexer_inktex import name_token
from inktex.tokenizer.latex_tree_inktex import emit, emit_marked
from inktex.tokenizer.structure_inktex import closing_brace, matrix_cells

PUBLISHED_STYLE = [
    # script arguments in braces, the subscript first, no other grouping
    ("$x^2$", "x ^ { 2 }"),
    ("{a_{n}}^{k+1}", "a _ { n } ^ { k + 1 }"),
    ("q^3_i", "q _ { i } ^ { 3 }"),
    ("{ { u + { v } } }", "u + v"),
    ("{ab}_c", "a b _ { c }"),
    ("x_{}^{ }y", "x y"),
    # limits by a rule of their own
    (r"\sum^n_{k=0} k", r"\sum \limits _ { k = 0 } ^ { n } k"),
    (r"\int_0 f", r"\int \limits _ { 0 } f"),
    (r"\int\limits^b f", r"\int ^ { b } f"),
    (r"\lim_{t \to 0}", r"\lim \limits _ { t \rightarrow 0 }"),
    (r"\prod\limits_{j} j", r"\prod _ { j } j"),
    (r"{\sum}_j", r"\sum \limits _ { j }"),
    # what is no ink goes
    (r"\left( a \right)", "( a )"),
    (r"\left. \frac{a}{b} \right|", r"\frac { a } { b } |"),
    (r"\Bigg( a\,b\;c\!d \quad e\ f \Bigg)", "( a b c d e f )"),
    (r"\mbox{ab} + \mathrm{cd}", "a b + c d"),
    ("12.5", "1 2 . 5"),
    # other spellings
    (r"a \lt b \gt c \le d \ge e \ne f", r"a < b > c \leq d \geq e \neq f"),
    (r"a\leqslant b\geqslant c", r"a \leq b \geq c"),
    (r"\lbrack a \rbrack \parallel b", "[ a ] | | b"),
    (r"K\ltM", "K < M"),
    (r"\dfrac12 \tfrac{3}{4}", r"\frac { 1 } { 2 } \frac { 3 } { 4 }"),
    # names
    ("l o g 3 + l i m y", r"\log 3 + \lim y"),
    ("lo{g}_2 8", r"\log _ { 2 } 8"),
    ("h_{tan}", "h _ { t a n }"),
    (r"\operatorname{sin} w", r"\sin w"),
    # arguments without braces
    (r"\frac 1 {ab}", r"\frac { 1 } { a b }"),
    (r"\sqrt x^2", r"\sqrt { x } ^ { 2 }"),
    (r"x^\alpha_\beta", r"x _ { \beta } ^ { \alpha }"),
    (r"x^\frac12", r"x ^ { \frac { 1 } { 2 } }"),
    (r"\sqrt[3]{w}", r"\sqrt [ 3 ] { w }"),
    (r"\sqrt[{[a]}]{w}", r"\sqrt [ { [ a ] } ] { w }"),
    # primes
    ("f'", r"f ^ { \prime }"),
    ("f^{'}", r"f ^ { \prime }"),
    ("f''_2", r"f _ { 2 } ^ { \prime \prime }"),
    ("f'^2", r"f ^ { \prime 2 }"),
    (r"y\prime", r"y \prime"),
]

ORDINARY = [
    (r"a \over b", r"\frac { a } { b }"),
    (r"\{x\}", r"\{ x \}"),
    (r"\left\{ x \right\}", r"\{ x \}"),
    (r"\left< x \right>", r"\langle x \rangle"),
    (r"\text{if } x", r"\text { i f } x"),
    (r"\not= \not\in", r"\neq \notin"),
    (r"\overbrace{a+b}^{n}", r"\overbrace { a + b } ^ { n }"),
    (r"\underbrace{a}_{n}", r"\underbrace { a } _ { n }"),
    (r"\mathbb{R}^n", r"\mathbb { R } ^ { n }"),
    (r"\foo x", r"\foo x"),
    (r"\foo{x y}{z}", r"\foo { x y } { z }"),
    (r"\alpha{x}", r"\alpha x"),
    ("{x^2}^3", "{ x ^ { 2 } } ^ { 3 }"),
    ("{}_n C_k", "{ } _ { n } C _ { k }"),
    (r"\int\nolimits_a f", r"\int \limits _ { a } f"),
    (r"\begin{array}{cc} a & b \\ c & d \end{array}",
     r"\begin{matrix} a & b \\ c & d \end{matrix}"),
    (r"A = \begin{pmatrix} 1 & 2 \\[2pt] 3 & 4 \end{pmatrix}^T",
     r"A = ( \begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix} ) ^ { T }"),
    (r"\left\{ \begin{array}[t]{ll} x & \text{if } x > 0 \\ 0 & \mbox{else} \end{array} \right.",
     r"\{ \begin{matrix} x & \text { i f } x > 0 \\ 0 & e l s e \end{matrix}"),
    (r"\begin{cases} a \\ b \\ \end{cases}", r"\{ \begin{matrix} a \\ b \end{matrix}"),
    (r"\begin{Vmatrix} a & \\ & d \end{Vmatrix}",
     r"| | \begin{matrix} a \\ & d \end{matrix} | |"),
    (r"\begin{align*} a &= b \\ &= c \end{align*}", r"\begin{matrix} a = b \\ = c \end{matrix}"),
    (r"\begin{equation} x = 1 \end{equation}", r"x = 1"),
    (r"a = b \\ c = d", r"\begin{matrix} a = b \\ c = d \end{matrix}"),
    (r"a = b \\", r"a = b"),
    (r"\sum_{\substack{i < n \\ j}} x",
     r"\sum \limits _ { \begin{matrix} i < n \\ j \end{matrix} } x"),
    (r"a \pmod{n} + 90\degree", r"a ( \bmod n ) + 9 0 ^ { \circ }"),
    (r"\varphi \stackrel{?}{=} \widehat{ab}", r"\phi \overset { ? } { = } \hat { a b }"),
    (r"\mathbb{CP^n} \mathbb{1} \mathbb{R}^{2}",
     r"\mathbb { C } \mathbb { P } ^ { n } 1 \mathbb { R } ^ { 2 }"),
    (r"\nexists x \nmid \mathcal{L}", r"\not \exists x \not | L"),
    ("α ≤ β · ∞ − 1", r"\alpha \leq \beta \cdot \infty - 1"),
    (r"50\% % remark", r"5 0 \%"),
    (r"\hspace*{1cm} a", "a"),
    ("", ""),
    ("$$  $$", ""),
]  # fmt: skip


@pytest.mark.parametrize(("latex", "canonical"), PUBLISHED_STYLE + ORDINARY)
def test_canonical_tokens(latex: str, canonical: str) -> None:
    tokens = normalize(latex)
    assert tokens == canonical.split()
    assert normalize(" ".join(tokens)) == tokens
    assert emit(parse(latex)) == tokens


@pytest.mark.parametrize(
    ("latex", "position"),
    [
        ("{a", 0),
        ("ab}", 2),
        (r"\frac1", 6),
        ("x_", 2),
        ("x^_2", 2),
        ("x^2^3", 3),
        (r"\sqrt[3 x", 5),
        ("a\\", 1),
        (r"b \begin x", 2),
        (r"b \begin{figure} x \end{figure}", 2),
        (r"b \begin{matrix} x", 2),
        (r"x \end{matrix}", 2),
        (r"a \left", 7),
        (r"a\over b\over c", 8),
    ],
)
def test_errors_say_where(latex: str, position: int) -> None:
    with pytest.raises(LatexError, match=f"at character {position}") as caught:
        normalize(latex)
    assert caught.value.position == position
    assert isinstance(caught.value, ValueError)
    # a worker process sends it to its parent
    received = pickle.loads(pickle.dumps(caught.value))
    assert (str(received), received.position) == (str(caught.value), position)


@pytest.mark.parametrize(
    ("latex", "canonical"),
    [
        (r"\lim_{t \to 1}} t", r"\lim \limits _ { t \rightarrow 1 } t"),
        ("{a + b", "a + b"),
        (r"\frac{a}", r"\frac { a } { }"),
        ("x^2^3", "{ x ^ { 2 } } ^ { 3 }"),
        (r"\sqrt[3 x", r"\sqrt [ 3 x ] { }"),
    ],
)
def test_lenient_forgives(latex: str, canonical: str) -> None:
    assert normalize(latex, lenient=True) == canonical.split()


def test_ink_is_marked() -> None:
    marked = emit_marked(parse(r"\sqrt[3]{[a]} + \sum_i \{i\}"))
    ink = [emitted.token for emitted in marked if emitted.ink]
    assert " ".join(ink) == r"\sqrt 3 [ a ] + \sum i \{ i \}"


def test_names() -> None:
    assert name_token("theta") == r"\theta"
    assert name_token("sin") == r"\sin"
    assert name_token("le") == r"\leq"
    assert name_token("dfrac") is None
    assert name_token("xyz") is None


WORDS = r"""a l o g i m s n \sin \lim \sum \frac \sqrt [ ] { } { } ^ _ ^ _ ' \prime \left \right
    ( ) . \over \mathrm \operatorname \foo \not = \in \le \{ \} \, \limits & \\ \parallel | <
    \begin{array} \end{array} \begin{cases} \end{cases} \degree \pmod \text{if} \hat 1 $
    x * \hspace \cdot"""


def test_fixed_point_on_random_text() -> None:
    words = WORDS.split()
    chooser = random.Random(7)
    for _ in range(3000):
        text = " ".join(chooser.choices(words, k=chooser.randint(1, 14)))
        tokens = normalize(text, lenient=True)
        assert normalize(" ".join(tokens)) == tokens, text


@pytest.mark.parametrize(
    "latex",
    ["{" * 6000, "{" * 6000 + "}" * 6000, r"\frac" * 3000, r"\sqrt[" * 3000, "x^" * 9000,
     "x" * 1_000_000],
)  # fmt: skip
def test_hostile_depth_and_length(latex: str) -> None:
    with pytest.raises(LatexError):
        normalize(latex)
    with pytest.raises(LatexError):
        parse(latex, lenient=True) if latex[0] != "x" else parse(latex)


@pytest.mark.parametrize("name", [r"\end{matrix}", r"\end{cases}"])
def test_environments_that_nothing_begins(name: str) -> None:
    with pytest.raises(LatexError, match="without its"):
        normalize(f"x {name}")


def test_cells_of_matrices() -> None:
    tokens = (
        r"x \begin{matrix} { a & } & \begin{matrix} b & c \end{matrix} \\ & \end{matrix}".split()
    )
    inner = tokens.index(r"\begin{matrix}", 2)
    assert matrix_cells(tokens, 1) == ([[(2, 6), (7, 12)], [(13, 13), (14, 14)]], 14)
    assert matrix_cells(tokens, inner) == ([[(8, 9), (10, 11)]], 11)
    assert closing_brace(tokens, 2) == 5
    with pytest.raises(ValueError, match="never ended"):
        matrix_cells(tokens, 1, stop=14)
    with pytest.raises(ValueError, match="never closed"):
        closing_brace(tokens, 2, stop=5)
    with pytest.raises(ValueError, match="should be an opening brace"):
        closing_brace(tokens, 0)


@pytest.mark.parametrize(
    "module", [latex_inktex, latex_lexer_inktex, latex_tree_inktex, structure_inktex]
)
def test_only_the_standard_library(module: ModuleType) -> None:
    with open(module.__file__ or "", encoding="utf-8") as file:
        text = file.read()
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level == 1 and node.module:  # a flat sibling travels along
                continue
            assert node.level == 0
            names = [node.module or ""]
        assert all(name.partition(".")[0] in sys.stdlib_module_names for name in names)
    assert "import inktex" not in text
