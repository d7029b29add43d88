"""The Space's parts without a browser: what is let in, what is shown, what it says of itself."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import math
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, features

import inktex
from inktex import __version__
from inktex.ink import Ink
from inktex.ink.inkml import read_inkml
from inktex.ink.render import render
from inktex.inputs import MAX_POINTS, MAX_STROKES
from inktex.recognizer import Alternative, Candidate, Reading, ReadSymbol
from inktex.tokenizer.compact_inktex import compact
from inktex.tokenizer.vocabulary_inktex import (
    ARGUMENT_COUNTS,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    UNKNOWN_MARK,
    VOCABULARY,
)

pytest.importorskip("gradio", reason="needs the extra demo")

from about import about
from answer import (
    UNKNOWN_COLOUR,
    details,
    edited,
    is_worth_telling,
    mathml,
    rendered,
    show,
    spell,
    told,
    verdict,
)  # fmt: skip
from examples import examples, gallery
from guard import MAX_BODY, Guard
from inputs import (
    MAX_BYTES,
    MAX_SIDE,
    RefusedError,
    decode,
    decode_ink,
    decode_picture,
)
from space import CANDIDATES, Space

PAPER = Image.new("L", (60, 40), 255)
CROSS = [[[0, 0], [20, 30]], [[20, 0], [0, 30]]]


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return base64.b64encode(file.getvalue()).decode()


def reading(tokens: str = "x ^ { 2 }", score: float = 0.5) -> Reading:
    words = tokens.split()
    return Reading(
        latex="".join(words),
        tokens=tokens,
        score=score,
        token_scores=(0.6, *[0.99] * (len(words) - 1)),
        symbols=(ReadSymbol(0, words[0], 0.6, (1.0, 2.0, 3.0, 4.0)),),
        doubtful=(0,),
        alternatives=(Alternative("y", "y", 0.1, (0.1,)),),
        picture=np.zeros((20, 30), np.uint8),
    )


def test_answers_need_no_torch(repository: Path) -> None:
    pytest.importorskip("onnxruntime")
    code = (
        "import sys, app, inktex; from answer import Shown;"
        "space = app.Space(inktex.load(threads=1), 'small', None);"
        f"assert isinstance(space.read({{'traces': {CROSS}}}, 'fast'), Shown);"
        f"assert isinstance(space.read({{'traces': {CROSS}}}, 'accurate'), Shown);"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    folder = repository / "spaces_app"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_pictures_come_as_base64_with_and_without_their_type(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    text = encoded(Image.new("RGB", (40, 30), "white"), kind)
    assert decode_picture(text).size == (40, 30)
    assert decode({"picture": f"data:image/{kind.lower()};base64,{text}"}).size == (40, 30)  # type: ignore[union-attr]


def test_a_photo_stands_upright_and_is_reduced() -> None:
    photo = Image.new("RGB", (4000, 1000), "white")
    exif = photo.getexif()
    exif[0x0112] = 6  # turn by a quarter
    upright = decode_picture(encoded(photo, "JPEG", exif=exif))
    assert upright.height == MAX_SIDE
    assert upright.width == MAX_SIDE // 4


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_pictures_of_any_mode_become_eight_bits(mode: str) -> None:
    levels = np.zeros((30, 40), np.uint16)
    levels[10:20, 10:20] = 65535
    picture = (
        Image.fromarray(levels)
        if mode == "I;16"
        else Image.fromarray((levels // 257).astype(np.uint8)).convert(mode)
    )
    opened = decode_picture(encoded(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert opened.mode in ("L", "LA", "RGB", "RGBA")
    grey = np.asarray(opened.convert("L"))
    assert grey[15, 15] > 200
    assert grey[5, 5] < 50


def bomb() -> str:
    """A small file whose header tells of 30,000 x 30,000 pixels."""
    content = bytearray(base64.b64decode(encoded(Image.new("1", (8, 8)))))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return base64.b64encode(content).decode()


def damaged() -> str:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    return encoded(Image.fromarray(noise))[:2000]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: base64.b64encode(b"These are notes.").decode(), "not a picture"),
        (lambda: base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0").decode(), "not a picture"),
        (bomb, "million pixels"),
        (lambda: "A" * (MAX_BYTES * 4 // 3 + 100), "larger than 10 MB"),
        (damaged, "damaged"),
        (lambda: "/etc/passwd", "base64|not a picture"),
        (lambda: "file:///etc/passwd,AAAA", "data: URL"),
        (lambda: "https://example.org/a.png", "base64"),
        (lambda: {"path": "/etc/passwd"}, "must be text"),
        (lambda: "", "not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_reason(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(RefusedError, match=message):
        decode_picture(make())


def test_ink_comes_as_lists_of_points() -> None:
    ink = decode({"traces": [*CROSS, []]})
    assert isinstance(ink, Ink)
    assert [trace.tolist() for trace in ink.traces] == CROSS
    assert decode(None) is None
    assert decode("") is None


@pytest.mark.parametrize(
    ("traces", "message"),
    [
        ("x", "list of strokes"),
        ([[1, 2]], "list of strokes"),
        ([[["1", "2"]]], "finite number"),
        ([[[1, math.nan]]], "finite number"),
        ([[[1, 1e9]]], "below a million"),
        ([[[True, False]]], "finite number"),
        ([[[1, 2, 3]]], "finite number"),
        ([["ab"]], "finite number"),
        ([], "nothing was drawn"),
        ([[], []], "nothing was drawn"),
        ([[[0, 0]]] * (MAX_STROKES + 1), f"at most {MAX_STROKES}"),
        ([[[0, 0]] * (MAX_POINTS + 1)], f"{MAX_POINTS} can be read"),
    ],
)
def test_what_is_no_ink_is_refused_with_a_reason(traces: object, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        decode_ink(traces)


@pytest.mark.parametrize("value", [{"other": 1}, [1], 3])
def test_the_pad_holds_ink_or_a_picture(value: object) -> None:
    with pytest.raises(RefusedError, match="neither"):
        decode(value)


def test_latex_is_spelled_and_wrapped() -> None:
    one = reading()
    assert spell(one) == "x^{2}"
    assert spell(one, "spaced") == "x ^ { 2 }"
    assert spell(one, wrapping="inline") == r"\(x^{2}\)"
    assert spell(one, "spaced", "display") == r"\[x ^ { 2 }\]"
    assert spell(reading("x = 1"), wrapping="align") == r"\begin{align}x&=1\end{align}"


def test_mathml_is_markup_or_nothing() -> None:
    assert "<msup><mi>x</mi>" in mathml(reading().latex)
    assert mathml("x^") == ""


def test_all_symbols_of_the_vocabulary_have_mathml() -> None:
    for token in VOCABULARY:
        if token in {*SPECIAL_TOKENS, *STRUCTURAL_TOKENS} - {r"\mathbb", r"\overset", r"\underset"}:
            continue
        arguments = ["{", "x", "}"] * ARGUMENT_COUNTS.get(token, 0)
        assert "<math" in mathml(compact([token, *arguments])), token
    for tokens in (
        r"( \begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix} )",
        r"f = \{ \begin{matrix} x & \text { i f } y \\ 1 \end{matrix}",
        r"\begin{matrix} x = 1 \\ y = 2 \end{matrix}",
    ):
        found = mathml(compact(tokens.split()))
        assert "<mtable" in found or 'linebreak="newline"' in found, tokens


def test_comparisons_are_no_markup() -> None:
    assert "<" not in rendered("a<b>c")
    assert r"a\lt b\gt c" in rendered("a<b>c")


@pytest.mark.parametrize(
    ("score", "words", "percent"),
    [
        (0.97, "Almost certainly right", "97 %"),
        (0.899, "Almost certainly right", "90 %"),
        (0.75, "Probably right", "75 %"),
        (0.5, "Uncertain", "50 %"),
        (0.1, "Probably wrong", "10 %"),
        (0.0001, "Probably wrong", "<1 %"),
    ],
)
def test_doubt_is_told_in_words_and_in_numbers(score: float, words: str, percent: str) -> None:
    said, number = verdict(reading(score=score))
    assert said.startswith(words)
    assert number == percent


def test_alternatives_have_a_number_where_it_says_something() -> None:
    assert [is_worth_telling(score) for score in (0.3, 0.006, 0.004, 0.0)] == [
        True, True, False, False,
    ]  # fmt: skip


def test_tinted_symbols_are_spoken_of_where_there_are_some() -> None:
    doubted = reading(score=0.5)
    assert verdict(doubted)[0] == "Uncertain: check the tinted symbols"
    sure = replace(doubted, doubtful=())
    assert not any(token["doubtful"] for token in details(show(PAPER, sure))["tokens"])
    assert verdict(sure)[0] == "Uncertain"
    assert verdict(replace(doubted, score=0.75))[0] == "Probably right"


def test_several_formulas_are_asked_about_where_the_reading_is_bad(repository: Path) -> None:
    space = Space(inktex.load(threads=1), "small", None)
    power = read_inkml(repository / "spaces_app/examples/power.inkml").traces
    height = 1.5 * float(np.ptp(np.concatenate(power)[:, 1]))
    below = [trace + np.array([0, height], dtype=np.float32) for trace in power]
    assert [space._formulas(Ink(one)) for one in (power, [*power, *below])] == [1, 2]
    bad, good = (replace(show(PAPER, reading(score=score)), formulas=2) for score in (0.1, 0.5))
    assert told(bad)[0].endswith("2 formulas? Each can be read under the answer")
    assert told(good) == verdict(good.best)


def test_unknown_marks_are_shown_as_such(repository: Path) -> None:
    words = [UNKNOWN_MARK, "+", UNKNOWN_MARK]
    marks = tuple(ReadSymbol(i, words[i], 0.6, (0.0, 0.0, 9.0, 9.0)) for i in (0, 2))
    picture = np.zeros((9, 9), np.uint8)
    found = Reading(compact(words), " ".join(words), 0.75, (0.6, 0.99, 0.9), marks, picture=picture)
    assert verdict(found) == ("Probably right; 2 unknown marks", "75 %")
    assert verdict(replace(found, tokens="<mark> + x"))[0].endswith("; 1 unknown mark")
    told = details(show(PAPER, found))["tokens"]
    assert [one["text"] for one in told] == ["?", "+", "?"]
    assert [one["unknown"] for one in told] == [True, False, True]
    assert spell(found) == r"\boxtimes+\boxtimes"
    assert spell(found, "spaced") == r"\boxtimes + \boxtimes"
    assert rendered(found.latex).count(rf"\textcolor{{{UNKNOWN_COLOUR}}}{{\boxtimes}}") == 2
    assert mathml(found.latex).count("&#x022A0;") == 2
    style = (repository / "spaces_app" / "front" / "style.css").read_text(encoding="utf-8")
    assert f"--unknown: {UNKNOWN_COLOUR};" in style


def test_the_page_reads_with_the_alphabet_that_is_chosen() -> None:
    from inktex.modeling.image_processing_inktex import InktexImageProcessor

    asked = []

    class Stub:
        image_processor = InktexImageProcessor()

        def __call__(self, picture: Any, **options: Any) -> Reading:
            asked.append(options)
            return reading()

    space: Any = Space(Stub(), "stub", {})  # type: ignore[arg-type]
    assert space.read({"traces": CROSS}, "fast", "school", 3).best.latex == "x^{2}"
    expected = {"preset": "fast", "alphabet": "school", "alternatives": 3}
    assert asked == [{**expected, "candidates": CANDIDATES, "locked": {}}]
    for name in ("/etc/passwd", "README.md", ["x"], None):  # a file would be read
        refused = space.read({"traces": CROSS}, "fast", name)
        assert isinstance(refused, RefusedError)
        assert str(refused) == "There is no such alphabet: give all, school, crohme."
    assert len(asked) == 1


@pytest.mark.parametrize(
    "text", ["x^{2}", " $x^{2}$ ", "\\[\nx^{2}\n\\]", r"\begin{equation}x^{2}\end{equation}"]
)
def test_edited_latex_is_rendered_without_what_is_around_it(text: str) -> None:
    assert edited(text) == (rendered("x^{2}"), mathml("x^{2}"))
    assert edited(" ") == ("", "")


def test_threads_that_read_first_at_the_same_time() -> None:
    script = """
