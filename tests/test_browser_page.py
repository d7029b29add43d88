"""The page that reads in the browser: built, drawn on, without a network, by keyboard, on a phone.

Needs Node, npm and a Chromium; screenshots are left in build/screenshots.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_visitor import CHROMIUM, PadVisitor, sideways_pair
from PIL import Image

import inktex
from browser_tools import (
    PACKAGES,
    ROOT,
    SOURCE,
    Node,
    as_json,
    needs_npm,
    packages,
    picture_json,
    shipped_graph,
)
from inktex.ink.inkml import read_inkml
from inktex.ink.render import render
from inktex.inputs import prepare
from inktex.modeling.image_settings_inktex import ImageSettings
from inktex.modeling.normalization_inktex import stack_pictures
from inktex.onnx.engine import ImageProcessor
from inktex.onnx.files import SINGLE, SINGLE_SETTINGS
from inktex.onnx.sessions import load_runtime, make_session
from inktex.onnx.single_settings import single_inputs
from inktex.release.browser import MAX_PAGE, WASM, build_browser
from inktex.release.verification import file_names, verify_files
from inktex.symbol_boxes import inked
from inktex.synthesis.random_captions import written_expressions
from inktex.tokenizer.compact_inktex import compact
from inktex.training.custom_data import load_custom

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = [needs_npm, pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")]

ANSWER = 60_000
"""Milliseconds that an answer may take on a machine that does other work."""
EXPRESSIONS = written_expressions(3, seed=2)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with the shipped model."""
    packages()
    graph = shipped_graph(tmp_path_factory.mktemp("graph"))
    return build_browser(SOURCE, tmp_path_factory.mktemp("site") / "page", graph, PACKAGES)


class Model:
    """The page's model, run by Python."""

    def __init__(self, site: Path) -> None:
        self.settings = json.loads((site / SINGLE_SETTINGS).read_text(encoding="utf-8"))
        self.processor = ImageProcessor(ImageSettings(**self.settings["image_processor"]))
        self.session = make_session(load_runtime(), site / SINGLE, 1, {})

    def __call__(self, traces: Sequence[Any]) -> tuple[list[str], Any, Any]:
        """Tokens, their log-probabilities with the end's, and boxes."""
        picture = prepare([*traces], self.processor).picture
        pixels, mask = stack_pictures([picture], self.settings["multiple"])
        tokens, scores, boxes = self.session.run(
            ["tokens", "log_probabilities", "boxes"], single_inputs(pixels, mask)
        )
        words = self.settings["words"]
        return [words[str(one)] for one in tokens[0] if str(one) in words], scores[0], boxes[0]


@pytest.fixture(scope="module")
def model(site: Path) -> Model:
    return Model(site)


@pytest.fixture(scope="module")
def reader(site: Path) -> Iterator[Node]:
    found = Node(site)
    yield found
    found.close()


def test_readings_are_those_of_the_same_graph_in_python(reader: Node, model: Model) -> None:
    for expression in EXPRESSIONS:
        traces = list(expression.traces)
        tokens, scores, boxes = model(traces)
        found = reader("strokes", strokes=as_json(traces))
        assert found["tokens"] == tokens
        assert found["latex"] == compact(tokens)
        assert found["score"] == pytest.approx(float(np.exp(scores.sum())), rel=1e-2)
        assert found["tokenScores"] == pytest.approx(np.exp(scores[: len(tokens)]), abs=1e-3)
        assert [one["index"] for one in found["symbols"]] == list(np.flatnonzero(inked(tokens)))
        points = np.concatenate(traces)
        reach = 0.2 * float(np.ptp(points[:, 1]))
        for symbol in found["symbols"]:
            assert (symbol["box"] is None) == (boxes[symbol["index"], 2] == 0)
            if symbol["box"]:
                left, top, right, bottom = symbol["box"]
                assert points[:, 0].min() - reach < left < right < points[:, 0].max() + reach
                assert points[:, 1].min() - reach < top < bottom < points[:, 1].max() + reach


