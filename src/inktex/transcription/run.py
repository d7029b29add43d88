"""Reading a source into shards."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tqdm.auto import tqdm

from inktex import __version__
from inktex.batches import BatchLimits, plan_batches
from inktex.modeling.normalization_inktex import NormalizedPicture
from inktex.processes import Alone, find_processes
from inktex.recognizer import BaseRecognizer, Preset, prepare
from inktex.workers import work_ahead

from .shards import Shards
from .sources import Row, Source

if TYPE_CHECKING:
    from accelerate import PartialState

__all__ = ["WINDOW", "Summary", "transcribe"]

WINDOW: Final[Mapping[Preset, int]] = {"fast": 256, "accurate": 32}
"""Pictures that are sorted together, and rows of a shard: some seconds' work, which is what a kill
costs."""
_PATIENCE: Final = timedelta(days=30)
"""How long a process waits for the others: one may have hours more to do."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is at the end.

    Attributes:
        rows: in the output.
        errors: how many of them have an error instead of a reading.
        read: rows that this run read, all processes together.
    """

    rows: int
    errors: int
    read: int


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A row on its way to the model: its picture, or what is wrong with it."""

    id: str
    picture: NormalizedPicture | str


def transcribe(
    recognizer: BaseRecognizer,
    source: Source,
    output: Path,
    *,
    preset: Preset = "fast",
    num_beams: int | None = None,
    batch_size: int | None = None,
    window: int | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    model_name: str | None = None,
    engine: str | None = None,
    progress: bool = True,
) -> Summary:
    """Read all pictures of a source into a folder of shards.

    It may be stopped at any moment, and called again to go on, with as many processes as one likes:
    each row is in the output exactly once. A picture that cannot be read becomes a row with an
    error. All processes of a run call it, after `join_processes`, and write to the same folder.

    The pictures of a window are prepared by worker processes, as small grey pictures, while the
    model reads those of the one before: two windows and what the workers have begun are in memory.

    Args:
        recognizer: model and processor, on this process's device.
        source: the pictures.
        output: to write; see `Shards`.
        preset: see `Recognizer.__call__`.
        num_beams: see `Recognizer.__call__`.
        batch_size: pictures read together at most; None for what is cheapest on the device.
        window: pictures that are sorted by size together, and rows of a shard. None for what the
            run was begun with, or for `WINDOW`, or less if that leaves processes without work.
        workers: processes that prepare pictures, for each process that reads; None for a number
            that suits the device; 0 to do it in this process, in turn with the reading.
        overwrite: whether to begin anew if there is a transcription already.
        model_name: written down with the settings, for people.
        engine: likewise, what reads; `Shards.engine` gives it to whoever goes on.
        progress: whether to show a bar.

    Returns:
        What is in the output.

    Raises:
        ValueError: if `output` was begun with other settings, or there is no such preset.
        OSError: if the source can no longer be read, the output not be written, or a worker was
            ended from outside.
        MemoryError: if the memory does not hold a picture.
    """
    recognizer.check(preset, num_beams=num_beams)
    limits = recognizer.limits
    if batch_size is not None:
        limits = replace(limits, pictures=batch_size)
    state, shards = find_processes(), Shards(output)
    listing = None if overwrite else shards.listing()
    was = source.go_on_from(listing) if listing is not None else None
    settings: dict[str, Any] = {
        "inktex": __version__,
        "model": model_name,
        "engine": engine,
        "weights": recognizer.fingerprint(),
        "preset": preset,
        "beams": num_beams,
        "source": source.identity(),
    }
    others = _Others(state)
    default_window = _window(source, state, limits.pictures, preset)
    done, before, noted = _begin(
        others, shards, settings, overwrite, window, default_window, source, was
    )
    window = settings["window"]
    assert window is not None
    windows = _Windows(
        source,
        recognizer.image_processor,
        window,
        done,
        state.process_index,
        state.num_processes,
    )
    if workers is None:
        workers = 1 if str(state.device) == "cpu" else _workers(state)
    if source.is_streamed:
        workers = min(workers, 1)  # each would read the whole stream
    bar = tqdm(
        total=source.total,
        initial=before,
        unit="picture",
        smoothing=0.1,
        dynamic_ncols=True,
        disable=not (progress and state.is_main_process),
    )

    def check_begun() -> None:
        if not shards.has_begun(settings):  # this process may have outlived its launcher
            raise OSError(f"{output} was begun anew by somebody else; this run ends.")

    own: set[int] = set()
    elsewhere: set[int] = set()
    with bar, closing(work_ahead(windows, workers)) as coming:
        for number, prepared in coming:
            if not source.is_streamed and len(prepared) != _length(number, window, source.total):
                raise OSError("The source has fewer rows than it had at the beginning.")
            kept = shards.noted(number)

            def keep(new: dict[int, dict[str, Any]], number: int = number) -> None:
                check_begun()
                shards.note(number, new)

            rows = _read(recognizer, prepared, preset, num_beams, limits, bar, kept, keep)
            check_begun()
            shards.write(number, rows)
            own.add(number)
            if state.num_processes > 1 and state.is_main_process:
                new = shards.finished() - done - own - elsewhere
                elsewhere |= new
                bar.update(sum(_length(one, window, source.total) for one in new))
        others.wait()
        counted = shards.count(shards.finished()) if state.is_main_process else None
        rows_in_all, errors = others.told(counted)
        bar.update(rows_in_all - bar.n)
    if not source.is_streamed and rows_in_all != source.total:
        raise OSError(
            f"{output} has {rows_in_all} rows of {source.total}. Do all processes write to the "
            "same disk?"
        )
    if state.is_main_process:
        shards.finish()
    return Summary(rows_in_all, errors, rows_in_all - before - noted)


