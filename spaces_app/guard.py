"""Turns away what no honest visitor sends, before Gradio sees it."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inktex.serve.bodies import LengthError, LimitedBody, TooLargeError, check_length
from inputs import MAX_BYTES

MAX_BODY: Final = MAX_BYTES * 4 // 3 + 2**16
"""Bytes of a request: a picture in base64, and its envelope."""


class Guard:
    """Middleware that limits requests.

    - A body has at most `MAX_BODY` bytes, whatever its header says.
    - Nothing is uploaded to the disk: pictures come in the request itself.
    - A query has no markup in it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with an error, or hand on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = LimitedBody(receive, MAX_BODY)
        refusal = _refusal(Request(scope))
        if refusal is not None:
            await body.drain()
            await refusal(scope, receive, send)
            return
        is_answered = False

        async def watched(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self.app(scope, body, watched)
        except TooLargeError:
            if not is_answered:
                await body.drain()
                await _too_large()(scope, receive, send)


def _refusal(request: Request) -> JSONResponse | None:
    if any(sign in unquote_plus(request.url.query) for sign in "<>"):
        return _error(400, "This address has markup in its query, which this page does not take.")
    if request.method == "POST" and request.url.path.rstrip("/").endswith("/upload"):
        return _error(403, "Files are not stored here: send the picture as base64 in the request.")
    try:
        check_length(request.scope, MAX_BODY)
    except LengthError:
        return _error(400, "The request does not say how long it is.")
    except TooLargeError:
        return _too_large()
    return None


def _too_large() -> JSONResponse:
    limit = MAX_BYTES // 2**20
    return _error(413, f"The request is too large: a picture's file may have {limit} MB.")


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status)
