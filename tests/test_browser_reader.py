"""The JavaScript package computes what the Python package does: drawing, pictures, LaTeX."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from PIL.Image import Resampling

from browser_tools import (
    ROOT,
    SOURCE,
    Node,
    as_json,
    needs_npm,
    packages,
    picture_json,
    raster,
)
from inktex import __version__
from inktex.ink.render import place, render
from inktex.inputs import prepare
from inktex.modeling.image_settings_inktex import ImageSettings
from inktex.modeling.normalization_inktex import normalize
from inktex.onnx.engine import ImageProcessor
from inktex.symbol_boxes import inked
from inktex.synthesis.random_captions import random_caption, written_expressions
from inktex.tokenizer import vocabulary_inktex
from inktex.tokenizer.compact_inktex import compact
from inktex.tokenizer.vocabulary_inktex import VOCABULARY

pytestmark = needs_npm

READER = SOURCE / "reader"
SETTINGS = ImageSettings(resolution=8 / 9, margin_before=6, margin_after=5)
"""Those of the shipped model."""


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    found = Node()
    yield found
    found.close()


# --- drawing ------------------------------------------------------------------------------


def test_strokes_are_drawn_to_the_pixel(node: Node) -> None:
    processor = ImageProcessor(SETTINGS)
    for expression in written_expressions(30, seed=11):
        traces = list(expression.traces)
        found = node("draw", strokes=as_json(traces), settings=SETTINGS.to_dict())
        np.testing.assert_array_equal(raster(found["drawn"]), render(traces))
        expected = prepare(traces, processor)
        np.testing.assert_array_equal(raster(found["picture"]), expected.picture)


@pytest.mark.parametrize(
    "strokes",
    [
        [[[5, 5]]],
        [[[0, 0], [40, 0]], [[0, 9], [40, 9]]],
        [[[0, 0], [3, 8], [3, 8]], [[-7, 2], [900, 4]]],
        [[[1e7, 1e7], [1e7 + 40, 1e7 + 60]]],
        [[[0.1, 0.7], [1e-3, 0.2]], []],
        [[[0, 0], [3000, 20]]],
    ],
    ids=["dot", "level", "wide", "far", "small", "long"],
)
def test_odd_ink_is_drawn_to_the_pixel(node: Node, strokes: Any) -> None:
    traces = [np.array(one, dtype=np.float32).reshape(-1, 2) for one in strokes]
    found = node("draw", strokes=strokes, settings=SETTINGS.to_dict())
    expected = prepare([one for one in traces if len(one)], ImageProcessor(SETTINGS))
    np.testing.assert_array_equal(raster(found["picture"]), expected.picture)


@pytest.mark.parametrize(
    ("strokes", "message"),
    [
        ([], "no points"),
        ([[[0, "x"]]], "two numbers"),
        ([[["0", "0"], ["20", "30"]]], "two numbers"),
        ([[{"x": 1, "y": 2}]], "two numbers"),
        ([[0, 0]], "two numbers"),
        ({"strokes": []}, "list of strokes"),
        ([[[0, 0], [1e5, 1]]], "stray"),
        ([[[0, 0], [1e39, 1]]], "not finite"),
    ],
)
def test_what_cannot_be_drawn_is_refused(node: Node, strokes: Any, message: str) -> None:
    answer = node.ask("draw", strokes=strokes, settings=SETTINGS.to_dict())
    assert message in answer["error"]["message"]


def round_pen(traces: Any, height: float, width: float) -> Image.Image:
    """Ink as drawing programs show it: dark on light, smooth, by a round pen."""
    placed, across, down = place(traces)
    zoom = height / 28 * 4
    size = int(across * zoom), int(down * zoom)
    canvas = Image.new("L", size, 250)
    pencil = ImageDraw.Draw(canvas)
    for trace in placed:
        points = [(x * zoom, y * zoom) for x, y in trace.tolist()]
        pencil.line(points, fill=20, width=round(4 * width), joint="curve")
        for x, y in (points[0], points[-1]):
            reach = 2 * width
            pencil.ellipse((x - reach, y - reach, x + reach, y + reach), fill=20)
    return canvas.resize((size[0] // 4, size[1] // 4), Resampling.LANCZOS)


@pytest.mark.parametrize("kind", ["clean", "light", "large", "round"])
def test_pictures_become_what_python_makes_of_them(node: Node, kind: str) -> None:
    """To the pixel what the protocol drew; of resized and other drawings about the size."""
    for expression in written_expressions(5, seed=4):
        drawn = Image.fromarray(255 - render(expression.traces))
        if kind == "light":
            drawn = Image.eval(drawn, lambda level: 255 - level)
        elif kind == "large":
            drawn = drawn.resize((2 * drawn.width, 2 * drawn.height))
        elif kind == "round":
            drawn = round_pen(expression.traces, 60, 5)
        asked = {"picture": picture_json(drawn), "settings": SETTINGS.to_dict()}
        found, expected = raster(node("normalize", **asked)["picture"]), normalize(drawn, SETTINGS)
        if kind in ("clean", "light"):
            np.testing.assert_array_equal(found, expected.picture)
        else:  # of the height of symbols both allow a factor
            factor = 1.05 if kind == "large" else SETTINGS.height_tolerance
            ratio = np.array(found.shape) / expected.picture.shape
            assert (1 / factor < ratio).all()
            assert (ratio < factor).all()


def test_a_blank_picture_has_no_formula(node: Node) -> None:
    blank = picture_json(Image.new("L", (90, 40), 255))
    answer = node.ask("normalize", picture=blank, settings=SETTINGS.to_dict())
    assert answer["error"]["name"] == "NoFormulaError"
    assert "blank" in answer["error"]["message"]


# --- LaTeX --------------------------------------------------------------------------------


def salads(count: int) -> Iterator[list[str]]:
    """Tokens in any order, rich in structure, as no model should write them."""
    rng = np.random.default_rng(0)
    structure = [
        *"{}{}^_[]&",
        "\\\\",
        "\\limits",
        "\\sqrt",
        "\\frac",
        "\\text",
        "\\sum",
        "\\{",
        "\\}",
    ]
    structure += [vocabulary_inktex.MATRIX_BEGIN, vocabulary_inktex.MATRIX_END] * 2
    words = [letter for word in vocabulary_inktex.WORDS for letter in word]
    for _ in range(count):
        pools = (structure, VOCABULARY, words, ["(", ")", "x", "2"])
        chosen = rng.choice(4, size=rng.integers(1, 25), p=(0.5, 0.3, 0.05, 0.15))
        yield [str(rng.choice(pools[kind])) for kind in chosen]


def test_latex_is_compact_as_in_python(node: Node) -> None:
    rng = np.random.default_rng(1)
    letters = [rf"\text {{ {' '.join(word)} }} x".split() for word in vocabulary_inktex.WORDS]
    matrices = [
        rf"{before} \begin{{matrix}} a & b \\ c & d \end{{matrix}} {after}".split()
        for before in (r"\{", "(", "[", "|", "")
        for after in (r"\}", ")", "]", "|", "")
    ]
    captions = [random_caption(rng, depth=3) for _ in range(150)]
    for tokens in [*captions, *letters, *matrices, *salads(300)]:
        assert node("compact", tokens=tokens) == compact(tokens), tokens
        assert node("inked", tokens=tokens) == inked(tokens), tokens


def test_the_vocabulary_is_that_of_python(node: Node) -> None:
    for name, found in node("vocabulary").items():
        expected = getattr(vocabulary_inktex, name)
        if isinstance(expected, frozenset):
            assert set(found) == expected, name
        else:
            assert found == expected, name


def test_formulas_are_mathml_and_typst_that_compiles(node: Node, tmp_path: Path) -> None:
    typst = pytest.importorskip("typst")
    rng = np.random.default_rng(2)
    formulas = [compact(random_caption(rng)) for _ in range(60)]
    lines = [f"$ {node('format', latex=one, format='typst')} $" for one in formulas]
    (tmp_path / "a.typ").write_text("\n\n".join(lines), encoding="utf-8")
    typst.compile(tmp_path / "a.typ", output=tmp_path / "a.pdf")
    for one in formulas[:10]:
        assert node("format", latex=one, format="mathml").startswith("<math xmlns=")
    assert "Typst" in node.ask("format", latex=r"\not\in", format="typst")["error"]["message"]


# --- the package --------------------------------------------------------------------------


def test_it_has_the_version_and_licence_of_the_code() -> None:
    about = json.loads((READER / "package.json").read_text())
    assert about["version"] == __version__
    assert about["license"] == "Apache-2.0"
    assert (READER / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (
        json.loads((SOURCE / "package.json").read_text())["dependencies"]["inktex"] == __version__
    )
    lock = (SOURCE / "package-lock.json").read_text()
    assert "://" not in "".join(line for line in lock.splitlines() if "resolved" in line)


def test_it_packs_what_it_needs() -> None:
    done = subprocess.run(
        ["npm", "pack", "--dry-run", "--json"],
        cwd=packages() / "reader", capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    (about,) = found.values() if isinstance(found, dict) else found
    names = {one["path"] for one in about["files"]}
    sources = {path.name for path in READER.glob("*.js")}
    assert names == {*sources, "index.d.ts", "package.json", "README.md", "LICENSE"}


def test_types_are_right() -> None:
    done = subprocess.run(
        ["node_modules/.bin/tsc", "--project", "."],
        cwd=packages(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
