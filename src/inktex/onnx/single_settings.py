"""What programs need beside the one-file graph, where ONNX Runtime does not show its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inktex.modeling.alphabets_inktex import ALPHABETS, allowed_tokens

from .files import SINGLE_SETTINGS
from .sessions import load_runtime

__all__ = ["single_settings", "write_single_settings"]


def single_settings(graph: Path) -> dict[str, Any]:
    """What a one-file graph says of itself, and what its input `allowed` may be.

    Args:
        graph: file of `write_single`.

    Returns:
        `words`, the tokens by their ids; `vocabulary`, their number; `end`, the id of the last one;
        `multiple`, of which the sides of pictures are; `image_processor`, how these are made;
        `alphabets`, ids of the tokens that each allows; `always`, those that every alphabet has;
        `precision` and `checksum` of the model.

    Raises:
        ValueError: if it is no such graph.
        ImportError: if ONNX Runtime is not installed.
    """
    runtime = load_runtime()
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    if not {"words", "settings"} <= metadata.keys():
        raise ValueError(f"{graph} was not written by inktex export --single.")
    words, settings = json.loads(metadata["words"]), json.loads(metadata["settings"])
    listed = [words.get(str(number), "") for number in range(settings["vocabulary"])]

    def allowed(tokens: frozenset[str]) -> list[int]:
        chosen = [number for number, may in enumerate(allowed_tokens(tokens, listed)) if may]
        return sorted({*chosen, settings["end"]})

    kept = ("vocabulary", "end", "multiple", "image_processor", "precision", "checksum")
    return {
        "words": words,
        **{name: settings[name] for name in kept},
        "alphabets": {name: allowed(tokens) for name, tokens in ALPHABETS.items()},
        "always": allowed(frozenset()),
    }


def write_single_settings(graph: Path, path: Path | None = None) -> Path:
    """Write `single_settings` as JSON; returns the file.

    Args:
        graph: file of `write_single`.
        path: to write; None for `SINGLE_SETTINGS` beside the graph.
    """
    path = path or graph.with_name(SINGLE_SETTINGS)
    text = json.dumps(single_settings(graph), sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path
