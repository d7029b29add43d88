"""Folders that become repositories on the Hub: of a model, and of the Space that runs Python."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from inktex.files import write_json

from ..files import new_folder
from .card import model_card
from .export import write_model

if TYPE_CHECKING:
    from ..recognizer import Recognizer

CARD: Final = "README.md"
RECORD: Final = "training.json"


def build_model(
    recognizer: Recognizer,
    record: Mapping[str, Any],
    folder: Path,
    repository: str,
    examples: Sequence[Path] = (),
) -> Path:
    """Write the repository of a model; returns its folder.

    Args:
        recognizer: the source checkpoint.
        record: its `training.json`.
        folder: is replaced, in one step at the end.
        repository: its name on the Hub, `owner/name`.
        examples: pictures for the card, which shows them with what was read.
    """
    readings = [(path.name, recognizer(path)) for path in examples]
    with new_folder(folder) as partial:
        write_model(recognizer.model, partial, recognizer.processor)
        write_json(partial / RECORD, dict(record))
        card = model_card(record, repository, [(n, r.latex, r.score) for n, r in readings])
        (partial / CARD).write_text(card, encoding="utf-8")
        for path in examples:
            (partial / "examples").mkdir(exist_ok=True)
            shutil.copyfile(path, partial / "examples" / path.name)
    return folder


PAD: Final = tuple(f"browser/page/{name}.js" for name in ("collection", "ink", "inkml", "pad"))
"""The drawing pad, which the Space has in common with the page in the browser."""


def build_space(source: Path, folder: Path, model: str) -> Path:
    """Copy the Space, and name the model in its front matter; returns the folder.

    Args:
        source: the folder `spaces_app`.
        folder: is replaced.
        model: repository of the model that the Space reads with.
    """
    with new_folder(folder) as partial:
        ignored = shutil.ignore_patterns("__pycache__", "browser")  # which is a Space of its own
        shutil.copytree(source, partial, ignore=ignored, dirs_exist_ok=True)
        for name in PAD:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, partial / name)
        name_model(partial / CARD, model)
    return folder


def name_model(card: Path, model: str) -> None:
    """Name the model that a Space reads with in its front matter."""
    _, front, text = card.read_text(encoding="utf-8").split("---\n", 2)
    fields = yaml.safe_load(front) | {"models": [model]}
    front = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
    card.write_text(f"---\n{front}---\n{text}", encoding="utf-8")
