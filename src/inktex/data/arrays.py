"""Prepared data in `.npz` files that say the version of their layout."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def load_arrays(
    path: Path | str, version: int, contents: str, script: str
) -> dict[str, NDArray[Any]]:
    """All arrays of a file, by name.

    Args:
        path: of the `.npz` file.
        version: that its array `version` has to be.
        contents: what such a file holds, for messages.
        script: that writes such files, for messages.

    Raises:
        FileNotFoundError: if the file is not there; the message names the script.
        ValueError: if it is no such file, or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there: {script} writes it.") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no file of {contents}: {error}") from error
    if int(stored.get("version", np.array(-1))) != version:
        raise ValueError(f"{path} is no file of {contents}, or of another version.")
    return stored
