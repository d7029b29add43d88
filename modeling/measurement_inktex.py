"""Measurement of the ink in a picture: what normalization decides by."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .binarization_inktex import MIN_CONTRAST, grow, paper_level, separate_ink
from .deskew_inktex import rotate, skew_angle
from .image_loading_inktex import NoFormulaError
from .image_settings_inktex import ImageSettings
from .ink_extraction_inktex import InkExtraction
from .rejection_inktex import reject_non_formula
from .stroke_restoration_inktex import StrokeRestoration, restroke
from .stroke_width_inktex import (
    EIGHT,
    EXACTLY,
    FAINTEST,
    SQUARE_PEN,
    THINNEST,
    ink_box,
    square_coverage,
    square_pen_width,
    stroke_widths,
    subpixel_stroke_width,
    width_quantile,
)

Grey = NDArray[np.float32]
Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

WORKING_PIXELS = 2_000_000
"""Larger pictures are reduced before anything is measured in them."""
FRINGE = 2
"""Pixels around the ink that are faint, but show where its edge lies between two pixels."""
_MAX_WIDE_PEN = 3
"""Widths of the published pen up to which another pen may have drawn at the published size."""
_STRAY = 0.01
"""Share of the ink that may have levels between black and white in a drawing of two levels."""
_MAX_WIDER_COVERAGE = 0.45
"""Share of the ink that a pen wider by a pixel covers, at most, as where strokes cross; pictures by
the protocol have up to 0.40, and 0.49 and more where they were enlarged by a fifth."""


@dataclass(frozen=True, slots=True)
class UprightInk:
    """The ink of a picture, deskewed.

    Attributes:
        ink: `(h, w)` float32, 1 on paper 0.
        is_plain: see `SeparatedInk`.
        reasons: what was found and done so far, in words.
        skew_angle: degrees by which the ink was rotated counterclockwise.
        zoom: pixels of the ink for each pixel of the given picture.
        offset: x and y of its left upper corner, in pixels of the given picture.
        is_by_network: whether a network found it; then nothing is rejected.
    """

    ink: Ink
    is_plain: bool
    reasons: tuple[str, ...]
    skew_angle: float
    zoom: float
    offset: tuple[float, float]
    is_by_network: bool = False


class MeasuredInk:
    """Ink, deskewed and cropped, and its measures; costly ones are computed when they are needed.

    Args:
        found: the ink.
        settings: of the model.
        restoration: see `restroke`.

    Attributes:
        is_plain, reasons, skew_angle, zoom, offset: of the ink that was found.
        box: rows and columns of the given ink that have strokes.
        strokes: `(h, w)`, cropped to that box.
        fringed: `(h + 2 * FRINGE, w + 2 * FRINGE)`, the ink in and around that box.
        stroke_width: in pixels.
        thinnest_width: the same, nearer to the pen's width where strokes merge.
        symbol_height: see there.
    """

    def __init__(
        self,
        found: UprightInk,
        settings: ImageSettings,
        restoration: StrokeRestoration | None = None,
    ) -> None:
        ink, self.is_plain, self.settings = found.ink, found.is_plain, settings
        self.restoration = restoration
        self.reasons, self.skew_angle = found.reasons, found.skew_angle
        self.zoom, self.offset = found.zoom, found.offset
        strokes = ink > 0.5
        widths = stroke_widths(strokes)
        width = width_quantile(widths, 0.5)
        if width < 2:  # lines of a pixel, smoothed, break where they lie between two pixels
            strokes = grow(strokes, ink > 0.25)
            widths = stroke_widths(strokes)
            width = width_quantile(widths, 0.5)
        self.box = ink_box(strokes)
        rows, columns = (slice(side.start, side.stop + 2 * FRINGE) for side in self.box)
        self.fringed = np.pad(ink, FRINGE)[rows, columns]
        self.strokes = strokes[self.box]
        self.thinnest_width = width_quantile(widths, THINNEST)
        # Above the range, it is a wide pen, or narrow strokes that merge.
        self.stroke_width = self.thinnest_width if width > settings.stroke_range[1] else width
        self.labels, _ = ndimage.label(self.strokes, EIGHT)
        self.symbol_height = symbol_height(self.labels, self.stroke_width)

    @property
    def size(self) -> int:
        """Pixels in the box around the strokes."""
        return self.strokes.size

    @property
    def fringed_size(self) -> int:
        """Pixels in the box around the strokes and their fringe."""
        return self.fringed.size

    @cached_property
    def wide_pen(self) -> int | None:
        """Pixels; None unless a square pen wider than the published one drew all ink exactly."""
        published = self.settings.stroke_width
        if not self.is_plain:
            return None
        pen = square_pen_width(self.strokes, self.stroke_width)
        if not published < pen <= _MAX_WIDE_PEN * published:
            return None
        inner = self.fringed[FRINGE:-FRINGE, FRINGE:-FRINGE]
        if not (has_two_levels(inner) and square_coverage(self.strokes, pen) >= EXACTLY):
            return None
        # The published pen's drawing may have had its pixels repeated.
        return None if pen % published == 0 and self._is_repeated(pen // published) else pen

    def _is_repeated(self, times: int) -> bool:
        """Whether each pixel was repeated so many times, across and down, to enlarge a drawing."""
        strokes = self.strokes
        each = strokes[::times, ::times].repeat(times, axis=0).repeat(times, axis=1)
        return each.shape == strokes.shape and bool((each == strokes).all())

    @cached_property
    def restroked(self) -> Ink:
        """The ink of `wide_pen`, redrawn as wide as published."""
        assert self.wide_pen is not None
        return restroke(self.strokes, self.wide_pen, self.settings.stroke_width, self.restoration)

    @cached_property
    def restroked_height(self) -> float:
        """Symbol height in `restroked`, where symbols that the wide pen joined are separate."""
        labels, _ = ndimage.label(self.restroked > 0.5, EIGHT)
        return symbol_height(labels, self.settings.stroke_width)

    @cached_property
    def has_published_pen(self) -> bool:
        """Whether a square pen of the published width drew the ink."""
        pen = self.settings.stroke_width
        if self.square_coverage(pen + 1) > _MAX_WIDER_COVERAGE:
            return False
        return self.square_coverage(pen) >= SQUARE_PEN

    def square_coverage(self, size: int) -> float:
        """Share of the ink that squares of `size` pixels cover without leaving it."""
        return square_coverage(self.strokes, size)

    @cached_property
    def subpixel_width(self) -> float:
        """Width of the pen in pixels, to a fraction, from the grey levels of ink on plain paper."""
        return subpixel_stroke_width(self.fringed, THINNEST)

    @cached_property
    def has_two_levels(self) -> bool:
        """Whether ink and fringe are black and white, without levels between."""
        return has_two_levels(self.fringed)

    def resized_coverage(self, scale: float) -> float:
        """Share of the ink, resized by `scale`, that squares of the published pen cover."""
        return square_coverage(resize(self.fringed, scale) > 0.5, self.settings.stroke_width)


def measure(
    found: UprightInk, settings: ImageSettings, restoration: StrokeRestoration | None = None
) -> MeasuredInk:
    """Crops and measures ink.

    Args:
        found: the ink.
        settings: of the model.
        restoration: of what wide pens filled.

    Raises:
        NoFormulaError: if none of it looks like writing.
    """
    measured = MeasuredInk(found, settings, restoration)
    if not found.is_by_network:
        reject_non_formula(
            measured.strokes,
            measured.labels,
            measured.stroke_width,
            measured.symbol_height,
            measured.wide_pen is not None,
        )
    return measured


def upright_ink(grey: Grey) -> UprightInk:
    """Separates ink from its paper, and deskews it.

    Args:
        grey: `(h, w)`, 0 black to 1 white, ink darker or lighter than the paper.

    Raises:
        NoFormulaError: if there is no ink in the picture.
    """
    excess = grey.size / WORKING_PIXELS
    if excess > 1:
        found = separate_ink(resize(grey, math.sqrt(1 / excess), Image.Resampling.BOX))
    else:
        found = separate_ink(grey)
    ink, reasons = found.ink, found.reasons
    zoom = ink.shape[1] / grey.shape[1]
    angle = skew_angle(ink > 0.5, found.slope, found.is_plain)
    if angle:
        ink = rotate(ink, angle)
        cause = "the ruled lines" if found.slope else "bars and symbols"
        reasons += (f"rotated by {angle:.1f} degrees counterclockwise, by {cause}",)
    x, y = ((grey.shape[axis] - ink.shape[axis] / zoom) / 2 for axis in (1, 0))
    return UprightInk(ink, found.is_plain, reasons, angle, zoom, (x, y))


def has_plain_paper(grey: Grey) -> bool:
    """Whether a picture's paper is of one level, as in screenshots and drawings, or it is blank."""
    if float(grey.max()) - float(grey.min()) < MIN_CONTRAST:
        return True
    return paper_level(grey) is not None


