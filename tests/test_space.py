"""The Space in a real browser: drawn on, given pictures, looked at on a phone, and attacked.

Needs a Chromium (Debian's, or the one that INKTEX_CHROMIUM names). Screenshots are left in
build/screenshots.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_visitor import CHROMIUM, SCREENSHOTS, PadVisitor, sideways_pair
from PIL import Image

from inktex.ink.inkml import read_inkml
from inktex.recognizer import pretrained_path
from inktex.tokenizer.tokenization_inktex import build_tokenizer

pytest.importorskip("gradio", reason="needs the extra demo")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "spaces_app/examples"
DRAWN = ("circle", "euler", "limit", "power", "quadratic")
ENDPOINTS = {"/recognize", "/recognize_ink", "/recognize_regions"}
ANSWER = 20_000
"""Milliseconds that an answer may take on a machine that does other work."""


def truth(name: str) -> str:
    tokens = read_inkml(EXAMPLES / f"{name}.inkml").truth
    assert tokens
    latex: str = build_tokenizer().compact(tokens)
    return latex


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Space as anybody starts it, on a port that is free."""
    pretrained_path()  # says what is missing
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("space")
    environment = {
        **os.environ,
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "files"),
        "TMPDIR": str(folder),
    }
    log = folder / "log.txt"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "spaces_app/app.py"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert server.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(address, timeout=10).close()
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail(f"The Space did not start: {log.read_text()}")
        yield address
        kept = [path for path in (folder / "files").rglob("*") if path.is_file()]
        assert kept == [], "pictures of visitors were kept"
        # Gradio writes down who asked for a file of the server; nothing else may go wrong.
        faults = log.read_text().split("Traceback")[1:]
        assert all("InvalidPathError" in fault for fault in faults), faults
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield chromium
        chromium.close()


