"""The checkpoint that the package ships: it reads, it is described, it loads without inktex."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import inktex
from inktex.evaluation.spelling import normalize_spelling
from inktex.modeling.remote_code_inktex import code_files
from inktex.release.card import model_card, score_table

EXAMPLE = "spaces_app/examples/integral_limit.png"
CAPTION = r"\int g = \lim \limits _ { n \rightarrow \infty } \int g _ { n }"


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return inktex.pretrained_path()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_the_founding_example_is_read(folder: Path, repository: Path) -> None:
    reading = inktex.load()(repository / EXAMPLE)
    assert normalize_spelling(reading.tokens.split()) == CAPTION.split()
    assert reading.latex.startswith(r"\int g=\lim")
    assert 0 < reading.score <= 1


def test_the_weights_are_those_that_were_recorded(folder: Path) -> None:
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert record["weights_sha256"] == digest
    digest = hashlib.sha256((folder / "stroke_restoration.safetensors").read_bytes()).hexdigest()
    assert record["thinner"]["sha256"] == digest
    pickles = [p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".pkl")]
    assert not pickles


def test_card_and_documents_say_what_was_measured(folder: Path, repository: Path) -> None:
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert (folder / "README.md").read_text(encoding="utf-8") == model_card(record)
    evaluation = (repository / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert score_table(record["scores"]) in evaluation
    readme = (repository / "README.md").read_text(encoding="utf-8")
    for name in ("2014", "2016"):
        fast, accurate = record["scores"][name], record["scores"][f"{name}-accurate"]
        rates = " | ".join(f"{100 * one['exp_rate']:.2f}" for one in (fast, accurate))
        assert f"| {name} | {fast['expressions']} | {rates} |" in readme
    assert {"2014", "2016", "dev"} <= set(record["scores"])
    for name, entry in record["scores"].items():
        if name.startswith("2014"):
            assert entry["expressions"] == 986
        assert (entry["preset"] == "accurate") == ("-accurate" in name)


def test_the_weights_are_small_and_the_code_is_ours(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 16_000_000
    for path in code_files():
        assert (folder / path.name).read_bytes() == path.read_bytes(), (
            f"{path.name} is not beside the weights as it is: install the package anew"
        )


def test_it_loads_where_inktex_is_absent(folder: Path, repository: Path, tmp_path: Path) -> None:
    code = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "inktex":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from transformers import AutoModelForImageTextToText, pipeline
model = AutoModelForImageTextToText.from_pretrained({str(folder)!r}, trust_remote_code=True)
read = pipeline("image-to-text", model={str(folder)!r}, trust_remote_code=True)
print(read({str(repository / EXAMPLE)!r})[0]["generated_text"])
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.strip() == inktex.load()(repository / EXAMPLE).latex
