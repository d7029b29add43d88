"""SymPy expressions out of canonical tokens: what they are worth, and what is no expression."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from format_cases import CASES, Case

from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.sympy_inktex import sympy_expression
from inktex.tokenizer.vocabulary_inktex import (
    ARGUMENT_COUNTS,
    NOTHING_TOKEN,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    VOCABULARY,
)

VALUES: dict[str, complex] = {
    r"\frac{1}{2}+\frac{2}{3}x": 0.5 + 2 / 3 * 0.7,
    "2x^2y-3": 2 * 0.7**2 * 1.3 - 3,
    "-x^2": -(0.7**2),
    "(-x)^2": 0.7**2,
    "x-(y-x)": 0.7 - (1.3 - 0.7),
    r"\frac{x+y}{x-y}": 2.0 / -0.6,
    r"\frac{\frac{x}{y}}{\frac{y}{x}}": (0.7 / 1.3) / (1.3 / 0.7),
    "x/y/2": 0.7 / 1.3 / 2,
    r"x\cdot-y": -0.91,
    "2^{3^2}": 512,
    "2^{-1}": 0.5,
    "x^{-2}": 0.7**-2,
    r"\sqrt{x^2+y^2}": math.hypot(0.7, 1.3),
    r"\sqrt[3]{x}": 0.7 ** (1 / 3),
    r"\sin 2x\cos y": math.sin(1.4) * math.cos(1.3),
    r"\sin^2 x+\cos^2 x": 1,
    r"\sin(x)y": math.sin(0.7) * 1.3,
    r"\tan^{-1}\frac{x}{y}": math.atan(0.7 / 1.3),
    r"\ln x^2": math.log(0.49),
    r"\log_2 8x": math.log2(5.6),
    r"\lg 100": 2,
    "e^{-x^2}": math.exp(-0.49),
    r"e^{i\pi}+1": 0,
    "|x-y|": 0.6,
    r"\lfloor y\rfloor+\lceil y\rceil": 3,
    r"5!-\binom{5}{2}": 110,
    r"90^\circ": math.pi / 2,
    r"\sum_{i=1}^{10}i^2": 385,
    r"2\sum_{k=0}^{3}kx+1": 2 * 6 * 0.7 + 1,
    r"\prod_{k=1}^{4}k": 24,
    r"\int_0^1 t^2+1dt": 4 / 3,
    r"\int_1^2\frac{dt}{t}": math.log(2),
    r"\int_0^1\int_0^t stdsdt": 1 / 8,
    r"\lim_{t\to 0}\frac{\sin t}{t}": 1,
    r"\lim_{n\to\infty}\frac{2n+1}{n}": 2,
    r"\frac{d}{dx}x^3": 3 * 0.49,
    r"\frac{d^2}{dx^2}\sin x": -math.sin(0.7),
    r"\begin{vmatrix}x&y\\1&2\end{vmatrix}": 1.4 - 1.3,
    r"7\bmod 3": 1,
    r"\max(x,y)": 1.3,
    r"\frac{2+3}{4}": 1.25,
}
"""Formulas, and their values where x is 0.7 and y is 1.3."""

OTHERS = {
    r"f(x)=x(y+1)": "Eq(Function('f')(x), x*(y + 1))",
    r"T(n)=2T(\frac n2)": "Eq(Function('T')(n), 2*Function('T')(n/2))",
    r"f^{(n)}(x)": "Derivative(Function('f')(x), (x, n))",
    r"\frac{d^2y}{dt^2}+y=0": "Eq(Derivative(Function('y')(t), (t, 2)) + Function('y')(t), 0)",
    r"\frac{\partial^2u}{\partial x\partial y}": "Derivative(Function('u')(x, y), x, y)",
    r"\sum_{i=1}^n x_i": "Sum(Indexed('x', i), (i, 1, n))",
    r"a_{n+1}=2a_n": "Eq(Indexed('a', n + 1), 2*Indexed('a', n))",
    r"\Delta x^2": "Symbol('Delta x')**2",
    r"E=mc^2": "Eq(Symbol('E'), m*c**2)",
    r"v-e+f=2": "Eq(v - e + f, 2)",
    r"\ln e=1": "Eq(log(E), 1)",
    r"ie^{x_i}": "i*exp(x_i)",
    r"e^{ix}=\cos x+i\sin x": "Eq(exp(I*x), cos(x) + I*sin(x))",
    r"x=y=z": "And(Eq(x, y), Eq(y, z))",
    r"x=1\\=y": "[Eq(x, 1), Eq(1, y)]",
    r"x=1,y=2.": "[Eq(x, 1), Eq(y, 2)]",
    r"x=\pm1": "[Eq(x, 1), Eq(x, -1)]",
    r"x\notin(0,1]": "Not(Contains(x, Interval.Lopen(0, 1)))",
    r"x\in[0,1]\cup\{2\}": "Contains(x, Union(Interval(0, 1), FiniteSet(2)))",
    r"x=1\text{or}x=2": "Or(Eq(x, 1), Eq(x, 2))",
    r"\neg(x=1)\wedge y>0": "And(Not(Eq(x, 1)), y > 0)",
    r"(1,2)": "(1, 2)",
    r"\lim_{x\to0^+}\frac1x": "Limit(1/x, x, 0, '+')",
    r"\Gamma(x+1)": "gamma(x + 1)",
    r"f(x)=\begin{cases}1,&x>0\\0,&\text{else}\end{cases}": (
        "Eq(Function('f')(x), Piecewise((1, x > 0), (0, True)))"
    ),
}

MEANINGLESS = {
    "": "there is none",
    r"\nabla f": r"\nabla",
    r"x\approx 2": r"no relation for \approx",
    r"1+2+\cdots+n": r"\cdots",
    "<mark>": "a mark that is no symbol",
    "x'": "a prime",
    "1/2x": "how far what stands below a slash goes",
    r"1\frac12": "a mixed number",
    "1,5": "a comma between two numbers",
    "A^T": "a transpose",
    "F(b)-F(a)": "F before brackets",
    "h(2s+h)": "h before brackets",
    "ax^2+dx": "dx can be a differential",
    "[a,b]": "[ and ] can stand for several things",
    r"\int x^2": "no differential",
    r"\int_C xdx": "one bound, or a region",
    r"\sum_i x_i": "no variable with both bounds",
    r"x=1\\y": "several lines that are no system",
    r"\text{if}x": 'the word "if"',
    r"\begin{pmatrix}\text{if}&x\\y&z\end{pmatrix}": 'the word "if"',
    r"\sin": r"\sin has no argument",
    "x+": "nothing where a number or a symbol should be",
    "=1": "= has nothing at one of its sides",
    r"\begin{pmatrix}1\\2\end{pmatrix}+x": "stands between a matrix and a value",
    r"x^{(2)}": "an exponent or a mark",
    r"\vec a\cdot\vec b": r"\vec",
    r"\int_0^t x_sds": "the subscript s",
    r"\frac{dy}{dx}\frac{dx}{dt}": "a variable in one derivative and a function in another",
}


def attempt(tokens: list[str]) -> tuple[str, str]:
    """What is written, and else why nothing is."""
    try:
        return sympy_expression(tokens), ""
    except ValueError as error:
        return "", str(error)


@pytest.fixture(scope="module")
def sympy() -> Any:
    """The library, which reads what is written."""
    return pytest.importorskip("sympy")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.latex)
def test_it_is_what_a_person_would_write(case: Case) -> None:
    if case.sympy is None:
        with pytest.raises(ValueError, match=r"^SymPy cannot express this formula: .*\.$"):
            sympy_expression(normalize(case.latex))
    else:
        assert sympy_expression(normalize(case.latex)) == case.sympy


@pytest.mark.parametrize("latex", OTHERS)
def test_every_structure_has_its_text(latex: str) -> None:
    assert sympy_expression(normalize(latex)) == OTHERS[latex]


@pytest.mark.parametrize("latex", MEANINGLESS)
def test_what_has_no_meaning_is_an_error_that_says_why(latex: str) -> None:
    with pytest.raises(ValueError, match=re.escape(MEANINGLESS[latex])):
        sympy_expression(normalize(latex))


@pytest.mark.parametrize("latex", VALUES)
def test_values_are_right(latex: str, sympy: Any) -> None:
    text = sympy_expression(normalize(latex))
    at = {"x": 0.7, "y": 1.3}
    names = {name: sympy.Symbol(name) for name in "xystkin"}
    namespace = {name: getattr(sympy, name) for name in dir(sympy)} | names
    for expression in (sympy.sympify(text), eval(text, namespace)):
        value = sympy.sympify(expression).doit().subs(at)
        assert complex(value) == pytest.approx(VALUES[latex])


def test_all_that_is_written_is_read(sympy: Any) -> None:
    for latex in (*(case.latex for case in CASES if case.sympy), *OTHERS):
        sympy.sympify(sympy_expression(normalize(latex)))


def test_names_of_letters_stand_for_nothing_else(sympy: Any) -> None:
    letters = [token for token in VOCABULARY if len(token) == 1 and token.isalpha()]
    greek = [rf"\{name}" for name in "alpha beta gamma zeta lambda chi Gamma Lambda Xi Psi".split()]
    for token in (*letters, *greek, r"\ell", r"\hbar"):
        for tokens in ([token], [r"\hat", "{", token, "}"], [token, "_", "{", "1", "}"]):
            found = sympy.sympify(sympy_expression(tokens))
            assert isinstance(found, sympy.Symbol), tokens
            assert found.name.startswith(token.removeprefix("\\"))


def test_every_token_has_a_text_or_an_error(sympy: Any) -> None:
    for token in VOCABULARY:
        arguments = ["{", "x", "}"] * ARGUMENT_COUNTS.get(token, 0)
        if token in {*SPECIAL_TOKENS, NOTHING_TOKEN}:
            with pytest.raises(ValueError, match="there is none"):
                sympy_expression([token])
        elif token not in STRUCTURAL_TOKENS or arguments:
            for tokens in ([token, *arguments], ["x", token, *arguments, "y"]):
                text, fault = attempt(tokens)
                if text:
                    sympy.sympify(text)
                assert text or fault.startswith("SymPy cannot express this formula: ")
