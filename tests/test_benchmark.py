"""The benchmark: what it makes of measurements, and one small run of it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from inktex.benchmark.measure import exponent
from inktex.benchmark.report import markdown, plot, put_into, summary
from inktex.training.models import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, recipe_path


@pytest.fixture
def results() -> dict[str, Any]:
    one = {
        "every": 1,
        "wall": [0.02],
        "tokens": [3],
        "loading": 1.0,
        "batched_cpu": 0.005,
        "megabytes": 300.0,
    }
    return {
        "pictures": 2,
        "source": "own ink",
        "repeats": 1,
        "systems": {
            "torch-fast": {**one, "cpu": [0.01, 0.03], "stages": {"encode": 0.004}},
            "onnx": {**one, "cpu": [0.005, 0.015], "stages": {}},
            "classical": {**one, "every": 2, "cpu": [0.1], "batched_cpu": None, "stages": {}},
        },
        "growth": {
            "areas": [[100, 0.1], [400, 0.2]],
            "lengths": [[10, 0.1], [20, 0.2]],
            "area_exponent": 0.5,
            "length_exponent": 1.0,
            "encoder_flops": 2e9,
            "token_flops": 5e6,
            "peak_flops": 1e11,
            "token_bytes": 10_000_000,
            "bandwidth": 5e9,
            "machine": "a processor",
            "torch": "2.13.0",
        },
        "start": {
            "import": [0.1, 0.2],
            "libraries": [1.0, 2.0],
            "answer": [0.5, 0.75],
            "answer_torch": [2.5, 2.75],
        },
    }


def test_exponents_are_slopes_between_logarithms() -> None:
    assert exponent([[x, 3 * x**1.5] for x in (1.0, 2.0, 7.0)]) == pytest.approx(1.5)


def test_the_tables_say_what_was_measured(results: dict[str, Any]) -> None:
    text = markdown(results)
    fast, _, classical = (
        line for line in text.splitlines() if line.count("|") == 12 and "(" in line
    )
    assert fast.startswith("| inktex, `fast`, with torch | 2 | 2.00 |  | 1.00 | 20.0 (20.0) |")
    assert fast.endswith("| 50.0 | 200.0 | 300 |")
    ratios = classical.split(" | ")[1:5]
    assert ratios == ["1", "20.00", "", "10.00"], "compared by the pictures that it read"
    del results["systems"]["onnx"]
    assert "| inktex, `fast`, with torch | 2 |  |  | 1.00 | 20.0 (20.0) |" in markdown(results)
    assert "encoder would take 20.00 ms" in text
    assert "0.050 ms a token" in text
    assert "10.0 MB of weights, which takes 2.00 ms from memory (5.0 GB/s)" in text
    assert "| encode | 4.00 |" in text
    assert "`import inktex` takes 0.20 s, 0.1 times as long" in text
    assert "answered after 0.75 s (0.50 s of the processor)" in text
    assert "`--engine torch` after 2.75 s (2.50 s)" in text


def test_the_summary_has_every_system(results: dict[str, Any]) -> None:
    text = summary(results)
    assert text.startswith(
        "On one thread `fast` takes 10 ms a picture (a processor, the median of 2"
    )
    assert "inktex, `fast`, with torch 2 times as long, " in text
    assert text.endswith("DenseNet of 3×16 layers, decoder without cache 20 times as long.")
    del results["systems"]["onnx"]
    assert summary(results).startswith("On one thread `fast` takes 20 ms")


def test_the_plot_is_a_picture(results: dict[str, Any], tmp_path: Path) -> None:
    plot(results, tmp_path / "sub" / "plot.png")
    with Image.open(tmp_path / "sub" / "plot.png") as picture:
        assert picture.width > 2 * picture.height > 600


def test_only_the_generated_part_of_a_document_changes(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    end = "<!-- end of what was generated -->"
    path.write_text(f"one\n<!-- generated: this -->\nold\n{end}\ntwo\n")
    for text in ("new\n", "newer\n"):
        put_into(path, "this", text)
    assert path.read_text() == f"one\n<!-- generated: this -->\nnewer\n{end}\ntwo\n"
    with pytest.raises(ValueError, match="no part between '<!-- generated: that"):
        put_into(path, "that", "new")


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
    assert all(count > 0 for count in measured["tokens"])
    assert set(measured["stages"]) == {"prepare", "encode", "decode", "all"}
    assert content["growth"]["encoder_flops"] > content["growth"]["token_flops"] > 0
    assert (tmp_path / "out" / "benchmark.md").read_text() in result.stdout
    assert (tmp_path / "out" / "benchmark.png").is_file()


def test_a_folder_without_pictures_is_an_error(repository: Path, tmp_path: Path) -> None:
    script = repository / "scripts" / "benchmark.py"
    result = subprocess.run(
        [sys.executable, str(script), "--pictures", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "no picture in" in result.stderr
