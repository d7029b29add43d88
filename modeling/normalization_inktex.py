"""Normalization: any picture of handwritten mathematics to the picture that the model reads.

The model reads the picture that the published CROHME protocol draws of ink: white on black, symbols
`symbol_height` tall on average, strokes `stroke_width` wide, fixed margins. `measure` separates the
ink, deskews it (all else is measured of level ink), crops and measures it; `make_plan` decides by
these numbers what to change; `apply` changes the pixels. Needs numpy, scipy and Pillow alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .grey_levels_inktex import colours, on_paper, reduced_levels
from .image_loading_inktex import NoFormulaError
from .image_settings_inktex import ImageSettings
from .ink_extraction_inktex import InkExtraction
from .measurement_inktex import (
    FRINGE,
    MeasuredInk,
    UprightInk,
    extract,
    has_plain_paper,
    measure,
    resize,
    upright_ink,
)
from .normalized_picture_inktex import NormalizedPicture
from .stroke_restoration_inktex import StrokeRestoration, restroke, widen
from .stroke_width_inktex import EXACTLY, SQUARE_PEN, ink_box, square_pen_width

Restroke = Literal["keep", "narrow", "widen"]
Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]
Split = Callable[[Mask], Sequence[Mask]]
"""From the ink `(h, w)` of a picture, upright, to that of each formula in it."""

MAX_PIXELS = 8_000_000
"""No ink is enlarged beyond that: long before, it is larger than the model's largest picture."""
_OTHER_PEN = 1.2
"""Factor on the stroke width from which on another pen drew, where the width is known exactly."""
_TALL = 1.25
"""Factor on the tolerance for tall ink drawn with the published pen: symbols that touch measure
taller than their traces."""
_LABEL_EXCESS = 0.08
"""Natural logarithm: components, of which some are several traces, are so much taller than these;
in three pictures of four by 0.02 less to 0.1 more."""
_CLEARLY_NEARER = 0.15
"""Natural logarithm: so much nearer to the published height must resizing bring the symbols."""
_MAX_OFF = 0.55
"""Natural logarithm: so much taller or smaller than the mean is one in a hundred expressions."""
_RESIZED_COVERAGE = 0.94
"""Share of the ink that a square of the pen's width covers once the size is right again: in 19 of
20 pictures by the protocol that were resized; in one of ten by a round pen."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to measured ink, in this order.

    Attributes:
        resize: factor by which the ink is resized before its strokes are redrawn; None if its
            pixels stay.
        restroke: whether its strokes are kept, made narrower or made wider.
        stroke_width: of the ink after `resize`, in its pixels.
        reduction: factor from the pixels of the finished ink to those at the published scale.
        is_rescaled: whether the size of the ink changes by `resize` or `reduction`.
        reasons: what decided, in words: one line for the size, one for the strokes.
    """

    resize: float | None
    restroke: Restroke
    stroke_width: float
    reduction: float
    is_rescaled: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    """Ink at the published scale, but for the plan's reduction.

    Attributes:
        ink: `(h, w)` float32, 1 on paper 0, margins included.
        zoom: pixels of `ink` for each pixel of the given picture.
        origin: x and y of the left upper corner of `ink`, in pixels of the given picture after
            deskewing.
    """

    ink: Ink
    zoom: float
    origin: tuple[float, float]


def normalize(
    picture: Any,
    settings: ImageSettings,
    restoration: StrokeRestoration | None = None,
    extraction: InkExtraction | None = None,
) -> NormalizedPicture:
    """Brings a picture to the one that the model reads.

    Args:
        picture: what `reduced_levels` takes.
        settings: of the model.
        restoration: of what wide pens filled; without one it stays filled.
        extraction: finds the ink in photos, if the settings say so; else thresholds do.

    Raises:
        ValueError: if it cannot be read.
        NoFormulaError: if there is no ink in it, or none that could be a formula.
    """
    found = _first_look(picture, settings, extraction)
    return _normalized(found, measure(found.ink, settings, restoration), settings)


