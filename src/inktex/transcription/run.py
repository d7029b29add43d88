"""Reading a source into shards."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tqdm.auto import tqdm

from inktex import __version__
from inktex.batches import BatchLimits, plan_batches
from inktex.inputs import Prepared
from inktex.processes import Alone, find_processes
from inktex.recognizer import Preset, Recognizer

from .base import Source
from .shards import Shards
from .windows import PreparedRow, Windows, default_window
from .workers import work_ahead

if TYPE_CHECKING:
    from accelerate import PartialState

_PATIENCE: Final = timedelta(days=30)
"""How long a process waits for the others: one may have hours more to do."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run leaves.

    Attributes:
        rows: in the output.
        errors: how many of them have an error instead of a reading.
        read: rows that this run read, all processes together.
    """

    rows: int
    errors: int
    read: int


def transcribe(
    recognizer: Recognizer,
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
) -> Summary:
    """Read all pictures of a source into a folder of shards.

    It may be stopped at any moment, and called again to go on, with any number of processes: each
    row is in the output exactly once. A picture that cannot be read becomes a row with an error.
    All processes of a run call it, after `join_processes`, and write to the same folder.

    Worker processes prepare the pictures of a window, as small grey pictures, while the model reads
    those of the one before: two windows and what the workers have begun are in memory.

    Args:
        recognizer: model and processor, on this process's device.
        output: to write; see `Shards`.
        preset, num_beams: see `Recognizer.__call__`.
        batch_size: pictures read together at most; None for what is fastest on the device.
        window: pictures that are sorted by size together, and rows of a shard. None for what the
            run was begun with, or for `WINDOW`, or less if that leaves processes without work.
        workers: processes that prepare pictures, for each process that reads; None for a number
            that suits the device; 0 to do it in this process, in turn with the reading.
        overwrite: whether to begin anew if there is a transcription already.
        model_name, engine: written down with the settings; a run goes on with `Shards.engine`.

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
    team, shards = _Team(), Shards(output)
    settings: dict[str, Any] = {
        "inktex": __version__,
        "model": model_name,
        "engine": engine,
        "weights": recognizer.fingerprint(),
        "preset": preset,
        "beams": num_beams,
        "window": window,
    }
    done, before = _begin(team, shards, source, settings, overwrite, limits.pictures)
    run = _Run(recognizer, source, shards, settings, limits, team)
    rows, errors = run.read(done, workers)
    if not source.is_streamed and rows != source.total:
        raise OSError(
            f"{output} has {rows} rows of {source.total}. Do all processes write to the same disk?"
        )
    if team.state.is_main_process:
        shards.finish()
    return Summary(rows, errors, rows - before)


class _Team:
    """The processes of this run."""

    def __init__(self) -> None:
        self.state: PartialState | Alone = find_processes()
        self._group = None
        if self.state.num_processes > 1:
            import torch

            # The default group's time-out would also apply to a process whose launcher is dead.
            # And gloo, since waiting by NCCL keeps a GPU busy.
            self._group = torch.distributed.new_group(backend="gloo", timeout=_PATIENCE)

    def broadcast(self, value: Any) -> Any:
        """The value of the first process."""
        box = [value]
        if self._group is not None:
            import torch

            torch.distributed.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

    def wait(self) -> None:
        """Return when all processes have called it."""
        if self._group is not None:
            import torch

            torch.distributed.barrier(group=self._group)


def _begin(
    team: _Team,
    shards: Shards,
    source: Source,
    settings: dict[str, Any],
    overwrite: bool,
    batch: int,
) -> tuple[frozenset[int], int]:
    """Begin or go on, the same in all processes.

    Args:
        settings: of the run, without the source, which is added; its window is None if none was
            asked for.
        batch: pictures of a batch at most.

    Returns:
        Numbers of the shards that are written, and how many rows have been read.
    """
    listing = None if overwrite else shards.listing()
    # The source's identity before files came to it; None if none have come.
    before = source.go_on_from(listing) if listing is not None else None
    settings["source"] = source.identity
    answer: Any = None
    if team.state.is_main_process:
        try:
            known = None if overwrite else shards.settings()
            if settings["window"] is None:
                settings["window"] = (
                    known.get("window")
                    if known is not None
                    else default_window(source, team.state.num_processes, batch, settings["preset"])
                )
            has_grown = before is not None and before != settings["source"]
            if has_grown and shards.has_begun({**settings, "source": before}):
                shards.extend(settings, source.listing or [], before["files"] if before else 0)
            shards.begin(settings, overwrite, source.listing)
            done = frozenset(shards.finished())
            answer = settings, done, shards.count(done)[0] + shards.noted_rows()
        except (ValueError, OSError) as error:
            answer = error
    answer = team.broadcast(answer)
    if isinstance(answer, Exception):
        raise answer
    everyones, done, rows = answer
    for name in ("weights", "source"):
        if settings[name] != everyones[name]:
            raise ValueError(
                f"Process {team.state.process_index} does not see the same {name} as the first "
                "process."
            )
    settings.update(everyones)
    return done, rows


