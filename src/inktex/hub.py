"""Writes a model as a folder that the Hub, or anybody without inktex, can load."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import inktex.modeling
import inktex.tokenizer

from .files import new_folder

if TYPE_CHECKING:
    import torch

    from inktex.modeling import InktexForConditionalGeneration, InktexProcessor

AUTO_MAP = {
    "AutoConfig": "configuration_inktex.InktexConfig",
    "AutoModelForImageTextToText": "modeling_inktex.InktexForConditionalGeneration",
}
PROCESSOR_AUTO_MAP = {"AutoProcessor": "processing_inktex.InktexProcessor"}
IMAGE_PROCESSOR_AUTO_MAP = {"AutoImageProcessor": "image_processing_inktex.InktexImageProcessor"}
TOKENIZER_AUTO_MAP = {"AutoTokenizer": [None, "tokenization_inktex.InktexTokenizer"]}
CUSTOM_PIPELINES = {
    "image-to-text": {
        "impl": "pipeline_inktex.InktexPipeline",
        "pt": ["AutoModelForImageTextToText"],
        "type": "multimodal",
    }
}
"""Looked at by `pipeline()` before its own tasks, of which image-to-text is no longer one."""

ENTRY_MODULES = (
    "configuration_inktex",
    "modeling_inktex",
    "image_processing_inktex",
    "processing_inktex",
    "tokenization_inktex",
    "pipeline_inktex",
)
"""What the maps above name; these modules travel with all that they import."""


def export(
    model: InktexForConditionalGeneration,
    folder: Path | str,
    processor: InktexProcessor | None = None,
) -> Path:
    """Write a model repository: weights, configurations, tokenizer and the code to run them.

    The weights are safetensors, matrices and kernels in bfloat16, vectors (norms, biases) in
    float32. The configuration asks for float32, which `from_pretrained` and `pipeline` then load
    unless told otherwise. A folder of that name is replaced, in one step at the end.

    Args:
        model: in evaluation or training mode, on whatever device; it is left as it is.
        folder: becomes the repository.
        processor: the image processor and tokenizer; None for the default ones.

    Returns:
        The folder.
    """
    folder = Path(folder)
    with new_folder(folder) as partial:
        _write_model(model, partial)
        _write_processor(processor or _default_processor(), partial)
        for path in code_files():
            shutil.copyfile(path, partial / path.name)
    return folder


def code_files() -> list[Path]:
    """The Python files that travel: the entry modules and what they import, by name."""
    rooms = [Path(str(room.__file__)).parent for room in (inktex.modeling, inktex.tokenizer)]
    found: dict[str, Path] = {}
    waiting = list(ENTRY_MODULES)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        (found[name],) = (path for room in rooms if (path := room / f"{name}.py").is_file())
        waiting += _siblings(found[name])
    return [found[name] for name in sorted(found)]


def _siblings(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            yield node.module


def _default_processor() -> InktexProcessor:
    from inktex.modeling import InktexImageProcessor, InktexProcessor
    from inktex.tokenizer.tokenization_inktex import build_tokenizer

    return InktexProcessor(InktexImageProcessor(), build_tokenizer())


def _write_model(model: InktexForConditionalGeneration, folder: Path) -> None:
    model.save_pretrained(folder, state_dict=_small_weights(model))
    _update(
        folder / "config.json",
        auto_map=AUTO_MAP,
        custom_pipelines=CUSTOM_PIPELINES,
        dtype="float32",
    )
    generation = folder / "generation_config.json"
    if json.loads(generation.read_text(encoding="utf-8")).get("max_length") in (None, 20):
        _update(generation, max_length=model.config.decoder.max_position_embeddings)


def _small_weights(model: InktexForConditionalGeneration) -> dict[str, torch.Tensor]:
    import torch

    # Tied weights are one tensor, and have to stay one.
    small: dict[int, torch.Tensor] = {}
    weights = {}
    for name, tensor in model.state_dict().items():
        kind = tensor.dtype
        if tensor.is_floating_point():
            kind = torch.bfloat16 if tensor.ndim > 1 else torch.float32
        weights[name] = small.setdefault(tensor.data_ptr(), tensor.detach().cpu().to(kind))
    return weights


def _write_processor(processor: InktexProcessor, folder: Path) -> None:
    processor.save_pretrained(folder)
    path = folder / "processor_config.json"
    image_processor = json.loads(path.read_text(encoding="utf-8"))["image_processor"]
    image_processor["auto_map"] = IMAGE_PROCESSOR_AUTO_MAP
    _update(path, auto_map=PROCESSOR_AUTO_MAP, image_processor=image_processor)
    _update(folder / "tokenizer_config.json", auto_map=TOKENIZER_AUTO_MAP)


def _update(path: Path, **fields: Any) -> None:
    """Set fields of a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8")) | fields
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
