"""Files of the checkpoint that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FOLDER = Path(__file__).parent / "pretrained"
GRAPHS_FOLDER: Final = Path(__file__).parent / "onnx" / "shipped"
"""Folder of the ONNX graphs that the package ships, which have no weights in them."""


def pretrained_path() -> Path:
    """Folder of the checkpoint that the package ships: weights, configuration, processor, scores.

    Raises:
        FileNotFoundError: if this installation has none (a checkout without weights).
    """
    if not (_FOLDER / "config.json").is_file():
        raise FileNotFoundError(
            f"This installation of inktex has no checkpoint in {_FOLDER}. Install a released "
            "package, or name a model: inktex.load('FOLDER_OR_REPOSITORY')."
        )
    return _FOLDER


def ink_extraction_file(folder: Path = _FOLDER) -> Path | None:
    """File of the ink extraction of a model's folder, else of the shipped one; None without both.

    Args:
        folder: of a model. Models of 0.1 have no ink extraction of their own.
    """
    from inktex.modeling.ink_extraction_inktex import find_ink_extraction

    return find_ink_extraction(folder) or find_ink_extraction(_FOLDER)
