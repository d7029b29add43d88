"""Standard output and standard error of the commands, whatever they are connected to."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from typing import Any


def accept_any_text() -> None:
    r"""Have both streams write what their encoding lacks as escapes (`\u4e2d`).

    Names of files may hold anything: bytes that are no text, or characters that the terminal's
    encoding lacks. Without this, the first such name ends the command.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # those of tests and notebooks take any text
            stream.reconfigure(errors="backslashreplace")


def say(message: str) -> None:
    """Print a line on standard error; nothing happens if that is closed or full."""
    rank = os.environ.get("RANK", "0")
    who = "inktex" if rank == "0" else f"inktex, process {rank}"
    with contextlib.suppress(OSError, ValueError):
        print(f"{who}: {message}", file=sys.stderr, flush=True)


def fail(message: str) -> int:
    """Print why a command cannot do what was asked for; returns its exit status, 2."""
    say(message)
    return 2


class Output:
    """Lines on standard output.

    Attributes:
        fault: why a line could not be written, the first time; None if all were.
    """

    def __init__(self) -> None:
        self.fault: str | None = "it is closed" if sys.stdout is None else None

    def write(self, line: str) -> None:
        """Write a line, at once; if that fails, say so once and drop the later lines.

        Raises:
            BrokenPipeError: if the reader of a pipe (`head`, say) has seen enough.
        """
        if self.fault is not None:
            return
        try:
            print(line, flush=True)
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            self.fault = str(error)
            discard_output()
            say(f"Standard output cannot be written: {error}. What is read from here on is lost.")

    def write_json(self, record: Mapping[str, Any]) -> None:
        """Write a JSON object as a line, in ASCII where the stream's encoding lacks something."""
        text = json.dumps(record, ensure_ascii=False)
        try:
            text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            text = json.dumps(record)
        self.write(text)


def discard_output() -> None:
    """Redirect standard output to nowhere: Python would fail to flush it when it exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