class Visitor(PadVisitor):
    """A visitor of the Space."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        options = {"viewport": {"width": 1280, "height": 1100}, **options}
        super().__init__(browser, url, ANSWER, "camera", **options)
        self.page.wait_for_selector("#pad [data-ready=true]", state="attached")
        place = None
        while place != (place := self.page.locator("#pad canvas").bounding_box()):
            self.page.wait_for_timeout(200)  # until the page stands still

    @property
    def latex(self) -> str:
        text: str = self.page.locator("#latex textarea").input_value()
        return text

    def traces(self, name: str) -> list[list[list[float]]]:
        """The ink of an example, in pixels of the window, over the pad."""
        ink = read_inkml(EXAMPLES / f"{name}.inkml")
        area = self.page.locator("#pad canvas").bounding_box()
        left, top, right, bottom = ink.box
        scale = min(area["width"] * 0.85 / (right - left), area["height"] * 0.8 / (bottom - top))
        across, down = area["x"] + area["width"] * 0.07, area["y"] + area["height"] * 0.1
        return [
            [[(x - left) * scale + across, (y - top) * scale + down] for x, y in trace.tolist()]
            for trace in ink.traces
        ]

    def draw(self, name: str) -> None:
        """Write an example with the mouse."""
        self.page.locator("#pad canvas").scroll_into_view_if_needed()
        mouse = self.page.mouse
        for trace in self.traces(name):
            mouse.move(*trace[0])
            mouse.down()
            for point in [*trace[1:-1:2], trace[-1]]:
                mouse.move(*point)
            mouse.up()

    def tool(self, name: str) -> Any:
        return self.page.locator(f"#pad [data-tool={name}]")

    def expect(self, latex: str) -> None:
        """Wait for an answer."""
        sync_api.expect(self.page.locator("#latex textarea")).to_have_value(latex, timeout=ANSWER)

    def expect_verdict(self, text: str) -> None:
        sync_api.expect(self.page.locator("#verdict [role=status]")).to_contain_text(
            text, timeout=ANSWER
        )

    def give(self, content: bytes, name: str = "formula.png") -> None:
        """Choose a file."""
        file = {"name": name, "mimeType": "image/png", "buffer": content}
        self.page.locator("#pad input[type=file]").set_input_files(file)


@pytest.fixture(scope="module")
def desk(browser: Any, url: str) -> Iterator[Visitor]:
    """A visitor whose page several tests share."""
    visitor = Visitor(browser, url)
    yield visitor
    visitor.close()


@pytest.fixture
def visitor(desk: Visitor) -> Visitor:
    """The shared page with an empty pad."""
    if desk.tool("clear").is_enabled():
        desk.tool("clear").click()
    desk.expect("")
    desk.expect_verdict("The answer appears here")
    return desk


def test_the_page_is_ready_to_draw_on(browser: Any, url: str) -> None:
    visitor = Visitor(browser, url)
    assert visitor.page.title() == "inktex: handwritten formulas to LaTeX"
    assert visitor.tool("undo").is_disabled()
    visitor.screenshot("empty")
    visitor.draw("mean")
    visitor.expect(truth("mean"))
    visitor.close()


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_is_read(visitor: Visitor, name: str) -> None:
    visitor.draw(name)
    visitor.expect(truth(name))
    visitor.page.wait_for_selector("#answer .katex")
    assert re.search(r"\d %", visitor.page.locator("#verdict").inner_text())


def test_strokes_are_undone_redone_erased_and_cleared(visitor: Visitor) -> None:
    visitor.draw("circle")
    visitor.expect(truth("circle"))
    visitor.page.keyboard.press("Control+z")
    sync_api.expect(visitor.page.locator("#latex textarea")).not_to_have_value(truth("circle"))
    visitor.page.keyboard.press("Control+y")
    visitor.expect(truth("circle"))
    visitor.tool("eraser").click()
    assert visitor.tool("eraser").get_attribute("aria-pressed") == "true"
    for trace in visitor.traces("circle")[-3:]:  # "= 1", each by its middle
        visitor.page.mouse.move(*trace[len(trace) // 2])
        visitor.page.mouse.down()
        visitor.page.mouse.up()
    visitor.expect("x^{2}+y^{2}")
    visitor.tool("undo").click()  # one movement, one step
    visitor.tool("undo").click()
    visitor.tool("undo").click()
    visitor.expect(truth("circle"))
    visitor.tool("clear").click()
    visitor.expect("")
    assert visitor.tool("clear").is_disabled()
    visitor.tool("undo").click()
    visitor.expect(truth("circle"))


def test_strokes_are_selected_moved_read_alone_and_deleted(visitor: Visitor) -> None:
    page = visitor.page
    visitor.draw("circle")
    visitor.expect(truth("circle"))
    visitor.tool("lasso").click()
    visitor.lasso(visitor.traces("circle")[-3:])  # "= 1"
    assert page.locator("#pad .selection").is_visible()
    visitor.tool("alone").click()
    visitor.expect("=1")
    visitor.screenshot("selection")
    visitor.tool("alone").click()
    visitor.expect(truth("circle"))
    page.keyboard.press("Shift+Tab")
    page.locator("#pad .surface").focus()
    page.keyboard.press("ArrowRight")
    visitor.expect(truth("circle"))
    visitor.tool("delete").click()
    visitor.expect("x^{2}+y^{2}")
    assert page.locator("#pad .selection").is_hidden()
    visitor.tool("undo").click()
    visitor.expect(truth("circle"))


def test_a_symbol_is_scratched_out(visitor: Visitor) -> None:
    visitor.draw("circle")
    visitor.expect(truth("circle"))
    for trace in visitor.traces("circle")[-3:]:
        visitor.scribble(trace)
    visitor.expect("x^{2}+y^{2}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, url: str, scheme: str) -> None:
    visitor = Visitor(browser, url, color_scheme=scheme)
    visitor.draw("limit")
    visitor.expect(truth("limit"))
    visitor.page.locator("#details .tokens button").first.click()
    assert visitor.violations() == []
    visitor.close()


def test_a_picture_is_uploaded(visitor: Visitor) -> None:
    with visitor.page.expect_file_chooser() as chooser:
        visitor.tool("upload").click()
    chooser.value.set_files(EXAMPLES / "quadratic.png")
    visitor.expect(truth("quadratic"))
    assert visitor.page.locator("#pad .picture").is_visible()
    seen = visitor.page.locator("#details .seen")
    assert seen.evaluate("image => image.naturalHeight") >= 40
    assert "plain paper, dark ink" in visitor.page.locator("#details .notes").inner_text()
    visitor.screenshot("picture")


def two_formulas() -> bytes:
    """A PNG with two of the examples, one below the other."""
    upper, lower = (Image.open(EXAMPLES / f"{name}.png").convert("L") for name in ("mean", "power"))
    page = Image.new("L", (max(upper.width, lower.width), upper.height + lower.height + 60), 255)
    page.paste(upper, (0, 0))
    page.paste(lower, (0, upper.height + 60))
    content = io.BytesIO()
    page.save(content, "PNG")
    return content.getvalue()


def test_each_of_several_formulas_is_read_and_numbered(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("button", name="Several formulas in one picture").click()
    page.locator("#regions").click()
    sync_api.expect(page.locator("#listed")).to_contain_text("Draw something")
    visitor.give(two_formulas())
    page.locator("#pad .picture").wait_for(state="visible")
    page.locator("#regions").click()
    sync_api.expect(page.locator("#listed .katex-display")).to_have_count(2, timeout=ANSWER)
    codes = [one.inner_text().strip() for one in page.locator("#listed code").all()]
    assert codes == [truth("mean"), truth("power")]
    image = page.locator("#numbered img")
    image.wait_for(state="visible")
    assert image.evaluate("image => image.naturalHeight") > 100
    assert visitor.violations() == []
    visitor.screenshot("regions")


def test_a_picture_is_turned_and_cropped(visitor: Visitor) -> None:
    content = sideways_pair(EXAMPLES / "power.png")
    visitor.give(content)
    visitor.tool("turn").click()
    visitor.tool("lasso").click()
    visitor.frame_upper_half()
    visitor.tool("crop").click()
    visitor.expect(truth("power"))


def test_the_selection_begins_with_what_was_read(visitor: Visitor) -> None:
    with Image.open(EXAMPLES / "power.png") as drawn:
        formula = drawn.convert("L")
    sheet = Image.new("L", (3 * formula.width, 5 * formula.height), 255)
    sheet.paste(formula, (2 * formula.width, formula.height))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    visitor.give(content.getvalue())
    visitor.expect(truth("power"))
    visitor.tool("lasso").click()
    visitor.screenshot("found")
    visitor.tool("crop").click()
    image = visitor.page.locator("#details .marked img")
    sync_api.expect(image).not_to_have_js_property("naturalWidth", sheet.width, timeout=ANSWER)
    assert image.evaluate("image => image.naturalWidth") < 1.3 * formula.width
    visitor.expect(truth("power"))


def test_pages_of_a_pdf_are_shown_and_read_one_by_one(visitor: Visitor, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="needs the extra pdf")
    names = ("mean", "power")
    pages = [Image.open(EXAMPLES / f"{name}.png").convert("L") for name in names]
    path = tmp_path / "pages.pdf"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    visitor.page.locator("#pad input[type=file]").set_input_files(path)
    visitor.expect(truth("mean"))
    shown = visitor.page.locator("#pad .pages span")
    sync_api.expect(shown).to_have_text("Page 1 of 2")
    assert visitor.tool("page-before").is_disabled()
    assert visitor.violations() == []
    visitor.tool("page-after").click()
    visitor.expect(truth("power"))
    sync_api.expect(shown).to_have_text("Page 2 of 2")
    visitor.screenshot("pages")
    visitor.tool("undo").click()
    visitor.expect(truth("mean"))
    visitor.tool("turn").click()
    sync_api.expect(shown).to_be_hidden()


def test_ink_is_kept_in_a_file_and_taken_from_one(visitor: Visitor, tmp_path: Path) -> None:
    visitor.draw("circle")
    visitor.expect(truth("circle"))
    with visitor.page.expect_download() as download:
        visitor.tool("save").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert read_inkml(path).truth == f"${truth('circle')}$"
    visitor.tool("clear").click()
    visitor.expect("")
    visitor.page.locator("#pad input[type=file]").set_input_files(path)
    visitor.expect(truth("circle"))


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped(visitor: Visitor, way: str) -> None:
    content = base64.b64encode((EXAMPLES / "power.png").read_bytes()).decode()
    visitor.page.evaluate(
        """([content, way]) => {
          const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], "a.png", { type: "image/png" }));
          if (way === "paste")
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
          else
            document.querySelector("#pad .surface").dispatchEvent(
              new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [content, way],
    )
    visitor.expect(truth("power"))


