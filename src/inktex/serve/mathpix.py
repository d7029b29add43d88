"""A second door, in the shape of Mathpix's `v3/text` and `v3/strokes`, for clients of theirs.

As there, what cannot be read is answered with status 200, an `error` and its `error_info`. Fields
that are not named here are ignored, as they are many and none changes what is read; those that
would are refused.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from inktex import __version__
from inktex.modeling.image_loading_inktex import is_url
from inktex.recognizer import Reading

from .refusals import Kind, RefusedError
from .requests import Coordinate, Item, Options, kind_of, read_form, read_json, validate
from .service import Given, Service

_IDS: Final[dict[Kind, str]] = {
    "request": "json_syntax",
    "unreadable": "image_decode_error",
    "no_formula": "image_no_content",
    "url": "image_download_error",
    "too_large": "image_max_size",
}
_STATUS_IDS: Final = {
    401: "http_unauthorized", 413: "image_max_size", 503: "http_max_requests",
}  # fmt: skip
"""Of refusals with a status of HTTP of their own."""
PREFIX: Final = "/v3"
_FORMATS: Final = frozenset({"text", "data", "latex_styled"})
_UNSUPPORTED: Final = ("region", "callback", "async")


class DataOptions(BaseModel):
    """What `data` holds."""

    model_config = ConfigDict(extra="ignore")

    include_latex: bool = False
    include_mathml: bool = False
    include_asciimath: bool = False


class ReadRequest(BaseModel):
    """How to answer."""

    model_config = ConfigDict(extra="allow")

    formats: Annotated[list[str], Field(max_length=20)] = Field(
        default=["text"], description="of text, data and latex_styled"
    )
    data_options: DataOptions = DataOptions()
    math_inline_delimiters: tuple[str, str] = (r"\(", r"\)")
    confidence_threshold: float | None = None
    confidence_rate_threshold: float | None = None


class TextRequest(ReadRequest):
    """A picture."""

    src: str | None = Field(default=None, description="a data: URL; or a URL, with --allow-urls")


class StrokesRequest(ReadRequest):
    """Pen strokes."""

    strokes: dict[str, dict[str, list[list[Coordinate]]]] = Field(
        description="`x` and `y` of the points of each stroke, in an object `strokes`"
    )


class ErrorInfo(BaseModel):
    """What is wrong, for programs."""

    id: str
    message: str


class Datum(BaseModel):
    """The formula in one format."""

    type: str
    value: str


class MathpixAnswer(BaseModel):
    """A reading, or an error."""

    request_id: str
    version: str
    text: str | None = None
    latex_styled: str | None = None
    data: list[Datum] | None = None
    confidence: float | None = Field(default=None, description="that exactly this is written")
    confidence_rate: float | None = Field(
        default=None, description="mean probability of the tokens"
    )
    error: str | None = None
    error_info: ErrorInfo | None = None


def mathpix_routes(service: Service) -> APIRouter:
    """The routes of this door."""
    router = APIRouter(prefix=PREFIX)

    @router.post("/text", summary="Read a picture, as Mathpix does.", **_about(TextRequest))
    async def text(request: Request) -> Response:
        """Takes JSON, or a form with `file` and `options_json`."""
        try:
            asked, given = await _picture(request)
            return await _answered(service, given, asked)
        except RefusedError as error:
            return _refusal(error)

    @router.post("/strokes", summary="Read pen strokes, as Mathpix does.", **_about(StrokesRequest))
    async def strokes(request: Request) -> Response:
        """Takes JSON."""
        try:
            asked = validate(StrokesRequest, read_json(await request.body()))
            return await _answered(service, _strokes(asked), asked)
        except RefusedError as error:
            return _refusal(error)

    return router


def _about(model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"response_model": MathpixAnswer, "openapi_extra": {"requestBody": body}}


async def _picture(request: Request) -> tuple[TextRequest, Given]:
    if kind_of(request) == "form":
        files, fields = await read_form(request, 1)
        options = read_json(fields.get("options_json", "{}").encode())
        return validate(TextRequest, options), files[0]
    asked = validate(TextRequest, read_json(await request.body()))
    if asked.src is None:
        raise _NamedError(
            "There is no picture: give `src`, or a form with `file`.", "image_missing"
        )
    if is_url(asked.src):
        return asked, validate(Item, {"url": asked.src})
    return asked, Item(picture=asked.src)


def _strokes(asked: StrokesRequest) -> Item:
    sides = asked.strokes.get("strokes", {})
    x, y = sides.get("x", []), sides.get("y", [])
    if not x or [*map(len, x)] != [*map(len, y)]:
        raise _NamedError(
            "The strokes must be {'strokes': {'x': [[...], ...], 'y': [[...], ...]}}, with as many "
            "x as y in each stroke.", "strokes_syntax_error",
        )  # fmt: skip
    points = [[*zip(*stroke, strict=True)] for stroke in zip(x, y, strict=True)]
    return validate(Item, {"strokes": points})


async def _answered(service: Service, given: Given, asked: ReadRequest) -> Response:
    for name in _UNSUPPORTED:
        if (asked.model_extra or {}).get(name):
            raise _NamedError(
                f"`{name}` is not known here: leave it out, and send what is to be read.",
                "opts_unsupported",
            )
    if asked.formats and not _FORMATS & {*asked.formats}:
        raise _NamedError(
            f"None of these formats is known here: give {', '.join(sorted(_FORMATS))}.",
            "opts_unknown_format",
        )
    (found,) = await service.read([given], Options())
    if isinstance(found, RefusedError):
        raise found
    assert not isinstance(found, list)
    answer = _answer(found, asked)
    for value, least in (
        (answer.confidence, asked.confidence_threshold),
        (answer.confidence_rate, asked.confidence_rate_threshold),
    ):
        if value is not None and least is not None and value < least:
            raise _NamedError("The confidence is below the threshold.", "math_confidence")
    return _response(answer)


def _answer(reading: Reading, asked: ReadRequest) -> MathpixAnswer:
    answer = _empty()
    scores = reading.token_scores
    answer.confidence = round(reading.score, 6)
    answer.confidence_rate = round(sum(scores) / len(scores), 6) if scores else answer.confidence
    if "text" in asked.formats or not asked.formats:
        before, after = asked.math_inline_delimiters
        # A space, as Mathpix writes it, except for dollars, which Markdown wants without.
        space = "" if before == "$" else " "
        answer.text = f"{before}{space}{reading.latex}{space}{after}"
    if "latex_styled" in asked.formats:
        answer.latex_styled = reading.latex
    if "data" in asked.formats:
        wanted = asked.data_options
        answer.data = [
            Datum(type=name, value=reading.to(name))
            for name in ("asciimath", "mathml", "latex")
            if getattr(wanted, f"include_{name}")
        ]
    return answer


class _NamedError(RefusedError):
    """A refusal with an id of Mathpix's."""

    def __init__(self, message: str, id: str) -> None:
        super().__init__(message)
        self.id = id


def _refusal(error: RefusedError) -> Response:
    if error.kind not in _IDS:
        raise error
    answer = _empty()
    answer.error = str(error)
    name = error.id if isinstance(error, _NamedError) else _IDS[error.kind]
    answer.error_info = ErrorInfo(id=name, message=str(error))
    return _response(answer)


def error_body(path: str, error: RefusedError) -> dict[str, Any]:
    """A refusal with a status of its own; of this door with what its clients look at."""
    if not path.startswith(f"{PREFIX}/"):
        return {**error.to_dict()}
    info = {"id": _STATUS_IDS.get(error.status, "sys_exception"), "message": str(error)}
    return {**error.to_dict(), "request_id": uuid.uuid4().hex, "error_info": info}


def _empty() -> MathpixAnswer:
    return MathpixAnswer(request_id=uuid.uuid4().hex, version=f"inktex-{__version__}")


def _response(answer: MathpixAnswer) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")
