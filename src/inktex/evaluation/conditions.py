"""Evaluation under other conditions: the same expressions as photos, in other sizes and strokes.

Photos are made by Augraphy (Groleau et al. 2023), a library that degrades documents. Neither the
image processor nor training uses it, so its degradations are unknown to them.
"""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps
from scipy import ndimage

from inktex.evaluation.run import Evaluation, evaluate_samples
from inktex.evaluation.samples import Sample
from inktex.evaluation.sheets import tiled_sheet
from inktex.inputs import prepare
from inktex.recognizer import Preset, Recognizer

Strength = Literal["mild", "medium", "strong"]
Condition = Callable[[Image.Image, int], Image.Image]
"""From a picture, ink white on black as published, and a seed, to another picture of it."""
_ZOOM = 2.5
"""Pixels of a photo for each pixel of the published picture."""
_PAPER = 60
"""Pixels of paper around the ink in a photo."""
_ASLANT = 0.08
"""Largest share of width and height by which a corner moves inwards in a perspective view."""
_INK = 45
"""Level of the ink, 0 to 255, before it is degraded."""


@dataclass(frozen=True, slots=True)
class _Photo:
    """How bad a photo is.

    Attributes:
        turn: at most so many degrees either way.
        light: level of the darkest corner, 0 to 255; 255 for even light.
        shadow: least and greatest opacity of a shadow across the sheet.
        grain: standard deviations of the paper's texture, least and greatest.
        noise: of the sensor, levels either way.
        jpeg: least and greatest quality.
        is_folded, is_stained: whether the sheet was folded, and something was spilt.
        is_blurred: whether the ink bleeds and parts are out of focus.
    """

    turn: int
    light: int
    shadow: tuple[float, float]
    grain: tuple[int, int]
    noise: int
    jpeg: tuple[int, int]
    is_folded: bool = False
    is_stained: bool = False
    is_blurred: bool = False


_PHOTOS: dict[Strength, _Photo] = {
    "mild": _Photo(1, 140, (0.1, 0.25), (2, 3), 6, (75, 92)),
    "medium": _Photo(2, 90, (0.3, 0.5), (3, 6), 12, (45, 70), is_folded=True),
    "strong": _Photo(
        4, 50, (0.5, 0.75), (6, 10), 20, (20, 40), is_folded=True, is_stained=True, is_blurred=True
    ),
}


