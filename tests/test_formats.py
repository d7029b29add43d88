"""The formats of a reading: their names, LaTeX in its wrappings, and what the commands print."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from format_cases import CASES, Case

import inktex.cli.recognize
from inktex.cli import main
from inktex.formats import DEFAULT_FORMAT, FORMATS, convert, format_writer
from inktex.results import Alternative, Reading
from inktex.tokenizer.asciimath_inktex import ASCIIMATH_SIGNS, asciimath
from inktex.tokenizer.compact_inktex import compact
from inktex.tokenizer.formula_parts_inktex import Fenced, Number, Scripted, Sign, formula_parts
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.latex_wrapping_inktex import WRAPPINGS, wrapped
from inktex.tokenizer.vocabulary_inktex import (
    ARGUMENT_COUNTS,
    NOTHING_TOKEN,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    VOCABULARY,
)

SIGNS = [
    token
    for token in VOCABULARY
    if token not in {*SPECIAL_TOKENS, *STRUCTURAL_TOKENS, *ARGUMENT_COUNTS}
]
WRAPPED = {
    "latex-inline": r"\(\frac{1}{2}=x\)",
    "latex-display": r"\[\frac{1}{2}=x\]",
    "latex-equation": r"\begin{equation}\frac{1}{2}=x\end{equation}",
    "latex-align": r"\begin{align}\frac{1}{2}&=x\end{align}",
}


def reading(latex: str, *others: str) -> Reading:
    """A reading of a formula, with other ones."""

    def fields(one: str) -> tuple[str, str, float]:
        tokens = normalize(one)
        return compact(tokens), " ".join(tokens), 0.5

    return Reading(*fields(latex), alternatives=tuple(Alternative(*fields(one)) for one in others))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_takes_text_and_lists_and_writes_one_line(format: str) -> None:
    for case in CASES:
        if format == "sympy" and case.sympy is None:
            continue
        tokens = normalize(case.latex)
        written = convert(tokens, format)
        assert written == convert(" ".join(tokens), format) == format_writer(format)(tokens)
        assert written
        assert len(written.splitlines()) == 1


def test_the_default_is_the_latex_of_a_reading() -> None:
    found = reading(r"\frac12=x", "x")
    assert DEFAULT_FORMAT == "latex"
    assert found.to("latex") == found.latex == r"\frac{1}{2}=x"
    assert {name: found.to(name) for name in WRAPPED} == WRAPPED
    assert found.alternatives[0].to("typst") == "x"
    assert found.to("mathml").startswith("<math")


def test_another_format_is_an_error() -> None:
    with pytest.raises(ValueError, match="'word' is no format: choose one of latex, latex-inline"):
        convert("x", "word")
    with pytest.raises(ValueError, match="'box' is no wrapping: choose one of inline, display"):
        wrapped(["x"], "box")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.latex)
def test_asciimath_is_what_a_person_would_write(case: Case) -> None:
    assert asciimath(normalize(case.latex)) == case.asciimath


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.latex)
def test_lines_are_aligned_at_their_first_relation(case: Case) -> None:
    written = wrapped(normalize(case.latex), "align")
    assert written == rf"\begin{{align}}{case.aligned}\end{{align}}"


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrapped_latex_compiles_and_is_read_as_the_same_tokens(wrapping: str) -> None:
    pytest.importorskip("pylatexenc")
    from inktex.evaluation.run import compiles

    lines = [
        r"[a]\\*b",
        r"x=1\\y=-2\\[z]",
        r"\begin{matrix}a&b\\c&d\end{matrix}",
        "{x^2}^3",
        "[1pt]",
    ]
    for latex in (*lines, *(case.latex for case in CASES)):
        tokens = normalize(latex)
        assert compiles(wrapped(tokens, wrapping)), latex
        assert normalize(wrapped(tokens, wrapping)) == tokens


def test_every_sign_has_its_text_in_asciimath() -> None:
    for token in SIGNS:
        for tokens in ([token], ["x", token, "x"], ["(", token, ")"], [token, "_", "{", "1", "}"]):
            written = asciimath(tokens)
            assert written.strip("() ")
            assert "\\" not in written.replace(ASCIIMATH_SIGNS[r"\setminus"], "").replace(
                "/_\\", ""
            )
    for token in {*SPECIAL_TOKENS, NOTHING_TOKEN}:
        assert asciimath([token]) == ""
    for token, count in ARGUMENT_COUNTS.items():
        assert asciimath(["x", token, *["{", "y", "}"] * count]).count("y") == count


def test_asciimath_keeps_apart_what_it_would_read_together() -> None:
    for latex, written in {
        "in": "i n",
        "xx": "x x",
        "oo": "o o",
        "abc": "abc",
        "dx": "dx",
        "a-:b": "a - : b",
        r"\sin\frac{x}{2}": "sin {:x/2:}",
        r"\lim\frac{x}{2}": "lim x/2",
        "((1,2),(3,4))": '((1, 2)"," (3, 4))',
        "f((1,2))": 'f((1"," 2))',
        r"\begin{pmatrix}(a,b)&c\\d\end{pmatrix}": '(({:(a"," b):},c),(d,))',
        "(:)": "( : )",
        "]0,1[": '"]" 0, 1 "["',
        r"\wedge^2 V": "{:^^:}^2 V",
        r"|_{x=0}": ":|:_(x=0)",
    }.items():
        assert asciimath(normalize(latex)) == written


def test_parts_put_together_what_belongs_together() -> None:
    assert formula_parts("3 . 1 4 ^ { 2 }".split()) == (
        Scripted(Number("3.14"), None, (Number("2"),)),
    )
    assert formula_parts("1 . 2 . 3".split()) == (Number("1.2"), Sign("."), Number("3"))
    assert formula_parts(["=", ".", "5"]) == (Sign("="), Number(".5"))
    assert formula_parts([r"\not", r"\subset", "x"]) == (Sign(r"\subset", True), Sign("x"))
    assert formula_parts("( x ]".split()) == (Sign("("), Sign("x"), Sign("]"))
    half_open = formula_parts("( x , y ]".split())
    assert half_open == (Fenced("(", (Sign("x"), Sign(","), Sign("y")), "]"),)
    bars = formula_parts("| x - | y | |".split())
    assert bars == (Fenced("|", (Sign("x"), Sign("-"), Fenced("|", (Sign("y"),), "|")), "|"),)
    assert formula_parts("A | B , C | D".split())[1] == Sign("|")


@pytest.mark.parametrize("format", FORMATS[-3:])
def test_deep_formulas_take_no_time_and_too_deep_ones_are_an_error(format: str) -> None:
    nested = [r"\frac { \sqrt {", "( ", r"\overset { 1 } {", "x ^ {", "| "]
    closing = ["} ^ { 2 } } { 3 }", ") ", "}", "}", "| "]
    for before, after in zip(nested, closing, strict=True):
        tokens = f"{before} " * 30 + "x" + f" {after}" * 30
        if format != "sympy" or before not in nested[2::2]:
            assert convert(tokens, format)
    with pytest.raises(ValueError, match="nested too deep"):
        convert(["("] * 1500 + ["x"] + [")"] * 1500, format)


class Recognizer:
    """Reads its pictures as formulas that are given."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = readings

    def check(self, *options: Any) -> None:
        """Takes all options."""

    def read_each(self, sources: Iterator[Any], **options: Any) -> Iterator[Reading]:
        """The readings, whatever the pictures are."""
        yield from self.readings


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of three pictures, of which the second is read as what SymPy cannot express."""
    found = Recognizer(reading("x=1", r"\nabla"), reading(r"\nabla", "x"), reading(r"\frac12"))

    def load(options: Namespace, alternatives: int) -> Recognizer:
        return found

    monkeypatch.setattr(inktex.cli.recognize, "load_recognizer", load)
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        path.touch()
    return [str(path) for path in paths]


def test_the_command_prints_a_format(
    pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recognize", *pictures, "--format", "typst"]) == 0
    lines = [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["x = 1", "nabla", "nabla", "x", "1/2"]
    assert main(["recognize", *pictures, "--format", "latex-display", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["latex-display"] for record in records] == [
        r"\[x=1\]",
        r"\[\nabla\]",
        r"\[\frac{1}{2}\]",
    ]
    assert main(["recognize", *pictures, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0]).keys() == {
        *("file", "latex", "tokens", "score")
    }
    with pytest.raises(SystemExit):
        main(["recognize", *pictures, "--format", "word"])


def test_what_a_format_cannot_express_stops_nothing(
    pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recognize", *pictures, "--format", "sympy"]) == 1
    printed = capsys.readouterr()
    lines = [line.split("\t")[1] for line in printed.out.splitlines()]
    assert lines == ["Eq(x, 1)", "x", "Rational(1, 2)"]
    assert printed.err.count(r"\nabla cannot be written as sympy. SymPy cannot express") == 2
    command = ["recognize", *pictures, "--format", "sympy", "--json", "--alternatives", "1"]
    assert main(command) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["sympy"] for record in records] == ["Eq(x, 1)", None, "Rational(1, 2)"]
    assert [one["sympy"] for one in records[1]["alternatives"]] == ["x"]
