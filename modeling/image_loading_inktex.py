"""Loading of pictures from paths, URLs, bytes and files, in any format that people have."""

import base64
import contextlib
import http.client
import io
import logging
import os
import socket
import threading
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from .pdf_pages_inktex import register_pdf_opener

logger = logging.getLogger(__name__)

MAX_DOWNLOAD = 64 * 2**20
"""Bytes that a picture behind a URL may have."""
TIMEOUT = 30.0
"""Seconds in which a picture behind a URL has to be there, all of it."""
FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "SGI",
    "TGA", "TIFF", "WEBP",
)  # fmt: skip
"""As Pillow names them: bitmaps alone, decoded without outside programs (EPS would start one)."""
OPTIONAL = {
    "HEIF": ("a HEIC photo", "pillow-heif", "heic"),
    "PDF": ("a PDF file", "pypdfium2", "pdf"),
}
"""Formats that need a package: what a file in it is, the package, the extra that brings it."""
_PAGE = "#page="
"""Between the name of a file, or a URL, and the number of a page or frame: as in URLs of PDFs."""


class NoFormulaError(ValueError):
    """A picture in which there is no formula.

    Attributes:
        score: probability that the model gives to that; None where there is no ink to look at.
    """

    def __init__(self, message: str, score: float | None = None) -> None:
        super().__init__(message)
        self.score = score


def numbered_error(error: ValueError, number: int, count: int) -> ValueError:
    """Returns the error of one of several pictures, with the picture's number in its message."""
    message = f"Picture {number} of {count}: {error}"
    if isinstance(error, NoFormulaError):
        return NoFormulaError(message, error.score)
    return ValueError(message)


def picture_list(pictures: Any) -> list[Any]:
    """Returns a picture, a list of them, or an array `(batch, ...)` of four axes, as a list."""
    if isinstance(pictures, list | tuple):
        return list(pictures)
    if getattr(pictures, "ndim", 0) == 4:
        return list(pictures)
    return [pictures]


def load_picture(source: Any) -> Any:
    """Opens what names a picture; returns what already is one.

    Args:
        source: path, `http(s)` URL, `data:image/...;base64` URL, bytes, an open binary file, or a
            PIL image, array or tensor. `#page=2` behind a path or a URL takes the second page or
            frame of the file.

    Returns:
        A PIL image, or `source` itself if it is an array or a tensor.

    Raises:
        ValueError: if there is no such file or page, or it is no picture.
    """
    if isinstance(source, Image.Image) or hasattr(source, "shape"):
        return source
    if isinstance(source, bytes | bytearray):
        return _open(io.BytesIO(source), "These bytes")
    if hasattr(source, "read"):
        return _open(source, "This file")
    if not isinstance(source, str | os.PathLike):
        raise ValueError(
            f"Cannot read a picture from an object of type {type(source).__name__}. Give a path, "
            "a URL, bytes, a PIL image, an array or a tensor."
        )
    name = os.fspath(source)
    path, page = split_page(name)
    if is_url(name):
        return _open(io.BytesIO(download(path)), path, page)
    if _is_file(path):
        return _open(path, path, page)
    if name.startswith("data:image/"):
        try:
            content = base64.b64decode(name.partition(",")[2], validate=True)
        except ValueError as error:
            raise ValueError(f"This data: URL is not valid base64: {error}") from error
        return _open(io.BytesIO(content), "This data: URL")
    raise ValueError(f"There is no picture {name[:200]!r}. Give the path of a file, or a URL.")


def is_url(name: str) -> bool:
    """Returns whether a name is an `http(s)` URL."""
    return name.startswith(("http://", "https://"))


def split_page(name: str) -> tuple[str, int | None]:
    """Returns the path or URL without a `#page=N` behind it, and N, or None if it has none."""
    before, sign, number = name.rpartition(_PAGE)
    if not (sign and number.isdecimal()) or _is_file(name):
        return name, None
    return before, int(number)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # longer than a name may be, or with a null in it
        return False


