"""The container's files: what they promise, as far as it can be seen without Docker.

`make container` runs what the Dockerfile installs.
"""

from __future__ import annotations

import configparser
import json
import re
import socket
import subprocess
import sys
import threading
from argparse import ArgumentParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from script_loading import load_script

from inktex.cli import COMMANDS

pytest.importorskip("dockerfile_parse", reason="needs dockerfile-parse")

ROOT = Path(__file__).resolve().parent.parent
PORT = "8000"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script(ROOT, "try_container")


@pytest.fixture(scope="module")
def stages(script: ModuleType) -> list[list[tuple[str, str]]]:
    """The instructions of the two stages, by name and value."""
    found: list[list[tuple[str, str]]] = script.read_stages(ROOT / "Dockerfile")
    assert len(found) == 2
    return found


def test_all_that_is_copied_is_there_and_let_in(
    script: ModuleType, stages: list[list[tuple[str, str]]]
) -> None:
    copied = {name for one in stages[0] for name in script.copied(one)}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    assert copied == {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / "setup.cfg", encoding="utf-8")
    metadata = configuration["metadata"]
    described = metadata["long_description"].removeprefix("file:").strip()
    assert {described, *metadata["license_files"].split()} <= copied


def test_who_runs_it_is_not_root_and_the_base_is_named(
    stages: list[list[tuple[str, str]]],
) -> None:
    last = dict(stages[1])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG BASE=python:3\.12\.\d+-slim-[a-z]+$", text, re.MULTILINE)
    assert [stage[0][1].split()[0] for stage in stages] == ["${BASE}"] * 2


def test_the_extra_serve_goes_in_where_there_is_one(
    stages: list[list[tuple[str, str]]], tmp_path: Path
) -> None:
    (command,) = (value for name, value in stages[0] if name == "RUN" and "serve.txt" in value)
    written = command.partition("&&")[0].replace("python ", f"{sys.executable} ", 1)
    for extras, expected in (("", []), ("serve =\n    fastapi>=0.1\n    uvicorn\n", None)):
        text = f"[options.extras_require]\ntrain =\n    numpy\n{extras}"
        (tmp_path / "setup.cfg").write_text(text, encoding="utf-8")
        subprocess.run(["sh", "-c", written], cwd=tmp_path, check=True)
        found = (tmp_path / "serve.txt").read_text(encoding="utf-8").split()
        assert found == (["fastapi>=0.1", "uvicorn"] if expected is None else expected)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_the_health_check_asks_the_server_itself(
    status: int | None, code: int, stages: list[list[tuple[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    asked = []

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status or 500)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    health = dict(stages[1])["HEALTHCHECK"]
    command = json.loads(health.partition("CMD")[2])
    assert command[0] == "python"
    monkeypatch.setenv("http_proxy", f"http://{address}")  # where nobody answers
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if status is not None:
            address = f"127.0.0.1:{server.server_port}"
        arguments = [one.replace(f"127.0.0.1:{PORT}", address) for one in command[1:]]
        assert arguments != command[1:]
        done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True)
        server.shutdown()
    assert done.returncode == code
    assert asked == ([] if status is None else ["/healthz"])


def test_the_command_serves_on_the_port_that_is_exposed(
    stages: list[list[tuple[str, str]]],
) -> None:
    last = dict(stages[1])
    command = json.loads(last["CMD"])
    assert command[:2] == ["inktex", "serve"]
    assert command[command.index("--port") + 1] == last["EXPOSE"] == PORT
    if "serve" not in COMMANDS:
        pytest.skip("there is no server yet")
    parser = ArgumentParser()
    import_module(COMMANDS["serve"][0]).add_arguments(parser)
    parser.parse_args(command[2:])


def test_the_composed_service_has_few_rights() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    (service,) = yaml.safe_load(text)["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"mem_limit", "pids_limit", "tmpfs"} <= set(service)
    assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert service["environment"]["INKTEX_API_KEY"].startswith("${INKTEX_API_KEY:?")
    assert "privileged" not in service
    assert "volumes" not in service