def extract(colours: NDArray[np.uint8], extraction: InkExtraction) -> UprightInk:
    """Finds ink by a network.

    Args:
        colours: `(h, w, 3)`.
        extraction: the network.

    Raises:
        NoFormulaError: if it finds none.
    """
    found = extraction(Image.fromarray(colours))
    if found is None:
        raise NoFormulaError("No formula found: there is no ink in the picture.")
    reasons: tuple[str, ...] = (
        f"ink found by a network at {found.zoom:.2f} times the size of the picture",
    )
    if abs(found.angle) >= 0.05:
        reasons += (f"rotated by {found.angle:.1f} degrees counterclockwise, by the same network",)
    return UprightInk(found.ink, False, reasons, found.angle, found.zoom, found.offset, True)


def symbol_height(labels: Labels, width: float) -> float:
    """Measures the mean height of components at least a tenth as tall as the tallest one.

    The protocol measures traces. A picture has none, but connected components are near.

    Args:
        labels: `(h, w)`, the number of each pixel's component, 0 for paper.
        width: of the strokes, in pixels.

    Returns:
        Pixels, less the stroke width.
    """
    boxes = ndimage.find_objects(labels)
    heights = np.array([rows.stop - rows.start for rows, _ in boxes]) - width
    tallest = heights.max()
    if tallest < width:  # dots and level lines alone: their extent decides
        return float(max(labels.shape[1] - width, labels.shape[0], 1))
    return float(heights[heights >= 0.1 * tallest].mean())


def has_two_levels(ink: Ink) -> bool:
    """Returns whether ink `(h, w)` is black and white, as it was drawn."""
    between = ((ink > FAINTEST) & (ink < 1 - FAINTEST)).sum()
    return bool(between <= _STRAY * (ink > 0.5).sum())


def resize(
    picture: Grey, scale: float, resample: Image.Resampling = Image.Resampling.LANCZOS
) -> Grey:
    """Returns a picture `(h, w)`, levels 0 to 1, resized by a factor."""
    height, width = picture.shape
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(Image.fromarray(picture).resize(size, resample)).clip(0, 1)  # overshoots


__all__ = [
    "FRINGE", "MeasuredInk", "UprightInk", "extract", "has_plain_paper", "has_two_levels",
    "measure", "resize", "symbol_height", "upright_ink",
]  # fmt: skip