def second_looks(
    picture: Any,
    settings: ImageSettings,
    turned: bool,
    restoration: StrokeRestoration | None = None,
    extraction: InkExtraction | None = None,
) -> Iterator[NormalizedPicture]:
    """Brings a picture that `normalize` gave no good one of to others that the model may read.

    Args:
        picture, settings, restoration, extraction: see `normalize`.
        turned: whether it may lie on its side, or upside down.

    Yields:
        The picture with its ink found the other way, by the network instead of thresholds, also on
        plain paper, or by thresholds instead of the network; then, if asked for, the picture turned
        clockwise by one, two and three quarters. What looks like no writing is left out.

    Raises:
        ValueError: if the picture cannot be read.
    """
    levels, step = reduced_levels(picture, settings.max_pixels)
    grey = on_paper(levels)

    def look(turns: int, by_network: bool, reason: str) -> Iterator[NormalizedPicture]:
        all_levels, own_grey = (np.ascontiguousarray(np.rot90(a, -turns)) for a in (levels, grey))
        try:
            found = _find_ink(all_levels, own_grey, step, extraction if by_network else None)
            placed = _normalized(found, measure(found.ink, settings, restoration), settings)
        except NoFormulaError:
            return
        yield replace(placed, turns=turns, reasons=(reason, *placed.reasons))

    by_network = _finds_ink_by_network(grey, settings)
    if extraction is not None:
        name = "thresholds" if by_network else "the network"
        yield from look(0, not by_network, f"ink found by {name}, at a second look")
    for turns in (1, 2, 3) if turned else ():
        yield from look(turns, by_network, f"turned clockwise by {90 * turns} degrees")


def normalize_regions(
    picture: Any,
    settings: ImageSettings,
    split: Split,
    restoration: StrokeRestoration | None = None,
    extraction: InkExtraction | None = None,
) -> list[NormalizedPicture]:
    """Brings each formula in a picture to the picture that the model reads.

    Args:
        picture, settings, restoration, extraction: see `normalize`.
        split: tells the formulas apart.

    Returns:
        The formulas, as `split` has them, without those that look like no writing.

    Raises:
        ValueError: if the picture cannot be read.
        NoFormulaError: if there is no ink in it, or none that could be a formula.
    """
    found = _first_look(picture, settings, extraction)
    read: list[NormalizedPicture] = []
    error: NoFormulaError | None = None
    for own in split(found.ink.ink > 0.5):
        try:
            measured = measure(_part(found.ink, own), settings, restoration)
        except NoFormulaError as not_writing:
            error = not_writing
            continue
        read.append(_normalized(found, measured, settings))
    if not read:
        raise error or NoFormulaError("No formula found: there is no ink in the picture.")
    return read


def _part(found: UprightInk, own: Mask) -> UprightInk:
    """Some of the strokes and their fringe, cropped to these and paper around them."""
    rows, columns = (
        slice(max(side.start - FRINGE - 1, 0), side.stop + FRINGE + 1) for side in ink_box(own)
    )
    own, ink = own[rows, columns], found.ink[rows, columns].copy()
    ink[~ndimage.binary_dilation(own, iterations=FRINGE) | ((ink > 0.5) & ~own)] = 0
    left, top = found.offset
    corner = (left + columns.start / found.zoom, top + rows.start / found.zoom)
    return replace(found, ink=ink, offset=corner)


@dataclass(frozen=True, slots=True)
class _FoundInk:
    """The ink of a picture.

    Attributes:
        ink: as it was found.
        size: height and width of the levels in which it was found.
        step: pixels of the picture for each pixel of those.
    """

    ink: UprightInk
    size: tuple[int, int]
    step: int


def _finds_ink_by_network(grey: NDArray[np.float32], settings: ImageSettings) -> bool:
    """Whether the first look at a picture is the network's."""
    return settings.photo_ink == "network" and not has_plain_paper(grey)


