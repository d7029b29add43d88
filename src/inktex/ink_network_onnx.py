"""The networks of ink extraction in ONNX Runtime, whose graphs have no weights in them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inktex.modeling.ink_extraction_inktex import POSE_PREFIX, InkExtraction, InkNetworks

from .sessions import load_runtime, make_session
from .shipped import GRAPHS_FOLDER, ink_extraction_file

__all__ = [
    "INK_NETWORK",
    "INPUT",
    "OUTPUT",
    "POSE_NETWORK",
    "load_ink_extraction",
    "onnx_networks",
    "shipped_ink_extraction",
]

INK_NETWORK: Final = "ink_extraction.onnx"
POSE_NETWORK: Final = "ink_pose.onnx"
INPUT, OUTPUT = "pictures", "found"
"""Of either graph."""


def load_ink_extraction(path: Path) -> InkExtraction:
    """The networks of a file, run by ONNX Runtime where that is installed, else by torch.

    Raises:
        ValueError: if the file is damaged.
    """
    return InkExtraction.load(path, onnx_networks)


@cache
def shipped_ink_extraction() -> InkExtraction | None:
    """The ink extraction that the package ships; None for a checkout without it."""
    path = ink_extraction_file()
    return None if path is None else load_ink_extraction(path)


def onnx_networks(weights: Mapping[str, NDArray[np.float32]]) -> InkNetworks | None:
    """Networks that run in ONNX Runtime with one thread.

    Args:
        weights: of `InkExtraction.folded`.

    Returns:
        None if ONNX Runtime is not installed, or has no graphs for networks of this size.
    """
    try:
        runtime = load_runtime()
    except ImportError:
        return None
    own = {name: one for name, one in weights.items() if not name.startswith(POSE_PREFIX)}
    others = {
        name.removeprefix(POSE_PREFIX): one
        for name, one in weights.items()
        if name.startswith(POSE_PREFIX)
    }
    try:
        find = make_session(runtime, GRAPHS_FOLDER / INK_NETWORK, 1, own)
        tell = make_session(runtime, GRAPHS_FOLDER / POSE_NETWORK, 1, others)
    except Exception:  # ONNX Runtime's errors have no common class but this one
        return None
    return InkNetworks(lambda pixels: _first(find, pixels), lambda ink: _first(tell, ink))


def _first(session: Any, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a graph gives for one picture."""
    return np.asarray(session.run([OUTPUT], {INPUT: picture[None]})[0][0], dtype=np.float32)
