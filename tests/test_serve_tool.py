"""The tool over MCP: in this process, over HTTP, and over the streams of a process."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from inktex.recognizer import load

pytest.importorskip("mcp", reason="needs the extra mcp")
if not hasattr(pytest.importorskip("mcp.server", reason="needs the extra mcp"), "MCPServer"):
    pytest.skip("needs mcp 2", allow_module_level=True)

from mcp import Client, StdioServerParameters

from inktex.serve.service import Service
from inktex.serve.tool import make_tool

CROSS = [[[0, 0], [20, 30]], [[20, 0], [0, 30]]]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    found = Service(load(engine="onnx", threads=1))
    yield found
    found.close()


@pytest.fixture(scope="module")
def picture(repository: Path) -> Path:
    return repository / "spaces_app/examples/power.png"


def call(server: Any, **arguments: Any) -> Any:
    async def answer() -> Any:
        async with Client(server) as client:
            return await client.call_tool("read_formula", {"alternatives": 0, **arguments})

    return anyio.run(answer)


def test_the_tool_reads(service: Service, picture: Path) -> None:
    local = make_tool(service, is_local=True)
    text = base64.b64encode(picture.read_bytes()).decode()
    for given in ({"path": str(picture)}, {"picture": text}, {"picture": text, "format": "sympy"}):
        answer = call(local, **given)
        assert not answer.is_error, answer
        found = answer.structured_content
        assert found["latex"] == "(a+b)^{2}"
        assert found["text"] == ("(a + b)**2" if "format" in given else "(a+b)^{2}")
        assert 0.5 < found["confidence"] <= 1
    strokes = call(make_tool(service), strokes=CROSS, alphabet="school")
    assert strokes.structured_content["latex"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "one of path, picture and strokes"),
        ({"picture": "??"}, "no picture|base64"),
        ({"path": "nowhere.png"}, "There is no file"),
        ({"path": "/dev/zero"}, "There is no file"),
        ({"path": "a", "picture": "b"}, "one of path, picture and strokes"),
        ({"strokes": CROSS, "alternatives": -1}, "greater than or equal to 0"),
        ({"strokes": CROSS, "format": "word"}, "no such format"),
        ({"strokes": [[["a", 1]]]}, "number"),
        ({"strokes": CROSS, "alphabet": "/etc/passwd"}, "no such alphabet"),
    ],
)
def test_the_tool_says_what_is_wrong(service: Service, given: dict[str, Any], words: str) -> None:
    import re

    answer = call(make_tool(service, is_local=True), **given)
    assert answer.is_error
    assert re.search(words, answer.content[0].text)


def test_over_http_no_file_of_the_server_is_read(service: Service, picture: Path) -> None:
    async def tools() -> Any:
        async with Client(make_tool(service)) as client:
            return (await client.list_tools()).tools

    (tool,) = anyio.run(tools)
    assert "path" not in tool.input_schema["properties"]
    assert "handwritten formula" in tool.description
    assert call(make_tool(service), path=str(picture)).is_error


def test_the_door_over_http(service: Service, picture: Path) -> None:
    pytest.importorskip("fastapi", reason="needs the extra serve")
    pytest.importorskip("prometheus_client", reason="needs the extra serve")
    from fastapi.testclient import TestClient

    from inktex.serve.app import create_app
    from inktex.serve.settings import ServerSettings

    text = base64.b64encode(picture.read_bytes()).decode()
    arguments = {"picture": text, "alternatives": 0}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
             "params": {"name": "read_formula", "arguments": arguments}}  # fmt: skip
    app = create_app(ServerSettings(mcp=True, key="secret"), service._recognizer)
    headers = {"Accept": "application/json, text/event-stream"}
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        assert client.post("/mcp", json=asked, headers=headers).status_code == 401
        headers["Authorization"] = "Bearer secret"
        answer = client.post("/mcp", json=asked, headers=headers)
        assert answer.json()["result"]["structuredContent"]["latex"] == "(a+b)^{2}"
        assert client.get("/mcp", headers=headers).status_code == 405
        assert 'route="/mcp",status="200"' in client.get("/metrics", headers=headers).text


def test_the_tool_over_standard_streams(picture: Path) -> None:
    command = ["-m", "inktex", "serve", "--mcp", "--engine", "onnx"]
    server = StdioServerParameters(command=sys.executable, args=command)
    answer = call(server, path=str(picture))
    assert answer.structured_content["latex"] == "(a+b)^{2}"
