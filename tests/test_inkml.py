"""Reading InkML: dialects, oddities of published files, hostile and broken files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from inktex.ink import Ink, Symbol, bounding_box
from inktex.ink.inkml import InkMLError, read_inkml, write_inkml

PLAIN = """<ink xmlns="http://www.w3.org/2003/InkML">
<traceFormat><channel name="X" type="decimal"/><channel name="Y" type="decimal"/></traceFormat>
<annotation type="UI">drawn_by_hand</annotation>
<annotation type="writer">w7</annotation>
<annotation type="truth">$u+1$</annotation>
<annotationXML type="truth" encoding="Content-MathML">
 <math xmlns='http://www.w3.org/1998/Math/MathML'>
  <mrow><mi xml:id="u_1">u</mi><mo xml:id="+_1">+</mo><mn xml:id="1_1">1</mn></mrow>
 </math>
</annotationXML>
<trace id="0">0 0, 4 8, 8 0</trace>
<trace id="1">12 4, 20 4</trace>
<trace id="2">16 0, 16 8.5</trace>
<trace id="3">
25 0, 25 9
</trace>
<traceGroup xml:id="4"><annotation type="truth">Segmentation</annotation>
 <traceGroup xml:id="5"><annotation type="truth">u</annotation>
  <traceView traceDataRef="0"/><annotationXML href="u_1"/></traceGroup>
 <traceGroup xml:id="6"><annotation type="truth">+</annotation>
  <traceView traceDataRef="2"/><traceView traceDataRef="1"/><annotationXML href="+_1"/></traceGroup>
 <traceGroup xml:id="7"><annotation type="truth">1</annotation>
  <traceView traceDataRef="3"/><annotationXML href="1_1"/></traceGroup>
