"""Worker processes that compute results ahead of their use; with the standard library alone."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from inktex.processes import end_with_parent

T = TypeVar("T")

_results: Iterator[Any]
"""Of this worker process."""


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
    # A pool for each, so that its results come from one iteration, and no two share a lock.
    pools = [
        ProcessPoolExecutor(1, initializer=_begin, initargs=(work, number, workers))
        for number in range(workers)
    ]
    try:
        waiting = deque([(pool, pool.submit(_next)) for pool in pools])
        while waiting:
            pool, coming = waiting.popleft()
            if result := coming.result():
                waiting.append((pool, pool.submit(_next)))
                yield result[0]
    except BrokenProcessPool as error:
        raise WorkerEndedError(
            "A process that works for this one was ended from outside, or found the memory full."
        ) from error
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def _begin(work: Callable[[int, int], Iterator[Any]], number: int, workers: int) -> None:
    global _results
    # Ctrl-C reaches the whole group; the process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    _results = work(number, workers)


def _next() -> tuple[Any] | None:
    """The next result, in a tuple; None if there is no more."""
    for result in _results:
        return (result,)
    return None
