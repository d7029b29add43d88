"""The ink extraction network in ONNX Runtime, whose graph has no weights in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inktex.modeling.ink_extraction_inktex import InkExtraction, Network

from .files import SHIPPED
from .sessions import load_runtime, make_session

__all__ = ["INK_NETWORK", "INPUT", "OUTPUTS", "load_ink_extraction", "onnx_network"]

INK_NETWORK: Final = "ink_extraction.onnx"
INPUT: Final = "pictures"
OUTPUTS: Final = ("ink", "scale", "direction")


def load_ink_extraction(path: Path) -> InkExtraction:
    """The network of a file, run by ONNX Runtime where that is installed, else by torch.

    Raises:
        ValueError: if the file is damaged.
    """
    return InkExtraction.load(path, onnx_network)


def onnx_network(weights: Mapping[str, NDArray[np.float32]]) -> Network | None:
    """A network that runs in ONNX Runtime with one thread.

    Args:
        weights: of `InkExtraction.folded`.

    Returns:
        None if ONNX Runtime is not installed, or has no graph for a network of this size.
    """
    try:
        runtime = load_runtime()
    except ImportError:
        return None
    try:
        session = make_session(runtime, SHIPPED / INK_NETWORK, 1, weights)
    except Exception:  # ONNX Runtime's errors have no common class but this one
        return None

    def run(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        found = session.run(list(OUTPUTS), {INPUT: pixels[None]})
        return tuple(np.asarray(one[0]) for one in found)

    return run