def test_an_alphabet_is_kept_to(reader: Node, model: Model) -> None:
    settings, strokes = model.settings, as_json(EXPRESSIONS[0].traces)
    structure = {settings["words"].get(str(one)) for one in settings["always"]}
    found = reader("strokes", strokes=strokes, alphabet=["x", "2"])
    assert set(found["tokens"]) <= {"x", "2"} | structure
    crohme = {settings["words"].get(str(one)) for one in settings["alphabets"]["crohme"]}
    assert set(reader("strokes", strokes=strokes, alphabet="crohme")["tokens"]) <= crohme
    for alphabet, message in (
        ("greek", "no alphabet greek"), (["xyz"], "not know the token"), ([], "empty")
    ):  # fmt: skip
        answer = reader.ask("strokes", strokes=strokes, alphabet=alphabet)
        assert message in answer["error"]["message"]


def test_candidates_and_locked_tokens_are_those_of_the_python_package(
    reader: Node, model: Model
) -> None:
    recognizer = inktex.load()
    for expression in EXPRESSIONS:
        traces = list(expression.traces)
        asked = {"strokes": as_json(traces)}
        plain, expected = reader("strokes", **asked), recognizer(traces, candidates=5)
        assert plain["tokens"] == expected.tokens.split()
        for found, known in zip(plain["candidates"], expected.candidates, strict=True):
            assert [(one["index"], one["token"]) for one in found] == [
                (one.index, one.token) for one in known
            ]
            assert [one["score"] for one in found] == pytest.approx(
                [one.score for one in known], abs=1e-3
            )
        place = next(place for place, found in enumerate(plain["candidates"]) if found)
        chosen = plain["candidates"][place][0]
        locked = {chosen["index"]: chosen["token"]}
        found = reader("strokes", **asked, locked=locked)
        assert found["tokens"][chosen["index"]] == chosen["token"]
        again = recognizer(traces, locked=locked)
        assert found["tokens"] == again.tokens.split()
        assert found["score"] == pytest.approx(again.score, rel=1e-2)
    for locked, message in (
        ({"-1": "x"}, "no token -1"), ({"0": "xyz"}, "not know the token"), ({"0": "}"}, "cannot")
    ):  # fmt: skip
        answer = reader.ask("strokes", **asked, locked=locked)
        assert answer["error"]["name"] == "RangeError"
        assert message in answer["error"]["message"]


