"""The command: a server in processes of its own, from its start to a signal."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inktex.cli import main

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")
pytest.importorskip("prometheus_client", reason="needs the extra serve")
pytest.importorskip("python_multipart", reason="needs the extra serve")

CROSS = [[[0, 0], [20, 30]], [[20, 0], [0, 30]]]
POSIX = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "inktex", "serve", "--port", "0", "--engine", "onnx", *options]
    environment = {**os.environ, "INKTEX_API_KEY": "secret"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            found = re.search(r"serving http://127\.0\.0\.1:(\d+) ", line)
            assert found is not None, line + process.stderr.read()
            yield process, int(found[1])
        finally:
            if process.poll() is None:
                process.kill()


def ask(port: int, count: int) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = json.dumps({"items": [{"strokes": CROSS}] * count})
    headers = {"Content-Type": "application/json", "X-API-Key": "secret"}
    connection.request("POST", "/v1/recognize", body, headers)
    answer = connection.getresponse()
    assert answer.status == 200
    return [one["latex"] for one in json.loads(answer.read())["results"]]


def figures(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", "/metrics", headers={"X-API-Key": "secret"})
    text = connection.getresponse().read().decode()
    connection.close()
    return text


@POSIX
@pytest.mark.parametrize("workers", [1, 2])
def test_what_runs_is_answered_before_the_server_ends(workers: int) -> None:
    with serving("--workers", str(workers)) as (process, port):
        for _ in range(2 * workers):  # until all are there
            ask(port, 1)
        assert f'inktex_pictures_total{{outcome="read"}} {2.0 * workers}' in figures(port)
        found: list[list[str]] = []
        client = threading.Thread(target=lambda: found.append(ask(port, 32)))
        client.start()
        while not found and "inktex_queue 1.0" not in figures(port):
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        client.join(60)
        assert process.wait(60) == 0
    assert [len(one) for one in found] == [32]


def test_what_cannot_be_served_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, words in (
            (["--port", port], f"Cannot listen on 127.0.0.1, port {port}"),
            (["--port", "70000"], "Cannot listen"),
            (["--port", "0", "--model", str(tmp_path)], str(tmp_path)),
            (["--port", "0", "--alphabet", "none"], "no alphabet 'none'"),
        ):
            assert main(["serve", "--engine", "onnx", *options]) == 2
            assert words in capsys.readouterr().err
    monkeypatch.setenv("INKTEX_API_KEY", "sécret")
    assert main(["serve"]) == 2
    assert "INKTEX_API_KEY holds what no header can" in capsys.readouterr().err
