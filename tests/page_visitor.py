"""A visitor of pages in a real browser, for the tests of the Space and of the page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

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

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []

    def screenshot(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
