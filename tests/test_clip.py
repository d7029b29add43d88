"""`inktex clip`: with a clipboard that is made up, and with that of an X server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageGrab, UnidentifiedImageError

import inktex.cli.clip
import inktex.cli.recognize
import inktex.clipboard
from inktex.cli import main
from inktex.cli.reading import load_recognizer
from inktex.clipboard import copy_text, paste_picture
from inktex.recognizer import Recognizer

EXAMPLES = Path(__file__).resolve().parent.parent / "spaces_app" / "examples"
POWER, CIRCLE = "(a+b)^{2}", "x^{2}+y^{2}=1"
BLANK = Image.new("L", (200, 100), 255)
NEEDS_X = pytest.mark.skipif(
    shutil.which("Xvfb") is None or shutil.which("xclip") is None, reason="needs Xvfb and xclip"
)


def example(name: str) -> Image.Image:
    return Image.open(EXAMPLES / f"{name}.png")


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that the command copies."""
    texts: list[str] = []
    monkeypatch.setattr(inktex.cli.clip, "copy_text", texts.append)
    return texts


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`put(*contents)`: what each look at the clipboard finds, then Ctrl-C; errors are raised."""

    monkeypatch.setenv("DISPLAY", ":999")

    def put_contents(*contents: Any) -> None:
        left = list(contents)

        def grab() -> Any:
            found = left.pop(0)
            if isinstance(found, Exception):
                raise found
            return found

        def sleep(seconds: float) -> None:
            assert seconds >= 1
            if not left:
                raise KeyboardInterrupt

        monkeypatch.setattr(ImageGrab, "grabclipboard", grab)
        clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
        monkeypatch.setattr(inktex.cli.clip, "time", clock)

    return put_contents


def test_a_picture_becomes_latex(
    put: Callable[..., None], copied: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    put(example("power"))
    assert main(["clip"]) == 0
    assert capsys.readouterr().out == f"{POWER}\n"
    assert copied == [POWER]


def test_other_formats_and_no_copy(
    put: Callable[..., None], copied: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    put(example("power"))
    assert main(["clip", "--format", "latex-inline"]) == 0
    assert copied == [rf"\({POWER}\)"]
    put(example("power"))
    assert main(["clip", "--format", "typst", "--no-copy"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "(a + b)^2"
    assert len(copied) == 1


def test_options_are_those_of_recognize() -> None:
    clip, recognize = ArgumentParser(), ArgumentParser()
    inktex.cli.clip.add_arguments(clip)
    inktex.cli.recognize.add_arguments(recognize)
    own = set(clip._option_string_actions) - set(recognize._option_string_actions)
    assert own == {"--watch", "--no-copy"}
    assert {"--format", "--preset", "--engine", "--model"} <= set(clip._option_string_actions)


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        (None, 2, "There is no picture on the clipboard"),
        ([], 2, "There is no picture on the clipboard"),
        (UnidentifiedImageError("text"), 2, "There is no picture on the clipboard"),
        (ChildProcessError("xclip error"), 2, "cannot be read (xclip error). Give inktex rec"),
        (Image.DecompressionBombError("too large"), 1, "clipboard cannot be read: too large"),
        (BLANK, 1, "The picture is blank"),
        ([str(EXAMPLES / "none.png")], 1, "There is no picture"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    found: Any,
    status: int,
    words: str,
    put: Callable[..., None],
    copied: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(found)
    assert main(["clip"]) == status
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("inktex: ")
    assert words in line
    assert printed.out == ""
    assert copied == []


def test_what_a_format_cannot_express_is_not_copied(
    put: Callable[..., None],
    copied: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(reading: object, format: str) -> str:
        raise ValueError("x cannot be written as sympy.")

    monkeypatch.setattr(inktex.cli.clip, "in_format", refuse)
    put(example("power"))
    assert main(["clip", "--format", "sympy"]) == 1
    assert capsys.readouterr().err == "inktex: x cannot be written as sympy.\n"
    assert copied == []


def test_of_several_files_the_first_is_read(
    put: Callable[..., None], copied: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(EXAMPLES / f"{name}.png") for name in ("circle", "power")]
    put(files)
    assert main(["clip"]) == 0
    assert capsys.readouterr().err == f"inktex: 2 files are on the clipboard; {files[0]} is read.\n"
    assert copied == [CIRCLE]


def test_every_new_picture_is_read_once(
    put: Callable[..., None],
    copied: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    loads = []

    def load(options: Namespace) -> Recognizer:
        loads.append(options)
        return load_recognizer(options)

    monkeypatch.setattr(inktex.cli.clip, "load_recognizer", load)
    file = [str(EXAMPLES / "circle.png")]
    put(
        None, None, example("power"), None, example("power"), BLANK, BLANK, OSError("held"),
        OSError("held"), example("circle"), example("power"), file, file,
    )  # fmt: skip
    assert main(["clip", "--watch"]) == 0
    assert copied == [POWER, CIRCLE, CIRCLE]
    printed = capsys.readouterr()
    assert printed.out.splitlines() == copied
    first, blank, held = printed.err.splitlines()
    assert "Ctrl-C ends" in first
    assert "blank" in blank
    assert "(held)" in held
    assert len(loads) == 1


def test_what_was_there_before_is_not_read(put: Callable[..., None], copied: list[str]) -> None:
    put(example("power"), example("power"), example("circle"))
    assert main(["clip", "--watch"]) == 0
    assert copied == [CIRCLE]


def test_without_a_display_there_is_no_clipboard(
    put: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(ChildProcessError("wl-paste error:\nXDG_RUNTIME_DIR is invalid"))
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert main(["clip"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "There is no display" in line


def test_watching_needs_a_clipboard(
    put: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    put(NotImplementedError("wl-paste or xclip is required"))
    assert main(["clip", "--watch"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "The clipboard needs" in line


@pytest.mark.parametrize(
    ("platform", "wayland", "tool", "encoding"),
    [
        ("linux", "", "xclip", "utf-8"),
        ("linux", "wayland-0", "wl-copy", "utf-8"),
        ("darwin", "", "pbcopy", "utf-8"),
        ("win32", "", "clip", "utf-16-le"),
    ],
)
def test_every_system_copies_with_its_tool(
    platform: str, wayland: str, tool: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[list[str], dict[str, Any]]] = []

    def run(command: list[str], **options: Any) -> SimpleNamespace:
        calls.append((command, options))
        return SimpleNamespace(returncode=len(calls) - 1)

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("DISPLAY", ":999")
    monkeypatch.setenv("WAYLAND_DISPLAY", wayland)
    monkeypatch.setattr(subprocess, "run", run)
    copy_text("∫ x")
    command, options = calls[0]
    assert command[0] == tool
    assert options["input"].decode(encoding) == "∫ x"
    with pytest.raises(OSError, match=rf"{tool} could not .* --no-copy"):
        copy_text("x")


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(OSError, match="needs xclip: install the package xclip"):
        copy_text("x")
    with pytest.raises(OSError, match="needs xclip: install the package xclip"):
        paste_picture()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(OSError, match="needs wl-copy: install the package wl-clipboard"):
        paste_picture()


@pytest.fixture(scope="module")
def x_server() -> Iterator[dict[str, str]]:
    """The environment of programs on an X server of their own; what they leave ends with it."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-nolisten", "tcp", "-screen", "0", "320x240x24"],
        pass_fds=[writer], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader) as pipe:
        display = pipe.readline().strip()
    assert display, "Xvfb did not start"
    yield {**os.environ, "DISPLAY": f":{display}", "WAYLAND_DISPLAY": ""}
    server.terminate()
    server.wait()


