"""Where pictures come from: folders, archives, parquet files, data sets.

Every source numbers its rows from 0, always in the same order, and reads any part of them. Nothing
of a picture is read before its row's `load` is called.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import zipfile
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from inktex.extras import require

__all__ = ["PATHS", "SETTINGS", "SUFFIXES", "URLS", "Row", "Source", "open_source"]

T = TypeVar("T")

SUFFIXES: Final = frozenset(
    ".png .jpg .jpeg .bmp .gif .tif .tiff .webp .avif .jp2 .heic .heif "
    ".pgm .pbm .ppm .inkml".split()
)
"""Endings of the files that folders and archives are searched for."""
SETTINGS: Final = ".transcription.json"
"""File that marks a folder as a transcription. Hidden, so that who loads the folder as a data set
does not take it for data."""
MAX_BYTES: Final = 64 * 2**20
"""Bytes that one picture in an archive may have, unpacked."""
PATHS: Final = "paths"
URLS: Final = "urls"
"""What cells of a table may name instead of holding a picture, where it is allowed."""
_HUB: Final = re.compile(r"(?:[\w+.-]+://[^:]*::)*hf://")
"""How files of a data set of the Hub are named while it is streamed."""
_TAR: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_PARQUET_ROWS: Final = 16
"""Rows of a parquet file in memory at a time."""


@dataclass(frozen=True, slots=True)
class Row:
    """A picture of a source.

    Attributes:
        id: path inside the source, content of the id column, or number of the row.
        load: gives what `Recognizer.read` takes; raises whatever is wrong with this picture. To be
            called before the next row is asked for.
    """

    id: str
    load: Callable[[], Any]


class Source(ABC):
    """Pictures in an order that never changes.

    Attributes:
        total: number of rows; None where only reading all of them would tell.
        is_streamed: whether rows that are not wanted have to be read nevertheless.
        skipped: how many files are not read because of their endings, by ending.
    """

    total: int | None
    is_streamed = False
    skipped: Counter[str] = Counter()

    def listing(self) -> list[tuple[str, int]] | None:
        """Name and size of all files, in their order; None for what is no folder of files."""
        return None

    def go_on_from(self, before: Sequence[tuple[str, int]]) -> dict[str, Any] | None:
        """Put files that have come since behind those that there were.

        Args:
            before: what `listing` gave then.

        Returns:
            What `identity` gave then; None if files are gone or have changed, or this is no folder.
        """
        return None

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What tells this source from another one, and from itself after a change; JSON."""

    @abstractmethod
    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """Number and row of what is wanted.

        Args:
            ranges: numbers of the wanted rows, ascending; they may go beyond the last row.

        Raises:
            OSError: if the source cannot be read any further.
            ValueError: likewise.
        """


class _Files(Source):
    """Files by name: the part that folders and archives share."""

    def __init__(self, kind: str, place: Path, files: Sequence[tuple[str, int]]) -> None:
        if not files:
            raise FileNotFoundError(
                f"{place}: no picture in this {kind}. Endings looked for: "
                f"{' '.join(sorted(SUFFIXES))}."
            )
        self.place, self.total = place, len(files)
        self._identity = self._identity_of(kind, files)

    @staticmethod
    def _identity_of(kind: str, files: Sequence[tuple[str, int]]) -> dict[str, Any]:
        digest = hashlib.sha256()
        for name, size in files:
            digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
        return {"kind": kind, "files": len(files), "sha256": digest.hexdigest()}

    def identity(self) -> dict[str, Any]:
        return self._identity


