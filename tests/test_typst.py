"""Typst out of canonical tokens: what a person would write, and all of it compiles."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import numpy as np
import pytest
from format_cases import CASES, Case

from inktex.modeling.grammar_inktex import Grammar
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.typst_inktex import TYPST_SIGNS, typst
from inktex.tokenizer.vocabulary_inktex import (
    ARGUMENT_COUNTS,
    EOS_TOKEN,
    GRAMMAR,
    IDS,
    NOTHING_TOKEN,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    VOCABULARY,
)

OTHERS = {
    "-x": "-x",
    "a-b": "a - b",
    "2ab": "2 a b",
    "2a": "2a",
    r"\pm x": "plus.minus x",
    r"\sin^2(x)": "sin^2 (x)",
    r"\phi(x)": "phi(x)",
    r"\phi(x,y)": "phi (x, y)",
    r"\sqrt{x,y}": r"sqrt(x\, y)",
    r"\sqrt{(}": r"sqrt(\()",
    r"\sqrt{a:b}": r"sqrt(a \: b)",
    r"\frac{a}{b}!": "a/b !",
    r"{\frac{a}{b}}^2": "frac(a, b)^2",
    r"\frac{v^*}{2}": "(v^*)/2",
    "]0,1[": r"\] 0, 1 \[",
    "[0,1)": "[0, 1)",
    r"\not\subset": "⊄",
    r"\not x": "cancel(x)",
    "x'_i": "x'_i",
    r"\begin{matrix}a&b\\c&d\end{matrix}": "mat(delim: #none, a, b; c, d)",
    r"\left.\begin{matrix}a\\b\end{matrix}\right\}": "cases(reverse: #true, a, b)",
    r"\left\|\begin{matrix}a&b\\c&d\end{matrix}\right\|": 'mat(delim: "‖", a, b; c, d)',
    r"\mathbb E": "EE",
    r"\lfloor\rfloor": "⌊⌋",
    r"\foo{x}": r'"\\foo" (x)',
}


def contexts(token: str) -> list[list[str]]:
    """Formulas with a token: alone, in a row, with scripts, in brackets and as an argument."""
    braced = ["{", token, "}"]
    return [
        [token],
        ["x", token, "2", token, "(", "x", ")"],
        [token, "_", "{", "1", "}", "^", *braced],
        ["(", token, ",", token, ")"],
        [r"\sqrt", *braced],
        [r"\frac", *braced, *braced],
        [r"\begin{matrix}", token, "&", token, r"\\", token, r"\end{matrix}"],
    ]


def grammatical(count: int, seed: int) -> list[list[str]]:
    """Random formulas of the grammar that generation keeps to."""
    grammar, rng = Grammar(len(VOCABULARY), GRAMMAR), random.Random(seed)
    found: list[list[str]] = []
    while len(found) < count:
        state, written, longest = grammar.start(), list[int](), rng.choice((6, 12, 20, 40))
        while len(written) < longest:
            allowed = grammar.follow(state, written, longest - len(written))
            token = rng.choice(np.flatnonzero(allowed).tolist())
            if token == IDS[EOS_TOKEN]:
                break
            written.append(token)
            state = grammar.advance(state, token)
        if written and IDS[NOTHING_TOKEN] not in written:
            found.append([VOCABULARY[token] for token in written])
    return found


def compile_all(formulas: Sequence[str]) -> None:
    """Compile formulas in one document; the error names the first one that does not."""
    compiler = pytest.importorskip("typst")

    def compiled(some: Sequence[str]) -> bool:
        document = "".join(f"$ {one} $\n" for one in some)
        try:
            compiler.compile(document.encode(), format="pdf")
        except Exception:  # the binding's own error, under several names
            return False
        return True

    if not compiled(formulas):
        assert all(compiled([one]) or pytest.fail(one) for one in formulas)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.latex)
def test_it_is_what_a_person_would_write(case: Case) -> None:
    assert typst(normalize(case.latex)) == case.typst


@pytest.mark.parametrize("latex", OTHERS)
def test_every_structure_has_its_text(latex: str) -> None:
    assert typst(normalize(latex)) == OTHERS[latex]


def test_every_token_has_its_text() -> None:
    written = []
    for token in VOCABULARY:
        if token in {*SPECIAL_TOKENS, NOTHING_TOKEN}:
            assert typst([token]) == ""
        elif token in ARGUMENT_COUNTS:
            written.append(typst(["x", token, *["{", "y", "}"] * ARGUMENT_COUNTS[token]]))
            assert written[-1].count("y") == ARGUMENT_COUNTS[token]
        elif token not in STRUCTURAL_TOKENS:
            assert len(token) == 1 or token in TYPST_SIGNS, token
            written += [typst(tokens) for tokens in contexts(token)]
    assert all(written)
    compile_all(written)


def test_all_that_a_model_can_write_compiles() -> None:
    compile_all([typst(tokens) for tokens in grammatical(400, seed=1)])
    compile_all([typst(normalize(latex)) for latex in OTHERS])
    compile_all([case.typst for case in CASES])


def test_a_slash_divides_what_the_fraction_does() -> None:
    compiler = pytest.importorskip("typst")
    for latex in (
        r"x\frac{a+b}{c}d",
        r"\sin\frac{x}{2}y",
        r"f(x)\frac{(a)(b)}{x^2}(y)",
        r"\frac{\frac{a}{b}}{\frac{c}{d}}!",
        r"x^{\frac{1}{2}}\frac{-1}{\sqrt{2}}",
        r"\frac{1}{\alpha}(x)",
    ):
        text = typst(normalize(latex))
        document = f"#metadata(repr($ {text} $.body))<tree>"
        tree = json.loads(compiler.query(document.encode(), "<tree>", field="value"))[0]
        assert tree.count("frac(") == latex.count("frac")
        whole = {r"x\frac{a+b}{c}d": "denom: [c]", r"\frac{1}{\alpha}(x)": "denom: [α]"}
        assert whole.get(latex, "") in tree