def _augmentations(kind: _Photo) -> list[Any]:
    """Augraphy's steps of a photo, in the order in which they apply to a sheet.

    Raises:
        ValueError: if Augraphy is not installed.
    """
    try:
        from augraphy import augmentations as library
    except ImportError as error:
        raise ValueError(
            f"Photos are made by Augraphy, which is not here ({error}). Install it with\n"
            "    pip install 'inktex[camera]' && pip install --no-deps augraphy"
        ) from error
    steps = [library.ColorPaper(hue_range=(20, 40), saturation_range=(5, 30))]
    if kind.is_blurred:
        steps.append(library.InkBleed(intensity_range=(0.3, 0.5), severity=(0.3, 0.4)))
    steps.append(library.NoiseTexturize(sigma_range=kind.grain, turbulence_range=(2, 4)))
    if kind.is_folded:
        steps.append(library.Folding(fold_count=1, fold_noise=0.0, gradient_height=(0.01, 0.02)))
    if kind.is_stained:
        steps.append(library.Stains(stains_blend_alpha=0.3))
    # Paper outside the sheet is what a camera sees around it: more paper, a little darker.
    steps.append(
        library.Geometric(rotate_range=(-kind.turn, kind.turn), padding_value=(225, 225, 225))
    )
    steps.append(
        library.LightingGradient(
            max_brightness=255, min_brightness=kind.light, mode="gaussian", transparency=0.5
        )
    )
    steps.append(
        library.ShadowCast(
            shadow_opacity_range=kind.shadow, shadow_iterations_range=(1, 1),
            shadow_blur_kernel_range=(31, 151),
        )
    )  # fmt: skip
    if kind.is_blurred:
        steps.append(library.DepthSimulatedBlur())
    steps.append(library.SubtleNoise(subtle_range=kind.noise))
    steps.append(library.Jpeg(quality_range=kind.jpeg))
    return steps


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators that Augraphy uses, and restore their state afterwards."""
    import cv2

    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002, the generator that Augraphy uses
    cv2.setRNGSeed(seed % 2**31)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def photo(picture: Image.Image, seed: int, strength: Strength) -> Image.Image:
    """A photo of what is in a picture, dark ink on a sheet of paper; RGB, 2.5 times as large.

    Args:
        picture: ink white on black, as published.
        seed: of its random numbers.
        strength: how bad the photo is.

    Raises:
        ValueError: if Augraphy is not installed.
    """
    steps = _augmentations(_PHOTOS[strength])
    large = picture.convert("L").resize(
        (round(picture.width * _ZOOM), round(picture.height * _ZOOM)), Image.Resampling.BICUBIC
    )
    sheet = ImageOps.expand(large, border=_PAPER, fill=0)
    levels = 245 - (245 - _INK) * np.asarray(sheet, dtype=np.float32) / 255
    image: NDArray[np.uint8] = np.repeat(levels.astype(np.uint8)[:, :, None], 3, axis=2)
    with _seeded(seed):
        for step in steps:
            changed = step(image)
            # Some return the picture, some a tuple around it, and None where they do not apply.
            changed = changed[0] if isinstance(changed, tuple) else changed
            image = image if changed is None else np.asarray(changed, dtype=np.uint8)
    return Image.fromarray(image if image.ndim == 2 else image[:, :, ::-1].copy())


def _transparent(picture: Image.Image, _: int) -> Image.Image:
    """Black ink on transparent paper."""
    clear = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    clear.putalpha(picture.convert("L"))
    return clear


def _sized(factor: float) -> Condition:
    def resize(picture: Image.Image, _: int) -> Image.Image:
        size = (max(round(picture.width * factor), 1), max(round(picture.height * factor), 1))
        return picture.convert("L").resize(size, Image.Resampling.BICUBIC)

    return resize


def _stroke_width(width: int) -> Condition:
    """The published pen is a square of 3 pixels; its lines are eroded to 1, then redrawn."""

    def redraw(picture: Image.Image, _: int) -> Image.Image:
        ink = np.asarray(picture.convert("L"))
        line = ndimage.minimum_filter(ink, size=3)
        return Image.fromarray(ndimage.maximum_filter(np.pad(line, width), size=width))

    return redraw


def _rotated(degrees: float) -> Condition:
    """In the direction that the seed decides."""

    def rotate(picture: Image.Image, seed: int) -> Image.Image:
        way = 1 if seed % 2 else -1
        return picture.convert("L").rotate(way * degrees, Image.Resampling.BICUBIC, expand=True)

    return rotate


def _perspective(picture: Image.Image, seed: int) -> Image.Image:
    """Seen a little from the side, from above or from below: each corner moves inwards."""
    rng = np.random.default_rng(seed)
    width, height = picture.size
    inwards = rng.uniform(0, _ASLANT, (4, 2)) * (width, height)
    given = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    seen = given + inwards * np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    # Pillow needs where each pixel comes from: eight unknowns, two equations for each corner.
    rows = [
        row
        for (x, y), (u, v) in zip(seen, given, strict=True)
        for row in (
            (x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)
        )
    ]  # fmt: skip
    back = np.linalg.solve(np.array(rows), given.ravel())
    return picture.convert("L").transform(
        picture.size, Image.Transform.PERSPECTIVE, back.tolist(), Image.Resampling.BICUBIC
    )


def _on_paper(picture: Image.Image, room: float = 0.6) -> Image.Image:
    """Dark blue ink on white RGB paper, with room around it.

    Args:
        picture: ink white on black, as published.
        room: on each side, as a share of the picture's height.
    """
    border = round(room * picture.height)
    ink = ImageOps.expand(picture.convert("L"), border=border, fill=0)
    return Image.composite(
        Image.new("RGB", ink.size, (25, 30, 90)), Image.new("RGB", ink.size, "white"), ink
    )


def _box(picture: Image.Image, share: float = 0.25) -> tuple[int, int, int, int]:
    """Place of a formula on its sheet, wider on each side by a share of the formula's height."""
    border, pad = round(0.6 * picture.height), round(share * picture.height)
    return (
        border - pad, border - pad, border + picture.width + pad, border + picture.height + pad
    )  # fmt: skip


def _boxed(picture: Image.Image, _: int) -> Image.Image:
    sheet = _on_paper(picture)
    pencil = ImageDraw.Draw(sheet)
    pencil.rectangle(_box(picture), outline=(25, 30, 90), width=3)
    return sheet


