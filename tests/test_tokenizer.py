"""The vocabulary, the tokenizer and the compact writer."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import inktex
from inktex.tokenizer.compact_inktex import compact
from inktex.tokenizer.tokenization_inktex import TOKENIZER_FILES, build_tokenizer, save_tokenizer
from inktex.tokenizer.vocabulary_inktex import (
    ALIASES,
    ARGUMENT_COUNTS,
    BIG_OPERATORS,
    DELIMITER_PAIRS,
    EXPANSIONS,
    IDS,
    LIMITS_OPERATORS,
    OPTIONAL_ARGUMENT_TOKENS,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    SUBSCRIPT_LIMITS_OPERATORS,
    VOCABULARY,
)

FORMULAS = [
    r"x ^ { 2 } + y ^ { 2 } = r ^ { 2 }",
    r"\frac { - b \pm \sqrt { b ^ { 2 } - 4 a c } } { 2 a }",
    r"\sum \limits _ { n } ^ { \infty } \frac { 1 } { n ^ { 2 } } = \frac { \pi ^ { 2 } } { 6 }",
    r"\int g = \lim \limits _ { n \rightarrow \infty } \int g _ { n }",
    r"\sqrt [ 3 ] { x _ { 1 } } \leq | \alpha x |",
    r"f ^ { \prime } ( x ) \in \{ a , b \} \cdots",
    r"\forall x \in \mathbb { R } \exists y : \hat { y } \neq \Pi",
    r"\cos \theta \times \log _ { 2 } q \div \Delta !",
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_tokenizer()


# --- vocabulary ---------------------------------------------------------------------------


def test_ids_are_frozen() -> None:
    # Checkpoints index their embeddings by these ids; only appending is allowed.
    frozen = {
        "<pad>": 0, "<unk>": 1, "</s>": 2, "<l2r>": 3, "<r2l>": 4, "{": 5, r"\limits": 9,
        "0": 10, "a": 20, "A": 46, r"\alpha": 72, r"\Gamma": 98, "(": 109, r"\prime": 130,
        "+": 135, "=": 156, r"\rightarrow": 178, r"\infty": 187, r"\sum": 202, r"\lim": 209,
        r"\frac": 238, r"\mathbb": 249,
    }  # fmt: skip
    assert {token: IDS[token] for token in frozen} == frozen


def test_vocabulary_has_no_token_twice() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY) == len(IDS)


def test_vocabulary_reaches_beyond_crohme() -> None:
    letters = [chr(code) for start in "aA" for code in range(ord(start), ord(start) + 26)]
    assert {*letters, *"0123456789", r"\Pi", r"\partial", r"\rightarrow"} <= set(VOCABULARY)


def test_grammar_speaks_of_vocabulary_tokens_alone() -> None:
    tables = (
        STRUCTURAL_TOKENS, ARGUMENT_COUNTS, BIG_OPERATORS, LIMITS_OPERATORS,
        SUBSCRIPT_LIMITS_OPERATORS, OPTIONAL_ARGUMENT_TOKENS, DELIMITER_PAIRS,
        DELIMITER_PAIRS.values(), ALIASES.values(),
        [token for tokens in EXPANSIONS.values() for token in tokens],
    )  # fmt: skip
    for table in tables:
        assert set(table) <= set(VOCABULARY) - set(SPECIAL_TOKENS)


def test_no_alias_is_a_token_itself() -> None:
    assert not {*ALIASES, *EXPANSIONS} & set(VOCABULARY)
    assert not set(ALIASES) & set(EXPANSIONS)


def test_package_imports_without_transformers() -> None:
    code = (
        "import sys, inktex.tokenizer, inktex.tokenizer.compact_inktex;"
        "assert not {'transformers', 'torch', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- tokenizer ----------------------------------------------------------------------------


@pytest.mark.parametrize("formula", FORMULAS)
def test_round_trip_is_exact(tokenizer: Any, formula: str) -> None:
    ids = tokenizer(formula).input_ids
    assert ids == [IDS["<l2r>"], *(IDS[token] for token in formula.split()), IDS["</s>"]]
    assert tokenizer.decode(ids, skip_special_tokens=True) == formula


@pytest.mark.parametrize("formula", FORMULAS)
def test_unspaced_latex_encodes_alike(tokenizer: Any, formula: str) -> None:
    assert tokenizer(compact(formula.split())).input_ids == tokenizer(formula).input_ids


@pytest.mark.parametrize("token", [t for t in VOCABULARY if t not in SPECIAL_TOKENS])
def test_each_token_survives_between_letters(tokenizer: Any, token: str) -> None:
    ids = tokenizer(f"a {token} b", add_special_tokens=False).input_ids
    assert ids == [IDS["a"], IDS[token], IDS["b"]]


@pytest.mark.parametrize(
    ("latex", "canonical"),
    [
        (r"x\to\infty", r"x \rightarrow \infty"),
        (r"\tox", "<unk>"),
        (r"a\le b", r"a \leq b"),
        (r"a\leq b", r"a \leq b"),
        (r"a\geqslant2", r"a \geq 2"),
        (r"\dfrac{1}{2}", r"\frac { 1 } { 2 }"),
        (r"a\parallel b\|", "a | | b | |"),
        (r"\iint f", r"\int \int f"),
        (r"\foo+@", "<unk> + <unk>"),
        ("", ""),
    ],
)
def test_other_spellings(tokenizer: Any, latex: str, canonical: str) -> None:
    ids = tokenizer(latex, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == canonical


def test_every_alias_encodes_as_its_token(tokenizer: Any) -> None:
    for alias, token in ALIASES.items():
        if alias.startswith("\\"):
            assert tokenizer(f"{alias}2", add_special_tokens=False).input_ids == [
                IDS[token],
                IDS["2"],
            ], alias


def test_batches_are_padded_on_the_right(tokenizer: Any) -> None:
    batch = tokenizer(["x", "x + y"], padding=True)
    assert batch["input_ids"][0] == [3, IDS["x"], 2, 0, 0]
    assert batch["attention_mask"] == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert set(batch) == {"input_ids", "attention_mask"}


def test_special_tokens(tokenizer: Any) -> None:
    assert tokenizer.bos_token_id == 3
    assert tokenizer.r2l_token_id == 4
    assert sorted(tokenizer.all_special_ids) == [0, 1, 2, 3, 4]


def test_committed_files_are_up_to_date(tmp_path: Path, repository: Path) -> None:
    save_tokenizer(tmp_path)
    for name in TOKENIZER_FILES:
        committed = (repository / "tokenizer" / name).read_text(encoding="utf-8")
        built = (tmp_path / name).read_text(encoding="utf-8")
        assert committed == built, f"tokenizer/{name} is out of date: run `make tokenizer`"


def test_auto_tokenizer_loads_the_committed_files(repository: Path, tokenizer: Any) -> None:
    from transformers import AutoTokenizer

    inktex.register()
    loaded = AutoTokenizer.from_pretrained(repository / "tokenizer")
    assert loaded(FORMULAS).input_ids == tokenizer(FORMULAS).input_ids
    assert loaded.pad_token == "<pad>"
    assert loaded.r2l_token_id == 4
    assert loaded.padding_side == "right"


def test_round_trip_on_all_captions(tokenizer: Any, captions: list[str]) -> None:
    ids = tokenizer(captions).input_ids
    assert tokenizer.batch_decode(ids, skip_special_tokens=True) == captions
    assert not any(IDS["<unk>"] in sequence for sequence in ids)


# --- compact writer -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "latex"),
    [
        (r"\alpha x", r"\alpha x"),
        (r"\alpha 2", r"\alpha2"),
        (r"\alpha \beta", r"\alpha\beta"),
        (r"\{ x \}", r"\{x\}"),
        (r"x ^ { 2 }", "x^{2}"),
        (r"\frac { 1 } { x }", r"\frac{1}{x}"),
        (r"\sqrt [ 3 ] { x }", r"\sqrt[3]{x}"),
        (r"\sum \limits _ { i } i", r"\sum\limits_{i}i"),
        (r"\lim \limits _ { n } x", r"\lim\limits_{n}x"),
        (r"<l2r> x </s> <pad>", "x"),
        ("", ""),
    ],
)
def test_compact(tokens: str, latex: str) -> None:
    assert compact(tokens.split()) == latex


@pytest.mark.parametrize(
    ("tokens", "latex"),
    [
        ("x ^ { 2", "x^{2}"),
        ("x } + 1", "x+1"),
        (r"\frac { 1 }", r"\frac{1}{}"),
        (r"\frac", r"\frac{}{}"),
        (r"\frac 1 x", r"\frac{1}{x}"),
        (r"\frac } 2", r"\frac{}{}2"),
        (r"x ^ \frac { 1 } { 2 } y", r"x^{\frac{1}{2}}y"),
        (r"x ^ \sqrt 2 _ i", r"x^{\sqrt{2}}_{i}"),
        (r"x ^ _ { 2 }", "x^{}_{2}"),
        (r"x ^ { 1 } ^ { 2 }", "x^{1}{}^{2}"),
        (r"x ^ { 1 } y ^ { 2 }", "x^{1}y^{2}"),
        (r"x \limits _ { 2 }", "x_{2}"),
        (r"\limits x", "x"),
        (r"\sqrt [ 3 x", r"\sqrt{[}3x"),
        (r"{ \sqrt [ 3 } ]", r"{\sqrt{[}3}]"),
        (r"\sqrt [ \sqrt [ 2 ] { x } ] { y }", r"\sqrt[\sqrt{[}2]{x}]{y}"),
    ],
)
def test_compact_repairs_what_tex_refuses(tokens: str, latex: str) -> None:
    assert compact(tokens.split()) == latex


def test_compact_output_is_always_well_formed() -> None:
    tokens = ["{", "}", "^", "_", r"\limits", "[", "]", r"\frac", r"\sqrt", r"\sum", "x", r"\pi"]
    generator = random.Random(0)
    for _ in range(3000):
        sequence = generator.choices(tokens, k=generator.randrange(15))
        latex = compact(sequence)
        _assert_compiles(latex)
        # What is well-formed already is left as it is.
        assert compact(re.findall(r"\\[a-zA-Z]+|\S", latex)) == latex


def test_compact_has_no_limit_of_depth() -> None:
    assert compact([r"\sqrt", "{"] * 20000).count("}") == 20000


def test_compact_loses_nothing_of_the_captions(tokenizer: Any, captions: list[str]) -> None:
    unique = sorted(set(captions))
    ids = tokenizer([compact(caption.split()) for caption in unique]).input_ids
    decoded = tokenizer.batch_decode(ids, skip_special_tokens=True)
    # The one caption with a script of a kind twice takes an empty base, as TeX demands.
    assert [d.replace("{ } ", "") for d in decoded] == [c.replace("{ } ", "") for c in unique]


def _assert_compiles(latex: str) -> None:
    """Read `latex` as TeX does: matching braces, complete arguments, one script of a kind."""
    rest = _read_list(re.findall(r"\\[a-zA-Z]+|\S", latex), closing="")
    assert rest == [], latex


def _read_list(tokens: list[str], closing: str) -> list[str]:
    scripts: set[str] = set()
    previous = ""
    while tokens and tokens[0] != (closing or None):
        token, tokens = tokens[0], tokens[1:]
        assert token != "}", "a brace closes nothing"
        if token == r"\limits":
            assert previous in LIMITS_OPERATORS
        elif token in "^_":
            assert token not in scripts, "double script"
            scripts.add(token)
            tokens = _read_group(tokens)
        else:
            scripts = set()
            if token == "{":
                tokens = _read_list(tokens, "}")[1:]
            elif token == r"\sqrt" and tokens[0] == "[":
                tokens = _read_list(tokens[1:], "]")[1:]
            for _ in range(ARGUMENT_COUNTS.get(token, 0)):
                tokens = _read_group(tokens)
        previous = token
    assert not closing or tokens, f"no {closing}"
    return tokens


def _read_group(tokens: list[str]) -> list[str]:
    assert tokens[:1] == ["{"], "an argument is missing"
    return _read_list(tokens[1:], "}")[1:]
