"""Processes that work ahead of the one that wants what they make; the standard library alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection
from typing import Any, Final, Generic, TypeVar

from .processes import end_with_parent

__all__ = ["WorkerEndedError", "work_ahead"]

T = TypeVar("T")

_MADE, _FAILED, _DONE = range(3)
"""What a worker says: here is something; this went wrong; there is no more."""
_GLANCE: Final = 1.0
"""Seconds after which it is seen whether a worker that says nothing is still there."""
_FAREWELL: Final = 5.0
"""Seconds that a worker has to end."""


class WorkerEndedError(OSError):
    """A worker is gone that had more to do: it was killed, or the memory was full."""


def work_ahead(work: Callable[[int, int], Iterator[T]], workers: int) -> Generator[T, None, None]:
    """What several processes make while this one does something else with it.

    Of n workers the k-th, from 0, runs `work(k, n)`. What they make comes in turn: the first of the
    first worker, the first of the second, and so on. Each is one ahead: it makes the next as soon
    as the last one was taken. The workers end with the iteration, with its `close`, and with this
    process, however that ends.

    Args:
        work: makes things one after the other. It and they are pickled where processes are not
            forked, they in any case.
        workers: how many; 0 to run `work(0, 1)` in this process.

    Raises:
        WorkerEndedError: if a worker ended too early.
        Exception: whatever `work` raises.
    """
    if not workers:
        yield from work(0, 1)
        return
    crew: list[_Worker[T]] = []
    try:
        for number in range(workers):
            crew.append(_Worker(work, number, workers))
        waiting = deque(crew)
        while waiting:
            worker = waiting.popleft()
            made = worker.take()
            if made:
                waiting.append(worker)
                yield made[0]
    finally:
        for worker in crew:
            worker.end()


class _Worker(Generic[T]):
    """A worker, as the process sees it that started it.

    It has a pipe of its own and shares no lock with the others: whichever is killed, whenever, none
    waits for what it had.
    """

    def __init__(self, work: Callable[[int, int], Iterator[T]], number: int, workers: int) -> None:
        self._pipe, its_pipe = multiprocessing.Pipe()
        self._process = multiprocessing.Process(
            target=_work, args=(work, number, workers, its_pipe), daemon=True
        )
        self._process.start()
        its_pipe.close()  # so that the pipe ends with the worker

    def take(self) -> tuple[T] | None:
        """What it made next; None if there is no more."""
        try:
            while not self._pipe.poll(_GLANCE):
                if not self._process.is_alive() and not self._pipe.poll():
                    raise EOFError
            kind, found = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(_FAREWELL)
            raise WorkerEndedError(
                "A process that works for this one was ended from outside, or found the memory "
                f"full (exit code {self._process.exitcode})."
            ) from error
        if kind == _FAILED:
            raise found
        if kind == _DONE:
            return None
        with contextlib.suppress(OSError):  # it is gone; the next call says so
            self._pipe.send(None)
        return (found,)

    def end(self) -> None:
        """End it, wherever it is."""
        self._process.terminate()
        self._process.join(_FAREWELL)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_FAREWELL)
        self._pipe.close()


def _work(
    work: Callable[[int, int], Iterator[Any]], number: int, workers: int, pipe: Connection
) -> None:
    """A worker's life."""
    # Ctrl-C reaches the whole group; the process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    try:
        for made in work(number, workers):
            pipe.send((_MADE, made))
            pipe.recv()
        pipe.send((_DONE, None))
    except Exception as error:
        pipe.send((_FAILED, _portable(error)))


def _portable(error: Exception) -> Exception:
    """An error that another process can raise, with where it came from as a note."""
    error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # those that are made from other things than their arguments
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
