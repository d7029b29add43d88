"""What all sources of pictures have in common: numbered rows, of which any part can be read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

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
        identity: what tells this source from another one, and from itself after a change; JSON.
        is_streamed: whether rows that are not wanted have to be read nevertheless.
        skipped: how many files are not read because of their endings, by ending.
        listing: name and size of all files, in their order; None if this is no folder of files.
    """

    total: int | None
    identity: dict[str, Any]
    is_streamed = False
    skipped: Counter[str] = Counter()
    listing: Sequence[tuple[str, int]] | None = None

    @abstractmethod
    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """Number and row of what is wanted.

        Args:
            ranges: numbers of the wanted rows, ascending; they may go beyond the last row.

        Raises:
            OSError, ValueError: if the source cannot be read any further.
        """

    def go_on_from(self, before: Sequence[tuple[str, int]]) -> dict[str, Any] | None:
        """Put files that have come since behind those that were there.

        Args:
            before: the `listing` of then.

        Returns:
            The `identity` of then; None if files are gone or have changed, or this is no folder.
        """
        return None


def selected(entries: Iterable[T], ranges: Iterable[range]) -> Iterator[tuple[int, T]]:
    """Number and entry of what is wanted; `ranges` are ascending."""
    rest = iter(ranges)
    wanted = next(rest, None)
    for number, entry in enumerate(entries):
        while wanted is not None and number >= wanted.stop:
            wanted = next(rest, None)
        if wanted is None:
            return
        if number in wanted:
            yield number, entry
