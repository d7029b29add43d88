"""The examples that a visitor can choose."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inktex.ink.inkml import read_inkml

FOLDER: Final = Path(__file__).parent / "examples"


@dataclass(frozen=True)
class Example:
    """One example.

    Attributes:
        name: for people.
        picture: its PNG.
        value: what the pad is to hold: the ink where there is some, else the picture.
    """

    name: str
    picture: Path
    value: dict[str, Any]


def examples(folder: Path = FOLDER) -> list[Example]:
    """All pictures of a folder, by name; one with ink of the same name beside it is that ink."""
    return [_example(path) for path in sorted(folder.glob("*.png"))]


def gallery(shown: Sequence[Example]) -> str:
    """Markup of buttons with the pictures, `data-example` their number."""
    buttons = "".join(
        f'<button type="button" data-example="{number}" title="{html.escape(one.name)}">'
        f'<img src="{_url(one.picture)}" alt="Example: {html.escape(one.name)}"></button>'
        for number, one in enumerate(shown)
    )
    return f'<p id="examples-label">Examples</p><div class="examples">{buttons}</div>'


def _url(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _example(path: Path) -> Example:
    name = path.stem.replace("_", " ").capitalize()
    ink = path.with_suffix(".inkml")
    if ink.is_file():
        traces = [trace.round(1).tolist() for trace in read_inkml(ink).traces]
        return Example(name, path, {"traces": traces, "example": name})
    return Example(name, path, {"picture": _url(path), "example": name})