import json, sys, threading
from app import Space
import inktex
space = Space(inktex.load(), "shipped", None)
start, found = threading.Barrier(16), []
def read(number):
    start.wait()
    preset, further = (("accurate", 0), ("fast", 5), ("fast", 0))[number % 3]
    try:
        found.append(space.recognize_ink([[[0, 0], [20, 30]], [[20, 0], [0, 30]]], preset, further))
    except BaseException as error:
        found.append({"latex": repr(error)})
threads = [threading.Thread(target=read, args=(number,)) for number in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps([one["latex"] for one in found]))
"""
    folder = Path(about.__code__.co_filename).parent
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    latex = json.loads(done.stdout)
    assert len(latex) == 16
    assert len(set(latex)) == 1
    assert latex[0].lower() in ("x", r"\times")


def test_each_token_is_tied_to_its_box_and_doubtful_ones_are_marked() -> None:
    shown = show(Image.new("L", (60, 40), 255), reading())
    given = details(shown)
    assert (given["width"], given["height"]) == (60, 40)
    assert [token["text"] for token in given["tokens"]] == ["x", "^", "{", "2", "}"]
    assert given["tokens"][0]["box"] == (1.0, 2.0, 3.0, 4.0)
    assert [token["doubtful"] for token in given["tokens"]] == [True, *[False] * 4]
    for url, size in ((given["picture"], (60, 40)), (given["seen"], (30, 20))):
        kind, content = url.split(",")
        assert kind == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(content))).size == size


def test_each_token_has_its_candidates_and_says_whether_it_was_chosen() -> None:
    one = replace(reading(), candidates=((Candidate(0, "X", 0.25),), (), (), (), ()))
    found = details(show(Image.new("L", (60, 40), 255), one, locked={0: "x"}))["tokens"]
    assert found[0]["candidates"] == [{"index": 0, "token": "X", "text": "X", "score": 0.25}]
    assert [token["locked"] for token in found] == [True, False, False, False, False]
    plain = details(show(Image.new("L", (60, 40), 255), reading()))["tokens"]
    assert plain[0]["candidates"] == []


def test_the_server_remembers_no_picture() -> None:
    shown = show(Image.new("L", (60, 40), 255), reading())
    kept = shown.without_pictures()
    assert "data:" not in repr(kept)
    assert kept.candidates == shown.candidates
    assert kept.size == shown.size


def test_what_was_done_to_a_picture_is_told() -> None:
    picture = Image.new("L", (60, 40), 255)
    reasons = ("plain paper, dark ink", "2 ruled lines removed")
    told = details(show(picture, replace(reading(), reasons=reasons)))
    assert told["notes"] == ("plain paper, dark ink", "2 ruled lines removed")
    ink = decode_ink([[[0, 0], [10, 10]]])
    assert details(show(ink, replace(reading(), reasons=reasons)))["notes"] == ()


def test_a_large_picture_is_shown_smaller_in_its_own_measure() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000), np.uint8)
    given = details(show(Image.fromarray(noise), reading()))
    assert (given["width"], given["height"]) == (2000, 1500)
    content = base64.b64decode(given["picture"].split(",")[1])
    assert Image.open(io.BytesIO(content)).size == (1024, 768)


def test_ink_is_shown_where_its_published_picture_has_it() -> None:
    ink = decode_ink([[[5, 7], [25, 37]], [[25, 7], [5, 37]], [[40, 20]]])
    given = details(show(ink, reading()))
    published = render(ink.traces)
    assert given["width"] == pytest.approx(published.shape[1], abs=2)
    assert given["height"] == pytest.approx(published.shape[0], abs=2)
    markup = base64.b64decode(given["picture"].split(",")[1]).decode()
    (path,) = re.findall(r' d="([^"]*)"', markup)
    points = np.array(re.findall(r"([\d.]+) ([\d.]+)", path), dtype=float)
    for x, y in points:
        row, column = round(y), round(x)
        assert published[row - 2 : row + 3, column - 2 : column + 3].max() == 255


def test_examples_have_names_pictures_and_ink() -> None:
    found = examples()
    assert len(found) >= 6
    assert sum("traces" in one.value for one in found) >= 5
    for one in found:
        if "traces" in one.value:
            decode_ink(one.value["traces"])
        else:
            decode_picture(one.value["picture"])
    markup = gallery(found)
    assert markup.count("<button") == len(found)
    assert all(f'alt="Example: {one.name}"' in markup for one in found)


def test_the_examples_are_what_the_script_draws(repository: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    script = repository / "scripts/draw_examples.py"
    subprocess.run([sys.executable, script, "--output", tmp_path], check=True, capture_output=True)
    drawn = sorted(tmp_path.iterdir())
    assert len(drawn) >= 12
    for path in drawn:
        kept = repository / "spaces_app/examples" / path.name
        if path.suffix == ".png":
            np.testing.assert_array_equal(Image.open(kept), Image.open(path))
        else:
            assert kept.read_text() == path.read_text()


def test_the_panel_tells_scores_limits_and_licence() -> None:
    score = {f"exp_rate{end}": 0.5 for end in ("", "_1", "_2", "_3")}
    entry = {**score, "token_error_rate": 0.1, "expressions": 986, "preset": "fast"}
    record = {
        "parameters": 5_700_000,
        "scores": {"2014": entry},
        "data": "some ink",
        "weights_licence": "CC BY-NC-SA 3.0",
    }
    text = about(record, "mine")
    for part in ("mine", "5.7 M", "| 2014 | 986 | 50.00", "no matrices", "CC BY-NC-SA 3.0"):
        assert part in text
    assert "no matrices" in about({}, "unknown")


def ask(scope: dict[str, Any], chunks: list[bytes]) -> int:
    """Status that a request gets from behind the guard, from an application that reads it all."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> int:
        waiting = list(chunks)
        status = 0

        async def receive() -> dict[str, Any]:
            body = waiting.pop(0) if waiting else b""
            return {"type": "http.request", "body": body, "more_body": bool(waiting)}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        request = {"type": "http", "method": "POST", "path": "/", "query_string": b"", **scope}
        request.setdefault("headers", [])
        await Guard(application)(request, receive, send)
        return status

    return asyncio.run(run())


