"""The normal form of a picture: the picture that the published protocol would draw of its ink.

Ink white on black, traces `symbol_height` tall on average, strokes `stroke_width` wide, fixed
margins. A picture that is near that already is left as it is; what differs (a photo with shadows,
thin or thick strokes, another size) is brought there.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .leveling_inktex import tilt
from .photo_inktex import MIN_CONTRAST, grow, ink_of_photo, refuse_flat_remains, without_ruling
from .pictures_inktex import NoFormulaError
from .refusal_inktex import refuse_what_is_no_writing
from .strokes_inktex import (
    EIGHT,
    EXACTLY,
    FAINTEST,
    SQUARE_PEN,
    THINNEST,
    covered_by_square,
    grey_width,
    ink_box,
    stroke_width,
    stroke_widths,
    widen,
    width_quantile,
)
from .thinning_inktex import Thinner, exchange_pen

Grey = NDArray[np.float32]
Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

WORKING_PIXELS = 2_000_000
"""Larger pictures are reduced before anything is measured in them."""
MOST_PIXELS = 8_000_000
"""No ink is enlarged beyond that: long before, it is larger than the model's largest picture."""
TURNED_LINES = 1.0
"""Degrees from which on a picture is turned so that its ruled lines are level."""
TURNED_SHEET = 4.0
"""The same of a photo without them, where the ink has to tell: training turns it about as far."""
TURNED_DRAWING = 10.0
"""The same of what was drawn on plain paper: it was not held askew, and no hand that is known
writes so far from level."""
_WIDE = 1.2
"""Factor on the width of the pen from which on it is another pen, where it is known exactly."""
_TALLER = 0.08
"""Natural logarithm: components, of which some are several traces, are so much taller than these;
in three pictures of four by 0.02 less to 0.1 more."""
_CLEARLY = 0.15
"""Natural logarithm: so much nearer to its height must a drawing come that was made larger."""
_FARTHEST = 0.55
"""Natural logarithm: so much taller or smaller than the mean is one in a hundred expressions."""
_AS_SQUARE = 0.94
"""Share of the ink that a square of the pen's width covers once the size is right again: in 19 of
20 pictures by the protocol that were made smaller or larger; in one of ten by a round pen."""
_WIDEST = 3
"""Widths of the protocol's pen, up to which another pen may have drawn at the protocol's size."""
_FRINGE = 2
"""Pixels around the ink that are faint, but tell where its edge lies between two pixels."""
_STRAY = 0.01
"""Share of the ink that may have levels between black and white in a drawing of two levels."""
_TALL = 1.25
"""Factor on the tolerance for tall ink that was drawn with the protocol's own pen: symbols that
touch measure taller than their traces."""
_BY_WIDER = 0.45
"""Share of the ink that a pen wider by a pixel covers, at most, as where strokes cross; the
protocol's pictures have up to 0.40, and 0.49 and more where they were made larger by a fifth."""


@dataclass(frozen=True, slots=True)
class NormalForm:
    """What the normal form is, in pixels of the published protocol.

    Attributes:
        symbol_height: mean height of the traces at least a tenth as tall as the tallest.
        stroke_width: of the pen.
        margin_before, margin_after: left of and above the ink; right of and below it.
        height_tolerance: factor by which the measured height may differ before the size changes.
        stroke_range: narrowest and widest strokes that are left as they are.
    """

    symbol_height: float
    stroke_width: int
    margin_before: int
    margin_after: int
    height_tolerance: float
    stroke_range: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Normalized:
    """A picture in normal form, but for a last reduction.

    Attributes:
        ink: `(h, w)` float32, 1 on paper 0, margins included.
        scale: pixels of the protocol for each pixel of `ink`.
        is_rescaled, is_redrawn: whether size and strokes had to change.
        zoom: pixels of `ink` for each pixel of the given picture.
        corner: x and y, in pixels of the given picture, of the left upper corner of `ink`, after
            turning.
        notes: what was found and done, in words, in the order in which it was.
        turn: by so many degrees, against the clock, the picture was turned about its middle.
    """

    ink: Ink
    scale: float
    is_rescaled: bool
    is_redrawn: bool
    zoom: float
    corner: tuple[float, float]
    notes: tuple[str, ...] = ()
    turn: float = 0.0


