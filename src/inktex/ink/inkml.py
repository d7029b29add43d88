"""Reading and writing InkML, the W3C's format for digital ink, with the annotations of CROHME.

Files are not trusted: external entities, entity bombs and oversized files are refused, and errors
name the file and the trace.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO, Any, Protocol
from xml.etree.ElementTree import Element, ElementTree, ParseError, SubElement, indent

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from .types import Ink, MathNode, Symbol, Trace

MAX_BYTES = 64 * 1024 * 1024
MAX_TRACES = 20_000
MAX_POINTS = 2_000_000
MAX_TAGS = 400_000  # opening and closing ones; each costs a hundred times its bytes when parsed
MAX_ATTRIBUTES = 400_000
MAX_TRACE_LENGTH = 8 * 1024 * 1024  # characters
MAX_COORDINATE = 1e9  # beyond, float32 keeps no shape, and products overflow
MAX_DEPTH = 200

_XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
# Content with a declared encoding: a UTF-16 mark or an XML declaration.
_ENCODED = re.compile(rb"\xff\xfe|\xfe\xff|\s*<\?xml[^>]*encoding", re.IGNORECASE)


class InkMLError(ValueError):
    """A file that is not InkML, or InkML that cannot be read; the message names file and trace."""


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes | str: ...


def read_inkml(source: str | os.PathLike[str] | bytes | IO[Any] | _Readable) -> Ink:
    """Read one InkML file.

    Tolerated, because published data has it: elements with, without and with any namespace
    prefix; channels besides X and Y in any order; groups that name a missing trace; traces in no
    group; empty traces (left out); ids used twice (the first counts); no MathML; bytes that are
    not UTF-8 although no other encoding is declared (read as Windows-1252).

    Args:
        source: path, content as bytes, or an open file (binary or text).

    Returns:
        The ink; `id` is the file's name without its ending where there is one, else the
        annotation `UI`, else empty.

    Raises:
        InkMLError: with the file's and the trace's name.
        OSError: if the file cannot be read at all.
    """
    name, content = _load(source)
    root = _parse(name, content)
    if _tag(root) != "ink":
        raise InkMLError(f"{name}: the root element is <{_tag(root)}>, not <ink>; this is no InkML")
    annotations: dict[str, str] = {}
    for element in root:
        if _tag(element) == "annotation":
            annotations.setdefault(element.get("type", ""), _text(element))
    elements = [element for element in root.iter() if _tag(element) == "trace"]
    traces, index = _traces(name, elements, _channels(name, root))
    stem = Path(name).stem if name != _UNNAMED else annotations.get("UI", "").strip('"')
    return Ink(
        traces=traces,
        symbols=_symbols(root, index),
        truth=annotations.pop("truth", None),
        mathml=_mathml(name, root),
        id=stem,
        annotations=annotations,
    )


def write_inkml(ink: Ink, path: str | os.PathLike[str]) -> None:
    """Write traces, truth and annotations as an InkML file. Symbols and MathML are left out.

    Coordinates keep two digits behind the point.

    Raises:
        OSError: if the file cannot be written.
    """
    root = Element("ink", xmlns="http://www.w3.org/2003/InkML")
    notes = ink.annotations if ink.truth is None else {"truth": ink.truth, **ink.annotations}
    for kind, text in notes.items():
        SubElement(root, "annotation", type=kind).text = text
    for number, trace in enumerate(ink.traces):
        points = ", ".join(f"{x:.2f} {y:.2f}" for x, y in trace.tolist())
        SubElement(root, "trace", id=str(number)).text = points
    indent(root, "")
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


_UNNAMED = "InkML"


def _load(source: str | os.PathLike[str] | bytes | IO[Any] | _Readable) -> tuple[str, bytes | str]:
    """Name for messages, and content, never more than `MAX_BYTES`."""
    content: bytes | str
    if isinstance(source, bytes | bytearray | memoryview):
        name, content = _UNNAMED, bytes(source)
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        name = path.name
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    elif hasattr(source, "read"):
        file_name = getattr(source, "name", None)
        named = isinstance(file_name, str) and file_name
        name = Path(str(file_name)).name if named else _UNNAMED
        content = source.read(MAX_BYTES + 1)
    else:
        raise TypeError(
            f"cannot read InkML from {type(source).__name__}; give a path, bytes or file"
        )
    if len(content) > MAX_BYTES:
        raise InkMLError(f"{name}: larger than {MAX_BYTES // 2**20} MiB")
    if not content.strip():
        raise InkMLError(f"{name}: the file is empty")
    return name, content


def _parse(name: str, content: bytes | str) -> Element:
    if isinstance(content, bytes) and not _ENCODED.match(content):
        # XML without a declared encoding is UTF-8. Files that are not come from editors that write
        # Windows-1252, in which all bytes but five are characters.
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
        content = text
    if isinstance(content, str):
        content = content.lstrip("\ufeff \t\r\n")
    tags, attributes = (
        content.count(sign) if isinstance(content, str) else content.count(sign.encode())
        for sign in "<="
    )
    if tags > MAX_TAGS or attributes > MAX_ATTRIBUTES:
        raise InkMLError(
            f"{name}: {tags} tags and {attributes} attributes; more than {MAX_TAGS} and "
            f"{MAX_ATTRIBUTES} are refused"
        )
    try:
        root: Element = fromstring(content, forbid_dtd=False)
    except DefusedXmlException as error:
        raise InkMLError(
            f"{name}: declares XML entities, which ink never needs and attacks use; refused"
        ) from error
    except (ParseError, LookupError, ValueError) as error:
        raise InkMLError(f"{name}: not well-formed XML ({error})") from error
    return root


def _tag(element: Element) -> str:
    """Name without namespace; the parser refuses prefixes that are not declared."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _text(element: Element) -> str:
    return (element.text or "").strip()