def test_the_guard_lets_through_what_is_honest() -> None:
    assert ask({"query_string": b"__theme=dark"}, [b"a" * 1000]) == 200


@pytest.mark.parametrize(
    ("scope", "chunks", "status"),
    [
        ({"headers": [(b"content-length", str(50 * 2**20).encode())]}, [b""], 413),
        ({"headers": [(b"content-length", b"-5")]}, [b""], 400),
        ({}, [b"a" * 2**20] * (MAX_BODY // 2**20 + 2), 413),  # says nothing of its length
        ({"query_string": b"q=%3Cscript%3Ealert(1)%3C/script%3E"}, [b""], 400),
        ({"path": "/gradio_api/upload"}, [b""], 403),
        ({"path": "/gradio_api/upload/"}, [b""], 403),
    ],
)
def test_the_guard_turns_away(scope: dict[str, Any], chunks: list[bytes], status: int) -> None:
    assert ask(scope, chunks) == status


def test_front_matter_and_requirements_fit_the_package(repository: Path) -> None:
    folder = repository / "spaces_app"
    _, matter, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    fields = yaml.safe_load(matter)
    assert (folder / fields["app_file"]).is_file()
    assert fields["sdk"] == "gradio"
    pinned = (repository / "constraints.txt").read_text()
    assert f"gradio=={fields['sdk_version']}\n" in pinned
    for name in ("title", "emoji", "colorFrom", "colorTo", "python_version", "license"):
        assert fields[name]
    requirements = (folder / "requirements.txt").read_text().split()
    assert requirements == [f"inktex[demo,heic,pdf]=={__version__}"]
