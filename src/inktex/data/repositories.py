"""Copies of public repositories that hold data."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def clone(repository: str, folder: Path, parts: Sequence[str]) -> None:
    """Copy some folders of a repository's newest state into a new folder, with git.

    Args:
        repository: its address.
        folder: to make.
        parts: folders in the repository; files in the folders above these are copied as well.

    Raises:
        FileExistsError: if the folder is there.
        OSError: if there is no git, or if it fails; the message has what it says.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} is there already: leave out --fetch, or remove it.")
    sparse = ["--depth", "1", "--filter", "blob:none", "--sparse"]
    _git("clone", "--quiet", *sparse, repository, str(folder))
    _git("-C", str(folder), "sparse-checkout", "set", *parts)


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"git {' '.join(arguments)} failed: {done.stderr.strip()}")