def test_the_example_of_the_readme_runs_in_node(site: Path, tmp_path: Path) -> None:
    _, *examples = (SOURCE / "reader/README.md").read_text(encoding="utf-8").split("```js\n")
    (code,) = [one.split("```")[0] for one in examples if "node:fs" in one]
    (tmp_path / "example.mjs").write_text(code, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(packages() / "node_modules")
    for name in (SINGLE, SINGLE_SETTINGS):
        (tmp_path / name).symlink_to(site / name)
    done = subprocess.run(
        ["node", "example.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"x", "X", r"\times"}


def test_the_site_is_whole(site: Path) -> None:
    verify_files(site, 2 * MAX_PAGE)  # in float32; the one that is published has eight bits
    names = {*file_names(site)} - {"README.md", "service-worker.js"}
    worker = (site / "service-worker.js").read_text(encoding="utf-8")
    (kept,) = re.findall(r"FILES = (\[.*?\]);", worker)
    assert {*json.loads(kept)} == names | {"./"}
    assert '"VERSION"' not in worker
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", (site / "index.html").read_text())


# --- the page in a browser ----------------------------------------------------------------


class _Quiet(SimpleHTTPRequestHandler):
    asked: list[str] = []
    """Paths of the files that were sent."""

    def log_message(self, *_: Any) -> None:
        pass

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        if code == 200:
            self.asked.append(self.path)


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Visitor(PadVisitor):
    """A visitor of the page, whom its warnings trouble, too."""

    complaint_types = frozenset({"error", "warning"})

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        super().__init__(browser, url, ANSWER, **options)
        self.page.wait_for_selector("#state.ready")

    def draw(self, traces: Sequence[Any]) -> list[Any]:
        """Write ink with the mouse; returns it in pixels of the window."""
        points = np.concatenate(list(traces))
        corner, extent = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-6)
        area = self.page.locator("#pad canvas").bounding_box()
        zoom = min(0.8 * area["width"] / extent[0], 0.6 * area["height"] / extent[1], 60.0)
        origin = np.array([area["x"] + 0.1 * area["width"], area["y"] + 0.2 * area["height"]])
        placed = [((trace - corner) * zoom + origin).astype(float).round(2) for trace in traces]
        for trace in placed:
            self.page.mouse.move(*trace[0])
            self.page.mouse.down()
            for point in trace[1:]:
                self.page.mouse.move(*point)
            self.page.mouse.up()
        return placed

    def expect(self, latex: str) -> None:
        field = self.page.locator("#latex")
        sync_api.expect(field).to_have_value(latex, timeout=ANSWER)
        self.page.wait_for_selector("#reading:not(.old)")

    def tool(self, name: str) -> Any:
        return self.page.locator(f"[data-tool={name}]")

    def screenshot(self, name: str) -> None:
        super().screenshot(f"browser-{name}")


@pytest.fixture(scope="module")
def desk(browser: Any, url: str) -> Iterator[Visitor]:
    """A visitor whose page several tests share."""
    found = Visitor(browser, url)
    yield found
    found.close()


@pytest.fixture
def visitor(desk: Visitor) -> Visitor:
    """The shared page with an empty pad."""
    if desk.tool("clear").is_enabled():
        desk.tool("clear").click()
    desk.expect("")
    return desk


def example(name: str) -> list[Any]:
    return list(read_inkml(ROOT / "spaces_app/examples" / f"{name}.inkml").traces)


@pytest.mark.parametrize("number", range(len(EXPRESSIONS)))
def test_what_is_drawn_is_read_as_python_reads_it(
    visitor: Visitor, model: Model, number: int
) -> None:
    drawn = visitor.draw(EXPRESSIONS[number].traces)
    area = visitor.page.locator("#pad canvas").bounding_box()
    corner = np.array([area["x"], area["y"]])
    tokens, _, _ = model([(trace - corner).astype(np.float32) for trace in drawn])
    visitor.expect(compact(tokens))
    visitor.page.wait_for_selector("#formula .katex")
    assert re.search(r"\d %", visitor.page.locator("#verdict").inner_text())
    chips = visitor.page.locator("#symbols button")
    assert chips.count() == sum(inked(tokens))
    assert tokens[0] in visitor.page.locator("#announcer").inner_text()


def test_strokes_are_undone_redone_erased_and_cleared(visitor: Visitor) -> None:
    placed = visitor.draw(example("circle"))
    visitor.expect("x^{2}+y^{2}=1")
    visitor.page.keyboard.press("Control+z")
    sync_api.expect(visitor.page.locator("#latex")).not_to_have_value("x^{2}+y^{2}=1")
    visitor.page.keyboard.press("Control+y")
    visitor.expect("x^{2}+y^{2}=1")
    visitor.tool("eraser").click()
    for trace in placed[-3:]:  # "= 1", each by its middle
        visitor.page.mouse.click(*trace[len(trace) // 2])
    visitor.expect("x^{2}+y^{2}")
    visitor.tool("pen").click()
    visitor.page.mouse.move(*placed[0][len(placed[0]) // 2])
    assert visitor.page.locator(".boxes .marked").count() == 1
    for _ in range(3):
        visitor.tool("undo").click()
    visitor.expect("x^{2}+y^{2}=1")
    visitor.tool("clear").click()
    visitor.expect("")
    visitor.tool("undo").click()
    visitor.expect("x^{2}+y^{2}=1")


def test_strokes_are_selected_moved_read_alone_and_deleted(visitor: Visitor) -> None:
    page = visitor.page
    placed = visitor.draw(example("circle"))
    visitor.expect("x^{2}+y^{2}=1")
    page.locator("#pad").focus()
    page.keyboard.press("l")
    visitor.lasso(placed[-3:])  # "= 1"
    visitor.tool("alone").click()
    visitor.expect("=1")
    assert "of what is selected" in page.locator("#verdict").inner_text()
    visitor.screenshot("selection")
    visitor.tool("alone").click()
    visitor.expect("x^{2}+y^{2}=1")
    # Dragged a little, then moved back by keys.
    x, y = placed[-1][0]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 8, y + 8)
    page.mouse.up()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    visitor.expect("x^{2}+y^{2}=1")
    page.keyboard.press("Delete")
    visitor.expect("x^{2}+y^{2}")
    assert page.locator("#selection").is_hidden()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    visitor.expect("")
    for _ in range(2):
        page.keyboard.press("Control+z")
    visitor.expect("x^{2}+y^{2}=1")
    page.mouse.click(*placed[-1][len(placed[-1]) // 2])  # a stroke is selected where it is touched
    page.keyboard.press("Delete")
    sync_api.expect(page.locator("#latex")).not_to_have_value("x^{2}+y^{2}=1")
    visitor.tool("pen").click()


def test_a_symbol_is_scratched_out(visitor: Visitor) -> None:
    placed = visitor.draw(example("circle"))
    visitor.expect("x^{2}+y^{2}=1")
    for trace in placed[-3:]:
        visitor.scribble(trace)
    visitor.expect("x^{2}+y^{2}")


def test_another_symbol_is_chosen_and_taken_back(visitor: Visitor) -> None:
    page = visitor.page
    visitor.draw(example("circle"))
    visitor.expect("x^{2}+y^{2}=1")
    chip = page.locator("#symbols button").first
    chip.click()
    choice = page.locator("#choices button").first
    sync_api.expect(choice).to_be_focused()
    visitor.screenshot("choices")
    page.keyboard.press("Escape")
    sync_api.expect(chip).to_be_focused()
    page.keyboard.press("Enter")
    token = choice.evaluate("(button) => button.firstChild.textContent")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator("#symbols .chosen")).to_have_text(token, timeout=ANSWER)
    sync_api.expect(page.locator("#symbols .chosen")).to_be_focused()
    assert page.locator("#latex").input_value().startswith(token)
    assert page.locator("#choices").is_hidden()
    page.keyboard.press("Control+z")
    visitor.expect("x^{2}+y^{2}=1")
    assert page.locator("#symbols .chosen").count() == 0


def test_what_is_typed_is_undone_by_the_field(visitor: Visitor) -> None:
    page = visitor.page
    visitor.draw(example("circle"))
    visitor.expect("x^{2}+y^{2}=1")
    field = page.locator("#latex")
    field.press("End")
    field.press_sequentially("+p")
    field.press("Control+z")
    sync_api.expect(field).not_to_have_value("x^{2}+y^{2}=1+p")
    assert field.input_value().startswith("x^{2}+y^{2}=1")  # and all of the ink is there


def test_latex_that_is_none_is_said_and_not_copied(visitor: Visitor) -> None:
    page = visitor.page
    visitor.draw(example("circle"))
    visitor.expect("x^{2}+y^{2}=1")
    page.evaluate("navigator.clipboard.writeText('precious')")
    page.locator("#latex").fill(r"\frac{a}{")
    sync_api.expect(page.locator("#verdict")).to_contain_text("cannot be shown")
    button = page.locator("[data-copy=mathml]")
    label = button.inner_text()
    for _ in range(2):
        button.click()
        sync_api.expect(button).to_have_text("Not copied")
    assert page.evaluate("navigator.clipboard.readText()") == "precious"
    sync_api.expect(button).to_have_text(label)


def test_a_browser_that_keeps_nothing_reads_as_well(browser: Any, url: str) -> None:
    found = Visitor(browser, url)
    found.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', "
        "{ get() { throw new DOMException('denied', 'SecurityError'); } })"
    )
    found.page.reload()
    found.draw(example("circle"))
    found.expect("x^{2}+y^{2}=1")
    assert found.page.get_by_text("Learn my hand").is_hidden()
    found.close()


def test_a_palm_beside_a_pen_writes_nothing(visitor: Visitor) -> None:
    visitor.page.evaluate(
        """() => { const canvas = document.querySelector('#pad canvas');
          const { left, top } = canvas.getBoundingClientRect();
          canvas.setPointerCapture = () => {};
          const send = (type, pointerId, pointerType, x, y) => {
            const place = { clientX: left + x, clientY: top + y, button: 0, bubbles: true };
            canvas.dispatchEvent(new PointerEvent(type, { pointerId, pointerType, ...place }));
          };
          send('pointerdown', 7, 'touch', 300, 300); send('pointermove', 7, 'touch', 340, 310);
          send('pointerdown', 8, 'pen', 100, 60);
          for (let y = 60; y <= 120; y += 10) send('pointermove', 8, 'pen', 100, y);
          send('pointermove', 7, 'touch', 360, 320); send('pointerup', 8, 'pen', 100, 120);
          send('pointerup', 7, 'touch', 360, 320);
          send('pointerdown', 9, 'touch', 200, 200); send('pointerup', 9, 'touch', 240, 240);
        }"""
    )
    visitor.page.wait_for_selector("#copies button:not(:disabled)")
    assert visitor.page.locator("#symbols button").count() == 1
    visitor.tool("undo").click()
    assert visitor.page.locator("#hint").is_visible()


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped(visitor: Visitor, way: str) -> None:
    content = base64.b64encode((ROOT / "spaces_app/examples/power.png").read_bytes()).decode()
    visitor.page.evaluate(
        """([content, way]) => {
          const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], "a.png", { type: "image/png" }));
          document.dispatchEvent(way === "paste"
            ? new ClipboardEvent("paste", { clipboardData: data })
            : new DragEvent("drop", { dataTransfer: data, cancelable: true }));
        }""",
        [content, way],
    )
    visitor.expect("(a+b)^{2}")
    assert visitor.page.locator(".boxes rect").count() == 6
    visitor.screenshot("picture")
    visitor.tool("lasso").click()  # begins with what was read
    sync_api.expect(visitor.tool("crop")).to_be_visible()
    visitor.tool("pen").click()


def test_a_picture_is_turned_and_cropped(visitor: Visitor) -> None:
    page = visitor.page
    content = sideways_pair(ROOT / "spaces_app/examples/power.png")
    given = {"name": "a.png", "mimeType": "image/png", "buffer": content}
    page.locator("input[type=file]").set_input_files(given)
    sync_api.expect(page.locator("#verdict")).not_to_be_empty(timeout=ANSWER)
    visitor.tool("turn").click()
    sync_api.expect(visitor.tool("crop")).to_be_hidden()
    visitor.tool("lasso").click()
    visitor.frame_upper_half()
    visitor.screenshot("crop")
    visitor.tool("crop").click()
    visitor.expect("(a+b)^{2}")
    visitor.tool("pen").click()


def test_ink_is_kept_in_a_file_and_taken_from_one(visitor: Visitor, tmp_path: Path) -> None:
    placed = visitor.draw(example("circle"))
    visitor.expect("x^{2}+y^{2}=1")
    with visitor.page.expect_download() as download:
        visitor.tool("save").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    kept = read_inkml(path)
    assert kept.truth == "$x^{2}+y^{2}=1$"
    assert [len(trace) for trace in kept.traces] == [len(trace) for trace in placed]
    visitor.tool("clear").click()
    visitor.expect("")
    visitor.page.locator("input[type=file]").set_input_files(path)
    visitor.expect("x^{2}+y^{2}=1")
    for content, message in (
        ("<svg/>", "not InkML"), ("<ink/>", "no ink"), ("<ink><trace>1 'a</trace></ink>", "cannot")
    ):  # fmt: skip
        file = {"name": "a.inkml", "mimeType": "text/xml", "buffer": content.encode()}
        visitor.page.locator("input[type=file]").set_input_files(file)
        sync_api.expect(visitor.page.locator("#verdict")).to_contain_text(message, timeout=ANSWER)


def test_latex_is_edited_and_a_hand_is_collected(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    page.get_by_text("Learn my hand").click()
    assert visitor.tool("hand").is_hidden()
    page.locator("#hand").check()
    placed = visitor.draw(example("circle"))
    visitor.expect("x^{2}+y^{2}=1")
    page.locator("#latex").fill(r"\alpha^2")
    sync_api.expect(page.locator("#verdict")).to_have_text("Changed by hand")
    sync_api.expect(page.locator("#formula .katex-html")).to_have_text("α2")
    for latex in (r"\alpha^2", "x^2+y^2=1"):  # the same ink: what was copied last counts
        page.locator("#latex").fill(latex)
        page.locator("[data-copy=latex]").click()
        sync_api.expect(page.locator("#hand-count")).to_contain_text("1 formula kept")
        assert page.evaluate("() => navigator.clipboard.readText()") == latex
    with page.expect_download() as download:
        visitor.tool("hand").click()
    download.value.save_as(tmp_path / "my-hand.jsonl")
    (row,) = (tmp_path / "my-hand.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(row)["latex"] == "x^2+y^2=1"
    assert [len(one) for one in json.loads(row)["strokes"]] == [len(one) for one in placed]
    own = load_custom(tmp_path)
    assert [" ".join(one.caption) for one in own.train] == ["x ^ { 2 } + y ^ { 2 } = 1"]
    page.locator("#hand").uncheck()
    assert page.evaluate("() => localStorage.length") == 0
    page.get_by_text("Learn my hand").click()


def test_what_is_no_picture_or_blank_gets_a_sentence(visitor: Visitor) -> None:
    blank = io.BytesIO()
    Image.new("L", (90, 40), 255).save(blank, "PNG")
    for content, text in ((b"notes", "not a picture"), (blank.getvalue(), "blank")):
        file = {"name": "a.png", "mimeType": "image/png", "buffer": content}
        visitor.page.locator("input[type=file]").set_input_files(file)
        sync_api.expect(visitor.page.locator("#verdict")).to_contain_text(text, timeout=ANSWER)


def test_it_is_copied_in_three_formats(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Example: quadratic").click()
    visitor.expect(r"x=\frac{-b\pm\sqrt{b^{2}-4ac}}{2a}")
    for name, text in (("latex", r"\frac{-b"), ("mathml", "<mfrac>"), ("typst", "plus.minus sqrt")):
        button = visitor.page.locator(f"[data-copy={name}]")
        button.click()
        sync_api.expect(button).to_have_text("Copied")
        assert text in visitor.page.evaluate("() => navigator.clipboard.readText()")
    visitor.screenshot("light")


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    page = visitor.page
    page.locator("#pad").focus()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => { const one = document.activeElement; const style = getComputedStyle(one);
              return [one.getAttribute('aria-label') ?? one.id ?? '', style.outlineStyle,
                one.tagName]; }"""
        )
        reached.add(told[0] or told[2])
        assert told[2] == "BODY" or told[1] != "none", f"the focus on {told} is not seen"
        if told[0] == "Example: euler":
            page.keyboard.press("Enter")
            break
    assert {"alphabet", "latex"} <= reached
    visitor.expect(r"e^{i\pi}+1=0")
    page.locator("#pad").focus()
    page.keyboard.press("Control+c")
    assert page.evaluate("() => navigator.clipboard.readText()") == r"e^{i\pi}+1=0"
    page.keyboard.press("e")
    assert visitor.tool("eraser").get_attribute("aria-pressed") == "true"
    page.keyboard.press("p")
    page.keyboard.press("Delete")
    visitor.expect("")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visitor: Visitor, scheme: str) -> None:
    page = visitor.page
    page.emulate_media(color_scheme=scheme)
    page.get_by_role("button", name="Example: limit").click()
    visitor.expect(r"\lim\limits_{x\rightarrow0}\frac{\sin x}{x}=1")
    page.locator("#symbols button").first.click()
    found = visitor.violations()
    page.emulate_media(color_scheme="light")
    assert found == []


def test_it_works_on_a_phone_and_without_a_network(browser: Any, url: str) -> None:
    size = {"width": 360, "height": 740}
    _Quiet.asked.clear()
    visitor = Visitor(browser, url, viewport=size, has_touch=True, color_scheme="dark")
    page = visitor.page
    sync_api.expect(page.locator("#state")).to_contain_text("offline too", timeout=ANSWER)
    for name in (SINGLE, WASM):
        assert _Quiet.asked.count(f"/{name}") == 1, "a large file was sent twice"
    visitor.context.set_offline(True)
    page.reload()
    page.wait_for_selector("#state.ready")
    visitor.draw(example("circle"))
    visitor.expect("x^{2}+y^{2}=1")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
    for button in page.locator(".tools button").all():
        box = button.bounding_box()
        assert box["height"] >= 44
        assert box["width"] >= 40
    visitor.screenshot("phone")
    visitor.close()


def test_the_published_picture_of_a_drawing_is_read_alike(reader: Node) -> None:
    """The way of pictures and that of strokes meet where the protocol drew both."""
    traces = list(EXPRESSIONS[1].traces)
    picture = Image.fromarray(255 - render(traces))
    found = reader("picture", picture=picture_json(picture))
    assert found["tokens"] == reader("strokes", strokes=as_json(traces))["tokens"]
