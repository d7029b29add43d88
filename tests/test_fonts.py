"""Glyphs of fonts: outlines to strokes, rules that leave glyphs out, the file, the split."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from script_loading import load_script

pytest.importorskip("fontTools")
pytest.importorskip("skimage")

from tiny_fonts import BOX, GLYPHS, WIDTH, bar, box, build_font, disc

from inktex.data.fonts import (
    FontGlyph,
    coverage,
    is_held_out,
    load_glyphs,
    save_glyphs,
)
from inktex.data.fonts.glyph_tracing import Extraction, extract, extract_font
from inktex.data.fonts.sources import (
    RECORD,
    SOURCES,
    FontSource,
    debian_licence,
    fetch,
    find_source,
)
from inktex.data.fonts.strokes import trace_strokes
from inktex.data.fonts.symbols import CHARACTERS, GROUPS, character_group, visible_tokens
from inktex.tokenizer.vocabulary_inktex import ALIASES, UNKNOWN_MARK


def extracted(path: Path) -> tuple[dict[str, FontGlyph], Extraction]:
    found = extract_font("tiny", [path])
    return {one.token: one for one in found.glyphs}, found


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FontGlyph]:
    return extracted(build_font(tmp_path_factory.mktemp("fonts") / "tiny.ttf"))[0]


def length(stroke: np.ndarray) -> float:
    return float(np.hypot(*np.diff(stroke, axis=0).T).sum())


# --- outlines to strokes ------------------------------------------------------------------


def test_an_x_is_two_strokes_that_cross(glyphs: dict[str, FontGlyph]) -> None:
    first, second = glyphs["X"].strokes
    for stroke in (first, second):
        assert length(stroke) == pytest.approx(np.hypot(0.4, 0.7), abs=0.07)
        assert np.ptp(stroke[:, 0]) > 0.3
        assert np.ptp(stroke[:, 1]) > 0.55
    slopes = [np.sign(np.prod(one[-1] - one[0])) for one in (first, second)]
    assert sorted(slopes) == [-1, 1]


def test_an_o_is_one_closed_stroke(glyphs: dict[str, FontGlyph]) -> None:
    (stroke,) = glyphs["O"].strokes
    np.testing.assert_allclose(stroke[0], stroke[-1], atol=1e-3)
    radii = np.hypot(*(stroke - np.array([0.35, -0.35])).T)
    np.testing.assert_allclose(radii, 0.35 - WIDTH / 2000, atol=0.01)
    x, y = stroke[:-1].T
    area = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum()
    assert area < 0, "a hand writes an O counter-clockwise"


def test_an_i_keeps_its_dot(glyphs: dict[str, FontGlyph]) -> None:
    stem, dot = glyphs["i"].strokes
    assert stem[0, 1] < stem[-1, 1], "downwards"
    assert length(dot) < 0.1
    np.testing.assert_allclose(dot.mean(axis=0), (0.1, -0.6), atol=0.01)


def test_places_are_kept(glyphs: dict[str, FontGlyph]) -> None:
    assert glyphs[","].box[3] > 0.1, "a comma hangs below the baseline"
    assert glyphs["x"].box[3] == pytest.approx(-WIDTH / 2000, abs=0.03)
    assert glyphs["b"].x_height == pytest.approx(0.47, abs=0.02)
    assert glyphs["b"].cap_height == pytest.approx(0.7, abs=0.03)
    assert glyphs["b"].width == pytest.approx(WIDTH / 1000, rel=0.15)
    assert glyphs["b"].advance == pytest.approx(0.6)
    (minus,) = glyphs["-"].strokes
    np.testing.assert_allclose(minus[:, 1], -0.25, atol=0.01)
    assert minus[0, 0] < minus[-1, 0], "from left to right"


def test_junctions_are_crossed_straight(glyphs: dict[str, FontGlyph]) -> None:
    assert len(glyphs["T"].strokes) == 2
    assert len(glyphs["H"].strokes) == 3
    assert len(glyphs["E"].strokes) <= 3
    assert len(glyphs["b"].strokes) == 2


def test_strokes_have_equal_steps(glyphs: dict[str, FontGlyph]) -> None:
    for glyph in glyphs.values():
        for stroke in glyph.strokes:
            assert stroke.dtype == np.float32
            assert len(stroke) >= 2
            steps = np.hypot(*np.diff(stroke, axis=0).T)
            assert steps.max() < 0.06


def test_an_empty_raster_has_no_strokes() -> None:
    assert trace_strokes(np.zeros((20, 20), dtype=np.bool_)) == ([], [])


# --- what is left out ---------------------------------------------------------------------


def test_boxes_and_blanks_are_left_out(tmp_path: Path) -> None:
    font = build_font(tmp_path / "a.ttf", glyphs={**GLYPHS, "∂": BOX, "∇": []})
    found, result = extracted(font)
    assert not {r"\partial", r"\nabla"} & set(found)
    assert result.left_out["empty"] == 2


def test_filled_shapes_are_left_out(tmp_path: Path) -> None:
    arrow = [bar(0, 250, 400, 250), [(300, 0), (300, 500), (700, 250)]]
    found, result = extracted(build_font(tmp_path / "a.ttf", glyphs={**GLYPHS, "→": arrow}))
    assert r"\rightarrow" not in found
    assert result.left_out.total() - result.left_out["not drawn"] >= 1


def test_signs_of_money_are_no_backslash(tmp_path: Path) -> None:
    changed = {**GLYPHS, "\\": GLYPHS["E"], "₩": GLYPHS["E"]}
    found, result = extracted(build_font(tmp_path / "a.ttf", glyphs=changed))
    assert r"\setminus" not in found
    assert "E" in found
    assert result.left_out["same"] == 1
    found, _ = extracted(build_font(tmp_path / "b.ttf", glyphs={**GLYPHS, "\\": GLYPHS["l"]}))
    assert r"\setminus" in found


def test_characters_of_other_scripts_are_unknown_marks(tmp_path: Path) -> None:
    blot = [box(0, 0, 600, 600)]
    changed = {**GLYPHS, "あ": GLYPHS["E"][1:], "火": GLYPHS["X"], "水": blot}
    _, result = extracted(build_font(tmp_path / "a.ttf", glyphs=changed))
    marks = sorted(one.character for one in result.glyphs if one.token == UNKNOWN_MARK)
    assert marks == ["あ", "水", "火"], "whatever they look like"


def test_signs_at_the_wrong_height_are_left_out(tmp_path: Path) -> None:
    high = [bar(120, 640, 60, 480)]
    found, result = extracted(build_font(tmp_path / "a.ttf", glyphs={**GLYPHS, ",": high}))
    assert "," not in found
    assert result.left_out["misplaced"] == 1


def test_small_letters_that_are_capitals_are_left_out(tmp_path: Path) -> None:
    bowls = [
        bar(100, 0, 100, 700),
        *(disc(250, y, 180) for y in (180, 520)),
        *(disc(250, y, 180 - WIDTH, clockwise=False) for y in (180, 520)),
    ]
    found, result = extracted(
        build_font(tmp_path / "a.ttf", glyphs={**GLYPHS, "b": bowls, "e": GLYPHS["E"]})
    )
    assert not {"b", "x", "i", "l"} & set(found)
    assert {"X", "E", ","} <= set(found)
    assert result.left_out["unicase"] == 5


def test_fonts_that_are_mostly_broken_are_left_out_whole(tmp_path: Path) -> None:
    blocks = dict.fromkeys("ABCDFGIJKLMNPQRSUVWYZ", GLYPHS["■"])
    changed = {**GLYPHS, **{c: [box(0, 0, 300 + 9 * i, 600)] for i, c in enumerate(blocks)}}
    found, result = extracted(build_font(tmp_path / "a.ttf", glyphs=changed))
    assert found == {}
    assert result.left_out["font"] > 0


def test_only_what_is_drawn_by_hand_is_kept(tmp_path: Path) -> None:
    path = build_font(tmp_path / "a.ttf")
    source = next(one for one in SOURCES if "greek" not in one.drawn)
    tokens = {one.token for one in extract_font(source.name, [path]).glyphs}
    assert r"\alpha" not in tokens
    assert "X" in tokens


def test_tildes_in_the_place_of_bars_are_left_out(tmp_path: Path) -> None:
    wave = [bar(60, 600, 160, 660), bar(150, 660, 260, 600), bar(250, 600, 350, 660)]
    flat = [bar(60, 650, 340, 650)]
    for polygons, kept in ((wave, False), (flat, True)):
        found, _ = extracted(build_font(tmp_path / "a.ttf", glyphs={**GLYPHS, "¯": polygons}))
        assert (r"\bar" in found) is kept


# --- folders and files --------------------------------------------------------------------


def test_files_of_one_font_are_joined_and_broken_ones_named(tmp_path: Path) -> None:
    halves = list(GLYPHS)
    build_font(tmp_path / "tiny" / "0.ttf", glyphs={c: GLYPHS[c] for c in halves[:7]})
    build_font(tmp_path / "tiny" / "1.ttf", glyphs={c: GLYPHS[c] for c in halves[7:]})
    build_font(tmp_path / "other-hand" / "other.ttf")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.otf").write_bytes(b"no font")
    lines: list[str] = []
    found = extract(tmp_path, say=lines.append)
    assert {one.font for one in found.glyphs} == {"tiny", "other-hand"}
    assert {one.token for one in found.glyphs if one.font == "tiny"} >= {"X", "i", ","}
    assert "broken.otf cannot be read" in lines[0]
    assert len(lines) == 3
    assert lines[1].startswith("[2/3] other-hand: ")


def test_a_folder_without_fonts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no folders of font files"):
        extract(tmp_path)


def test_glyphs_are_read_as_they_were_written(glyphs: dict[str, FontGlyph], tmp_path: Path) -> None:
    path = tmp_path / "glyphs.npz"
    records = [{"name": "tiny", "licence": "OFL-1.1"}]
    save_glyphs(path, list(glyphs.values()), records)
    read = load_glyphs(path)
    with np.load(path) as stored:
        assert [json.loads(one) for one in stored["records"]] == records
    for one, other in zip(glyphs.values(), read, strict=True):
        assert (one.font, one.token, one.character) == (other.font, other.token, other.character)
        for name in ("advance", "width", "x_height", "cap_height", "ascender"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-5)
        assert len(one.strokes) == len(other.strokes)
        for stroke, stored in zip(one.strokes, other.strokes, strict=True):
            assert stored.dtype == np.float32
            np.testing.assert_allclose(stroke, stored, atol=1e-3)


def test_a_file_of_no_glyphs_can_be_read(tmp_path: Path) -> None:
    save_glyphs(tmp_path / "none.npz", [])
    assert load_glyphs(tmp_path / "none.npz") == []


def test_what_is_no_file_of_glyphs_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"scripts/prepare_fonts\.py writes it"):
        load_glyphs(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(ValueError, match="is no file of glyphs"):
        load_glyphs(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", points=np.zeros(3))
    with pytest.raises(ValueError, match="is no file of glyphs"):
        load_glyphs(tmp_path / "other.npz")


# --- the table, the list, the split -------------------------------------------------------


def test_every_visible_token_has_characters() -> None:
    assert {*visible_tokens(), UNKNOWN_MARK} == set(CHARACTERS)
    assert not set(CHARACTERS) & set(ALIASES)
    for token, characters in CHARACTERS.items():
        assert len(set(characters)) == len(characters) > 0, token
        assert all(character_group(one) in GROUPS for one in characters)


def test_writers_are_for_training_or_held_out() -> None:
    names = [one.name for one in SOURCES]
    assert len(set(names)) == len(names)
    held_out = {one.name for one in SOURCES if one.held_out}
    assert 0.1 < len(held_out) / len(SOURCES) < 0.2
    assert sum(set(one.drawn) == set(GROUPS) for one in SOURCES if one.held_out) >= 2
    assert {name for name in names if is_held_out(name)} == held_out
    own = [f"font {number}" for number in range(2000)]
    assert 0.12 < np.mean([is_held_out(name) for name in own]) < 0.18


def test_coverage_counts_fonts_of_both_parts(glyphs: dict[str, FontGlyph]) -> None:
    counts = coverage(glyphs.values())
    assert sum(counts["X"]) == 1
    assert counts["Q"] == (0, 0)
    assert counts[r"\nabla"] == (0, 0)


def test_the_licence_of_a_debian_package_is_that_of_its_fonts() -> None:
    machine = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2007 Somebody
License: OFL-1.1

Files: debian/*
Copyright: 2008 Another
License: GPL-2+

License: OFL-1.1
 Text.
"""
    assert debian_licence(machine) == "OFL-1.1"
    assert debian_licence("Licensed under the SIL Open Font License, Version 1.1.") == "OFL-1.1"
    assert debian_licence("It is the GNU General Public License: common-licenses/GPL-2") == "GPL-2"
    assert debian_licence("All rights reserved.") == "unknown"


