"""Data augmentation of ink and pictures: geometry, strokes, sampling, image noise."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from inktex.data.examples import NONE, Example, PictureExample
from inktex.ink.filling import pieces
from inktex.ink.render import MARGIN_AFTER, MARGIN_BEFORE, STROKE_WIDTH

_WIDE_STROKES = (5, 6, 7)
"""Pixels at the published scale."""
_DEGRADED_SIZES = (0.4, 1.3)
_DEGRADED_RESAMPLING = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
_LETTER = 60.0
"""Pixels; no letter is larger."""


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """How far ink and pictures are varied. Every field at 0 (scale at 1, 1) leaves them alone.

    Attributes:
        scale: smallest and largest factor on the size (Li et al. 2020: 0.7 to 1.4).
        aspect: standard deviation of the logarithm of width over height.
        rotation: standard deviation, in degrees.
        slant: standard deviation of the shear, pixels across for each pixel up.
        jitter: standard deviation of each symbol's own shift, as a share of its size.
        symbol_scale: standard deviation of the logarithm of each symbol's own size.
        symbol_shape: standard deviation of each symbol's own aspect (logarithm), slant and rotation
            (radians); less for symbols larger than a letter.
        symbol_elastic: standard deviation of a wave about as long as the symbol, as a share of its
            size.
        stroke_shift, stroke_shape: standard deviations of the shift of each trace of a symbol of
            several (as a share of the trace's size), and of its own aspect, slant and rotation:
            where the bar of a t crosses, how an x is closed.
        elastic: standard deviation of a smooth displacement, in pixels.
        smoothing: share of the expressions whose traces are smoothed, as some pads do.
        sampling: share of the expressions of which only every second or third point is kept.
        blur: share of the pictures that are blurred, by up to a pixel.
        contrast: standard deviation of the logarithm of the exponent of the grey levels.
        threshold: share of the pictures that are cut to black and white at some level.
        occlusion: share of the pictures in which a patch about as wide as a stroke is lost.
        edges: share of the pictures whose strokes have rough edges.
        breaks: share of the pictures whose strokes have gaps, as faint ink has in a photo.
        swelling: share of the pictures whose strokes are thicker in a part of the picture.
        wearing: share of the pictures whose strokes are thinner in a part of the picture.
        speckle: share of the pictures with specks of the size of a dot.
        ruling: share of the pictures with remains of ruled lines.
        leftovers: share of the pictures with pieces of a shadow or of a sheet's edge at the side.
        token_noise: share of the decoder's input tokens that are replaced by others of the batch.
        stroke_widths: to choose from, in pixels at the published scale.
        wide_strokes: share of the expressions drawn 5 to 7 pixels wide instead, and restroked as
            the image processor does it.
        degraded: share of the expressions that are drawn at another size or stroke width and then
            normalized by the image processor.
        degraded_stroke_widths: of these, to choose from, in pixels before the size changes.
        synthetic: factor on how far symbols and strokes of synthetic ink are varied, which is of
            several writers already.
    """

    scale: tuple[float, float] = (0.7, 1.4)
    aspect: float = 0.08
    rotation: float = 2.0
    slant: float = 0.1
    jitter: float = 0.03
    symbol_scale: float = 0.05
    symbol_shape: float = 0.0
    symbol_elastic: float = 0.0
    stroke_shift: float = 0.0
    stroke_shape: float = 0.0
    elastic: float = 0.8
    smoothing: float = 0.0
    sampling: float = 0.0
    blur: float = 0.0
    contrast: float = 0.0
    threshold: float = 0.0
    occlusion: float = 0.0
    edges: float = 0.0
    breaks: float = 0.0
    swelling: float = 0.0
    wearing: float = 0.0
    speckle: float = 0.0
    ruling: float = 0.0
    leftovers: float = 0.0
    token_noise: float = 0.0
    stroke_widths: tuple[int, ...] = (2, 3, 3, 3, 4)
    wide_strokes: float = 0.0
    degraded: float = 0.0
    degraded_stroke_widths: tuple[int, ...] = (1, 2, 3, 3, 4, 5, 6, 6, 7, 8)
    synthetic: float = 1.0

    def of_synthetic_ink(self) -> "AugmentationConfig":
        """The settings for synthetic ink."""
        return replace(self, **{name: getattr(self, name) * self.synthetic for name in _OWN})


_OWN = (
    *("jitter", "symbol_scale", "symbol_shape", "symbol_elastic"),
    *("stroke_shift", "stroke_shape", "elastic"),
)
"""Fields by which symbols and strokes are varied each by itself."""
_ROUGHNESS = (10.0, 80.0)
"""Levels, of 255."""
_EDGE = 100
"""Levels by which the neighbours of a pixel differ where ink and paper meet."""


def draw_scale(config: AugmentationConfig, rng: np.random.Generator) -> float:
    """A size factor."""
    return _draw_factor(config.scale, rng)


def _draw_factor(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """A factor, uniform in its logarithm."""
    low, high = np.log(bounds)
    return float(np.exp(rng.uniform(low, high)))


def draw_stroke_width(config: AugmentationConfig, rng: np.random.Generator) -> int:
    """A stroke width, in pixels at the published scale."""
    if config.wide_strokes and rng.random() < config.wide_strokes:
        return int(rng.choice(_WIDE_STROKES))
    return int(rng.choice(config.stroke_widths))


@dataclass(frozen=True, slots=True)
class Degradation:
    """How a picture differs from one drawn by the published protocol.

    Attributes:
        stroke_width: in pixels of the protocol.
        size: pixels for each of the protocol.
        resampling: filter by which it was resized.
    """

    stroke_width: int
    size: float
    resampling: Image.Resampling


def draw_degradation(config: AugmentationConfig, rng: np.random.Generator) -> Degradation | None:
    """Another size, stroke width or both for `config.degraded` of the expressions, else None."""
    if not config.degraded or rng.random() >= config.degraded:
        return None
    stroke_width = int(rng.choice(config.degraded_stroke_widths))
    size = _draw_factor(_DEGRADED_SIZES, rng)
    which = rng.integers(3)
    return Degradation(
        STROKE_WIDTH if which == 0 else stroke_width,
        1.0 if which == 1 else size,
        _DEGRADED_RESAMPLING[int(rng.integers(len(_DEGRADED_RESAMPLING)))],
    )


def vary(example: Example, config: AugmentationConfig, rng: np.random.Generator) -> Example:
    """A variant of the example with the same labels. The size factor is not applied here."""
    if config.sampling and rng.random() < config.sampling:
        example = _subsample(example, int(rng.integers(2, 4)))
    points = example.points.astype(np.float64)
    if config.smoothing and rng.random() < config.smoothing:
        points = _smooth(points, example.offsets)
    if config.stroke_shift or config.stroke_shape:
        points = _vary_strokes(points, example, config, rng)
    if config.jitter or config.symbol_scale or config.symbol_shape or config.symbol_elastic:
        points = _vary_symbols(points, example.point_symbols, config, rng)
    if config.elastic:
        points = points + _smooth_displacement(points, config.elastic, rng)
    matrix = draw_affine(config, rng)
    points = points @ matrix.T
    return replace(example, points=(points - points.min(axis=0)).astype(np.float32))


def draw_affine(
    config: AugmentationConfig, rng: np.random.Generator, factor: float = 1.0
) -> NDArray[np.float64]:
    """`(2, 2)` matrix that stretches, then shears, then rotates."""
    angle = np.deg2rad(rng.normal(0.0, config.rotation * factor))
    stretch = np.exp(rng.normal(0.0, config.aspect * factor) / 2)
    shear = rng.normal(0.0, config.slant * factor)
    cosine, sine = np.cos(angle), np.sin(angle)
    return (
        np.array([[cosine, -sine], [sine, cosine]])
        @ np.array([[1.0, -shear], [0.0, 1.0]])
        @ np.diag([stretch, 1.0 / stretch])
    )


def vary_picture(
    example: PictureExample, config: AugmentationConfig, rng: np.random.Generator
) -> PictureExample:
    """A rotated, sheared and stretched picture with wider or narrower strokes.

    Augmentations that need the traces are left out. The size factor is not applied here.
    """
    picture = example.picture
    excess = int(rng.choice(config.stroke_widths)) - STROKE_WIDTH
    if excess > 0:
        picture = ndimage.grey_dilation(picture, size=(1 + excess, 1 + excess))
    elif excess < 0:
        eroded = ndimage.grey_erosion(picture, size=(1 - excess, 1 - excess))
        picture = np.maximum(eroded, picture // 2)  # a line of one pixel must not vanish
    height, width = picture.shape
    matrix = draw_affine(config, rng)
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ matrix.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = (int(np.ceil(high[0] - low[0])), int(np.ceil(high[1] - low[1])))
    back = np.linalg.inv(matrix)  # Pillow asks where each pixel comes from
    offset = back @ low
    turned = Image.fromarray(picture).transform(
        size,
        Image.Transform.AFFINE,
        (*back[0].tolist(), float(offset[0]), *back[1].tolist(), float(offset[1])),
        Image.Resampling.BILINEAR,
    )
    return replace(example, picture=_trimmed(np.asarray(turned)))


def _trimmed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture with the published margins around its ink."""
    rows, columns = np.nonzero(picture > 64)
    if not len(rows):
        return picture
    inner = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.pad(inner, ((MARGIN_BEFORE, MARGIN_AFTER), (MARGIN_BEFORE, MARGIN_AFTER)))


def degrade(
    picture: NDArray[np.uint8], config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture `(height, width)` uint8 with image noise: blur, gaps, specks and so on."""
    if config.occlusion and rng.random() < config.occlusion:
        rows, columns = np.nonzero(picture > 127)
        if len(rows):
            place, reach = int(rng.integers(len(rows))), int(rng.integers(1, 3))
            row, column = int(rows[place]), int(columns[place])
            picture = picture.copy()
            picture[max(row - reach, 0) : row + reach, max(column - reach, 0) : column + reach] = 0
    picture = _photographed(picture, config, rng)
    if config.edges and rng.random() < config.edges:
        picture = _roughened(picture, rng.uniform(*_ROUGHNESS), rng)
    if config.blur and rng.random() < config.blur:
        picture = ndimage.gaussian_filter(picture, rng.uniform(0.3, 1.0))
    if config.contrast:
        exponent = np.exp(rng.normal(0.0, config.contrast))
        picture = np.rint(255 * (picture / 255) ** exponent).astype(np.uint8)
    if config.threshold and rng.random() < config.threshold:
        picture = np.where(picture > rng.uniform(70, 150), 255, 0).astype(np.uint8)
    return picture


def _roughened(
    picture: NDArray[np.uint8], roughness: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture with noise of a standard deviation, in grey levels, along the strokes' edges."""
    highest, lowest = (
        one(picture, size=3).astype(np.int16)
        for one in (ndimage.maximum_filter, ndimage.minimum_filter)
    )
    rows, columns = np.nonzero(highest - lowest > _EDGE)
    noise = rng.normal(0.0, roughness, size=len(rows))
    rough = picture.copy()
    rough[rows, columns] = np.rint(picture[rows, columns] + noise).clip(0, 255)
    return rough


def _photographed(
    picture: NDArray[np.uint8], config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture with the faults that binarization of a photo leaves.

    Nothing is drawn from `rng` for a field that is 0, so that adding a field does not change
    recipes that lack it.
    """
    height, width = picture.shape
    if min(height, width) < 8:
        return picture
    if config.swelling and rng.random() < config.swelling:
        part = _part(picture.shape, rng)
        picture = picture.copy()
        picture[part] = ndimage.maximum_filter(picture[part], size=2)
    if config.wearing and rng.random() < config.wearing:
        part = _part(picture.shape, rng)
        picture = picture.copy()
        # Half the level stays: a line of one pixel must not vanish.
        worn = ndimage.minimum_filter(picture[part], size=2)
        picture[part] = np.maximum(worn, picture[part] // 2)
    if config.breaks and rng.random() < config.breaks:
        rows, columns = np.nonzero(picture > 127)
        picture = picture.copy()
        for place in rng.integers(max(len(rows), 1), size=int(rng.integers(1, 6))).tolist():
            if len(rows):
                row, column = int(rows[place]), int(columns[place])
                picture[max(row - 1, 0) : row + 1, max(column - 1, 0) : column + 1] = 0
    if config.speckle and rng.random() < config.speckle:
        count = int(rng.integers(1, 7))
        picture = picture.copy()
        for row, column in zip(
            rng.integers(height, size=count), rng.integers(width, size=count), strict=True
        ):
            side = int(rng.integers(1, 3))
            speck = picture[row : row + side, column : column + side]
            np.maximum(speck, np.uint8(rng.integers(120, 256)), out=speck)
    if config.ruling and rng.random() < config.ruling:
        picture = picture.copy()
        level, distance = int(rng.integers(110, 256)), int(rng.integers(10, 30))
        slope = rng.normal(0, 0.01)
        for row in range(int(rng.integers(distance)), height, distance):
            start = int(rng.integers(width))
            columns = np.arange(start, min(start + int(rng.integers(3, width // 2)), width))
            at = (row + slope * columns).astype(np.int64).clip(0, height - 1)
            picture[at, columns] = np.maximum(picture[at, columns], np.uint8(level))
    if config.leftovers and rng.random() < config.leftovers:
        picture = picture.copy()
        turned = picture if rng.random() < 0.5 else picture.T  # a view: it writes to the picture
        turned = turned if rng.random() < 0.5 else turned[::-1]
        depth, long = int(rng.integers(1, 4)), int(rng.integers(4, turned.shape[1]))
        start = int(rng.integers(turned.shape[1] - long + 1))
        ragged = rng.integers(0, depth + 1, size=long)
        for row in range(depth):
            turned[row, start : start + long][ragged > row] = 255
    return picture


def _part(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[slice, slice]:
    """A random part of at least a third of the width and all of the height."""
    width = int(rng.integers(shape[1] // 3, shape[1] + 1))
    start = int(rng.integers(shape[1] - width + 1))
    return slice(None), slice(start, start + width)


def _subsample(example: Example, step: int) -> Example:
    """The example with every `step`-th point of each trace, and its last one."""
    keep = pieces(np.diff(example.offsets))[1] % step == 0
    keep[example.offsets[1:] - 1] = True
    ends = np.cumsum(keep)[example.offsets[1:] - 1]
    return replace(
        example,
        points=example.points[keep],
        offsets=np.concatenate([[0], ends]).astype(example.offsets.dtype),
    )


def _smooth(points: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each point the mean of itself and its neighbours; the ends of traces stay."""
    smoothed = points.copy()
    smoothed[1:-1] = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4
    for ends in (offsets[:-1], offsets[1:] - 1):
        smoothed[ends] = points[ends]
    return smoothed


def _vary_symbols(
    points: NDArray[np.float64],
    symbols: NDArray[np.int64],
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    count = int(symbols.max(initial=NONE)) + 1
    if count == 0:
        return points
    known = symbols != NONE
    inked = symbols[known]
    low = np.full((count, 2), np.inf)
    high = np.full((count, 2), -np.inf)
    np.minimum.at(low, inked, points[known])
    np.maximum.at(high, inked, points[known])
    empty = ~np.isfinite(low)
    low[empty] = high[empty] = 0.0
    centre, extent = (low + high) / 2, high - low
    size = np.minimum(extent.max(axis=1, keepdims=True), _LETTER)  # a long bar must not jump
    shift = rng.normal(0.0, config.jitter, (count, 2)) * size
    factor = np.exp(rng.normal(0.0, config.symbol_scale, (count, 1)))
    offsets = points[known] - centre[inked]
    if config.symbol_shape:
        tame = size[:, 0] / np.maximum(extent.max(axis=1), _LETTER)
        aspect, slant, angle = rng.normal(0.0, config.symbol_shape, (3, count)) * tame
        shapes = _shapes(aspect, slant, angle)
        offsets = np.einsum("nij,nj->ni", shapes[inked], offsets)
    if config.symbol_elastic:
        wave = rng.normal(0.0, 0.7, (count, 2))  # waves to a symbol, across and down
        phase = rng.uniform(0.0, 2 * np.pi, count)
        height = rng.normal(0.0, config.symbol_elastic, (count, 2)) * size
        place = offsets / np.maximum(size[inked], 1.0)
        turn = 2 * np.pi * (place * wave[inked]).sum(axis=1) + phase[inked]
        offsets = offsets + np.sin(turn)[:, None] * height[inked]
    varied = points.copy()
    varied[known] = offsets * factor[inked] + centre[inked] + shift[inked]
    return varied


def _vary_strokes(
    points: NDArray[np.float64],
    example: Example,
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Move and bend each trace of the symbols that have several."""
    starts, count = example.offsets[:-1], len(example.offsets) - 1
    owners = example.point_symbols[starts]
    several = (owners != NONE) & (np.bincount(owners[owners != NONE], minlength=1)[owners] > 1)
    if not several.any():
        return points
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    centre, extent = (low + high) / 2, (high - low).max(axis=1, keepdims=True)
    size = np.minimum(extent, _LETTER)
    tame = several * (size / np.maximum(extent, _LETTER))[:, 0]
    shift = rng.normal(0.0, config.stroke_shift, (count, 2)) * size * several[:, None]
    shapes = _shapes(*(rng.normal(0.0, config.stroke_shape, (3, count)) * tame))
    trace = pieces(np.diff(example.offsets))[0]
    offsets = np.einsum("nij,nj->ni", shapes[trace], points - centre[trace])
    return offsets + (centre + shift)[trace]


def _shapes(
    aspect: NDArray[np.float64], slant: NDArray[np.float64], angle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`(symbols, 2, 2)`: stretched, then sheared, then turned."""
    stretch, cosine, sine = np.exp(aspect / 2), np.cos(angle), np.sin(angle)
    turned = np.array([[cosine, -sine], [sine, cosine]])
    sheared = np.array([[stretch, -slant / stretch], [np.zeros_like(aspect), 1 / stretch]])
    return np.einsum("ijn,jkn->nik", turned, sheared)


def _smooth_displacement(
    points: NDArray[np.float64], strength: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A few long waves across the picture, in both directions (cheap and without a grid)."""
    waves = 4
    frequency = rng.normal(0.0, 1.0 / 40.0, (waves, 2))  # radians a pixel: over 100 px long
    phase = rng.uniform(0.0, 2 * np.pi, waves)
    amplitude = rng.normal(0.0, strength, (waves, 2))
    return np.sin(points @ frequency.T * 1.0 + phase) @ amplitude
