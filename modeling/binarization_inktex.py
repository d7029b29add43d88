"""Binarization: ink separated from its paper, in drawings and in photos."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .image_loading_inktex import NoFormulaError
from .rejection_inktex import reject_flat_remains
from .ruling_inktex import remove_ruling
from .stroke_width_inktex import EIGHT, stroke_width

Grey = NDArray[np.float32]
Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

MIN_CONTRAST = 0.04
"""Of the range from black to white; less is a blank sheet."""
MAX_WIDTH = 3.0
"""Stroke widths that ink is wide at most, where strokes cross and merge."""
MIN_STEEPNESS = 0.35
"""Of the usual steepness of the edges of ink; components with less are shadows."""
MIN_SHADE = 0.55
"""Of the contrast of the ink beside it; pixels with less are a shadow that crosses strokes."""
MIN_MARK = 0.65
"""Of the usual contrast of ink; flat components with less are edges of shadows."""
MAX_DOTS = 12
"""More dots than these are no decimal points, but a dirty sheet."""


@dataclass(frozen=True, slots=True)
class SeparatedInk:
    """Ink without its paper.

    Attributes:
        ink: `(h, w)` float32, 1 on paper 0.
        is_plain: whether the paper is of one level, as in screenshots and drawings; then `ink` has
            grey levels at the edges, else, as in photos, it has none.
        reasons: what was found and done, in words.
        slope: of the ruled lines that were removed, pixels down for each pixel across.
    """

    ink: Ink
    is_plain: bool
    reasons: tuple[str, ...]
    slope: float = 0.0


def separate_ink(grey: Grey) -> SeparatedInk:
    """Separates ink from paper of one level, or of uneven light.

    Args:
        grey: `(h, w)`, 0 black to 1 white, ink darker or lighter than the paper.

    Raises:
        NoFormulaError: if there is no ink.
    """
    if float(grey.max()) - float(grey.min()) < MIN_CONTRAST:
        raise NoFormulaError("The picture is blank: there is no ink in it.")
    paper = paper_level(grey)
    return photo_ink(grey) if paper is None else _plain_ink(grey, paper)


def paper_level(grey: Grey) -> float | None:
    """Returns the level of the paper if it is of one level, 0 to 1; else None."""
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


def _plain_ink(grey: Grey, paper: float) -> SeparatedInk:
    """Ink on paper of one level, by its contrast."""
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
    reasons = [f"plain paper, {'dark' if is_dark else 'light'} ink"]
    strokes, ruled, slope = remove_ruling(ink > 0.5)
    if not (ruled and strokes.any()):  # the lines alone are what was written: an =, say
        slope = 0.0
    else:
        reject_flat_remains(strokes, stroke_width(ink > 0.5))
        # With the lines goes what is too faint for a stroke and hangs on none.
        ink = np.where(ndimage.binary_dilation(strokes, EIGHT), ink, 0).astype(np.float32)
        ink[(ink > 0.5) & ~strokes] = 0
        reasons.append(f"{ruled} ruled lines removed")
    return SeparatedInk(ink, True, tuple(reasons), slope)


def photo_ink(grey: Grey) -> SeparatedInk:
    """Separates ink from paper whose level varies, and removes what else is in a photo.

    Args:
        grey: `(h, w)`, 0 black to 1 white, ink darker or lighter than the paper.

    Raises:
        NoFormulaError: if nothing exceeds the noise.
    """
    is_dark = _is_dark_ink(ndimage.gaussian_filter(grey, 0.7))
    ink, contrast, outside = _photo_strokes(grey if is_dark else 1 - grey)
    reasons = [f"paper of uneven light, {'dark' if is_dark else 'light'} ink"]
    width = stroke_width(ink)
    ink, ruled, slope = remove_ruling(ink)
    if ruled:
        reject_flat_remains(ink, width)
        reasons.append(f"{ruled} ruled lines removed")
    if outside.any():  # after the lines, which hang on the edge, and the formula on them
        reasons.append("surroundings of the sheet cut off")
        ink = _without_edge(ink, outside)
    ink, clutter = _without_clutter(ink, outside, stroke_width(ink))
    if clutter:
        reasons.append(f"{clutter} things at the edge removed")
    ink, specks = _without_specks(ink, stroke_width(ink))
    if specks:
        reasons.append(f"{specks} specks removed")
    ink, faint = _without_faint(ink, contrast)
    if faint:
        reasons.append(f"{faint} faint marks removed")
    if ruled or outside.any():  # what was at the edge, or was specks, is gone only now
        reject_flat_remains(ink, width)
    return SeparatedInk(ink.astype(np.float32), False, tuple(reasons), slope)


def _photo_strokes(light: Grey) -> tuple[Mask, Grey, Mask]:
    """`_dark_ink`, smoothed as much as the width of the strokes allows."""
    reach = max(max(light.shape) // 16, 15)
    try:
        found = _dark_ink(light, 0.7, reach)  # noise of the sensor, blocks of JPEG
    except NoFormulaError:  # so many shadows that ink narrower than they are is not seen
        reach = max(reach // 4, 15)
        found = _dark_ink(light, 0.7, reach)
    width = stroke_width(found[0])
    if width >= 5:  # wide strokes bear more smoothing, and what is finer than they are is noise
        # Paper is looked for no farther than strokes are wide, else shadows' fingers are ink.
        reach = min(reach, max(round(MAX_WIDTH * width), 15))
        found = _dark_ink(light, min(width / 6, 3.0), reach)
    return found


def _dark_ink(light: Grey, sigma: float, reach: int) -> tuple[Mask, Grey, Mask]:
    """Finds dark ink in a picture smoothed by a Gaussian.

    Args:
        light: `(h, w)`, 0 black to 1 white.
        sigma: of the Gaussian, in pixels.
        reach: pixels; whatever is wider than this is no stroke.

    Returns:
        `(h, w)` each: the ink, its contrast, and what is outside the sheet.
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