def _first_look(
    picture: Any, settings: ImageSettings, extraction: InkExtraction | None
) -> _FoundInk:
    """The ink of a picture, found as the settings say."""
    levels, step = reduced_levels(picture, settings.max_pixels)
    grey = on_paper(levels)
    by_network = _finds_ink_by_network(grey, settings)
    return _find_ink(levels, grey, step, extraction if by_network else None)


def _find_ink(
    levels: NDArray[np.float32],
    grey: NDArray[np.float32],
    step: int,
    extraction: InkExtraction | None,
) -> _FoundInk:
    """The ink of levels and their grey, by the network if one is given, else by thresholds."""
    ink = upright_ink(grey) if extraction is None else extract(colours(levels, grey), extraction)
    return _FoundInk(ink, (grey.shape[0], grey.shape[1]), step)


def _normalized(found: _FoundInk, ink: MeasuredInk, settings: ImageSettings) -> NormalizedPicture:
    """Plans and applies what is to be done to the ink, or a part of it."""
    plan, step = make_plan(ink, settings), found.step
    applied = apply(ink, plan, settings)
    drawn = _reduced(applied.ink, plan.reduction, settings)
    across, down = (drawn.shape[axis] / applied.ink.shape[axis] for axis in (1, 0))
    return NormalizedPicture(
        picture=drawn,
        scale=(across * applied.zoom / step, down * applied.zoom / step),
        origin=(applied.origin[0] * step, applied.origin[1] * step),
        reasons=ink.reasons + plan.reasons,
        skew_angle=ink.skew_angle,
        pivot=(found.size[1] * step / 2, found.size[0] * step / 2),
        is_published=ink.is_plain and plan.restroke == "keep" and not plan.is_rescaled,
    )


def from_published(picture: NDArray[np.uint8], settings: ImageSettings) -> NormalizedPicture:
    """Brings a picture drawn by the published protocol to the one that the model reads.

    Nothing is measured: it is cropped, gets the model's margins, and is reduced.

    Args:
        picture: `(h, w)`, ink 255 on paper 0, its symbols and strokes as the settings have them.
        settings: of the model.
    """
    box = ink_box(picture > 0)
    before, after = settings.margin_before, settings.margin_after
    ink = np.pad(picture[box], (before, after)).astype(np.float32) / np.float32(255)
    drawn = _reduced(ink, 1.0, settings)
    return NormalizedPicture(
        picture=drawn,
        scale=(drawn.shape[1] / ink.shape[1], drawn.shape[0] / ink.shape[0]),
        origin=(float(box[1].start - before), float(box[0].start - before)),
        reasons=("ink, drawn by the published protocol",),
        is_published=True,
    )


def _reduced(ink: Ink, reduction: float, settings: ImageSettings) -> NDArray[np.uint8]:
    """Ink reduced to the model's resolution, and further to its largest picture."""
    height, width = ink.shape
    factor = reduction * settings.resolution
    excess = max(height * factor / settings.max_height, width * factor / settings.max_width)
    if excess > 1:
        factor /= excess
    size = (
        min(math.ceil(width * factor), settings.max_width),
        min(math.ceil(height * factor), settings.max_height),
    )
    levels = Image.fromarray(np.rint(ink * 255).astype(np.uint8))
    # Pillow's BILINEAR averages over all pixels that fall into one, so thin lines survive.
    return np.asarray(levels.resize(size, Image.Resampling.BILINEAR))


# -------------------------------------------------------------------------------------------- plan