</traceGroup></ink>"""


def read(text: str) -> Ink:
    return read_inkml(text.encode())


def test_everything_is_read() -> None:
    ink = read(PLAIN)
    assert ink.id == "drawn_by_hand"
    assert ink.truth == "$u+1$"
    assert ink.annotations == {"UI": "drawn_by_hand", "writer": "w7"}
    assert [trace.shape for trace in ink.traces] == [(3, 2), (2, 2), (2, 2), (2, 2)]
    assert all(trace.dtype == np.float32 for trace in ink.traces)
    assert ink.traces[2].tolist() == [[16, 0], [16, 8.5]]
    assert ink.symbols == [
        Symbol("u", (0,), "u_1"),
        Symbol("+", (1, 2), "+_1"),
        Symbol("1", (3,), "1_1"),
    ]
    assert ink.mathml is not None
    (row,) = ink.mathml.children
    assert [(leaf.tag, leaf.text, leaf.id) for leaf in row.children] == [
        ("mi", "u", "u_1"),
        ("mo", "+", "+_1"),
        ("mn", "1", "1_1"),
    ]
    assert list(ink.box) == [0, 0, 25, 9]
    assert list(ink.symbol_box(ink.symbols[1])) == [12, 0, 20, 8.5]


def test_sources(tmp_path: Path) -> None:
    path = tmp_path / "some name.inkml"
    path.write_text(PLAIN)
    assert read_inkml(path).id == "some name"
    assert read_inkml(str(path)).id == "some name"
    with path.open("rb") as binary, path.open() as text:
        assert read_inkml(binary).id == "some name"
        assert read_inkml(text).id == "some name"
    assert read_inkml(io.StringIO(PLAIN)).id == "drawn_by_hand"
    with pytest.raises(OSError, match="missing"):
        read_inkml(tmp_path / "missing.inkml")
    with pytest.raises(TypeError, match="int"):
        read_inkml(3)  # type: ignore[arg-type]


def test_namespace_dialects() -> None:
    bare = PLAIN.replace(' xmlns="http://www.w3.org/2003/InkML"', "").replace(
        " xmlns='http://www.w3.org/1998/Math/MathML'", ""
    )
    prefixed = (
        bare.replace("</", "</i:")
        .replace("<", "<i:")
        .replace("<i:/i:", "</i:")
        .replace("<i:ink>", '<i:ink xmlns:i="http://www.w3.org/2003/InkML">')
    )
    for text in (bare, prefixed):
        ink = read(text)
        assert len(ink.traces) == 4
        assert len(ink.symbols) == 3
        assert ink.mathml is not None


@pytest.mark.parametrize(
    ("channels", "points", "expected"),
    [
        ("X Y T", "1 2 90, 3 4 91", [[1, 2], [3, 4]]),
        ("T Y X", "90 2 1, 91 4 3", [[1, 2], [3, 4]]),
        ("x y F", "1 2 0.5, 3 4", [[1, 2], [3, 4]]),
        ("", "1 2 7 7,3 4 7 7,", [[1, 2], [3, 4]]),
        ("X Y", "1 2 90\n,\n3e0 -4.0 91", [[1, 2], [3, -4]]),
    ],
)
def test_channels(channels: str, points: str, expected: list[list[float]]) -> None:
    listed = "".join(f'<channel name="{name}"/>' for name in channels.split())
    text = f"<ink><traceFormat>{listed}</traceFormat><trace>{points}</trace></ink>"
    assert read(text).traces[0].tolist() == expected


def test_oddities_are_tolerated() -> None:
    text = """<ink><trace id="a">1 1</trace><trace id="b"> </trace><trace id="a">5 5, 6 6</trace>
        <trace id="free">9 9</trace>
        <traceGroup><annotation type="truth">z</annotation><traceView traceDataRef="#a"/>
          <traceView traceDataRef="nowhere"/><traceView traceDataRef="a"/></traceGroup>
        <traceGroup><annotation type="truth">y</annotation>
          <traceView traceDataRef="b"/></traceGroup>
        <traceGroup><traceView traceDataRef="free"/></traceGroup>
        </ink>"""
    ink = read(text)
    assert [len(trace) for trace in ink.traces] == [1, 2, 1]  # the empty one is left out
    assert ink.symbols == [Symbol("z", (0,)), Symbol("y", ())]
    assert (ink.truth, ink.mathml, ink.id) == (None, None, "")


def test_eight_bit_text_without_declared_encoding() -> None:
    text = PLAIN.replace(">+</mo>", ">\xb7</mo>")
    ink = read_inkml(text.encode("cp1252"))
    assert ink.mathml is not None
    assert ink.mathml.children[0].children[1].text == "\xb7"
    declared = '<?xml version="1.0" encoding="UTF-8"?>' + text
    with pytest.raises(InkMLError, match="not well-formed"):
        read_inkml(declared.encode("cp1252"))
    assert len(read_inkml(declared.encode()).traces) == 4
    marked = read_inkml(('<?xml version="1.0" encoding="UTF-16"?>' + text).encode("utf-16"))
    assert len(marked.traces) == 4
    assert len(read_inkml(b"\xef\xbb\xbf" + text.encode()).traces) == 4


BOMB = (
    '<!DOCTYPE ink [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY b{i} "{"&a;" * 10 if not i else f"&b{i - 1};" * 10}">' for i in range(9))
    + "]><ink><trace>&b8;</trace></ink>"
)
EXTERNAL = '<!DOCTYPE ink [<!ENTITY x SYSTEM "file:///etc/hostname">]><ink><trace>&x;</trace></ink>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("not xml", "well-formed"),
        (PLAIN[:-20], "well-formed"),
        ("<svg/>", "root element is <svg>"),
        (BOMB, "entities"),
        (EXTERNAL, "entities"),
        ("<ink><trace id='9'>1 2, 3</trace></ink>", "trace '9', point 1: 1 values"),
        ("<ink><trace id='9'>1 x</trace></ink>", "trace '9': not a number"),
        ("<ink><trace id='9'>1 2, '3 '4</trace></ink>", "difference encoding"),
        ("<ink><trace>1 2</trace><trace>nan 2</trace></ink>", "trace 'number 1', point 0"),
        ("<ink><trace id='9'>1 2, 1 inf</trace></ink>", "trace '9', point 1"),
        ("<ink><trace id='9'>1e300 2</trace></ink>", "not finite or beyond"),
        ("<ink><traceFormat><channel name='Y'/></traceFormat></ink>", "no X and Y"),
    ],
)
def test_errors_name_the_place(text: str, message: str) -> None:
    file = io.BytesIO(text.encode())
    file.name = "folder/page.inkml"
    with pytest.raises(InkMLError, match=message) as caught:
        read_inkml(file)
    assert str(caught.value).startswith("page.inkml: ")


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inktex.ink.inkml.MAX_TRACES", 3)
    with pytest.raises(InkMLError, match="4 traces"):
        read(PLAIN)
    monkeypatch.setattr("inktex.ink.inkml.MAX_TRACES", 9)
    monkeypatch.setattr("inktex.ink.inkml.MAX_POINTS", 5)
    with pytest.raises(InkMLError, match="more than 5 points"):
        read(PLAIN)
    monkeypatch.setattr("inktex.ink.inkml.MAX_BYTES", 99)
    with pytest.raises(InkMLError, match="larger than"):
        read(PLAIN)


def test_deep_mathml_is_refused() -> None:
    deep = "<mrow>" * 5000 + "</mrow>" * 5000
    with pytest.raises(InkMLError, match="nested deeper"):
        read(f"<ink><annotationXML><math>{deep}</math></annotationXML></ink>")


def test_box_of_nothing() -> None:
    with pytest.raises(ValueError, match="no ink"):
        bounding_box([])
    with pytest.raises(ValueError, match="no ink"):
        _ = read("<ink/>").box


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    traces = [np.array([[1, 2.25], [3, 4]], np.float32), np.array([[5, 6]], np.float32)]
    write_inkml(Ink(traces, truth="a < b", annotations={"writer": "w&7"}), tmp_path / "one.inkml")
    ink = read_inkml(tmp_path / "one.inkml")
    assert (ink.id, ink.truth, ink.annotations) == ("one", "a < b", {"writer": "w&7"})
    for ours, theirs in zip(ink.traces, traces, strict=True):
        np.testing.assert_array_equal(ours, theirs)