class _Run:
    """The part of a run that this process does."""

    def __init__(
        self,
        recognizer: Recognizer,
        source: Source,
        shards: Shards,
        settings: Mapping[str, Any],
        limits: BatchLimits,
        team: _Team,
    ) -> None:
        self.recognizer, self.source, self.shards = recognizer, source, shards
        self.settings, self.limits, self.team = settings, limits, team
        self.bar: Any = None

    def read(self, done: Collection[int], workers: int | None) -> tuple[int, int]:
        """Read this process's windows, wait for the others; returns rows and those with an error.

        Args:
            done: numbers of the shards that are written.
            workers: processes that prepare pictures; None for what suits the device.
        """
        state = self.team.state
        workers = _default_workers(state) if workers is None else workers
        if self.source.is_streamed:
            workers = min(workers, 1)  # each would read the whole stream
        self.bar = tqdm(
            total=self.source.total,
            initial=sum(map(self._rows_of, done)),
            unit="picture",
            smoothing=0.1,
            dynamic_ncols=True,
            disable=not state.is_main_process,
        )
        with self.bar:
            self._read_windows(done, workers)
            self.team.wait()
            counted = self.shards.count(self.shards.finished()) if state.is_main_process else None
            rows, errors = self.team.broadcast(counted)
            self.bar.update(rows - self.bar.n)
        return rows, errors

    def _read_windows(self, done: Collection[int], workers: int) -> None:
        state, window = self.team.state, int(self.settings["window"])
        windows = Windows(
            self.source, self.recognizer.image_processor, window, done, state.process_index,
            state.num_processes,
        )  # fmt: skip
        counted = set(done)
        with closing(work_ahead(windows, workers)) as coming:
            for number, prepared in coming:
                if len(prepared) != self._rows_of(number) and not self.source.is_streamed:
                    raise OSError("The source has fewer rows than it had at the beginning.")
                rows = self._read_window(number, prepared)
                self._check_begun()
                self.shards.write(number, rows)
                counted.add(number)
                if state.num_processes > 1 and state.is_main_process:
                    others = self.shards.finished() - counted
                    counted |= others
                    self.bar.update(sum(map(self._rows_of, others)))

    def _check_begun(self) -> None:
        """Raise an OSError if the output was begun anew: this process outlived its launcher."""
        if not self.shards.has_begun(self.settings):
            raise OSError(f"{self.shards.output} was begun anew by somebody else; this run ends.")

    def _rows_of(self, number: int) -> int:
        window, total = int(self.settings["window"]), self.source.total
        return window if total is None else max(0, min(window, total - number * window))

    def _read_window(self, number: int, prepared: Sequence[PreparedRow]) -> list[dict[str, Any]]:
        """The rows of a window, in the order of the source; those of each batch go to a journal."""
        noted = self.shards.noted(number)
        pictures: dict[int, Prepared] = {}
        rows: list[dict[str, Any]] = []
        for index, one in enumerate(prepared):
            rows.append({"id": one.id, "latex": None, "tokens": None, "score": None, "error": None})
            if isinstance(one.picture, str):
                rows[index]["error"] = one.picture
            elif noted.get(index, {}).get("id") == one.id:
                rows[index] = noted[index]
            else:
                pictures[index] = one.picture
        self.bar.update(len(rows) - len(pictures))
        numbers = list(pictures)
        for batch in plan_batches([one.shape for one in pictures.values()], self.limits):
            together = [numbers[i] for i in batch]
            results = self.recognizer.read_each(
                [pictures[index] for index in together],
                preset=self.settings["preset"],
                num_beams=self.settings["beams"],
                symbols=False,
                batch_size=len(together),
            )
            for index, result in zip(together, results, strict=True):
                if isinstance(result, Exception):
                    rows[index]["error"] = str(result)
                else:
                    rows[index].update(
                        latex=result.latex, tokens=result.tokens, score=result.score
                    )  # fmt: skip
            self._check_begun()
            self.shards.note(number, {index: rows[index] for index in together})
            self.bar.update(len(together))
        return rows


def _default_workers(state: PartialState | Alone) -> int:
    """One on a CPU; beside an accelerator up to 8 of the cores that this process may use."""
    if str(state.device) == "cpu":
        return 1
    local = int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes))
    return max(1, min(8, (os.cpu_count() or 1) // local))
