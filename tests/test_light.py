"""What `requirements/light.txt` installs is enough to read and to transcribe, and is small.

`make light` runs these tests in an environment that has nothing else; elsewhere the commands that
they start do not find what is not in it.
"""

from __future__ import annotations

import configparser
import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inktex.ink.inkml import read_inkml
from inktex.ink.render import render

IS_LIGHT = importlib.util.find_spec("torch") is None
LARGEST = 400
"""Megabytes of the environment."""
HIDE = """
import importlib.machinery, sys
HIDDEN = set(sys.argv.pop(1).split(","))
class Rest(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else super().find_spec(name, path, target)
sys.meta_path[:] = [Rest if one is importlib.machinery.PathFinder else one for one in sys.meta_path]
from inktex.cli import main
sys.exit(main(sys.argv[1:]))
"""
ABSENT = (
    "accelerate,datasets,evaluate,fastapi,fsspec,gradio,httpx,huggingface_hub,matplotlib,mcp,onnx,"
    "onnxscript,prometheus_client,uvicorn,"
    "pandas,pillow_heif,psutil,pyarrow,regex,requests,tokenizers,torch,transformers,yaml"
)
READINGS = {
    "circle.png": "x^{2}+y^{2}=1",
    "power.png": "(a+b)^{2}",
}


def inktex(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, as it is in a light environment."""
    if IS_LIGHT:
        command = [str(Path(sys.executable).with_name("inktex"))]
    else:
        command = [sys.executable, "-c", HIDE, ABSENT]
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def examples(repository: Path) -> Path:
    return repository / "spaces_app" / "examples"


@pytest.fixture(scope="module")
def pictures(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 100 small pictures: the examples' ink, each time a little different."""
    folder = tmp_path_factory.mktemp("pictures")
    inks = [read_inkml(path) for path in sorted(examples.glob("*.inkml"))]
    random = np.random.default_rng(0)
    for number in range(100):
        traces = inks[number % len(inks)].traces
        wide, high = random.uniform(0.9, 1.1, size=2).astype(np.float32)
        drawn = render([trace * np.array([wide, high], dtype=np.float32) for trace in traces])
        Image.fromarray(drawn).save(folder / f"{number:03}.png")
    return folder


def test_the_examples_are_read(examples: Path) -> None:
    done = inktex("recognize", examples, "--json", "--symbols")
    assert done.returncode == 0, done.stderr
    found = {Path(row["file"]).name: row for row in map(json.loads, done.stdout.splitlines())}
    assert len(found) == sum(path.suffix in (".png", ".inkml") for path in examples.iterdir())
    for name, latex in READINGS.items():
        assert found[name]["latex"] == latex
        assert found[name]["symbols"][0]["box"] is not None


@pytest.mark.parametrize(("name", "separator"), [("out.csv", ","), ("out.tsv", "\t")])
def test_a_hundred_pictures_become_a_file(
    name: str, separator: str, pictures: Path, tmp_path: Path
) -> None:
    output = tmp_path / name
    done = inktex("transcribe", pictures, "--output", output, "--workers", 2, "--window", 8)
    expected = f"{output}: 100 rows, 0 of them with an error; 100 read now.\n"
    assert (done.returncode, done.stdout) == (0, expected), done.stderr
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=separator))
    assert [row["id"] for row in rows] == sorted(path.name for path in pictures.iterdir())
    assert all(row["latex"] and not row["error"] and 0 < float(row["score"]) <= 1 for row in rows)
    again = inktex("transcribe", pictures, "--output", output)
    assert again.stdout.endswith("100 rows, 0 of them with an error; 0 read now.\n"), again.stderr


def test_a_hundred_pictures_become_json_lines(pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    done = inktex("transcribe", pictures, "--output", output, "--workers", 0)
    assert done.returncode == 0, done.stderr
    lines = (output / "part-000000.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 100
    assert list(json.loads(lines[0])) == ["id", "latex", "tokens", "score", "error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recognize", "power.png", "--engine", "torch"], "pip install inktex."),
        (["recognize", "power.png", "--device", "cuda"], "pip install inktex."),
        (["recognize", "power.png", "--model", "owner/name"], "pip install inktex."),
        (["recognize", "power.png", "--engine", "onnx-int8"], "pip install 'inktex[export]'"),
        (["serve"], "pip install 'inktex[serve]'."),
        (["serve", "--mcp"], "pip install 'inktex[mcp]'."),
        (["transcribe", ".", "--output", "OUT.csv", "--engine", "torch"], "pip install inktex."),
        (["transcribe", ".", "--output", "OUT.parquet"], "pip install 'inktex[transcribe]'."),
        (["transcribe", "o/n", "--output", "OUT.csv"], "pip install 'inktex[transcribe]'."),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    arguments: list[str],
    words: str,
    examples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(examples)
    out = str(tmp_path / "OUT")
    done = inktex(
        *(one.replace("OUT", out) for one in arguments), INKTEX_CACHE=str(tmp_path / "cache")
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("inktex: ")
    assert words in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not IS_LIGHT, reason="torch is there")
def test_an_export_names_its_extra() -> None:
    done = inktex("export")
    assert done.returncode == 2
    assert done.stderr.startswith("inktex: An export to ONNX needs torch, transformers")
    assert done.stderr.strip().endswith(": pip install 'inktex[export]'.")
    assert done.stderr.count("\n") == 1


def test_parquet_files_and_saved_data_sets_name_their_extra(tmp_path: Path) -> None:
    (tmp_path / "in.parquet").touch()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").touch()
    for name, module in (("in.parquet", "pyarrow"), ("saved", "datasets")):
        done = inktex("transcribe", tmp_path / name, "--output", tmp_path / "out.csv")
        assert done.returncode == 2
        assert f" needs {module}: pip install 'inktex[transcribe]'." in done.stderr


def test_several_processes_name_their_extra(examples: Path, tmp_path: Path) -> None:
    done = inktex("transcribe", examples, "--output", tmp_path / "out.csv", WORLD_SIZE="2")
    assert done.returncode == 2
    assert "needs torch and accelerate: pip install 'inktex[transcribe]'." in done.stderr


def test_help_and_version_need_nothing() -> None:
    for arguments in (["--help"], ["--version"], ["transcribe", "--help"]):
        assert inktex(*arguments).returncode == 0


def test_the_lower_bounds_are_those_of_the_package(repository: Path) -> None:
    configuration = configparser.ConfigParser()
    configuration.read(repository / "setup.cfg", encoding="utf-8")
    package = configuration["options"]["install_requires"].split()
    text = (repository / "requirements" / "light.txt").read_text(encoding="utf-8")
    light = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert set(light) < set(package)
    names = {re.split("[<>=]", line)[0] for line in light}
    assert names.isdisjoint({"torch", "transformers", "tokenizers", "huggingface-hub"})


@pytest.mark.skipif(not IS_LIGHT, reason="make light measures the environment that it makes")
def test_the_environment_is_small_and_has_no_torch(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("torch", "transformers", "tokenizers", "huggingface_hub", "pyarrow"):
        assert importlib.util.find_spec(name) is None, name
    sizes = [
        os.lstat(Path(parent, name)) for parent, _, names in os.walk(sys.prefix) for name in names
    ]
    # As du counts, where the system tells.
    total = sum(getattr(one, "st_blocks", -(-one.st_size // 512)) * 512 for one in sizes) / 1e6
    with capsys.disabled():
        print(f"\nThe light environment has {total:.0f} MB of {LARGEST} MB.")
    assert total <= LARGEST
