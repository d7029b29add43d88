"""The development splits of the whole alphabet as test sets, on data of a few expressions."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from script_loading import load_script

from inktex import torch_engine
from inktex.cli import main
from inktex.data.fonts import FontGlyph, save_glyphs
from inktex.data.print.formulas import PrintPicture, save_formulas
from inktex.data.rows import FEATURES, row
from inktex.evaluation import wide
from inktex.evaluation.wide import print_samples, wide_samples
from inktex.modeling.grammar_inktex import Grammar, is_formula
from inktex.synthesis.random_captions import written_expressions
from inktex.synthesis.small_marks import SMALL_MARKS, draw_small_marks
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import GRAMMAR, IDS, VOCABULARY
from inktex.training.data import load_examples

LINE = np.array([[0.1, -0.7], [0.3, -0.3], [0.5, 0.0]], dtype=np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data: ink, captions, the glyphs of two fonts, and two pictures of print."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "crohme").mkdir()
    (folder / "captions").mkdir()
    rows = [row(one) for one in written_expressions(30, seed=3)]
    table = pa.Table.from_pylist(rows, schema=FEATURES.arrow_schema)
    pq.write_table(table, folder / "crohme" / "dev.parquet")
    captions = ["x + 1 = 2", "a = b", r"x ^ { 2 } - 1", r"\frac { 1 } { x } = a"]
    for split in ("train", "dev"):
        (folder / "captions" / f"{split}.txt").write_text("\n".join(captions) + "\n")
    glyphs = [
        FontGlyph(font, token, character, (LINE, LINE + np.float32(0.2)), 0.8, 0.1, 0.5, 0.7, 0.8)
        for font in ("kalam", "caveat")  # of which the first one is held out
        for token, character in ((r"\omega", "ω"), (r"\partial", "∂"), ("Q", "Q"))
    ]
    save_glyphs(folder / "glyphs.npz", glyphs)
    for name in ("detexify", "unipen"):
        writers = (name, *(f"{name} {number}" for number in (0, 8, 10, 14)))
        drawn = [replace(one, font=writer) for writer in writers for one in glyphs[:2]]
        assert {one.held_out for one in drawn} == {True, False}
        save_glyphs(folder / f"{name}.npz", drawn)
    picture = np.full((40, 60), 255, dtype=np.uint8)
    picture[10:30, 20:24] = 0
    pictures = [PrintPicture(["1"], "Asana", picture), PrintPicture(["x", "+", "1"], "cm", picture)]
    save_formulas(folder / "print.npz", [], pictures)
    return folder


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splits of ten pictures, and readings of a few tokens: untrained models never end."""
    monkeypatch.setattr(wide, "_PICTURES", dict.fromkeys(wide.WIDE_SPLITS, 10))
    monkeypatch.setattr(torch_engine, "MAX_TOKENS", 8)


@pytest.mark.usefixtures("few")
def test_wide_splits_are_the_same_each_time_and_hold_the_alphabet(data: Path) -> None:
    development = load_examples(str(data / "crohme"), "dev")
    first, again = (wide_samples("wide-letters", development, data) for _ in range(2))
    assert [one.name for one in first] == [f"wide-letters:{i}" for i in range(10)]
    for one, other in zip(first, again, strict=True):
        assert (one.tokens, one.source) == (other.tokens, "wide-letters")
        assert np.array_equal(np.asarray(one.picture), np.asarray(other.picture))
        assert np.asarray(one.picture).max() == 255
    counts = Counter(token for one in first for token in one.tokens.split())
    assert min(counts[token] for token in "012") > 0  # in turn, in the vocabulary's order
    hands = wide_samples("hands", development, data)
    counts = Counter(token for one in hands for token in one.tokens.split())
    assert min(counts[token] for token in "012") > 0
    structures = wide_samples("wide-structures", development, data)
    assert any(r"\begin{matrix}" in one.tokens for one in structures)
    marks = wide_samples("small-marks", development, data)
    assert all(SMALL_MARKS & {*one.tokens.split()} for one in marks)


def test_made_up_small_marks_are_canonical_formulas() -> None:
    grammar, rng = Grammar(len(VOCABULARY), GRAMMAR), np.random.default_rng(0)
    captions = [draw_small_marks(rng) for _ in range(500)]
    for caption in captions:
        assert normalize(" ".join(caption)) == caption
        assert is_formula(grammar, [IDS[token] for token in caption])
    counts = [sum(mark in caption for caption in captions) for mark in SMALL_MARKS]
    assert min(counts) >= 5


def test_print_is_given_as_it_is(data: Path) -> None:
    one, other = print_samples(data)
    assert (one.name, one.tokens, one.source) == ("print:0", "1", "Asana")
    assert (other.tokens, other.source) == ("x + 1", "cm")
    assert np.asarray(one.picture).shape == (40, 60)
    assert isinstance(one.picture, Image.Image)


@pytest.mark.usefixtures("few")
def test_the_command_scores_them(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "print.json"
    arguments = ["evaluate", "--data", str(data / "crohme"), "--split"]
    assert main([*arguments, "print", "--json", "--output", str(output)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["settings"]["test_set"].endswith("crohme:print")
    assert printed["scores"]["expressions"] == 2
    assert printed["symbols"]["1"]["written"] == 2
    assert printed["symbols"][r"\omega"] == {"written": 0, "recalled": 0}
    assert printed["look_alikes"][0]["symbols"] == ["0", "O", "o"]
    assert "readings" not in printed
    written = json.loads(output.read_text())
    assert written["symbols"] == printed["symbols"]
    assert [one["caption"] for one in written["readings"]] == ["1", "x + 1"]


def test_what_is_missing_or_does_not_fit_is_a_sentence(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--data", str(data / "crohme"), "--split", "wide-letters"]
    assert main([*arguments, "--varied", "2"]) == 2
    assert "for CROHME's splits, not for wide-letters" in capsys.readouterr().err
    (tmp_path / "crohme").mkdir()
    lone = ["evaluate", "--data", str(tmp_path / "crohme"), "--split", "print"]
    assert main(lone) == 2
    assert "prepare_print" in capsys.readouterr().err
    assert main([*arguments, "--json", "--camera"]) == 2
    assert "leave --json out" in capsys.readouterr().err


def test_symbols_of_captions_are_counted(
    data: Path, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load_script(repository, "count_captions")
    places = [f"synthesis.captions={data / 'captions'}", f"synthesis.fonts={data / 'glyphs.npz'}"]
    settings = [word for place in places for word in ("--set", place)]
    assert script.main([*settings, "--count", "50", "--least", "5000"]) == 1
    first, *groups = capsys.readouterr().out.splitlines()
    assert first == "Of 50 captions, scaled to 300000 synthetic examples."
    counts = dict(re.findall(r"(\S+) (\d+)(?:, |$)", groups[2].strip()))  # x X \\times \\chi
    assert {*counts} == {"x", "X", r"\times", r"\chi"}
    assert int(counts["x"]) > 50 * 4200 / 4, "three of four captions have an x"
    assert all(int(count) % 4200 == 0 for count in counts.values()), "50 of 210000 are drawn"
    assert counts[r"\chi"] == "0", "nobody can write it"
    assert r"| `\chi` | 0 | 0 |" in groups
    assert script.main([*settings, "--count", "5", "--least", "0"]) == 0
    assert "In fewer than 0: 0 of 274 symbols." in capsys.readouterr().out
    settings[1] = f"synthesis.captions={tmp_path}"
    assert script.main(settings) == 2
    assert "prepare_captions" in capsys.readouterr().err
