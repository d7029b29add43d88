"""What makes a folder a repository: code and entries by which it loads where inktex is absent."""

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
"""Looked at by `pipeline()` before its own tasks. image-to-text is no longer one of these, and
image-text-to-text, which transformers names in its place, wants a prompt."""

ENTRY_MODULES = (
    "configuration_inktex",
    "modeling_inktex",
    "image_processing_inktex",
    "processing_inktex",
    "tokenization_inktex",
    "pipeline_inktex",
)
"""What the maps above name; these modules travel with all that they import."""
_UPLOAD = (
    *("repo_id", "commit_message", "commit_description", "private", "token", "revision"),
    *("create_pr", "tags"),
)
"""Arguments of `push_to_hub`, which `save_pretrained` takes as well."""


def code_files() -> list[Path]:
    """The Python files that travel: the entry modules and what they import, by name."""
    here = Path(__file__).resolve().parent
    rooms = [here, here.parent / "tokenizer"]  # where they have travelled, all stand in one
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


def _companions() -> None:
    """Never called. transformers fetches a module and what its relative imports name, no more.

    Named here, all of the code comes along with the model, and can be saved with it again.
    """
    from .image_processing_inktex import InktexImageProcessor  # noqa: F401
    from .pipeline_inktex import InktexPipeline  # noqa: F401
    from .processing_inktex import InktexProcessor  # noqa: F401
    from .tokenization_inktex import InktexTokenizer  # type: ignore[import-not-found]  # noqa: F401


def add_code(folder: str | os.PathLike[str]) -> None:
    """Put the code and the entries that name it into a folder of `save_pretrained`.

    Of configuration, processor and tokenizer those are completed that the folder has.
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
    """Save and add the code, and upload only then: transformers uploads what it saved itself.

    Args:
        save: transformers' own `save_pretrained`.
        push: the object's `push_to_hub`, which saves it by this function, too.
        folder: to save to.
        push_to_hub: whether to upload as well.
        kwargs: of `save_pretrained`, those of `push_to_hub` among them.
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