def _id(element: Element) -> str | None:
    return element.get(_XML_ID) or element.get("id")


def _channels(name: str, root: Element) -> tuple[int, int]:
    """Columns of X and Y in each point, from the first trace format."""
    for element in root.iter():
        if _tag(element) == "traceFormat":
            named = [c.get("name", "").upper() for c in element.iter() if _tag(c) == "channel"]
            if not named:
                break
            if "X" not in named or "Y" not in named:
                raise InkMLError(f"{name}: the trace format has channels {named}, but no X and Y")
            return named.index("X"), named.index("Y")
    return 0, 1


def _traces(
    name: str, elements: list[Element], columns: tuple[int, int]
) -> tuple[list[Trace], dict[str, int]]:
    """Traces that have points, and the index of each by its id."""
    if len(elements) > MAX_TRACES:
        raise InkMLError(f"{name}: {len(elements)} traces; more than {MAX_TRACES} are refused")
    traces: list[Trace] = []
    index: dict[str, int] = {}
    points = 0
    for number, element in enumerate(elements):
        identity = _id(element)
        where = f"{name}: trace {identity if identity is not None else f'number {number}'!r}"
        text = "".join(element.itertext())
        if len(text) > MAX_TRACE_LENGTH:
            raise InkMLError(f"{where}: more than {MAX_TRACE_LENGTH} characters are refused")
        trace = _points(where, text, columns)
        if not len(trace):
            continue
        points += len(trace)
        if points > MAX_POINTS:
            raise InkMLError(f"{name}: more than {MAX_POINTS} points are refused")
        if identity is not None:
            index.setdefault(identity, len(traces))
        traces.append(trace)
    return traces, index


def _points(where: str, text: str, columns: tuple[int, int]) -> Trace:
    """`x y, x y, ...` as float32 (points, 2); further channels are dropped."""
    rows = [row for row in (part.split() for part in text.split(",")) if row]
    if not rows:
        return np.empty((0, 2), np.float32)
    x, y = columns
    try:
        points = np.array([(row[x], row[y]) for row in rows], dtype=np.float64)
    except IndexError:
        short = next(i for i, row in enumerate(rows) if len(row) <= max(columns))
        raise InkMLError(
            f"{where}, point {short}: {len(rows[short])} values, "
            f"but X and Y are channels {x + 1} and {y + 1}"
        ) from None
    except ValueError as error:
        hint = (
            "; difference encoding is not supported, write explicit values"
            if any(mark in text for mark in "'\"!*?#")
            else ""
        )
        raise InkMLError(f"{where}: not a number ({error}){hint}") from None
    good = np.abs(points) <= MAX_COORDINATE  # false for NaN too
    if not good.all():
        bad = int(np.argmin(good.all(axis=1)))
        raise InkMLError(
            f"{where}, point {bad}: {rows[bad]} is not finite or beyond {MAX_COORDINATE:g}"
        )
    return points.astype(np.float32)


def _symbols(root: Element, index: dict[str, int]) -> list[Symbol]:
    """Symbols of the innermost groups that have a label."""
    symbols = []
    for group in root.iter():
        if _tag(group) != "traceGroup":
            continue
        label: str | None = None
        node: str | None = None
        named: set[int] = set()
        views = False
        for child in group:
            tag = _tag(child)
            if tag == "annotation" and child.get("type", "truth") == "truth" and label is None:
                label = _text(child)
            elif tag == "annotationXML" and node is None:
                node = child.get("href", "").removeprefix("#") or None
            elif tag in ("traceView", "trace"):
                views = True
                reference = child.get("traceDataRef", "") if tag == "traceView" else _id(child)
                found = index.get((reference or "").removeprefix("#"))
                if found is not None:
                    named.add(found)
        if views and label:
            symbols.append(Symbol(label, tuple(sorted(named)), node))
    return symbols


def _mathml(name: str, root: Element) -> MathNode | None:
    for annotation in root:
        if _tag(annotation) == "annotationXML":
            for element in annotation.iter():
                if _tag(element) == "math":
                    return _math_node(name, element, 0)
    return None


def _math_node(name: str, element: Element, depth: int) -> MathNode:
    if depth > MAX_DEPTH:
        raise InkMLError(f"{name}: the MathML is nested deeper than {MAX_DEPTH} levels")
    children = tuple(_math_node(name, child, depth + 1) for child in element if _tag(child))
    return MathNode(_tag(element), _text(element), _id(element), children)
