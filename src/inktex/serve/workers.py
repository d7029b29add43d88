"""The processes of a server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from socket import socket
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from .app import create_app
from .service import load_recognizer
from .settings import ServerSettings


def run_workers(settings: ServerSettings, listening: Sequence[socket], workers: int) -> None:
    """Serve, until a signal comes and what runs is answered.

    Args:
        settings: of each worker.
        listening: what they accept connections from: one socket, or one for each worker.
        workers: how many; a single one is this process.

    Raises:
        ValueError, OSError, ImportError: if there is no such model, engine or alphabet.
    """
    common: dict[str, Any] = {
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        # What is being answered when a signal comes is still answered.
        "timeout_graceful_shutdown": int(settings.seconds) + 5,
    }
    if workers == 1:
        config = uvicorn.Config(create_app(settings), **common)
        uvicorn.Server(config).run(list(listening))
        return
    load_recognizer(settings)  # what is wrong with the model is said once, and here
    config = uvicorn.Config(
        partial(create_app, settings),
        factory=True,
        workers=workers,
        timeout_worker_healthcheck=int(settings.seconds),
        **common,
    )
    _Workers(config, list(listening)).run()


class _Workers(Multiprocess):
    """Workers that each accept connections from a socket of their own, if there are as many.

    One that replaces a worker that died accepts from all.
    """

    def init_processes(self) -> None:
        """Start the workers."""
        for number in range(self.processes_num):
            own = self.sockets[number % len(self.sockets)]
            process = Process(self.config, [own])
            process.start()
            self.processes.append(process)
