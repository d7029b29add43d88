"""The limits of the server: key, size, queue, time, URLs; and what waits together."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from inktex.recognizer import Recognizer
from inktex.results import Reading

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("prometheus_client", reason="needs the extra serve")
pytest.importorskip("python_multipart", reason="needs the extra serve")

from fastapi.testclient import TestClient

from inktex.serve.app import create_app
from inktex.serve.settings import ServerSettings

CROSS = [[[0, 0], [20, 30]], [[20, 0], [0, 30]]]
READ = "/v1/recognize"


class Stub:
    """A recognizer that reads slowly, or fails.

    Attributes:
        may_go: for which it waits.
        has_begun: set when it waits.
        fault: raised for each picture, if there is one.
    """

    def __init__(self) -> None:
        self.may_go, self.has_begun = threading.Event(), threading.Event()
        self.may_go.set()
        self.fault: Exception | None = None
        self.pictures = 0

    def __call__(self, _: Any) -> None:
        pass

    def read_each(self, pictures: list[Any], **_: Any) -> Iterator[Reading | Exception]:
        self.has_begun.set()
        assert self.may_go.wait(30)
        for _one in pictures:
            self.pictures += 1
            yield self.fault or Reading("x", "x", 0.5)


def client_of(recognizer: object, **settings: Any) -> TestClient:
    app = create_app(ServerSettings(**settings), cast(Recognizer, recognizer))
    return TestClient(app, raise_server_exceptions=False)


def test_what_a_format_cannot_express_is_said() -> None:
    class Nabla(Stub):
        def read_each(self, pictures: list[Any], **_: Any) -> Iterator[Reading | Exception]:
            yield Reading("\\nabla", "\\nabla", 0.5)

    with client_of(Nabla()) as found:
        answer = found.post(READ, json={"strokes": CROSS, "format": "sympy"}).json()
    assert answer["text"] is None
    assert "nabla" in answer["text_error"]


def test_faults_of_inktex_are_no_faults_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    stub = Stub()
    with client_of(stub) as found:
        stub.fault = KeyError("inside")
        answer = found.post(READ, json={"strokes": CROSS})
        assert (answer.status_code, "Save it anew" in answer.text) == (422, True)
        assert "inside" in caplog.text
        stub.fault = MemoryError()
        stub.read_each = lambda *_, **__: (_ for _ in ()).throw(MemoryError)  # type: ignore[method-assign]
        assert found.post(READ, json={"strokes": CROSS}).status_code == 413
        stub.read_each = lambda *_, **__: 1 / 0  # type: ignore[method-assign, assignment]
        answer = found.post(READ, json={"strokes": CROSS})
        assert (answer.status_code, answer.json()["kind"]) == (500, "fault")


def test_the_key() -> None:
    with client_of(Stub(), key="secret") as found:
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": "secret"}, 401),
            ({"X-API-Key": "sécret".encode()}, 401),
            ({"Authorization": "Bearer secret"}, 200),
            ({"X-API-Key": "secret"}, 200),
            ({"app_id": "me", "app_key": "secret"}, 200),
        ):
            answer = found.post(READ, json={"strokes": CROSS}, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == status, headers
            assert found.get("/metrics", headers=headers).status_code == status  # type: ignore[arg-type]
        assert "Bearer" in found.post(READ).headers["www-authenticate"]
        assert "error_info" not in found.post(READ).json()
        refused = found.post("/v3/text").json()
        assert refused["error_info"]["id"] == "http_unauthorized"
        assert refused["error_info"]["message"] == refused["error"]
        assert found.get("/healthz").status_code == found.get("/docs").status_code == 200
        assert found.get("/").status_code == 200


def test_a_request_that_is_too_large_is_not_kept() -> None:
    with client_of(Stub(), request_bytes=1000) as found:
        body = json.dumps({"strokes": CROSS, "alphabet": ["x"] * 500}).encode()
        for content in (body, iter([body] * 5)):
            answer = found.post(READ, content=content, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["kind"]) == (413, "too_large")
        for length in ("abc", "-1"):
            answer = found.post(READ, content=b"{}", headers={"Content-Length": length})
            assert answer.status_code == 400


def test_a_full_queue_says_when_to_come_again() -> None:
    stub = Stub()
    with client_of(stub, queue=2) as found, ThreadPoolExecutor(2) as pool:
        stub.may_go.clear()
        inside = [pool.submit(found.post, READ, json={"strokes": CROSS}) for _ in range(2)]
        assert stub.has_begun.wait(10)
        while "inktex_queue 2.0" not in found.get("/metrics").text:
            time.sleep(0.01)
        answer = found.post(READ, json={"strokes": CROSS})
        assert (answer.status_code, answer.json()["kind"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        assert found.get("/healthz").status_code == 200
        stub.may_go.set()
        assert [one.result().status_code for one in inside] == [200, 200]
        assert found.post(READ, json={"strokes": CROSS}).status_code == 200


def test_what_is_late_is_told_so_and_never_begun() -> None:
    stub = Stub()
    with client_of(stub, seconds=0.3) as found, ThreadPoolExecutor(2) as pool:
        stub.may_go.clear()
        inside = [pool.submit(found.post, READ, json={"strokes": CROSS}) for _ in range(2)]
        for one in inside:
            assert (one.result().status_code, one.result().json()["kind"]) == (503, "late")
        stub.may_go.set()
    assert stub.pictures == 1, "the second one waited, and nobody wants it any more"


def test_what_waits_together_is_read_together_and_answered_apart() -> None:
    stub = Stub()
    sizes: list[int] = []

    def read_each(pictures: list[Any], **_: Any) -> Iterator[Reading | Exception]:
        sizes.append(len(pictures))
        stub.has_begun.set()
        assert stub.may_go.wait(30)
        for ink in pictures:
            if len(pictures) > 1 and ink.traces[0].shape[0] == 5:
                raise ValueError("one of them is to blame")
            yield Reading(str(len(ink.traces[0])), "x", 0.5)

    stub.read_each = read_each  # type: ignore[method-assign]
    for blamed in (False, True):
        sizes.clear()
        stub.has_begun.clear()
        with client_of(stub) as found, ThreadPoolExecutor(8) as pool:
            stub.may_go.clear()
            first = pool.submit(found.post, READ, json={"strokes": CROSS})
            assert stub.has_begun.wait(10)
            counts = [3, 5 if blamed else 4, 6, 7]
            rest = [pool.submit(found.post, READ, json={"strokes": [[[0, 0]] * n]}) for n in counts]
            slow = pool.submit(found.post, READ, json={"strokes": CROSS, "alternatives": 1})
            while "inktex_queue 6.0" not in found.get("/metrics").text:
                time.sleep(0.01)
            stub.may_go.set()
            assert [one.result().json()["latex"] for one in rest] == [str(n) for n in counts]
            assert first.result().json()["latex"] == slow.result().json()["latex"] == "2"
        assert sorted(sizes) == ([1, 1, 1, 1, 1, 1, 4] if blamed else [1, 1, 4])


def test_urls_are_fetched_where_that_is_allowed(repository: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(repository / "spaces_app/examples"))
    stub = Stub()
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        client_of(stub, allow_urls=True) as found,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        assert found.post(READ, json={"url": f"{base}/power.png"}).status_code == 200
        assert (
            found.post("/v3/text", json={"src": f"{base}/power.png"}).json()["text"] == "\\( x \\)"
        )
        for url in (f"{base}/none.png", "http://[", "file:///etc/passwd", "http://127.0.0.1:1/"):
            answer = found.post(READ, json={"url": url})
            assert (answer.status_code, answer.json()["kind"]) == (422, "url")
        server.shutdown()
    assert stub.pictures == 2
