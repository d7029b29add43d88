"""The normal form of a picture: the picture that the published protocol would draw of its ink.

Ink white on black, traces `symbol_height` tall on average, strokes `stroke_width` wide, fixed
margins. A picture that is near that already is left as it is; what differs (a photo with shadows,
thin or thick strokes, another size) is brought there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Grey = NDArray[np.float32]
Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

MIN_CONTRAST = 0.04
"""Of the range from black to white; less is a blank sheet."""
WORKING_PIXELS = 2_000_000
"""Larger pictures are reduced before anything is measured in them."""
EIGHT = np.ones((3, 3), dtype=bool)
"""Pixels that touch at a corner belong together."""


@dataclass(frozen=True, slots=True)
class NormalForm:
    """What the normal form is, in pixels of the published protocol.

    Attributes:
        symbol_height: mean height of the traces at least a tenth as tall as the tallest.
        stroke_width: of the pen.
        margin_before, margin_after: left of and above the ink; right of and below it.
        height_tolerance: factor by which the measured height may differ before the size changes.
        stroke_range: narrowest and widest strokes that are left as they are.
        enlargement: what has to be rescaled comes out this many times as large as the protocol
            has it, because a component may be several traces, and large ink reads better than
            small.
    """

    symbol_height: float
    stroke_width: int
    margin_before: int
    margin_after: int
    height_tolerance: float
    stroke_range: tuple[float, float]
    enlargement: float = 1.0


@dataclass(frozen=True, slots=True)
class Normalized:
    """A picture in normal form, but for a last reduction.

    Attributes:
        ink: `(h, w)` float32, 1 on paper 0, margins included.
        scale: pixels of the protocol for each pixel of `ink`.
        is_rescaled, is_redrawn: whether size and strokes had to change.
        zoom: pixels of `ink` for each pixel of the given picture.
        corner: x and y, in pixels of the given picture, of the left upper corner of `ink`.
    """

    ink: Ink
    scale: float
    is_rescaled: bool
    is_redrawn: bool
    zoom: float
    corner: tuple[float, float]


def normalize_picture(grey: Grey, form: NormalForm) -> Normalized:
    """Bring grey levels to the normal form.

    Args:
        grey: `(h, w)`, 0 black to 1 white, ink darker or lighter than the paper.
        form: the aim.

    Raises:
        ValueError: if there is no ink in the picture.
    """
    ink, is_plain = separate_ink(_reduce(grey))
    zoom = ink.shape[1] / grey.shape[1]
    strokes = ink > 0.5
    width = stroke_width(strokes)
    if width < 2:  # lines of a pixel, smoothed, break where they lie between two pixels
        strokes = _continue(strokes, ink > 0.25)
        width = stroke_width(strokes)
    box = _ink_box(strokes)
    left, top = box[1].start / zoom, box[0].start / zoom
    ink, strokes = ink[box], strokes[box]
    scale = form.symbol_height / symbol_height(strokes, width)
    thin, thick = form.stroke_range
    # Only where the pen is the protocol's may the size be, too.
    is_near = 1 / form.height_tolerance <= scale <= form.height_tolerance
    is_rescaled = not (is_plain and is_near and thin <= width <= thick)
    scale = scale * form.enlargement if is_rescaled else 1.0
    is_redrawn = not thin <= width * scale <= thick
    is_thick = width * scale > thick
    if scale > 1 or (is_redrawn and is_thick):
        # Small ink is enlarged before its strokes are drawn anew; thick ink is thinned at the
        # size where the result has to be right.
        scale = min(scale, float(np.sqrt(8 * WORKING_PIXELS / strokes.size)))
        ink = _resize(ink, scale)
        width, zoom, scale = width * scale, zoom * scale, 1.0
        strokes = ink > 0.5
    pen = form.stroke_width / scale
    if is_redrawn and is_thick:
        ink = _widen(_thin(strokes), form.stroke_width)
    elif is_redrawn:
        ink = _widen(strokes, max(round(pen - width) + 1, 1))
    before, after = (round(margin / scale) for margin in (form.margin_before, form.margin_after))
    corner = (left - before / zoom, top - before / zoom)
    return Normalized(np.pad(ink, (before, after)), scale, is_rescaled, is_redrawn, zoom, corner)


# ---------------------------------------------------------------------------- ink from its paper


def separate_ink(grey: Grey) -> tuple[Ink, bool]:
    """Tell ink from paper.

    Returns:
        The ink, `(h, w)` float32, 1 on paper 0, and whether the paper is plain: of one level, as
        in screenshots and drawings. Then the edges keep their grey levels; else, as in photos,
        there are none.

    Raises:
        ValueError: if there is no ink.
    """
    low, high = float(grey.min()), float(grey.max())
    if high - low < MIN_CONTRAST:
        raise ValueError("The picture is blank: there is no ink in it.")
    paper = plain_paper(grey)
    if paper is None:
        return _ink_of_photo(grey), False
    contrast = paper - grey  # positive where darker than the paper
    if contrast.sum() < 0:
        contrast = -contrast
    peak = float(contrast.max())
    if peak < MIN_CONTRAST:
        raise ValueError("The picture is blank: there is no ink in it.")
    full = float(np.median(contrast[contrast > 0.5 * peak]))
    return np.clip(contrast / full, 0, 1).astype(np.float32), True


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


def _ink_of_photo(grey: Grey) -> Ink:
    smooth = ndimage.gaussian_filter(grey, 0.7)  # noise of the sensor, blocks of JPEG
    is_dark = _is_dark_ink(smooth)
    light = smooth if is_dark else 1 - smooth
    contrast = 1 - light / np.maximum(_background(light), 0.05)
    contrast = np.clip(contrast - np.median(contrast), 0, 1)  # the closing rides on the noise
    threshold = _otsu(contrast)
    noise = 1.4826 * float(np.median(contrast[contrast > 0]))
    strong = contrast > threshold
    if not strong.any() or float(contrast[strong].mean()) < max(3 * noise, MIN_CONTRAST):
        raise ValueError("The picture is blank: there is no ink in it.")
    # Faint parts count where they continue strong ones.
    ink = _continue(strong, contrast > max(0.6 * threshold, 3 * noise))
    labels, _ = ndimage.label(ink, EIGHT)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    # A dot is about as wide as the pen; what is much smaller is dust.
    large = areas >= min((0.6 * stroke_width(ink)) ** 2, areas.max())
    return large[labels].astype(np.float32)


def _continue(strong: Mask, weak: Mask) -> Mask:
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


def _background(light: Grey) -> Grey:
    """Brightness of the paper under the ink: a closing wider than strokes keeps shadows' edges."""
    reach = max(max(light.shape) // 16, 15)
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


# ------------------------------------------------------------------------------- size and strokes


def stroke_width(strokes: Mask) -> float:
    """Width of the pen: the median, over the ink, of the shorter of the two runs through a pixel.

    Exact for the protocol's square pen, wherever a stroke is not near a diagonal.
    """
    shorter = np.minimum(_runs(strokes), _runs(strokes.T).T)
    return float(np.median(shorter[strokes]))


def _runs(strokes: Mask) -> NDArray[np.int64]:
    """Length of the horizontal run of ink that each pixel of ink is in."""
    padded = np.pad(strokes, ((0, 0), (0, 1))).ravel()
    steps = np.diff(padded.astype(np.int8), prepend=0)
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    lengths = np.zeros(padded.size, dtype=np.int64)
    lengths[padded] = np.repeat(ends - starts, ends - starts)
    return lengths.reshape(strokes.shape[0], -1)[:, :-1]


def symbol_height(strokes: Mask, width: float) -> float:
    """Mean height of the components at least a tenth as tall as the tallest, less the pen.

    The protocol measures traces. In a picture there are none, but connected components are near.
    """
    labels, _ = ndimage.label(strokes, EIGHT)
    boxes = ndimage.find_objects(labels)
    heights = np.array([rows.stop - rows.start for rows, _ in boxes]) - width
    tallest = heights.max()
    if tallest < width:  # dots and level lines alone: let the width decide
        return float(max(strokes.shape[1] - width, strokes.shape[0], 1))
    return float(heights[heights >= 0.1 * tallest].mean())


def _widen(strokes: Mask, size: int) -> Ink:
    """Draw with a square pen, as the protocol does: slanting strokes are wider than upright."""
    drawn = ndimage.maximum_filter(np.pad(strokes, size), size=size)
    return drawn[_ink_box(drawn)].astype(np.float32)


def _thin(strokes: Mask) -> Mask:
    """Lines of one pixel in the middle of strokes (Guo and Hall 1989)."""
    picture = np.pad(strokes, 1)
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            rows, columns = np.nonzero(picture)
            north, ne, east, se, south, sw, west, nw = (
                picture[rows + down, columns + right]
                for down, right in (
                    (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)
                )
            )  # fmt: skip
            parts = np.sum(
                [~north & (ne | east), ~east & (se | south), ~south & (sw | west),
                 ~west & (nw | north)],
                axis=0,
            )  # fmt: skip
            neighbours = np.minimum(
                np.sum([nw | north, ne | east, se | south, sw | west], axis=0),
                np.sum([north | ne, east | se, south | sw, west | nw], axis=0),
            )
            inner = (north | ne | ~se) & east if first else (south | sw | ~nw) & west
            gone = (parts == 1) & (neighbours >= 2) & (neighbours <= 3) & ~inner
            if gone.any():
                picture[rows[gone], columns[gone]] = False
                changed = True
    return picture[1:-1, 1:-1]


# ------------------------------------------------------------------------------------------ arrays


def _reduce(grey: Grey) -> Grey:
    if grey.size <= WORKING_PIXELS:
        return grey
    return _resize(grey, float(np.sqrt(WORKING_PIXELS / grey.size)), Image.Resampling.BOX)


def _resize(
    picture: Grey, scale: float, resample: Image.Resampling = Image.Resampling.BICUBIC
) -> Grey:
    height, width = picture.shape
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    # Bicubic filters overshoot.
    return np.asarray(Image.fromarray(picture).resize(size, resample)).clip(0, 1)


def _ink_box(strokes: Mask) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(strokes.any(axis=1)), np.flatnonzero(strokes.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


__all__ = ["NormalForm", "Normalized", "normalize_picture", "separate_ink"]