def test_a_photo_is_taken(visitor: Visitor) -> None:
    """Of the browser's test picture, in which there may be anything: it is shown and answered."""
    visitor.tool("camera").click()
    visitor.page.wait_for_function("document.querySelector('#pad video').videoWidth > 0")
    visitor.tool("shoot").click()
    visitor.page.wait_for_selector("#pad .picture:not([hidden])")
    assert visitor.page.locator("#pad .live").is_hidden()
    sync_api.expect(visitor.page.locator("#verdict")).not_to_contain_text("The answer appears here")


def test_an_example_is_chosen_with_the_keyboard(visitor: Visitor) -> None:
    button = visitor.page.get_by_role("button", name="Example: Integral limit")
    button.focus()
    visitor.page.keyboard.press("Enter")
    visitor.expect(r"\int g=\lim\limits_{n\rightarrow\infty}\int g_{n}")
    visitor.page.get_by_role("button", name="Example: Euler").click()
    visitor.expect(truth("euler"))


def test_alternatives_are_rendered_and_taken_by_one_click(visitor: Visitor) -> None:
    visitor.draw("euler")
    visitor.expect(truth("euler"))
    first = visitor.page.locator("#alternative-1")
    first.wait_for(state="visible")
    assert visitor.page.locator("#alternatives .katex").count() >= 5
    visitor.screenshot("alternatives")
    first.click()
    sync_api.expect(visitor.page.locator("#latex textarea")).not_to_have_value(truth("euler"))
    assert visitor.latex != ""
    picture = visitor.page.locator("#details .marked img")
    assert picture.evaluate("image => image.naturalWidth") > 0  # it is still there
    first.click()  # what stood before is the first alternative now
    visitor.expect(truth("euler"))


