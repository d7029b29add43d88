"""Everything that a recognizer accepts as a picture, brought to the model's form."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .ink import Ink
from .inkml import read_inkml
from .render import render

if TYPE_CHECKING:
    from inktex.modeling.placing_inktex import PlacedPicture

__all__ = ["as_picture", "check_several", "prepare", "strokes_to_ink"]


def prepare(picture: Any, image_processor: Any) -> PlacedPicture:
    """The model's picture of any input of `Recognizer`: all that can be done without the model.

    Raises:
        ValueError: if it cannot be read as a picture.
        NoFormulaError: a `ValueError`, if nothing in it could be a formula.
        OSError: if the file cannot be opened.
    """
    from inktex.modeling.placing_inktex import PlacedPicture

    if isinstance(picture, PlacedPicture):
        return picture
    return image_processor.place(as_picture(picture))


def as_picture(source: Any) -> Any:
    """Ink, strokes, and files that hold ink, as a picture; everything else unchanged.

    Raises:
        ValueError: if the ink cannot be read.
    """
    from PIL import Image

    from inktex.modeling.pictures_inktex import download, is_url

    if isinstance(source, list | tuple):
        source = strokes_to_ink(source)
    if isinstance(source, bytearray | memoryview):
        source = bytes(source)
    if isinstance(source, bytes) and source[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        source = read_inkml(io.BytesIO(source))
    elif isinstance(source, str | Path) and str(source).lower().endswith(".inkml"):
        is_remote = isinstance(source, str) and is_url(source)
        source = read_inkml(io.BytesIO(download(str(source))) if is_remote else Path(source))
    if isinstance(source, Ink):
        return Image.fromarray(render(source.traces))
    return str(source) if isinstance(source, Path) else source


def strokes_to_ink(strokes: Sequence[Any]) -> Ink:
    """Ink of pen strokes: each an array or a list of points (x, y), y downwards, in any unit.

    Raises:
        ValueError: if it is not that, or there is no point.
    """
    try:
        traces = [np.asarray(stroke, dtype=np.float32) for stroke in strokes]
    except (TypeError, ValueError):
        traces = []
    filled = [trace for trace in traces if trace.size]
    if not filled or not all(
        trace.ndim == 2 and trace.shape[1] == 2 and np.isfinite(trace).all() for trace in filled
    ):
        raise ValueError(
            "A list is taken for pen strokes: give a list of strokes, each a list of points (x, y) "
            "of finite numbers. Several pictures are read by `read` and `read_each`."
        )
    return Ink(filled)


def check_several(pictures: Any) -> None:
    """Refuse a single picture where several are expected.

    Iterating over a path would give its letters, over an array its rows.

    Raises:
        TypeError: if it is one picture; the message says what to call for one.
    """
    from PIL import Image

    is_text = isinstance(pictures, str | bytes | bytearray | memoryview)
    is_flat_array = getattr(pictures, "ndim", None) == 2
    if is_text or is_flat_array or isinstance(pictures, Path | Ink | Image.Image):
        raise TypeError(
            "This is a single picture. `read` and `read_each` take a list of them; for one, call "
            "the recognizer itself: recognizer(picture)."
        )
