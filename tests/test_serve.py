"""The server: what it takes, answers and refuses."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inktex.recognizer import Recognizer, load

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("prometheus_client", reason="needs the extra serve")
pytest.importorskip("python_multipart", reason="needs the extra serve")

from fastapi.testclient import TestClient
from hostile_requests import special_files

from inktex.serve.app import create_app
from inktex.serve.requests import EXAMPLE_OF_ONE, EXAMPLE_OF_SEVERAL
from inktex.serve.settings import MAX_VALUES, ServerSettings

CROSS = [[[0, 0], [20, 30]], [[20, 0], [0, 30]]]
BLANK = base64.b64encode(special_files()["an empty picture"]).decode()
READ = "/v1/recognize"


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return load(engine="onnx", threads=1)


@pytest.fixture(scope="module")
def client(recognizer: Recognizer) -> Iterator[TestClient]:
    app = create_app(ServerSettings(batch=4), recognizer)
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


@pytest.fixture(scope="module")
def png(repository: Path) -> bytes:
    return (repository / "spaces_app/examples/power.png").read_bytes()


@pytest.fixture(scope="module")
def text(png: bytes) -> str:
    return base64.b64encode(png).decode()


def test_a_picture_is_read_as_the_recognizer_reads_it(
    client: TestClient, recognizer: Recognizer, png: bytes, text: str
) -> None:
    expected = recognizer(png).to_dict()
    given: list[dict[str, Any]] = [
        {"files": {"file": png}, "data": {"symbols": "true"}},
        {"json": {"picture": text, "symbols": True}},
        {"json": {"picture": f"data:image/png;base64,{text}", "symbols": True}},
        {"json": {"picture": "\n".join(re.findall(".{1,76}", text)), "symbols": True}},
    ]
    for one in given:
        answer = client.post(READ, **one)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["latex"], found["tokens"]) == ("(a+b)^{2}", expected["tokens"])
        assert found["score"] == pytest.approx(expected["score"], abs=1e-6)
        assert [s["box"] for s in found["symbols"]] == [s["box"] for s in expected["symbols"]]
        assert found["box"] == list(expected["box"])
        assert found.keys() - {"text", "text_error", "format"} == expected.keys()


def test_ink_and_formats(client: TestClient, repository: Path) -> None:
    inkml = (repository / "spaces_app/examples/circle.inkml").read_bytes()
    for format, written in (("latex", "x^{2}+y^{2}=1"), ("sympy", "Eq(x**2 + y**2, 1)")):
        answer = client.post(READ, files={"file": inkml}, data={"format": format}).json()
        assert (answer["format"], answer["text"], answer["text_error"]) == (format, written, None)
        assert answer["symbols"] == []
    strokes = {"strokes": CROSS, "alphabet": ["x", "y"]}
    assert client.post(READ, json=strokes).json()["latex"] == "x"


def test_a_chosen_candidate_is_read(client: TestClient) -> None:
    asked = {"strokes": CROSS, "candidates": 2}
    found = client.post(READ, json=asked).json()
    (candidates,) = found["candidates"]
    assert [one["index"] for one in candidates] == [0, 0]
    chosen = candidates[1]["token"]
    again = client.post(READ, json={**asked, "locked": {"0": chosen}}).json()
    assert again["tokens"].split()[0] == chosen
    refused = client.post(READ, json={**asked, "locked": {"0": "}"}})
    assert (refused.status_code, refused.json()["kind"]) == (422, "request")
    assert "cannot stand at place 0" in refused.json()["error"]
    assert again["score"] > again["token_scores"][0]  # which is given, and not doubted
    assert client.post(READ, json={**asked, "locked": {"-1": "x"}}).status_code == 422


def test_each_of_several_formulas_in_a_picture_is_read(client: TestClient, png: bytes) -> None:
    with Image.open(io.BytesIO(png)) as opened:
        formula = opened.convert("L")
    sheet = Image.new("L", (formula.width, 3 * formula.height), 255)
    for top in (0, 2 * formula.height):
        sheet.paste(formula, (0, top))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    page = base64.b64encode(file.getvalue()).decode()
    found = client.post(READ, json={"picture": page, "regions": True}).json()["results"]
    assert [one["latex"] for one in found] == ["(a+b)^{2}"] * 2
    assert found[0]["box"][3] < formula.height < found[1]["box"][1]
    items = [{"picture": page}, {"picture": BLANK}, {"strokes": CROSS}]
    several = client.post(READ, json={"items": items, "regions": True}).json()["results"]
    assert several[0]["results"] == found
    assert several[1]["kind"] == "no_formula"
    assert len(several[2]["results"]) == 1


def test_several_are_answered_in_order_and_fail_alone(
    client: TestClient, png: bytes, text: str
) -> None:
    items = [{"picture": text}, {"picture": "??"}, {"other": 1}, {"strokes": CROSS}]
    found = client.post(READ, json={"items": items, "alphabet": "school"}).json()["results"]
    assert found[0]["latex"] == "(a+b)^{2}"
    assert (found[1]["status"], found[1]["kind"]) == (422, "unreadable")
    assert (found[2]["kind"], "other" in found[2]["error"]) == ("request", True)
    assert found[3]["latex"] in ("x", "X", "\\times")
    files = client.post(READ, files=[("file", png), ("file", b"")]).json()["results"]
    assert (files[0]["latex"], files[1]["kind"]) == ("(a+b)^{2}", "unreadable")


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({}, 422, "one of picture, strokes and url"),
        ([], 422, "it must be a JSON object"),
        ({"strokes": CROSS, "picture": ""}, 422, "one of picture, strokes and url"),
        ({"strokes": CROSS, "alternatives": -1}, 422, "alternatives: Input should be greater"),
        ({"strokes": CROSS, "alternatives": True}, 422, "alternatives: "),
        ({"strokes": CROSS, "preset": "best"}, 422, "'fast' or 'accurate'"),
        ({"strokes": CROSS, "format": "word"}, 422, "there are latex, "),
        ({"strokes": CROSS, "alphabet": "/etc/passwd"}, 422, "there are all, crohme, school"),
        ({"strokes": CROSS, "alphabet": ["\\nope"]}, 422, "vocabulary lacks: \\nope"),
        ({"strokes": CROSS, "size": 3}, 422, "size: there is no such field"),
        ({"strokes": []}, 422, "strokes: "),
        ({"strokes": [[]]}, 422, "the strokes have no point"),
        ({"strokes": [[[1, "2"]]]}, 422, "strokes.0.0.1: "),
        ({"strokes": [[[0, 0]] * 60_000]}, 422, "60000 points"),
        ({"strokes": [[[0, 0], [1e30, 1]]]}, 422, "strokes.0.1.0: "),
        ({"strokes": [[[0, 0], [1e8, 1]]]}, 422, "8192"),
        ({"strokes": CROSS, "alphabet": ["foo"]}, 422, "vocabulary lacks: foo"),
        ({"strokes": CROSS, "regions": True, "locked": {"0": "x"}}, 422, "leave it out"),
        ({"picture": ""}, 422, "no picture in a format"),
        ({"picture": "data:text/html,<b>"}, 422, "base64, or a data: URL"),
        ({"url": "http://127.0.0.1/a.png"}, 422, "--allow-urls"),
        ({"items": []}, 422, "items: "),
        ({"items": [{"strokes": CROSS}] * 5}, 413, "4 are taken at a time"),
        ({"strokes": [[[0, 0]] * MAX_VALUES]}, 413, "more than 500000 values"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    client: TestClient, given: Any, status: int, words: str
) -> None:
    answer = client.post(READ, json=given)
    found = answer.json()
    assert (answer.status_code, found["status"]) == (status, status), answer.text
    assert words in found["error"]
    assert len(answer.content) < 1000


def test_other_bodies_and_addresses(client: TestClient, png: bytes) -> None:
    for body, kind, status, words in (
        (b"{", "application/json", 400, "no JSON"),
        (b"[NaN]", "application/json", 400, "no JSON"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "application/json"),
        (b"a", "multipart/form-data", 400, "boundary"),
        (b"--a--", "multipart/form-data; boundary=a", 422, "no file"),
    ):
        answer = client.post(READ, content=body, headers={"Content-Type": kind})
        assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    answer = client.post(READ, files={"file": png}, data={"file": "a"})
    assert "curl" in answer.json()["error"]
    answer = client.post(READ, files=[("file", png)] * 5)
    assert (answer.status_code, answer.json()["kind"]) == (400, "request")
    for method, path, status in (("GET", READ, 405), ("POST", "/nowhere", 404)):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["kind"]) == (status, "route")


def test_a_picture_without_a_formula(client: TestClient, repository: Path) -> None:
    ink = {"items": [{"strokes": [[[0, 0]] * 2]}, {"picture": BLANK}]}
    found = client.post(READ, json=ink).json()["results"]
    assert "latex" in found[0]
    assert found[1]["kind"] == "no_formula"


def test_the_description_is_right_and_its_examples_are_read(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert {READ, "/v1/alphabet", "/healthz", "/metrics", "/v3/text", "/v3/strokes"} == set(
        described["paths"]
    )
    schemas = described["components"]["schemas"]
    for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(described)):
        assert name in schemas
    for example in (EXAMPLE_OF_ONE, EXAMPLE_OF_SEVERAL):
        assert client.post(READ, json=example).status_code == 200
    page = client.get("/docs")
    assert client.get("/").text == page.text, "who opens the server's address finds what it does"
    assert page.headers["content-type"].startswith("text/html")
    assert all(f"POST {path}" in page.text for path in (READ, "/v3/text", "/v3/strokes"))
    assert "://" not in page.text, "the page loads something"
    assert "<script" not in page.text


def test_alphabet_health_and_figures(client: TestClient) -> None:
    known = client.get("/v1/alphabet").json()
    assert known["names"] == ["all", "crohme", "school"]
    assert "\\frac" in {one["token"] for one in known["tokens"]}
    assert client.get("/healthz").json()["status"] == "ok"
    client.post(READ, json={"strokes": CROSS})
    client.post("/nowhere")
    figures = client.get("/metrics").text
    for line in (
        rf'inktex_requests_total{{route="{READ}",status="200"}} [1-9]',
        r'inktex_requests_total{route="other",status="404"} [1-9]',
        rf'inktex_request_seconds_bucket{{le="60.0",route="{READ}"}} [1-9]',
        r'inktex_pictures_total{outcome="read"} [1-9]',
        r"inktex_queue 0\.0",
    ):
        assert re.search(line, figures), line