def download(url: str) -> bytes:
    """Returns the content of an `http(s)` URL; redirects within these schemes are followed.

    Raises:
        ValueError: if it is not there within `TIMEOUT` seconds, or is larger than `MAX_DOWNLOAD`.
    """
    sockets: list[Any] = []

    def keeping_socket(kind: type[http.client.HTTPConnection]) -> Any:
        class Connection(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        return Connection

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(keeping_socket(http.client.HTTPConnection), req)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(keeping_socket(http.client.HTTPSConnection), req)

    opener = urllib.request.OpenerDirector()  # `build_opener` would add ftp, file and data
    for handler in (
        Plain, Secure, urllib.request.ProxyHandler, urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor, urllib.request.HTTPRedirectHandler,
        urllib.request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    # A socket's own timeout starts anew with every byte, so a slow server could block for ever.
    timer = threading.Timer(TIMEOUT, give_up)
    timer.daemon = True
    timer.start()
    try:
        with opener.open(url, timeout=TIMEOUT) as answer:
            content: bytes = answer.read(MAX_DOWNLOAD + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        cause = f"not there within {TIMEOUT:g} seconds" if is_late.is_set() else error
        raise ValueError(f"Cannot fetch {url}: {cause}") from error
    finally:
        timer.cancel()
    if is_late.is_set():
        raise ValueError(f"Cannot fetch {url}: not there within {TIMEOUT:g} seconds")
    if len(content) > MAX_DOWNLOAD:
        raise ValueError(f"{url} has more than {MAX_DOWNLOAD} bytes: too large for a picture.")
    return content


def _open(file: Any, name: str, page: int | None = None) -> Image.Image:
    """Opens a picture; of several pages or frames the first, with a warning, if none is named."""
    register_formats()
    known = [one for one in (*FORMATS, *OPTIONAL) if one in Image.OPEN]
    try:
        picture = Image.open(file, formats=known)
        frames = int(getattr(picture, "n_frames", 1))
        if page is not None and 1 <= page <= frames:
            picture.seek(page - 1)
    except UnidentifiedImageError as error:
        what, package, extra = OPTIONAL.get(_optional_format(file), ("", "", ""))
        if what:
            raise ValueError(
                f"{name} is {what}, which needs {package}: pip install 'inktex[{extra}]'."
            ) from error
        raise ValueError(
            f"{name}: no picture in a format that is read ({', '.join(known)})."
        ) from error
    except Exception as error:  # Pillow's plugins raise many classes at broken headers
        raise ValueError(f"{name}: this picture cannot be read: {error}") from error
    if page is not None and not 1 <= page <= frames:
        raise ValueError(f"{name} has {frames} page(s) or frame(s), none with the number {page}.")
    if page is None and frames > 1 and picture.format != "MPO":  # phones put a preview behind it
        logger.warning(
            "%s has %d pages or frames: the first one is read. %s2 behind its name takes the "
            "second one.", name, frames, _PAGE,
        )  # fmt: skip
    return picture


@cache
def register_formats() -> None:
    """Registers all of Pillow's formats; HEIC and PDF as well, if what reads them is there."""
    Image.init()
    register_pdf_opener()
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def _optional_format(file: Any) -> str:
    """Which of `OPTIONAL` a path or an open file begins as; nothing if none."""
    try:
        if hasattr(file, "read"):
            file.seek(0)
            head = file.read(12)
        else:
            with open(file, "rb") as opened:
                head = opened.read(12)
    except (OSError, ValueError):
        return ""
    if head[:5] == b"%PDF-":
        return "PDF"
    is_heif = head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
    return "HEIF" if is_heif else ""


__all__ = [
    "NoFormulaError", "download", "is_url", "load_picture", "numbered_error", "picture_list",
    "register_formats", "split_page",
]  # fmt: skip
