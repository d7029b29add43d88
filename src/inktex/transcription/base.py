"""What all sources of pictures have in common: numbered rows, of which any part can be read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

__all__ = ["SETTINGS", "SUFFIXES", "Row", "Source", "file_size", "listed", "selected"]

T = TypeVar("T")

SUFFIXES: Final = frozenset(
    ".png .jpg .jpeg .bmp .gif .tif .tiff .webp .avif .jp2 .heic .heif "
    ".pgm .pbm .ppm .inkml".split()
)
"""Endings of the files that folders and archives are searched for."""
SETTINGS: Final = ".transcription.json"
"""File that marks a folder as a transcription; hidden, so that data-set loaders skip it."""


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
    """Pictures in an order that never changes. None is read before its row's `load` is called.

    Attributes:
        total: number of rows; None where only reading all of them would tell.
        is_streamed: whether rows that are not wanted have to be read nevertheless.
        skipped: how many files are not read because of their endings, by ending.
    """

    total: int | None
    is_streamed = False
    skipped: Counter[str] = Counter()

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What tells this source from another one, and from itself after a change; JSON."""

    @abstractmethod
    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """Number and row of what is wanted.

        Args:
            ranges: numbers of the wanted rows, ascending; they may go beyond the last row.

        Raises:
            OSError, ValueError: if the source cannot be read any further.
        """

    def listing(self) -> list[tuple[str, int]] | None:
        """Name and size of all files, in their order; None if this is no folder of files."""
        return None

    def go_on_from(self, before: Sequence[tuple[str, int]]) -> dict[str, Any] | None:
        """Put files that have come since behind those that were there.

        Args:
            before: what `listing` gave then.

        Returns:
            What `identity` gave then; None if files are gone or have changed, or this is no folder.
        """
        return None


def listed(entries: Sequence[T], ranges: Iterable[range]) -> Iterator[tuple[int, T]]:
    """Number and entry of what is wanted, of entries with random access."""
    for wanted in ranges:
        if wanted.start >= len(entries):
            return
        for number in range(wanted.start, min(wanted.stop, len(entries))):
            yield number, entries[number]


def selected(numbered: Iterable[tuple[int, T]], ranges: Iterable[range]) -> Iterator[tuple[int, T]]:
    """Number and entry of what is wanted, of entries that come one after the other."""
    rest = iter(ranges)
    wanted = next(rest, None)
    for number, entry in numbered:
        while wanted is not None and number >= wanted.stop:
            wanted = next(rest, None)
        if wanted is None:
            return
        if number in wanted:
            yield number, entry


def file_size(path: Path) -> int:
    """Bytes of a file; -1 for a link to nowhere, whose row reports the error."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
