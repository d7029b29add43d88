r"""Where the parts of fractions, roots, accents, arrows and matrices go. Lengths are ems."""

from collections.abc import Sequence

import numpy as np

from inktex.ink import bounding_box

from .box import Box, Strokes, boxed, fit

AXIS = -0.45
"""y of the axis, on which fractions and matrices are centred."""
_WIDE = frozenset({r"\overline", r"\underline", r"\overbrace", r"\underbrace"})
"""Accents that are as wide as what they belong to."""
_BELOW = frozenset({r"\underline", r"\underbrace"})
_BRACE_HEIGHT = 0.45
"""Of braces over and under symbols; lower ones look like lines."""
_CLEAR = 0.1
"""From the ink of fraction bars and roots to that beside them, at least."""


def fraction(
    index: int, bar: Strokes, parts: tuple[Box, Box], scale: float, numbers: Sequence[float]
) -> Box:
    """Numerator over bar over denominator.

    Args:
        bar: its strokes, of any size.
        parts: numerator and denominator.
        numbers: of the habit `fraction`.
    """
    numerator, denominator = parts
    _, axis, above, below, overhang, shift = numbers
    above, below = max(above, _CLEAR), max(below, _CLEAR)
    widest = max([scale * part.width for part in parts if part.symbols], default=0.3)
    width = max(widest + overhang, 0.6 * widest, 0.3)
    x0, y0, x1, y1 = bounding_box(bar)
    thickness = min((y1 - y0) * width / max(x1 - x0, 0.05), 0.2 * width, 0.5)
    base = boxed(index, fit(bar, (0.0, axis - thickness / 2, width, axis + thickness / 2)))
    for part, up in (
        (numerator, base.top - above - scale * numerator.bottom),
        (denominator, base.bottom + below - scale * denominator.top),
    ):
        if part.symbols:
            base.add(part, width / 2 + shift - scale * part.middle, up, scale)
    return base


def root(
    index: int,
    sign: Strokes,
    inner: Box,
    degree: Box | None,
    scale: float,
    numbers: Sequence[float],
    smallest: float,
) -> Box:
    """A root's sign round what stands under it.

    Args:
        sign: its strokes, of any size.
        degree: what stands in its hook; None if nothing does.
        scale: size of `inner`.
        numbers: of the habit `root`.
        smallest: size of the degree, at least.
    """
    _, left, top, right, bottom = numbers
    left, top = max(left, _CLEAR), max(top, _CLEAR)
    content = inner.scaled(scale)
    if not content.symbols:
        content.left, content.top, content.right, content.bottom = 0.0, -0.8, 0.3, 0.0
    target = (
        content.left - left,
        min(content.top, -0.4) - top,
        max(content.right + right, content.left + 0.3),
        max(content.bottom, -0.1) + bottom,
    )
    x0, y0, x1, y1 = bounding_box(sign)
    points = np.concatenate(sign)
    lowest = points[points[:, 1].argmax(), 0]
    high = points[(points[:, 1] < y0 + 0.25 * (y1 - y0)) & (points[:, 0] >= lowest)]
    # The hook in front keeps its shape as well as it may, be it as high as the bar; the bar, which
    # begins behind the lowest point, gets as long as needed.
    knee = float(high[:, 0].min(initial=x1))
    knee = float(np.clip(knee, x0 + 0.05 * (x1 - x0), x0 + 0.95 * (x1 - x0)))
    sources = np.array([x0, knee, x1])
    places = np.array([target[0], content.left - 0.25 * left, target[2]])
    tall = (target[3] - target[1]) / max(y1 - y0, 0.05)
    strokes = tuple(
        np.stack(
            [np.interp(s[:, 0], sources, places), target[1] + (s[:, 1] - y0) * tall], axis=1
        ).astype(np.float32)
        for s in sign
    )
    base = boxed(index, strokes)
    base.add(inner, 0.0, 0.0, scale)
    if degree is not None and degree.symbols:
        smaller = max(0.5, smallest)
        x = target[0] + 0.4 * left - smaller * degree.right
        y = target[1] + 0.45 * (target[3] - target[1]) - smaller * degree.bottom
        base.add(degree, x, y, smaller)
    return base


