"""The model card says what was recorded, no more and no less."""

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from script_loading import load_script

from inktex.modeling.ink_extraction_inktex import InkExtraction
from inktex.modeling.ink_network_inktex import InktexInkExtraction, trained_weights
from inktex.modeling.stroke_restoration_inktex import StrokeRestoration
from inktex.release.card import model_card, score_table, training_minutes
from inktex.release.sources import training_data
from inktex.training.recipe import load_recipe, recipe_path
from inktex.training.stroke_restoration_net import StrokeRestorationNet, fold

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
    "scores": {
        "2014": SCORES,
        "2016-accurate": {**SCORES, "preset": "accurate", "alphabet": "crohme"},
        "wide-letters": SCORES,
    },
    "data": "own ink",
    "recipe": {"name": "tiny"},
    "commit": "abc123",
    "weights_licence": "CC BY-NC-SA 3.0",
}


@pytest.fixture
def script(repository: Path) -> ModuleType:
    return load_script(repository, "package_checkpoint")


def test_scores_become_rows() -> None:
    header, _, first, second, _ = score_table(RECORD["scores"]).splitlines()
    assert first == "| 2014 | 8 | 50.00 | 62.50 | 75.00 | 87.50 | 12.50 | fast | all |"
    assert second.endswith("| accurate | crohme |")
    assert header.count("|") == first.count("|")


def test_the_card_has_front_matter_scores_and_licence() -> None:
    _, front, text = model_card(RECORD).split("---\n", 2)
    content = yaml.safe_load(front)
    assert content["license"] == "cc-by-nc-sa-3.0"
    assert content["pipeline_tag"] == "image-to-text"
    assert score_table(RECORD["scores"]) in text
    results = content["model-index"][0]["results"]
    assert [one["dataset"]["config"] for one in results] == ["2014", "2016-accurate"]
    assert results[1]["dataset"]["name"] == "CROHME 2016"
    for word in ("5.4 M", "own ink", "`abc123`", "CC BY-NC-SA 3.0", "Apache-2.0"):
        assert word in text
    assert not re.search(r"\{[a-z_]+\}", text)  # all fields are filled


def test_the_card_names_the_data_with_licences() -> None:
    base = load_recipe(recipe_path("base")).to_dict()
    assert training_data(base) == "CROHME training ink (CC BY-NC-SA 3.0), its train split alone"
    text = training_data(load_recipe(recipe_path("alphabet")).to_dict())
    assert "with the test ink of 2011, 2012, 2013" in text
    for word in ("Open Database License", "UNIPEN", "CC BY 4.0", "fonts", "QuantEcon", "STIX"):
        assert word in text


def test_the_record_is_of_the_model_that_was_evaluated(script: ModuleType, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "best").mkdir(parents=True)
    (run / "recipe.json").write_text(json.dumps({"name": "tiny", "init": None}))
    (run / "machine.json").write_text(json.dumps({"processes": 1, "cores": 2, "gpu": None}))
    measured = {"step": 100, "epoch": 2, "minutes": 1.5, "expressions": 8, "exp_rate": 0.5}
    curve = [{"step": 50, "loss": 1.0}, measured]
    (run / "curve.jsonl").write_text("\n".join(map(json.dumps, curve)))
    settings = {
        "model": str(run / "best"), "preset": "fast", "alphabet": "crohme", "test_set": "data:dev",
    }  # fmt: skip
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
    assert record["scores"]["dev"]["alphabet"] == "crohme"
    assert record["scores"]["dev"]["exp_rate_without_normalization"] == 0.25
    settings["model"] = str(tmp_path / "other")
    path.write_text(json.dumps(evaluation))
    with pytest.raises(ValueError, match="other"):
        script.training_record(run, run / "best", [path])


