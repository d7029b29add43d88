"""Marks that are not the formula: frames, corrections, other lines, print, specks and holes."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inktex.ink.polyline import arc_length, resampled

from .noise import Colour, Field, blend, blurred, chance, smooth_noise
from .paper import Sheet, hue
from .pens import Pen, cover, draw_pen

__all__ = ["Place", "add_marks", "ink_colour"]

Trace = NDArray[np.float32]
Neighbour = Callable[[np.random.Generator], Sequence[Trace]]
"""Gives the traces of some other ink, `(points, 2)` each, at the published scale, from 0 on."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the formula is on its sheet.

    Attributes:
        left, top, right, bottom: of its ink, in pixels of the sheet.
        scale: pixels of the sheet for each pixel at the published scale.
        view: left, top, right and bottom of the part of the sheet that is in the picture.
    """

    left: float
    top: float
    right: float
    bottom: float
    scale: float
    view: tuple[float, float, float, float]


def ink_colour(is_dark: bool, kind: str, rng: np.random.Generator) -> Colour:
    """A colour of ink: on light sheets black, blue and others, on dark ones white and others."""
    if is_dark:
        return hue(rng, (0.8, 1.0), (0.0, 0.15) if chance(rng, 0.7) else (0.2, 0.7))
    if kind == "pencil":
        return hue(rng, (0.1, 0.4), (0.0, 0.1))
    choice = rng.random()
    if choice < 0.5:
        return hue(rng, (0.0, 0.2), (0.0, 0.3))
    if choice < 0.8:
        level = float(rng.uniform(0.35, 0.8))
        return (level * float(rng.uniform(0, 0.4)), level * float(rng.uniform(0.1, 0.6)), level)
    return hue(rng, (0.3, 0.8), (0.5, 1.0))


def add_marks(
    sheet: Sheet,
    place: Place,
    pen: Pen,
    neighbour: Neighbour,
    rng: np.random.Generator,
    is_empty: bool = False,
) -> None:
    """Draw marks that are not the formula on a sheet, in place.

    Args:
        sheet: to draw on.
        place: of the formula.
        pen: that wrote the formula, and some of the marks.
        neighbour: writes other lines.
        rng: chooses which marks there are.
        is_empty: whether there is no formula, to which some marks would belong.
    """
    shares: list[tuple[float, Callable[..., None]]] = [
        (0.30, _other_lines), (0.12, _frame), (0.06, _underline), (0.10, _teacher),
        (0.06, _crossed_out), (0.12, _printed_words), (0.08, _specks), (0.05, _holes),
        (0.04, _back_side),
    ]  # fmt: skip
    if sheet.ground in ("screen", "dark screen"):
        shares = [(0.22, _other_lines), (0.10, _frame), (0.05, _underline), (0.05, _teacher),
                  (0.05, _crossed_out), (0.25, _printed_words)]  # fmt: skip
    if is_empty:
        shares = [
            one for one in shares if one[1] not in (_frame, _underline, _teacher, _crossed_out)
        ]
    for share, draw in shares:
        if chance(rng, share):
            draw(sheet, place, pen, neighbour, rng)


def _another_pen(sheet: Sheet, pen: Pen, rng: np.random.Generator) -> Pen:
    """The same pen or, as often, another one of its kind and of another colour."""
    if chance(rng, 0.5):
        return pen
    return draw_pen(pen.kind, ink_colour(sheet.is_dark, pen.kind, rng), rng)


def _write(
    sheet: Sheet, traces: Sequence[Trace], pen: Pen, scale: float, rng: np.random.Generator
) -> None:
    shape = (sheet.picture.shape[0], sheet.picture.shape[1])
    blend(sheet.picture, cover(traces, pen, scale, shape, rng), pen.colour)


def _wobbled(points: Sequence[tuple[float, float]], size: float, rng: np.random.Generator) -> Trace:
    """A line through points as a hand draws it, a point every few pixels, off by about `size`."""
    corners = np.asarray(points, dtype=np.float64)
    count = max(int(arc_length(corners)[-1] / 6), 4)
    line = resampled(corners, count)
    for period in (count / 2, count / 6):
        knots = rng.normal(0, size / 2, (max(int(count / max(period, 1)) + 2, 2), 2))
        place = np.linspace(0, len(knots) - 1, count)
        line += np.stack([np.interp(place, range(len(knots)), knots[:, i]) for i in (0, 1)], axis=1)
    return line.astype(np.float32)


def _other_lines(
    sheet: Sheet, place: Place, pen: Pen, neighbour: Neighbour, rng: np.random.Generator
) -> None:
    """Other ink that the edge of the picture cuts: the line above or below, words beside."""
    left, top, right, bottom = place.view
    pen = _another_pen(sheet, pen, rng) if chance(rng, 0.3) else pen
    for _ in range(int(rng.integers(1, 3))):
        traces = neighbour(rng)
        points = np.concatenate(list(traces))
        size = points.max(axis=0) * place.scale
        side = int(rng.integers(4))
        gap = float(rng.uniform(14, 50)) * place.scale
        seen = float(rng.uniform(0.1, 0.65))
        if side < 2:  # above, below
            x = float(rng.uniform(left - 0.5 * size[0], right - 0.5 * size[0]))
            y = top - (1 - seen) * size[1] if side == 0 else bottom - seen * size[1]
            is_clear = y + size[1] < place.top - gap if side == 0 else y > place.bottom + gap
        else:
            y = float(rng.uniform(top, max(bottom - size[1], top + 1)))
            x = left - (1 - seen) * size[0] if side == 2 else right - seen * size[0]
            is_clear = x + size[0] < place.left - gap if side == 2 else x > place.right + gap
        if is_clear:
            offset = np.array([x, y], dtype=np.float32)
            placed = [trace * np.float32(place.scale) + offset for trace in traces]
            _write(sheet, placed, pen, place.scale, rng)


def _frame(
    sheet: Sheet, place: Place, pen: Pen, neighbour: Neighbour, rng: np.random.Generator
) -> None:
    """A box or an ellipse round the formula, drawn or printed."""
    pad = rng.uniform(6, 26, 4) * place.scale
    left, top, right, bottom = (
        place.left - pad[0], place.top - pad[1], place.right + pad[2], place.bottom + pad[3]
    )  # fmt: skip
    pen = _another_pen(sheet, pen, rng)
    kind, wobble = rng.random(), float(rng.uniform(0.5, 3)) * place.scale
    if kind < 0.5:
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        traces = [_wobbled(corners, wobble, rng)]
        if chance(rng, 0.3):
            traces = [_wobbled(pair, wobble, rng) for pair in itertools.pairwise(corners)]
    elif kind < 0.7:
        centre = ((left + right) / 2, (top + bottom) / 2)
        turn = np.linspace(0, 2 * np.pi + float(rng.uniform(-0.3, 0.4)), 60) + rng.uniform(0, 6)
        across, down = (right - left) * 0.62, (bottom - top) * 0.68
        circle = [
            (centre[0] + across * float(np.cos(t)), centre[1] + down * float(np.sin(t)))
            for t in turn
        ]
        traces = [_wobbled(circle, wobble, rng)]
    else:
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        traces = [np.asarray(corners, dtype=np.float32)]
        pen = replace(pen, unevenness=0.0, grain=0.0)
    _write(sheet, traces, pen, place.scale, rng)


def _underline(
    sheet: Sheet, place: Place, pen: Pen, neighbour: Neighbour, rng: np.random.Generator
) -> None:
    """The formula underlined twice, or once in another colour, from end to end and beyond."""
    scale = place.scale
    y = place.bottom + float(rng.uniform(8, 20)) * scale
    is_double = chance(rng, 0.6)
    if not is_double:
        pen = replace(pen, colour=ink_colour(sheet.is_dark, "gel", rng))
    traces = []
    for number in range(2 if is_double else 1):
        start, stop = place.left - float(rng.uniform(0, 25)) * scale, place.right
        level = y + number * float(rng.uniform(5, 9)) * scale
        tilt = float(rng.normal(0, 2)) * scale
        stop += float(rng.uniform(0, 25)) * scale
        traces.append(_wobbled([(start, level), (stop, level + tilt)], scale, rng))
    _write(sheet, traces, pen, scale, rng)


def _teacher(
    sheet: Sheet, place: Place, pen: Pen, neighbour: Neighbour, rng: np.random.Generator
) -> None:
    """Ticks, crosses, brackets and remarks in another colour, beside and across the formula."""
    scale = place.scale
    red = hue(rng, (0.7, 0.95), (0.7, 1.0)) if chance(rng, 0.3) else (
        float(rng.uniform(0.65, 0.95)), float(rng.uniform(0, 0.25)), float(rng.uniform(0, 0.3))
    )  # fmt: skip
    other = draw_pen("gel", red, rng)
    kind = rng.random()
    x = float(rng.uniform(place.left - 20 * scale, place.right + 40 * scale))
    y = float(rng.uniform(place.top - 10 * scale, place.bottom))
    size = float(rng.uniform(15, 50)) * scale
    if kind < 0.4:  # a tick
        points = [(x, y), (x + 0.35 * size, y + 0.4 * size), (x + size, y - 0.7 * size)]
        traces: list[Trace] = [_wobbled(points, scale, rng)]
    elif kind < 0.55:  # a cross
        traces = [
            _wobbled([(x, y), (x + size, y + size)], scale, rng),
            _wobbled([(x + size, y), (x, y + size)], scale, rng),
        ]
    elif kind < 0.75:  # a wavy or straight line under a part
        stop = x + float(rng.uniform(1, 4)) * size
        count = max(int((stop - x) / (5 * scale)), 2)
        wave = float(rng.choice([0.0, 3.0])) * scale
        across = np.linspace(x, stop, count)
        down = place.bottom + 6 * scale + wave * (np.arange(count) % 2)
        traces = [np.stack([across, down], axis=1).astype(np.float32)]
    else:  # a remark
        beside = np.array(
            [place.right + float(rng.uniform(20, 60)) * scale, y - size], dtype=np.float32
        )
        traces = [trace * np.float32(scale) + beside for trace in neighbour(rng)]
    _write(sheet, traces, other, scale, rng)


def _crossed_out(
    sheet: Sheet, place: Place, pen: Pen, neighbour: Neighbour, rng: np.random.Generator
) -> None:
    """Something beside the formula that was scribbled over."""
    scale = place.scale
    width, height = rng.uniform(12, 40) * scale, rng.uniform(14, 32) * scale
    is_before = chance(rng, 0.5)
    gap = float(rng.uniform(8, 24)) * scale
    left = place.left - gap - width if is_before else place.right + gap
    middle = (place.top + place.bottom) / 2 + float(rng.normal(0, 6)) * scale
    count = int(rng.integers(6, 24))
    across = np.linspace(left, left + width, count)
    if chance(rng, 0.3):
        across = rng.uniform(left, left + width, count)
    down = middle + np.where(np.arange(count) % 2, 1, -1) * height / 2 * rng.uniform(0.3, 1, count)
    _write(sheet, [np.stack([across, down], axis=1).astype(np.float32)], pen, scale, rng)


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIKLMNOPRSTUVWZ0123456789.,:()"


def _printed_words(
    sheet: Sheet, place: Place, pen: Pen, neighbour: Neighbour, rng: np.random.Generator
) -> None:
    """Print: the number or the text of an exercise, the interface of an application."""
    height, width = sheet.picture.shape[:2]
    size = max(float(rng.uniform(10, 34)) * place.scale, 6)
    font = ImageFont.load_default(size)
    canvas = Image.new("L", (width, height))
    pencil = ImageDraw.Draw(canvas)
    left, top, right, bottom = place.view
    gap = 12 * place.scale
    rows = [y for y in (top + 0.3 * size, bottom - 1.5 * size) if chance(rng, 0.6)]
    for y in rows:
        if y + 1.4 * size > place.top - gap and y < place.bottom + gap:
            continue
        x = float(rng.uniform(left, left + 0.5 * (right - left)))
        for _ in range(int(rng.integers(1, 7))):
            word = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, 9))))
            pencil.text((x, y), word, fill=255, font=font)
            x += float(pencil.textlength(word, font=font)) + 0.35 * size
    if chance(rng, 0.4):  # the number of an exercise at the left
        word = f"{int(rng.integers(1, 30))}{rng.choice(['.', ')', ''])}"
        x = place.left - gap - float(pencil.textlength(word, font=font)) - 8 * place.scale
        if x > left:
            pencil.text((x, (place.top + place.bottom - size) / 2), word, fill=255, font=font)
    ink = np.asarray(canvas, dtype=np.float32) / np.float32(255)
    blend(sheet.picture, ink * np.float32(rng.uniform(0.5, 1)), _print_colour(sheet, rng))


def _print_colour(sheet: Sheet, rng: np.random.Generator) -> Colour:
    return hue(rng, (0.6, 1.0), (0, 0.4)) if sheet.is_dark else hue(rng, (0.0, 0.5), (0, 0.5))


def _specks(
    sheet: Sheet, place: Place, pen: Pen, neighbour: Neighbour, rng: np.random.Generator
) -> None:
    """Dirt, crumbs, stains and hairs."""
    height, width = sheet.picture.shape[:2]
    canvas = Image.new("L", (width, height))
    pencil = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(1, 14))):
        x, y = rng.random(2) * (width, height)
        radius = float(np.exp(rng.uniform(np.log(0.4), np.log(3.5)))) * place.scale
        if place.left - 8 < x < place.right + 8 and place.top - 8 < y < place.bottom + 8:
            continue  # there it would be a point
        pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    ink = np.asarray(canvas, dtype=np.float32) / np.float32(255)
    blend(sheet.picture, ink * np.float32(rng.uniform(0.3, 0.9)), _print_colour(sheet, rng))
    if chance(rng, 0.3):
        shape = (height, width)
        stain = np.clip(smooth_noise(shape, 90 * place.scale, rng, octaves=2) - 1.2, 0, 0.6)
        blend(
            sheet.picture,
            stain * np.float32(rng.uniform(0.2, 0.6)),
            hue(rng, (0.4, 0.8), (0.2, 0.7)),
        )
    if chance(rng, 0.3):
        points = rng.normal(0, 30 * place.scale, (5, 2)).cumsum(axis=0)
        points += rng.random(2) * (width, height)
        hair = replace(pen, width=0.6, colour=_print_colour(sheet, rng), opacity=0.6)
        curve = _wobbled([(float(x), float(y)) for x, y in points], 4 * place.scale, rng)
        if not _touches(curve, place):
            _write(sheet, [curve], hair, place.scale, rng)


def _touches(points: Trace, place: Place) -> bool:
    x, y = points[:, 0], points[:, 1]
    inside = (x > place.left) & (x < place.right) & (y > place.top) & (y < place.bottom)
    return bool(inside.any())


def _holes(
    sheet: Sheet, place: Place, pen: Pen, neighbour: Neighbour, rng: np.random.Generator
) -> None:
    """Punched holes along an edge, or a staple."""
    height, width = sheet.picture.shape[:2]
    left, top, _, bottom = place.view
    canvas = Image.new("L", (width, height))
    pencil = ImageDraw.Draw(canvas)
    if chance(rng, 0.6):
        radius = float(rng.uniform(7, 16)) * place.scale
        x = left + float(rng.uniform(1.2, 2.5)) * radius
        if x + radius > place.left:
            return
        pitch = float(rng.uniform(3, 12)) * radius
        for y in np.arange(top + float(rng.uniform(0, pitch)), bottom, pitch).tolist():
            pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        colour = hue(rng, (0.05, 0.9), (0.0, 0.5))
    else:
        x, y = left + float(rng.uniform(5, 50)), top + float(rng.uniform(5, 50))
        length = float(rng.uniform(15, 40)) * place.scale
        if y + length > place.top:
            return
        line = (x, y, x + length, y + float(rng.normal(0, 0.5)) * length)
        pencil.line(line, fill=255, width=max(round(2 * place.scale), 1))
        colour = hue(rng, (0.3, 0.8), (0.0, 0.1))
    hole: Field = np.asarray(canvas, dtype=np.float32) / np.float32(255)
    blend(sheet.picture, hole * np.float32(0.9), colour)


def _back_side(
    sheet: Sheet, place: Place, pen: Pen, neighbour: Neighbour, rng: np.random.Generator
) -> None:
    """Ink or print of the other side of the sheet, mirrored, faint and soft."""
    height, width = sheet.picture.shape[:2]
    if chance(rng, 0.4):
        size = float(rng.uniform(9, 24)) * place.scale
        font = ImageFont.load_default(max(size, 6))
        canvas = Image.new("L", (width, height))
        pencil = ImageDraw.Draw(canvas)
        for y in np.arange(float(rng.uniform(0, 0.7 * height)), height, 1.6 * size).tolist():
            line = " ".join(
                "".join(rng.choice(list(_LETTERS), int(rng.integers(2, 9)))) for _ in range(12)
            )
            pencil.text((float(rng.uniform(-40, 20)), y), line, fill=255, font=font)
        print_there = np.asarray(canvas, dtype=np.float32)[:, ::-1] / np.float32(255)
        soft = blurred(np.ascontiguousarray(print_there), 0.8 * place.scale)
        blend(sheet.picture, soft * np.float32(rng.uniform(0.04, 0.2)), (0.2, 0.2, 0.2))
        return
    left, top = width - float(rng.uniform(0, 0.5 * width)), float(rng.uniform(0, 0.7 * height))
    offset = np.array([left, top], dtype=np.float32)
    mirror = np.array([-place.scale, place.scale], dtype=np.float32)
    back = cover(
        [offset + trace * mirror for trace in neighbour(rng)],
        pen,
        place.scale,
        (height, width),
        rng,
    )
    back = blurred(back, 1.2 * place.scale)
    blend(sheet.picture, back * np.float32(rng.uniform(0.05, 0.22)), pen.colour)
