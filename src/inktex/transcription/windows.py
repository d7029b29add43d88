"""Windows of a source, prepared for the model: what the workers of a run do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, groupby, islice
from pathlib import Path
from typing import Any, Final

from inktex.engine import Preset
from inktex.inputs import Prepared, prepare_with_source
from inktex.modeling.image_loading_inktex import NoFormulaError

from .base import Row, Source

WINDOW: Final[Mapping[Preset, int]] = {"fast": 256, "accurate": 32}
"""Pictures that are sorted together, and rows of a shard: some seconds' work."""


def default_window(source: Source, processes: int, batch: int, preset: Preset) -> int:
    """As large as it may be if every process is to have a few windows, and a batch at least."""
    if source.total is None or processes == 1:
        return WINDOW[preset]
    return min(WINDOW[preset], max(batch, source.total // (4 * processes)))


@dataclass(frozen=True, slots=True)
class PreparedRow:
    """A row prepared for the model: its picture, or what is wrong with it."""

    id: str
    picture: Prepared | str


@dataclass(frozen=True)
class Windows:
    """The windows that this process is to read, prepared for the model.

    Of the windows that are not done yet every process takes one in turn, and so do its workers.
    """

    source: Source
    image_processor: Any
    window: int
    done: Collection[int]
    process: int
    processes: int

    def __call__(self, worker: int, workers: int) -> Iterator[tuple[int, list[PreparedRow]]]:
        """Numbers and pictures of the windows that are for a worker.

        Raises:
            OSError: if the source can no longer be read.
            MemoryError: if the memory does not hold a picture.
        """
        total = self.source.total
        if total is None or self.source.is_streamed:  # a stream's own count may be wrong
            numbers: Iterable[int] = count()
        else:
            numbers = range(-(-total // self.window))
        mine = islice(
            (number for number in numbers if number not in self.done),
            self.process + worker * self.processes,
            None,
            self.processes * workers,
        )
        ranges = (range(one * self.window, (one + 1) * self.window) for one in mine)
        try:
            rows = self.source.rows(ranges)
            for number, group in groupby(rows, key=lambda row: row[0] // self.window):
                yield number, [self._prepare(row) for _, row in group]
        except (ValueError, OSError) as error:
            raise OSError(f"The source cannot be read any further: {error}") from error

    def _prepare(self, row: Row) -> PreparedRow:
        try:
            source = row.load()
            prepared = prepare_with_source(source, self.image_processor)
            if isinstance(source, Path):
                return PreparedRow(row.id, prepared)
            if isinstance(prepared.placed, NoFormulaError):
                raise prepared.placed
            # A window of whole pictures, for second looks, would fill the memory.
            return PreparedRow(row.id, Prepared(prepared.placed))
        except MemoryError:  # not this picture's fault alone
            raise
        except Exception as error:  # decoders raise anything for damaged files
            is_known = isinstance(error, ValueError | OSError) and str(error)
            text = str(error) if is_known else f"{type(error).__name__}: {error}"
            return PreparedRow(row.id, " ".join(text.split()))
