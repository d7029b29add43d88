"""Pictures as people take them, drawn from ink, with the ink that is to be found in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .camera import add_light, add_objects, develop, sheet_outline, surroundings
from .clutter import Neighbour, Place, add_marks, ink_colour
from .noise import Field, Picture, blend, chance
from .paper import Ground, Sheet, draw_sheet
from .pens import (
    Pen,
    PenKind,
    cover,
    draw_pen,
    printed_cover,
    printed_ink,
    protocol_ink,
)

__all__ = ["Photo", "draw_empty", "draw_photo", "largest_scale"]

K = TypeVar("K")

_GROUNDS: dict[Ground, float] = {
    "paper": 0.58, "scan": 0.09, "whiteboard": 0.08, "blackboard": 0.05, "screen": 0.13,
    "dark screen": 0.07,
}  # fmt: skip
"""Shares of the kinds of sheets."""
_PRINT_GROUNDS: dict[Ground, float] = {
    "paper": 0.3, "scan": 0.3, "screen": 0.3, "dark screen": 0.1,
}  # fmt: skip
_WRITERS: dict[Ground, dict[PenKind, float]] = {
    "paper": {"ballpoint": 0.34, "gel": 0.2, "pencil": 0.24, "felt": 0.16, "crayon": 0.06},
    "scan": {"ballpoint": 0.4, "gel": 0.25, "pencil": 0.15, "felt": 0.2},
    "whiteboard": {"marker": 1.0},
    "blackboard": {"chalk": 1.0},
    "screen": {"stylus": 1.0},
    "dark screen": {"stylus": 1.0},
}
_LEAST_CONTRAST = 0.18
"""Of ink and sheet, in one of the colours at least, 0 to 1; people do not write with less."""
_BORDER = 0.5
"""Pixels, and as many at the published scale, that a formula stays away from the picture's edge:
crops are tight, and what touches the edge may belong to it."""
_EDGE_SHARE = 0.25
"""Of the photos of sheets: those in which an edge of the sheet is seen."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture and what is to be found in it.

    Attributes:
        picture: `(height, width, 3)` uint8.
        ink: `(height, width)` uint8, 0 to 255, the formula's ink as the published protocol would
            draw it at this scale and this angle.
        scale: pixels for each pixel at the published scale.
        angle: degrees by which the formula is turned counterclockwise.
    """

    picture: NDArray[np.uint8]
    ink: NDArray[np.uint8]
    scale: float
    angle: float


def draw_photo(
    traces: Sequence[NDArray[np.float32]],
    neighbour: Neighbour,
    shape: tuple[int, int],
    scale: float,
    angle: float,
    rng: np.random.Generator,
    is_print: bool = False,
) -> Photo | None:
    """A picture of ink on some sheet.

    Args:
        traces: arrays `(points, 2)` of x and y, in pixels at the published scale.
        neighbour: gives ink of other lines.
        shape: height and width of the picture, in pixels.
        scale: pixels for each pixel at the published scale.
        angle: degrees by which the formula is turned counterclockwise.
        rng: chooses everything else.
        is_print: whether the traces are the outlines of a typeset formula. Nothing is written
            beside it.

    Returns:
        None if the formula, turned, does not fit into the picture.
    """
    height, width = shape
    points = np.concatenate(list(traces))
    low = points.min(axis=0)
    extent = (points.max(axis=0) - low) * scale
    room = np.array([width, height]) - _spread(extent, angle) - 2 * (_BORDER + _BORDER * scale)
    if (room < 0).any():
        return None
    # The sheet is drawn upright, large enough that the turned view lies inside of it.
    across, down = np.ceil(_spread(np.array([width, height]), angle)).astype(int).tolist()
    side = (down + 4, across + 4)
    middle = np.array([side[1], side[0]], dtype=np.float64) / 2
    off = (rng.random(2) - 0.5) * room  # from the view's middle to the formula's, in the picture
    corner = middle + _rotation(angle) @ off - extent / 2
    placed = [((trace - low) * scale + corner).astype(np.float32) for trace in traces]

    ground = _pick(_PRINT_GROUNDS if is_print else _GROUNDS, rng)
    is_photo = ground not in ("screen", "dark screen", "scan") or chance(rng, 0.15)
    sheet = draw_sheet(ground, side, scale, rng)
    kind = "gel" if is_print else _pick(_WRITERS[ground], rng)
    pen = _visible_pen(kind, sheet, rng)
    inside = (float(middle[0] - width / 2), float(middle[1] - height / 2),
              float(middle[0] + width / 2), float(middle[1] + height / 2))  # fmt: skip
    (left, top), (right, bottom) = corner.tolist(), (corner + extent).tolist()
    view = inside if abs(angle) < 20 else (0.0, 0.0, float(side[1]), float(side[0]))
    place = Place(left, top, right, bottom, scale, view)
    if is_print:
        blend(sheet.picture, printed_cover(placed, pen, scale, side, rng), pen.colour)
        target = printed_ink(placed, side)
    else:
        add_marks(sheet, place, pen, neighbour, rng)
        blend(sheet.picture, cover(placed, pen, scale, side, rng), pen.colour)
        target = protocol_ink(placed, scale, side)
    if is_photo and ground in ("paper", "whiteboard") and chance(rng, _EDGE_SHARE):
        box = (place.left, place.top, place.right, place.bottom)
        outline = sheet_outline(side, box, rng)
        blend(sheet.picture, 1 - outline, surroundings(side, rng))
    shown, ink = _seen(sheet.picture, target, shape, angle, is_photo, rng)
    if is_photo:
        rows, columns = np.nonzero(ink >= 0.3 * float(ink.max()))
        box = (float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max()))
        if chance(rng, 0.07):
            add_objects(shown, box, rng)
        add_light(shown, rng)
    picture = develop(shown, is_photo, scale, rng)
    return Photo(
        np.rint(picture * 255).astype(np.uint8), np.rint(ink * 255).astype(np.uint8), scale, angle
    )


def draw_empty(
    neighbour: Neighbour, shape: tuple[int, int], scale: float, rng: np.random.Generator
) -> Photo:
    """A picture without a formula: sheets with other marks on them, and no sheets at all.

    Args:
        neighbour: gives ink of lines that the edge of the picture cuts.
        shape: height and width of the picture, in pixels.
        scale: pixels for each pixel at the published scale.
        rng: chooses everything else.
    """
    height, width = shape
    ground = _pick(_GROUNDS, rng)
    is_photo = ground not in ("screen", "dark screen")
    if is_photo and chance(rng, 0.4):
        picture = surroundings(shape, rng)
        if chance(rng, 0.5):
            middle = (width * 0.4, height * 0.4, width * 0.6, height * 0.6)
            blend(picture, sheet_outline(shape, middle, rng), surroundings(shape, rng))
    else:
        sheet = draw_sheet(ground, shape, scale, rng)
        kind = _pick(_WRITERS[ground], rng)
        x, y = width / 2, height / 2
        place = Place(x, y, x, y, scale, (0.0, 0.0, float(width), float(height)))
        add_marks(sheet, place, _visible_pen(kind, sheet, rng), neighbour, rng, is_empty=True)
        picture = sheet.picture
    if is_photo:
        add_light(picture, rng)
    picture = develop(picture, is_photo, scale, rng)
    ink = np.zeros(shape, dtype=np.uint8)
    return Photo(np.rint(picture * 255).astype(np.uint8), ink, scale, 0.0)


def largest_scale(
    traces: Sequence[NDArray[np.float32]], shape: tuple[int, int], angle: float
) -> float:
    """The largest scale at which ink, turned by an angle, fits into a picture; see `draw_photo`."""
    points = np.concatenate(list(traces))
    spread = _spread(np.ptp(points, axis=0), angle) + 2 * _BORDER
    return 0.999 * float(((np.array([shape[1], shape[0]]) - 2 * _BORDER) / spread).min())


def _spread(extent: NDArray[Any], angle: float) -> NDArray[np.float64]:
    """Width and height of the box around a turned box of a width and a height."""
    turn = np.deg2rad(angle)
    cosine, sine = abs(float(np.cos(turn))), abs(float(np.sin(turn)))
    width, height = extent.tolist()
    return np.array([width * cosine + height * sine, width * sine + height * cosine])


def _rotation(angle: float) -> NDArray[np.float64]:
    """From places in a turned picture to places on its upright sheet, about the same point."""
    turn = np.deg2rad(angle)
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def _seen(
    sheet: Picture,
    target: Field,
    shape: tuple[int, int],
    angle: float,
    is_photo: bool,
    rng: np.random.Generator,
) -> tuple[Picture, Field]:
    """A sheet and the ink on it as a camera sees them: turned, and a little aslant."""
    height, width = shape
    full_height, full_width = target.shape
    view = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    centre = np.array([full_width, full_height]) / 2
    source = (view - np.array([width, height]) / 2) @ _rotation(angle).T + centre
    if is_photo and chance(rng, 0.6):
        source += rng.normal(0, 0.015, (4, 2)) * (width, height)
    elif angle == 0:
        left, top = np.floor(source[0]).astype(int)
        part = (slice(top, top + height), slice(left, left + width))
        return sheet[part].copy(), target[part].copy()
    mapping = _homography(view, source)
    size = (width, height)
    channels = []
    for channel in (*(sheet[..., c] for c in range(3)), target):
        image = Image.fromarray(np.ascontiguousarray(channel))
        moved = image.transform(
            size, Image.Transform.PERSPECTIVE, mapping, Image.Resampling.BILINEAR
        )
        channels.append(np.asarray(moved, dtype=np.float32))
    return np.stack(channels[:3], axis=-1), channels[3]


def _homography(
    target: NDArray[np.float64], source: NDArray[np.float64]
) -> tuple[float, float, float, float, float, float, float, float]:
    """Pillow's eight coefficients of the perspective that takes four points to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        values += [u, v]
    a, b, c, d, e, f, g, h = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    return a, b, c, d, e, f, g, h


def _visible_pen(kind: PenKind, sheet: Sheet, rng: np.random.Generator) -> Pen:
    """A pen whose ink people see on a sheet."""
    paper = np.median(sheet.picture.reshape(-1, 3), axis=0)
    while True:
        pen = draw_pen(kind, ink_colour(sheet.is_dark, kind, rng), rng)
        if pen.opacity * float(np.abs(paper - pen.colour).max()) > _LEAST_CONTRAST:
            return pen


def _pick(shares: Mapping[K, float], rng: np.random.Generator) -> K:
    names = list(shares)
    weights = np.array(list(shares.values()))
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]
