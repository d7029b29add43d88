"""Glyphs that look like another symbol than their labels say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from example_cases import example
from numpy.typing import NDArray
from PIL import Image
from script_loading import load_script

from inktex.data.fonts import load_glyphs, save_glyphs
from inktex.data.fonts.glyphs import is_held_out
from inktex.data.hands import hand_glyph
from inktex.synthesis.strokefont import glyphs
from inktex.training.glyph_selection import SymbolJudge, recorded_symbols

TOKENS = ("x", "3", "+", "q", "o")


def _written(token: str, rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """A token of the stroke font, by an unsteady hand."""
    return tuple(
        (stroke + rng.normal(0, 0.01, stroke.shape)).astype(np.float32)
        for stroke in glyphs()[token]
    )


@pytest.fixture(scope="module")
def judge() -> SymbolJudge:
    rng = np.random.default_rng(0)
    known, others = (
        [(token, _written(token, rng)) for token in TOKENS for _ in range(count)]
        for count in (60, 5)
    )
    return SymbolJudge.learn(known, [*others, ("z", _written("z", rng))])


def test_labels_are_contradicted_that_another_symbol_was_written_under(judge: SymbolJudge) -> None:
    assert judge.tokens == tuple(sorted(TOKENS))
    assert judge.accuracy == 1.0
    assert judge.confidence.min() > 0.4  # of so few steps
    rng = np.random.default_rng(1)
    # As it says; another; a look-alike, which size tells apart; a label that it does not know.
    shown = [("q", "q"), ("x", "q"), ("0", "o"), ("O", "o"), (r"\alpha", "q"), ("3", "+")]
    symbols = [(label, _written(token, rng)) for label, token in shown]
    assert judge.contradictions(symbols) == [None, "q", None, None, None, "+"]
    assert judge.contradictions([(r"\beta", _written("x", rng))]) == [None]
    assert judge.contradictions([]) == []


def test_without_symbols_nothing_is_learnt() -> None:
    with pytest.raises(ValueError, match="no symbols"):
        SymbolJudge.learn([], [])


def test_symbols_of_recorded_ink_come_with_their_strokes() -> None:
    found = [*recorded_symbols([example("x + x = 3")] * 4)]
    assert sorted(token for token, _ in found) == sorted(["x", "+", "x", "=", "3"] * 4)
    assert all(len(strokes) == 2 for token, strokes in found if token in ("+", "="))
    most = [token for token, _ in recorded_symbols([example("x + x = 3")] * 4, most=3)]
    assert {most.count(token) for token in "x+=3"} == {3}


def test_the_script_leaves_out_what_is_contradicted(
    judge: SymbolJudge,
    tmp_path: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = load_script(repository, "select_hands")
    file, sheet = tmp_path / "unipen.npz", tmp_path / "build" / "sheet.png"
    assert script.main([str(file)]) == 2
    assert "scripts/prepare_unipen.py" in capsys.readouterr().err
    names = [f"writer {number}" for number in range(60)]
    kept = next(name for name in names if is_held_out(name))
    own = next(name for name in names if not is_held_out(name))
    rng = np.random.default_rng(2)
    shown = [(own, "q", "q"), (own, "x", "q"), (kept, "x", "q"), (own, "3", "3")]
    save_glyphs(file, [hand_glyph(by, label, _written(token, rng)) for by, label, token in shown])
    monkeypatch.setattr(script, "load_examples", lambda *_: [example("x + 3")])
    monkeypatch.setattr(script.SymbolJudge, "learn", lambda *_: judge)
    assert script.main([str(file), "--sheet", str(sheet)]) == 0
    assert "1 of 4 glyphs are left out, most often x as q 1" in capsys.readouterr().out
    left = [(one.font, one.token) for one in load_glyphs(file)]
    assert sorted(left) == sorted([(own, "q"), (kept, "x"), (own, "3")])
    with Image.open(sheet) as picture:
        assert picture.convert("L").getextrema()[0] == 0
    # What is left is not contradicted.
    assert script.main([str(file)]) == 0
    assert "0 of 3 glyphs are left out" in capsys.readouterr().out
    assert script.main([str(file), "--without", "q", "x"]) == 0
    assert "1 of 3 glyphs are left out, most often q as unwanted 1" in capsys.readouterr().out
    assert sorted((one.font, one.token) for one in load_glyphs(file)) == sorted(
        [(kept, "x"), (own, "3")]
    )
