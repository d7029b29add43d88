"""Malformed input for tests/test_fuzzing.py and scripts/fuzz.py: pictures, arrays, InkML, captions.

Each case is drawn from its kind and its number, so that a failing one can be made again.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inktex.inputs import prepare
from inktex.tokenizer.latex_inktex import normalize

Rng = np.random.Generator
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA")
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
_INKML = """<?xml version="1.0"?><ink xmlns="http://www.w3.org/2003/InkML"><traceFormat>
<channel name="X" type="decimal"/><channel name="Y" type="decimal"/></traceFormat>
<annotation type="truth">$x+1$</annotation><annotation type="UI">a_1</annotation>
<annotationXML type="truth" encoding="Content-MathML"><math><mrow><mi xml:id="x_1">x</mi><mo
xml:id="+_1">+</mo><mn xml:id="1_1">1</mn></mrow></math></annotationXML>
<trace id="0">0 8, 4 1, 12 0, 18 6, 14 18, 0 36</trace><trace id="1">40 8, 41 32</trace>
<trace id="2">28 20, 54 19</trace><traceGroup xml:id="3"><annotation type="truth">S</annotation>
<traceGroup xml:id="4"><annotation type="truth">x</annotation><traceView traceDataRef="0"/>
<annotationXML href="x_1"/></traceGroup></traceGroup></ink>"""
_PIECES = (
    "", "0", "-1", "1e400", "nan", "inf", "0 0", "1 2 3", ",", ",,", "'1", "\"2",
    "../../etc/passwd", "<script>alert(1)</script>", "&lt;", "&amp;", "&x;", "\x00", "\ud800",
    "é", "$", "\\frac{",
    "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>", "<!ENTITY a 'aaaa'>", "]]>",
    "<trace>", "</trace>", "<trace id=\"0\">", "<traceGroup>", "<ink/>", "9" * 400, "a" * 5000,
)  # fmt: skip
_TOKENS = (
    r"\frac", r"\sqrt", "{", "}", "^", "_", "[", "]", "x", "1", "+", "(", ")", r"\left", r"\right",
    r"\sum", r"\limits", r"\begin{matrix}", r"\end{matrix}", "&", r"\\", "$", "%", "#", "~", "\\",
    r"\input{/etc/passwd}", r"\def\a{\a\a}\a", r"\mathrm", r"\operatorname", "'", "''", "\t", "\n",
    "\x00", "é", "∫", "\u202e", r"\unknown", r"\overline", r"\not", "|", ".", "\"",
)  # fmt: skip


class FaultError(Exception):
    """inktex rejected a case without a message, or its result is wrong."""


def _ink(rng: Rng) -> NDArray[np.uint8]:
    """A small picture with a few strokes."""
    picture = np.zeros((int(rng.integers(4, 90)), int(rng.integers(4, 160))), dtype=np.uint8)
    for _ in range(int(rng.integers(1, 8))):
        y, x = int(rng.integers(picture.shape[0])), int(rng.integers(picture.shape[1]))
        h, w = int(rng.integers(1, 30)), int(rng.integers(1, 4))
        picture[(slice(y, y + h), slice(x, x + w)) if rng.random() < 0.5 else
                (slice(y, y + w), slice(x, x + h))] = 255  # fmt: skip
    return picture


def mutate(content: bytes, rng: Rng) -> bytes:
    """Returns bytes with some of them changed, removed, repeated or inserted."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if not data:
            break
        at, what = int(rng.integers(len(data))), int(rng.integers(6))
        if what == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif what == 1:
            data[at] = _INTERESTING[int(rng.integers(len(_INTERESTING)))]
        elif what == 2:
            del data[at : at + int(rng.integers(1, 64))]
        elif what == 3:
            data[at:at] = data[at : at + int(rng.integers(1, 64))]
        elif what == 4:
            data[at : at + 4] = int(rng.integers(2**32)).to_bytes(4, "big")
        else:
            data = data[:at]
    return bytes(data)


def picture_bytes(rng: Rng) -> bytes:
    """Returns a picture's file, mutated; sometimes with a size far too large in its header."""
    file, form = io.BytesIO(), _FORMATS[int(rng.integers(len(_FORMATS)))]
    picture = Image.fromarray(_ink(rng))
    if rng.random() < 0.5 and form != "JPEG":
        picture = picture.convert("RGBA" if form != "PPM" else "RGB")
    picture.save(file, form)
    content = file.getvalue()
    if form == "PNG" and rng.random() < 0.2:
        side = int(rng.choice([0, 1, 2**15, 2**31 - 1, 2**32 - 1]))
        head = content[12:16] + side.to_bytes(4, "big") + content[20:29]
        return content[:12] + head + zlib.crc32(head).to_bytes(4, "big") + content[33:]
    return mutate(content, rng) if rng.random() < 0.9 else rng.bytes(int(rng.integers(200)))


