"""Writes a model as a folder that the Hub, or anybody without inktex, can load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import new_folder
from ..modeling.remote_code_inktex import update

if TYPE_CHECKING:
    import torch

    from ..modeling import InktexForConditionalGeneration, InktexProcessor


def export(
    model: InktexForConditionalGeneration,
    folder: Path | str,
    processor: InktexProcessor | None = None,
) -> Path:
    """Write a model's weights, configurations, tokenizer and code; returns the folder.

    The weights are safetensors, matrices and kernels in bfloat16, vectors (norms, biases) in
    float32. The configuration asks for float32, which `from_pretrained` and `pipeline` then load
    unless told otherwise. A folder of that name is replaced, in one step at the end.

    Args:
        model: in evaluation or training mode, on whatever device; it is left as it is.
        folder: becomes the repository.
        processor: the image processor and tokenizer; None for the default ones.
    """
    folder = Path(folder)
    with new_folder(folder) as partial:
        write_model(model, partial, processor)
    return folder


def write_model(
    model: InktexForConditionalGeneration,
    folder: Path,
    processor: InktexProcessor | None = None,
) -> None:
    """Write the files of `export` into a folder that is there."""
    model.save_pretrained(folder, state_dict=_small_weights(model))
    update(folder / "config.json", dtype="float32")
    generation = folder / "generation_config.json"
    if json.loads(generation.read_text(encoding="utf-8")).get("max_length") in (None, 20):
        update(generation, max_length=model.config.decoder.max_position_embeddings)
    (processor or _default_processor()).save_pretrained(folder)


def _default_processor() -> InktexProcessor:
    from ..modeling import InktexImageProcessor, InktexProcessor
    from ..tokenizer.tokenization_inktex import build_tokenizer

    return InktexProcessor(InktexImageProcessor(), build_tokenizer())


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
