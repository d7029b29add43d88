"""Hostile requests are refused in sentences: none is a fault of the server, none hangs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from inktex.recognizer import load

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("prometheus_client", reason="needs the extra serve")
pytest.importorskip("python_multipart", reason="needs the extra serve")

from fastapi.testclient import TestClient
from hostile_requests import FORM, JSON, form, hostile, special_files, specials

from inktex.serve.app import create_app
from inktex.serve.settings import ServerSettings

ENDLESS = "a body that never ends"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    recognizer = load(engine="onnx", threads=1)
    app = create_app(ServerSettings(seconds=20), recognizer)
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


@pytest.mark.filterwarnings("ignore")
def test_a_sample_of_hostile_requests(client: TestClient) -> None:
    outcomes: Counter[int] = Counter()
    for number in range(150):
        given = hostile(number)
        if given.kind == ENDLESS:
            continue
        answer = client.post(given.path, content=given.body, headers=given.headers)
        outcomes[answer.status_code // 100] += 1
        assert answer.status_code < 500, (number, given.kind, answer.text)
        assert answer.status_code == 200 or len(answer.json()["error"]) > 10
    assert outcomes[2] > 10
    assert outcomes[4] > 50


@pytest.mark.parametrize("name", specials())
def test_json_that_hurts_parsers(name: str, client: TestClient) -> None:
    answer = client.post("/v1/recognize", content=specials()[name], headers=JSON)
    assert answer.status_code in (400, 413, 422), answer.text
    assert len(answer.json()["error"]) < 1000
    answer = client.post("/v3/text", content=specials()[name], headers=JSON)
    assert answer.json()["error"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", special_files())
def test_files_that_hurt(name: str, client: TestClient) -> None:
    answer = client.post("/v1/recognize", content=form(special_files()[name]), headers=FORM)
    assert answer.status_code == 422, answer.text
    assert answer.json()["kind"] in ("unreadable", "no_formula")
    assert "passwd" not in answer.text


def test_hostile_requests_can_be_made_again() -> None:
    assert hostile(7) == hostile(7)
    assert len({hostile(number).body for number in range(30)}) > 20
    assert json.loads(specials()["a field twice"]) == {"picture": ""}