def make_plan(ink: MeasuredInk, settings: ImageSettings) -> Plan:
    """Decides what is to be done to ink by its measures alone.

    Args:
        ink: its measures; pixels are not looked at.
        settings: of the model.
    """
    if ink.wide_pen is not None and _is_published_height(ink.restroked_height, settings):
        return Plan(None, "narrow", ink.wide_pen, 1.0, False, _reasons(ink, None, 1.0, "narrow"))
    scale, width, cause = _plan_scale(ink, settings)
    restroke, width = _plan_strokes(ink, settings, scale, width, cause is not None)
    resizing, reduction = None, scale
    if scale > 1 or restroke == "narrow":
        # Small ink is enlarged before its strokes are redrawn; wide strokes are made narrower at
        # the size at which the result has to be right.
        resizing, reduction = min(scale, math.sqrt(MAX_PIXELS / ink.size)), 1.0
        width *= resizing
    factor = ink.zoom * (resizing or 1.0) * reduction
    reasons = _reasons(ink, cause, factor, restroke)
    return Plan(resizing, restroke, width, reduction, cause is not None, reasons)


def _is_published_height(height: float, settings: ImageSettings) -> bool:
    """Whether symbols are as tall as published, `_TALL` times the tolerance allowed upwards."""
    is_small = height * settings.height_tolerance < settings.symbol_height
    return not is_small and height <= _TALL * settings.height_tolerance * settings.symbol_height


def _plan_scale(ink: MeasuredInk, settings: ImageSettings) -> tuple[float, float, str | None]:
    """The factor to the published scale, the stroke width in pixels, and why the size changes."""
    width, tolerance = ink.stroke_width, settings.height_tolerance
    narrowest, widest = settings.stroke_range
    scale = settings.symbol_height / ink.symbol_height
    if not ink.is_plain:
        return scale, width, "the height of the symbols"
    is_near = 1 / tolerance <= scale <= tolerance
    if not is_near and 1 / (_TALL * tolerance) <= scale < 1:
        is_near = ink.has_published_pen
    if not (is_near and settings.stroke_width <= width <= widest):
        resized = _undo_resizing(ink, settings)
        if resized is not None:
            return resized, settings.stroke_width / resized, "the width of the strokes"
    # A wide pen can have written at any size, but thinner lines are ink that was made smaller.
    if is_near and narrowest <= width:
        return 1.0, width, None
    return scale, width, "the height of the symbols"


def _undo_resizing(ink: MeasuredInk, settings: ImageSettings) -> float | None:
    """The factor that restores a drawing by the published protocol which was resized.

    The width of the pen gives it exactly; that it is the published pen is proved by what squares
    cover. The height of the symbols, which varies, has to agree.

    Returns:
        The factor; None if that is not what happened to the picture.
    """
    scale = settings.stroke_width / ink.subpixel_width
    if 1 / _OTHER_PEN < scale < _OTHER_PEN:
        return None
    before, after = (
        abs(math.log(height / settings.symbol_height) - _LABEL_EXCESS)
        for height in (ink.symbol_height, ink.symbol_height * scale)
    )
    if after > _MAX_OFF or ink.fringed_size * scale**2 > MAX_PIXELS:
        return None
    coverage = ink.resized_coverage(scale)
    if ink.has_two_levels:  # nothing but repeating pixels leaves no levels between
        return scale if coverage >= EXACTLY else None
    if coverage >= _RESIZED_COVERAGE:
        return scale
    is_nearer = after < min(before - _CLEARLY_NEARER, math.log(settings.height_tolerance))
    return scale if is_nearer else None


def _plan_strokes(
    ink: MeasuredInk, settings: ImageSettings, scale: float, width: float, is_rescaled: bool
) -> tuple[Restroke, float]:
    """What is to be done to the strokes, and their width in pixels of the given ink."""
    narrowest, widest = settings.stroke_range
    is_redrawn = not narrowest <= width * scale <= widest
    if ink.is_plain and not (is_rescaled or is_redrawn):
        # Another square pen than the published one, whose drawing can be had exactly.
        if ink.thinnest_width * _OTHER_PEN < settings.stroke_width:
            is_redrawn, width = True, ink.thinnest_width
        else:
            wider = math.ceil(_OTHER_PEN * settings.stroke_width)
            is_redrawn = ink.square_coverage(wider) >= SQUARE_PEN
    if not is_redrawn:
        return "keep", width
    return "narrow" if width * scale > narrowest else "widen", width


