"""Grey levels of a picture, 0 black to 1 white: numbers, colours, transparency, orientation."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .image_loading_inktex import NoFormulaError, load_picture

Grey = NDArray[np.float32]

MIN_SIDE = 4
"""Pixels; in less, one symbol cannot be told from another."""
ENOUGH = 4_000_000
"""Pixels; pictures of more than 9 millions are reduced to about that, by a whole number, as they
are read, strip by strip: they take the time and memory of pictures of that size. Pages scanned at
300 pixels an inch and screenshots have fewer; in photos of 12 millions symbols of a hundredth of a
page's height are 20 pixels tall afterwards."""
_MIN_COLOUR = 0.1
"""Distance between the channels from which on a picture counts as coloured."""
_ORIENTATION = 0x0112
"""EXIF tag of how the camera was held."""
_UPRIGHT: dict[int, Callable[[Any], Any]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def grey_levels(picture: Any, max_pixels: int) -> Grey:
    """Returns the grey levels of a picture, never reduced; see `reduced_levels`."""
    return on_paper(reduced_levels(picture, max_pixels, max_pixels)[0])


def reduced_levels(
    picture: Any, max_pixels: int, enough: int = ENOUGH
) -> tuple[NDArray[np.float32], int]:
    """Returns the levels of a picture's channels, reduced if it is large.

    Args:
        picture: what `load_picture` takes. Arrays are `(h, w)`, `(h, w, c)` or `(c, h, w)` with
            1 to 4 channels (grey, grey and alpha, RGB, RGBA); whole numbers up to 255 or 65535,
            or floating-point numbers in 0..1 or 0..255.
        max_pixels: pictures with more are rejected.
        enough: pixels to about which it is reduced, by a whole number.

    Returns:
        `(h, w)` or `(h, w, c)` float32, 0 to 1; and how many pixels of the picture each of these
        stands for, across and down.

    Raises:
        ValueError: for what is no picture, is damaged, too large or too small, or has NaN in it.
    """
    is_callers = isinstance(picture, Image.Image)
    picture = load_picture(picture)
    if isinstance(picture, Image.Image):
        _check_size(picture.width, picture.height, max_pixels)
        step = _step(picture.width, picture.height, enough)
        return _from_pil(picture, step // (1 if is_callers else _drafted(picture, step))), step
    array = _as_array(picture)
    channels_first = (
        array.ndim == 3 and array.shape[0] <= 4 and (array.shape[2] > 4 or array.shape[0] == 1)
    )
    if channels_first:
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= 4):
        raise ValueError(
            f"An array of shape {array.shape} is no picture: expected (h, w), (h, w, c) or "
            "(c, h, w) with 1 to 4 channels."
        )
    _check_size(array.shape[1], array.shape[0], max_pixels)
    step = _step(array.shape[1], array.shape[0], enough)
    return _unit_range(array, step), step


def _step(width: int, height: int, enough: int) -> int:
    return max(min(round(math.sqrt(width * height / enough)), width, height), 1)


def _drafted(picture: Image.Image, step: int) -> int:
    """Has a JPEG decoded to a smaller size, in a fraction of the time; returns how much smaller."""
    width = picture.width
    power = min(step & -step, 8)
    picture.draft(None, (width // power, picture.height // power))
    return round(width / picture.width)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ValueError(
            f"The picture has {width}x{height} pixels; the limit is {max_pixels} in all. "
            "Scale it down, or cut out the expression."
        )
    if min(width, height) < 1 or max(width, height) < MIN_SIDE:
        raise ValueError(f"The picture has {width}x{height} pixels: nothing can be read in it.")


def _from_pil(picture: Image.Image, step: int) -> NDArray[np.float32]:
    """Levels `(h, w)` or `(h, w, 4)` of 0 to 1, upright, `step` pixels to one."""
    try:
        picture.load()
        turn = _UPRIGHT.get(picture.getexif().get(_ORIENTATION, 1), lambda a: a)
        if picture.mode.startswith(("I", "F")):
            return np.ascontiguousarray(turn(_unit_range(np.asarray(picture), step)))
        rows = picture.height if step == 1 else max(ENOUGH // (16 * picture.width), 1) * step
        strips = []
        for top in range(0, picture.height - step + 1, rows):
            strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
            strips.append(_blocks(_pil_levels(strip), step))
    except MemoryError:
        raise
    except Exception as error:  # whatever Pillow's decoders raise for damaged files
        raise ValueError(f"The picture is damaged: {error}") from error
    return np.ascontiguousarray(turn(np.concatenate(strips)))


def _pil_levels(picture: Image.Image) -> NDArray[np.float32]:
    if picture.mode not in ("1", "L") or "transparency" in picture.info:
        return np.asarray(picture.convert("RGBA"), dtype=np.float32) / np.float32(255)
    return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)


def _blocks(array: NDArray[Any], step: int) -> NDArray[Any]:
    """Means of squares of `step` pixels; what is left over at the right and below is cut off."""
    if step == 1:
        return array
    height, width = (side // step * step for side in array.shape[:2])
    total = np.zeros((height // step, width // step, *array.shape[2:]), dtype=np.float32)
    for row in range(step):
        for column in range(step):
            total += array[row:height:step, column:width:step]
    return total / np.float32(step * step)


def _as_array(picture: Any) -> NDArray[Any]:
    if hasattr(picture, "detach"):  # a tensor, on whatever device, bfloat16 perhaps
        picture = picture.detach().cpu()
        picture = picture.float().numpy() if picture.is_floating_point() else picture.numpy()
    return np.asarray(picture)


def _unit_range(array: NDArray[Any], step: int = 1) -> NDArray[np.float32]:
    """Brings numbers to 0..1, by their type where it suffices, else by the largest."""
    if array.size == 0:
        raise ValueError("The picture is empty: it has no pixels.")
    if array.dtype == bool:
        return _blocks(array, step).astype(np.float32)
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise ValueError(f"An array of {array.dtype} is no picture: expected numbers.")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():  # NaN comes out of both, infinity out of one
        raise ValueError("The picture has values that are not finite numbers (NaN or infinity).")
    if low < 0:  # standardised for some network: only the order of the levels is known
        full = max(high - low, 1e-6)
    elif np.issubdtype(array.dtype, np.integer):
        full = 255.0 if array.dtype == np.uint8 or high <= 255 else max(65535.0, high)
    else:
        full = 1.0 if high <= 1 else max(255.0, high)
    if not np.isfinite(full):
        raise ValueError("The picture has values too far apart for grey levels.")
    levels = _blocks(array, step)
    single = levels.dtype.itemsize <= 4 and full < 1e30  # as precise, in half the memory
    unit = np.divide(levels, full, dtype=np.float32 if single else np.float64)
    return np.asarray(unit - unit.dtype.type(min(low, 0.0) / full), dtype=np.float32)


def _grey(levels: NDArray[np.float32]) -> Grey:
    """`(h, w, c)` to `(h, w)`: brightness, or the channel extreme that shows coloured ink."""
    if levels.shape[-1] == 1:
        return levels[..., 0]
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow
    bright = levels @ weights
    # A sample shows what colours there are.
    some = levels[:: max(levels.shape[0] // 500, 1), :: max(levels.shape[1] // 500, 1)]
    darkest, lightest = some.min(axis=-1), some.max(axis=-1)
    if float((lightest - darkest).max()) < _MIN_COLOUR:
        return bright
    below, above = _reach(some @ weights)
    if below >= above:
        # Yellow ink on white paper is dark in blue alone; black ink is as dark in all three.
        return levels.min(axis=-1) if _reach(darkest)[0] > 1.3 * below else bright
    return levels.max(axis=-1) if _reach(lightest)[1] > 1.3 * above else bright


def _reach(levels: NDArray[np.float32]) -> tuple[float, float]:
    """How far the darkest and the lightest few are from the paper."""
    dark, paper, light = np.percentile(levels, (0.3, 50, 99.7)).tolist()
    return paper - dark, light - paper


def colours(levels: NDArray[np.float32], grey: Grey) -> NDArray[np.uint8]:
    """Returns red, green and blue `(h, w, 3)` of levels, 0 to 255.

    Args:
        levels: of `reduced_levels`.
        grey: the same `on_paper`; what is drawn on nothing has the paper and the greys of this.
    """
    channels = 1 if levels.ndim == 2 else levels.shape[2]
    is_opaque = channels == 3 or (channels == 4 and bool((levels[..., 3] >= 1).all()))
    shown = levels[..., :3] if is_opaque else np.repeat(grey[..., None], 3, axis=2)
    return np.rint(shown * 255).clip(0, 255).astype(np.uint8)


def on_paper(levels: NDArray[np.float32]) -> Grey:
    """Returns the grey levels of a picture, 0 black to 1 white, transparent parts as paper.

    Where ink differs from paper in colour but hardly in brightness, the channel that shows it
    counts. Paper is such that the ink on it can be seen.

    Args:
        levels: of `reduced_levels`.

    Raises:
        NoFormulaError: if all of it is transparent.
    """
    if levels.ndim == 2:
        return levels
    if levels.shape[2] not in (2, 4):
        return _grey(levels)
    grey, alpha = _grey(levels[..., :-1]), levels[..., -1]
    visible = alpha > 0.5
    if visible.all() and alpha.min() >= 1:
        return grey
    if not visible.any():
        raise NoFormulaError("The picture is blank: all of it is transparent.")
    paper = _own_paper(grey, visible)
    if paper is None and visible.mean() > 0.5:  # a picture with its own paper, of whatever tone
        paper = float(np.median(grey[visible]))
    elif paper is None:  # ink alone: white paper, unless the ink is light
        paper = 0.0 if float(grey[visible].mean()) > 0.6 else 1.0
    return np.asarray(paper + (grey - paper) * alpha, dtype=np.float32)


def _own_paper(grey: Grey, visible: NDArray[np.bool_]) -> float | None:
    """Tone of the paper that the visible part of a picture brings along; None if it is ink alone.

    Paper surrounds the ink on it. So a part with dark and light in it, whose edge towards what is
    transparent is of one of the two alone, is paper of that tone with ink of the other; strokes of
    dark and light colours would have both at their edges.
    """
    dark, light = np.percentile(grey[visible], (1, 99)).tolist()
    edge = visible & ~ndimage.binary_erosion(visible, border_value=1)
    if light - dark < 0.5 or not edge.any():
        return None
    at_edge = float((grey[edge] > (dark + light) / 2).mean())
    if 0.1 < at_edge < 0.9:
        return None
    return float(light if at_edge > 0.5 else dark)


__all__ = ["colours", "grey_levels", "on_paper", "reduced_levels"]
