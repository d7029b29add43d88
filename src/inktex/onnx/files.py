"""Exported models on disk: what is in their folder, and where it is."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

__all__ = [
    "DECODER", "ENCODER", "PRECISIONS", "SETTINGS", "TOKENIZER",
    "Settings", "cache_folder", "checksum", "exported_folder", "find_export", "read_settings",
]  # fmt: skip

PRECISIONS: Final = ("fp32", "int8")
ENCODER, DECODER, TOKENIZER = "encoder.onnx", "decoder.onnx", "tokenizer.json"
SETTINGS: Final = "inktex_onnx.json"
"""File that marks a folder as an export."""
FORMAT: Final = 1
"""Of the exports; another one is not read."""
_SOURCES: Final = ("model.safetensors", "config.json", "processor_config.json", "tokenizer.json")
COMMAND: Final = "python -m inktex.onnx.export"


@dataclass(frozen=True)
class Settings:
    """All that is to be known of an exported model beside its graphs.

    Attributes:
        format: of the export.
        precision: one of `PRECISIONS`.
        checksum: of the model that was exported.
        start, end: ids of these tokens.
        layers, heads, head_size: of the decoder's cache.
        temperature: of the probabilities.
        grammar: what the tokens are to `Grammar`; None if anything may follow anything.
        inkless: ids of the tokens that have no place in the picture.
        vocabulary: number of tokens.
        stride: pixels from one cell of the features to the next.
        multiple: heights and widths of batches are multiples of this.
        image_processor: settings of the `InktexImageProcessor`.
    """

    format: int
    precision: str
    checksum: str
    start: int
    end: int
    layers: int
    heads: int
    head_size: int
    temperature: float
    grammar: dict[str, Any] | None
    inkless: list[int]
    vocabulary: int
    stride: int
    multiple: int
    image_processor: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Mark a folder as an export with these settings."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True)
        (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")


def read_settings(folder: Path) -> Settings:
    """The settings of an export.

    Raises:
        ValueError: if another version of inktex wrote it.
    """
    content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    if content.get("format") != FORMAT:
        raise ValueError(
            f"The export in {folder} has format {content.get('format')}, this version of inktex "
            f"reads {FORMAT}. Export the model anew: {COMMAND}"
        )
    return Settings(**content)


def cache_folder() -> Path:
    """Where exports are kept: `INKTEX_CACHE`, else `inktex` in the user's folder of caches."""
    chosen = os.environ.get("INKTEX_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "inktex"


def checksum(model: Path) -> str:
    """SHA-256 of what an export of a model depends on: weights, configuration, tokenizer.

    Args:
        model: folder of `save_pretrained`.

    Raises:
        FileNotFoundError: if it is none.
    """
    digest = hashlib.sha256(str(FORMAT).encode())
    for name in _SOURCES:
        path = model / name
        if not path.is_file():
            raise FileNotFoundError(
                f"{model} is neither a model's folder nor an export: it has no {name}. A model of "
                f"the Hub is exported first: {COMMAND} --model OWNER/NAME --output FOLDER"
            )
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()


def exported_folder(model: Path, precision: str) -> Path:
    """Where the export of a model is in the cache, or would be."""
    return cache_folder() / "onnx" / checksum(model)[:16] / precision


def find_export(name: Path, precision: str) -> Path:
    """The folder of an export.

    Args:
        name: the folder itself, the folder of exports that it is in, or that of the model.
        precision: one of `PRECISIONS`.

    Raises:
        FileNotFoundError: if the model was not exported.
        ValueError: if the folder is an export of another precision.
    """
    if (name / SETTINGS).is_file():
        found = read_settings(name).precision
        if found != precision:
            raise ValueError(f"The export in {name} is {found}, not {precision}.")
        return name
    if (name / precision / SETTINGS).is_file():
        return name / precision
    folder = exported_folder(name, precision)
    if not (folder / SETTINGS).is_file():
        raise FileNotFoundError(
            f"The model in {name} was not exported to ONNX yet, or has changed since. Where torch "
            f"is installed, run: pip install 'inktex[export]' && {COMMAND} --model {name}"
        )
    return folder
