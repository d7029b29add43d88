"""Files of the checkpoint that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inktex.modeling.ink_extraction_inktex import InkExtraction
    from inktex.modeling.stroke_restoration_inktex import StrokeRestoration

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


def shipped_stroke_restoration() -> StrokeRestoration | None:
    """The stroke restoration of the shipped image processor; None for a checkout without it."""
    from inktex.modeling.stroke_restoration_inktex import StrokeRestoration, find_stroke_restoration

    path = find_stroke_restoration(_FOLDER)
    return None if path is None else StrokeRestoration.load(path)


def shipped_ink_extraction() -> InkExtraction | None:
    """The ink extraction of the shipped image processor; None for a checkout without it."""
    from inktex.modeling.ink_extraction_inktex import INK_EXTRACTION_FILE, InkExtraction

    path = _FOLDER / INK_EXTRACTION_FILE
    return InkExtraction.load(path) if path.is_file() else None