def grow(strong: Mask, weak: Mask) -> Mask:
    """Returns the strong pixels and the weak ones connected with them."""
    labels, count = ndimage.label(strong | weak, EIGHT)
    keep = np.zeros(count + 1, dtype=bool)
    keep[labels[strong]] = True
    return keep[labels]


def _is_dark_ink(grey: Grey) -> bool:
    """Ink is rare: whether the pixels that differ most from their surroundings are darker."""
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


# ----------------------------------------------------------------------------- what is no ink


def _surroundings(strong: Mask) -> Mask:
    """What runs along the edge of the picture: a table, a shadow, the sheet below."""
    labels, count = ndimage.label(strong, EIGHT)
    touched = np.zeros(count + 1, dtype=np.int64)  # the longest stretch without a gap
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        starts = np.flatnonzero(np.diff(side, prepend=-1))
        np.maximum.at(touched, side[starts], np.diff(starts, append=len(side)))
    touched[0] = 0
    return (touched > max(0.05 * max(strong.shape), 8))[labels]


def _without_soft(ink: Mask, contrast: Grey) -> Mask:
    """Removes what fades into the paper: the fingers of a shadow, a stain."""
    slope = np.hypot(*np.gradient(contrast))
    rim = ink & ~ndimage.binary_erosion(ink, EIGHT)
    labels, count = ndimage.label(ink, EIGHT)
    length = np.bincount(labels[rim], minlength=count + 1)
    total = np.bincount(labels[rim], slope[rim], minlength=count + 1)
    is_soft = total < MIN_STEEPNESS * np.quantile(slope[rim], 0.75) * length
    return ink & ~is_soft[labels]


def _without_shade(ink: Mask, contrast: Grey) -> Mask:
    """Removes what is much fainter than the ink around: shadows connected with strokes.

    No threshold for all of a picture parts them, as ink in a dark corner may be as faint.
    """
    size = max(round(5 * stroke_width(ink)), 3)

    def around(values: Grey) -> Grey:
        once = ndimage.uniform_filter(values, size)
        return np.asarray(ndimage.uniform_filter(once, size))

    # A mean that leans to the darkest: of the ink, though most around may be shadow.
    dark = np.where(ink, contrast**3, 0).astype(np.float32)
    usual = around(dark * contrast) / np.maximum(around(dark), 1e-9)
    return ink & (contrast > MIN_SHADE * usual)


def _without_edge(ink: Mask, outside: Mask) -> Mask:
    """Removes what is connected with the edge of a sheet whose edge is in the picture."""
    edge = ndimage.binary_dilation(outside, EIGHT, iterations=6)
    edge[:3] = edge[-3:] = True
    edge[:, :3] = edge[:, -3:] = True
    hanging = grow(ink & edge, ink)
    return ink & ~hanging if 2 * hanging.sum() < ink.sum() else ink


def _without_clutter(ink: Mask, surroundings: Mask, width: float) -> tuple[Mask, int]:
    """Removes what comes in from outside: a table's edge, a finger, the line above.

    Args:
        ink: `(h, w)`.
        surroundings: `(h, w)`, of the sheet.
        width: of the strokes, in pixels.

    Returns:
        The rest of the ink, and how many components were removed.
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
    """Removes what is much fainter than the ink and too flat for a letter: edges of shadows."""
    labels, count = ndimage.label(ink, EIGHT)
    if count < 2:
        return ink, 0
    tall = np.array([rows.stop - rows.start for rows, _ in ndimage.find_objects(labels)])
    mean = ndimage.mean(contrast, labels, np.arange(1, count + 1))
    is_faint = np.zeros(count + 1, dtype=bool)
    is_faint[1:] = (mean < MIN_MARK * np.median(contrast[ink])) & (tall < 0.4 * tall.max())
    return ink & ~is_faint[labels], int(is_faint.sum())


def _without_specks(ink: Mask, width: float) -> tuple[Mask, int]:
    """Removes what is smaller than a dot; where there are too many dots, those as well."""
    labels, count = ndimage.label(ink, EIGHT)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    # A dot is about as wide as the pen; what is much smaller is dust.
    dust = areas < min((0.6 * width) ** 2, areas.max())
    dots = areas < min(3 * width**2, areas.max())
    small = dots if int((dots & ~dust).sum()) > MAX_DOTS else dust
    small[0] = True
    return ~small[labels], int(small[1:].sum())


__all__ = ["MIN_CONTRAST", "SeparatedInk", "grow", "paper_level", "photo_ink", "separate_ink"]
