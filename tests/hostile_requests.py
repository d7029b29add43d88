"""Hostile requests for tests/test_serve_hostile.py and scripts/benchmark_serve.py.

Each is drawn from its number, so that one that does harm can be made again.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from fuzzing import Rng, inkml, mutate, picture_bytes
from PIL import Image

BOUNDARY = "hostile"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
STROKES = [[[0, 0], [20, 30]], [[20, 0], [0, 30]]]
DEEP = 5000
ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 10**9, 10**400, -(10**30), 1e308, 0.5, "", "a", "\x00", "NaN", "../x",
    "/etc/passwd", "file:///etc/passwd", "http://[", "http://127.0.0.1:1/", "a" * 100_000, [], {},
    [[]], [[[]]], [{}], [None], ["x"], [[[1]]], [[[1, 2, 3]]], [[["1", 2]]], [[[1e308, -1e308]]],
    [[[1e30, 0], [0, 1e-30]]], {"x": {"y": []}}, STROKES, "data:image/png;base64,", "data:,",
    "data:text/html,<script>", "PHN2Zy8+", ["\\frac"] * 2000, [[[0, 0]]] * 600, [[[0, 0]] * 60_000],
)  # fmt: skip
FIELDS = ("picture", "strokes", "url", "items", "preset", "alternatives", "alphabet", "format",
          "symbols", "src", "formats", "data_options", "math_inline_delimiters", "other",
          "confidence_threshold", "region")  # fmt: skip
PATHS = ("/v1/recognize", "/v3/text", "/v3/strokes")


@dataclass(frozen=True)
class Hostile:
    """A request.

    Attributes:
        kind: what is wrong with it.
        path, headers, body: of a POST; `Content-Length` is right unless the headers give one.
    """

    kind: str
    body: bytes
    path: str = "/v1/recognize"
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))


def form(content: bytes, fields: dict[str, str] | None = None) -> bytes:
    """A form with a file and other fields."""
    parts = [f'name="file"; filename="a.png"\r\n\r\n'.encode() + content]  # noqa: F541
    parts += [f'name="{name}"\r\n\r\n{text}'.encode() for name, text in (fields or {}).items()]
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    return b"".join(head + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def _upload(rng: Rng) -> Hostile:
    content = picture_bytes(rng) if rng.random() < 0.7 else inkml(rng)
    path = PATHS[int(rng.integers(2))]
    return Hostile("damaged upload", form(content), path, dict(FORM))


def _encoded(rng: Rng) -> Hostile:
    text = base64.b64encode(picture_bytes(rng)).decode()
    if rng.random() < 0.5:
        return Hostile("damaged picture", json.dumps({"picture": text}).encode())
    several = {"items": [{"picture": text}, {"strokes": STROKES}, 3]}
    return Hostile("damaged picture", json.dumps(several).encode())


def _mutated_json(rng: Rng) -> Hostile:
    body = json.dumps({"strokes": STROKES, "alternatives": 0, "symbols": True}).encode()
    return Hostile("damaged JSON", mutate(body, rng))


def _mutated_form(rng: Rng) -> Hostile:
    body = form(picture_bytes(rng), {"preset": "fast", "symbols": "true"})
    return Hostile("damaged form", mutate(body, rng), headers=dict(FORM))


def _odd_fields(rng: Rng) -> Hostile:
    given: dict[str, Any] = {"strokes": STROKES} if rng.random() < 0.5 else {}
    for _ in range(int(rng.integers(1, 4))):
        given[FIELDS[int(rng.integers(len(FIELDS)))]] = ODD[int(rng.integers(len(ODD)))]
    # Search for alternatives takes torch, which is loaded by nobody who only says no.
    if isinstance(given.get("alternatives"), int):
        given["alternatives"] = min(given["alternatives"], 0)
    return Hostile("odd fields", json.dumps(given).encode(), PATHS[int(rng.integers(3))])


def _odd_form(rng: Rng) -> Hostile:
    name = FIELDS[int(rng.integers(len(FIELDS)))]
    text = json.dumps(ODD[int(rng.integers(len(ODD)))])
    fields = {"options_json" if rng.random() < 0.3 else name: text}
    return Hostile("odd form", form(b"", fields), PATHS[int(rng.integers(2))], dict(FORM))


def _special(rng: Rng) -> Hostile:
    bodies = specials()
    names = sorted(bodies)
    name = names[int(rng.integers(len(names)))]
    return Hostile(name, bodies[name])


def _special_file(rng: Rng) -> Hostile:
    files = special_files()
    names = sorted(files)
    name = names[int(rng.integers(len(names)))]
    return Hostile(name, form(files[name]), PATHS[int(rng.integers(2))], dict(FORM))


def _odd_headers(rng: Rng) -> Hostile:
    odd = (
        {"Content-Type": "text/html"}, {"Content-Type": ""},
        {"Content-Type": "multipart/form-data"},
        {**JSON, "Content-Length": "abc"}, {**JSON, "Content-Length": "-5"},
        {**JSON, "Content-Length": "9" * 30}, {**JSON, "Content-Length": str(2**40)},
        {**JSON, "Content-Encoding": "gzip"}, {**JSON, "Transfer-Encoding": "chunked"},
        {**JSON, "Expect": "100-continue"}, {**JSON, "X-Long": "a" * 100_000},
        {**JSON, "Authorization": "Bearer " + "a" * 5000},
    )  # fmt: skip
    headers = odd[int(rng.integers(len(odd)))]
    body = json.dumps({"strokes": STROKES}).encode()
    return Hostile("odd headers", body, "/v1/recognize", dict(headers))


def _late(_: Rng) -> Hostile:
    return Hostile("a body that never ends", b"{", headers={**JSON, "Content-Length": "1000"})


KINDS: tuple[tuple[float, Callable[[Rng], Hostile]], ...] = (
    (0.2, _upload),
    (0.1, _encoded),
    (0.15, _mutated_json),
    (0.1, _mutated_form),
    (0.2, _odd_fields),
    (0.08, _odd_form),
    (0.06, _special),
    (0.05, _special_file),
    (0.05, _odd_headers),
    (0.01, _late),
)
"""Kinds, and the share of each."""


def hostile(number: int, seed: int = 0) -> Hostile:
    """A hostile request; the same one for the same arguments."""
    rng = np.random.default_rng((zlib.crc32(b"request"), seed, number))
    shares = [share for share, _ in KINDS]
    return KINDS[int(rng.choice(len(KINDS), p=shares))][1](rng)


@cache
def specials() -> dict[str, bytes]:
    """Bodies of JSON that are known to hurt parsers, by name."""
    many = ",".join(["[]"] * 2_000_000)
    return {
        "no JSON": b"",
        "NaN": b'{"strokes": [[[NaN, 1]]]}',
        "infinity": b'{"strokes": [[[1e999, 1]]]}',
        "a number of thousands of digits": b'{"alternatives": ' + b"9" * 50_000 + b"}",
        "nested lists": b'{"strokes": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        "nested objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        "millions of lists": b'{"strokes": [' + many.encode() + b"]}",
        "half a surrogate": b'{"picture": "\\ud800"}',
        "no UTF-8": b'{"picture": "\xff\xfe"}',
        "a field twice": b'{"picture": "", "picture": ""}',
        "a zipped body": gzip.compress(bytes(10**7)),
    }


@cache
def special_files() -> dict[str, bytes]:
    """Files that are known to hurt, by name."""
    small, bomb = io.BytesIO(), io.BytesIO()
    Image.new("L", (60, 40), 255).save(small, "PNG")
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    png = small.getvalue()
    text = b"zTXtbomb\x00\x00" + zlib.compress(bytes(10**7))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return {
        "an empty file": b"",
        "an empty picture": png,
        "a truncated PNG": png[: len(png) // 2],
        "a PNG with a zipped text": png[:33] + chunk + png[33:],
        "a picture of too many pixels": bomb.getvalue(),
        "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "entities": b'<!DOCTYPE i [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><ink>&b;</ink>',
        "a zip": b"PK\x03\x04" + bytes(100),
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "a PDF": b"%PDF-1.7\n",
    }
