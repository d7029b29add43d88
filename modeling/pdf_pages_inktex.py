"""Pages of PDF files, which Pillow opens as the frames of one picture; pypdfium2 draws them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image, ImageFile

try:
    import pypdfium2
except ImportError:
    pypdfium2 = None

DPI = 200
"""Pixels an inch; symbols of ten points are then about as tall as the model wants them."""
MAX_SIDE = 4000
"""Pixels; larger pages are drawn more coarsely."""
_POINTS = 72
"""An inch."""
_LOCK = threading.Lock()
"""PDFium allows no call while another one runs, not even on another document."""


class PdfImageFile(ImageFile.ImageFile):
    """A PDF file: each page is a frame, drawn when it is loaded."""

    format = "PDF"
    format_description = "pages of a PDF file"

    def _open(self) -> None:
        file: Any = self.fp
        self._content = file.read()
        with _opened(self._content) as document:
            self.n_frames = len(document)
        if not self.n_frames:
            raise ValueError("this PDF file has no page")
        self.is_animated = self.n_frames > 1
        self._mode = "RGB"
        self._frame = -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Goes to a page, counted from 0; raises EOFError if there is none such."""
        if not self._seek_check(frame):
            return
        self._frame = frame
        with _opened(self._content) as document:
            width, height = document[frame].get_size()
        self._scale = min(DPI / _POINTS, MAX_SIDE / max(width, height))
        self._size = tuple(max(round(side * self._scale), 1) for side in (width, height))
        self._drawn = False

    def tell(self) -> int:
        """Returns the number of the page, counted from 0."""
        return self._frame

    def load(self) -> Any:
        """Draws the page, unless that is done."""
        if not self._drawn:
            with _opened(self._content) as document:
                page = document[self._frame].render(scale=self._scale).to_pil().convert("RGB")
            self._size = page.size
            self.im = page.im
            self._drawn = True
        self.tile = []
        return super().load()


@contextmanager
def _opened(content: bytes) -> Iterator[Any]:
    with _LOCK:
        document = pypdfium2.PdfDocument(content)
        try:
            yield document
        finally:
            document.close()


def register_pdf_opener() -> None:
    """Registers the format with Pillow, if pypdfium2 is there."""
    if pypdfium2 is None:
        return
    Image.register_open(PdfImageFile.format, PdfImageFile, lambda head: head[:5] == b"%PDF-")
    Image.register_mime(PdfImageFile.format, "application/pdf")


__all__ = ["PdfImageFile", "register_pdf_opener"]
