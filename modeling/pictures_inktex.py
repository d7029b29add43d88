"""Any picture that a person has, read as grey levels: 0 black to 1 white."""

import base64
import binascii
import io
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Grey = NDArray[np.float32]

MAX_DOWNLOAD = 64 * 2**20
"""Bytes that a picture behind a URL may have."""
TIMEOUT = 30.0
"""Seconds that a server may let us wait."""
MIN_SIDE = 4
"""Pixels; no sign can be told from another in less."""


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
    if name.startswith(("http://", "https://")):
        return _open(io.BytesIO(_download(name)), name)
    if Path(name).is_file():
        return _open(name, name)
    if name.startswith("data:image/"):
        return _open(io.BytesIO(_decode(name)), "This data URL")
    raise ValueError(f"There is no picture {name[:200]!r}. Give the path of a file, or a URL.")


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # http and https alone
            content: bytes = answer.read(MAX_DOWNLOAD + 1)
    except (urllib.error.URLError, OSError) as error:
        raise ValueError(f"Cannot fetch {url}: {error}") from error
    if len(content) > MAX_DOWNLOAD:
        raise ValueError(f"{url} has more than {MAX_DOWNLOAD} bytes: too large for a picture.")
    return content


def _decode(url: str) -> bytes:
    head, _, content = url.partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError("it is not in base64")
        return base64.b64decode(content)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"The data URL {url[:40]!r} cannot be read: {error}") from error


def _open(file: Any, name: str) -> Image.Image:
    try:
        return Image.open(file)
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a picture in a format that Pillow reads.") from error
    except (Image.DecompressionBombError, OSError) as error:
        raise ValueError(f"{name} cannot be read: {error}") from error


def grey_levels(picture: Any, max_pixels: int) -> Grey:
    """Grey levels of a picture.

    Args:
        picture: what `load_picture` takes. Arrays are `(h, w)`, `(h, w, c)` or `(c, h, w)` with
            1 to 4 channels (grey, grey and alpha, RGB, RGBA); whole numbers up to 255 or 65535,
            or floating-point numbers in 0..1 or 0..255.
        max_pixels: more would be an attack or an accident.

    Returns:
        `(h, w)` float32, 0 black to 1 white. Transparent parts are paper.

    Raises:
        ValueError: for what is no picture, is damaged, too large or too small, or has NaN in it.
    """
    picture = load_picture(picture)
    if isinstance(picture, Image.Image):
        _check_size(picture.width, picture.height, max_pixels)
        return _from_pil(picture)
    array = _as_array(picture)
    channels_first = (
        array.ndim == 3 and array.shape[0] <= 4 and (array.shape[2] > 4 or array.shape[0] == 1)
    )
    if channels_first:
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] > 4):
        raise ValueError(
            f"An array of shape {array.shape} is no picture: expected (h, w), (h, w, c) or "
            "(c, h, w) with 1 to 4 channels."
        )
    _check_size(array.shape[1], array.shape[0], max_pixels)
    levels = _unit_range(array)
    if levels.ndim == 2:
        return levels
    if levels.shape[2] in (2, 4):
        return _on_paper(_luminance(levels[..., :-1]), levels[..., -1])
    return _luminance(levels)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ValueError(
            f"The picture has {width}x{height} pixels; the limit is {max_pixels} in all. "
            "Scale it down, or cut out the expression."
        )
    if min(width, height) < 1 or max(width, height) < MIN_SIDE:
        raise ValueError(f"The picture has {width}x{height} pixels: nothing can be read in it.")


def _from_pil(picture: Image.Image) -> Grey:
    try:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith(("I", "F")):
            return _unit_range(np.asarray(picture))
        if picture.mode in ("1", "L") and "transparency" not in picture.info:
            return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)
        levels = np.asarray(picture.convert("RGBA"), dtype=np.float32) / np.float32(255)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's for damaged files
        raise ValueError(f"The picture is damaged: {error}") from error
    return _on_paper(_luminance(levels[..., :3]), levels[..., 3])


def _as_array(picture: Any) -> NDArray[Any]:
    if hasattr(picture, "detach"):  # a tensor, on whatever device, bfloat16 perhaps
        picture = picture.detach().cpu()
        picture = picture.float().numpy() if picture.is_floating_point() else picture.numpy()
    return np.asarray(picture)


def _unit_range(array: NDArray[Any]) -> Grey:
    """Bring numbers to 0..1, by their type where it tells, else by the largest."""
    if array.size == 0:
        raise ValueError("The picture is empty: it has no pixels.")
    if array.dtype == bool:
        return array.astype(np.float32)
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise ValueError(f"An array of {array.dtype} is no picture: expected numbers.")
    if not np.isfinite(array).all():
        raise ValueError("The picture has values that are not finite numbers (NaN or infinity).")
    low, high = float(array.min()), float(array.max())
    if low < 0:  # normalised for some network: only the order of the levels is known
        array, full = array - low, max(high - low, 1e-6)
    elif np.issubdtype(array.dtype, np.integer):
        full = 255.0 if array.dtype == np.uint8 or high <= 255 else max(65535.0, high)
    else:
        full = 1.0 if high <= 1 else max(255.0, high)
    return (array / full).astype(np.float32)


def _luminance(levels: Grey) -> Grey:
    if levels.shape[-1] == 1:
        return levels[..., 0]
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow
    return levels @ weights


def _on_paper(grey: Grey, alpha: Grey) -> Grey:
    """Put a picture with transparent parts on paper that its ink can be seen on."""
    visible = alpha > 0.5
    if visible.all() and alpha.min() >= 1:
        return grey
    if not visible.any():
        raise ValueError("The picture is blank: all of it is transparent.")
    if visible.mean() > 0.5:  # a picture with its own paper, say with rounded corners
        paper = float(np.median(grey[visible]))
    else:  # ink alone: white paper, unless the ink is light
        paper = 0.0 if float(grey[visible].mean()) > 0.6 else 1.0
    return np.asarray(paper + (grey - paper) * alpha, dtype=np.float32)


__all__ = ["grey_levels", "load_picture", "picture_list"]
