"""What programs need beside the one-file graph, where ONNX Runtime does not show its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inktex.engine import MAX_TOKENS
from inktex.extras import require
from inktex.modeling.alphabets_inktex import ALPHABETS, allowed_tokens

from .files import SINGLE_SETTINGS

__all__ = ["single_inputs", "single_settings", "write_single_settings"]


def single_inputs(
    pixels: NDArray[np.float32],
    mask: NDArray[np.float32],
    forbidden: ArrayLike = (),
    locked: Mapping[int, int] = MappingProxyType({}),
) -> dict[str, NDArray[Any]]:
    """The inputs of a one-file graph, by name.

    Args:
        pixels, mask: of a batch of pictures.
        forbidden: ids of tokens that may not be written.
        locked: ids of the tokens that every reading has to have, by their places.
    """
    return {
        "pixel_values": pixels,
        "pixel_mask": mask,
        "forbidden": np.asarray(forbidden, dtype=np.int64),
        "locked": np.array([*locked.items()], dtype=np.int64).reshape(-1, 2),
    }


def single_settings(graph: Path) -> dict[str, Any]:
    """What a one-file graph says of itself, and which tokens alphabets have.

    Args:
        graph: file of `write_single`.

    Returns:
        `words`, the tokens by their ids; `vocabulary`, their number; `end`, the id of the last one;
        `most`, how many a reading has at most;
        `multiple`, of which the sides of pictures are; `image_processor`, how these are made;
        `alphabets`, ids of the tokens that each allows; `always`, those that every alphabet has;
        `doubt_threshold`, `precision` and `checksum` of the model.

    Raises:
        ValueError: if it is no such graph.
        ImportError: if onnx is not installed.
    """
    require("export", "Reading what a graph says of itself", "onnx")
    import onnx
    from google.protobuf.message import DecodeError

    try:
        properties = onnx.load(graph).metadata_props
    except DecodeError as error:
        raise ValueError(f"{graph} is no ONNX graph: {error}") from error
    metadata = {one.key: one.value for one in properties}
    if not {"words", "settings"} <= metadata.keys():
        raise ValueError(f"{graph} was not written by inktex export --single.")
    words, settings = json.loads(metadata["words"]), json.loads(metadata["settings"])
    listed = [words.get(str(number), "") for number in range(settings["vocabulary"])]

    def allowed(tokens: frozenset[str]) -> list[int]:
        chosen = [number for number, may in enumerate(allowed_tokens(tokens, listed)) if may]
        return sorted({*chosen, settings["end"]})

    kept = (
        "vocabulary", "end", "multiple", "image_processor", "doubt_threshold", "precision",
        "checksum",
    )  # fmt: skip
    return {
        "words": words,
        "most": MAX_TOKENS,
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
