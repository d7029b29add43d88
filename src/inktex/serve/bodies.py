"""Bodies of requests: no more of them than a server has room for, whatever their headers say."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

MAX_DRAINED: Final = 2**27
"""Bytes of a refused request that are read, and forgotten, before it is answered."""


class TooLargeError(Exception):
    """A body is larger than allowed."""


class LengthError(Exception):
    """A request does not say how long it is, or not in digits."""


def check_length(scope: Scope, limit: int) -> None:
    """Check what a request says of its length, before any of it is read.

    Args:
        limit: in bytes.

    Raises:
        TooLargeError: if it says that it is longer.
        LengthError: if it says what is no number.
    """
    length = Headers(scope=scope).get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise LengthError
    # Python refuses to convert thousands of digits.
    if len(length) > 20 or int(length) > limit:
        raise TooLargeError


class LimitedBody:
    """A request's body, as an application receives it.

    Args:
        receive: where it comes from.
        limit: bytes; beyond, `TooLargeError` is raised.

    Attributes:
        is_complete: whether all of it has come.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._room = receive, limit
        self.is_complete = False

    async def __call__(self) -> Message:
        """The next message; raises a `TooLargeError`."""
        message = await self._receive()
        self.is_complete = not message.get("more_body", False)
        self._room -= len(message.get("body", b""))
        if self._room < 0:
            raise TooLargeError
        return message

    async def drain(self) -> None:
        """Let what has not come pass by: most clients listen for the answer only after it."""
        passed = 0
        while not self.is_complete and passed < MAX_DRAINED:
            message = await self._receive()
            self.is_complete = not message.get("more_body", False)
            passed += len(message.get("body", b""))
