"""Scripts that show and measure, on small data and a small untrained model."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image

from inktex.crohme import FEATURES, row
from inktex.ink import Expression
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.synthesis.grammar import written_expressions
from inktex.training.loop import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, load_variants, recipe_path


def load(repository: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, repository / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    script = load(repository, "contact_sheet")
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
    assert load(repository, "contact_sheet").main(["--data", str(tmp_path / "none")]) == 2
    assert "prepare_crohme" in capsys.readouterr().err


def test_calibration_changes_the_temperature_alone(
    repository: Path, data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model / "config.json"
    before = json.loads(path.read_text())
    assert load(repository, "calibrate").main([str(model), "--data", str(data)]) == 0
    after = json.loads(path.read_text())
    fitted = after["decoder"].pop("temperature")
    assert before["decoder"].pop("temperature") == 1.0
    assert after == before
    assert 0.2 <= fitted <= 5.0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("temperature 1:")
    assert second.startswith(f"temperature {fitted:.3f}:")


def test_an_evaluation_writes_scores_and_a_report(
    repository: Path, data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, report = tmp_path / "dev.json", tmp_path / "report"
    source = ["--data", str(data), "--model", str(model), "--limit", "4", "--preset", "accurate"]
    target = ["--output", str(output), "--report", str(report)]
    assert load(repository, "evaluate").main([*source, *target]) == 0
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
    script = load(repository, "train")
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
    script = load(repository, "ablate")
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
    assert all(recipe != whole and recipe.minutes == whole.minutes for recipe in others)
    for recipe in variants.values():
        make_model(recipe)
    with pytest.raises(ValueError, match="no `variants`"):
        load_variants(recipe_path("tiny"))
