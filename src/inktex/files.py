"""Files and folders that are written whole or not at all, even if the power fails."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PARTIAL, _FORMER = ".partial", ".former"


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which replaces `path` when the block ends without an error.

    Args:
        path: of the file; its folder is made if it is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{_PARTIAL}")
    try:
        yield partial
        with partial.open("r+b") as file:  # a name may reach the disk before what it names
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8), whole or not at all."""
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def template(beside: str, name: str) -> str:
    """Text of a template of this package, with fields for `str.format`.

    Args:
        beside: `__file__` of the module that it lies beside.
    """
    return Path(beside).with_name(name).read_text(encoding="utf-8")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to write to, which replaces `folder` when the block ends without an error."""
    partial = partial_folder(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        swap(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_folder(folder: Path) -> Path:
    """The folder that `new_folder` gives to write to."""
    return folder.with_name(folder.name + _PARTIAL)


def swap(partial: Path, folder: Path) -> None:
    """Replace `folder` by `partial`.

    Folders cannot be exchanged in one step. If the power fails between the two that it takes, the
    former folder is there under another name: `recover` brings it back.
    """
    former = folder.with_name(folder.name + _FORMER)
    if folder.exists():
        shutil.rmtree(former, ignore_errors=True)
        folder.rename(former)
    partial.rename(folder)
    shutil.rmtree(former, ignore_errors=True)


def recover(folder: Path) -> bool:
    """Bring back the former folder if `swap` was stopped half-way; returns whether it was."""
    former = folder.with_name(folder.name + _FORMER)
    if folder.exists() or not former.exists():
        return False
    former.rename(folder)
    return True
