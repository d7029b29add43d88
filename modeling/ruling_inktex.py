"""Removal of the lines of ruled and squared paper."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .stroke_width_inktex import runs

Mask = NDArray[np.bool_]
Lengths = NDArray[np.int64]

MAX_SLOPE = 0.14
"""Largest slope of a ruled line, pixels down for each pixel across: eight degrees."""
_MIN_VISIBLE = 0.1
"""Smallest share of the picture's width in which a ruled line has to be visible."""


def remove_ruling(ink: Mask) -> tuple[Mask, int, float]:
    """Removes the lines of ruled or squared paper.

    At least two parallel lines from one edge of the picture to the other (so that a minus sign or
    a fraction bar is none), at most `MAX_SLOPE` from level or upright. Where a stroke crosses a
    line, it stays.

    Args:
        ink: `(h, w)`.

    Returns:
        The ink without them, empty where there was nothing else; how many there were; and by how
        many pixels the level ones go down for each pixel across.
    """
    level, count, down = _remove_level_lines(ink)
    both, upright, aside = _remove_level_lines(level.T)
    if count + upright == 0:
        return ink, 0, 0.0
    return both.T, count + upright, down if count else -aside


def _remove_level_lines(ink: Mask) -> tuple[Mask, int, float]:
    """Removes the level lines alone; see `remove_ruling`."""
    height, width = ink.shape
    # Cheap, and enough for a picture without ruling: no line without ink at both edges.
    edge = max(width // 33, 2)
    if height < 32 or not (ink[:, :edge].any() and ink[:, -edge:].any()):
        return ink, 0, 0.0
    slope, starts = _line_candidates(ink)
    columns = np.arange(width)
    paths, whole = [], 0
    for start in starts:
        path = _follow(ink, start + slope * (columns - width / 2))
        covered = _near(ink, path, 1)[(path >= 0) & (path < height)]
        if len(covered) == 0:
            continue
        ends = min(covered[: 2 * edge].mean(), covered[-2 * edge :].mean())
        if covered.mean() > 0.6 and ends > 0.4:
            paths.append(path)
            whole += len(covered) == width
    if whole < 2:
        return ink, 0, 0.0
    return _erase(ink, paths), len(paths), slope


def _line_candidates(ink: Mask) -> tuple[float, list[int]]:
    """The slope at which ink lies on fewest lines; the rows, at half the width, of dense ones."""
    height, width = ink.shape
    rows, columns = np.nonzero(ink)
    sample = slice(None, None, max(len(rows) // 50_000, 1))
    reach = int(np.ceil(MAX_SLOPE * width / 2)) + 1
    across = columns - width / 2

    def profile(slope: float, chosen: slice) -> NDArray[np.float64]:
        lines = np.rint(rows[chosen] - slope * across[chosen]).astype(np.int64) + reach
        return np.bincount(lines, minlength=height + 2 * reach).astype(np.float64)

    slopes = np.linspace(-MAX_SLOPE, MAX_SLOPE, 57)
    slope = float(max(slopes, key=lambda one: float((profile(one, sample) ** 2).sum())))
    # Of a line that leaves the picture above or below, what is in it counts.
    starts = np.arange(height + 2 * reach)[:, None] - reach - slope * width / 2
    shares = starts + slope * np.linspace(0, width, 65)
    share = ((shares >= 0) & (shares < height)).mean(axis=1)
    density = ndimage.uniform_filter1d(profile(slope, slice(None)), 3) * 3 / width
    density /= np.maximum(share, _MIN_VISIBLE)
    is_peak = (density == ndimage.maximum_filter1d(density, 9)) & (density > 0.5)
    return slope, (np.flatnonzero(is_peak) - reach).tolist()


def _erase(ink: Mask, paths: list[Lengths]) -> Mask:
    """Ink without the lines on some paths, where no taller stroke crosses them."""
    height, width = ink.shape
    columns = np.arange(width)
    tall = runs(ink.T).T
    kept = ink.copy()
    for path in paths:
        within = (path >= 0) & (path < height)
        on_line = tall[path[within], columns[within]]
        thickness = float(np.median(on_line[on_line > 0])) if (on_line > 0).any() else 1.0
        for shift in range(-int(thickness) - 1, int(thickness) + 2):
            at = path + shift
            inside = (at >= 0) & (at < height)
            at, across = at[inside], columns[inside]
            thin = tall[at, across] <= 1.5 * thickness + 1
            kept[at[thin], across[thin]] = False
    return kept


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


__all__ = ["remove_ruling"]
