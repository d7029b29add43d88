"""The split of characters of scripts that training does not see, on fonts of a few polygons."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fontTools")
pytest.importorskip("skimage")

from tiny_fonts import GLYPHS, build_font

from inktex import torch_engine
from inktex.cli import main
from inktex.data.fonts.sources import find_source
from inktex.data.fonts.symbols import CHARACTERS, UNSEEN_MARKS, character_group
from inktex.evaluation import unknown_marks
from inktex.evaluation.unknown_marks import mark_samples

SHAPES = [GLYPHS["E"], GLYPHS["H"], GLYPHS["T"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three fonts, each with three of its characters."""
    folder = tmp_path_factory.mktemp("data")
    for font, characters in UNSEEN_MARKS.items():
        drawn = dict(zip(characters, SHAPES, strict=False))
        build_font(folder / "fonts" / font / f"{font}.ttf", glyphs={**GLYPHS, **drawn})
    return folder


def test_marks_are_of_scripts_that_training_does_not_see() -> None:
    trained = {*"".join(CHARACTERS.values())}
    for font, characters in UNSEEN_MARKS.items():
        source = find_source(font)
        assert source is not None
        assert {character_group(one) for one in characters} <= {*source.drawn}
        assert len({*characters}) == len(characters) > 10
        assert not {*characters} & trained
        block = range(0x900, 0x980) if font == "kalam" else range(0xE00, 0xE80)
        assert all(ord(one) in block for one in characters)


def test_each_glyph_is_written_in_turn_and_the_same_each_time(folder: Path) -> None:
    samples, again = mark_samples(folder, 20), mark_samples(folder, 12)
    assert {one.tokens for one in samples} == {"<mark>"}
    assert Counter(one.source for one in samples) == {"kalam": 8, "itim": 6, "sriracha": 6}
    assert samples[0].name == "unknown-marks:kalam-0905~0"
    assert samples[9].name == "unknown-marks:kalam-0905~1"
    pixels = [np.asarray(one.picture) for one in samples]
    assert all(np.array_equal(one, np.asarray(b.picture)) for one, b in zip(pixels, again))  # noqa: B905
    assert pixels[0].shape != pixels[9].shape or not np.array_equal(pixels[0], pixels[9])


def test_a_missing_font_names_the_command(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"prepare_fonts\.py --fetch"):
        mark_samples(tmp_path)
    build_font(tmp_path / "fonts" / "kalam" / "kalam.ttf")
    with pytest.raises(ValueError, match="none of the characters"):
        mark_samples(tmp_path)


def test_the_command_counts_what_is_believed(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch_engine, "MAX_TOKENS", 8)
    monkeypatch.setattr(unknown_marks.mark_samples, "__defaults__", (9,))
    output = tmp_path / "marks.json"
    arguments = ["evaluate", "--data", str(folder / "crohme"), "--split", "unknown-marks"]
    assert main([*arguments, "--output", str(output)]) == 0
    marks = json.loads(output.read_text())["unknown_marks"]
    assert marks["pictures"] == 9
    assert marks["named"] == 0, "the shipped weights do not know the mark"
    assert f"{marks['believed']} (" in capsys.readouterr().out