def test_new_ink_takes_the_place_of_old_alternatives(visitor: Visitor) -> None:
    visitor.draw("mean")
    visitor.expect(truth("mean"))
    visitor.page.wait_for_timeout(700)  # the search for alternatives has just begun
    visitor.tool("clear").click()
    visitor.draw("root")
    visitor.expect(truth("root"))
    visitor.page.locator("#alternative-1").wait_for(state="visible")
    visitor.page.wait_for_timeout(500)
    visitor.expect(truth("root"))
    formulas = visitor.page.locator("#alternatives annotation").all_text_contents()
    assert all("frac" not in one for one in formulas)


def test_latex_can_be_edited(visitor: Visitor) -> None:
    page = visitor.page
    visitor.draw("power")
    visitor.expect("(a+b)^{2}")
    page.locator("#latex textarea").clear()
    page.locator("#latex textarea").press_sequentially(r"\frac{7}{")  # as a keyboard does
    visitor.expect_verdict("is a brace open?")
    page.locator("#latex textarea").press_sequentially("9}")
    visitor.expect_verdict("Edited by hand")
    sync_api.expect(page.locator("#answer .katex .mfrac")).to_contain_text("7", timeout=ANSWER)
    page.get_by_role("button", name="MathML").click()
    sync_api.expect(page.locator("#mathml textarea")).to_have_value(
        re.compile("<mfrac>.*<mn>7</mn>"), timeout=ANSWER
    )
    page.get_by_role("button", name="MathML").click()
    for power in (3, 2):
        page.evaluate(f"navigator.clipboard.writeText('(a+b)^{{{power}}}')")
        page.locator("#latex textarea").press("Control+a")
        page.locator("#latex textarea").press("Control+v")
        sync_api.expect(page.locator("#answer .katex")).to_contain_text(str(power), timeout=ANSWER)
    visitor.expect_verdict(" %")  # it is what was read


