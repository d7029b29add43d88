"""The server's door in the shape of Mathpix."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inktex.recognizer import load

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("prometheus_client", reason="needs the extra serve")
pytest.importorskip("python_multipart", reason="needs the extra serve")

from fastapi.testclient import TestClient
from hostile_requests import special_files

from inktex.serve.app import create_app
from inktex.serve.settings import ServerSettings

BLANK = base64.b64encode(special_files()["an empty picture"]).decode()


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = create_app(ServerSettings(), load(engine="onnx", threads=1))
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


@pytest.fixture(scope="module")
def png(repository: Path) -> bytes:
    return (repository / "spaces_app/examples/power.png").read_bytes()


@pytest.fixture(scope="module")
def text(png: bytes) -> str:
    return base64.b64encode(png).decode()


def test_clients_of_mathpix_are_answered_in_its_shape(
    client: TestClient, png: bytes, text: str
) -> None:
    formats = {
        "formats": ["text", "data", "latex_styled"],
        "data_options": {"include_latex": True, "include_mathml": True, "include_asciimath": True},
        "metadata": {"anything": 1},
    }
    found = client.post("/v3/text", json={"src": f"data:image/png;base64,{text}", **formats}).json()
    assert found["text"] == "\\( (a+b)^{2} \\)"
    assert found["latex_styled"] == "(a+b)^{2}"
    assert [one["type"] for one in found["data"]] == ["asciimath", "mathml", "latex"]
    assert 0.5 < found["confidence"] <= found["confidence_rate"] <= 1
    assert {"request_id", "version"} < found.keys()
    options = json.dumps({"math_inline_delimiters": ["$", "$"]})
    form = client.post("/v3/text", files={"file": png}, data={"options_json": options}).json()
    assert form["text"] == "$(a+b)^{2}$"
    assert "latex_styled" not in form
    strokes = {"strokes": {"x": [[0, 20], [20, 0]], "y": [[0, 30], [0, 30]]}}
    assert client.post("/v3/strokes", json={"strokes": strokes}).json()["text"].strip("\\() ")


@pytest.mark.parametrize(
    ("path", "given", "name"),
    [
        ("text", {}, "image_missing"),
        ("text", {"src": "??"}, "image_decode_error"),
        ("text", {"src": "http://127.0.0.1/"}, "image_download_error"),
        ("text", {"src": BLANK}, "image_no_content"),
        ("text", {"src": 3}, "json_syntax"),
        ("text", {"src": BLANK, "region": {"width": 3}}, "opts_unsupported"),
        ("text", {"src": BLANK, "formats": ["html"]}, "opts_unknown_format"),
        ("strokes", {"strokes": {"strokes": {"x": [[1]], "y": [[1, 2]]}}}, "strokes_syntax_error"),
        ("strokes", {"strokes": {"strokes": {"x": [["a"]], "y": [[1]]}}}, "json_syntax"),
        ("strokes", {}, "json_syntax"),
    ],
)
def test_errors_in_the_shape_of_mathpix(
    client: TestClient, path: str, given: Any, name: str
) -> None:
    answer = client.post(f"/v3/{path}", json=given)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["error_info"]["id"], found["error"]) == (name, found["error_info"]["message"])


def test_the_thresholds_of_mathpix(client: TestClient, text: str) -> None:
    for field in ("confidence_threshold", "confidence_rate_threshold"):
        found = client.post("/v3/text", json={"src": text, field: 0.999}).json()
        assert found["error_info"]["id"] == "math_confidence"
        assert "text" in client.post("/v3/text", json={"src": text, field: 0.5}).json()