def _reasons(
    ink: MeasuredInk, cause: str | None, factor: float, restroke: Restroke
) -> tuple[str, str]:
    """One line for the size and one for the strokes."""
    size = "kept" if cause is None else f"resized {factor:.2f} times, by {cause}"
    strokes = {"keep": "kept", "narrow": "redrawn narrower", "widen": "redrawn wider"}[restroke]
    if restroke != "keep":
        strokes += f", {ink.settings.stroke_width} pixels at the published size"
    return (
        f"symbols about {ink.symbol_height:.0f} pixels tall, {size}",
        f"strokes {ink.stroke_width:.1f} pixels wide, {strokes}",
    )


# ------------------------------------------------------------------------------------------- apply


def apply(ink: MeasuredInk, plan: Plan, settings: ImageSettings) -> AppliedPlan:
    """Resizes ink, redraws its strokes and gives it margins.

    Args:
        ink: what was measured.
        plan: what is to be done to it.
        settings: of the model.
    """
    rows, columns = ink.box
    zoom, strokes = ink.zoom, ink.strokes
    left, top = columns.start / zoom + ink.offset[0], rows.start / zoom + ink.offset[1]
    levels = ink.fringed[FRINGE:-FRINGE, FRINGE:-FRINGE]
    if plan.resize is not None:
        left, top = left - FRINGE / zoom, top - FRINGE / zoom
        levels = resize(ink.fringed, plan.resize)
        zoom *= plan.resize
        strokes = levels > min(0.5, 0.5 * float(levels.max()))
        box = ink_box(strokes)
        left, top = left + box[1].start / zoom, top + box[0].start / zoom
        levels, strokes = levels[box], strokes[box]
    if ink.is_plain:  # blurred or compressed edges are none that the model was trained on
        levels = strokes.astype(np.float32)
    width, target = plan.stroke_width, settings.stroke_width
    if plan.restroke == "narrow":
        if width == ink.wide_pen:
            levels = ink.restroked
        else:
            levels = restroke(strokes, square_pen_width(strokes, width), target, ink.restoration)
        left, top = (side + (width - target) / 2 / zoom for side in (left, top))
    elif plan.restroke == "widen":
        levels = widen(strokes, max(round(target / plan.reduction - width) + 1, 1))
    before, after = (
        round(margin / plan.reduction) for margin in (settings.margin_before, settings.margin_after)
    )
    origin = (left - before / zoom, top - before / zoom)
    return AppliedPlan(np.pad(levels, (before, after)), zoom, origin)


# ------------------------------------------------------------------------------------------- batch


def stack_pictures(
    drawn: Sequence[NDArray[np.uint8]], multiple: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stacks the model's pictures as one batch, padded right and below.

    Args:
        drawn: each `(height, width)` uint8, ink 255 on paper 0.
        multiple: height and width of the batch are multiples of this.

    Returns:
        Pixels `(batch, 1, height, width)`, ink 1 on paper 0, and their mask
        `(batch, height, width)`, 0 for padding.
    """
    height, width = (
        math.ceil(max(picture.shape[axis] for picture in drawn) / multiple) * multiple
        for axis in (0, 1)
    )
    pixels = np.zeros((len(drawn), 1, height, width), dtype=np.float32)
    mask = np.zeros((len(drawn), height, width), dtype=np.float32)
    for i, picture in enumerate(drawn):
        h, w = picture.shape
        pixels[i, 0, :h, :w] = picture / np.float32(255)
        mask[i, :h, :w] = 1
    return pixels, mask


__all__ = [
    "AppliedPlan", "NormalizedPicture", "Plan", "Split", "apply", "from_published",
    "make_plan", "normalize", "normalize_regions", "second_looks", "stack_pictures",
]  # fmt: skip