def test_latex_and_mathml_are_copied_as_wished(visitor: Visitor) -> None:
    page = visitor.page
    visitor.draw("power")
    visitor.expect("(a+b)^{2}")
    page.get_by_label("Spaced").check()
    visitor.expect("( a + b ) ^ { 2 }")
    page.locator("#wrapping input").click()
    page.get_by_role("option", name=re.compile("equation")).click()
    visitor.expect(r"\begin{equation}( a + b ) ^ { 2 }\end{equation}")
    page.locator("#latex button").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == visitor.latex
    page.get_by_label("Compact").check()
    page.locator("#wrapping input").click()
    page.get_by_role("option", name="Formula alone").click()
    visitor.expect("(a+b)^{2}")
    page.get_by_role("button", name="MathML").click()
    page.locator("#mathml button").first.click()
    assert "<msup>" in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="MathML").click()


def test_a_token_shows_its_box(visitor: Visitor) -> None:
    visitor.draw("circle")
    visitor.expect(truth("circle"))
    page = visitor.page
    chips = page.locator("#details .tokens button")
    assert chips.all_text_contents() == ["x", "^", "2", "+", "y", "^", "2", "=", "1"]
    assert page.locator("#details rect").count() == 7
    chips.nth(0).focus()
    marked = page.locator("#details rect.marked-now")
    assert marked.count() == 1
    ours, image = marked.bounding_box(), page.locator("#details .marked img").bounding_box()
    assert ours["x"] < image["x"] + image["width"] * 0.25  # the x stands first


def test_a_symbol_is_put_right_with_two_clicks(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Example: Integral limit").click()
    read = r"\int g=\lim\limits_{n\rightarrow\infty}\int g_{n}"
    visitor.expect(read)
    page = visitor.page
    chip, choices = (
        page.locator("#details .tokens button").nth(1),
        page.locator("#details .choices"),
    )
    assert chip.text_content() == "g"
    chip.click()
    sync_api.expect(choices).to_be_visible()
    assert choices.get_attribute("aria-label") == "Instead of g"
    offered = choices.get_by_role("button")
    other = str(offered.first.text_content()).split()[0]
    assert offered.count() == 6
    assert other not in ("g", "")
    visitor.screenshot("candidates")
    page.keyboard.press("Escape")
    sync_api.expect(choices).to_be_hidden()
    # In the picture, and with the keyboard from there on: the focus is on the first candidate.
    page.locator("#details rect").nth(1).click()
    page.keyboard.press("Enter")
    visitor.expect(read.replace("g", other, 1))
    assert "locked" in str(chip.get_attribute("class"))
    page.locator("#details .undo").click()
    visitor.expect(read)


def test_the_accurate_search_answers_too(visitor: Visitor) -> None:
    visitor.page.get_by_label("Accurate").check()
    visitor.draw("power")
    visitor.expect(truth("power"))
    visitor.page.get_by_label("Fast", exact=True).check()
    visitor.expect(truth("power"))


def large_png() -> bytes:
    """A small file whose header tells of 30,000 x 30,000 pixels."""
    file = io.BytesIO()
    Image.new("1", (8, 8)).save(file, "PNG")
    content = bytearray(file.getvalue())
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"These are notes.", "not a picture"),
        (large_png, "million pixels"),
        (lambda: (EXAMPLES / "mean.png").read_bytes()[:300], "damaged"),
        (lambda: b"%PDF-1.7 and nothing more", "not a picture"),
    ],
    ids=["text", "large", "damaged", "pdf"],
)
def test_what_cannot_be_opened_is_said_beside_the_pad(
    visitor: Visitor, content: Any, message: str
) -> None:
    visitor.draw("power")
    visitor.expect(truth("power"))
    visitor.give(content())
    sync_api.expect(visitor.page.locator("#pad .notice")).to_contain_text(message)
    assert visitor.latex == truth("power")  # what was there stays
    # The browser complains of the answer's status.
    assert all("422" in one for one in visitor.complaints)
    visitor.complaints.clear()


def test_a_blank_picture_gets_a_readable_answer(visitor: Visitor) -> None:
    file = io.BytesIO()
    Image.new("L", (200, 100), 255).save(file, "PNG")
    visitor.give(file.getvalue())
    visitor.expect_verdict("blank")


def test_a_file_that_is_too_large_is_not_even_sent(visitor: Visitor) -> None:
    visitor.give(b"\0" * (11 * 2**20))
    notice = visitor.page.get_by_role("alert").filter(has_text="at most 10 MB")
    notice.wait_for(state="visible")
    visitor.draw("mean")  # nothing was lost: the pad works
    visitor.expect(truth("mean"))


