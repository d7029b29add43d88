"""Scripts that show and measure, on small data and a small untrained model."""

import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from fuzzing import case, save_case
from PIL import Image
from script_loading import load_script

from inktex import torch_engine
from inktex.cli import main
from inktex.data.rows import FEATURES, row
from inktex.ink import Expression
from inktex.synthesis.random_captions import written_expressions
from inktex.training.models import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, recipe_path


def write(path: Path, expressions: list[Expression]) -> None:
    rows = [row(one) for one in expressions]
    pq.write_table(pa.Table.from_pylist(rows, schema=FEATURES.arrow_schema), path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write(folder / "train.parquet", written_expressions(40, seed=1))
    write(folder / "dev.parquet", written_expressions(8, seed=2))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    recipe = load_recipe(recipe_path("tiny"), ["decoder.initializer_range=0.3"])
    folder = tmp_path / "model"
    network = make_model(recipe)
    network.generation_config.max_length = 16
    save_model(network, make_processor(recipe), folder)
    return folder


def test_a_contact_sheet_has_as_much_synthetic_as_real_ink(
    repository: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load_script(repository, "contact_sheet")
    output = tmp_path / "sheet.png"
    arguments = ["--data", str(data), "--output", str(output), "--count", "6", "--columns", "3"]
    assert script.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5", "6"]
    assert sorted(line.split()[1] for line in lines) == ["real"] * 3 + ["synthetic"] * 3
    with Image.open(output) as sheet:
        assert sheet.size == (3 * script.CELL[0], 2 * script.CELL[1])
        assert sheet.convert("L").getextrema() == (0, 255)
        first = sheet.tobytes()
    assert script.main([*arguments, "--quiz"]) == 0
    assert capsys.readouterr().out == ""
    with Image.open(output) as sheet:
        assert sheet.tobytes() == first, "the same seed gives the same sheet"


def test_a_contact_sheet_says_where_data_is_missing(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_script(repository, "contact_sheet").main(["--data", str(tmp_path / "none")]) == 2
    assert "prepare_crohme" in capsys.readouterr().err


def test_calibration_changes_temperatures_and_threshold_alone(
    repository: Path, data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model / "config.json"
    before = json.loads(path.read_text())
    assert load_script(repository, "calibrate").main([str(model), "--data", str(data)]) == 0
    after = json.loads(path.read_text())
    lines = capsys.readouterr().out.splitlines()
    for name, shown in (
        ("token_temperature", "fast, temperature"),
        ("rescoring_temperature", "accurate, temperature of the rescoring"),
    ):
        fitted = after["decoder"].pop(name)
        assert before["decoder"].pop(name) == 1.0
        assert 0.2 <= fitted <= 5.0
        assert lines.pop(0).startswith(f"{shown} 1:")
        assert lines.pop(0).startswith(f"{shown} {fitted:.3f}:")
        if name == "token_temperature":
            doubt = after["decoder"].pop("doubt_threshold")
            assert before["decoder"].pop("doubt_threshold") == 0.8
            assert 0 <= doubt <= 1
            assert lines.pop(0).startswith(f"fast, doubt below {doubt}: Doubtful are ")
    assert after == before
    assert not lines


def test_an_evaluation_writes_scores_and_a_report(
    repository: Path, data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, report = tmp_path / "dev.json", tmp_path / "report"
    source = ["--data", str(data), "--model", str(model), "--limit", "4", "--preset", "accurate"]
    target = ["--output", str(output), "--report", str(report)]
    assert main(["evaluate", *source, *target]) == 0
    printed = capsys.readouterr().out
    assert "4 expressions, 0 unreadable, preset accurate" in printed
    assert "calibration error" in printed
    assert "Doubtful are" in printed
    content = json.loads(output.read_text())
    assert content["settings"]["preset"] == "accurate"
    assert content["scores"]["expressions"] == 4
    assert "expected_calibration_error" in content["calibration"]
    assert (report / "README.md").is_file()
    assert (report / "misreads.png").is_file()


@pytest.fixture
def short_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained model never ends: it shall not go on for long."""
    monkeypatch.setattr(torch_engine, "MAX_TOKENS", 8)


@pytest.mark.usefixtures("short_readings")
def test_conditions_are_compared_with_clean_pictures(
    repository: Path, data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, output = tmp_path / "sheet.png", tmp_path / "camera.json"
    arguments = ["--data", str(data), "--model", str(model), "--limit", "3"]
    conditions = ["--camera", "transparent", "1 pixel", "JPEG"]
    arguments = ["evaluate", *arguments]
    assert main([*arguments, *conditions, "--sheet", str(sheet), "--output", str(output)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    names = [row.split(" | ")[0].removeprefix("| ") for row in rows[1:]]
    chosen = ["clean", "transparent", "strokes of 1 pixel", "JPEG of quality 30"]
    assert names == chosen
    assert list(json.loads(output.read_text())["conditions"]) == chosen
    with Image.open(sheet) as picture:
        assert picture.size == (6 * 330, len(chosen) * 150)
    assert main([*arguments, "--camera", "by moonlight"]) == 2
    assert "camera, mild" in capsys.readouterr().err


def test_options_that_do_not_go_together_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for options, words in (
        (["--data", "x", "--variation", "0"], "--variation says how far --varied varies"),
        (["--data", "x", "--varied", "2", "--strength", "1.3"], "--strength is now --variation"),
        (["--data", "x", "--resolution", "0"], "between 0.2 and 4"),
        (["--pictures", "x"], "--pictures needs --captions"),
        ([], "either --pictures with --captions, or --data"),
    ):
        assert main(["evaluate", *options]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.usefixtures("short_readings")
def test_variation_and_resolution_can_be_chosen(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "varied.json"
    arguments = ["evaluate", "--data", str(data), "--model", str(model), "--limit", "3"]
    varied = ["--varied", "2", "--variation", "1.3", "--resolution", "0.5"]
    assert main([*arguments, *varied, "--output", str(output)]) == 0
    settings = json.loads(output.read_text())["settings"]
    assert settings["resolution"] == 0.5
    assert settings["test_set"].endswith("as 2 varied writers (variation 1.3)")
    assert main([*arguments, "--varied", "2", "--variation", "-1"]) == 2
    assert "factor is 0 or more" in capsys.readouterr().err


def test_conditions_are_what_they_are_called() -> None:
    from inktex.evaluation.conditions import CONDITIONS, degraded
    from inktex.evaluation.samples import Sample
    from inktex.ink.render import render

    (expression,) = written_expressions(1, seed=2)
    ink = Image.fromarray(render(expression.traces))
    sample = Sample("a", ink, "")
    assert degraded(sample, "2 times the size").picture.size == (2 * ink.width, 2 * ink.height)
    assert degraded(sample, "transparent").picture.mode == "RGBA"
    assert degraded(sample, "dark on light").picture.getpixel((0, 0)) == 255
    widths = [
        np.asarray(degraded(sample, f"strokes of {pen} pixel{'s' * (pen > 1)}").picture).mean()
        * np.asarray(degraded(sample, f"strokes of {pen} pixel{'s' * (pen > 1)}").picture).size
        for pen in (1, 2, 4, 6, 8)
    ]
    assert widths == sorted(widths)
    turned = degraded(sample, "turned by 6 degrees").picture
    assert turned.height > ink.height
    aslant = degraded(sample, "slight perspective").picture
    assert aslant.size == ink.size
    for picture in (turned, aslant):
        ratio = np.asarray(picture).sum() / np.asarray(ink).sum()
        assert 0.75 < ratio < 1.1
    assert len(CONDITIONS) == 35


def test_marks_and_sheets_of_conditions_leave_the_ink_alone() -> None:
    from inktex.evaluation.conditions import degraded
    from inktex.evaluation.samples import Sample
    from inktex.ink.render import render

    (expression,) = written_expressions(1, seed=2)
    ink = Image.fromarray(render(expression.traces))
    sample = Sample("a", ink, "")
    strokes = int((np.asarray(ink) > 127).sum())
    blue = {"boxed": 1.2, "underlined": 1.2, "another line at the edge": 1.2, "circled": 1.0,
            "frame at the edge": 1.0, "squared paper": 1.0, "red pen": 1.0}  # fmt: skip
    for name, least in blue.items():
        picture = np.asarray(degraded(sample, name).picture).astype(int)
        own = (abs(picture - (25, 30, 90)).sum(axis=2) < 30).sum()
        assert least * strokes <= own + 1 < 4 * strokes, name
    assert np.asarray(degraded(sample, "dark screenshot").picture).mean() < 80
    sheet = np.asarray(degraded(sample, "white drawing").picture)
    assert sheet.shape[2] == 4
    assert set(np.unique(sheet[..., 3])) == {0, 255}
    assert degraded(sample, "turned by 90 degrees").picture.size == ink.size[::-1]
    upside = np.asarray(degraded(sample, "turned by 180 degrees").picture)
    assert np.array_equal(upside[::-1, ::-1], np.asarray(ink))
    assert degraded(sample, "16 pixels tall").picture.height == round(ink.height * 16 / 28)


def test_photos_are_the_same_whenever_they_are_made() -> None:
    pytest.importorskip("augraphy", reason="photos are made by Augraphy, an extra")
    from inktex.evaluation.conditions import degraded
    from inktex.evaluation.samples import Sample

    ink = np.zeros((40, 60), dtype=np.uint8)
    ink[10:30, 20:23] = 255
    sample = Sample("a", Image.fromarray(ink), "")
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    first, second = (degraded(sample, "camera, mild").picture for _ in range(2))
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002
    assert first.tobytes() == second.tobytes()
    assert first.mode == "RGB"
    assert first.tobytes() != degraded(sample, "camera, mild", seed=1).picture.tobytes()


@pytest.mark.usefixtures("short_readings")
def test_rejections_are_counted_and_shown(
    repository: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "negatives.png"
    script = load_script(repository, "check_rejection")
    arguments = ["--model", str(model), "--count", "10", "--sheet", str(sheet)]
    assert script.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "| page of print | 1 | 1 | 0 | 0.00 |" in printed
    assert "of 10 pictures without a formula" in printed
    with Image.open(sheet) as picture:
        assert picture.size == (1700, 170)


def test_fuzzing_counts_what_was_read_and_rejected(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("picture", "array", "inkml", "caption"):
        assert save_case(tmp_path, kind, 0, case(kind, 0)).parent == tmp_path
    assert len(list(tmp_path.iterdir())) == 4
    script = load_script(repository, "fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "limit_memory", lambda: None)  # the test run goes on afterwards
        assert script.main(["--cases", "8", "--kind", "caption", "--save", str(tmp_path)]) == 0
    assert "8 cases, seed 0: 0 failed" in capsys.readouterr().out
