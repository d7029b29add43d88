"""Reading for a server: off its event loop, in threads of their own."""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import anyio
import anyio.to_thread

from inktex.batches import CPU
from inktex.engine import SearchOptions
from inktex.inputs import as_picture, strokes_to_ink
from inktex.modeling.image_loading_inktex import NoFormulaError, download, is_url
from inktex.modeling.search_inktex import LockedTokenError
from inktex.recognizer import Reading, Recognizer, load

from .gathering import Gatherer
from .refusals import RefusedError
from .requests import CROSS, Item, Options
from .settings import ServerSettings

logger = logging.getLogger(__name__)

FETCHERS: Final = 8
"""Threads that wait for pictures behind URLs."""
Found = Reading | list[Reading] | RefusedError
"""What came of a picture; a list if each of its formulas was asked for."""
Given = Item | bytes | RefusedError
"""An item of a request, the content of an uploaded file, or why it is none."""


def load_recognizer(settings: ServerSettings) -> Recognizer:
    """The recognizer that a server reads with; see `inktex.load` for what it raises."""
    threads: dict[str, Any] = {} if settings.engine == "torch" else {"threads": settings.threads}
    return load(settings.model, engine=settings.engine, alphabet=settings.alphabet, **threads)


class Service:
    """Reads what requests bring.

    Args:
        recognizer: reads.
        urls: whether pictures are fetched from URLs.
        count: told what came of each picture: `read`, or the kind of its error.
    """

    def __init__(
        self, recognizer: Recognizer, urls: bool = False, count: Callable[[str], None] | None = None
    ) -> None:
        self._recognizer, self._urls, self._count = recognizer, urls, count
        # A second thread would share the core of the first.
        self._readers: Gatherer[Given, Found, Options] = Gatherer(self._read, CPU.pictures)
        self._fetchers = anyio.CapacityLimiter(FETCHERS)

    def warm_up(self) -> None:
        """Read ink and the file of a picture: the first time is slow."""
        file = io.BytesIO()
        as_picture(CROSS).save(file, "PNG")
        for one in (CROSS, file.getvalue()):
            with suppress(NoFormulaError):
                self._recognizer(one)

    def close(self) -> None:
        """Wait for what is being read, and end the threads."""
        self._readers.close()

    async def read(self, given: Sequence[Given], options: Options) -> list[Found]:
        """Readings, or why there are none, in the order of what was given.

        If this is cancelled, what has not begun is never read.

        Raises:
            RefusedError: if nothing can be read in this way, whatever it is.
        """
        sources = await asyncio.gather(*map(self._fetched, given))
        found = await self._readers.results(sources, options, _kind(options))
        if self._count is not None:
            for one in found:
                self._count(one.kind if isinstance(one, RefusedError) else "read")
        return found

    async def _fetched(self, given: Given) -> Given:
        """The file behind a URL; everything else unchanged."""
        if not isinstance(given, Item) or given.url is None:
            return given
        if not self._urls:
            return RefusedError(
                "This server fetches no URLs: send the picture itself, or start the server with "
                "--allow-urls.", kind="url",
            )  # fmt: skip
        if not is_url(given.url):
            return RefusedError("A URL begins with http:// or https://.", kind="url")
        try:
            return await anyio.to_thread.run_sync(
                download, given.url, limiter=self._fetchers, abandon_on_cancel=True
            )
        except ValueError as error:
            return RefusedError(str(error), kind="url")

    def _read(self, given: Sequence[Given], options: Options) -> list[Found]:
        """What `read` gives, once all pictures are here."""
        sources = [_opened(one) for one in given]
        good = [one for one in sources if not isinstance(one, RefusedError)]
        how: dict[str, Any] = {
            "preset": options.preset,
            "alternatives": options.alternatives,
            "symbols": options.symbols,
            "alphabet": options.alphabet,
            "candidates": options.candidates,
        }
        try:
            if options.regions:
                [*self._recognizer.read_each([], **how)]  # refuses options that are wrong
                return [
                    one if isinstance(one, RefusedError) else self._regions(one, how)
                    for one in sources
                ]
            readings = iter(
                self._recognizer.read_each(
                    good, **how, locked=options.locked, batch_size=max(1, len(good))
                )
            )
            return [
                one if isinstance(one, RefusedError) else _found(next(readings)) for one in sources
            ]
        except MemoryError:
            raise RefusedError(
                "There is no room for these pictures. Send smaller or fewer ones.", 413, "too_large"
            ) from None
        except (ValueError, ImportError) as error:  # of the preset, alternatives or alphabet
            raise RefusedError(str(error)) from error

    def _regions(self, source: Any, how: Mapping[str, Any]) -> Found:
        """Each of the formulas in one picture."""
        try:
            return self._recognizer.read_regions(source, **how)
        except MemoryError:
            raise
        except Exception as error:  # whatever it is, the other pictures can be read
            return _found(error)


def _kind(options: Options) -> tuple[object, ...] | None:
    """What readings have in common that are read together; None for those read alone.

    Greedy searches take a tenth to a fifth less for each picture where several are read together;
    others take no less, and long, so that who waits would wait longer.
    """
    if options.regions or not SearchOptions(options.preset, options.alternatives).is_greedy:
        return None
    alphabet = options.alphabet
    allowed = tuple(alphabet) if isinstance(alphabet, list) else alphabet
    return options.symbols, options.candidates, tuple(options.locked.items()), allowed


def decode_base64(text: str) -> bytes:
    """The content of a file.

    Args:
        text: base64, with line breaks or without, or a `data:` URL of it.

    Raises:
        RefusedError: if it is neither.
    """
    head, comma, body = text.partition(",")
    if comma and not (head.startswith("data:") and head.endswith(";base64")):
        raise RefusedError("The picture must be base64, or a data: URL of it.", kind="unreadable")
    try:
        return base64.b64decode("".join((body if comma else text).split()), validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError("The picture is not valid base64.", kind="unreadable") from None


def _opened(given: Given) -> Any:
    """What the recognizer takes: bytes or ink, never text, which it would take for a path."""
    if isinstance(given, bytes | RefusedError):
        return given
    try:
        if given.picture is not None:
            return decode_base64(given.picture)
        return strokes_to_ink(given.strokes or [])
    except RefusedError as error:
        return error
    except ValueError as error:
        return RefusedError(str(error), kind="unreadable")


def _found(found: Reading | Exception) -> Found:
    if isinstance(found, Reading):
        return found
    if isinstance(found, NoFormulaError):
        return RefusedError(str(found), kind="no_formula")
    if not isinstance(found, ValueError | OSError):  # a fault of inktex: whoever runs it shall know
        logger.error("a picture could not be read", exc_info=found)
        return RefusedError("This picture cannot be read. Save it anew, as PNG.", kind="unreadable")
    if isinstance(found.__cause__, LockedTokenError):
        return RefusedError(str(found))
    return RefusedError(str(found), kind="unreadable")