def _circled(picture: Image.Image, _: int) -> Image.Image:
    sheet = _on_paper(picture)
    left, top, right, bottom = _box(picture, 0.1)
    wide, tall = round(0.22 * (right - left)), round(0.22 * (bottom - top))
    sheet = ImageOps.expand(sheet, border=(wide, tall), fill="white")
    place = (left, top, right + 2 * wide, bottom + 2 * tall)
    ImageDraw.Draw(sheet).ellipse(place, outline=(190, 30, 30), width=3)
    return sheet


def _underlined(picture: Image.Image, _: int) -> Image.Image:
    sheet = _on_paper(picture)
    pencil = ImageDraw.Draw(sheet)
    left, _, right, bottom = _box(picture, 0.15)
    for below in (0, 6):
        pencil.line((left, bottom + below, right, bottom + below + 2), fill=(25, 30, 90), width=3)
    return sheet


def _framed(picture: Image.Image, _: int) -> Image.Image:
    """A black frame along the edge of the picture, as scanners leave it."""
    sheet = _on_paper(picture, 0.4)
    return ImageOps.expand(sheet, border=9, fill=(15, 15, 15))


def _beside_a_line(picture: Image.Image, seed: int) -> Image.Image:
    """Half of another line of the same writing, above or below, cut by the edge of the picture."""
    sheet = _on_paper(picture)
    half = picture.height // 2
    line = _on_paper(picture, 0.0)
    if seed % 2:
        sheet.paste(line.crop((0, half, line.width, line.height)), (round(0.6 * half), 0))
    else:
        place = (round(0.6 * half), sheet.height - half)
        sheet.paste(line.crop((0, 0, line.width, half)), place)
    return sheet


def _tall(height: int) -> Condition:
    """Letters of so many pixels: the published protocol's are 28 tall on average."""
    return _sized(height / 28)


def _blurred(picture: Image.Image, _: int) -> Image.Image:
    """Blurred over three pixels, at twice the published size."""
    double = _sized(2.0)(picture, 0)
    sheet = _on_paper(double, 0.3)
    return sheet.filter(ImageFilter.GaussianBlur(3))


def _felt_pen(picture: Image.Image, _: int) -> Image.Image:
    """Strokes a tenth as wide as the formula is tall, at most 9 pixels."""
    width = min(max(round(picture.height / 10), 3), 9)
    return ImageOps.invert(_stroke_width(width)(picture, 0))