class _Others:
    """The other processes of this run, with more patience than torch has by itself."""

    def __init__(self, state: PartialState | Alone) -> None:
        self.state, self._group = state, None
        if state.num_processes > 1:
            import torch

            # The patience of the default group would also be that of a process that looks for a
            # launcher that is dead. And gloo, since whoever waits by NCCL keeps a GPU busy.
            self._group = torch.distributed.new_group(backend="gloo", timeout=_PATIENCE)

    def told(self, value: Any) -> Any:
        """What the first process has."""
        box = [value]
        if self._group is not None:
            import torch

            torch.distributed.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

    def wait(self) -> None:
        """Until all have come so far."""
        if self._group is not None:
            import torch

            torch.distributed.barrier(group=self._group)


def _begin(
    others: _Others,
    shards: Shards,
    settings: dict[str, Any],
    overwrite: bool,
    window: int | None,
    default_window: int,
    source: Source,
    was: Mapping[str, Any] | None,
) -> tuple[frozenset[int], int, int]:
    """Begin or go on, the same in all processes; completes the settings.

    Args:
        others, shards, settings, overwrite, window: of the run.
        default_window: the window if none is given and nothing was begun.
        source: of the run.
        was: identity of the source before files came to it; None if none have come.

    Returns:
        Numbers of the shards that are done, how many rows they have, and how many rows of other
        shards have been read.
    """
    state = others.state
    answer: Any = None
    if state.is_main_process:
        try:
            known = None if overwrite else shards.settings()
            if window is None:
                window = default_window if known is None else known.get("window")
            settings["window"] = window
            has_grown = was is not None and was != settings["source"]
            if has_grown and shards.has_begun({**settings, "source": was}):
                shards.extend(settings, source.listing() or [], was["files"] if was else 0)
            shards.begin(settings, overwrite, source.listing())
            done = frozenset(shards.finished())
            answer = settings, done, shards.count(done)[0], shards.noted_rows()
        except (ValueError, OSError) as error:
            answer = error
    answer = others.told(answer)
    if isinstance(answer, Exception):
        raise answer
    everyones, done, rows, noted = answer
    for name in ("weights", "source"):
        if settings[name] != everyones[name]:
            raise ValueError(
                f"Process {state.process_index} does not see the same {name} as the first process."
            )
    settings.update(everyones)
    return done, rows, noted