@dataclass(frozen=True, slots=True)
class Separated:
    """Ink off its paper.

    Attributes:
        ink: `(h, w)` float32, 1 on paper 0.
        is_plain: whether the paper is of one level, as in screenshots and drawings; then `ink` has
            grey levels at the edges, else, as in photos, there are none.
        notes: what was found and done, in words.
        slope: of the ruled lines that there were, pixels down for each pixel across.
    """

    ink: Ink
    is_plain: bool
    notes: tuple[str, ...]
    slope: float = 0.0


def normalize_picture(grey: Grey, form: NormalForm, thinner: Thinner | None = None) -> Normalized:
    """Bring grey levels to the normal form.

    Args:
        grey: `(h, w)`, 0 black to 1 white, ink darker or lighter than the paper.
        form: the aim.
        thinner: tells what wide pens filled; without one it stays filled.

    Raises:
        NoFormulaError: if there is no ink in the picture, or what there is looks like no writing.
    """
    found = separate_ink(_reduce(grey))
    ink, notes = found.ink, found.notes
    zoom = ink.shape[1] / grey.shape[1]
    strokes = ink > 0.5
    widths = stroke_widths(strokes)
    width = width_quantile(widths, 0.5)
    turn = _askew(found, strokes, width)
    if turn:
        ink = np.asarray(
            Image.fromarray(ink).rotate(turn, Image.Resampling.BICUBIC, expand=True)
        ).clip(0, 1)
        strokes = ink > 0.5
        widths = stroke_widths(strokes)
        width = width_quantile(widths, 0.5)
        teller = "the ruled lines" if found.slope else "bars and symbols"
        notes += (f"turned by {turn:.1f} degrees, by {teller}",)
    if width < 2:  # lines of a pixel, smoothed, break where they lie between two pixels
        strokes = grow(strokes, ink > 0.25)
        widths = stroke_widths(strokes)
        width = width_quantile(widths, 0.5)
    box = ink_box(strokes)
    left = box[1].start / zoom + (grey.shape[1] - ink.shape[1] / zoom) / 2
    top = box[0].start / zoom + (grey.shape[0] - ink.shape[0] / zoom) / 2
    rows, columns = (slice(side.start, side.stop + 2 * _FRINGE) for side in box)
    fringed = np.pad(ink, _FRINGE)[rows, columns]
    ink, strokes = ink[box], strokes[box]
    thinnest, thickest = form.stroke_range
    if width > thickest:  # a wide pen, or narrow strokes that run together
        width = width_quantile(widths, THINNEST)
    labels, _ = ndimage.label(strokes, EIGHT)
    height, given = symbol_height(labels, width), width
    pen = _nib(strokes, width)
    is_wide = found.is_plain and form.stroke_width < pen <= _WIDEST * form.stroke_width
    is_drawn = is_wide and _is_drawn_by(ink, strokes, pen, form.stroke_width)
    refuse_what_is_no_writing(strokes, labels, width, height, is_drawn)
    if is_drawn:
        thinned = _with_protocols_pen(strokes, pen, form, thinner)
        if thinned is not None:
            left, top = (side + (pen - form.stroke_width) / 2 / zoom for side in (left, top))
            notes += (_redrawn(given, f"thinned to {form.stroke_width}"),)
            corner = (left - form.margin_before / zoom, top - form.margin_before / zoom)
            thinned = np.pad(thinned, (form.margin_before, form.margin_after))
            return Normalized(thinned, 1.0, False, True, zoom, corner, notes, turn)
    scale = form.symbol_height / height
    is_near = 1 / form.height_tolerance <= scale <= form.height_tolerance
    if found.is_plain and 1 / (_TALL * form.height_tolerance) <= scale < 1 and not is_near:
        is_near = _is_drawn_with(strokes, form.stroke_width)
    # A wide pen can have written at any size, but thinner lines are ink that was made smaller.
    is_rescaled = not (found.is_plain and is_near and thinnest <= width)
    resized = None
    if found.is_plain and not (is_near and form.stroke_width <= width <= thickest):
        resized = _resized(fringed, height, form)
    if resized is not None:
        is_rescaled, scale, width = True, resized, form.stroke_width / resized
    elif not is_rescaled:
        scale = 1.0
    is_redrawn = not thinnest <= width * scale <= thickest
    if found.is_plain and not (is_rescaled or is_redrawn):
        # With another square pen than that of the protocol, which is to be had exactly.
        thin = width_quantile(widths, THINNEST)
        if thin * _WIDE < form.stroke_width:
            is_redrawn, width = True, thin
        else:
            wider = math.ceil(_WIDE * form.stroke_width)
            is_redrawn = covered_by_square(strokes, wider) >= SQUARE_PEN
    is_thick = width * scale > thinnest
    if scale > 1 or (is_redrawn and is_thick):
        # Small ink is enlarged before its strokes are drawn anew; thick ink is thinned at the
        # size where the result has to be right.
        scale = min(scale, float(np.sqrt(MOST_PIXELS / strokes.size)))
        left, top = left - _FRINGE / zoom, top - _FRINGE / zoom
        ink = _resize(fringed, scale)
        width, zoom = width * scale, zoom * scale
        scale = 1.0
        strokes = ink > min(0.5, 0.5 * float(ink.max()))
        box = ink_box(strokes)
        left, top = left + box[1].start / zoom, top + box[0].start / zoom
        ink, strokes = ink[box], strokes[box]
    if found.is_plain:  # of edges that were blurred or compressed the model has not learnt
        ink = strokes.astype(np.float32)
    if is_redrawn and is_thick:
        ink = exchange_pen(strokes, _nib(strokes, width), form.stroke_width, thinner)
        narrower = (width - form.stroke_width) / 2 / zoom
        left, top = left + narrower, top + narrower
    elif is_redrawn:
        ink = widen(strokes, max(round(form.stroke_width / scale - width) + 1, 1))
    if is_rescaled:
        notes += (
            f"symbols about {height:.0f} pixels tall, strokes of {given:.1f}, "
            f"enlarged {zoom * scale:.2f} times",
        )
    if is_redrawn:
        notes += (_redrawn(given, f"thinned to {form.stroke_width}" if is_thick else "widened"),)
    before, after = (round(margin / scale) for margin in (form.margin_before, form.margin_after))
    corner = (left - before / zoom, top - before / zoom)
    return Normalized(
        np.pad(ink, (before, after)), scale, is_rescaled, is_redrawn, zoom, corner, notes, turn
    )


