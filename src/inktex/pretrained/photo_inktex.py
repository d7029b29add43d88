"""Ink in a photo or scan: off uneven paper, off its ruled lines, without what lies at the edge."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .pictures_inktex import NoFormulaError
from .strokes_inktex import EIGHT, runs, stroke_width

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]
Lengths = NDArray[np.int64]

MIN_CONTRAST = 0.04
"""Of the range from black to white; less is a blank sheet."""
MAX_SLOPE = 0.14
"""Of ruled lines, pixels down for each pixel across: eight degrees."""
WIDEST = 3.0
"""Widths of the pen that ink is wide at most, where strokes cross and run together."""
_SHORTEST_LINE = 0.1
"""Of the picture's width, that a ruled line is in it at least, or it is not looked for."""
SOFT = 0.35
"""Of the usual steepness of the edges of ink; what has less is a shadow."""
SHADE = 0.55
"""Of the contrast of the ink beside it; what has less is a shadow that crosses strokes."""
FAINT = 0.65
"""Of the usual contrast of ink; what has less and is no letter is the edge of a shadow."""
MANY_SPECKS = 12
"""More than so many dots are no decimal points, but a dirty sheet."""


@dataclass(frozen=True, slots=True)
class Found:
    """Ink that was found.

    Attributes:
        ink: `(h, w)` bool.
        notes: what was done to find it, in words.
        slope: of the ruled lines that were under it, pixels down for each pixel across.
    """

    ink: Mask
    notes: tuple[str, ...]
    slope: float = 0.0