class FolderSource(_Files):
    """The pictures and InkML files in a folder and its subfolders, in the order of their paths.

    Raises:
        FileNotFoundError: if there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.skipped = Counter[str]()
        files = [(name, _size(folder / name)) for name in _walk(folder, SUFFIXES, self.skipped)]
        super().__init__("folder", folder, files)
        self._files = files

    def listing(self) -> list[tuple[str, int]]:
        return self._files

    def go_on_from(self, before: Sequence[tuple[str, int]]) -> dict[str, Any] | None:
        known = dict.fromkeys(before)
        if not known.keys() <= set(self._files):
            return None
        self._files = [*before, *(one for one in self._files if one not in known)]
        self._identity = self._identity_of("folder", self._files)
        return self._identity_of("folder", before)

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        names = [name for name, _ in self._files]
        for number, name in _listed(names, ranges):
            yield number, Row(name, partial(Path, self.place / name))


class ZipSource(_Files):
    """The pictures and InkML files in a zip, in its own order.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is no zip.
    """

    def __init__(self, path: Path) -> None:
        self.skipped = Counter[str]()
        try:
            with zipfile.ZipFile(path) as archive:
                members = _zipped(archive, self.skipped)
                files = [(member.filename, member.CRC) for member in members]
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is not a zip, or a damaged one: {error}") from error
        super().__init__("zip", path, files)

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        with zipfile.ZipFile(self.place) as archive:
            for number, member in _listed(_zipped(archive), ranges):
                load = partial(_checked, member.file_size, partial(archive.read, member))
                yield number, Row(member.filename, load)


class TarSource(_Files):
    """The pictures and InkML files in a tar, compressed or not, in its own order.

    It is read through once to find them.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is no tar.
    """

    def __init__(self, path: Path) -> None:
        self._places: list[tuple[str, int, int]] = []
        self.skipped = Counter[str]()
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.isreg() and _is_picture(member.name, self.skipped):
                        self._places.append((member.name, member.offset_data, member.size))
                    archive.members = []  # type: ignore[attr-defined]  # it would keep them all
        except (tarfile.TarError, EOFError) as error:
            raise ValueError(f"{path} is not a tar, or a damaged one: {error}") from error
        super().__init__("tar", path, [(name, size) for name, _, size in self._places])

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        with tarfile.open(self.place) as archive:
            file = archive.fileobj  # unpacked
            assert file is not None

            def read(offset: int, size: int) -> bytes:
                file.seek(offset)
                return file.read(size)

            for number, (name, offset, size) in _listed(self._places, ranges):
                yield number, Row(name, partial(_checked, size, partial(read, offset, size)))


class ParquetSource(Source):
    """The rows of parquet files, in the order in which the files are named.

    Args:
        files: the files.
        image_column: `datasets.Image` as it is stored (a struct of `bytes` and `path`), or bytes.
        id_column: rows are identified by it; None for their numbers.
        allowed: see `open_source`.

    Raises:
        ValueError: if a file is no parquet file or has no such column.
        ImportError: if pyarrow is not installed.
    """

    def __init__(
        self,
        files: Sequence[Path],
        image_column: str = "image",
        id_column: str | None = None,
        allowed: frozenset[str] = frozenset(),
    ) -> None:
        require("transcribe", "A parquet file", "pyarrow")
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.image_column, self.id_column, self.allowed = image_column, id_column, allowed
        self._files: list[tuple[Path, int]] = []
        for path in files:
            try:
                metadata = pq.read_metadata(path)
            except pa.ArrowInvalid as error:
                raise ValueError(f"{path} is not a parquet file, or a damaged one.") from error
            _check_columns(
                str(path), metadata.schema.to_arrow_schema().names, image_column, id_column
            )
            self._files.append((path, metadata.num_rows))
        self.total = sum(count for _, count in self._files)

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "parquet",
            "files": [[path.name, count, _size(path)] for path, count in self._files],
            "image_column": self.image_column,
            "id_column": self.id_column,
        } | _allowance(self.allowed)

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        assert self.total is not None
        wanted = [one for one in ranges if one.start < self.total]
        for number, (batch, index) in _selected(self._cells(wanted), wanted):
            load = partial(_cell, batch, self.image_column, index, self.allowed)
            yield number, Row(_row_id(batch, self.id_column, index, number), load)

    def _cells(self, wanted: Sequence[range]) -> Iterator[tuple[int, tuple[Any, int]]]:
        """Row number, batch of rows and index in it, of every row group that has wanted rows."""
        import pyarrow.parquet as pq

        columns = [name for name in (self.image_column, self.id_column) if name is not None]
        stops = [one.stop for one in wanted]
        first = 0
        for path, count in self._files:
            if not _overlaps(wanted, stops, first, first + count):
                first += count
                continue
            # Without these two the whole row group would be in memory.
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20) as file:
                for group in range(file.num_row_groups):
                    end = first + file.metadata.row_group(group).num_rows
                    if _overlaps(wanted, stops, first, end):
                        number = first
                        for batch in file.iter_batches(
                            _PARQUET_ROWS, row_groups=[group], columns=columns
                        ):
                            for index in range(batch.num_rows):
                                yield number + index, (batch, index)
                            number += batch.num_rows
                    first = end


class SavedSource(Source):
    """A data set that `datasets.Dataset.save_to_disk` wrote.

    Args:
        folder: of the data set, or of several splits.
        split: which of them; may be left out where there is only one.
        image_column: with pictures.
        id_column: rows are identified by it; None for their numbers.
        allowed: see `open_source`.

    Raises:
        ValueError: if there is no such split or column.
        ImportError: if datasets is not installed.
    """

    def __init__(
        self,
        folder: Path,
        split: str | None,
        image_column: str,
        id_column: str | None,
        allowed: frozenset[str] = frozenset(),
    ) -> None:
        require("transcribe", "A saved data set", "datasets")
        import datasets

        data = datasets.load_from_disk(str(folder))
        if isinstance(data, datasets.DatasetDict):
            if split is None and len(data) == 1:
                split = next(iter(data))
            if split not in data:
                asked = "Name one by --split." if split is None else f"There is no {split!r}."
                raise ValueError(f"{folder} has the splits {', '.join(data)}. {asked}")
            data = data[split]
        _check_columns(str(folder), data.column_names, image_column, id_column)
        self._identity = {
            "kind": "data set",
            "fingerprint": data._fingerprint,
            "rows": len(data),
            "image_column": image_column,
            "id_column": id_column,
        } | _allowance(allowed)
        self._data = _undecoded(data, image_column, id_column)
        self.image_column, self.id_column, self.allowed = image_column, id_column, allowed
        self.total = len(data)

    def identity(self) -> dict[str, Any]:
        return self._identity

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        for number in _listed(range(len(self._data)), ranges):
            row = self._data[number[0]]
            identity = str(number[0]) if self.id_column is None else str(row[self.id_column])
            yield number[0], Row(identity, partial(_picture, row[self.image_column], self.allowed))


class StreamedSource(Source):
    """A data set of the Hub, streamed: nothing of it is stored.

    Each process reads the stream from its beginning.

    Args:
        name: `owner/name`.
        config: which of its configurations, if it has several.
        split: which of its splits.
        revision: branch, tag or commit; None for the newest commit.
        image_column: with pictures.
        id_column: rows are identified by it; None for their numbers.
        allowed: see `open_source`.

    Raises:
        OSError: if there is no such data set, or no network.
        ValueError: if there is no such configuration, split or column.
        ImportError: if datasets is not installed.
    """

    is_streamed = True

    def __init__(
        self,
        name: str,
        config: str | None,
        split: str | None,
        revision: str | None,
        image_column: str,
        id_column: str | None,
        allowed: frozenset[str] = frozenset(),
    ) -> None:
        require("transcribe", "A data set of the Hub", "datasets")
        import datasets
        from huggingface_hub import HfApi

        try:
            # The commit, since a branch may be another one when the run goes on.
            revision = HfApi().dataset_info(name, revision=revision).sha
            splits = datasets.load_dataset(name, config, revision=revision, streaming=True)
        except OSError as error:
            raise FileNotFoundError(
                f"{name}: no such file or folder, and no data set that can be had from the Hub: "
                f"{error}"
            ) from error
        if split is None and len(splits) == 1:
            split = next(iter(splits))
        if split not in splits:
            asked = "Name one by --split." if split is None else f"There is no {split!r}."
            raise ValueError(f"{name} has the splits {', '.join(splits)}. {asked}")
        data = splits[split]
        columns = data.column_names or list(next(iter(data)))
        _check_columns(name, columns, image_column, id_column)
        known = (data.info.splits or {}).get(split)
        self.total = known.num_examples if known is not None else None
        self._data = _undecoded(data, image_column, id_column)
        self.image_column, self.id_column, self.allowed = image_column, id_column, allowed
        self._identity = {
            "kind": "Hub",
            "name": name,
            "config": config,
            "split": split,
            "revision": revision,
            "image_column": image_column,
            "id_column": id_column,
        } | _allowance(allowed)

    def identity(self) -> dict[str, Any]:
        return self._identity

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        for number, row in _selected(enumerate(self._data), ranges):
            identity = str(number) if self.id_column is None else str(row[self.id_column])
            yield number, Row(identity, partial(_picture, row[self.image_column], self.allowed))


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
    paths = [Path(name) for name in names]
    if all(path.is_file() and path.suffix.lower() == ".parquet" for path in paths):
        _refuse(config, split, revision)
        return ParquetSource(paths, image_column, id_column, allowed)
    if len(names) != 1:
        raise ValueError("Give one source at a time; several only if all are parquet files.")
    (path,) = paths
    if path.is_dir():
        if any((path / name).is_file() for name in ("state.json", "dataset_dict.json")):
            _refuse(config, revision)
            return SavedSource(path, split, image_column, id_column, allowed)
        _refuse(config, split, revision)
        tables = [path / name for name in _walk(path, frozenset({".parquet"}))]
        if not tables:
            _refuse(id_column)
            return FolderSource(path)
        picture = next(_walk(path, SUFFIXES), None)
        if picture is not None:
            raise ValueError(
                f"{path} has pictures ({picture}) and parquet files ({tables[0].name}). "
                "Name the parquet files, or a folder that has only one kind."
            )
        return ParquetSource(tables, image_column, id_column, allowed)
    if path.is_file():
        _refuse(config, split, revision, id_column)
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
    if re.fullmatch(r"[\w.-]+/[\w.-]+", names[0]):
        return StreamedSource(names[0], config, split, revision, image_column, id_column, allowed)
    raise FileNotFoundError(f"{names[0]}: no such file or folder.")


def _refuse(*options: str | None) -> None:
    given = [option for option in options if option is not None]
    if given:
        raise ValueError(
            f"Nothing in this source can be chosen by {given[0]!r}: --config and --revision are of "
            "data sets of the Hub, --split of data sets, --id-column of these and parquet files."
        )


def _walk(
    folder: Path, suffixes: frozenset[str], skipped: Counter[str] | None = None
) -> Iterator[str]:
    """Paths, relative to the folder and with `/`, of the files with such endings.

    Args:
        folder: to search, with its subfolders.
        suffixes: the endings, in small letters.
        skipped: counts the endings of the other files, if it is given.
    """
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        if SETTINGS in files:  # what was read is no source
            folders.clear()
            continue
        for name in sorted(files):
            path = Path(parent, name)
            if name.startswith("."):  # of systems, not of people
                continue
            if path.suffix.lower() in suffixes:
                yield path.relative_to(folder).as_posix()
            elif skipped is not None:
                skipped[_ending(name)] += 1


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "no ending"


def _raise(error: OSError) -> None:
    """A folder that cannot be read is not to be left out without a word."""
    raise error


def _is_picture(name: str, skipped: Counter[str] | None = None) -> bool:
    """Whether a name in an archive is that of a picture, and not macOS's notes about one.

    Args:
        name: path of the entry.
        skipped: counts the endings of the other files, if it is given.

    Raises:
        ValueError: if it climbs out of its folder.
    """
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
        raise ValueError(
            f"The archive has an entry {name!r}, which climbs out of its folder. Such an archive "
            "is broken or an attack; nothing is read from it."
        )
    if parts[-1].startswith(".") or "__MACOSX" in parts:
        return False
    is_picture = os.path.splitext(parts[-1])[1].lower() in SUFFIXES
    if not is_picture and skipped is not None:
        skipped[_ending(parts[-1])] += 1
    return is_picture


def _zipped(archive: zipfile.ZipFile, skipped: Counter[str] | None = None) -> list[zipfile.ZipInfo]:
    files = (one for one in archive.infolist() if not one.is_dir())
    return [one for one in files if _is_picture(one.filename, skipped)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a link to nowhere; its row says so
        return -1


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise ValueError(f"The picture has more than {MAX_BYTES} bytes: too large for a picture.")


def _checked(size: int, read: Callable[[], bytes]) -> bytes:
    _check_size(size)
    return read()


def _listed(entries: Sequence[T], ranges: Iterable[range]) -> Iterator[tuple[int, T]]:
    """Number and entry of what is wanted, where any entry can be had at once."""
    for wanted in ranges:
        if wanted.start >= len(entries):
            return
        for number in range(wanted.start, min(wanted.stop, len(entries))):
            yield number, entries[number]


def _selected(
    numbered: Iterable[tuple[int, T]], ranges: Iterable[range]
) -> Iterator[tuple[int, T]]:
    """Number and entry of what is wanted, where entries come one after the other."""
    rest = iter(ranges)
    wanted = next(rest, None)
    for number, entry in numbered:
        while wanted is not None and number >= wanted.stop:
            wanted = next(rest, None)
        if wanted is None:
            return
        if number in wanted:
            yield number, entry


def _overlaps(wanted: Sequence[range], stops: Sequence[int], start: int, end: int) -> bool:
    """Whether any row from `start` up to `end` is wanted."""
    first = bisect_right(stops, start)
    return first < len(wanted) and wanted[first].start < end


def _check_columns(
    name: str, columns: Sequence[str], image_column: str, id_column: str | None
) -> None:
    for option, column in (("--image-column", image_column), ("--id-column", id_column)):
        if column is not None and column not in columns:
            raise ValueError(
                f"{name} has no column {column!r}; it has {', '.join(columns)}. "
                f"Name one by {option}."
            )


def _undecoded(data: Any, image_column: str, id_column: str | None) -> Any:
    """A data set with the wanted columns alone, its pictures as the bytes that are stored."""
    import datasets

    columns = dict.fromkeys(name for name in (image_column, id_column) if name is not None)
    data = data.select_columns(list(columns))
    if data.features is None or isinstance(data.features[image_column], datasets.Image):
        data = data.cast_column(image_column, datasets.Image(decode=False))
    return data


def _allowance(allowed: frozenset[str]) -> dict[str, Any]:
    """Part of an identity: rows that name what is not allowed become errors."""
    return {"allowed": sorted(allowed)} if allowed else {}


def _row_id(batch: Any, column: str | None, index: int, number: int) -> str:
    return str(number) if column is None else str(batch.column(column)[index].as_py())


def _cell(batch: Any, column: str, index: int, allowed: frozenset[str]) -> Any:
    return _picture(batch.column(column)[index].as_py(), allowed)


def _picture(value: Any, allowed: frozenset[str]) -> Any:
    """What `Recognizer.read` takes, of a cell of a table.

    Raises:
        ValueError: if the cell is empty, or names a file or a URL that it may not.
    """
    if isinstance(value, dict):
        content, path = value.get("bytes"), value.get("path")
        value = path if content is None else content
        if content is None and path and _HUB.match(path):  # of a data set that is streamed
            require("transcribe", "A picture of a data set of the Hub", "datasets")
            import datasets

            return datasets.Image().decode_example({"path": path, "bytes": None})
    if value is None:
        raise ValueError("There is no picture in this row.")
    # Tables come from strangers: what they name would be fetched from this machine and its network.
    if isinstance(value, str) and not value.startswith("data:"):
        kind, option = (URLS, "--allow-urls") if "://" in value else (PATHS, "--allow-paths")
        if kind not in allowed:
            raise ValueError(f"The row names a picture, {value[:200]!r}, and has none: {option}.")
    return value
