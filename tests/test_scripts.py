"""Scripts that show and measure, on small data and a small untrained model."""

import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from script_loading import load_script

from inktex import recognizer
from inktex.crohme import FEATURES, row
from inktex.ink import Expression
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.synthesis.grammar import written_expressions
from inktex.training.loop import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, load_variants, recipe_path


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
        assert sheet.getextrema() == (0, 255)
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


def test_calibration_changes_the_temperatures_alone(
    repository: Path, data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model / "config.json"
    before = json.loads(path.read_text())
    assert load_script(repository, "calibrate").main([str(model), "--data", str(data)]) == 0
    after = json.loads(path.read_text())
    lines = capsys.readouterr().out.splitlines()
    for name, shown in (
        ("token_temperature", "fast, temperature"),
        ("rescoring_temperature", "accurate, temperature of rescoring"),
    ):
        fitted = after["decoder"].pop(name)
        assert before["decoder"].pop(name) == 1.0
        assert 0.2 <= fitted <= 5.0
        assert lines.pop(0).startswith(f"{shown} 1:")
        assert lines.pop(0).startswith(f"{shown} {fitted:.3f}:")
    assert after == before
    assert not lines


def test_an_evaluation_writes_scores_and_a_report(
    repository: Path, data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, report = tmp_path / "dev.json", tmp_path / "report"
    source = ["--data", str(data), "--model", str(model), "--limit", "4", "--preset", "accurate"]
    target = ["--output", str(output), "--report", str(report)]
    assert load_script(repository, "evaluate").main([*source, *target]) == 0
    printed = capsys.readouterr().out
    assert "4 expressions, 0 unreadable, preset accurate" in printed
    assert "calibration error" in printed
    content = json.loads(output.read_text())
    assert content["settings"]["preset"] == "accurate"
    assert content["scores"]["expressions"] == 4
    assert "expected_calibration_error" in content["calibration"]
    assert (report / "README.md").is_file()
    assert (report / "misreads.png").is_file()


def test_stages_start_from_one_another(repository: Path, data: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(recipe_path("tiny").read_text())
    content |= {"name": "two", "batch": content["batch"] | {"pixels": 12_000}}
    content["stages"] = [{"steps": 2}, {"steps": 1, "encoder": {"block_layers": [1, 2, 3]}}]
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(content))
    output = tmp_path / "run"
    script = load_script(repository, "train")
    arguments = [str(path), "--data", str(data), "--output", str(output)]
    assert script.main(arguments) == 0
    last = InktexForConditionalGeneration.from_pretrained(output / "stage-2" / "averaged")
    assert last.config.encoder.block_layers == [1, 2, 3]
    recipe = json.loads((output / "stage-2" / "recipe.json").read_text())
    assert recipe["init"] == str(output / "stage-1" / "averaged")
    written = (output / "stage-2" / "curve.jsonl").read_text()
    assert script.main(arguments) == 0, "what is done is not done again"
    assert (output / "stage-2" / "curve.jsonl").read_text() == written


def test_an_ablation_compares_variants_and_goes_on(
    repository: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(recipe_path("tiny").read_text())
    content |= {"name": "parts", "steps": 1, "data": str(data)}
    content["batch"] |= {"pixels": 12_000}
    content["variants"] = {"all of it": {}, "One direction (alone)": {"batch": {"reverse": False}}}
    path = tmp_path / "parts.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    script = load_script(repository, "ablate")
    arguments = ["--recipe", str(path), "--output", str(tmp_path / "run")]
    assert script.main([*arguments, "--only", "all of it"]) == 0
    first = (tmp_path / "run" / "all-of-it" / "result.json").read_bytes()
    assert script.main(arguments) == 0
    assert (tmp_path / "run" / "all-of-it" / "result.json").read_bytes() == first
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in printed[-2:]] == [
        "| all of it",
        "| One direction (alone)",
    ]
    result = json.loads((tmp_path / "run" / "one-direction-alone" / "result.json").read_text())
    assert result["dev"]["expressions"] == 8
    assert result["steps"] == 1
    assert script.main([*arguments, "--only", "nothing"]) == 2
    assert "all of it" in capsys.readouterr().err


def test_the_ablation_has_every_part_it_should(repository: Path) -> None:
    variants = load_variants(recipe_path("ablation"))
    whole = variants["all of it"]
    others = [recipe for name, recipe in variants.items() if name != "all of it"]
    assert all(recipe != whole for recipe in others)
    # Other encoders and decoders take as many steps as cost the same.
    assert {recipe.steps for recipe in others if recipe.steps != whole.steps} == {2150, 1030}
    for recipe in variants.values():
        make_model(recipe)
    with pytest.raises(ValueError, match="no `variants`"):
        load_variants(recipe_path("tiny"))


@pytest.fixture
def short_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained model never ends: it shall not go on for long."""
    monkeypatch.setattr(recognizer, "MAX_TOKENS", 8)


@pytest.mark.usefixtures("short_readings")
def test_conditions_are_compared_with_clean_pictures(
    repository: Path, data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, output = tmp_path / "sheet.png", tmp_path / "camera.json"
    arguments = ["--data", str(data), "--model", str(model), "--limit", "3"]
    conditions = ["--camera", "transparent", "1 pixel", "JPEG"]
    evaluate = load_script(repository, "evaluate").main
    assert evaluate([*arguments, *conditions, "--sheet", str(sheet), "--output", str(output)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    names = [row.split(" | ")[0].removeprefix("| ") for row in rows[1:]]
    chosen = ["clean", "transparent", "strokes of 1 pixel", "JPEG of quality 30"]
    assert names == chosen
    assert list(json.loads(output.read_text())["conditions"]) == chosen
    with Image.open(sheet) as picture:
        assert picture.size == (3 * 330 + 130, len(chosen) * 300)
    assert evaluate([*arguments, "--camera", "by moonlight"]) == 2
    assert "camera, mild" in capsys.readouterr().err


def test_a_strength_without_variation_is_refused(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate = load_script(repository, "evaluate")
    assert evaluate.main(["--data", "x", "--strength", "0"]) == 2
    assert "--strength says how far --varied varies" in capsys.readouterr().err


@pytest.mark.usefixtures("short_readings")
def test_hands_and_resolution_can_be_chosen(
    repository: Path, data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate, output = load_script(repository, "evaluate").main, tmp_path / "hands.json"
    arguments = ["--data", str(data), "--model", str(model), "--limit", "3"]
    hands = ["--varied", "2", "--strength", "1.3", "--resolution", "0.5"]
    assert evaluate([*arguments, *hands, "--output", str(output)]) == 0
    settings = json.loads(output.read_text())["settings"]
    assert settings["resolution"] == 0.5
    assert settings["test_set"].endswith("in 2 other hands of strength 1.3")
    for wrong in (["--resolution", "0"], ["--varied", "2", "--strength", "-1"]):
        assert evaluate([*arguments, *wrong]) == 2
    assert "between 0.2 and 4" in capsys.readouterr().err


def test_conditions_are_what_they_are_called() -> None:
    from inktex.evaluation.camera import CONDITIONS, degraded
    from inktex.evaluation.reading import Sample
    from inktex.render import render

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
    assert len(CONDITIONS) == 19


def test_photos_are_the_same_whenever_they_are_made() -> None:
    pytest.importorskip("augraphy", reason="photos are made by Augraphy, an extra")
    from inktex.evaluation.camera import degraded
    from inktex.evaluation.reading import Sample

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
def test_refusals_are_counted_and_shown(
    repository: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "negatives.png"
    script = load_script(repository, "check_refusal")
    arguments = ["--model", str(model), "--count", "10", "--sheet", str(sheet)]
    assert script.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "| page of print | 1 | 1 | 0 | 0.00 |" in printed
    assert "of 10 pictures without a formula" in printed
    with Image.open(sheet) as picture:
        assert picture.size == (1700, 170)


def test_fuzzing_counts_what_was_read_and_refused(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from inktex.evaluation.fuzzing import case, save_case

    for kind in ("picture", "array", "inkml", "caption"):
        assert save_case(tmp_path, kind, 0, case(kind, 0)).parent == tmp_path
    assert len(list(tmp_path.iterdir())) == 4
    script = load_script(repository, "fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "limit_memory", lambda: None)  # the test run goes on afterwards
        assert script.main(["--cases", "8", "--kind", "caption", "--save", str(tmp_path)]) == 0
    assert "8 cases, seed 0: 0 failed" in capsys.readouterr().out


def test_killed_runs_end_as_unbroken_ones(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load_script(repository, "kill_training")
    assert script.main(["--kills", "2", "--folder", str(tmp_path)]) == 0
    assert "bit-equal to an unbroken run, 0 did not" in capsys.readouterr().out


def test_symbols_are_counted_right_and_wrong(
    repository: Path, data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load_script(repository, "check_symbols")
    arguments = ["--data", str(data), "--model", str(model), "--limit", "4", "--show", "1"]
    assert script.main(arguments) == 0
    first, *sizes, last = capsys.readouterr().out.splitlines()
    words = first.split()
    assert words[0] == "dev:"
    assert int(words[1]) < int(words[3])
    counts = [line.split(":")[1].split() for line in sizes]  # "12 of 34, 35.3 %"
    assert sum(int(count[0]) for count in counts) == int(words[1])
    assert sum(int(count[2].rstrip(",")) for count in counts) == int(words[3])
    assert " taken for " in last
    assert script.main([*arguments, "--split", "none"]) == 2
    assert "prepare_crohme" in capsys.readouterr().err


def test_what_pens_fill_and_cost_is_measured(
    repository: Path, data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load_script(repository, "check_pens")
    arguments = ["--data", str(data), "--model", str(model), "--limit", "6", "--parts", "3"]
    assert script.main([*arguments, "--pens", "4", "8"]) == 0
    pens, parts = (
        [line.strip("|").split("|") for line in table.splitlines() if line[2:3].isdigit()]
        for table in capsys.readouterr().out.split("\n\n")
    )
    assert [int(row[0]) for row in pens] == [3, 4, 8]
    filled = [float(row[1]) for row in pens]
    assert filled[0] == 0 < filled[1] < filled[2]
    assert [int(row[2]) for row in parts] == [2] * 6
    for rows in (parts[:3], parts[3:]):
        bounds = [float(bound) for row in rows for bound in row[1].split("to")]
        assert bounds == sorted(bounds)
    assert script.main([*arguments, "--split", "none"]) == 2
    assert "prepare_crohme" in capsys.readouterr().err


def test_what_a_pen_hides_is_measured(
    repository: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare = load_script(repository, "compare_pens").main
    arguments = ["--data", str(data), "--splits", "train", "--limit", "30"]
    assert compare([*arguments, "--hands", "0", "--passes", "20", "--pens", "3", "3", "9"]) == 0
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("| train")
    ]
    assert [row[2] for row in rows] == ["3", "3", "9"]
    assert rows[0] == rows[1]  # the same pen, so the same network
    assert float(rows[0][3]) < 60  # of dozens of labels: it has learnt
    assert float(rows[2][4]) == pytest.approx(float(rows[2][3]) / float(rows[0][3]), abs=0.02)
    assert compare([*arguments, "--pens", "2"]) == 2
    assert compare([*arguments, "--data", "nowhere"]) == 2
    assert "prepare_crohme" in capsys.readouterr().err