def copy_picture(name: str, environment: dict[str, str]) -> None:
    subprocess.run(
        ["xclip", "-selection", "clipboard", "-t", "image/png", EXAMPLES / f"{name}.png"],
        env=environment, check=True, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def pasted(environment: dict[str, str]) -> bytes:
    return subprocess.run(
        ["xclip", "-selection", "clipboard", "-out"],
        env=environment, check=True, capture_output=True,
    ).stdout  # fmt: skip


def wait_for(text: str, environment: dict[str, str]) -> None:
    """Wait until it is on the clipboard, which is a little after it was printed."""
    end = time.monotonic() + 60
    while pasted(environment) != text.encode():
        assert time.monotonic() < end, f"{text} was not copied"
        time.sleep(0.1)


@NEEDS_X
def test_copied_text_outlives_the_command(x_server: dict[str, str]) -> None:
    command = [sys.executable, "-m", "inktex", "clip"]
    copy_picture("power", x_server)
    # What captures its output does not wait for the tool that keeps the text.
    done = subprocess.run(
        command, env=x_server, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{POWER}\n"), done.stderr
    assert pasted(x_server) == POWER.encode()
    again = subprocess.run(command, env=x_server, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "There is no picture on the clipboard" in again.stderr


@NEEDS_X
def test_a_broken_picture_is_no_text(x_server: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    copy_picture(str(path.with_suffix("")), x_server)
    command = [sys.executable, "-m", "inktex", "clip"]
    done = subprocess.run(command, env=x_server, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "The picture on the clipboard is broken" in done.stderr


@NEEDS_X
def test_ctrl_c_ends_the_watch_and_not_the_text(x_server: dict[str, str]) -> None:
    copy_picture("mean", x_server)
    watch = subprocess.Popen(
        [sys.executable, "-m", "inktex", "clip", "--watch"],
        env=x_server, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
        # A shell starts what runs in its background, these tests say, deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert watch.stdout is not None
    assert watch.stderr is not None
    assert "Waiting for pictures on the clipboard; Ctrl-C ends." in watch.stderr.readline()
    copy_picture("power", x_server)
    assert watch.stdout.readline() == f"{POWER}\n"
    wait_for(POWER, x_server)
    copy_picture("circle", x_server)
    assert watch.stdout.readline() == f"{CIRCLE}\n"
    wait_for(CIRCLE, x_server)
    time.sleep(2)  # it looks at its own text meanwhile
    os.killpg(watch.pid, signal.SIGINT)  # as a terminal does: all processes of the group
    rest, faults = watch.communicate(timeout=60)
    assert (watch.returncode, rest, faults) == (0, "", "")
    assert pasted(x_server) == CIRCLE.encode()
