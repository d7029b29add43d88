"""The benchmark: what it makes of measurements, and one small run of it."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from script_loading import load_script

from inktex.training.models import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, recipe_path


@pytest.fixture
def script(repository: Path) -> ModuleType:
    return load_script(repository, "benchmark")


@pytest.fixture
def results() -> dict[str, Any]:
    one = {"every": 1, "wall": [0.02], "batched": 0.005, "megabytes": 300.0}
    return {
        "pictures": 2,
        "source": "own ink",
        "repeats": 1,
        "machine": "a processor",
        "systems": {
            "torch-fast": {**one, "cpu": [0.01, 0.03], "stages": {"encode": 0.004}},
            "onnx": {**one, "cpu": [0.005, 0.015]},
            "onnx-accurate": {**one, "every": 2, "cpu": [0.1]},
        },
        "start": {
            "import": [0.1, 0.2],
            "libraries": [1.0, 2.0],
            "answer": [0.5, 0.75],
            "answer_torch": [2.5, 2.75],
        },
    }


def test_the_tables_say_what_was_measured(script: ModuleType, results: dict[str, Any]) -> None:
    text = script.markdown(results)
    fast, _, accurate = (
        line for line in text.splitlines() if line.count("|") == 12 and "(" in line
    )
    assert fast.startswith("| `fast`, with torch | 2 | 2.00 |  | 1.00 | 20.0 (20.0) |")
    assert fast.endswith("| 50.0 | 200.0 | 300 |")
    ratios = accurate.split(" | ")[1:5]
    assert ratios == ["1", "20.00", "", "10.00"], "compared by the pictures that it read"
    assert "| encode | 4.00 |" in text
    assert "`import inktex` takes 0.20 s, 0.1 times as long" in text
    assert "answered after 0.75 s (0.50 s of the processor)" in text
    assert "`--engine torch` after 2.75 s (2.50 s)" in text
    del results["systems"]["onnx"]
    assert "| `fast`, with torch | 2 |  |  | 1.00 | 20.0 (20.0) |" in script.markdown(results)


def test_the_document_has_a_place_for_the_tables(script: ModuleType) -> None:
    text = script.DOCUMENT.read_text(encoding="utf-8")
    assert text.count(script.BEGIN) == text.count(script.END) == 1


def test_only_the_generated_part_of_a_document_changes(script: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"one\n{script.BEGIN}\nold\n{script.END}\ntwo\n")
    for text in ("new\n", "newer\n"):
        script.put_into(path, text)
    assert path.read_text() == f"one\n{script.BEGIN}\nnewer\n{script.END}\ntwo\n"
    path.write_text("one\n")
    with pytest.raises(ValueError, match="no part between '<!-- generated"):
        script.put_into(path, "new")


def test_a_small_run_measures_every_picture(repository: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = load_recipe(recipe_path("tiny"), ["decoder.initializer_range=0.3"])
    save_model(make_model(recipe), make_processor(recipe), tmp_path / "model")
    script = repository / "scripts" / "benchmark.py"
    options = ["--count", "2", "--repeats", "1", "--systems", "torch-fast"]
    options += ["--model", str(tmp_path / "model"), "--output", str(tmp_path / "out")]
    result = subprocess.run(
        [sys.executable, str(script), *options], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    content = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    measured = content["systems"]["torch-fast"]
    assert len(measured["cpu"]) == len(measured["wall"]) == content["pictures"] == 2
    assert measured["batched"] > 0
    assert set(measured["stages"]) == {"prepare", "encode", "decode", "all"}
    assert all(wall > 0 for _, wall in content["start"].values())
    assert (tmp_path / "out" / "benchmark.md").read_text() in result.stdout


def test_what_goes_wrong_is_a_sentence(repository: Path, tmp_path: Path) -> None:
    script = repository / "scripts" / "benchmark.py"
    (tmp_path / "empty").mkdir()
    for options, words in (
        (["--pictures", str(tmp_path / "empty")], "no picture in"),
        (["--count", "1", "--systems", "torch-fast", "--model", str(tmp_path)], "torch-fast: "),
    ):
        result = subprocess.run(
            [sys.executable, str(script), *options], capture_output=True, text=True, check=False
        )
        assert result.returncode == 2
        assert f"benchmark: {words}" in result.stderr.replace("There is ", "")
