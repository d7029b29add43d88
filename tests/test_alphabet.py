"""The whole alphabet: captions, symbols built from others, layout, unknown marks."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from script_loading import load_script

import inktex
from inktex.alphabet import ALPHABET, find_alphabet, read_alphabet
from inktex.cli import main
from inktex.data.captions import held_out, load_captions, prepare_captions
from inktex.data.examples import from_expression, items
from inktex.ink import bounding_box
from inktex.modeling.alphabets_inktex import ALPHABETS, allowed_tokens
from inktex.modeling.grammar_inktex import Grammar, is_formula
from inktex.modeling.pipeline_inktex import InktexPipeline
from inktex.recognizer import pretrained_path
from inktex.synthesis.captions import RecombinationConfig, Recombiner
from inktex.synthesis.derived import DERIVED, derive
from inktex.synthesis.layout import ACCENTS, lay_out
from inktex.synthesis.rare import INKED, with_token
from inktex.synthesis.strokefont import glyphs
from inktex.tokenizer.compact_inktex import compact
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import (
    GRAMMAR,
    IDS,
    MATRIX_BEGIN,
    UNKNOWN_MARK,
    VOCABULARY,
    WORDS,
)
from inktex.training.loop import train
from inktex.training.models import make_model, widen_vocabulary
from inktex.training.recipe import load_recipe, recipe_path
from inktex.training.sources import recipe_examples

RULES = Grammar(len(VOCABULARY), GRAMMAR)
CORPUS = [
    r"f(x)=\begin{cases} x^2 & \text{if } x<0 \\ 2x & \text{otherwise} \end{cases}",
    r"A=\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
    r"\sum_{i=1}^n \frac{a_i}{b_i} \leq \sqrt[3]{x+1}",
    r"\hat{y} = \alpha + \beta x",
    r"\lim_{x \to 0} \frac{\sin x}{x} = 1",
    r"a \cdot b = c, \quad |x| \geq 2",
]


def draw(token: str) -> tuple[np.ndarray, ...]:
    """A glyph of the stroke font, or one built from its glyphs."""
    known = glyphs()
    if token in known:
        return known[token]
    rng = np.random.default_rng(len(token))
    return derive(token, lambda t: known[t] if t in known else known["x"], rng)


def boxes(latex: str) -> dict[str, tuple[float, float, float, float]]:
    """Where each symbol of a formula is written; the last one of its kind."""
    tokens = normalize(latex)
    ink = lay_out(tokens, draw)
    assert [t for t, a in zip(tokens, ink.alignment, strict=True) if a >= 0] == [
        s.label for s in ink.symbols
    ]
    return {symbol.label: symbol.box for symbol in ink.symbols}


# --- grammar and writer -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "is_whole"),
    [
        (r"( \begin{matrix} 1 & 2 \\ & 4 \end{matrix} )", True),
        (r"\begin{matrix} x \\ y \end{matrix} ^ { 2 }", True),
        (r"\frac { \begin{matrix} x & \frac { 1 } { 2 } \end{matrix} } { 2 }", True),
        (r"\begin{matrix} x \end{matrix}", False),
        (r"\begin{matrix} x & \end{matrix}", False),
        (r"\begin{matrix} x \\ \\ y \end{matrix}", False),
        (r"x & y", False),
        (r"x \\ y", False),
        (r"\begin{matrix} x & { y \end{matrix} }", False),
        (r"\begin{matrix} x & y", False),
        ("<nothing>", True),
        ("<nothing> x", False),
        ("x <nothing>", False),
        ("x + <mark> = 2", True),
        (r"\varphi", False),
    ],
)
def test_grammar_of_matrices_and_marks(tokens: str, is_whole: bool) -> None:
    assert is_formula(RULES, [IDS[token] for token in tokens.split()]) is is_whole


def test_a_matrix_is_finished_in_time() -> None:
    for longest in range(5, 12):
        state, written = RULES.start(), [IDS[MATRIX_BEGIN]]
        state = RULES.advance(state, written[0])
        while written[-1] != IDS["</s>"]:
            mask = RULES.allowed(state, longest - len(written))
            fond = [IDS[t] for t in ("&", MATRIX_BEGIN, r"\frac", "x", "}", r"\end{matrix}")]
            written.append(next((t for t in fond if mask[t]), int(np.flatnonzero(mask)[0])))
            state = RULES.advance(state, written[-1])
        assert len(written) <= longest
        assert is_formula(RULES, written)


@pytest.mark.parametrize(
    ("tokens", "latex"),
    [
        (r"A = [ \begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix} ] ^ { T }",
         r"A=\begin{bmatrix}1&2\\3&4\end{bmatrix}^{T}"),
        (r"\{ \begin{matrix} x \\ y \end{matrix}", r"\begin{cases}x\\y\end{cases}"),
        (r"\begin{matrix} a = b \\ [ c ] \end{matrix}",
         r"\begin{aligned}a=b\\{}[c]\end{aligned}"),
        (r"\begin{matrix} a & b \\ c & d \end{matrix}", r"\begin{matrix}a&b\\c&d\end{matrix}"),
        (r"x \text { i f } y", r"x\text{ if }y"),
        (r"x \text { q q } y", r"x{qq}y"),
        (r"x + <mark>", r"x+\boxtimes"),
        ("<nothing>", ""),
        (r"( \begin{matrix} a & \frac { 1 } {", r"(\begin{matrix}a&\frac{1}{}\end{matrix}"),
        (r"x & y \\ z \end{matrix}", "xyz"),
    ],
)  # fmt: skip
def test_matrices_words_and_marks_are_written(tokens: str, latex: str) -> None:
    assert compact(tokens.split()) == latex


# --- captions -----------------------------------------------------------------------------


def test_a_corpus_becomes_captions(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    formulas = [
        *CORPUS,
        r"x^{2",
        r"\foo x",
        "the quick brown fox jumps",
        "x",
        "x",
        r"\alpha " * 200,
    ]
    formulas += [f"x_{{{n}}}" for n in range(200)]
    path = tmp_path / "formulas.tsv"
    path.write_text("".join(f"book\t{one}\n" for one in formulas))
    script = load_script(repository, "prepare_captions")
    assert script.main(["--formulas", str(path), "--output", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    for reason in ("no LaTeX that can be parsed: 1", "outside the vocabulary: 1", "text: 1"):
        assert reason in shown
    assert "longer than 120 tokens: 1" in shown
    assert r"\foo (1)" in shown
    train, dev = (load_captions(tmp_path / "out", split) for split in ("train", "dev"))
    assert len(train) + len(dev) == len(CORPUS) + 201
    assert 5 <= len(dev) <= 40
    assert all(held_out(" ".join(one)) for one in dev)
    assert not any(held_out(" ".join(one)) for one in train)
    assert script.main(["--formulas", str(tmp_path / "none"), "--output", str(tmp_path)]) == 2
    with pytest.raises(FileNotFoundError, match=r"prepare_captions\.py --formulas"):
        load_captions(tmp_path / "none")
    (tmp_path / "out" / "dev.txt").write_text("x \\foo\n")
    with pytest.raises(ValueError, match=r"lacks \(\\foo\)"):
        load_captions(tmp_path / "out", "dev")
    assert prepare_captions(["x", "x"], tmp_path / "again").left_out.total() == 1


@pytest.mark.parametrize(
    "token", [*INKED, r"\text", r"\mathbb", r"\overset", r"\underset", "<mark>"]
)
def test_every_token_can_be_put_into_a_caption(token: str) -> None:
    rng = np.random.default_rng(IDS[token])
    for latex in (*CORPUS, "x", "1"):
        for _ in range(3):
            tokens = normalize(" ".join(with_token(normalize(latex), token, rng)))
            assert token in tokens
            assert is_formula(RULES, [IDS[one] for one in tokens])


def drawn(latex: str, token: str, times: int = 60) -> list[str]:
    rng = np.random.default_rng(IDS[token])
    return [" ".join(with_token(latex.split(), token, rng)) for _ in range(times)]


def test_accents_stand_over_letters_that_can_have_them() -> None:
    latex = r"3 = \infty + i j + \text { i f } \ldots \square"
    assert {*drawn(latex, r"\hat")} == {
        latex.replace("+ i", r"+ \hat { i }"), latex.replace("j", r"\hat { j }")
    }  # fmt: skip
    for found in drawn(latex, r"\dot"):  # i and j have dots of their own
        (letter,) = re.findall(r"\\dot \{ (\S+) \}", found)
        assert letter not in "ij"
        assert re.sub(r"\\dot \{ \S+ \} ?", "", found).strip() == latex
    lines = {*drawn("1 + a 2 b - c", r"\overline", 200)}
    assert r"1 + \overline { a 2 b } - c" in lines
    assert r"1 + a 2 b - \overline { c }" in lines
    assert not any(r"\overline { 1" in one or "- }" in one for one in lines)
    assert {*drawn("a b", r"\vec", 200)} == {r"\vec { a } b", r"a \vec { b }"}


def test_signs_stand_where_textbooks_have_them() -> None:
    assert all(re.search(r"\d \\%", one) for one in drawn("x = y", r"\%"))
    assert all(re.search(r"\\\$ \d", one) for one in drawn("x = y", r"\$"))
    assert all(re.search(r"\\nabla [^=]", one) for one in drawn("x = y", r"\nabla"))
    assert all(r"\aleph _ { " in one for one in drawn("x = y", r"\aleph"))
    assert all(re.search(r"(=|neq) \\emptyset", one) for one in drawn("x + y", r"\emptyset"))
    assert all(r"^ { \top }" in one for one in drawn("x = A", r"\top"))
    assert {*drawn(r"a + b \cup c \equiv d", r"\not")} == {r"a + b \cup c \not \equiv d"}


def test_rare_tokens_come_to_be_in_as_many_captions() -> None:
    """Of 100 captions: what tokens lack up to a level, they get."""
    corpus = [["x", "="]] * 60 + [["x", "=", r"\omega"]] * 30 + [["x", "=", r"\chi"]] * 10
    config = RecombinationConfig(rare=1.0)
    known = ["x", "=", r"\omega", r"\chi", r"\nu", r"\Sigma"]
    tokens, weights = Recombiner(corpus, config, known=known, whole=True).rare
    found = dict(zip(tokens, weights.tolist(), strict=True))
    # Three insertions a caption. With `\text` and the like, eight tokens lack something: they have
    # .4 in a caption, and get 3, so that each comes to .425.
    assert {t: round(found[t], 3) for t in known} == {
        "x": 0.0, "=": 0.0, r"\omega": 0.042, r"\chi": 0.108, r"\nu": 0.142, r"\Sigma": 0.142,
    }  # fmt: skip
    assert sum(found.values()) == pytest.approx(1)
    marked = Recombiner(corpus, config, known=[*known, UNKNOWN_MARK], whole=True)
    tokens, weights = marked.rare
    found = dict(zip(tokens, weights.tolist(), strict=True))
    assert found[UNKNOWN_MARK] == pytest.approx(4 * found[r"\nu"])


def test_wide_captions_are_canonical_and_hold_all_tokens() -> None:
    config = RecombinationConfig(longest=80, verbatim=0.3, rare=0.8, lines=0.15, matrices=0.2)
    captions = Recombiner([normalize(latex) for latex in CORPUS], config, whole=True)
    rng = np.random.default_rng(0)
    counts: Counter[str] = Counter()
    for _ in range(3000):
        tokens = captions.draw(rng)
        assert len(tokens) <= 80
        assert is_formula(RULES, [IDS[one] for one in tokens]), " ".join(tokens)
        assert normalize(" ".join(tokens)) == tokens
        assert normalize(compact(tokens)) == tokens or UNKNOWN_MARK in tokens
        counts.update(set(tokens))
    assert {t for t in INKED if not counts[t]} == set()
    assert counts[MATRIX_BEGIN] > 600
    assert counts[r"\text"] > 5
    assert 20 < counts[UNKNOWN_MARK] < 300
    words = captions.draw(np.random.default_rng(1))
    assert captions.draw(np.random.default_rng(1)) == words


def test_nothing_is_put_into_known_captions() -> None:
    """What stands around a look-alike tells which one it is, where people wrote it."""
    corpus = [["x", "=", "1"], ["y", r"\leq", "2"]]
    config = RecombinationConfig(verbatim=0.5, rare=1.0)
    captions = Recombiner(corpus, config, known=[*"xyz=12", r"\leq", r"\omega"], whole=True)
    rng = np.random.default_rng(0)
    drawn = [captions.draw(rng) for _ in range(400)]
    assert 160 < sum(one in corpus for one in drawn) < 260
    assert sum("z" in one for one in drawn) > 80  # of the others three in four have each of two
    tokens, weights = captions.rare
    by_symbol = replace(config, by_symbol=1.0)
    fewer = Recombiner([*corpus] * 9 + [["z", "=", "1"]], by_symbol, known=[*"xyz=12"], whole=True)
    assert dict(zip(*fewer.rare, strict=True))["z"] < weights[tokens.index("z")]


def test_captions_with_braces_of_their_own_are_not_drawn() -> None:
    """A prime where there is a superscript makes `{ x ^ { 2 } } ^ { \\prime }`."""
    config = RecombinationConfig(longest=80, join=0.0, rare=1.0)
    captions = Recombiner(
        [["x", "^", "{", "2", "}"]], config, known=["x", "2", r"\prime"], whole=True
    )
    rng = np.random.default_rng(0)
    for _ in range(300):
        assert is_formula(RULES, [IDS[one] for one in captions.draw(rng)])


def test_words_stay_words() -> None:
    config = RecombinationConfig(row=1.0, item=0.9, symbol=1.0, longest=80)
    captions = Recombiner([normalize(r"x \text{if} y > \mathbb{R}")] * 3, config, whole=True)
    rng = np.random.default_rng(0)
    for _ in range(50):
        tokens = captions.draw(rng)
        for place, token in enumerate(tokens):
            if token == r"\text":
                assert "".join(tokens[place + 2 : tokens.index("}", place)]) in WORDS


# --- ink ----------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [*DERIVED])
def test_symbols_are_built_from_others(token: str) -> None:
    asked = []

    def known(name: str) -> tuple[np.ndarray, ...]:
        asked.append(name)
        return draw(name)

    for seed in range(3):
        strokes = derive(token, known, np.random.default_rng(seed))
        assert strokes
        for stroke in strokes:
            assert stroke.dtype == np.float32
            assert stroke.ndim == 2
            assert np.isfinite(stroke).all()
        x0, y0, x1, y1 = bounding_box(strokes)
        assert 0.01 < max(x1 - x0, y1 - y0) < 8
        again = derive(token, known, np.random.default_rng(seed))
        for one, other in zip(strokes, again, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(KeyError):
        derive("no token", draw, np.random.default_rng(0))


def test_no_derived_symbol_is_another_one_stroke_for_stroke() -> None:
    known = glyphs()
    # What stands around them tells what they are.
    placed = {UNKNOWN_MARK, "O", r"\not", *ACCENTS}
    for token in DERIVED.keys() - placed:
        for seed in range(20):
            strokes = derive(token, draw, np.random.default_rng(seed))
            for other, ink in known.items():
                is_same = len(ink) == len(strokes) and all(
                    one.shape == two.shape and np.abs(one - two).max() < 0.06
                    for one, two in zip(ink, strokes, strict=True)
                )
                assert not is_same or other == token, (token, other)


def test_accents_stand_over_and_lines_under() -> None:
    for accent in (r"\hat", r"\bar", r"\vec", r"\tilde", r"\dot", r"\ddot", r"\overline"):
        found = boxes(rf"{accent}{{x}}+y")
        assert found[accent][3] < found["x"][1]
        assert abs((found[accent][0] + found[accent][2]) - (found["x"][0] + found["x"][2])) < 0.5
    found = boxes(r"\underline{abc}")
    assert found[r"\underline"][1] > max(found[t][3] for t in "abc")
    assert found[r"\underline"][2] - found[r"\underline"][0] > found["c"][0] - found["a"][2]
    found = boxes(r"\underbrace{a+b}_{n}")
    assert found["a"][3] < found[r"\underbrace"][1] < found[r"\underbrace"][3] < found["n"][1]


def test_matrices_have_columns_and_brackets_round_them() -> None:
    found = boxes(r"x=\begin{pmatrix} a & b \\ c & d \end{pmatrix}")
    assert found["a"][3] < found["c"][1]
    assert found["b"][3] < found["d"][1]
    assert found["a"][2] < found["b"][0]
    assert found["c"][2] < found["d"][0]
    assert found["("][2] <= min(found["a"][0], found["c"][0])
    assert found[")"][0] >= max(found["b"][2], found["d"][2])
    assert found["("][1] <= found["a"][1]
    assert found["("][3] >= found["c"][3]
    beside = boxes(r"(y)=\begin{matrix} a \\ b \\ c \end{matrix}")
    assert beside["("][3] - beside["("][1] < 1.6, "only what stands round it grows"
    assert beside["a"][3] < beside["b"][1] < beside["b"][3] < beside["c"][1]
    assert abs(beside["a"][0] - beside["c"][0]) < 0.3, "lines begin under one another"


def test_other_structures_are_laid_out() -> None:
    found = boxes(r"\binom{n}{k}")
    assert found["n"][3] < found["k"][1]
    assert found[r"\binom"][0] < found["n"][0]
    assert found[r"\binom"][2] > found["n"][2]
    found = boxes(r"a \xrightarrow{f} b")
    assert found["f"][3] < found[r"\xrightarrow"][1]
    assert found["a"][2] < found[r"\xrightarrow"][0] < found[r"\xrightarrow"][2] < found["b"][0]
    found = boxes(r"\overset{?}{=} \underset{k}{m}")
    assert found["?"][3] < found["="][1]
    assert found["k"][1] > found["m"][3]
    found = boxes(r"a \not\subset b")
    assert found[r"\not"][0] < found[r"\subset"][2]
    assert found[r"\not"][2] > found[r"\subset"][0]
    found = boxes(r"x \text{if} y")
    assert found["i"][0] - found["x"][2] > 0.3
    assert "R" in boxes(r"\mathbb{R}")


def test_lines_and_cells_are_items_with_rows() -> None:
    tokens = normalize(r"A=\begin{pmatrix} a & \frac{1}{2} \\ & d \end{pmatrix}^T")
    found = items([IDS[token] for token in tokens])
    start, stop, rows = found[3]
    assert tokens[start] == MATRIX_BEGIN
    assert [" ".join(tokens[a:b]) for a, b in rows] == ["a", r"\frac { 1 } { 2 }", "d"]
    assert tokens[stop] == ")"
    with pytest.raises(ValueError, match="never ended"):
        items([IDS[MATRIX_BEGIN], IDS["x"]])


def test_ink_of_every_structure_can_be_trained_on() -> None:
    for latex in CORPUS:
        tokens = normalize(latex)
        example = from_expression(lay_out(tokens, draw))
        assert example.caption == tokens


# --- weights ------------------------------------------------------------------------------


def test_weights_take_more_tokens() -> None:
    import torch

    recipe = load_recipe(recipe_path("tiny"))
    model = make_model(recipe).eval()
    narrow = model.config
    wider = widen_vocabulary(model, len(VOCABULARY) + 3, GRAMMAR).eval()
    assert wider.config.decoder.vocab_size == len(VOCABULARY) + 3
    assert narrow.decoder.vocab_size == len(VOCABULARY)
    batch = {
        "pixel_values": torch.rand(1, 1, 48, 64),
        "decoder_input_ids": torch.tensor([[IDS["<l2r>"], IDS["x"]]]),
    }
    with torch.no_grad():
        before, after = model(**batch).logits, wider(**batch).logits
    torch.testing.assert_close(after[..., : len(VOCABULARY)], before)
    with torch.no_grad():
        bias = model.encoder.symbol_head.bias
        bias -= 30  # what all logits have in common means nothing
    drifted = widen_vocabulary(model, len(VOCABULARY) + 3, GRAMMAR)
    assert drifted.encoder.symbol_head.bias[-1] < -25


def test_the_shipped_weights_take_the_whole_vocabulary_where_it_is_needed() -> None:
    recipe = load_recipe(recipe_path("finetune"))
    start = make_model(recipe).config.decoder.vocab_size
    assert make_model(recipe, start).config.decoder.vocab_size == start
    model = make_model(recipe, len(VOCABULARY))
    assert model.config.decoder.vocab_size == len(VOCABULARY)
    assert model.config.decoder.grammar == GRAMMAR


# --- what weights were trained on ---------------------------------------------------------


def test_the_command_lists_what_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alphabet"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert {"x", r"\frac", r"\alpha", r"\to", "{"} <= set(shown)
    assert r"\partial" not in shown
    assert len(set(shown)) == len(shown)
    assert set(read_alphabet(pretrained_path())) <= set(VOCABULARY)
    (tmp_path / ALPHABET).write_text(json.dumps({"*": 3, r"\begin{matrix}": 2, r"\phi": 1}))
    assert main(["alphabet", "--json", "--model", str(tmp_path)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {"token": "*", "examples": 3}
    read_as = {row["token"]: row["read_as"] for row in rows[3:]}
    assert read_as[r"\ast"] == "*"
    assert read_as[r"\varphi"] == r"\phi"
    assert read_as[r"\begin{pmatrix}"] == r"\begin{matrix}"
    assert r"\to" not in read_as
    assert main(["alphabet", "--model", str(tmp_path / "none")]) == 2
    assert "There is no folder" in capsys.readouterr().err
    (tmp_path / ALPHABET).write_text("{")
    assert main(["alphabet", "--model", str(tmp_path)]) == 2
    assert "is damaged" in capsys.readouterr().err
    (tmp_path / ALPHABET).unlink()
    assert main(["alphabet", "--model", str(tmp_path)]) == 2
    assert "does not say what it was trained on" in capsys.readouterr().err


def test_a_run_counts_its_examples(tmp_path: Path) -> None:
    recipe = load_recipe(recipe_path("tiny"), ["steps=4", "log_every=2", "validate_every=4"])
    examples = recipe_examples(recipe).train[:200]
    train(recipe, examples, examples[:2], tmp_path / "run")
    found = read_alphabet(tmp_path / "run" / "averaged")
    assert set(found) <= {token for example in examples for token in example.caption}
    assert found == read_alphabet(tmp_path / "run" / "best")
    assert max(found.values()) <= sum(found.values())
    assert all(isinstance(count, int) and count > 0 for count in found.values())
    # A run that starts from these weights adds to what they know.
    again = load_recipe(
        recipe_path("tiny"),
        ["steps=2", "log_every=2", "validate_every=2", f"init={tmp_path / 'run' / 'averaged'}"],
    )
    train(again, examples, examples[:2], tmp_path / "again")
    more = read_alphabet(tmp_path / "again" / "averaged")
    assert all(more[token] >= count for token, count in found.items())
    assert sum(more.values()) > sum(found.values())


# --- alphabets at reading time ------------------------------------------------------------

EXAMPLE = "spaces_app/examples/integral_limit.png"


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_only_an_alphabets_tokens_are_read(repository: Path, engine: str) -> None:
    reader = inktex.load(engine=engine)
    picture = repository / EXAMPLE
    whole, narrow = reader(picture), reader(picture, alphabet="crohme")
    assert narrow.tokens == whole.tokens
    assert whole.score < narrow.score <= 1, "what was left to others is shared out"
    few = reader(picture, alphabet=["x", r"\frac", "1"])
    assert {*few.tokens.split()} <= {"x", r"\frac", "1", "{", "}", "^", "_", r"\limits"}
    assert few.score < 1e-3
    (each,) = reader.read_each([picture], alphabet=["x", r"\frac", "1"])
    assert isinstance(each, inktex.Reading)
    assert each.tokens == few.tokens
    assert reader(picture).tokens == whole.tokens, "a call's alphabet is that call's alone"


def test_an_alphabet_holds_for_all_searches(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("1 2\n\\frac x \\to")
    reader = inktex.load(engine="torch", alphabet=path)
    assert reader.alphabet == frozenset({"1", "2", r"\frac", "x", r"\rightarrow"})
    allowed = {*reader.alphabet, "{", "}", "^", "_"}
    for preset in ("fast", "accurate"):
        found = reader(repository / EXAMPLE, preset=preset, alternatives=2)
        for one in (found, *found.alternatives):
            assert {*one.tokens.split()} <= allowed
    assert r"\int" in reader(repository / EXAMPLE, alphabet="all").tokens
    pipe = InktexPipeline(model=reader.model, processor=reader.processor)
    (row,) = pipe(str(repository / EXAMPLE), alphabet=["x", "1"])
    assert {*normalize(row["generated_text"])} <= {"x", "1", "{", "}", "^", "_"}
    with pytest.raises(ValueError, match="no alphabet 'latin'"):
        pipe(str(repository / EXAMPLE), alphabet="latin")
    with pytest.raises(ValueError, match=r"lacks: \\foo"):
        pipe(str(repository / EXAMPLE), alphabet=[r"\foo"])


def test_alphabets_are_found_or_refused(tmp_path: Path) -> None:
    assert find_alphabet(None) is find_alphabet("all") is None
    assert find_alphabet("crohme") == ALPHABETS["crohme"]
    assert all(ALPHABETS[name] <= IDS.keys() for name in ALPHABETS)
    assert find_alphabet([r"\ast", r"\varphi", r"\parallel"]) == frozenset({"*", r"\phi", "|"})
    for wrong, message in (
        ("latin", "no alphabet 'latin': give all, crohme, school"),
        ([r"\foo", "x"], r"lacks: \\foo"),
        ([], "is empty"),
    ):
        with pytest.raises(ValueError, match=message):
            find_alphabet(wrong)
    structure = {"{", "}", "^", "_", r"\limits"}
    assert read_alphabet(pretrained_path()).keys() - structure == ALPHABETS["crohme"]
    mask = allowed_tokens(ALPHABETS["crohme"], VOCABULARY)
    assert not mask[IDS[UNKNOWN_MARK]]
    assert allowed_tokens(ALPHABETS["school"], VOCABULARY)[IDS[UNKNOWN_MARK]]


def test_the_command_takes_an_alphabet(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(repository / EXAMPLE)
    assert main(["recognize", picture, "--alphabet", "school"]) == 0
    assert r"\int" in capsys.readouterr().out
    assert main(["recognize", picture, "--alphabet", "latin"]) == 2
    assert "no alphabet 'latin'" in capsys.readouterr().err


def test_unknown_marks_are_told_from_symbols() -> None:
    box = (1.0, 2.0, 3.0, 4.0)
    symbols = (
        inktex.recognizer.ReadSymbol(0, "x", 0.9, None),
        inktex.recognizer.ReadSymbol(2, UNKNOWN_MARK, 0.4, box),
    )
    reading = inktex.Reading(r"x+\boxtimes", "x + <mark>", 0.3, (0.9, 0.8, 0.4), symbols)
    assert [one.box for one in reading.unknown] == [box]
    assert reading.to_dict()["symbols"][1]["token"] == UNKNOWN_MARK
