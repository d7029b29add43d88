"""Middleware that turns requests away before they cost anything: key, size, queue and time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .bodies import LengthError, LimitedBody, TooLargeError, check_length
from .mathpix import error_body
from .metrics import Metrics
from .refusals import RETRY_AFTER, RefusedError
from .settings import ServerSettings

OPEN: Final = frozenset({"/", "/healthz", "/docs", "/openapi.json"})
"""Paths that need no key: they tell nothing of anyone's pictures."""
KEY_HEADERS: Final = ("x-api-key", "app_key")
"""The second one is Mathpix's."""


class Guard:
    """Limits what comes in.

    - A request brings the key, if there is one.
    - A body has at most so many bytes, whatever its header says.
    - So many requests are inside at a time. One more is told to come again, before its body is
      read, so that the memory of all bodies is limited, too.
    - A request is there and answered in so many seconds; if not, what has not begun is not done.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._inside = 0
        self._key = None if settings.key is None else _digest(settings.key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with an error, or hand on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = LimitedBody(receive, self._settings.request_bytes)
        is_answered = False

        async def watched(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            async with asyncio.timeout(self._settings.seconds):
                error = await self._handed_on(scope, body, watched)
                if error is not None and not is_answered:
                    await body.drain()
        except TimeoutError:
            error = self._late(body)
        if error is not None and not is_answered:
            content = error_body(scope["path"], error)
            answer = JSONResponse(content, error.status, error.headers)
            await answer(scope, receive, send)

    async def _handed_on(
        self, scope: Scope, body: LimitedBody, send: Send
    ) -> RefusedError | None:  # fmt: skip
        """Have the application answer; or the error that is the answer."""
        if scope["path"] not in OPEN and not self._has_key(Headers(scope=scope)):
            return RefusedError(
                "The key is missing or wrong: send it as `Authorization: Bearer KEY`, "
                "`X-API-Key: KEY` or `app_key: KEY`.", 401, "key",
            )  # fmt: skip
        is_reading = scope["method"] == "POST"
        if is_reading and self._inside >= self._settings.queue:
            return RefusedError(
                f"{self._inside} requests are waiting already: come again in {RETRY_AFTER} s.", 503,
                "busy",
            )  # fmt: skip
        self._count(is_reading)
        try:
            check_length(scope, self._settings.request_bytes)
            await self._app(scope, body, send)
        except LengthError:
            return RefusedError("The request does not say in digits how long it is.", 400)
        except TooLargeError:
            limit = self._settings.request_bytes / 2**20
            return RefusedError(
                f"The request is larger than {limit:g} MB. Make the picture smaller, or send fewer "
                "at a time.", 413, "too_large",
            )  # fmt: skip
        finally:
            self._count(-is_reading)
        return None

    def _has_key(self, headers: Headers) -> bool:
        if self._key is None:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = [token.strip()] if scheme.lower() == "bearer" else []
        given += [headers[name] for name in KEY_HEADERS if name in headers]
        # Digests are of one length, so that the time does not depend on what was given.
        return any(hmac.compare_digest(_digest(one), self._key) for one in given)

    def _count(self, change: int) -> None:
        self._inside += change
        self._metrics.queue.set(self._inside)

    def _late(self, body: LimitedBody) -> RefusedError:
        seconds = f"{self._settings.seconds:g} s"
        if not body.is_complete:
            return RefusedError(f"The request was not here within {seconds}.", 408, "late")
        return RefusedError(
            f"There was no answer within {seconds}: come again, or send fewer pictures at a time.",
            503, "late",
        )  # fmt: skip


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
