"""Malformed input is read or rejected with a message: a sample of scripts/fuzz.py, and more.

`hypothesis` looks for what the script's mutations do not think of, and shrinks what it finds.
"""

from __future__ import annotations

import io
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import KINDS, FaultError, case, check
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from inktex.data.crohme.files import PARTS, names
from inktex.ink.inkml import MAX_TAGS, MAX_TRACE_LENGTH, InkMLError, read_inkml
from inktex.inputs import as_picture, prepare
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.training.custom_data import DataError, load_custom

PROCESSOR = InktexImageProcessor()
FEW = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_the_fuzzed_cases(kind: str) -> None:
    outcomes = [check(kind, case(kind, number), PROCESSOR) for number in range(60)]
    assert any(outcome != "read" for outcome in outcomes), "nothing is refused"
    if kind != "array":
        assert "read" in outcomes, "nothing is read"


def test_cases_can_be_made_again() -> None:
    assert case("picture", 7) == case("picture", 7)
    assert case("picture", 7) != case("picture", 8)


def test_a_fault_is_told_from_a_refusal() -> None:
    class Mute:
        def normalize_picture(self, _: Any) -> Any:
            raise ValueError

    with pytest.raises(FaultError, match="without a message"):
        check("picture", b"", Mute())


@FEW
@given(st.binary(max_size=400))
def test_bytes_are_read_or_refused(content: bytes) -> None:
    check("picture", content, PROCESSOR)


@FEW
@given(
    arrays.arrays(
        dtype=st.sampled_from([np.uint8, np.int16, np.float32, np.bool_]),
        shape=arrays.array_shapes(min_dims=0, max_dims=5, max_side=40),
    )
)
@pytest.mark.filterwarnings("ignore")
def test_arrays_are_read_or_refused(array: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check("array", array, PROCESSOR)


@FEW
@given(st.text(alphabet="\\{}^_[]()$&%#~ xfrac1+\x00é", max_size=60))
def test_captions_are_read_or_refused(caption: str) -> None:
    check("caption", caption, PROCESSOR)


_number = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**12), 10**12)


@FEW
@given(st.lists(st.lists(st.tuples(_number, _number), max_size=6), max_size=6))
def test_ink_of_any_numbers_is_read_or_refused(traces: list[list[tuple[float, float]]]) -> None:
    body = "".join(
        f"<trace>{', '.join(f'{x} {y}' for x, y in points)}</trace>" for points in traces
    )
    check("inkml", f"<ink>{body}</ink>".encode(), PROCESSOR)


# --- attacks ------------------------------------------------------------------------------

BOMB = (
    '<!DOCTYPE ink [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><ink><annotation type='truth'>&i;</annotation></ink>"
)
ENTITY = (
    '<!DOCTYPE ink [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<ink><annotation type='truth'>&x;</annotation></ink>"
)


@pytest.mark.parametrize("attack", [BOMB, ENTITY])
def test_entities_are_refused_wherever_ink_may_come_from(attack: str) -> None:
    for source in (attack.encode(), attack.encode("utf-16"), io.BytesIO(attack.encode())):
        with pytest.raises(InkMLError, match="entities"):
            read_inkml(source)
    with pytest.raises(ValueError, match="entities"):
        as_picture(attack.encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<ink>" + b"<a/>" * (MAX_TAGS + 1) + b"</ink>", "tags"),
        (b"<ink " + b" ".join(b'a%d=""' % i for i in range(400_001)) + b"/>", "attributes"),
        (b"<ink><trace>" + b"," * (MAX_TRACE_LENGTH + 1) + b"</trace></ink>", "characters"),
    ],
)
def test_swelling_files_are_refused_before_they_swell(content: bytes, words: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InkMLError, match=words):
            read_inkml(content)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(content)
    finally:
        tracemalloc.stop()


def test_decompression_bombs_are_refused_as_any_source(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    path = tmp_path / "bomb.png"
    path.write_bytes(file.getvalue())
    for source in (file.getvalue(), bytearray(file.getvalue()), path, str(path), path.open("rb")):
        with pytest.raises(ValueError, match=r"exceeds|limit"):
            prepare(source, PROCESSOR)


def test_bytes_that_are_no_picture_get_a_clear_error() -> None:
    for content in (
        b"",
        b"no picture",
        bytearray(b"\x89PNG\r\n\x1a\n"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ):
        with pytest.raises(ValueError, match=r"no picture in a format|cannot be read|damaged"):
            prepare(content, PROCESSOR)
    for name in ("data:image/png;base64,????", "data:image/png;base64,AAAA", "a\x00b", "x" * 5000):
        with pytest.raises(ValueError, match=r"picture|base64"):
            prepare(name, PROCESSOR)


@pytest.mark.parametrize("name", ["../out.inkml", "/abs.inkml", "C:/x.inkml", "a/../../x.inkml"])
def test_archives_that_climb_out_are_refused(name: str, tmp_path: Path) -> None:
    part = PARTS["2014"]["test"]
    place = tmp_path / "archive.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr(f"{part.folder}/good.inkml", "<ink/>")
        archive.writestr(name, "<ink/>")
    with pytest.raises(ValueError, match="climbs out"):
        names(place, part)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"file_name": "../outside.png", "latex": "x"}', "lie outside"),
        ('{"file_name": "/etc/passwd", "latex": "x"}', "lie outside"),
        ('{"file_name": "a\\u0000b.png", "latex": "x"}', "whose name is none"),
        ('{"file_name": ["a.png"], "latex": "x"}', "without a file name"),
        ('{"file_name": "a.png", "latex": {"x": 1}}', "without a file name or a caption"),
        ('{"file_name": "<script>.png", "latex": "x"}', "missing"),
    ],
)
def test_path_tricks_in_captions_are_refused(line: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "captions.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=words):
        load_custom(tmp_path)