def test_the_record_goes_back_over_runs_that_were_never_packaged(
    script: ModuleType, tmp_path: Path
) -> None:
    """The card tells the time of all runs that the weights went through."""
    shipped, first, second = (tmp_path / name for name in ("shipped", "first", "second"))
    shipped.mkdir()
    known: dict[str, Any] = {"recipe": {"name": "base", "minutes": 26}, "started_from": None}
    (shipped / "training.json").write_text(json.dumps(known))
    for run, init, minutes in ((first, shipped, 75), (second, first / "averaged", 42)):
        (run / "averaged").mkdir(parents=True)
        recipe = {"name": "base", "init": str(init), "minutes": minutes}
        (run / "recipe.json").write_text(json.dumps(recipe))
        (run / "curve.jsonl").write_text("")
        machine = {"processes": 1, "cores": 16, "gpu": "Fast" if run == second else None}
        (run / "machine.json").write_text(json.dumps(machine))
    record = script.training_record(second, second / "averaged", [])
    assert record["recipe"]["init"] == "averaged"
    assert record["started_from"]["started_from"] == known
    assert training_minutes(record) == {"": 26, "16 CPU cores": 75, "1 Fast": 42}
    runs = [
        {"recipe": recipe, "machine": {"processes": 1, "cores": 16, "gpu": "Faster"}}
        for recipe in ({**record["recipe"], "init": "there"}, {"name": "aside", "minutes": 8.0})
    ]
    averaged = [{"share": 0.5, "run": run} for run in (None, *runs, runs[1])]
    assert training_minutes({**record, "averaged": averaged}) == {
        **training_minutes(record), "1 Faster": 8
    }  # fmt: skip
    known["cores"] = 2
    (shipped / "training.json").write_text(json.dumps(known))
    card = model_card({**RECORD, **script.training_record(second, second / "averaged", [])})
    assert "1.2 hours on 16 CPU cores and 42 minutes on 1 Fast and 26 minutes on 2 CPU" in card
    (shipped / "training.json").unlink()
    with pytest.raises(ValueError, match=r"which has no training\.json"):
        script.training_record(second, second / "averaged", [])


def test_a_thinner_is_exchanged_alone(script: ModuleType, tmp_path: Path) -> None:
    thinner = fold(StrokeRestorationNet((4, 6)).eval())
    first, run, output = (tmp_path / name for name in ("first", "run", "output"))
    found = {"sha256": thinner.checksum, "minutes": 75.2, "pen": 6}
    found |= {"wrong": 0.0125, "wrong_before": 0.0238}
    for folder, init in ((first, None), (run, str(first / "averaged"))):
        folder.mkdir()
        thinner.save(folder / "stroke_restoration.safetensors")
        (folder / "stroke_restoration.json").write_text(json.dumps(found))
        (folder / "recipe.json").write_text(json.dumps({"name": "thinner", "init": init}))
        (folder / "machine.json").write_text(json.dumps({"processes": 2, "cores": 2, "gpu": None}))
    output.mkdir()
    (output / "training.json").write_text(json.dumps(RECORD))
    assert script.main(["--stroke-restoration", str(run), "--output", str(output)]) == 0
    record = json.loads((output / "training.json").read_text())
    assert record["thinner"]["sha256"] == thinner.checksum
    assert record["scores"] == RECORD["scores"]
    assert script.known_network("stroke_restoration", output, thinner) == record["thinner"]
    other = fold(StrokeRestorationNet((4, 6)).eval())
    with pytest.raises(ValueError, match="is not about the model's stroke restoration"):
        script.known_network("stroke_restoration", output, other)
    assert script.known_network("stroke_restoration", output, None) is None
    card = (output / "README.md").read_text()
    assert record["thinner"]["started_from"]["minutes"] == 75.2
    assert "150 minutes on 2 CPU cores" in card
    assert "it leaves 1.25 % unlike the published picture; without it, 2.38 % are." in card
    (run / "stroke_restoration.json").write_text(json.dumps({**found, "sha256": "0"}))
    assert script.main(["--stroke-restoration", str(run), "--output", str(output)]) == 2
    assert (
        StrokeRestoration.load(output / "stroke_restoration.safetensors").checksum
        == thinner.checksum
    )


def test_an_ink_extraction_is_put_beside_a_checkpoint(script: ModuleType, tmp_path: Path) -> None:
    torch.manual_seed(0)
    extraction = InkExtraction(trained_weights(InktexInkExtraction((8, 8, 8, 8))))
    run, output = tmp_path / "run", tmp_path / "output"
    run.mkdir()
    output.mkdir()
    extraction.save(run / "ink_extraction.safetensors")
    found = {"sha256": extraction.checksum, "minutes": 61.0, "ink_f1": 0.75}
    (run / "ink_extraction.json").write_text(json.dumps(found))
    (run / "recipe.json").write_text(json.dumps({"name": "ink_extraction", "init": None}))
    (run / "machine.json").write_text(json.dumps({"processes": 2, "cores": 2, "gpu": None}))
    (output / "training.json").write_text(json.dumps(RECORD))
    assert script.main(["--ink-extraction", str(run), "--output", str(output)]) == 0
    again = InkExtraction.load(output / "ink_extraction.safetensors")
    record = json.loads((output / "training.json").read_text())
    assert script.known_network("ink_extraction", output, again) == record["ink_extraction"]
    card = (output / "README.md").read_text()
    assert "61 minutes on 2 CPU cores" in card
    assert "it finds 75.0 % (F1)" in card
    (run / "ink_extraction.json").write_text(json.dumps({**found, "sha256": "other"}))
    assert script.main(["--ink-extraction", str(run), "--output", str(output)]) == 2
