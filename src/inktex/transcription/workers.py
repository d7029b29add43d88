"""Worker processes that compute results ahead of their use; with the standard library alone."""

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

from inktex.processes import end_with_parent

__all__ = ["WorkerEndedError", "work_ahead"]

T = TypeVar("T")

_RESULT, _ERROR, _END = range(3)
"""Kinds of messages from a worker."""
_POLL: Final = 1.0
"""Seconds between checks that a silent worker is alive."""
_TIMEOUT: Final = 5.0
"""Seconds that a worker has to end."""


class WorkerEndedError(OSError):
    """A worker ended before its work did: it was killed, or the memory was full."""


def work_ahead(work: Callable[[int, int], Iterator[T]], workers: int) -> Generator[T, None, None]:
    """The results of several processes, which compute them while this one does something else.

    Of n workers the k-th, from 0, runs `work(k, n)`. Their results come in turn: the first of the
    first worker, the first of the second, and so on. Each is one ahead: it computes the next result
    as soon as the last one was taken. The workers end with the iteration, with its `close`, and
    with this process, however that ends.

    Args:
        work: gives results one after the other. Results are pickled; it is where processes are not
            forked.
        workers: how many; 0 to run `work(0, 1)` in this process.

    Raises:
        WorkerEndedError: if a worker ended too early.
        Exception: whatever `work` raises.
    """
    if not workers:
        yield from work(0, 1)
        return
    started: list[_Worker[T]] = []
    try:
        for number in range(workers):
            started.append(_Worker(work, number, workers))
        waiting = deque(started)
        while waiting:
            worker = waiting.popleft()
            result = worker.take()
            if result:
                waiting.append(worker)
                yield result[0]
    finally:
        for worker in started:
            worker.end()


class _Worker(Generic[T]):
    """A worker, seen from the process that started it.

    It has a pipe of its own and shares no lock with the others, so that none waits for a lock that
    a killed one held.
    """

    def __init__(self, work: Callable[[int, int], Iterator[T]], number: int, workers: int) -> None:
        self._pipe, its_pipe = multiprocessing.Pipe()
        self._process = multiprocessing.Process(
            target=_work, args=(work, number, workers, its_pipe), daemon=True
        )
        self._process.start()
        its_pipe.close()  # so that the pipe ends with the worker

    def take(self) -> tuple[T] | None:
        """Its next result, as a tuple; None if there is no more."""
        try:
            while not self._pipe.poll(_POLL):
                if not self._process.is_alive() and not self._pipe.poll():
                    raise EOFError
            kind, found = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(_TIMEOUT)
            raise WorkerEndedError(
                "A process that works for this one was ended from outside, or found the memory "
                f"full (exit code {self._process.exitcode})."
            ) from error
        if kind == _ERROR:
            raise found
        if kind == _END:
            return None
        with contextlib.suppress(OSError):  # it is gone; the next call says so
            self._pipe.send(None)
        return (found,)

    def end(self) -> None:
        """Terminate it, or kill it if it does not end."""
        self._process.terminate()
        self._process.join(_TIMEOUT)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_TIMEOUT)
        self._pipe.close()


def _work(
    work: Callable[[int, int], Iterator[Any]], number: int, workers: int, pipe: Connection
) -> None:
    """What a worker process runs."""
    # Ctrl-C reaches the whole group; the process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    try:
        for result in work(number, workers):
            pipe.send((_RESULT, result))
            pipe.recv()
        pipe.send((_END, None))
    except Exception as error:
        pipe.send((_ERROR, _portable(error)))


def _portable(error: Exception) -> Exception:
    """An error that another process can raise, with where it came from as a note."""
    error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # those that are made from other things than their arguments
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
