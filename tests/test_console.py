"""The commands' output under every name, encoding and end of a pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from inktex.transcription.shards import Shards

RAW, HAN = b"raw\xff.png", "\u4e2d\U00020000.png"
POSIX = pytest.mark.skipif(os.name != "posix", reason="names of raw bytes and /dev/full")


@pytest.fixture
def folder(tmp_path: Path, repository: Path) -> Path:
    """Three copies of an example: a plain name, one of no text, one that few encodings have."""
    place = tmp_path / "pictures"
    place.mkdir()
    for name in (b"plain.png", RAW, HAN.encode()):
        shutil.copy(
            os.fsencode(repository / "spaces_app/examples/power.png"),
            os.path.join(os.fsencode(place), name),
        )
    return place


def inktex(
    *arguments: str, encoding: str = "utf-8", shell: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The command, in a process of its own; `shell` is put behind it."""
    command = [sys.executable, "-m", "inktex", *arguments]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    if shell is None:
        return subprocess.run(command, capture_output=True, env=environment, check=False)
    script = f'set -o pipefail; "$@" {shell}'
    return subprocess.run(
        ["bash", "-c", script, "bash", *command],
        capture_output=True, env=environment, check=False,
    )  # fmt: skip


@POSIX
@pytest.mark.parametrize(
    ("encoding", "han"),
    [("utf-8", HAN), ("cp1252", r"\u4e2d\U00020000.png"), ("ascii", r"\u4e2d\U00020000.png")],
)
def test_names_that_an_encoding_lacks(encoding: str, han: str, folder: Path) -> None:
    done = inktex("recognize", str(folder), encoding=encoding)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.decode(encoding).splitlines()]
    assert {Path(name).name for name, _ in lines} == {"plain.png", r"raw\udcff.png", han}
    assert len({latex for _, latex in lines}) == 1


@POSIX
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_json_holds_any_name(encoding: str, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    done = inktex("recognize", "--json", str(folder), encoding=encoding)
    assert done.returncode == 1
    records = [json.loads(line) for line in done.stdout.decode(encoding).splitlines()]
    names = {Path(record["file"]).name for record in records}
    assert names == {"plain.png", os.fsdecode(RAW), HAN, "broken.png"}
    assert sum("error" in record for record in records) == 1


@POSIX
def test_transcribe_takes_any_name(folder: Path, tmp_path: Path) -> None:
    for ending in (".jsonl", ".parquet"):
        output = tmp_path / f"\u4e2d{ending}"
        done = inktex("transcribe", str(folder), "--output", str(output), encoding="ascii")
        assert done.returncode == 0, done.stderr
        rows = Shards(output).read(0)
        assert {row["id"] for row in rows} == {"plain.png", r"raw\udcff.png", HAN}
        assert [row["error"] for row in rows] == [None] * 3


@POSIX
@pytest.mark.parametrize("kind", [[], ["--json"]])
def test_a_full_or_closed_output_stops_nothing(
    kind: list[str], folder: Path, tmp_path: Path
) -> None:
    for shell in (">/dev/full", ">&-", ">/dev/full 2>/dev/full", ">&- 2>&-"):
        shown = tmp_path / f"shown{len(shell)}"
        done = inktex(
            "recognize", *kind, str(folder), "--show-preprocessing", str(shown), shell=shell
        )
        assert done.returncode == 1, (shell, done.stderr)
        assert b"Traceback" not in done.stderr
        assert b"Exception ignored" not in done.stderr
        if shell == ">/dev/full":
            assert done.stderr.count(b"Standard output cannot be written") == 1
        assert len(list(shown.iterdir())) == 3, "the other pictures were not read"


@POSIX
def test_a_reader_that_has_seen_enough_is_no_fault(folder: Path) -> None:
    done = inktex("recognize", "--batch-size", "1", str(folder), shell="| head -n 1")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_a_picture_behind_a_url(folder: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        done = inktex("recognize", f"{address}/plain.png", f"{address}/none.png")
        server.shutdown()
    assert done.returncode == 1
    (line,) = done.stdout.decode().splitlines()
    own = inktex("recognize", str(folder / "plain.png")).stdout.decode().strip()
    assert line == f"{address}/plain.png\t{own}"
    assert f"{address}/none.png: Cannot fetch" in done.stderr.decode()
