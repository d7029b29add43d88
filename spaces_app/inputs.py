"""What a browser or an API client sends, to ink or a picture; whatever is neither is refused.

Nothing here opens a path or a URL: a request can only bring its own bytes.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from inktex.ink import Ink
from inktex.inputs import MAX_POINTS, MAX_STROKES
from inktex.modeling.image_loading_inktex import register_formats

MAX_BYTES: Final = 10 * 2**20
"""Of a picture's file."""
MAX_PIXELS: Final = 50_000_000
"""Of a picture; phones take up to 50 million."""
MAX_SIDE: Final = 2048
"""Pixels; larger pictures are reduced to it before they are read."""
FORMATS: Final[tuple[str, ...]] = (
    "PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "PDF",
)  # fmt: skip
"""As Pillow names them: decoded in C, without outside programs; the last two need packages."""

# What Pillow only warns of is below or above the limit here, and told as such.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class RefusedError(ValueError):
    """A request that cannot be read; the message tells its sender what to do."""


def decode_picture(text: object) -> Image.Image:
    """A picture from text.

    Args:
        text: a `data:` URL of a picture, or the base64 of its file alone.

    Returns:
        The picture, upright, at most `MAX_SIDE` pixels a side, in a mode of eight bits.

    Raises:
        RefusedError: if it is no picture, damaged or too large.
    """
    if not isinstance(text, str):
        raise RefusedError("The picture must be text: a data: URL, or the base64 of its file.")
    head, comma, body = text.partition(",")
    if comma and not head.startswith("data:"):
        raise RefusedError("The picture must be a data: URL, or the base64 of its file.")
    encoded = body if comma else text
    if len(encoded) > MAX_BYTES * 4 / 3 + 4:
        raise RefusedError(
            f"The picture's file is larger than {MAX_BYTES // 2**20} MB. Make it smaller, or cut "
            "out the formula."
        )
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError("The picture is not valid base64.") from None
    return open_picture(content)


def open_picture(content: bytes) -> Image.Image:
    """A picture from the bytes of its file; returns and raises as `decode_picture`."""
    picture, _ = open_page(content)
    return picture


def open_page(content: bytes, page: int = 1) -> tuple[Image.Image, int]:
    """A page of a file of pictures.

    Args:
        content: of the file.
        page: counted from 1.

    Returns:
        The page, as `decode_picture` returns a picture, and how many pages there are.

    Raises:
        RefusedError: as `decode_picture`, or if there is no such page.
    """
    register_formats()
    formats = [one for one in FORMATS if one in Image.OPEN]
    try:
        picture = Image.open(io.BytesIO(content), formats=formats)
        pages = int(getattr(picture, "n_frames", 1))
    except Image.DecompressionBombError:
        raise RefusedError(_too_many_pixels()) from None
    except Exception:  # whatever Pillow's plugins raise for broken headers
        named = f"{', '.join(formats[:-1])} and {formats[-1]}"
        raise RefusedError(f"This file is not a picture: {named} can be read.") from None
    if not 1 <= page <= pages:
        raise RefusedError(f"There is no page {page}: the file has {pages}.")
    try:
        if page > 1:
            picture.seek(page - 1)
        if picture.width * picture.height > MAX_PIXELS:
            raise RefusedError(_too_many_pixels())
        picture.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG decodes straight to a smaller size
        upright = ImageOps.exif_transpose(picture)
        if upright.mode.startswith("I"):  # sixteen bits
            levels = np.asarray(upright).astype(np.float32) / 257
            upright = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
        elif upright.mode not in ("L", "LA", "RGB", "RGBA"):
            upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
        upright.thumbnail((MAX_SIDE, MAX_SIDE))
    except RefusedError:
        raise
    except Exception:  # whatever Pillow's decoders raise for broken bodies
        raise RefusedError("The picture is damaged and cannot be opened. Save it anew.") from None
    return upright, pages


def _too_many_pixels() -> str:
    return (
        f"The picture has more than {MAX_PIXELS // 10**6} million pixels. Scale it down, or cut "
        "out the formula."
    )


def decode_ink(traces: object) -> Ink:
    """Ink from lists of numbers.

    Args:
        traces: a list of strokes, each a list of points `[x, y]`, y downwards, in any unit.

    Raises:
        RefusedError: if it is not that, or too much.
    """
    shape = "The ink must be a list of strokes, each a list of points [x, y]."
    if not isinstance(traces, list) or not all(isinstance(trace, list) for trace in traces):
        raise RefusedError(shape)
    filled = [trace for trace in traces if trace]
    if not filled:
        raise RefusedError("There is no ink: nothing was drawn.")
    points = sum(map(len, filled))
    if len(filled) > MAX_STROKES or points > MAX_POINTS:
        raise RefusedError(
            f"The ink has {len(filled)} strokes and {points} points; at most {MAX_STROKES} and "
            f"{MAX_POINTS} can be read."
        )
    if not all(_is_point(point) for trace in filled for point in trace):
        raise RefusedError(shape + " Each coordinate must be a finite number below a million.")
    return Ink([np.array(trace, dtype=np.float32) for trace in filled])


def _is_point(point: object) -> bool:
    return (
        isinstance(point, Sequence)
        and not isinstance(point, str)
        and len(point) == 2
        and all(
            isinstance(number, int | float)
            and not isinstance(number, bool)
            and math.isfinite(number)
            and abs(number) < 1e6
            for number in point
        )
    )


def decode(value: object) -> Image.Image | Ink | None:
    """What the pad holds.

    Args:
        value: `{"traces": ...}` or `{"picture": ...}`; None for an empty pad.

    Raises:
        RefusedError: as `decode_ink` and `decode_picture`.
    """
    if value is None or value == "":
        return None
    if isinstance(value, Mapping):
        if "picture" in value:
            return decode_picture(value["picture"])
        if "traces" in value:
            return decode_ink(value["traces"])
    raise RefusedError("The pad sent what is neither ink nor a picture. Reload the page.")
