"""Glyphs of people: Detexify's drawings, UNIPEN's characters, and the scripts that read them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from script_loading import load_script

from inktex.data.detexify import placed_in, read_drawn_symbols, token_of
from inktex.data.fonts import FontGlyph, load_glyphs, save_glyphs
from inktex.data.repositories import clone
from inktex.data.unipen import read_unipen

BOXES = {
    r"\omega": (0.0, -0.6, 0.7, 0.0),
    "A": (0.0, -1.0, 0.8, 0.0),
    "B": (0.0, -1.0, 0.6, 0.0),
    "b": (0.0, -1.0, 0.5, 0.0),
    "x": (0.0, -0.6, 0.5, 0.0),
    "y": (0.0, -0.6, 0.5, 0.3),
    "g": (0.0, -0.6, 0.5, 0.4),
    ",": (0.0, -0.05, 0.05, 0.15),
    "/": (0.0, -1.0, 0.4, 0.2),
    "[": (0.0, -1.1, 0.3, 0.2),
}


@pytest.fixture
def fonts() -> list[FontGlyph]:
    """A font whose glyphs are the diagonals of boxes, at two units a capital."""
    return [
        FontGlyph(
            "annie-use-your-telescope", token, token[-1],
            (2 * np.array([box[:2], box[2:]], dtype=np.float32),), 2.0, 0.1, 1.2, 2.0, 2.0,
        )
        for token, box in BOXES.items()
    ]  # fmt: skip


def drawings(folder: Path) -> Path:
    source = folder / "packages/data/source"
    (source / "samples").mkdir(parents=True)
    (source / "reviews").mkdir()
    lines = [[[(0.1, 0.5), (0.1001, 0.5), (0.9, 0.9)]], [[(0.0, 0.0)], [(1.0, 0.25), (0.5, 0.5)]]]
    symbols: list[dict[str, object]] = []
    for command, package in (
        (r"\omega", None), (r"\upomega", "upgreek"), (r"\lceil", None), (r"\mathds{A}", "dsfont"),
        (r"\mathcal{A}", None), (r"\mathfrak{A}", "amssymb"), (r"\blacksquare", "amssymb"),
        (r"\phone", "wasysym"), (r"\sum", None),
    ):  # fmt: skip
        name = f"samples/{len(symbols)}.jsonl"
        symbol = {"id": command, "command": command, "package": package}
        symbols.append({**symbol, "samples": {"path": name, "count": 2}})
        samples = [
            {
                "id": f"{command} {number}",
                "strokes": [[{"x": x, "y": y} for x, y in stroke] for stroke in strokes],
            }
            for number, strokes in enumerate(lines)
        ]
        (source / name).write_text("".join(json.dumps(one) + "\n" for one in samples))
    (source / "symbols.json").write_text(json.dumps({"version": 1, "symbols": symbols}))
    rejected = {r"\omega 1": {"reason": "bad-sample"}}
    (source / "reviews/rejected-samples.json").write_text(json.dumps({"rejected": rejected}))
    return folder


def test_drawings_get_the_sizes_of_fonts(tmp_path: Path, fonts: list[FontGlyph]) -> None:
    found = read_drawn_symbols(drawings(tmp_path), fonts)
    names = [(one.token, one.font) for one in found.glyphs]
    assert names == [
        (r"\omega", r"\omega 0"), (r"\omega", r"\upomega 0"), (r"\omega", r"\upomega 1"),
        (r"\lceil", r"\lceil 0"), (r"\lceil", r"\lceil 1"),
        (r"\mathbb{A}", r"\mathds{A} 0"), (r"\mathbb{A}", r"\mathds{A} 1"),
        ("A", r"\mathcal{A} 0"), ("A", r"\mathcal{A} 1"),
    ]  # fmt: skip
    assert found.unplaced == (r"\sum",)
    left, top, right, bottom = found.glyphs[0].box
    assert left == pytest.approx(0, abs=0.15)
    assert (top + bottom) / 2 == pytest.approx(-0.3, abs=1e-3)
    assert np.hypot(right - left, bottom - top) == pytest.approx(np.hypot(0.7, 0.6), abs=1e-3)
    assert len(found.glyphs[0].strokes[0]) == 2, "points on one another are left out"
    assert all(len(stroke) > 1 for one in found.glyphs for stroke in one.strokes)


def test_tokens_of_commands() -> None:
    assert token_of(r"\Upgamma", "upgreek") == r"\Gamma"
    assert token_of(r"\uparrow") == r"\uparrow"
    assert token_of(r"\leqslant") == r"\leq"
    assert token_of(r"\mathscr{L}") is None
    assert token_of(r"\iint") is None


def test_a_line_is_placed_by_its_length() -> None:
    (line,) = placed_in((np.array([[0, 0], [1, 0]], dtype=np.float32),), (0.1, -0.5, 0.5, -0.4))
    assert np.ptp(line[:, 0]) == pytest.approx(np.hypot(0.4, 0.1))
    assert line[:, 1] == pytest.approx(-0.45)


def characters(folder: Path) -> Path:
    """Two writers: one writes twice as large, and one left too little to tell a size."""
    for name in ("data/1b/apa", "data/1c/apa", "include/apa"):
        (folder / name).mkdir(parents=True)
    labels = ["A", "B", "b", "x", "y", ","]
    for writer, factor in (("ann", 100), ("bob", 200)):
        ink = [".VERSION 1.0", ".COORD T X Y", f".WRITER_ID {writer}"]
        for number, label in enumerate(labels):
            x0, y0, x1, y1 = (round(factor * side) for side in BOXES[label])
            ink += [".PEN_DOWN", f"0 {x0 + 300 * number} {-y0}", f"1 {x1 + 300 * number} {-y1}"]
            ink += [".PEN_UP", *(["2 0 0"] if label == "A" else [])]
        (folder / f"include/apa/{writer}.dat").write_text("\n".join(ink))
        for kind, chosen in (("1b", labels[:2]), ("1c", labels[2:])):
            # Lifted pens count where the tablet followed them: after the first character.
            places = [(label, number + (number > 0)) for number, label in enumerate(labels)]
            text = [f".INCLUDE apa/{writer}.dat"]
            text += [f'.SEGMENT CHARACTER {n} ? "{t}"' for t, n in places if t in chosen]
            text += ['.SEGMENT CHARACTER 99 ? "A"', '.SEGMENT CHARACTER 0:1-0:1 ? "@"']
            text.append('.SEGMENT CHARACTER 6 ? "x"')  # a comma
            (folder / f"data/{kind}/apa/{writer}.dat").write_text("\n".join(text))
    (folder / "include/apa/few.dat").write_text(".COORD X Y\n.PEN_DOWN\n0 0\n3 9\n")
    (folder / "data/1b/apa/few.dat").write_text('.INCLUDE apa/few.dat\n.SEGMENT CHARACTER 0 ? "A"')
    return folder


def test_characters_keep_their_sizes_to_one_another(tmp_path: Path, fonts: list[FontGlyph]) -> None:
    found = read_unipen(characters(tmp_path), fonts)
    writers = sorted({one.font for one in found})
    assert len(writers) == 2
    for writer in writers:
        glyphs = {one.token: one.box for one in found if one.font == writer}
        assert sum(one.font == writer for one in found) == len(glyphs) == len("ABbxy,")
        for token, box in glyphs.items():
            assert box == pytest.approx(BOXES[token], abs=0.03), token


def test_what_is_no_copy_says_so(tmp_path: Path, fonts: list[FontGlyph]) -> None:
    with pytest.raises(FileNotFoundError, match=r"no copy of https://github\.com/kirel"):
        read_drawn_symbols(tmp_path, fonts)
    with pytest.raises(FileNotFoundError, match=r"no copy of https://github\.com/Green"):
        read_unipen(tmp_path, fonts)


def test_parts_of_a_repository_are_cloned(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    for name in ("a/b/kept", "a/above", "other/left"):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_text("x")
    git = ["git", "-C", str(origin), "-c", "user.name=x", "-c", "user.email=x@y"]
    subprocess.run(["git", "init", "-q", str(origin)], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    clone(origin.as_uri(), tmp_path / "copy", ["a/b"])
    copied = {p.relative_to(tmp_path / "copy").as_posix() for p in (tmp_path / "copy").glob("*/**")}
    assert {"a", "a/b"} <= copied
    assert (tmp_path / "copy/a/above").is_file()
    assert not (tmp_path / "copy/other").exists()
    with pytest.raises(FileExistsError, match="leave out --fetch"):
        clone(origin.as_uri(), tmp_path / "copy", ["a/b"])
    with pytest.raises(OSError, match="git clone"):
        clone((tmp_path / "nowhere").as_uri(), tmp_path / "new", ["a"])


@pytest.mark.parametrize(
    ("script", "option", "make"),
    [("prepare_detexify", "--drawings", drawings), ("prepare_unipen", "--unipen", characters)],
)
def test_scripts_write_glyphs(
    script: str,
    option: str,
    make: object,
    tmp_path: Path,
    fonts: list[FontGlyph],
    repository: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main = load_script(repository, script).main
    glyphs, output = tmp_path / "glyphs.npz", tmp_path / "hands.npz"
    arguments = [option, str(tmp_path / "data"), "--glyphs", str(glyphs), "--output", str(output)]
    assert main(arguments) == 2
    assert "scripts/prepare_fonts.py" in capsys.readouterr().err
    save_glyphs(glyphs, fonts)
    (tmp_path / "data").mkdir()
    assert callable(make)
    make(tmp_path / "data")
    assert main(arguments) == 0
    assert "held out" in capsys.readouterr().out
    assert len(load_glyphs(output)) >= 9
