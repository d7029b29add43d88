"""Everything that a recognizer accepts as a picture, brought to the model's form."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .ink import Ink
from .ink.inkml import read_inkml
from .ink.render import MEAN_TRACE_HEIGHT, placement, published_scale, render
from .modeling.image_loading_inktex import NoFormulaError

if TYPE_CHECKING:
    from inktex.modeling.image_settings_inktex import ImageSettings
    from inktex.modeling.normalized_picture_inktex import NormalizedPicture

MAX_STROKES: Final = 500
MAX_POINTS: Final = 50_000
"""Of ink that strangers send to a server or to the Space."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture as the model reads it, and what it takes for a second look at it.

    Attributes:
        placed: the model's picture, or why there is none.
        source: what it was made of; None for what needs no second look, as ink.
    """

    placed: NormalizedPicture | NoFormulaError
    source: Any = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the model's picture."""
        if isinstance(self.placed, NoFormulaError):
            return 1, 1
        height, width = self.placed.picture.shape
        return height, width


def prepare_with_source(picture: Any, image_processor: Any) -> Prepared:
    """The model's picture of any input of `Recognizer`, with its source; see `prepare`.

    Raises:
        ValueError: if it cannot be read as a picture.
        OSError: if the file cannot be opened.
    """
    if isinstance(picture, Prepared):
        return picture
    try:
        placed = prepare(picture, image_processor)
    except NoFormulaError as error:
        return Prepared(error, picture)
    return Prepared(placed, None if placed is picture or placed.is_published else picture)


def prepare(picture: Any, image_processor: Any) -> NormalizedPicture:
    """The model's picture of any input of `Recognizer`: all that can be done without the model.

    Raises:
        ValueError: if it cannot be read as a picture.
        NoFormulaError: a `ValueError`, if nothing in it could be a formula.
        OSError: if the file cannot be opened.
    """
    from inktex.modeling.normalized_picture_inktex import NormalizedPicture

    if isinstance(picture, NormalizedPicture):
        return picture
    source = as_ink(picture)
    if isinstance(source, Ink):
        return _draw_ink(source, image_processor.settings)
    return image_processor.normalize_picture(source)


def prepare_regions(picture: Any, image_processor: Any) -> list[NormalizedPicture]:
    """The model's picture of each formula in a picture or ink, in reading order; see `prepare`."""
    from .regions import split, split_ink

    source = as_ink(picture)
    if isinstance(source, Ink):
        settings = image_processor.settings
        return [_draw_ink(Ink(traces), settings) for traces in split_ink(source.traces)]
    regions: list[NormalizedPicture] = image_processor.normalize_regions(source, split)
    return regions


def _draw_ink(ink: Ink, settings: ImageSettings) -> NormalizedPicture:
    """Ink as the published protocol draws it, at the model's size; nothing in it is guessed at.

    Places in it are told in the ink's units.
    """
    from inktex.modeling.normalization_inktex import from_published

    scale = published_scale(ink.traces) * (settings.symbol_height / MEAN_TRACE_HEIGHT)
    drawn = from_published(render(ink.traces, scale, settings.stroke_width), settings)
    across, down = drawn.scale
    _, shift = placement(ink.traces, scale)
    left, top = ((np.array(drawn.origin) - shift) / scale).tolist()
    return replace(drawn, scale=(across * scale, down * scale), origin=(left, top))


def as_picture(source: Any) -> Any:
    """Ink, strokes, and files that hold ink, as a picture; everything else unchanged.

    Raises:
        ValueError: if the ink cannot be read.
    """
    from PIL import Image

    source = as_ink(source)
    return Image.fromarray(render(source.traces)) if isinstance(source, Ink) else source


def as_ink(source: Any) -> Any:
    """Strokes, and files that hold ink, as `Ink`; everything else unchanged.

    Raises:
        ValueError: if the ink cannot be read.
    """
    from inktex.modeling.image_loading_inktex import download, is_url

    if isinstance(source, list | tuple):
        return strokes_to_ink(source)
    if isinstance(source, bytearray | memoryview):
        source = bytes(source)
    if isinstance(source, bytes) and source[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return read_inkml(io.BytesIO(source))
    if isinstance(source, str | Path) and str(source).lower().endswith(".inkml"):
        is_remote = isinstance(source, str) and is_url(source)
        return read_inkml(io.BytesIO(download(str(source))) if is_remote else Path(source))
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
