"""`inktex serve`: readings over HTTP and MCP."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
from typing import Final

from inktex.cli.arguments import ALPHABET_HELP, MODEL_HELP, positive
from inktex.cli.console import say
from inktex.engine_choice import AUTO, ENGINES
from inktex.extras import require

from .settings import ServerSettings

DESCRIPTION = """\
Serve readings over HTTP: POST /v1/recognize, and POST /v3/text in the shape of Mathpix.

    inktex serve
    curl -F file=@formula.png http://127.0.0.1:8000/v1/recognize
    inktex serve --mcp             # a tool for programs that speak MCP, on standard streams

GET /docs describes all of it. If the variable INKTEX_API_KEY is set, requests have to bring its
value. SIGTERM and Ctrl-C end the server when what runs is answered."""

KEY: Final = "INKTEX_API_KEY"
STDIO, HTTP = "stdio", "http"
_DEFAULTS: Final = ServerSettings()
_BACKLOG: Final = 2048
"""Clients that may wait until a worker accepts them."""
_LOCAL: Final = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.add_argument(
        "--host", default=_DEFAULTS.host, help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="0 for any that is free (default: %(default)s)"
    )
    parser.add_argument(
        "--mcp",
        nargs="?",
        const=STDIO,
        choices=(STDIO, HTTP),
        help="offer the tool read_formula over MCP: on standard input and output, and nothing "
        "else; or at /mcp over HTTP, beside the rest (default where it is given: stdio)",
    )
    parser.add_argument(
        "--allow-urls",
        action="store_true",
        help="fetch pictures that requests name by an http(s) URL, from wherever this machine can",
    )
    parser.add_argument("--model", help=MODEL_HELP)
    parser.add_argument("--alphabet", metavar="NAME", help=ALPHABET_HELP)
    parser.add_argument(
        "--engine", choices=(AUTO, *ENGINES), default=AUTO, help="see inktex recognize"
    )
    size = parser.add_argument_group("size and limits")
    size.add_argument(
        "--workers", type=positive, default=1, metavar="N",
        help="processes that read, one for each core at most (default: %(default)s)",
    )  # fmt: skip
    size.add_argument(
        "--threads", type=positive, default=_DEFAULTS.threads, metavar="N",
        help="of the engine in each worker (default: %(default)s)",
    )  # fmt: skip
    size.add_argument(
        "--queue", type=positive, default=_DEFAULTS.queue, metavar="N",
        help="requests that a worker takes in at a time; it tells others to come again "
        "(default: %(default)s)",
    )  # fmt: skip
    size.add_argument(
        "--seconds", type=positive, default=int(_DEFAULTS.seconds), metavar="N",
        help="in which a request has to be there and answered (default: %(default)s)",
    )  # fmt: skip
    size.add_argument(
        "--request-mb", type=positive, default=_DEFAULTS.request_bytes // 2**20, metavar="N",
        help="size of a request at most (default: %(default)s)",
    )  # fmt: skip
    size.add_argument(
        "--batch", type=positive, default=_DEFAULTS.batch, metavar="N",
        help="pictures of a request at most (default: %(default)s)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes; returns the exit status."""
    if options.mcp is not None:
        require("mcp", "inktex serve --mcp", "mcp")
    if options.mcp != STDIO:
        modules = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
        require("serve", "inktex serve", *modules)
    key = os.environ.get(KEY) or None
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ValueError(f"{KEY} holds what no header can: take letters, digits and signs.")
    # Workers share the cores among them. torch reads this when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    settings = ServerSettings(
        model=options.model,
        engine=options.engine,
        alphabet=options.alphabet,
        host=options.host,
        threads=options.threads,
        queue=options.queue,
        seconds=options.seconds,
        request_bytes=options.request_mb * 2**20,
        batch=options.batch,
        allow_urls=options.allow_urls,
        key=key,
        mcp=options.mcp == HTTP,
    )
    if options.mcp == STDIO:
        return _serve_stdio(settings)
    return _serve_http(settings, options.port, options.workers)


def _serve_stdio(settings: ServerSettings) -> int:
    from .service import Service, load_recognizer
    from .tool import make_tool

    service = Service(load_recognizer(settings))
    service.warm_up()
    try:
        make_tool(service, is_local=True).run("stdio")
    finally:
        service.close()
    return 0


def _serve_http(settings: ServerSettings, port: int, workers: int) -> int:
    listening = _listen(settings.host, port, workers)
    if settings.host not in _LOCAL and settings.key is None:
        say(f"anyone who reaches {settings.host} can ask: set {KEY} to a secret.")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    # uvicorn raises SIGTERM once more when all is answered.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with tempfile.TemporaryDirectory(prefix="inktex-serve-") as folder:
            if workers > 1:
                # Read by prometheus_client when it is imported, here and in the workers.
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            from .workers import run_workers

            port = listening[0].getsockname()[1]
            say(f"serving http://{host}:{port} (GET /docs describes it)")
            run_workers(settings, listening, workers)
    finally:
        signal.signal(signal.SIGTERM, before)
        for one in listening:
            one.close()
    return 0


def _listen(host: str, port: int, workers: int) -> list[socket.socket]:
    """Sockets that listen on a port: one for each worker where the system can share a port.

    With a common one, a single worker was seen to take all of twenty clients that came together
    and stayed; of sockets that share a port the system chooses one for each client.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    is_shared = workers > 1 and hasattr(socket, "SO_REUSEPORT")
    try:
        # Not shared at first: another server on this port is to be noticed.
        first = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        if not is_shared:
            return [first]
        address = first.getsockname()[:2]
        first.close()
        return [
            socket.create_server(address, family=family, backlog=_BACKLOG, reuse_port=True)
            for _ in range(workers)
        ]
    except (OSError, OverflowError) as error:
        raise OSError(
            f"Cannot listen on {host}, port {port}: {error}. Give another --port or --host."
        ) from error