def _screenshot(picture: Image.Image, seed: int) -> Image.Image:
    """Light ink in a dark application, with its bars, buttons and words."""
    height, width = picture.height + 160, max(picture.width + 120, 480)
    screen = Image.new("RGB", (width, height), (24, 26, 31))
    pencil, font = ImageDraw.Draw(screen), ImageFont.load_default(15)
    pencil.rectangle((0, 0, width, 38), fill=(48, 52, 62))
    pencil.text((14, 9), "File   Edit   View   Help", fill=(220, 220, 220), font=font)
    pencil.rectangle((width - 78, 8, width - 12, 30), fill=(40, 110, 220))
    pencil.text((width - 66, 10), "Save", fill="white", font=font)
    pencil.line((0, height - 34, width, height - 34), fill=(70, 75, 85), width=1)
    pencil.text((14, height - 26), f"Page {seed % 9 + 1} of 12", fill=(150, 150, 150), font=font)
    place = ((width - picture.width) // 2, 80)
    screen.paste((235, 235, 240), place, picture.convert("L"))
    return screen


def _squared(picture: Image.Image, seed: int) -> Image.Image:
    sheet = _on_paper(picture)
    pencil = ImageDraw.Draw(sheet)
    ink = sheet.copy()
    step = 16 + seed % 9
    for x in range(seed % step, sheet.width, step):
        pencil.line((x, 0, x, sheet.height), fill=(165, 190, 215), width=1)
    for y in range(seed % step, sheet.height, step):
        pencil.line((0, y, sheet.width, y), fill=(165, 190, 215), width=1)
    return ImageChops.darker(ink, sheet)


def _marked(picture: Image.Image, seed: int) -> Image.Image:
    """A teacher's tick behind it and a wavy line below a part of it, in red."""
    sheet = _on_paper(picture)
    pencil = ImageDraw.Draw(sheet)
    left, top, right, bottom = _box(picture, 0.0)
    x, y = right + 14, (bottom + top) // 2
    pencil.line((x, y, x + 9, y + 14, x + 30, y - 22), fill=(205, 30, 35), width=3)
    start = left + seed % max((right - left) // 2, 1)
    wave = [(start + 5 * i, bottom + 10 + 4 * (i % 2)) for i in range(9)]
    pencil.line(wave, fill=(205, 30, 35), width=2)
    return sheet


def _white_drawing(picture: Image.Image, _: int) -> Image.Image:
    """Black ink on a white sheet with nothing around it."""
    sheet = ImageOps.invert(picture.convert("L")).convert("RGBA")
    return ImageOps.expand(sheet, border=40, fill=(0, 0, 0, 0))


def _jpeg(picture: Image.Image, _: int) -> Image.Image:
    file = io.BytesIO()
    ImageOps.invert(picture.convert("L")).save(file, "JPEG", quality=30)
    return Image.open(io.BytesIO(file.getvalue()))


CONDITIONS: Mapping[str, Condition] = {
    "clean": lambda picture, _: picture,
    "camera, mild": partial(photo, strength="mild"),
    "camera, medium": partial(photo, strength="medium"),
    "camera, strong": partial(photo, strength="strong"),
    "dark on light": lambda picture, _: ImageOps.invert(picture.convert("L")),
    "transparent": _transparent,
    "0.5 times the size": _sized(0.5),
    "2 times the size": _sized(2.0),
    "3 times the size": _sized(3.0),
    "strokes of 1 pixel": _stroke_width(1),
    "strokes of 2 pixels": _stroke_width(2),
    "strokes of 4 pixels": _stroke_width(4),
    "strokes of 6 pixels": _stroke_width(6),
    "strokes of 8 pixels": _stroke_width(8),
    "turned by 3 degrees": _rotated(3),
    "turned by 6 degrees": _rotated(6),
    "turned by 15 degrees": _rotated(15),
    "slight perspective": _perspective,
    "JPEG of quality 30": _jpeg,
    "boxed": _boxed,
    "circled": _circled,
    "underlined": _underlined,
    "frame at the edge": _framed,
    "another line at the edge": _beside_a_line,
    "turned by 10 degrees": _rotated(10),
    "turned by 90 degrees": lambda picture, _: picture.transpose(Image.Transpose.ROTATE_90),
    "turned by 180 degrees": lambda picture, _: picture.transpose(Image.Transpose.ROTATE_180),
    "16 pixels tall": _tall(16),
    "24 pixels tall": _tall(24),
    "blur of 3 pixels": _blurred,
    "felt pen": _felt_pen,
    "dark screenshot": _screenshot,
    "squared paper": _squared,
    "red pen": _marked,
    "white drawing": _white_drawing,
}
"""Clean first: what the others lose is measured against it."""


def degraded(sample: Sample, condition: str, seed: int = 0) -> Sample:
    """A sample under a condition; the same one for the same seed, in whatever order.

    Raises:
        KeyError: if there is no such condition.
        ValueError: if it needs Augraphy, which is not installed.
    """
    own = zlib.crc32(f"{seed}/{condition}/{sample.name}".encode())
    return replace(sample, picture=CONDITIONS[condition](sample.picture, own))


def evaluate_conditions(
    recognizer: Recognizer,
    samples: Sequence[Sample],
    conditions: Sequence[str] = tuple(CONDITIONS),
    preset: Preset = "fast",
    batch_size: int = 64,
) -> Iterator[tuple[str, Evaluation]]:
    """Read the samples under each condition in turn.

    Raises:
        ValueError: if there are no samples, or Augraphy is needed and not installed.
    """
    for name in conditions:
        changed = [degraded(sample, name) for sample in samples]
        yield name, evaluate_samples(recognizer, changed, preset, batch_size)


def contact_sheet(
    recognizer: Recognizer,
    samples: Sequence[Sample],
    conditions: Sequence[str] = tuple(CONDITIONS),
) -> Image.Image:
    """A row for each condition: up to four pictures, and beside each what the model sees."""
    tiles: list[tuple[Image.Image | None, str]] = []
    for name in conditions:
        for sample in samples[:4]:
            given = degraded(sample, name).picture
            tiles.append((given, name))
            try:
                seen = prepare(given, recognizer.image_processor).picture
                tiles.append((Image.fromarray(seen), "as the model sees it"))
            except ValueError as error:
                tiles.append((None, str(error)))
    return tiled_sheet(tiles, 2 * min(len(samples), 4), (330, 150))
