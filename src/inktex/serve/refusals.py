"""Why a request, or a picture in it, is not answered with a reading."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal[
    "request", "unreadable", "no_formula", "url", "too_large", "key", "route", "busy", "late",
    "fault",
]  # fmt: skip
"""What is wrong, for programs: with the shape of the request, with the picture, ..."""
KINDS: tuple[Kind, ...] = get_args(Kind)
RETRY_AFTER = 1
"""Seconds after which a request that found a full queue may come again."""


class RefusedError(ValueError):
    """A request or a picture that is not answered; the message tells its sender what to do.

    Attributes:
        status: of HTTP.
        kind: what is wrong, for programs.
    """

    def __init__(self, message: str, status: int = 422, kind: Kind = "request") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer over HTTP."""
        if self.status == 503:
            return {"Retry-After": str(RETRY_AFTER)}
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}

    def to_dict(self) -> dict[str, str | int]:
        """As JSON has it; see `inktex.serve.answers.ErrorAnswer`."""
        return {"error": str(self), "status": self.status, "kind": self.kind}
