"""The tool `read_formula` for programs that speak MCP: over standard input, or over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from starlette.routing import Route

from inktex import __version__

from .answers import Probability, reading_answer
from .refusals import RefusedError
from .requests import OneRequest, Options, validate
from .service import Given, Service
from .settings import MAX_ALTERNATIVES, ServerSettings

MAX_FILE: Final = 64 * 2**20
"""Bytes of a file of this machine."""
_WORDS: Final = """\
Read a handwritten formula: LaTeX, how probable it is, and other readings if they are asked for.

Give one of {inputs}."""

PictureText = Annotated[
    str | None, Field(description="base64 of the file of a picture (PNG, JPEG, ...) or of InkML")
]
StrokeLists = Annotated[
    list[list[tuple[float, float]]] | None,
    Field(description="pen strokes: each a list of points [x, y], y downwards, in any unit"),
]
Preset = Annotated[str, Field(description="fast, or accurate, which takes several times as long")]
Alternatives = Annotated[
    int,
    Field(
        description=f"other readings, 0 to {MAX_ALTERNATIVES}; the first time takes longer, and "
        "where torch is not installed there are none"
    ),
]
AlphabetText = Annotated[
    str, Field(description="which symbols may be read: all, school or crohme")
]  # fmt: skip
Format = Annotated[
    str, Field(description="of `text`: latex, mathml, typst, asciimath, sympy, latex-align, ...")
]
PathText = Annotated[
    str | None, Field(description="path of a picture or InkML file on this machine")
]  # fmt: skip


class OtherFormula(BaseModel):
    """Another reading."""

    latex: str
    confidence: Probability


class Formula(BaseModel):
    """What is written in the picture, or drawn by the strokes."""

    latex: str
    confidence: Probability = Field(description="that exactly this is written")
    text: str | None = Field(description="in the format; null where that cannot express it")
    alternatives: list[OtherFormula]


@dataclass(frozen=True, slots=True)
class Door:
    """The tool over HTTP.

    Attributes:
        route: of the application.
        run: what has to be entered while the application runs.
    """

    route: Route
    run: Callable[[], AbstractAsyncContextManager[None]]


def make_tool(service: Service, is_local: bool = False) -> MCPServer:
    """A server with the tool.

    Args:
        service: reads.
        is_local: whether whoever asks is the user of this machine, whose files may be read.
    """
    server = MCPServer("inktex", version=__version__, log_level="WARNING")
    inputs = "path, picture and strokes" if is_local else "picture and strokes"

    async def read_formula(
        picture: PictureText = None,
        strokes: StrokeLists = None,
        preset: Preset = "fast",
        alternatives: Alternatives = 0,
        alphabet: AlphabetText = "all",
        format: Format = "latex",
    ) -> Formula:
        if (picture is None) == (strokes is None):
            raise ToolError(f"Give one of {inputs}.")
        asked = _validated(picture, strokes, preset, alternatives, alphabet, format)
        return await _read(service, asked, asked)

    async def read_formula_of_path(
        path: PathText = None,
        picture: PictureText = None,
        strokes: StrokeLists = None,
        preset: Preset = "fast",
        alternatives: Alternatives = 0,
        alphabet: AlphabetText = "all",
        format: Format = "latex",
    ) -> Formula:
        if path is None:
            return await read_formula(picture, strokes, preset, alternatives, alphabet, format)
        if picture is not None or strokes is not None:
            raise ToolError(f"Give one of {inputs}.")
        content = await anyio.to_thread.run_sync(_content, path)
        # In the place of the picture, for the options alone.
        asked = _validated("", None, preset, alternatives, alphabet, format)
        return await _read(service, content, asked)

    server.add_tool(
        read_formula_of_path if is_local else read_formula,
        name="read_formula",
        description=_WORDS.format(inputs=inputs),
    )
    return server


def http_door(server: MCPServer, settings: ServerSettings, path: str) -> Door:
    """The tool of a server over HTTP, without sessions, so that any worker may answer."""
    inner = server.streamable_http_app(
        streamable_http_path=path,
        json_response=True,
        stateless_http=True,
        max_request_body_size=settings.request_bytes,
        host=settings.host,
    )
    (route,) = (one for one in inner.routes if isinstance(one, Route))
    # GET would open a stream for messages of the server, of which there are none.
    return Door(Route(path, route.endpoint, methods=["POST"]), server.session_manager.run)


def _validated(
    picture: str | None,
    strokes: list[list[tuple[float, float]]] | None,
    preset: str,
    alternatives: int,
    alphabet: str,
    format: str,
) -> OneRequest:
    given: dict[str, Any] = {
        "picture": picture,
        "strokes": strokes,
        "preset": preset,
        "alternatives": alternatives,
        "alphabet": alphabet,
        "format": format,
    }
    try:
        return validate(OneRequest, given)
    except RefusedError as error:
        raise ToolError(str(error)) from error


async def _read(service: Service, given: Given, options: Options) -> Formula:
    try:
        (found,) = await service.read([given], options)
    except RefusedError as error:
        raise ToolError(str(error)) from error
    if isinstance(found, RefusedError):
        raise ToolError(str(found))
    assert not isinstance(found, list)
    answer = reading_answer(found, options.format)
    return Formula(
        latex=answer.latex,
        confidence=answer.score,
        text=answer.text,
        alternatives=[
            OtherFormula(latex=one.latex, confidence=one.score) for one in answer.alternatives
        ],
    )


def _content(name: str) -> bytes:
    try:
        path = Path(name).expanduser()
        if not path.is_file():  # nor a pipe or a device, which might never end
            raise ToolError(f"There is no file {name[:200]!r}. Give its whole path.")
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except (OSError, ValueError, RuntimeError) as error:
        raise ToolError(f"{name[:200]!r} cannot be read: {error}") from error
    if len(content) > MAX_FILE:
        raise ToolError(f"{name[:200]!r} has more than {MAX_FILE // 2**20} MB.")
    return content
