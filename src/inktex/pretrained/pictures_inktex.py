"""Any picture that a person has, read as grey levels: 0 black to 1 white."""

import base64
import contextlib
import http.client
import io
import logging
import os
import socket
import threading
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

logger = logging.getLogger(__name__)

Grey = NDArray[np.float32]

MAX_DOWNLOAD = 64 * 2**20
"""Bytes that a picture behind a URL may have."""
TIMEOUT = 30.0
"""Seconds in which a picture behind a URL has to be there, all of it."""
MIN_SIDE = 4
"""Pixels; no sign can be told from another in less."""
ENOUGH = 16_000_000
"""Pixels; larger pictures are reduced by a whole number as they are read, strip by strip, so that
the largest take no more than some hundred megabytes."""
FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "SGI",
    "TGA", "TIFF", "WEBP",
)  # fmt: skip
"""As Pillow names them: bitmaps alone, decoded without outside programs (EPS would start one)."""
_HEIF = "HEIF"
"""Of another package, which may be there."""
_COLOURED = 0.1
"""Distance between the channels from which on a picture has colours that are worth a look."""
_ORIENTATION = 0x0112
"""EXIF tag that says how the camera was held."""
_TURNS: dict[int, Callable[[Any], Any]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


class NoFormulaError(ValueError):
    """A picture in which there is no handwritten formula; the message says what it looks like."""


def picture_list(pictures: Any) -> list[Any]:
    """One picture, a list of them, or an array `(batch, ...)` of four dimensions, as a list."""
    if isinstance(pictures, list | tuple):
        return list(pictures)
    if getattr(pictures, "ndim", 0) == 4:
        return list(pictures)
    return [pictures]


def load_picture(source: Any) -> Any:
    """Open what names a picture; give back what already is one.

    Args:
        source: path, `http(s)` URL, `data:image/...;base64` URL, bytes, an open binary file, or a
            PIL image, array or tensor.

    Returns:
        A PIL image, or `source` itself if it is an array or a tensor.

    Raises:
        ValueError: if there is no such file, or it is no picture.
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
    if is_url(name):
        return _open(io.BytesIO(download(name)), name)
    if _is_file(name):
        return _open(name, name)
    if name.startswith("data:image/"):
        try:
            content = base64.b64decode(name.partition(",")[2], validate=True)
        except ValueError as error:
            raise ValueError(f"This data: URL is not valid base64: {error}") from error
        return _open(io.BytesIO(content), "This data: URL")
    raise ValueError(f"There is no picture {name[:200]!r}. Give the path of a file, or a URL.")


def is_url(name: str) -> bool:
    """Whether a name is an `http(s)` URL."""
    return name.startswith(("http://", "https://"))


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # longer than a name may be, or with a null in it
        return False


def download(url: str) -> bytes:
    """The content of an `http(s)` URL, redirects within these schemes followed.

    Raises:
        ValueError: if it cannot be had within `TIMEOUT` seconds, or is larger than `MAX_DOWNLOAD`.
    """
    sockets: list[Any] = []

    def remembering(kind: type[http.client.HTTPConnection]) -> Any:
        class Connection(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        return Connection

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(remembering(http.client.HTTPConnection), req)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(remembering(http.client.HTTPSConnection), req)

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

    # A socket's own timeout starts anew with every byte, so a slow server could hold us for ever.
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


def _open(file: Any, name: str) -> Image.Image:
    """Open a picture; of several pages or frames the first, with a warning."""
    _register_formats()
    try:
        picture = Image.open(file, formats=[one for one in (*FORMATS, _HEIF) if one in Image.OPEN])
        frames = int(getattr(picture, "n_frames", 1))
    except UnidentifiedImageError as error:
        if _is_heif(file):
            raise ValueError(
                f"{name} is a HEIC photo, which needs pillow-heif: pip install 'inktex[heic]'."
            ) from error
        raise ValueError(
            f"{name}: no picture in a format that is read ({', '.join(FORMATS)})."
        ) from error
    except Exception as error:  # Pillow's plugins raise whatever they like at broken headers
        raise ValueError(f"{name}: this picture cannot be read: {error}") from error
    if frames > 1 and picture.format != "MPO":  # phones put a preview behind the picture
        logger.warning("%s has %d pages or frames: the first one is read.", name, frames)
    return picture


@cache
def _register_formats() -> None:
    """Have Pillow know all its formats, and HEIC, the photos of many phones, if that is there."""
    Image.init()
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def _is_heif(file: Any) -> bool:
    """Whether a path or an open file begins as HEIC and its kin do."""
    try:
        if hasattr(file, "read"):
            file.seek(0)
            head = file.read(12)
        else:
            with open(file, "rb") as opened:
                head = opened.read(12)
    except (OSError, ValueError):
        return False
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")


def grey_levels(picture: Any, max_pixels: int) -> Grey:
    """Grey levels of a picture; see `reduced_levels`, of which this is the first part."""
    return reduced_levels(picture, max_pixels, max_pixels)[0]


def reduced_levels(picture: Any, max_pixels: int, enough: int = ENOUGH) -> tuple[Grey, int]:
    """Grey levels of a picture, reduced if it is large.

    Args:
        picture: what `load_picture` takes. Arrays are `(h, w)`, `(h, w, c)` or `(c, h, w)` with
            1 to 4 channels (grey, grey and alpha, RGB, RGBA); whole numbers up to 255 or 65535,
            or floating-point numbers in 0..1 or 0..255.
        max_pixels: more would be an attack or an accident.
        enough: pixels from which on the picture is reduced by a whole number.

    Returns:
        `(h, w)` float32, 0 black to 1 white, transparent parts paper; and how many pixels of the
        picture went into a row or column of one of these. Where ink has another colour than
        paper, but hardly another brightness, the channel that shows it counts.

    Raises:
        ValueError: for what is no picture, is damaged, too large or too small, or has NaN in it.
        NoFormulaError: if all of it is transparent.
    """
    picture = load_picture(picture)
    if isinstance(picture, Image.Image):
        _check_size(picture.width, picture.height, max_pixels)
        step = _step(picture.width, picture.height, enough)
        return _on_paper(_from_pil(picture, step)), step
    array = _as_array(picture)
    channels_first = (
        array.ndim == 3 and array.shape[0] <= 4 and (array.shape[2] > 4 or array.shape[0] == 1)
    )
    if channels_first:
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= 4):
        raise ValueError(
            f"An array of shape {array.shape} is no picture: expected (h, w), (h, w, c) or "
            "(c, h, w) with 1 to 4 channels."
        )
    _check_size(array.shape[1], array.shape[0], max_pixels)
    step = _step(array.shape[1], array.shape[0], enough)
    return _on_paper(_unit_range(array, step)), step


def _step(width: int, height: int, enough: int) -> int:
    return max(min(int(np.ceil(np.sqrt(width * height / enough))), width, height), 1)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ValueError(
            f"The picture has {width}x{height} pixels; the limit is {max_pixels} in all. "
            "Scale it down, or cut out the expression."
        )
    if min(width, height) < 1 or max(width, height) < MIN_SIDE:
        raise ValueError(f"The picture has {width}x{height} pixels: nothing can be read in it.")


def _from_pil(picture: Image.Image, step: int) -> NDArray[np.float32]:
    """Levels `(h, w)` or `(h, w, 4)` of 0 to 1, upright, `step` pixels to one."""
    try:
        picture.load()
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1), lambda a: a)
        if picture.mode.startswith(("I", "F")):
            return np.ascontiguousarray(turn(_unit_range(np.asarray(picture), step)))
        rows = picture.height if step == 1 else max(ENOUGH // (16 * picture.width), 1) * step
        strips = []
        for top in range(0, picture.height - step + 1, rows):
            strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
            strips.append(_blocks(_pil_levels(strip), step))
    except MemoryError:
        raise
    except Exception as error:  # whatever Pillow's decoders raise for damaged files
        raise ValueError(f"The picture is damaged: {error}") from error
    return np.ascontiguousarray(turn(np.concatenate(strips)))


def _pil_levels(picture: Image.Image) -> NDArray[np.float32]:
    if picture.mode not in ("1", "L") or "transparency" in picture.info:
        return np.asarray(picture.convert("RGBA"), dtype=np.float32) / np.float32(255)
    return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)


def _blocks(array: NDArray[Any], step: int) -> NDArray[Any]:
    """Means of squares of `step` pixels; what is left over at the right and below is cut off."""
    if step == 1:
        return array
    height, width = (side // step * step for side in array.shape[:2])
    total = np.zeros((height // step, width // step, *array.shape[2:]), dtype=np.float32)
    for row in range(step):
        for column in range(step):
            total += array[row:height:step, column:width:step]
    return total / np.float32(step * step)


def _as_array(picture: Any) -> NDArray[Any]:
    if hasattr(picture, "detach"):  # a tensor, on whatever device, bfloat16 perhaps
        picture = picture.detach().cpu()
        picture = picture.float().numpy() if picture.is_floating_point() else picture.numpy()
    return np.asarray(picture)


def _unit_range(array: NDArray[Any], step: int = 1) -> NDArray[np.float32]:
    """Bring numbers to 0..1, by their type where it tells, else by the largest."""
    if array.size == 0:
        raise ValueError("The picture is empty: it has no pixels.")
    if array.dtype == bool:
        return _blocks(array, step).astype(np.float32)
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise ValueError(f"An array of {array.dtype} is no picture: expected numbers.")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():  # NaN comes out of both, infinity out of one
        raise ValueError("The picture has values that are not finite numbers (NaN or infinity).")
    if low < 0:  # normalised for some network: only the order of the levels is known
        full = max(high - low, 1e-6)
    elif np.issubdtype(array.dtype, np.integer):
        full = 255.0 if array.dtype == np.uint8 or high <= 255 else max(65535.0, high)
    else:
        full = 1.0 if high <= 1 else max(255.0, high)
    if not np.isfinite(full):
        raise ValueError("The picture has values too far apart for grey levels.")
    levels = _blocks(array, step)
    single = levels.dtype.itemsize <= 4 and full < 1e30  # as precise, in half the memory
    unit = np.divide(levels, full, dtype=np.float32 if single else np.float64)
    return np.asarray(unit - unit.dtype.type(min(low, 0.0) / full), dtype=np.float32)


def _grey(levels: NDArray[np.float32]) -> Grey:
    """`(h, w, c)` to `(h, w)`: brightness, or the channel extreme that shows coloured ink."""
    if levels.shape[-1] == 1:
        return levels[..., 0]
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow
    bright = levels @ weights
    # A sample tells what colours there are.
    some = levels[:: max(levels.shape[0] // 500, 1), :: max(levels.shape[1] // 500, 1)]
    darkest, lightest = some.min(axis=-1), some.max(axis=-1)
    if float((lightest - darkest).max()) < _COLOURED:
        return bright
    below, above = _reach(some @ weights)
    if below >= above:
        # Yellow ink on white paper is dark in blue alone; black ink is as dark in all three.
        return levels.min(axis=-1) if _reach(darkest)[0] > 1.3 * below else bright
    return levels.max(axis=-1) if _reach(lightest)[1] > 1.3 * above else bright


def _reach(levels: NDArray[np.float32]) -> tuple[float, float]:
    """How far the darkest and the lightest few are from the paper."""
    dark, paper, light = np.percentile(levels, (0.3, 50, 99.7)).tolist()
    return paper - dark, light - paper


def _on_paper(levels: NDArray[np.float32]) -> Grey:
    """Grey levels of a picture; transparent parts become paper that its ink can be seen on."""
    if levels.ndim == 2:
        return levels
    if levels.shape[2] not in (2, 4):
        return _grey(levels)
    grey, alpha = _grey(levels[..., :-1]), levels[..., -1]
    visible = alpha > 0.5
    if visible.all() and alpha.min() >= 1:
        return grey
    if not visible.any():
        raise NoFormulaError("The picture is blank: all of it is transparent.")
    paper = _own_paper(grey, visible)
    if paper is None and visible.mean() > 0.5:  # a picture with its own paper, of whatever tone
        paper = float(np.median(grey[visible]))
    elif paper is None:  # ink alone: white paper, unless the ink is light
        paper = 0.0 if float(grey[visible].mean()) > 0.6 else 1.0
    return np.asarray(paper + (grey - paper) * alpha, dtype=np.float32)


def _own_paper(grey: Grey, visible: NDArray[np.bool_]) -> float | None:
    """Tone of the paper that the visible part of a picture brings along; None if it is ink alone.

    Paper surrounds the ink on it. So a part with dark and light in it, whose edge towards what is
    transparent is of one of the two alone, is paper of that tone with ink of the other; strokes of
    dark and light colours would have both at their edges.
    """
    dark, light = np.percentile(grey[visible], (1, 99)).tolist()
    edge = visible & ~ndimage.binary_erosion(visible, border_value=1)
    if light - dark < 0.5 or not edge.any():
        return None
    at_edge = float((grey[edge] > (dark + light) / 2).mean())
    if 0.1 < at_edge < 0.9:
        return None
    return float(light if at_edge > 0.5 else dark)


__all__ = ["NoFormulaError", "grey_levels", "load_picture", "picture_list", "reduced_levels"]
