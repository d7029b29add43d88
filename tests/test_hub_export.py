"""An exported folder is complete: it loads where inktex is not installed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from inktex.ink.render import render
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.remote_code_inktex import code_files
from inktex.release.export import export

LIBRARIES = {
    "huggingface_hub", "numpy", "PIL", "safetensors", "scipy", "tokenizers", "torch",
    "transformers",
    "pillow_heif", "pypdfium2",  # where they are installed
}  # fmt: skip
DATA_FILES = {
    "config.json", "generation_config.json", "model.safetensors", "processor_config.json",
    "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip

ABSENT = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] == "inktex":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
"""
LOAD = """
import json, sys
import torch
from transformers import (
    AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer,
    pipeline,
)
folder, picture = sys.argv[1:]
trust = {"trust_remote_code": True} if %r else {}
model = AutoModelForImageTextToText.from_pretrained(folder, **trust)
processor = AutoProcessor.from_pretrained(folder, **trust)
tokenizer = AutoTokenizer.from_pretrained(folder, **trust)
parts = {
    "model": model, "processor": processor, "tokenizer": tokenizer,
    "config": AutoConfig.from_pretrained(folder, **trust),
    "image_processor": AutoImageProcessor.from_pretrained(folder, **trust),
}
ids = model.generate(**processor(images=picture, return_tensors="pt"))
answers = {
    "modules": {name: type(part).__module__.split(".")[0] for name, part in parts.items()},
    "dtype": str(model.dtype),
    "generate": processor.post_process(ids)[0],
    "compact": tokenizer.compact(r"\\alpha x"),
}
"""
PIPELINE = """
reader = pipeline("image-to-text", model=folder, trust_remote_code=True)
answers["pipeline"] = reader([picture, picture], batch_size=2)
"""
PIPELINE_CLASS = """
from inktex.modeling import InktexPipeline
reader = pipeline("image-to-text", model=folder, pipeline_class=InktexPipeline)
answers["pipeline_class"] = reader([picture, picture], batch_size=2)
"""
ANSWER = "print(json.dumps(answers))"


@pytest.fixture(scope="module")
def folder(small_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(small_model, tmp_path_factory.mktemp("hub") / "inktex-tiny")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "x.png"
    strokes = [[(0, 0), (20, 40)], [(20, 0), (0, 40)]]
    Image.fromarray(render([np.array(s, dtype=np.float32) for s in strokes])).save(path)
    return path


def _run(code: str, folder: Path, picture: Path) -> Any:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder.parent / "home"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(picture)],
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_loads_where_inktex_is_absent(folder: Path, picture: Path) -> None:
    answers = _run(ABSENT + LOAD % True + PIPELINE + ANSWER, folder, picture)
    assert set(answers["modules"].values()) == {"transformers_modules"}
    assert answers["dtype"] == "torch.float32"
    assert answers["compact"] == r"\alpha x"
    (first,), (second,) = answers["pipeline"]
    assert first == second
    assert first["generated_text"] == answers["generate"]


def test_loads_without_trust_where_inktex_is_imported(folder: Path, picture: Path) -> None:
    code = "import inktex\ninktex.register()\n" + LOAD % False + PIPELINE + PIPELINE_CLASS + ANSWER
    answers = _run(code, folder, picture)
    assert set(answers["modules"].values()) == {"inktex"}
    assert answers["pipeline"] == answers["pipeline_class"]
    assert answers["pipeline"][0][0]["generated_text"] == answers["generate"]


def test_registration_makes_the_auto_classes_know_inktex() -> None:
    code = (
        "import inktex; inktex.register(); inktex.register()\n"
        "from transformers import AutoConfig, AutoModelForImageTextToText\n"
        "from inktex.modeling import InktexConfig\n"
        "assert type(AutoConfig.for_model('inktex')) is InktexConfig\n"
        "assert InktexConfig in AutoModelForImageTextToText._model_mapping\n"
        "from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING\n"
        "assert InktexConfig in TOKENIZER_MAPPING\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_import_is_cheap() -> None:
    code = "import sys, inktex; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- what is in the folder ----------------------------------------------------------------


def test_folder_holds_the_files_and_nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == DATA_FILES | {p.name for p in code_files()}
    assert list(folder.parent.glob("inktex-tiny.*")) == []


def test_code_is_equal_byte_by_byte(folder: Path, repository: Path) -> None:
    for path in code_files():
        assert path.parent.resolve() in (repository / "modeling", repository / "tokenizer")
        assert (folder / path.name).read_bytes() == path.read_bytes()


def test_weights_are_half_the_size_and_nearly_equal(folder: Path, small_model: Any) -> None:
    weights = load_file(folder / "model.safetensors")
    assert "lm_head.weight" not in weights  # tied
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            assert tensor.dtype == (torch.bfloat16 if tensor.ndim > 1 else torch.float32), name
        torch.testing.assert_close(
            tensor.float(), small_model.state_dict()[name].float(), rtol=2**-8, atol=1e-6
        )
    assert small_model.dtype == torch.float32
    loaded = InktexForConditionalGeneration.from_pretrained(folder)
    assert loaded.dtype == torch.float32
    assert loaded.lm_head.weight is loaded.decoder.embed_tokens.weight
    assert loaded.generation_config.max_length == 12


def test_export_replaces_what_is_there(small_model: Any, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "stray.txt").write_text("old")
    folder = export(small_model, tmp_path / "model")
    assert not (folder / "stray.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_export_leaves_what_was_there(small_model: Any, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "kept.txt").write_text("old")
    with pytest.raises(AttributeError):
        export(small_model, tmp_path / "model", processor=object())  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "kept.txt"]


# --- what the code may import -------------------------------------------------------------


@pytest.mark.parametrize("room", ["modeling", "tokenizer"])
def test_travelling_code_imports_libraries_and_flat_siblings_alone(
    repository: Path, room: str
) -> None:
    for path in (repository / room).glob("*_inktex.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                roots = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level:
                # `from . import x`, `from ..x` and `from .x.y` get lost on the way to the Hub.
                assert node.level == 1, path.name
                assert node.module, path.name
                rooms = (repository / "modeling", repository / "tokenizer")
                assert any((home / f"{node.module}.py").is_file() for home in rooms), path.name
                continue
            elif isinstance(node, ast.ImportFrom):
                roots = {str(node.module).split(".")[0]}
            else:
                continue
            assert roots <= LIBRARIES | set(sys.stdlib_module_names), f"{path.name}: {roots}"


def test_no_two_files_share_a_name(repository: Path) -> None:
    modeling, tokenizer = (
        {path.name for path in (repository / room).glob("*_*.py")} - {"__init__.py"}
        for room in ("modeling", "tokenizer")
    )
    assert not modeling & tokenizer
