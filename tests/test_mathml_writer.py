"""MathML out of canonical tokens: all structures, and which token each element comes from."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.mathml_inktex import NAMESPACE, mark_number, mathml, mathml_tree
from inktex.tokenizer.mathml_signs_inktex import ACCENT_SIGNS, SIGNS
from inktex.tokenizer.vocabulary_inktex import (
    ARGUMENT_COUNTS,
    FUNCTIONS,
    NOTHING_TOKEN,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    VOCABULARY,
)

STRUCTURES = {
    r"\frac{a}{b}": "<mfrac><mi>a</mi><mi>b</mi></mfrac>",
    r"\binom n k": '<mfrac linethickness="0"><mi>n</mi><mi>k</mi></mfrac>',
    r"\sqrt x": "<msqrt><mi>x</mi></msqrt>",
    r"\sqrt[3]{x}": "<mroot><mi>x</mi><mn>3</mn></mroot>",
    r"\sqrt[{[a]}]{x}": "<mroot><mi>x</mi><mrow>",
    r"x_i^2": "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>",
    r"f'": "<msup><mi>f</mi><mo>′</mo></msup>",
    r"{}_n C": "<msub><mrow /><mi>n</mi></msub>",
    r"{x^2}^3": "<msup><msup><mi>x</mi><mn>2</mn></msup><mn>3</mn></msup>",
    r"\sum_{i}^{n}": "<munderover><mo>∑</mo><mi>i</mi><mi>n</mi></munderover>",
    r"\sum^{n}": "<mover><mo>∑</mo><mi>n</mi></mover>",
    r"\int_0^1": "<msubsup><mo>∫</mo><mn>0</mn><mn>1</mn></msubsup>",
    r"\lim_{n}": "<munder><mi>lim</mi><mi>n</mi></munder>",
    r"\max_{n}": "<munder><mi>max</mi><mi>n</mi></munder>",
    r"\sin^2 x": "<msup><mi>sin</mi><mn>2</mn></msup><mo>\u2061</mo><mi>x</mi>",
    r"\hat x": '<mover accent="true"><mi>x</mi><mo stretchy="false">^</mo></mover>',
    r"\tilde{xy}": '<mo stretchy="true">~</mo></mover>',
    r"\overline x": '<mo stretchy="true">‾</mo></mover>',
    r"\underline x": '<munder accentunder="true"><mi>x</mi><mo stretchy="true">_</mo></munder>',
    r"\overbrace{x}^{n}": '<mo stretchy="true">⏞</mo></mover><mi>n</mi></mover>',
    r"\underbrace{x}_{n}": '<mo stretchy="true">⏟</mo></munder><mi>n</mi></munder>',
    r"\overset{?}{=}": "<mover><mo>=</mo><mrow><mo>?</mo></mrow></mover>",
    r"\underset{a}{=}": "<munder><mo>=</mo><mi>a</mi></munder>",
    r"\xrightarrow{f}": '<mover><mo stretchy="true">→</mo><mpadded',
    r"\xleftarrow{f}": '<mover><mo stretchy="true">←</mo><mpadded',
    r"\mathbb R": '<mi mathvariant="normal">ℝ</mi>',
    r"\text{forall}": "<mtext>\u00a0for\u00a0all\u00a0</mtext>",
    r"\left(x\right)": '<mo form="prefix" stretchy="true">(</mo><mi>x</mi>',
    r"|x|^2": '<mo form="postfix" stretchy="true">|</mo></mrow><mn>2</mn></msup>',
    r"(x": '<mo stretchy="false">(</mo>',
    r"\not \subset": '<mo lspace="0.278em" rspace="0.278em">⊄</mo>',
    r"\begin{pmatrix}a&b\\c&d\end{pmatrix}": "<mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd>",
    r"\begin{cases}a&b\\c\end{cases}": '<mtable columnspacing="1em" columnalign="left">',
    r"x=1\\y=-2": '<mtable columnalign="right left" columnspacing="0em">',
    r"x\\y=2": '<mtable columnalign="left">',
    r"3.14": "<mn>3.14</mn>",
    r"a=-b": '<mo form="prefix">−</mo>',
    r"\Gamma": '<mi mathvariant="normal">Γ</mi>',
}  # fmt: skip


def index_brackets(tokens: list[str]) -> set[int]:
    """The tokens around the index of a root, which have no ink."""
    if r"\sqrt" not in tokens or tokens[tokens.index(r"\sqrt") + 1] != "[":
        return set()
    start = depth = tokens.index(r"\sqrt") + 1
    for place in range(start + 1, len(tokens)):
        depth += (tokens[place] == "{") - (tokens[place] == "}")
        if tokens[place] == "]" and depth == start:
            return {start, place}
    return set()


@pytest.mark.parametrize("latex", STRUCTURES)
def test_every_structure_has_its_elements(latex: str) -> None:
    written = mathml(normalize(latex))
    assert STRUCTURES[latex] in written
    root = ElementTree.fromstring(written)
    assert root.tag == f"{{{NAMESPACE}}}math"


@pytest.mark.parametrize("latex", STRUCTURES)
def test_marks_name_the_token_of_each_element(latex: str) -> None:
    tokens = normalize(latex)
    marked: dict[int, set[str]] = {}
    for element in mathml_tree(tokens, marks=True).iter():
        number = mark_number(element.get("mathcolor"))
        if number >= 0:
            marked.setdefault(number, set()).add((element.text or element.tag)[:1])
    inked = {i for i, one in enumerate(tokens) if one not in STRUCTURAL_TOKENS}
    inked -= index_brackets(tokens)
    slashes = {i for i, one in enumerate(tokens) if one == r"\not"}
    assert marked.keys() == inked - slashes
    for number, texts in marked.items():
        token = tokens[number]
        if len(token) == 1 and token.isalnum() and r"\mathbb" not in tokens:
            assert texts == {token}
        elif token in SIGNS:
            assert texts == {SIGNS[token]}


def test_all_tokens_can_be_written() -> None:
    for token in VOCABULARY:
        if token in {*SPECIAL_TOKENS, NOTHING_TOKEN}:
            assert mathml([token]) == mathml([])
        elif token not in STRUCTURAL_TOKENS and token not in ARGUMENT_COUNTS:
            known = token in SIGNS or token in FUNCTIONS or len(token) == 1
            assert known, token
            ElementTree.fromstring(mathml([token]))
    assert set(ACCENT_SIGNS) < set(ARGUMENT_COUNTS)


def test_limits_stand_beside_within_a_line() -> None:
    tokens = normalize(r"\sum_{i}^{n} \frac 1 2")
    assert "<msubsup><mo>∑</mo>" in mathml(tokens, display=False)
    assert 'display="inline"' in mathml(tokens, display=False)


def test_what_is_not_closed_is_written_but_has_no_marks() -> None:
    assert "<mfrac>" in mathml([r"\frac", "{", "a"])
    with pytest.raises(ValueError, match="not in canonical style"):
        mathml_tree(["s", "i", "n"], marks=True)
    assert mark_number("black") == mark_number(None) == -1


def test_other_signs_and_delimiters_of_one_size() -> None:
    tokens = normalize(r"(\phi d)")
    tree = mathml_tree(tokens, signs={r"\phi": "φ", "d": "d"}, stretch=False)
    written = ElementTree.tostring(tree, encoding="unicode")
    assert "φ" in written
    assert '<mi mathvariant="normal">d</mi>' in written
    assert 'stretchy="true"' not in written
