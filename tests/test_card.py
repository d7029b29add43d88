"""The model card says what was recorded, no more and no less."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from inktex.card import model_card, score_table

SCORES = {
    "exp_rate": 0.5,
    "exp_rate_1": 0.625,
    "exp_rate_2": 0.75,
    "exp_rate_3": 0.875,
    "token_error_rate": 0.125,
    "expressions": 8,
    "preset": "fast",
}
RECORD: dict[str, Any] = {
    "parameters": 5_400_000,
    "scores": {"2014": SCORES, "2016": {**SCORES, "preset": "accurate"}},
    "data": "own ink",
    "recipe": {"name": "tiny"},
    "commit": "abc123",
    "weights_licence": "CC BY-NC-SA 3.0",
}


@pytest.fixture
def script(repository: Path) -> ModuleType:
    path = repository / "scripts" / "package_checkpoint.py"
    spec = importlib.util.spec_from_file_location("package_checkpoint", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_scores_become_rows() -> None:
    header, _, first, second = score_table(RECORD["scores"]).splitlines()
    assert first == "| 2014 | 8 | 50.00 | 62.50 | 75.00 | 87.50 | 12.50 | fast |"
    assert second.endswith("| accurate |")
    assert header.count("|") == first.count("|")


def test_the_card_has_front_matter_scores_and_licence() -> None:
    _, front, text = model_card(RECORD).split("---\n", 2)
    content = yaml.safe_load(front)
    assert content["license"] == "cc-by-nc-sa-3.0"
    assert content["pipeline_tag"] == "image-to-text"
    assert score_table(RECORD["scores"]) in text
    for word in ("5.4 M", "own ink", "`abc123`", "CC BY-NC-SA 3.0", "Apache-2.0"):
        assert word in text
    assert not re.search(r"\{[a-z_]+\}", text)  # all fields are filled


def test_the_record_is_of_the_model_that_was_evaluated(script: ModuleType, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "best").mkdir(parents=True)
    (run / "recipe.json").write_text(json.dumps({"name": "tiny", "init": None}))
    curve = [{"step": 50, "loss": 1.0}, {"step": 100, "epoch": 2, "minutes": 1.5, "exp_rate": 0.5}]
    (run / "curve.jsonl").write_text("\n".join(map(json.dumps, curve)))
    settings = {"model": str(run / "best"), "preset": "fast", "test_set": "data:dev"}
    evaluation = {
        "settings": settings,
        "scores": SCORES,
        "scores_without_normalization": {"exp_rate": 0.25},
    }
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(evaluation))
    record = script.training_record(run, run / "best", [path])
    assert record["validations"] == [curve[1]]
    assert record["scores"]["dev"]["exp_rate"] == 0.5
    assert record["scores"]["dev"]["exp_rate_without_normalization"] == 0.25
    settings["model"] = str(tmp_path / "other")
    path.write_text(json.dumps(evaluation))
    with pytest.raises(ValueError, match="other"):
        script.training_record(run, run / "best", [path])
