"""Where pictures come from: which kind of source a name on the command line stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .base import SETTINGS, SUFFIXES, Row, Source
from .files import FolderSource, TarSource, ZipSource, walk
from .tables import PATHS, URLS, Columns, HubSource, ParquetSource, SavedSource

__all__ = ["PATHS", "SETTINGS", "SUFFIXES", "URLS", "Row", "Source", "open_source"]

_TAR: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def open_source(
    names: Sequence[str],
    *,
    image_column: str = "image",
    id_column: str | None = None,
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    allowed: frozenset[str] = frozenset(),
) -> Source:
    """The source that names on the command line stand for.

    Args:
        names: a folder of pictures or of parquet files, a zip, a tar, a saved data set,
            `owner/name` of a data set of the Hub; or any number of parquet files.
        image_column: of parquet files and data sets.
        id_column: of parquet files and data sets; None for numbers of rows.
        config: of a data set of the Hub.
        split: of a data set.
        revision: of a data set of the Hub.
        allowed: what cells of a table may name instead of holding a picture: `PATHS`, `URLS`.

    Raises:
        OSError: if there is no such thing.
        ValueError: if it cannot be read, or an option does not suit it.
        ImportError: if what reads it is not installed.
    """
    columns = Columns(image_column, id_column, allowed)
    paths = [Path(name) for name in names]
    if all(path.is_file() and path.suffix.lower() == ".parquet" for path in paths):
        _refuse(config, split, revision)
        return ParquetSource(paths, columns)
    if len(names) != 1:
        raise ValueError("Give one source at a time; several only if all are parquet files.")
    (path,) = paths
    if path.is_dir():
        if any((path / name).is_file() for name in ("state.json", "dataset_dict.json")):
            _refuse(config, revision)
            return SavedSource(path, split, columns)
        _refuse(config, split, revision)
        return _open_folder(path, columns)
    if path.is_file():
        _refuse(config, split, revision, id_column)
        return _open_archive(path)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", names[0]):
        return HubSource(names[0], config, split, revision, columns)
    raise FileNotFoundError(f"{names[0]}: no such file or folder.")


def _open_folder(path: Path, columns: Columns) -> Source:
    tables = [path / name for name in walk(path, frozenset({".parquet"}))]
    if not tables:
        _refuse(columns.id)
        return FolderSource(path)
    picture = next(walk(path, SUFFIXES), None)
    if picture is not None:
        raise ValueError(
            f"{path} has pictures ({picture}) and parquet files ({tables[0].name}). "
            "Name the parquet files, or a folder that has only one kind."
        )
    return ParquetSource(tables, columns)


def _open_archive(path: Path) -> Source:
    lower = path.name.lower()
    if lower.endswith(".zip"):
        return ZipSource(path)
    if lower.endswith(_TAR):
        return TarSource(path)
    if path.suffix.lower() in SUFFIXES:
        raise ValueError(f"{path} is a single picture: `inktex recognize` reads it.")
    raise ValueError(
        f"{path} is none of the files that are read: .parquet, .zip, {', '.join(_TAR)}."
    )


def _refuse(*options: str | None) -> None:
    for option in options:
        if option is not None:
            raise ValueError(
                f"Nothing in this source can be chosen by {option!r}: --config and --revision are "
                "of data sets of the Hub, --split of data sets, --id-column of these and parquet "
                "files."
            )
