"""Sources that are tables: parquet files, and data sets on disk or on the Hub."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from inktex.extras import require

from .base import Row, Source, selected

PATHS: Final = "paths"
URLS: Final = "urls"
"""What cells of a table may name instead of holding a picture, where it is allowed."""
_HUB: Final = re.compile(r"(?:[\w+.-]+://[^:]*::)*hf://")
"""How files of a data set of the Hub are named while it is streamed."""
_PARQUET_ROWS: Final = 16
"""Rows of a parquet file in memory at a time."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What is read of a table.

    Attributes:
        image: column with pictures: `datasets.Image` as it is stored (a struct of `bytes` and
            `path`), or bytes.
        id: column that identifies the rows; None for their numbers.
        allowed: what cells may name instead of holding a picture: `PATHS`, `URLS`.
    """

    image: str = "image"
    id: str | None = None
    allowed: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """The columns, each once."""
        return list(dict.fromkeys(name for name in (self.image, self.id) if name is not None))

    def identity(self) -> dict[str, Any]:
        """The columns' part of a source's identity."""
        found = {"image_column": self.image, "id_column": self.id}
        return found | ({"allowed": sorted(self.allowed)} if self.allowed else {})

    def check(self, table: str, present: Sequence[str]) -> None:
        """Raise a ValueError if a table lacks one of the columns."""
        for option, column in (("--image-column", self.image), ("--id-column", self.id)):
            if column is not None and column not in present:
                raise ValueError(
                    f"{table} has no column {column!r}; it has {', '.join(present)}. "
                    f"Name one by {option}."
                )


class ParquetSource(Source):
    """The rows of parquet files, in the order in which the files are named.

    Raises:
        ValueError: if a file is no parquet file or lacks a column.
        ImportError: if pyarrow is not installed.
    """

    def __init__(self, files: Sequence[Path], columns: Columns) -> None:
        require("transcribe", "A parquet file", "pyarrow")
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.columns = columns
        self._files: list[tuple[Path, int]] = []
        for path in files:
            try:
                metadata = pq.read_metadata(path)
            except pa.ArrowInvalid as error:
                raise ValueError(f"{path} is not a parquet file, or a damaged one.") from error
            columns.check(str(path), metadata.schema.to_arrow_schema().names)
            self._files.append((path, metadata.num_rows))
        self.total: int = sum(count for _, count in self._files)
        known = [[path.name, count, path.stat().st_size] for path, count in self._files]
        self.identity = {"kind": "parquet", "files": known} | columns.identity()

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        wanted = deque(one for one in ranges if one.start < self.total)
        for first, batch in self._batches(wanted):
            image = batch.column(self.columns.image)
            ids = None if self.columns.id is None else batch.column(self.columns.id)
            for index, number in enumerate(range(first, first + batch.num_rows)):
                while wanted and wanted[0].stop <= number:
                    wanted.popleft()
                if wanted and number in wanted[0]:
                    name = str(number) if ids is None else str(ids[index].as_py())
                    yield number, Row(name, partial(_load, image, index, self.columns.allowed))

    def _batches(self, wanted: deque[range]) -> Iterator[tuple[int, Any]]:
        """Number of the first row, and batch of rows, of every row group that has wanted rows.

        What has been passed of `wanted` is removed from it.
        """
        import pyarrow.parquet as pq

        first = 0

        def is_wanted(end: int) -> bool:
            while wanted and wanted[0].stop <= first:
                wanted.popleft()
            return bool(wanted) and wanted[0].start < end

        for path, count in self._files:
            if not is_wanted(first + count):
                first += count
                continue
            # Without these two the whole row group would be in memory.
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20) as file:
                for group in range(file.num_row_groups):
                    end = first + file.metadata.row_group(group).num_rows
                    if is_wanted(end):
                        for batch in file.iter_batches(
                            _PARQUET_ROWS, row_groups=[group], columns=self.columns.names
                        ):
                            if is_wanted(first + batch.num_rows):
                                yield first, batch
                            first += batch.num_rows
                    first = end


class _DataSet(Source):
    """A data set of `datasets`."""

    def __init__(self, name: str, data: Any, identity: dict[str, Any], columns: Columns) -> None:
        import datasets

        columns.check(name, data.column_names or list(next(iter(data))))
        data = data.select_columns(columns.names)
        if data.features is None or isinstance(data.features[columns.image], datasets.Image):
            # The bytes as they are stored; decoding is the reader's, picture by picture.
            data = data.cast_column(columns.image, datasets.Image(decode=False))
        self.columns, self._data, self.identity = columns, data, identity | columns.identity()

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        if self.is_streamed:
            found = selected(self._data, ranges)
        else:
            found = ((n, self._data[n]) for n, _ in selected(range(len(self._data)), ranges))
        for number, cells in found:
            name = str(number) if self.columns.id is None else str(cells[self.columns.id])
            picture = cells[self.columns.image]
            yield number, Row(name, partial(_picture, picture, self.columns.allowed))


class SavedSource(_DataSet):
    """A data set that `datasets.Dataset.save_to_disk` wrote.

    Raises:
        ValueError: if there is no such split or column.
        ImportError: if datasets is not installed.
    """

    def __init__(self, folder: Path, split: str | None, columns: Columns) -> None:
        require("transcribe", "A saved data set", "datasets")
        import datasets

        data = datasets.load_from_disk(str(folder))
        if isinstance(data, datasets.DatasetDict):
            data = data[_split(str(folder), data, split)]
        identity = {"kind": "data set", "fingerprint": data._fingerprint, "rows": len(data)}
        super().__init__(str(folder), data, identity, columns)
        self.total = len(data)


class HubSource(_DataSet):
    """A data set of the Hub, streamed: nothing of it is stored.

    Each process reads the stream from its beginning.

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
        columns: Columns,
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
        split = _split(name, splits, split)
        data = splits[split]
        known = (data.info.splits or {}).get(split)
        self.total = known.num_examples if known is not None else None
        identity = {
            "kind": "Hub", "name": name, "config": config, "split": split, "revision": revision,
        }  # fmt: skip
        super().__init__(name, data, identity, columns)


def _split(name: str, splits: Any, split: str | None) -> str:
    """The split that is meant: the one named, or the only one."""
    if split is None and len(splits) == 1:
        return str(next(iter(splits)))
    if split not in splits:
        asked = "Name one by --split." if split is None else f"There is no {split!r}."
        raise ValueError(f"{name} has the splits {', '.join(splits)}. {asked}")
    return str(split)


def _load(column: Any, index: int, allowed: frozenset[str]) -> Any:
    return _picture(column[index].as_py(), allowed)


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
