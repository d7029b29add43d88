"""Figures for Prometheus: requests, their time, pictures and the queue, of all workers together."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CONTENT_TYPE_LATEST", "FOLDER", "Metrics", "Observed"]

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that names a folder in which the workers of a server share their figures."""
_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
OTHER: Final = "other"
"""Route of requests to addresses that there are not: each would be a row of its own."""


class Metrics:
    """The figures of a worker; where `FOLDER` is set, shown with those of the others.

    Attributes:
        requests: by route and status.
        seconds: from the first to the last byte, by route.
        pictures: by outcome.
        queue: requests that are read, or wait for it.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # a row more for each figure, which nobody asked for
        self._registry = own = CollectorRegistry()
        _forget_the_dead()
        self.requests = Counter(
            "inktex_requests", "Requests.", ["route", "status"], registry=own
        )  # fmt: skip
        self.seconds = Histogram(
            "inktex_request_seconds", "Time of requests.", ["route"], buckets=_SECONDS, registry=own
        )
        self.pictures = Counter(
            "inktex_pictures",
            "Pictures and ink, by what came of them: read, or the kind of the error.",
            ["outcome"],
            registry=own,
        )
        self.queue = Gauge(
            "inktex_queue",
            "Requests that are being read or wait for it.",
            multiprocess_mode="livesum",
            registry=own,
        )

    def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        registry = self._registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)


def _forget_the_dead() -> None:
    """Drop the queues of workers that died and were replaced."""
    for file in Path(os.environ[FOLDER]).glob("gauge_live*.db") if FOLDER in os.environ else ():
        process = int(file.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(process)


class Observed:
    """Middleware that counts and times requests.

    Args:
        metrics: to count them in.
        routes: paths that are counted by their name.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Collection[str]) -> None:
        self._app, self._metrics, self._routes = app, metrics, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and count."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = scope["path"] if scope["path"] in self._routes else OTHER
        begun, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - begun)
