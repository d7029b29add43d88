"""The spellings that are folded to one token: the command, the document, the tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from inktex.alphabet import find_alphabet, folded_spellings
from inktex.cli import main
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import VOCABULARY


def test_the_document_lists_the_spellings_that_the_tables_fold(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alphabet", "--spellings"]) == 0
    printed = capsys.readouterr().out
    document = (repository / "docs" / "alphabet.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```\n(o: .*?)^```", document, re.MULTILINE | re.DOTALL)
    assert block == printed
    lines = dict(line.split(": ", 1) for line in printed.splitlines())
    assert lines[r"\phi"] == r"\varphi"
    assert lines[r"\leq"] == r"\le \leqslant \leqq \lte"
    assert lines[r"\neq"] == r"\ne \not="
    assert lines["| |"] == r"\parallel \Vert \lVert \rVert \|"
    assert main(["alphabet", "--spellings", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {"token": "o", "spellings": [r"\omicron"]}
    assert len(rows) == len(lines)


@pytest.mark.parametrize(("token", "others"), folded_spellings().items())
def test_every_spelling_is_folded_as_listed(token: str, others: list[str]) -> None:
    tokens = token.split()
    assert {*tokens} <= {*VOCABULARY}
    for spelling in others:
        if spelling.startswith((r"\begin{", r"\end{")):
            name = spelling.partition("{")[2].rstrip("}")
            columns = "{cc}" if name == "array" else "{2}" if name.startswith("alignat") else ""
            whole = rf"\begin{{{name}}}{columns} a & b \\ c & d \end{{{name}}}"
            assert token in normalize(whole)
        else:
            assert find_alphabet([spelling]) == frozenset(tokens)
