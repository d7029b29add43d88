"""A transcription on disk: shards and journals in a folder.

A shard holds one window of the source, the rows from `number * window` up to the next shard's, and
is named by its number, so the names alone tell what is done. It is there whole or not at all. The
journal of a shard that is not done, a hidden file, holds those of its rows that have been read.

The folder is the output, or stands beside an output that is one file: a table of text is made of
its shards when all are done.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inktex.extras import require
from inktex.files import new_file, write_text

from .base import SETTINGS

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = ("id", "latex", "tokens", "score", "error")
"""Of a shard: `error` is null where the picture was read, all but it and `id` elsewhere."""
_FOLDERS: Final = (".parquet", ".jsonl")
_TABLES: Final = {".csv": ",", ".tsv": "\t"}
"""Endings of outputs that are one file, and what is between its cells."""
ENDINGS: Final = (*_FOLDERS, *_TABLES)
"""Of the names of outputs."""
LISTING: Final = ".transcription-files.json"
"""Name and size of each file of a folder that is read, in the order of the rows."""


def schema() -> pa.Schema:
    """The columns of a shard, as pyarrow has them."""
    import pyarrow as pa

    return pa.schema([(name, pa.float64() if name == "score" else pa.string()) for name in COLUMNS])


def differences(known: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What is not the same of the settings that rows depend on, in words."""
    names = ["preset", "beams", "window", "weights"]
    if known.get("weights") != asked.get("weights"):  # each engine has weights of its own
        names += ["engine", "model"]
    before, now = (
        {f"--{name}": one.get(name) for name in names}
        | {f"{name} of SOURCE": value for name, value in (one.get("source") or {}).items()}
        for one in (known, asked)
    )
    return [
        f"{name} was {str(before.get(name))[:80]} and is {str(now.get(name))[:80]}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]


class Shards:
    """A transcription on disk.

    Args:
        output: its name ends in one of `ENDINGS`. With `.parquet` and `.jsonl` it is a folder, and
            its shards end likewise. With `.csv` and `.tsv` it is a file, which `finish` writes; the
            shards are JSONL in a hidden folder beside it.

    Raises:
        ValueError: if the name ends in anything else.
        OSError: if there is a file where a folder is to be, or the other way round.
        ImportError: if it is to be parquet, and pyarrow is not installed.
    """

    def __init__(self, output: Path) -> None:
        self.output, self.folder, self.suffix = output, output, output.suffix.lower()
        if self.suffix not in ENDINGS:
            raise ValueError(
                f"{output}: the name of the output must end in {', '.join(_FOLDERS)} (a folder of "
                f"such files), {' or '.join(_TABLES)} (a file)."
            )
        if self.suffix == ".parquet":
            require("transcribe", "An output of parquet files", "pyarrow")
        self._separator = _TABLES.get(self.suffix)
        if output.exists() and output.is_dir() == (self._separator is not None):
            there, wanted = ("folder", "file") if output.is_dir() else ("file", "folder of files")
            raise OSError(f"{output} is a {there}. The output is a {wanted}: name another.")
        if self._separator is not None:
            self.folder = output.with_name(f".{output.name}.transcription")
            self.suffix = ".jsonl"

    def path(self, number: int) -> Path:
        """Where a shard is."""
        return self.folder / f"part-{number:06}{self.suffix}"

    def _journal(self, number: int) -> Path:
        return self.folder / f".part-{number:06}.journal"

    def _numbers(self, pattern: str) -> dict[int, Path]:
        """The files whose names match, by the number in them."""
        if not self.folder.is_dir():
            return {}
        found = ((re.fullmatch(pattern, path.name), path) for path in self.folder.iterdir())
        return {int(match[1]): path for match, path in found if match is not None}

    def finished(self) -> set[int]:
        """Numbers of the shards that are written."""
        return set(self._numbers(rf"part-(\d{{6,}}){re.escape(self.suffix)}"))

    def _journals(self) -> dict[int, Path]:
        return self._numbers(r"\.part-(\d{6,})\.journal")

    def note(self, number: int, rows: Mapping[int, Mapping[str, Any]]) -> None:
        """Append rows to the journal of a shard, in case this process is killed.

        Args:
            rows: by their places in it, with the columns of `COLUMNS`.
        """
        lines = (json.dumps([index, row]) + "\n" for index, row in rows.items())
        # A new line first: the last one may have been cut off by a kill. Only ASCII, so any name.
        with self._journal(number).open("ab", buffering=0) as file:
            file.write(("\n" + "".join(lines)).encode("ascii"))

    def noted(self, number: int) -> dict[int, dict[str, Any]]:
        """The rows in the journal of a shard, by their places in it."""
        try:
            text = self._journal(number).read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return {}
        found = {}
        for line in text.split("\n"):
            with contextlib.suppress(ValueError):  # cut off by a kill
                index, row = json.loads(line)
                found[index] = row
        return found

    def noted_rows(self) -> int:
        """How many rows the journals hold."""
        return sum(len(self.noted(number)) for number in self._journals().keys() - self.finished())

    def settings(self) -> dict[str, Any] | None:
        """What `begin` wrote; None if nothing was begun.

        Raises:
            ValueError: if it is no JSON.
        """
        try:
            text = (self.folder / SETTINGS).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            found: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.folder / SETTINGS} is damaged: {error}") from error
        return found

    def engine(self) -> str | None:
        """The engine of the transcription that is there; None if nothing was begun."""
        known = self.settings()
        # The first versions did not write it down, and used torch.
        return None if known is None else known.get("engine") or "torch"

    def has_begun(self, settings: Mapping[str, Any]) -> bool:
        """Whether the folder holds a transcription with these settings."""
        known = self.settings()
        return known is not None and not differences(known, settings)

    def listing(self) -> list[tuple[str, int]] | None:
        """The files of the transcription that is there, as `extend` or `begin` wrote them."""
        try:
            found = json.loads((self.folder / LISTING).read_text(encoding="ascii"))
            return [(str(name), int(size)) for name, size in found]
        except (OSError, ValueError, TypeError):  # of an earlier version, or damaged: not needed
            return None

    def extend(
        self, settings: Mapping[str, Any], listing: Sequence[tuple[str, int]], rows: int
    ) -> None:
        """Make room for files that have come since, behind those that were there.

        An incomplete last shard becomes a journal. Call it in one process, before `begin`, when all
        other settings are as they were.

        Args:
            settings: of `begin`, with the longer source.
            listing: name and size of all files, in their order.
            rows: how many files there were.

        Raises:
            ValueError: if the output is one file that somebody has changed.
        """
        if self._separator is not None and self.output.exists():
            with self.output.open(encoding="utf-8", newline="") as file:
                now = csv.reader(file, delimiter=self._separator)
                is_same = all(one == other for one, other in zip_longest(now, self._table()))
            if not is_same:
                raise ValueError(
                    f"{self.output} has been changed since it was written, and would be written "
                    "anew with the pictures that have come. Move it away, or name another --output."
                )
            self.output.unlink()
        window = int(settings["window"])
        last = (rows - 1) // window
        if rows % window and last in self.finished():
            self.note(last, dict(enumerate(self.read(last))))
            self.path(last).unlink()
        self._write_settings(settings, listing)

    def _write_settings(
        self, settings: Mapping[str, Any], listing: Sequence[tuple[str, int]] | None
    ) -> None:
        write_text(self.folder / SETTINGS, json.dumps(settings, indent=2) + "\n")
        if listing is None:
            (self.folder / LISTING).unlink(missing_ok=True)
        else:  # in ASCII, so that names may be any bytes
            write_text(self.folder / LISTING, json.dumps(listing) + "\n")

    def begin(
        self,
        settings: Mapping[str, Any],
        overwrite: bool = False,
        listing: Sequence[tuple[str, int]] | None = None,
    ) -> None:
        """Begin a transcription, or go on with one that was begun with the same settings.

        Call it in one process, before any shard is written.

        Args:
            settings: all that the rows depend on (`preset`, `beams`, `weights`, `source`) and
                `window`; whatever else is there is for people, and may change. JSON.
            overwrite: whether to delete what is there and begin anew.
            listing: name and size of all files, if the source is a folder.

        Raises:
            ValueError: if the folder holds a transcription with other settings, or other things.
        """
        known = self.settings()
        names = list(self.folder.iterdir()) if self.folder.is_dir() else []
        halves = [path for path in names if path.match(".*.partial")]  # of killed processes
        if known is None and len(names) > len(halves):
            raise ValueError(
                f"{self.folder} is neither empty nor a transcription. Name another --output."
            )
        if known is None and self._separator is not None and self.output.exists():
            raise ValueError(
                f"{self.output} is there, and nothing beside it tells that it is a transcription. "
                "Name another --output."
            )
        goes_on = known is not None and not overwrite
        if known is not None and goes_on and (found := differences(known, settings)):
            raise ValueError(
                f"{self.output} was begun with other settings: {'; '.join(found)}. Give "
                "the same again to go on, name another --output, or begin anew by --overwrite."
            )
        for path in halves:
            path.unlink()
        finished = self.finished()
        for number, path in self._journals().items():
            if number in finished or not goes_on:
                path.unlink(missing_ok=True)
        if goes_on:
            if listing is not None and self.listing() != [*map(tuple, listing)]:
                write_text(self.folder / LISTING, json.dumps(listing) + "\n")  # after a kill
            return
        # Table and shards first: whoever is killed in between leaves an old run that can go on.
        if self._separator is not None:
            self.output.unlink(missing_ok=True)
        for number in finished:
            self.path(number).unlink()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_settings(settings, listing)

    def write(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a shard.

        Args:
            rows: with the columns of `COLUMNS`.
        """
        clean = [{name: _text(row[name]) for name in COLUMNS} for row in rows]
        with new_file(self.path(number)) as partial:
            if self.suffix == ".parquet":
                import pyarrow as pa
                import pyarrow.parquet as pq

                table = pa.Table.from_pylist(clean, schema=schema())
                pq.write_table(table, partial, compression="zstd")
            else:
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in clean)
                partial.write_text("".join(lines), encoding="utf-8", newline="\n")
        self._journal(number).unlink(missing_ok=True)

    def read(self, number: int) -> list[dict[str, Any]]:
        """The rows of a shard."""
        if self.suffix == ".parquet":
            import pyarrow.parquet as pq

            rows: list[dict[str, Any]] = pq.read_table(self.path(number)).to_pylist()
            return rows
        # Not splitlines: JSON may have other line separators in its strings.
        lines = self.path(number).read_text(encoding="utf-8").split("\n")[:-1]
        return [*map(json.loads, lines)]

    def finish(self) -> None:
        """Write the output that is one file, unless it is there: somebody may have corrected it.

        Call it in one process, when all shards are there.
        """
        if self._separator is None or self.output.exists():
            return
        with (
            new_file(self.output) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            table = csv.writer(file, delimiter=self._separator, lineterminator="\n")
            table.writerows(self._table())

    def _table(self) -> Iterator[list[str]]:
        """All rows as text, the names of the columns first."""
        yield [*COLUMNS]
        for number in sorted(self.finished()):
            for row in self.read(number):
                yield ["" if row[name] is None else str(row[name]) for name in COLUMNS]

    def count(self, numbers: Iterable[int]) -> tuple[int, int]:
        """Rows of some shards, and how many of them have an error."""
        has_error = [row["error"] is not None for n in numbers for row in self.read(n)]
        return len(has_error), sum(has_error)


def _text(value: Any) -> Any:
    """Text that UTF-8 can hold: names of files may be any bytes."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