def test_light_and_dark(browser: Any, url: str) -> None:
    visitor = Visitor(browser, url, color_scheme="light")
    page = visitor.page
    colour = "getComputedStyle(document.querySelector('#pad .surface')).color"
    light = page.evaluate(colour)
    page.locator("#theme").click()
    page.wait_for_function(f"{colour} !== '{light}'")
    visitor.draw("circle")
    visitor.expect(truth("circle"))
    visitor.screenshot("dark")
    # The ink can be seen: the lightest pixel of the canvas is light.
    lightest = page.evaluate(
        """() => { const canvas = document.querySelector('#pad canvas');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return data.reduce((most, one, i) => (i % 4 < 3 ? Math.max(most, one) : most), 0); }"""
    )
    assert lightest > 180
    visitor.close()


def test_on_a_phone_with_a_finger(browser: Any, url: str) -> None:
    size = {"width": 375, "height": 740}
    visitor = Visitor(browser, url, viewport=size, has_touch=True, is_mobile=True)
    page = visitor.page
    fingers = visitor.context.new_cdp_session(page)
    page.locator("#pad canvas").scroll_into_view_if_needed()
    for trace in visitor.traces("circle"):
        for kind, points in [("touchStart", trace[:1]), *(("touchMove", [p]) for p in trace[1:])]:
            touches = [{"x": x, "y": y} for x, y in points]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    visitor.expect(truth("circle"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    answer, examples = page.locator("#answer"), page.locator("#examples")
    assert answer.bounding_box()["y"] < examples.bounding_box()["y"]
    for button in page.locator("#pad .tools button").all():
        assert button.get_attribute("aria-label")
        assert button.bounding_box()["height"] >= 40
    page.locator("#alternative-1").wait_for(state="visible")
    visitor.screenshot("phone")
    visitor.close()


def test_symbols_can_be_chosen(visitor: Visitor) -> None:
    visitor.draw("circle")
    visitor.expect(truth("circle"))
    choice = visitor.page.locator("#alphabet")
    for name in ("School", "CROHME", "All"):
        choice.get_by_label(name, exact=True).check()
        visitor.page.wait_for_timeout(300)
        visitor.expect(truth("circle"))


def test_unknown_marks_have_a_colour_and_a_sign(browser: Any) -> None:
    """The panel by itself, for the shipped weights find no unknown mark."""
    front = ROOT / "spaces_app/front"
    markup, script, style = (
        (front / name).read_text() for name in ("details.html", "details.js", "style.css")
    )
    size = {"width": 300, "height": 100, "seen": "", "notes": [], "picture": ""}
    tokens = [
        {
            "text": text,
            "score": 0.6,
            "doubtful": True,
            "unknown": text == "?",
            "box": box,
            "locked": False,
            "candidates": [],
        }
        for text, box in (("x", [10, 20, 60, 80]), ("+", None), ("?", [120, 10, 220, 90]))
    ]
    page = browser.new_page()
    page.set_content(f"<style>{style}</style><div id=panel>{markup}</div>")
    page.evaluate(
        "([script, value]) => new Function('element', 'props', 'watch', script)("
        "document.getElementById('panel'), {value}, () => {})",
        [script, {**size, "tokens": tokens}],
    )
    chips, boxes = page.locator(".tokens button"), page.locator("rect")
    assert chips.all_inner_texts() == ["x", "+", "?"]
    assert [chip.get_attribute("class") for chip in chips.all()] == ["doubtful"] * 2 + ["unknown"]
    assert [box.get_attribute("class") for box in boxes.all()] == ["doubtful", "unknown"]
    assert chips.last.get_attribute("aria-label") == "Unknown mark, 60 % sure"
    assert page.locator(".legend").is_visible()
    colours = {
        one: page.locator(f"rect.{one}").evaluate("node => getComputedStyle(node).stroke")
        for one in ("doubtful", "unknown")
    }
    assert colours["unknown"] == "rgb(192, 38, 211)" != colours["doubtful"]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "unknown-marks.png")
    page.close()


def call(url: str, endpoint: str, data: list[Any]) -> tuple[str, Any]:
    """What curl does: the last event of a call and its content."""
    request = urllib.request.Request(
        f"{url}/gradio_api/call/{endpoint}",
        json.dumps({"data": data}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        number = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{url}/gradio_api/call/{endpoint}/{number}", timeout=60) as answer:
        events = re.findall(r"event: (\w+)\ndata: (.*)\n", answer.read().decode())
    kind, content = events[-1]
    return kind, json.loads(content)


def status(url: str, content: bytes | None = None) -> tuple[int, str]:
    """The status and the text of what a server answers to a request."""
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def test_programs_call_it_over_plain_http(url: str) -> None:
    picture = base64.b64encode((EXAMPLES / "mean.png").read_bytes()).decode()
    kind, (answer,) = call(url, "recognize", [picture, "fast", 2])
    assert kind == "complete"
    assert answer["latex"] == truth("mean")
    assert 0 < answer["score"] <= 1
    assert len(answer["alternatives"]) == 2
    assert [one["token"] for one in answer["symbols"]] == [r"\frac", "a", "+", "b", "2"]
    assert all(len(one["box"]) == 4 for one in answer["symbols"])
    assert all(isinstance(side, float) for one in answer["symbols"] for side in one["box"])


def test_programs_get_each_of_several_formulas(url: str) -> None:
    picture = base64.b64encode(two_formulas()).decode()
    kind, (answer,) = call(url, "recognize_regions", [picture, "fast"])
    assert kind == "complete"
    assert [one["latex"] for one in answer] == [truth("mean"), truth("power")]
    assert answer[0]["box"][3] < answer[1]["box"][1]


def test_programs_call_it_with_the_client(url: str) -> None:
    client = pytest.importorskip("gradio_client").Client(url, verbose=False)
    traces = [trace.tolist() for trace in read_inkml(EXAMPLES / "circle.inkml").traces]
    answer = client.predict(traces, "accurate", 0, api_name="/recognize_ink")
    assert answer["latex"] == truth("circle")
    described = client.view_api(return_format="dict")["named_endpoints"]
    assert set(described) == ENDPOINTS


@pytest.mark.parametrize(
    ("endpoint", "data", "message"),
    [
        ("recognize", ["bm90ZXM=", "fast", 0], "not a picture"),
        ("recognize", ["/etc/passwd", "fast", 0], "not a picture|base64"),
        ("recognize", [{"path": "/etc/passwd"}, "fast", 0], "must be text"),
        ("recognize_ink", [[[[0, 0], [9, 9]]], "<script>", 0], "no preset"),
        ("recognize_ink", [[[[0, 0], [9, 9]]], "fast", 99], "from 0 to 5"),
        ("recognize_ink", [[[["x"]]], "fast", 0], "finite number"),
        ("recognize_ink", [[], "fast", 0], "nothing was drawn"),
        ("recognize_regions", ["bm90ZXM=", "fast"], "not a picture"),
    ],
)
def test_programs_are_told_what_is_wrong(
    url: str, endpoint: str, data: list[Any], message: str
) -> None:
    kind, content = call(url, endpoint, data)
    assert kind == "error"
    assert re.search(message, str(content))


def test_attacks_are_refused(url: str) -> None:
    code, text = status(f"{url}/gradio_api/call/recognize", b"0" * (50 * 2**20))
    assert (code, "10 MB" in text) == (413, True)
    code, text = status(f"{url}/?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert (code, "script>" in text) == (400, False)
    code, _ = status(f"{url}/gradio_api/upload", b"any")
    assert code == 403
    for path in ("/etc/passwd", "spaces_app/app.py", str(ROOT / "setup.cfg")):
        code, text = status(f"{url}/gradio_api/file={path}")
        assert code in (403, 404), path
        assert "root:" not in text
    file = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    kind, content = call(url, "recognize", [file, "fast", 0])
    assert kind == "error"
    assert "root:" not in str(content)


def test_what_only_the_page_may_call_is_closed_to_programs(url: str) -> None:
    _, text = status(f"{url}/gradio_api/info")
    assert set(json.loads(text)["named_endpoints"]) == ENDPOINTS