def array(rng: Rng) -> NDArray[Any]:
    """Returns an array of any shape, type and values."""
    ndim = int(rng.choice([0, 1, 2, 2, 2, 3, 3, 4, 5]))
    sides = [0, 1, 2, 3, 4, 5, 17, 60][: 8 if ndim < 4 else 6]
    shape = tuple(int(rng.choice(sides)) for _ in range(ndim))
    if rng.random() < 0.5 and ndim == 2:
        shape = _ink(rng).shape
    kind = str(rng.choice(["u1", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "?", "c8", "S3", "O"]))
    if kind in ("S3", "O"):
        return np.full(shape, b"abc" if kind == "S3" else None, dtype=kind)
    values = rng.normal(0.5, 1, shape) * float(rng.choice([0, 1, 255, 1e4, 1e30, 1e300]))
    extremes = [np.nan, np.inf, -np.inf, 0.0, -1e308, 1e308]
    if values.ndim and values.size and rng.random() < 0.3:
        values.flat[int(rng.integers(values.size))] = extremes[int(rng.integers(len(extremes)))]
    with np.errstate(all="ignore"):
        return np.asarray(values).astype(kind)


def inkml(rng: Rng) -> bytes:
    """Returns InkML with foreign pieces inserted, or mutated as bytes."""
    if rng.random() < 0.05:
        depth = int(rng.integers(10, 3000))
        tag = str(rng.choice(["traceGroup", "mrow", "trace", "annotationXML"]))
        inner = "<math>" + f"<{tag}>" * depth + f"</{tag}>" * depth + "</math>"
        return _INKML.replace("</ink>", f"<annotationXML>{inner}</annotationXML></ink>").encode()
    text = _INKML
    for _ in range(int(rng.integers(0, 5))):
        piece, at = _PIECES[int(rng.integers(len(_PIECES)))], int(rng.integers(len(text)))
        text = text[:at] + piece + text[at + int(rng.integers(0, 12)) :]
    encoding = str(rng.choice(["utf-8", "utf-16", "latin-1"]))
    content = text.encode(encoding, "replace")
    return mutate(content, rng) if rng.random() < 0.6 else content


def caption(rng: Rng) -> str:
    """Returns LaTeX of tokens in any order, sometimes nested deeply or with foreign characters."""
    tokens = [_TOKENS[i] for i in rng.integers(len(_TOKENS), size=int(rng.integers(0, 60)))]
    if rng.random() < 0.1:
        depth = int(rng.integers(1, 3000))
        tokens = [str(rng.choice([r"\sqrt{", "{", "x^{", r"\frac{", r"\left("]))] * depth + tokens
    return str(rng.choice(["", " "])).join(tokens)


KINDS: dict[str, Callable[[Rng], Any]] = {
    "picture": picture_bytes,
    "array": array,
    "inkml": inkml,
    "caption": caption,
}


def case(kind: str, number: int, seed: int = 0) -> Any:
    """Returns a case; the same one for the same arguments."""
    return KINDS[kind](np.random.default_rng((zlib.crc32(kind.encode()), seed, number)))


def check(kind: str, given: Any, image_processor: Any) -> str:
    """Gives a case to the part of inktex that takes its kind.

    Returns:
        `read`, or the message with which it was rejected.

    Raises:
        FaultError: if it was rejected without a message, or the result is wrong.
        Exception: any other than ValueError and OSError.
    """
    try:
        if kind == "caption":
            again = normalize(given)
            stable = normalize(" ".join(again)) == again
        else:
            picture = prepare(given, image_processor).picture
    except (ValueError, OSError) as error:
        if not str(error).strip():
            raise FaultError(f"{type(error).__name__} without a message") from error
        return str(error)
    if kind == "caption":
        if not stable:
            raise FaultError("the normal form of the caption is not stable")
    elif picture.dtype != np.uint8 or picture.ndim != 2 or not picture.any():
        raise FaultError(f"the model's picture is {picture.dtype} {picture.shape}, or empty")
    return "read"


def save_case(folder: Path, kind: str, number: int, given: Any) -> Path:
    """Writes a case to a file, to look at; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{number}"
    if isinstance(given, bytes):
        path.write_bytes(given)
    elif isinstance(given, str):
        path.write_text(given, encoding="utf-8", errors="surrogatepass")
    else:
        np.save(path.with_suffix(".npy"), given, allow_pickle=True)
    return path