def _redrawn(width: float, change: str) -> str:
    return f"strokes of {width:.1f} pixels drawn anew: {change}"


def _is_drawn_by(ink: Ink, strokes: Mask, pen: int, protocol: int) -> bool:
    """Whether a picture is a drawing by a square pen, to the pixel.

    Args:
        ink, strokes: `(h, w)`.
        pen: as it measures, in pixels.
        protocol: width of the protocol's pen, whose drawing may have had its pixels repeated.
    """
    if not (_has_two_levels(ink) and covered_by_square(strokes, pen) >= EXACTLY):
        return False
    return pen % protocol > 0 or not _is_repeated(strokes, pen // protocol)


def _with_protocols_pen(
    strokes: Mask, pen: int, form: NormalForm, thinner: Thinner | None
) -> Ink | None:
    """A drawing by a wide pen as the protocol's pen draws it.

    Args:
        strokes: `(h, w)`.
        pen: its width, in pixels.
        form: the aim.
        thinner: tells what the pen filled.

    Returns:
        Ink; None if it is not at the protocol's size. Symbols that ran together are measured when
        they stand apart again.
    """
    thinned = exchange_pen(strokes, pen, form.stroke_width, thinner)
    labels, _ = ndimage.label(thinned > 0.5, EIGHT)
    height = symbol_height(labels, form.stroke_width)
    is_small = height * form.height_tolerance < form.symbol_height
    is_large = height > _TALL * form.height_tolerance * form.symbol_height
    return None if is_small or is_large else thinned


def _is_repeated(strokes: Mask, times: int) -> bool:
    """Whether a drawing was enlarged by repeating each pixel so many times, across and down."""
    each = strokes[::times, ::times].repeat(times, axis=0).repeat(times, axis=1)
    return each.shape == strokes.shape and bool((each == strokes).all())


def _nib(strokes: Mask, width: float) -> int:
    """Width of the pen of wide strokes, in pixels.

    Args:
        strokes: `(h, w)`.
        width: as measured. Where strokes run together it may be a pixel more than that of the pen,
            which then shows in what a square of its width covers.
    """
    measured = max(round(width), 1)
    if measured > 1 and covered_by_square(strokes, measured) < SQUARE_PEN:
        return measured - (covered_by_square(strokes, measured - 1) >= EXACTLY)
    return measured


def _is_drawn_with(strokes: Mask, pen: int) -> bool:
    """Whether the ink was drawn with a square pen of a width, in pixels."""
    by_wider = covered_by_square(strokes, pen + 1)
    return by_wider <= _BY_WIDER and covered_by_square(strokes, pen) >= SQUARE_PEN


def _resized(ink: Ink, height: float, form: NormalForm) -> float | None:
    """By what factor a drawing in normal form that was made larger or smaller is to be resized.

    The pen tells it exactly, and that it is the protocol's pen shows in what a square covers. The
    height of the symbols, which varies, tells the rest.

    Args:
        ink: on plain paper.
        height: of the symbols, in pixels of `ink`.
        form: the aim.

    Returns:
        The factor; None if that is not what happened to the picture.
    """
    scale = form.stroke_width / grey_width(ink, THINNEST)
    if 1 / _WIDE < scale < _WIDE:
        return None
    off, left = (
        abs(math.log(one / form.symbol_height) - _TALLER) for one in (height, height * scale)
    )
    if left > _FARTHEST or ink.size * scale**2 > MOST_PIXELS:
        return None
    fit = covered_by_square(_resize(ink, scale) > 0.5, form.stroke_width)
    if _has_two_levels(ink):  # nothing but repeating pixels leaves no levels between
        return scale if fit >= EXACTLY else None
    if fit >= _AS_SQUARE:
        return scale
    return scale if left < min(off - _CLEARLY, math.log(form.height_tolerance)) else None


def _has_two_levels(ink: Ink) -> bool:
    """Whether a drawing is as it was drawn: black and white."""
    between = ((ink > FAINTEST) & (ink < 1 - FAINTEST)).sum()
    return bool(between <= _STRAY * (ink > 0.5).sum())


def _askew(found: Separated, strokes: Mask, width: float) -> float:
    """By how many degrees, against the clock, the ink has to be turned; 0 if it is level."""
    if found.slope:
        degrees = math.degrees(math.atan(found.slope))
        return degrees if abs(degrees) >= TURNED_LINES else 0.0
    return tilt(strokes, width, TURNED_DRAWING if found.is_plain else TURNED_SHEET)


# ---------------------------------------------------------------------------- ink from its paper


def separate_ink(grey: Grey) -> Separated:
    """Tell ink from paper.

    Raises:
        NoFormulaError: if there is no ink.
    """
    low, high = float(grey.min()), float(grey.max())
    if high - low < MIN_CONTRAST:
        raise NoFormulaError("The picture is blank: there is no ink in it.")
    paper = plain_paper(grey)
    if paper is None:
        found = ink_of_photo(grey)
        return Separated(found.ink.astype(np.float32), False, found.notes, found.slope)
    contrast = paper - grey  # positive where darker than the paper
    is_dark = contrast.sum() >= 0
    if not is_dark:
        contrast = -contrast
    peak = float(contrast.max())
    if peak < MIN_CONTRAST:
        raise NoFormulaError("The picture is blank: there is no ink in it.")
    # Lines of a pixel or two reach their full contrast in a few pixels alone.
    full = float(np.quantile(contrast[contrast > 0.5 * peak], 0.75))
    ink = np.clip(contrast / full, 0, 1).astype(np.float32)
    notes = [f"plain paper, {'dark' if is_dark else 'light'} ink"]
    strokes, ruled, slope = without_ruling(ink > 0.5)
    if not (ruled and strokes.any()):  # the lines alone are what was written: an =, say
        slope = 0.0
    else:
        refuse_flat_remains(strokes, stroke_width(ink > 0.5))
        # With the lines goes what is too faint for a stroke and hangs on none.
        ink = np.where(ndimage.binary_dilation(strokes, EIGHT), ink, 0).astype(np.float32)
        ink[(ink > 0.5) & ~strokes] = 0
        notes.append(f"{ruled} ruled lines removed")
    return Separated(ink, True, tuple(notes), slope)


def plain_paper(grey: Grey) -> float | None:
    """Level of the paper if it is of one level, else None."""
    counts = np.bincount(np.rint(grey * 255).astype(np.int64).ravel().clip(0, 255), minlength=256)
    around = np.convolve(counts, np.ones(5), mode="same") / grey.size  # JPEG flickers a little
    peaks = np.convolve(counts, [1, 2, 3, 2, 1], mode="same")
    first = int(peaks.argmax())
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    peaks[max(first - 12, 0) : first + 13] = 0
    second = int(peaks.argmax())
    if around[first] + around[second] > 0.9 and around[first] < 0.75:
        # Two levels of which either may be the paper: the one that surrounds the other is.
        at_border = [float((np.abs(border * 255 - level) < 12).mean()) for level in (first, second)]
        return (first if at_border[0] >= at_border[1] else second) / 255
    return first / 255 if around[first] > 0.4 else None


# ------------------------------------------------------------------------------- size and strokes


def symbol_height(labels: Labels, width: float) -> float:
    """Mean height of the components at least a tenth as tall as the tallest, less the pen.

    The protocol measures traces. In a picture there are none, but connected components are near.

    Args:
        labels: `(h, w)`, the number of the component that each pixel is in, 0 for paper.
        width: of the pen, in pixels.
    """
    boxes = ndimage.find_objects(labels)
    heights = np.array([rows.stop - rows.start for rows, _ in boxes]) - width
    tallest = heights.max()
    if tallest < width:  # dots and level lines alone: let the width decide
        return float(max(labels.shape[1] - width, labels.shape[0], 1))
    return float(heights[heights >= 0.1 * tallest].mean())


# ------------------------------------------------------------------------------------------ arrays


def _reduce(grey: Grey) -> Grey:
    if grey.size <= WORKING_PIXELS:
        return grey
    return _resize(grey, float(np.sqrt(WORKING_PIXELS / grey.size)), Image.Resampling.BOX)


def _resize(
    picture: Grey, scale: float, resample: Image.Resampling = Image.Resampling.LANCZOS
) -> Grey:
    height, width = picture.shape
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    # Lanczos' filter overshoots.
    return np.asarray(Image.fromarray(picture).resize(size, resample)).clip(0, 1)


__all__ = ["NormalForm", "Normalized", "Separated", "normalize_picture", "separate_ink"]