def ink_of_photo(grey: Grey) -> Found:
    """Tell ink from paper whose level varies.

    Args:
        grey: `(h, w)`, 0 black to 1 white, ink darker or lighter than the paper.

    Raises:
        NoFormulaError: if nothing stands out of the noise.
    """
    is_dark = _is_dark_ink(ndimage.gaussian_filter(grey, 0.7))
    light = grey if is_dark else 1 - grey
    reach = max(max(light.shape) // 16, 15)
    try:
        ink, contrast, outside = _ink(light, 0.7, reach)  # noise of the sensor, blocks of JPEG
    except NoFormulaError:  # so many shadows that what is narrower than they are is not seen
        reach = max(reach // 4, 15)
        ink, contrast, outside = _ink(light, 0.7, reach)
    width = stroke_width(ink)
    if width >= 5:  # wide strokes bear more smoothing, and what is finer than they are is noise
        # Paper is looked for no farther than strokes are wide, else shadows' fingers are ink.
        reach = min(reach, max(round(WIDEST * width), 15))
        ink, contrast, outside = _ink(light, min(width / 6, 3.0), reach)
    notes = [f"paper of uneven light, {'dark' if is_dark else 'light'} ink"]
    width = stroke_width(ink)
    ink, ruled, slope = without_ruling(ink)
    if ruled:
        refuse_flat_remains(ink, width)
        notes.append(f"{ruled} ruled lines removed")
    if outside.any():  # after the lines, which hang on the edge, and the formula on them
        notes.append("surroundings of the sheet cut off")
        ink = _off_the_edge(ink, outside)
    ink, clutter = _without_clutter(ink, outside, stroke_width(ink))
    if clutter:
        notes.append(f"{clutter} things at the edge removed")
    ink, specks = _without_specks(ink, stroke_width(ink))
    if specks:
        notes.append(f"{specks} specks removed")
    ink, faint = _without_faint(ink, contrast)
    if faint:
        notes.append(f"{faint} faint marks removed")
    if ruled or outside.any():  # what was at the edge, or was specks, is gone only now
        refuse_flat_remains(ink, width)
    return Found(ink, tuple(notes), slope)


def _ink(light: Grey, sigma: float, reach: int) -> tuple[Mask, Grey, Mask]:
    """Dark ink in a picture smoothed by a Gaussian, its contrast, and what is outside the sheet.

    Args:
        light: `(h, w)`, 0 black to 1 white.
        sigma: of the Gaussian, in pixels.
        reach: pixels; whatever is wider than this is no stroke.
    """
    light = ndimage.gaussian_filter(light, sigma)
    paper = _background(light, reach)
    # In deep shadow noise would pass for ink, were it measured by the little light there is.
    floor = max(0.35 * float(np.percentile(paper, 90)), 0.05)
    below = (paper - light) / np.maximum(paper, floor)
    # The closing rides on the noise.
    contrast: Grey = np.clip(below - np.median(below), 0, 1).astype(np.float32)
    outside = np.zeros(light.shape, dtype=bool)
    strong = contrast > _otsu(contrast)
    for _ in range(3):  # what is darker than ink hides what is fainter at the edge, and the ink
        surroundings = _surroundings(strong)
        if not surroundings.any() or (outside | surroundings).mean() > 0.6:
            break
        outside |= ndimage.binary_dilation(surroundings, EIGHT, iterations=4)
        strong = (contrast > _otsu(contrast[~outside])) & ~outside
    inside = contrast[~outside]
    threshold = _otsu(inside)
    noise = 1.4826 * float(np.median(inside[inside > 0])) if (inside > 0).any() else 0.0
    if not strong.any() or float(contrast[strong].mean()) < max(2.5 * noise, MIN_CONTRAST):
        raise NoFormulaError("The picture is blank: there is no ink in it.")
    # Faint parts count where they continue strong ones.
    weak = (contrast > max(0.6 * threshold, min(2.5 * noise, threshold))) & ~outside
    ink = _without_soft(grow(strong, weak), contrast)
    return _without_shade(ink, contrast), contrast, outside


def _without_soft(ink: Mask, contrast: Grey) -> Mask:
    """Take away what fades into the paper: the fingers of a shadow, a stain."""
    slope = np.hypot(*np.gradient(contrast))
    rim = ink & ~ndimage.binary_erosion(ink, EIGHT)
    labels, count = ndimage.label(ink, EIGHT)
    length = np.bincount(labels[rim], minlength=count + 1)
    total = np.bincount(labels[rim], slope[rim], minlength=count + 1)
    is_soft = total < SOFT * np.quantile(slope[rim], 0.75) * length
    return ink & ~is_soft[labels]


def _without_shade(ink: Mask, contrast: Grey) -> Mask:
    """Take away what is much fainter than the ink around: shadows that strokes hang together with.

    No threshold for all of a picture parts them, as ink in a dark corner may be as faint.
    """
    size = max(round(5 * stroke_width(ink)), 3)

    def around(values: Grey) -> Grey:
        once = ndimage.uniform_filter(values, size)
        return np.asarray(ndimage.uniform_filter(once, size))

    # A mean that leans to the darkest: of the ink, though most around may be shadow.
    dark = np.where(ink, contrast**3, 0).astype(np.float32)
    usual = around(dark * contrast) / np.maximum(around(dark), 1e-9)
    return ink & (contrast > SHADE * usual)


def _off_the_edge(ink: Mask, outside: Mask) -> Mask:
    """Ink without what hangs on the edge of a sheet whose edge is in the picture."""
    edge = ndimage.binary_dilation(outside, EIGHT, iterations=6)
    edge[:3] = edge[-3:] = True
    edge[:, :3] = edge[:, -3:] = True
    hanging = grow(ink & edge, ink)
    return ink & ~hanging if 2 * hanging.sum() < ink.sum() else ink


def _surroundings(strong: Mask) -> Mask:
    """What runs along the edge of the picture: a table, a shadow, the sheet below."""
    labels, count = ndimage.label(strong, EIGHT)
    touched = np.zeros(count + 1, dtype=np.int64)  # the longest stretch without a gap
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        starts = np.flatnonzero(np.diff(side, prepend=-1))
        np.maximum.at(touched, side[starts], np.diff(starts, append=len(side)))
    touched[0] = 0
    return (touched > max(0.05 * max(strong.shape), 8))[labels]


def grow(strong: Mask, weak: Mask) -> Mask:
    """The strong pixels and the weak ones that hang together with them."""
    labels, count = ndimage.label(strong | weak, EIGHT)
    keep = np.zeros(count + 1, dtype=bool)
    keep[labels[strong]] = True
    return keep[labels]


def _is_dark_ink(grey: Grey) -> bool:
    """Ink is rare: on what side of their surroundings are the pixels that stand out most?"""
    step = max(min(grey.shape) // 4, 15)
    residual = grey - ndimage.uniform_filter(grey, step)
    return float((residual**3).mean()) <= 0


def _background(light: Grey, reach: int) -> Grey:
    """Brightness of the paper under the ink: a closing wider than strokes keeps shadows' edges."""
    closed = ndimage.grey_closing(light, size=(reach, reach), mode="nearest")
    return ndimage.gaussian_filter(closed, 2.0, mode="nearest")


def _otsu(values: Grey) -> float:
    """Threshold that parts values in 0..1 into two classes most unlike (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256, range=(0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    mean_below = sums / np.maximum(below, 1)
    mean_above = (sums[-1] - sums) / np.maximum(above, 1)
    between = below.astype(np.float64) * above * (mean_below - mean_above) ** 2
    return float(edges[int(between.argmax()) + 1])


# --------------------------------------------------------------------------------- ruled lines


def without_ruling(ink: Mask) -> tuple[Mask, int, float]:
    """Take away the lines of ruled or squared paper.

    At least two parallel lines from one edge of the picture to the other, at most `MAX_SLOPE`
    from level or upright. Where a stroke crosses a line, it stays.

    Returns:
        The ink without them, all of it gone where there was nothing else; how many there were;
        and by how many pixels the level ones go down for each pixel across.
    """
    level, count, down = _without_level_lines(ink)
    both, upright, aside = _without_level_lines(level.T)
    if count + upright == 0:
        return ink, 0, 0.0
    return both.T, count + upright, down if count else -aside


def refuse_flat_remains(ink: Mask, width: float) -> None:
    """Refuse what is left of ruled lines on an empty sheet: dashes, and nothing taller.

    Args:
        ink: without the lines.
        width: of the strokes, the lines among them, in pixels.

    Raises:
        NoFormulaError: if nothing in it is taller than three lines.
    """
    boxes = ndimage.find_objects(ndimage.label(ink, EIGHT)[0])
    tallest = max((rows.stop - rows.start for rows, _ in boxes), default=0)
    if tallest <= 3 * width + 2:
        raise NoFormulaError("No formula found: there are only the lines of ruled paper.")


def _without_level_lines(ink: Mask) -> tuple[Mask, int, float]:
    height, width = ink.shape
    rows, columns = np.nonzero(ink)
    # Cheap, and all that a picture without ruling needs: no line without ink at both edges.
    edge = max(width // 33, 2)
    if height < 32 or not (ink[:, :edge].any() and ink[:, -edge:].any()):
        return ink, 0, 0.0
    some = slice(None, None, max(len(rows) // 50_000, 1))
    reach = int(np.ceil(MAX_SLOPE * width / 2)) + 1
    across = columns - width / 2

    def profile(slope: float, chosen: slice) -> NDArray[np.float64]:
        lines = np.rint(rows[chosen] - slope * across[chosen]).astype(np.int64) + reach
        return np.bincount(lines, minlength=height + 2 * reach).astype(np.float64)

    slopes = np.linspace(-MAX_SLOPE, MAX_SLOPE, 57)
    slope = float(max(slopes, key=lambda one: float((profile(one, some) ** 2).sum())))
    # Of a line that leaves the picture above or below, what is in it counts.
    starts = np.arange(height + 2 * reach)[:, None] - reach - slope * width / 2
    shares = starts + slope * np.linspace(0, width, 65)
    share = ((shares >= 0) & (shares < height)).mean(axis=1)
    density = ndimage.uniform_filter1d(profile(slope, slice(None)), 3) * 3 / width
    density /= np.maximum(share, _SHORTEST_LINE)
    peaks = np.flatnonzero(
        (density == ndimage.maximum_filter1d(density, 9)) & (density > 0.5)
    ).tolist()
    all_columns = np.arange(width)
    paths, whole = [], 0
    for peak in peaks:
        path = _follow(ink, peak - reach + slope * (all_columns - width / 2))
        covered = _near(ink, path, 1)[(path >= 0) & (path < height)]
        if len(covered) == 0:
            continue
        ends = min(covered[: 2 * edge].mean(), covered[-2 * edge :].mean())
        if covered.mean() > 0.6 and ends > 0.4:
            paths.append(path)
            whole += len(covered) == width
    if whole < 2:
        return ink, 0, 0.0
    tall = runs(ink.T).T
    kept = ink.copy()
    for path in paths:
        within = (path >= 0) & (path < height)
        on_line = tall[path[within], all_columns[within]]
        thickness = float(np.median(on_line[on_line > 0])) if (on_line > 0).any() else 1.0
        for shift in range(-int(thickness) - 1, int(thickness) + 2):
            at = path + shift
            inside = (at >= 0) & (at < height)
            at, across_it = at[inside], all_columns[inside]
            thin = tall[at, across_it] <= 1.5 * thickness + 1
            kept[at[thin], across_it[thin]] = False
    return kept, len(paths), slope


def _follow(ink: Mask, course: NDArray[np.float64], parts: int = 12) -> Lengths:
    """Row of a line in each column: a straight course, corrected a little from part to part."""
    height, width = ink.shape
    path = np.rint(course).astype(np.int64)
    shifts = np.arange(-3, 4)
    for part in np.array_split(np.arange(width), parts):
        if len(part):
            at = (path[part][None] + shifts[:, None]).clip(0, height - 1)
            hits = ink[at, part[None]].sum(axis=1) - 0.01 * np.abs(shifts)
            path[part] += shifts[int(hits.argmax())]
    return path


def _near(ink: Mask, path: Lengths, reach: int) -> Mask:
    """In which columns there is ink on the path, or within `reach` of it."""
    at = path[None] + np.arange(-reach, reach + 1)[:, None]
    inside = (at >= 0) & (at < ink.shape[0])
    hit: Mask = ink[at.clip(0, ink.shape[0] - 1), np.arange(ink.shape[1])[None]] & inside
    return np.asarray(hit.any(axis=0))


# ----------------------------------------------------------------------------- what is no ink


def _without_clutter(ink: Mask, surroundings: Mask, width: float) -> tuple[Mask, int]:
    """Take away what comes in from outside: a table's edge, a finger, the line above.

    Args:
        ink: `(h, w)`.
        surroundings: `(h, w)`, of the sheet.
        width: of the strokes, in pixels.
    """
    labels, count = ndimage.label(ink, EIGHT)
    boxes = ndimage.find_objects(labels)
    height, broad = ink.shape
    near = ndimage.binary_dilation(surroundings, EIGHT, iterations=round(3 * width) + 6)
    outside = np.bincount(labels[near], minlength=count + 1) > 0
    outside[0] = False
    for number, (rows, columns) in enumerate(boxes, start=1):
        outside[number] |= (
            rows.start <= 1 or columns.start <= 1 or rows.stop >= height - 1
            or columns.stop >= broad - 1
        )  # fmt: skip
    inner = [box for number, box in enumerate(boxes, start=1) if not outside[number]]
    if not inner or not outside.any():
        return ink, 0
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    tall = [rows.stop - rows.start for rows, _ in inner]
    body = float(np.quantile(tall, 0.75))
    top, bottom = min(rows.start for rows, _ in inner), max(rows.stop for rows, _ in inner)
    left, right = (
        min(columns.start for _, columns in inner),
        max(columns.stop for _, columns in inner),
    )
    drop = np.zeros(count + 1, dtype=bool)
    for number in np.flatnonzero(outside).tolist():
        rows, columns = boxes[number - 1]
        longest = max(rows.stop - rows.start, columns.stop - columns.start)
        is_thick = areas[number] / longest > 3 * width
        is_apart = (
            rows.stop < top - 0.5 * body
            or rows.start > bottom + 0.5 * body
            or columns.stop < left - body
            or columns.start > right + body
        )
        drop[number] = (is_thick and longest > body) or is_apart
    return ink & ~drop[labels], int(drop.sum())


def _without_faint(ink: Mask, contrast: Grey) -> tuple[Mask, int]:
    """Take away what is much fainter than the ink and too flat for a letter: edges of shadows."""
    labels, count = ndimage.label(ink, EIGHT)
    if count < 2:
        return ink, 0
    tall = np.array([rows.stop - rows.start for rows, _ in ndimage.find_objects(labels)])
    mean = ndimage.mean(contrast, labels, np.arange(1, count + 1))
    is_faint = np.zeros(count + 1, dtype=bool)
    is_faint[1:] = (mean < FAINT * np.median(contrast[ink])) & (tall < 0.4 * tall.max())
    return ink & ~is_faint[labels], int(is_faint.sum())


def _without_specks(ink: Mask, width: float) -> tuple[Mask, int]:
    """Take away what is smaller than a dot; where there are too many dots, those as well."""
    labels, count = ndimage.label(ink, EIGHT)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    # A dot is about as wide as the pen; what is much smaller is dust.
    dust = areas < min((0.6 * width) ** 2, areas.max())
    dots = areas < min(3 * width**2, areas.max())
    small = dots if int((dots & ~dust).sum()) > MANY_SPECKS else dust
    small[0] = True
    return ~small[labels], int(small[1:].sum())


__all__ = [
    "MIN_CONTRAST",
    "Found",
    "grow",
    "ink_of_photo",
    "refuse_flat_remains",
    "without_ruling",
]
