"""The checkpoint that the package ships."""

from __future__ import annotations

from pathlib import Path

__all__ = ["pretrained_path"]


def pretrained_path() -> Path:
    """Folder of the shipped checkpoint: weights, configuration, processor, scores.

    Raises:
        FileNotFoundError: if this installation has none (a checkout without weights).
    """
    folder = Path(__file__).parent / "pretrained"
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"This installation of inktex has no checkpoint in {folder}. Install a released "
            "package, or name a model: inktex.load('FOLDER_OR_REPOSITORY')."
        )
    return folder
