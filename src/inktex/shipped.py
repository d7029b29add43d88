"""Files of the checkpoint that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inktex.modeling.thinning_inktex import Thinner

__all__ = ["pretrained_path", "shipped_thinner"]

_FOLDER = Path(__file__).parent / "pretrained"


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


def shipped_thinner() -> Thinner | None:
    """The stroke restoration of the shipped image processor; None for a checkout without it."""
    from inktex.modeling.thinning_inktex import THINNER_FILE, Thinner

    path = _FOLDER / THINNER_FILE
    return Thinner.load(path) if path.is_file() else None