class _Windows:
    """The windows that this process is to read, prepared for the model.

    Of the windows that are not done yet every process takes one in turn, and so do its workers.
    """

    def __init__(
        self,
        source: Source,
        image_processor: Any,
        window: int,
        done: Collection[int],
        process: int,
        processes: int,
    ) -> None:
        self.source, self.image_processor, self.window = source, image_processor, window
        self.done, self.process, self.processes = done, process, processes

    def __call__(self, worker: int, workers: int) -> Iterator[tuple[int, list[_Prepared]]]:
        """Numbers and pictures of the windows that are for a worker.

        Raises:
            OSError: if the source can no longer be read.
            MemoryError: if the memory does not hold a picture.
        """
        total = self.source.total
        if total is None or self.source.is_streamed:  # what a stream says of itself may be wrong
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

    def _prepare(self, row: Row) -> _Prepared:
        try:
            return _Prepared(row.id, prepare(row.load(), self.image_processor))
        except MemoryError:  # not this picture's fault alone
            raise
        except Exception as error:  # decoders raise whatever they like at damaged files
            is_known = isinstance(error, ValueError | OSError) and str(error)
            text = str(error) if is_known else f"{type(error).__name__}: {error}"
            return _Prepared(row.id, " ".join(text.split()))


def _read(
    recognizer: BaseRecognizer,
    prepared: Sequence[_Prepared],
    preset: Preset,
    num_beams: int | None,
    limits: BatchLimits,
    bar: Any,
    kept: Mapping[int, dict[str, Any]],
    keep: Callable[[dict[int, dict[str, Any]]], None],
) -> list[dict[str, Any]]:
    """The rows of a window, in the order of the source.

    Args:
        kept: rows that a run which was killed has read, by their places.
        keep: called with the rows of each batch, by their places.
    """
    pictures: dict[int, NormalizedPicture] = {}
    rows: list[dict[str, Any]] = []
    for index, one in enumerate(prepared):
        rows.append({"id": one.id, "latex": None, "tokens": None, "score": None, "error": None})
        if isinstance(one.picture, str):
            rows[index]["error"] = one.picture
        elif kept.get(index, {}).get("id") == one.id:
            rows[index] = kept[index]
        else:
            pictures[index] = one.picture
    bar.update(len(rows) - len(pictures))
    numbers = list(pictures)
    for batch in plan_batches([one.picture.shape for one in pictures.values()], limits):
        together = [numbers[i] for i in batch]
        results = recognizer.read_each(
            [pictures[number] for number in together],
            preset=preset,
            batch_size=len(together),
            num_beams=num_beams,
            symbols=False,
        )
        for number, result in zip(together, results, strict=True):
            if isinstance(result, Exception):
                rows[number]["error"] = str(result)
            else:
                rows[number].update(latex=result.latex, tokens=result.tokens, score=result.score)
        keep({number: rows[number] for number in together})
        bar.update(len(together))
    return rows


def _window(source: Source, state: PartialState | Alone, batch: int, preset: Preset) -> int:
    """As large as it may be if every process is to have a few windows, and a batch at least."""
    if source.total is None or state.num_processes == 1:
        return WINDOW[preset]
    return min(WINDOW[preset], max(batch, source.total // (4 * state.num_processes)))


def _workers(state: PartialState | Alone) -> int:
    """So many that an accelerator has not to wait, of the cores that this process may use."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes))
    return max(1, min(8, (os.cpu_count() or 1) // local))


def _length(number: int, window: int, total: int | None) -> int:
    """Rows of a window."""
    return window if total is None else max(0, min(window, total - number * window))
