"""Work of several requests that wait at the same time, done together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Way = TypeVar("Way")


@dataclass(eq=False)
class _Work(Generic[Item, Result, Way]):
    items: Sequence[Item]
    way: Way
    kind: Hashable | None
    future: Future[list[Result]] = field(default_factory=Future)


class Gatherer(Generic[Item, Result, Way]):
    """A thread that does work, what waits of one kind together; nothing waits to be joined.

    Args:
        do: gives a result for each item.
        most: items that are done together, but for work that has more by itself.
    """

    def __init__(self, do: Callable[[Sequence[Item], Way], list[Result]], most: int) -> None:
        self._do, self._most = do, most
        self._waiting: list[_Work[Item, Result, Way]] = []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, "inktex-reader")

    def close(self) -> None:
        """Wait for what is being done, and end the thread."""
        self._pool.shutdown()

    async def results(self, items: Sequence[Item], way: Way, kind: Hashable | None) -> list[Result]:
        """The results of some items; raises what `do` raises.

        If this is cancelled, what has not begun is never done.

        Args:
            way: how to do it.
            kind: of what can be done together, equal for equal ways; None to do it alone.
        """
        work: _Work[Item, Result, Way] = _Work(items, way, kind)
        with self._lock:
            self._waiting.append(work)
        # Each call takes at least the oldest work, so that there is one for every work.
        self._pool.submit(self._do_waiting)
        return await asyncio.wrap_future(work.future)

    def _do_waiting(self) -> None:
        together = self._taken()
        if not together:
            return
        try:
            results = iter(self._do([one for work in together for one in work.items],
                                    together[0].way))  # fmt: skip
            for work in together:
                work.future.set_result([next(results) for _ in work.items])
        except Exception as error:
            if len(together) == 1:
                together[0].future.set_exception(error)
                return
            for work in together:  # one of them is to blame, and the others are not
                self._do_alone(work)

    def _do_alone(self, work: _Work[Item, Result, Way]) -> None:
        try:
            work.future.set_result(self._do(work.items, work.way))
        except Exception as error:
            work.future.set_exception(error)

    def _taken(self) -> list[_Work[Item, Result, Way]]:
        """The oldest work, and what can be done with it."""
        taken: list[_Work[Item, Result, Way]] = []
        with self._lock:
            left = []
            for work in self._waiting:
                fits = not taken or (
                    work.kind is not None
                    and work.kind == taken[0].kind
                    and sum(len(one.items) for one in (*taken, work)) <= self._most
                )
                if not fits:
                    left.append(work)
                elif work.future.set_running_or_notify_cancel():
                    taken.append(work)
            self._waiting = left
        return taken