def accented(index: int, token: str, accent: Strokes, inner: Box, numbers: Sequence[float]) -> Box:
    """An accent over, a line or brace over or under some symbols.

    Args:
        accent: its strokes, of any size for lines and braces.
        numbers: of the habit `accent`.
    """
    distance, shift, width = numbers
    base = inner.scaled(1.0)
    if not base.symbols:
        base.left, base.top, base.right, base.bottom = 0.0, -0.6, 0.4, 0.0
    x0, y0, x1, y1 = bounding_box(accent)
    wanted, height = x1 - x0, y1 - y0
    if token in _WIDE:
        wanted = max(base.width * width, 0.3)
        height = min(height, 0.15 * wanted)
        if token.endswith("brace"):
            height = _BRACE_HEIGHT
    elif base.width > 1.2:  # over several symbols it grows, as \widehat does
        wanted = 0.8 * base.width
        height = min(height * wanted / max(x1 - x0, 0.05), 0.5)
    left = base.middle + (shift if token not in _WIDE else 0.0) - wanted / 2
    top = base.bottom + distance if token in _BELOW else base.top - distance - height
    box = Box()
    box.add(base, 0.0, 0.0)
    box.add(boxed(index, fit(accent, (left, top, left + wanted, top + height))), 0.0, 0.0)
    return box


def stacked(base: Box, over: Box, scale: float, distance: float, above: bool) -> Box:
    """Something small over or under a base, centred.

    Args:
        scale: size of `over`.
        above: whether it stands over the base.
    """
    box = Box()
    box.add(base, 0.0, 0.0)
    if not base.symbols:
        return over.scaled(scale)
    if over.symbols:
        y = (
            base.top - distance - scale * over.bottom
            if above
            else base.bottom + distance - scale * over.top
        )
        box.add(over, base.middle - scale * over.middle, y, scale)
    return box


def arrow(index: int, strokes: Strokes, label: Box, scale: float, distance: float) -> Box:
    """An arrow that is as long as the label over it, and a little longer.

    Args:
        strokes: of an arrow of any length.
        label: what stands over it.
    """
    _, y0, _, y1 = bounding_box(strokes)
    width = max(scale * label.width + 0.6, 1.2) if label.symbols else 1.2
    height = min(y1 - y0, 0.6)
    place = (0.0, AXIS - height / 2, width, AXIS + height / 2)
    return stacked(boxed(index, fit(strokes, place)), label, scale, distance, above=True)


def binomial(
    index: int, brackets: Strokes, parts: tuple[Box, Box], scale: float, numbers: Sequence[float]
) -> Box:
    """Two rows over one another in round brackets.

    Args:
        brackets: strokes of the opening one and of the closing one, one stroke each.
        parts: upper and lower row.
        numbers: of the habit `matrix`.
    """
    _, between, bracket = numbers
    content = Box()
    upper, lower = parts
    if upper.symbols:
        content.add(upper, -scale * upper.middle, AXIS - between / 2 - scale * upper.bottom, scale)
    if lower.symbols:
        content.add(lower, -scale * lower.middle, AXIS + between / 2 - scale * lower.top, scale)
    if not content.symbols:
        content.left, content.top, content.right, content.bottom = 0.0, -1.2, 0.4, 0.3
    height = content.height
    wide = 0.12 * height + 0.1
    strokes: list[np.ndarray] = []
    for stroke, (left, right) in zip(
        brackets,
        (
            (content.left - bracket - wide, content.left - bracket),
            (content.right + bracket, content.right + bracket + wide),
        ),
        strict=True,
    ):
        strokes += fit((stroke,), (left, content.top - 0.1, right, content.bottom + 0.1))
    box = boxed(index, tuple(strokes))
    box.add(content, 0.0, 0.0)
    return box


def matrix(lines: Sequence[Sequence[Box]], numbers: Sequence[float]) -> Box:
    """Cells in columns, or lines under one another where each has a single one.

    Args:
        lines: their cells, some of which may be empty.
        numbers: of the habit `matrix`, or of `lines` for lines of a single cell.
    """
    across, between, indent = numbers
    single = all(len(line) == 1 for line in lines)
    columns = max(len(line) for line in lines)
    widths = [
        max([line[i].width for line in lines if i < len(line) and line[i].symbols], default=0.3)
        for i in range(columns)
    ]
    box = Box()
    y = 0.0
    for number, line in enumerate(lines):
        inked = [cell for cell in line if cell.symbols]
        top = min([cell.top for cell in inked], default=-0.8)
        bottom = max([cell.bottom for cell in inked], default=0.0)
        baseline = y - top
        x = 0.0
        for cell, width in zip(line, widths, strict=False):
            if cell.symbols and single:
                box.add(cell, number * indent - cell.left, baseline)
            elif cell.symbols:
                box.add(cell, x + width / 2 - cell.middle, baseline)
            x += width + across
        y = baseline + bottom + between
    centred = Box()
    centred.add(box, 0.0, AXIS - (box.top + box.bottom) / 2 if box.symbols else 0.0)
    return centred


def braced(strokes: Strokes, top: float, bottom: float) -> Strokes:
    """A bracket stretched from `top` to `bottom`; its width stays."""
    x0, _, x1, _ = bounding_box(strokes)
    return fit(strokes, (x0, top, x1, bottom))
