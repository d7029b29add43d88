#!/usr/bin/env python
"""Measure a server: clients, order, memory, speed beside `inktex transcribe`; or hostile requests.

    python scripts/benchmark_serve.py --clients 20 --seconds 120 --workers 2
    python scripts/benchmark_serve.py --hostile 1000

Starts `inktex serve`. Clients ask for one picture after the other, each tenth time for several at
once, and compare each answer with the reading of that picture. Without --pictures it draws ink.
With --hostile that many requests of tests/hostile_requests.py are sent instead. The exit status is
1 if an answer was wrong, a hostile request was answered with a fault of the server, or one hung.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from PIL import Image

from inktex.cli.arguments import positive
from inktex.ink.render import render
from inktex.synthesis.random_captions import written_expressions

TESTS: Final = Path(__file__).resolve().parent.parent / "tests"
SEVERAL: Final = 10
"""Of so many requests one asks for several pictures."""
PATIENCE: Final = 90.0
"""Seconds without an answer after which a request hangs; the server itself gives up earlier."""
WARM: Final = 0.2
"""Share of the time after which memory is measured for the first time."""


@dataclass
class Server:
    """A server that was started.

    Attributes:
        port: that it listens on.
        process: whose children are the workers.
    """

    port: int
    process: psutil.Process

    def family(self) -> list[psutil.Process]:
        """The server and its workers."""
        return [self.process, *self.process.children(recursive=True)]

    def megabytes(self) -> float:
        """Memory of the server and its workers."""
        return sum(one.memory_info().rss for one in self.family()) / 2**20

    def processor(self) -> float:
        """Seconds of the processor that the server and its workers have taken."""
        return sum(sum(one.cpu_times()[:2]) for one in self.family())

    def ask(
        self, connection: http.client.HTTPConnection, items: Sequence[str]
    ) -> list[dict[str, Any]]:
        """The readings of pictures in base64, of one or of several."""
        given: Any = [{"picture": one} for one in items]
        body = json.dumps(given[0] if len(given) == 1 else {"items": given})
        connection.request("POST", "/v1/recognize", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {found}")
        return [found] if len(given) == 1 else list(found["results"])


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, print; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=positive, default=20, help="(default 20)")
    parser.add_argument("--seconds", type=positive, default=120, help="(default 120)")
    parser.add_argument("--workers", type=positive, default=2, help="of the server (default 2)")
    parser.add_argument("--pictures", type=Path, help="folder (default: own ink)")
    parser.add_argument("--count", type=positive, default=400, help="pictures (default 400)")
    parser.add_argument("--hostile", type=positive, metavar="N", help="send hostile requests")
    parser.add_argument("--seed", type=int, default=0, help="of these (default 0)")
    options = parser.parse_args(arguments)
    if options.hostile:
        return send_hostile(options.hostile, options.seed, options.clients)
    files = load_files(options.pictures, options.count)
    with started(options.workers) as server:
        found = measure(server, files, options.clients, options.seconds)
    speed, cost = transcribed(files)
    first, last = found["megabytes"]
    print(
        f"{options.clients} clients, {options.seconds} s, {options.workers} workers: "
        f"{found['requests']} requests, {found['pictures']} pictures, {found['errors']} errors, "
        f"{found['wrong']} answers that belong to another picture."
    )
    print(f"Memory: {first:.0f} MB, {last:.0f} MB at the end: {last / first - 1:+.1%}.")
    each = found["pictures"] / found["seconds"]
    print(
        f"{each:.1f} pictures a second; `inktex transcribe` reads {speed:.1f}: "
        f"{each / speed:.2f} times as many. A picture takes {found['processor']:.1f} ms of the "
        f"processor; in `inktex transcribe` {1000 * cost:.1f}."
    )
    for fault in found["faults"]:
        print(fault, file=sys.stderr)
    return int(bool(found["errors"] or found["wrong"]))


def load_files(folder: Path | None, count: int) -> list[bytes]:
    """Files of a folder of pictures, or of ink that inktex writes."""
    if folder is not None:
        return [one.read_bytes() for one in sorted(folder.iterdir())[:count]]
    files = []
    for expression in written_expressions(count, seed=0):
        file = io.BytesIO()
        Image.fromarray(render(expression.traces)).save(file, "PNG")
        files.append(file.getvalue())
    return files


@contextmanager
def started(workers: int, *options: str) -> Iterator[Server]:
    """A server, while the context lasts.

    Raises:
        RuntimeError: if it does not start.
    """
    command = [sys.executable, "-m", "inktex", "serve", "--port", "0", "--workers", str(workers)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*command, *options], stderr=log)
        try:
            server = Server(_port(process, log), psutil.Process(process.pid))
            for _ in range(4 * workers):  # until each worker has read something
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
                connection.request("GET", "/healthz")
                connection.getresponse().read()
                connection.close()
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def _port(process: subprocess.Popen[bytes], log: Any) -> int:
    while process.poll() is None:
        log.seek(0)
        for line in log:
            if "serving http://" in line:
                return int(line.split("(")[0].rpartition(":")[2])
        time.sleep(0.1)
    log.seek(0)
    raise RuntimeError(f"The server did not start: {log.read()}")


def measure(server: Server, files: Sequence[bytes], clients: int, seconds: float) -> dict[str, Any]:
    """Clients ask for some time.

    Args:
        files: of the pictures.

    Returns:
        Numbers of requests, pictures, errors and wrong answers, some faults in words, the seconds
        it took, milliseconds of the processor that the server took for a picture, and megabytes
        after `WARM` of the time and at the end.
    """
    items = [base64.b64encode(one).decode() for one in files]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    expected = [server.ask(connection, [one])[0]["latex"] for one in items]  # one by one
    connection.close()
    total: Counter[str] = Counter()
    faults: list[str] = []
    lock = threading.Lock()
    begun, before = time.monotonic(), server.processor()

    def client(number: int) -> None:
        draw = random.Random(number)
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        while time.monotonic() < begun + seconds:
            count = 1 + (draw.randrange(SEVERAL) == 0) * draw.randrange(1, 4)
            chosen = [draw.randrange(len(items)) for _ in range(count)]
            try:
                found = server.ask(line, [items[one] for one in chosen])
                same = sum(a["latex"] == expected[b] for a, b in zip(found, chosen, strict=True))
                news = {"requests": 1, "pictures": count, "wrong": count - same}
            except Exception as error:  # whatever it is, it is counted
                line.close()
                news = {"requests": 1, "errors": 1}
                faults.append(f"{type(error).__name__}: {error}")
            with lock:
                total.update(news)

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client, number) for number in range(clients)]
        time.sleep(WARM * seconds)
        first = server.megabytes()
        for one in running:
            one.result()
    passed = time.monotonic() - begun
    counts = {name: total[name] for name in ("requests", "pictures", "errors", "wrong")}
    return {
        **counts, "faults": faults[:5], "seconds": passed,
        "processor": 1000 * (server.processor() - before) / max(1, total["pictures"]),
        "megabytes": (first, server.megabytes()),
    }  # fmt: skip


def transcribed(files: Sequence[bytes]) -> tuple[float, float]:
    """What `inktex transcribe` reads, its start not counted.

    Returns:
        Pictures a second, and seconds of the processor for each.
    """
    with tempfile.TemporaryDirectory() as temporary:
        times = []
        for name, chosen in (("one", files[:1]), ("all", files)):
            folder = Path(temporary) / name
            folder.mkdir()
            for number, content in enumerate(chosen):
                (folder / f"{number:06}.png").write_bytes(content)
            output = str(Path(temporary) / f"{name}.csv")
            begun, before = time.monotonic(), os.times()
            command = [sys.executable, "-m", "inktex", "transcribe", str(folder)]
            subprocess.run([*command, "--output", output], check=True, capture_output=True)
            spent = sum(os.times()[2:4]) - sum(before[2:4])  # by child processes
            times.append((len(chosen), time.monotonic() - begun, spent))
    pictures, seconds, processor = (more - less for less, more in zip(*times, strict=True))
    return pictures / seconds, processor / pictures


def send_hostile(count: int, seed: int, clients: int) -> int:
    """Send hostile requests, and print what came of them; returns the exit status."""
    sys.path.append(str(TESTS))
    from hostile_requests import hostile

    outcomes: Counter[str] = Counter()
    bad: list[str] = []
    slowest = (0.0, "")
    with started(1) as server:
        answered = _sender(server.port)

        def send(number: int) -> tuple[int, str, str, float]:
            given = hostile(number, seed)
            begun = time.monotonic()
            return number, given.kind, answered(given), time.monotonic() - begun

        with ThreadPoolExecutor(clients) as pool:
            for number, kind, outcome, took in pool.map(send, range(count)):
                is_status = outcome[:1].isdigit()
                outcomes[f"{outcome[0]}xx" if is_status else outcome] += 1
                slowest = max(slowest, (took, f"{number}, {kind}"))
                if outcome.startswith(("5", "hung")):
                    bad.append(f"{number}, {kind}: {outcome}")
        megabytes = server.megabytes()
    for outcome, total in sorted(outcomes.items()):
        print(f"{outcome}: {total}")
    print(
        f"{count} requests, seed {seed}: {len(bad)} answered with a fault or not at all. Slowest: "
        f"{slowest[1]}, {slowest[0]:.1f} s. The server has {megabytes:.0f} MB."
    )
    for one in bad[:20]:
        print(one, file=sys.stderr)
    return int(bool(bad))


def _sender(port: int) -> Callable[[Any], str]:
    def answered(given: Any) -> str:
        """Status of the answer, and a fault's words; or `closed` or `hung`."""
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            line.putrequest("POST", given.path)
            headers = {"Content-Length": str(len(given.body)), **given.headers}
            for name, value in headers.items():
                line.putheader(name, value)
            line.endheaders()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                line.send(given.body)  # it may be answered before it is sent
            answer = line.getresponse()
            words = answer.read(200).decode("utf-8", "replace")
            return f"{answer.status} {words if answer.status >= 500 else ''}".strip()
        except TimeoutError:
            return "hung"
        except (http.client.HTTPException, OSError):
            return "closed"
        finally:
            line.close()

    return answered


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
