"""What a server is started with, and the limits that no option changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from inktex.engine_choice import AUTO

MAX_ALTERNATIVES: Final = 10
"""Other readings of a picture; each widens the search."""
MAX_CANDIDATES: Final = 20
"""Of each symbol."""
MAX_VALUES: Final = 500_000
"""Values in the JSON of a request, about; a parsed value takes many times its bytes."""
MAX_NAME: Final = 2048
"""Characters of a URL, and of an option."""
MAX_TOKENS: Final = 1000
"""Of an alphabet."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of a server; each of its workers gets them.

    Attributes:
        model, engine, alphabet: see `inktex.load`.
        host: that the server listens on.
        threads: of the engine, in each worker.
        queue: requests that a worker takes in at a time; one of them is read, the others wait.
        seconds: in which a request has to be there and answered.
        request_bytes: of a request's body at most.
        batch: pictures of a request at most.
        allow_urls: whether a request may name a picture by its URL.
        key: that requests have to bring; None if everyone may ask.
        mcp: whether the server has the door for MCP.
    """

    model: str | None = None
    engine: str = AUTO
    alphabet: str | None = None
    host: str = "127.0.0.1"
    threads: int = 1
    queue: int = 64
    seconds: float = 60.0
    request_bytes: int = 32 * 2**20
    batch: int = 32
    allow_urls: bool = False
    key: str | None = field(default=None, repr=False)
    mcp: bool = False
