"""Saving with code: what a repository needs to load where inktex is not installed."""

import ast
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

AUTO_MAP = {
    "AutoConfig": "configuration_inktex.InktexConfig",
    "AutoModelForImageTextToText": "modeling_inktex.InktexForConditionalGeneration",
}
PROCESSOR_AUTO_MAP = {"AutoProcessor": "processing_inktex.InktexProcessor"}
IMAGE_PROCESSOR_AUTO_MAP = {"AutoImageProcessor": "image_processing_inktex.InktexImageProcessor"}
TOKENIZER_AUTO_MAP = {"AutoTokenizer": [None, "tokenization_inktex.InktexTokenizer"]}
CUSTOM_PIPELINES = {
    task: {
        "impl": "pipeline_inktex.InktexPipeline",
        "pt": ["AutoModelForImageTextToText"],
        "type": "multimodal",
    }
    for task in ("image-to-text", "image-text-to-text")
}
"""`pipeline()` looks here before its own tasks. Of these image-to-text went with transformers 5,
and image-text-to-text, which has taken its place, requires a prompt."""

ENTRY_MODULES = (
    "configuration_inktex",
    "modeling_inktex",
    "image_processing_inktex",
    "processing_inktex",
    "tokenization_inktex",
    "pipeline_inktex",
)
"""Modules named in the maps above; they are saved with all that they import."""
COMPANIONS = """
from .image_processing_inktex import InktexImageProcessor
from .pipeline_inktex import InktexPipeline
from .processing_inktex import InktexProcessor
from .tokenization_inktex import InktexTokenizer
"""
"""Not run. With a module transformers fetches the modules that such lines in its text name: with
these, any part of a model brings all of the code, and can save it again."""
_UPLOAD = (
    *("repo_id", "commit_message", "commit_description", "private", "token", "revision"),
    *("create_pr", "tags"),
)
"""Arguments of `push_to_hub`, which `save_pretrained` takes, too."""


def code_files() -> list[Path]:
    """The Python files of a repository: the entry modules and what they import, by name."""
    here = Path(__file__).resolve().parent
    rooms = [here, here.parent / "tokenizer"]  # in a repository all are in one
    found: dict[str, Path] = {}
    waiting = list(ENTRY_MODULES)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = next(path for room in rooms if (path := room / f"{name}.py").is_file())
        waiting += _siblings(found[name])
    return [found[name] for name in sorted(found)]


def _siblings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            yield node.module


def add_code(folder: str | os.PathLike[str]) -> None:
    """Add the code, and the entries that name it, to a folder of `save_pretrained`.

    Entries are added to those of configuration, processor and tokenizer that the folder has.
    """
    folder = Path(folder)
    update(folder / "config.json", auto_map=AUTO_MAP, custom_pipelines=CUSTOM_PIPELINES)
    path = folder / "processor_config.json"
    if path.is_file():
        inner = json.loads(path.read_text(encoding="utf-8"))["image_processor"]
        inner["auto_map"] = IMAGE_PROCESSOR_AUTO_MAP
        update(path, auto_map=PROCESSOR_AUTO_MAP, image_processor=inner)
    update(folder / "tokenizer_config.json", auto_map=TOKENIZER_AUTO_MAP)
    for source in code_files():
        target = folder / source.name
        if not (target.exists() and target.samefile(source)):
            shutil.copyfile(source, target)


def save_with_code(
    save: Callable[..., Any],
    push: Callable[..., Any],
    folder: str | os.PathLike[str],
    push_to_hub: bool,
    **kwargs: Any,
) -> Any:
    """Save, add the code, then upload: transformers alone would upload what it saved itself.

    Args:
        save: transformers' own `save_pretrained`.
        push: the object's `push_to_hub`, which calls this function again.
        folder: to save to.
        push_to_hub: whether to upload.
        kwargs: of `save_pretrained` and `push_to_hub`.
    """
    upload = {name: kwargs.pop(name) for name in _UPLOAD if push_to_hub and name in kwargs}
    written = save(folder, **kwargs)
    add_code(folder)
    if push_to_hub:
        push(upload.pop("repo_id", Path(folder).resolve().name), **upload)
    return written


def update(path: Path, **fields: Any) -> None:
    """Set fields of a JSON file; nothing if there is none."""
    if not path.is_file():
        return
    content = json.loads(path.read_text(encoding="utf-8")) | fields
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


__all__ = ["add_code", "code_files", "save_with_code", "update"]