def test_fetching_goes_on_after_a_font_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def packed(
        command: Iterable[object], cwd: Path, **_: object
    ) -> subprocess.CompletedProcess[str]:
        package = list(command)[-1]
        if package == "@fontsource/gone":
            return subprocess.CompletedProcess([], 1, "", "npm error 404 Not Found\n")
        font = build_font(cwd / "content" / "tiny-latin-400-normal.ttf")
        (cwd / "content" / "package.json").write_text('{"version": "1.0", "license": "OFL-1.1"}')
        (cwd / "content" / "LICENSE").write_text("The licence.")
        with tarfile.open(cwd / "tiny.tgz", "w:gz") as archive:
            for path in (font, font.with_name("package.json"), font.with_name("LICENSE")):
                archive.add(path, f"package/{path.name}")
        return subprocess.CompletedProcess([], 0, "tiny.tgz\n", "")

    monkeypatch.setattr("inktex.data.fonts.sources.subprocess.run", packed)
    sources = [
        FontSource("gone", "npm", "@fontsource/gone", "*.ttf", "OFL-1.1"),
        FontSource("tiny", "npm", "@fontsource/tiny", "tiny-*.ttf", "OFL-1.1"),
        FontSource("face", "npm", "@fontsource/tiny", "no-such-face.ttf", "OFL-1.1"),
    ]
    lines: list[str] = []
    assert fetch(tmp_path / "fonts", sources, lines.append) == ["gone", "face"]
    assert "404 Not Found" in lines[0]
    assert lines[1] == "[2/3] tiny: @fontsource/tiny, OFL-1.1"
    assert (tmp_path / "fonts/tiny" / RECORD).is_file()
    assert (tmp_path / "fonts/tiny/LICENCE.txt").read_text() == "The licence."
    found = extract(tmp_path / "fonts", say=lines.append)
    assert {one.font for one in found.glyphs} == {"tiny"}
    assert found.records[0]["licence"] == "OFL-1.1"
    assert fetch(tmp_path / "fonts", sources[1:2], lines.append) == []
    assert lines[-1] == "[1/1] tiny: is there"
    assert find_source("tiny") is None


# --- the command --------------------------------------------------------------------------


def test_the_command_writes_glyphs_and_prints_a_report(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_font(tmp_path / "fonts" / "tiny" / "tiny.ttf")
    script = load_script(repository, "prepare_fonts")
    output = tmp_path / "out/glyphs.npz"
    arguments = ["--fonts", tmp_path / "fonts", "--output", output]
    assert script.main([str(one) for one in arguments]) == 0
    text = capsys.readouterr().out
    assert "glyphs of 1 fonts are kept" in text
    assert "In fewer than 3 fonts for training" in text
    assert load_glyphs(output)


def test_the_command_says_where_fonts_are_missing(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load_script(repository, "prepare_fonts")
    assert script.main(["--fonts", str(tmp_path), "--output", str(tmp_path / "g.npz")]) == 2
    assert capsys.readouterr().err.startswith("prepare_fonts: ")


def test_what_needs_the_extra_says_so() -> None:
    code = "import sys; sys.modules['fontTools'] = None\nimport inktex.data.fonts.glyph_tracing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("pip install 'inktex[train]'.")
