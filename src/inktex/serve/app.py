"""The application: its routes, what they take and what they answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from inktex import __version__
from inktex.alphabet import alphabet_of
from inktex.recognizer import Recognizer
from inktex.shipped import pretrained_path

from .answers import (
    AlphabetAnswer,
    AlphabetToken,
    ErrorAnswer,
    HealthAnswer,
    ReadingAnswer,
    RegionsAnswer,
    SeveralAnswer,
    reading_answer,
)
from .guard import OPEN, Guard
from .mathpix import StrokesRequest, TextRequest, error_body, mathpix_routes
from .metrics import CONTENT_TYPE_LATEST, Metrics, Observed
from .page import page
from .refusals import RefusedError
from .requests import (
    EXAMPLE_OF_ONE,
    EXAMPLE_OF_SEVERAL,
    NAMES,
    Item,
    OneRequest,
    Options,
    SeveralRequest,
    UploadRequest,
    kind_of,
    parse,
    parse_form,
    read_form,
    read_json,
)
from .service import Found, Given, Service, load_recognizer
from .settings import ServerSettings

DESCRIPTION: Final = """\
Handwritten mathematics in, LaTeX out. Whatever is not answered with a reading is answered with
`error`, a sentence that says what to do, `status`, and `kind`, for programs."""
PATH: Final = "/mcp"
_COMPONENTS: Final = "#/components/schemas/{model}"
_TAKEN: Final[tuple[type[BaseModel], ...]] = (
    OneRequest, SeveralRequest, UploadRequest, Item, TextRequest, StrokesRequest,
)  # fmt: skip
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorAnswer, "description": words}
    for status, words in {
        400: "The request is no JSON or no form.",
        401: "The key is missing or wrong.",
        408: "The request was too slow.",
        413: "The request is too large.",
        415: "The request is neither JSON nor a form.",
        422: "A field is wrong, or the picture cannot be read.",
        503: "Too many requests are waiting; `Retry-After` says when to come again.",
    }.items()
}


def create_app(settings: ServerSettings, recognizer: Recognizer | None = None) -> FastAPI:
    """The application of one worker.

    Args:
        settings: of the server.
        recognizer: to read with; None to load the one that the settings name.

    Raises:
        ValueError, OSError, ImportError: if there is no such model, engine or alphabet.
    """
    metrics = Metrics()
    service = Service(
        recognizer or load_recognizer(settings),
        settings.allow_urls,
        lambda outcome: metrics.pictures.labels(outcome).inc(),
    )
    service.warm_up()
    door = None
    if settings.mcp:
        from .tool import http_door, make_tool

        door = http_door(make_tool(service), settings, PATH)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            if door is None:
                yield
            else:
                async with door.run():
                    yield
        finally:
            service.close()

    app = FastAPI(
        title="inktex",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_reading(app, service, settings)
    _add_rest(app, metrics, _alphabet(settings))
    app.include_router(mathpix_routes(service))
    if door is not None:
        app.router.routes.append(door.route)
    _add_errors(app)
    _describe(app)
    routes = {*app.openapi()["paths"], *OPEN, PATH}
    app.add_middleware(Guard, settings=settings, metrics=metrics)
    app.add_middleware(Observed, metrics=metrics, routes=routes)
    return app


def _alphabet(settings: ServerSettings) -> AlphabetAnswer:
    counts: dict[str, int] = {}
    with suppress(OSError, ValueError, ImportError):  # a model need not have one
        counts = alphabet_of(settings.model or str(pretrained_path()))
    tokens = [AlphabetToken(token=token, examples=count) for token, count in counts.items()]
    return AlphabetAnswer(names=[*NAMES], tokens=tokens)


def _add_reading(app: FastAPI, service: Service, settings: ServerSettings) -> None:
    body = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [_reference(OneRequest), _reference(SeveralRequest)]},
                "examples": {
                    "one": {"value": EXAMPLE_OF_ONE},
                    "several": {"value": EXAMPLE_OF_SEVERAL},
                },
            },
            "multipart/form-data": {"schema": _reference(UploadRequest)},
        },
    }

    @app.post(
        "/v1/recognize",
        summary="Read one formula, or several.",
        response_model=ReadingAnswer | RegionsAnswer | SeveralAnswer,
        responses=_ERRORS,
        openapi_extra={"requestBody": body},
    )
    async def recognize(request: Request) -> Response:
        """A formula is the base64 of a picture or of InkML, pen strokes, or a URL.

        Several are `items` of JSON, or several files of a form, and are answered by `results` in
        their order; what is wrong with one of them is its own error. With `regions` each picture
        has `results` of its own, one for each formula in it.
        """
        options, given, is_list = await _asked(request, settings.batch)
        found = await service.read(given, options)
        if is_list:
            return _json(SeveralAnswer(results=[_answer(one, options) for one in found]))
        if isinstance(found[0], RefusedError):
            raise found[0]
        return _json(_answer(found[0], options))


async def _asked(request: Request, batch: int) -> tuple[Options, list[Given], bool]:
    """How to read, what, and whether it is a list."""
    if kind_of(request) == "json":
        options, items, is_list = parse(read_json(await request.body()), batch)
        return options, [*items], is_list
    files, fields = await read_form(request, batch)
    return parse_form(fields), [*files], len(files) > 1


def _answer(found: Found, options: Options) -> ReadingAnswer | RegionsAnswer | ErrorAnswer:
    if isinstance(found, RefusedError):
        return ErrorAnswer(error=str(found), status=found.status, kind=found.kind)
    if isinstance(found, list):
        return RegionsAnswer(results=[reading_answer(one, options.format) for one in found])
    return reading_answer(found, options.format)


def _add_rest(app: FastAPI, metrics: Metrics, known: AlphabetAnswer) -> None:
    @app.get("/v1/alphabet", summary="What the model can read.")
    async def alphabet() -> AlphabetAnswer:
        return known

    @app.get("/healthz", summary="That the server is there. Needs no key.")
    async def healthz() -> HealthAnswer:
        return HealthAnswer(status="ok", version=__version__)

    @app.get("/metrics", summary="Figures for Prometheus.", response_class=Response)
    async def figures() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("docs")  # relative: a proxy may have put the server under a path

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse(error_body(request.url.path, error), error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        words = {
            404: f"There is no {request.url.path[:100]!r} here: GET /docs lists what there is.",
            405: f"{request.url.path[:100]!r} takes no {request.method[:20]}: see GET /docs.",
        }.get(error.status_code, str(error.detail))
        found = RefusedError(
            words, error.status_code, "route" if error.status_code != 400 else "request"
        )
        return JSONResponse(error_body(request.url.path, found), error.status_code, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    @app.exception_handler(Exception)
    async def fault(request: Request, __: Exception) -> JSONResponse:
        found = RefusedError("This is a fault of the server; its log tells more.", 500, "fault")
        return JSONResponse(error_body(request.url.path, found), 500)


def _describe(app: FastAPI) -> None:
    """Add what the routes take to the description of the application; they read it themselves."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            _, taken = models_json_schema(
                [(one, "validation") for one in _TAKEN], ref_template=_COMPONENTS
            )
            schemas = found["components"]["schemas"]
            schemas.update(taken["$defs"])
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _COMPONENTS.format(model=model.__name__)}


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")
