"""A visitor of pages in a real browser, for the tests of the Space and of the page."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from browser_tools import packages

CHROMIUM = os.environ.get("INKTEX_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""The browser to test with; None if there is none."""
SCREENSHOTS = Path(__file__).resolve().parent.parent / "build/screenshots"


class PageVisitor:
    """A visitor of a page; nothing may be asked of another host, nothing may go wrong.

    Args:
        browser: of Playwright.
        url: of the page.
        timeout: milliseconds that anything may take.
        permissions: that the page has beside the clipboard.
        options: of the browser's context.
    """

    complaint_types: ClassVar[frozenset[str]] = frozenset({"error"})
    """Types of messages on the console that are faults."""

    def __init__(
        self, browser: Any, url: str, timeout: int, *permissions: str, **options: Any
    ) -> None:
        self.context = browser.new_context(
            permissions=["clipboard-read", "clipboard-write", *permissions], **options
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(timeout)
        self.url = url
        self.complaints: list[str] = []
        self.context.on("request", self._watch)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)

    def _watch(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"asked {request.url}")

    def _listen(self, message: Any) -> None:
        if message.type in self.complaint_types:
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    def violations(self) -> list[tuple[str, list[str]]]:
        """What axe-core finds in the page: rules, and the elements that break them."""
        # The page may allow no script of another kind than its own.
        session = self.context.new_cdp_session(self.page)
        session.send("Page.setBypassCSP", {"enabled": True})
        axe = packages() / "node_modules/axe-core/axe.min.js"
        self.page.evaluate(f"() => {{ {axe.read_text(encoding='utf-8')} }}")
        found = self.page.evaluate("async () => (await window.axe.run()).violations")
        return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []

    def screenshot(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def sideways_pair(path: Path) -> bytes:
    """A picture of a formula twice, one under the other, on its side."""
    with Image.open(path) as drawn:
        formula = drawn.convert("L")
    sheet = Image.new("L", (formula.width, 3 * formula.height), 255)
    sheet.paste(formula, (0, 0))
    sheet.paste(formula, (0, 2 * formula.height))
    file = io.BytesIO()
    sheet.rotate(90, expand=True).save(file, "PNG")
    return file.getvalue()


class PadVisitor(PageVisitor):
    """A visitor of a page with a drawing pad."""

    def stroke(self, points: Sequence[Sequence[float]]) -> None:
        """Draw a line with the mouse, through points of the window."""
        mouse = self.page.mouse
        mouse.move(*points[0])
        mouse.down()
        for point in points[1:]:
            mouse.move(*point)
        mouse.up()

    def lasso(self, traces: Sequence[Sequence[Sequence[float]]]) -> None:
        """Draw a loop around traces."""
        points = np.concatenate([np.asarray(trace) for trace in traces])
        (left, top), (right, bottom) = points.min(axis=0) - 6, points.max(axis=0) + 6
        self.stroke([(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 2)])

    def frame_upper_half(self) -> None:
        """Draw what frames the upper half of a picture, where the tool selects."""
        area = self.page.locator("#pad canvas").bounding_box()
        left, top = area["x"] + 5, area["y"] + 5
        right, bottom = area["x"] + area["width"] - 5, area["y"] + area["height"] / 2
        self.stroke([(left, top), (right, top), (right, bottom)])

    def scribble(self, trace: Sequence[Sequence[float]]) -> None:
        """Scratch a trace out."""
        points = np.asarray(trace)
        (left, top), (right, bottom) = points.min(axis=0) - 6, points.max(axis=0) + 6
        height = (bottom - top) / 5
        self.stroke([(right if i % 2 else left, top + height * i) for i in range(6)])
