"""What is installed by default is enough to read; what is missing is named with its extra."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from inktex.extras import require

HIDE = """
import importlib.machinery, sys
HIDDEN = set(sys.argv[1].split(","))
class Rest(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else super().find_spec(name, path, target)
sys.meta_path[:] = [Rest if one is importlib.machinery.PathFinder else one for one in sys.meta_path]
del sys.argv[1]
"""
EXTRAS = (
    "accelerate,datasets,evaluate,pyarrow,pandas,matplotlib,gradio,pylatexenc,HersheyFonts,"
    "tensorboard,onnx,onnxscript,latex2mathml,multiprocess,dill,xxhash,psutil,fontTools,skimage,"
    "ziamath,fastapi,uvicorn,prometheus_client,mcp"
)
COMMAND = HIDE + "from inktex.cli import main\nsys.exit(main(sys.argv[1:]))\n"
PIPELINE = (
    HIDE
    + """
import inktex
from transformers import pipeline
for task in ("image-to-text", "image-text-to-text"):
    read = pipeline(task, model=str(inktex.pretrained_path()), trust_remote_code=True)
    print(read(sys.argv[1])[0]["generated_text"])
"""
)


def run(code: str, hidden: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, hidden, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def picture(repository: Path) -> str:
    return str(repository / "spaces_app/examples/power.png")


@pytest.mark.parametrize("preset", ["fast", "accurate"])
def test_pictures_are_read_without_any_extra(preset: str, picture: str) -> None:
    done = run(COMMAND, EXTRAS, "recognize", "--preset", preset, picture)
    assert (done.returncode, done.stdout) == (0, "(a+b)^{2}\n"), done.stderr


def test_pipelines_need_no_extra(picture: str) -> None:
    done = run(PIPELINE, EXTRAS, picture)
    assert done.stdout == "(a+b)^{2}\n" * 2, done.stderr


@pytest.mark.parametrize("options", [[], ["--preset", "accurate"], ["--alternatives", "1"]])
def test_pictures_are_read_without_torch(options: list[str], picture: str) -> None:
    done = run(COMMAND, f"torch,transformers,{EXTRAS}", "recognize", *options, picture)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(a+b)^{2}\n")


@pytest.mark.parametrize(
    ("hidden", "arguments", "words"),
    [
        ("torch", ["recognize", "--engine", "torch"], "torch is not installed"),
        ("transformers", ["recognize", "--engine", "torch"], "transformers is not installed"),
        ("accelerate", ["train"], "pip install 'inktex[train]'"),
        ("pyarrow", ["transcribe", "--output", "x.parquet"], "pip install 'inktex[transcribe]'"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    hidden: str, arguments: list[str], words: str, picture: str
) -> None:
    done = run(COMMAND, hidden, *arguments, picture)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("inktex: ")
    assert words in line


@pytest.mark.parametrize(
    ("hidden", "arguments", "extra"),
    [
        ("fastapi,uvicorn", [], "serve"),
        ("prometheus_client", [], "serve"),
        ("mcp", ["--mcp"], "mcp"),
    ],
)
def test_a_server_names_its_extra(hidden: str, arguments: list[str], extra: str) -> None:
    done = run(COMMAND, hidden, "serve", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith(f": pip install 'inktex[{extra}]'.")
    assert all(name in done.stderr for name in hidden.split(","))


@pytest.mark.parametrize("module", ["inktex.training.loop", "inktex.data.crohme.builder"])
def test_modules_name_the_extra_that_they_need(module: str) -> None:
    done = run(HIDE + "__import__(sys.argv[1])", "datasets,accelerate", module)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert last.endswith("pip install 'inktex[train]'.")


def test_all_that_is_missing_is_named() -> None:
    words = r"Flying needs wings_ and tail_: pip install 'inktex\[air\]'\."
    with pytest.raises(ImportError, match=words):
        require("air", "Flying", "json", "wings_", "tail_")
    require("air", "Walking", "json")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("inktex.crohme", "inktex.data.crohme"),
        ("inktex.inkml", "inktex.ink.inkml"),
        ("inktex.render", "inktex.ink.render"),
    ],
)
def test_modules_that_moved_name_their_new_place(old: str, new: str) -> None:
    with pytest.raises(ImportError, match=f"{old} is now {new}"):
        importlib.import_module(old)
