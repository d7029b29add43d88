"""What a camera adds: light, what lies around the sheet, blur, noise and compression."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .noise import Field, Picture, blend, blurred, chance, grain, smooth_noise
from .paper import hue

__all__ = ["add_light", "add_objects", "develop", "sheet_outline", "surroundings"]


def add_light(picture: Picture, rng: np.random.Generator) -> None:
    """Uneven light, shadows with soft and hard edges, and glare, in place."""
    height, width = picture.shape[:2]
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    down, across = down / height - 0.5, across / width - 0.5
    direction = float(rng.uniform(0, 2 * np.pi))
    slope = across * np.float32(np.cos(direction)) + down * np.float32(np.sin(direction))
    light = 1 + slope * np.float32(rng.uniform(0, 0.7))
    if chance(rng, 0.3):  # the corners of a lens are darker
        light -= (across**2 + down**2) * np.float32(rng.uniform(0, 0.9))
    for _ in range(int(rng.choice([0, 0, 1, 1, 2]))):
        light *= _shadow((height, width), rng)
    picture *= np.clip(light, 0.08, 1.6)[..., None]
    if chance(rng, 0.12):
        spot = rng.uniform(-0.6, 0.6, 2)
        reach = rng.uniform(0.05, 0.35, 2)
        distance = ((across - spot[0]) / reach[0]) ** 2 + ((down - spot[1]) / reach[1]) ** 2
        picture += (np.exp(-distance) * np.float32(rng.uniform(0.05, 0.35)))[..., None]
    if chance(rng, 0.25):  # moire of a screen, or flicker of lamps
        period = float(rng.uniform(3, 40))
        wave = np.sin(
            (across * width * np.cos(direction) + down * height * np.sin(direction)) / period
        )
        picture += (wave.astype(np.float32) * np.float32(rng.uniform(0, 0.03)))[..., None]


def _shadow(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """Light from 0 to 1 where something, a hand or a phone, keeps some of it off."""
    height, width = shape
    canvas = Image.new("L", (width, height))
    pencil = ImageDraw.Draw(canvas)
    centre = rng.uniform(-0.2, 1.2, 2) * (width, height)
    size = float(rng.uniform(0.2, 0.9)) * max(width, height)
    turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
    radii = size * rng.uniform(0.5, 1.0, len(turns))
    corners = [
        (float(centre[0] + r * np.cos(t)), float(centre[1] + r * np.sin(t)))
        for r, t in zip(radii, turns, strict=True)
    ]
    pencil.polygon(corners, fill=255)
    softness = float(np.exp(rng.uniform(np.log(0.8), np.log(0.12 * max(width, height)))))
    soft = np.asarray(canvas.filter(ImageFilter.GaussianBlur(softness)), dtype=np.float32)
    return 1 - soft / np.float32(255) * np.float32(rng.uniform(0.1, 0.6))


def sheet_outline(
    shape: tuple[int, int], ink: tuple[float, float, float, float], rng: np.random.Generator
) -> Field:
    """Where the sheet is, if some of its edges are in the picture: 1, else 0.

    Args:
        shape: height and width of the picture.
        ink: left, top, right and bottom of the formula, which stays on the sheet.
        rng: chooses the edges; torn ones are rough.
    """
    height, width = shape
    left, top, right, bottom = ink
    gaps = [left, top, width - right, height - bottom]
    seen = [chance(rng, 0.4) and gap > 8 for gap in gaps]
    if not any(seen):
        seen[int(np.argmax(gaps))] = max(gaps) > 8
    inset = [float(rng.uniform(3, max(gap - 4, 3.1))) if one else -40.0
             for gap, one in zip(gaps, seen, strict=True)]  # fmt: skip
    tilt = [float(np.clip(rng.normal(0, 0.03) * side, -0.4 * one, 0.4 * one)) if one > 0 else 0.0
            for side, one in zip((height, width, height, width), inset, strict=True)]  # fmt: skip
    corners = [
        (inset[0] + tilt[0], inset[1] - tilt[1]), (width - inset[2] + tilt[2], inset[1] + tilt[1]),
        (width - inset[2] - tilt[2], height - inset[3] + tilt[3]),
        (inset[0] - tilt[0], height - inset[3] - tilt[3]),
    ]  # fmt: skip
    canvas = Image.new("L", (width, height))
    ImageDraw.Draw(canvas).polygon(corners, fill=255)
    outline = np.asarray(canvas, dtype=np.float32) / np.float32(255)
    if chance(rng, 0.15):  # torn
        rough = smooth_noise(shape, 12, rng, octaves=3)
        outline = np.clip((blurred(outline, 4) + rough * np.float32(0.12) - 0.5) * 8 + 0.5, 0, 1)
    return blurred(np.asarray(outline, dtype=np.float32), float(rng.uniform(0.3, 1.2)))


def surroundings(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    """What a sheet lies on: wood, cloth, another sheet, a keyboard, darkness."""
    height, width = shape
    picture = np.empty((height, width, 3), dtype=np.float32)
    kind = rng.random()
    picture[:] = hue(rng, (0.02, 0.85), (0.0, 0.7))
    if kind < 0.3:  # wood: noise drawn out along one direction
        long = smooth_noise((height, max(width // 12, 2)), 6, rng, octaves=2)
        wood = np.asarray(Image.fromarray(long).resize((width, height), Image.Resampling.BICUBIC))
        if chance(rng, 0.5):
            tall = smooth_noise((max(height // 12, 2), width), 6, rng, octaves=2)
            wood = np.asarray(
                Image.fromarray(tall).resize((width, height), Image.Resampling.BICUBIC)
            )
        picture += (wood * np.float32(rng.uniform(0.02, 0.12)))[..., None]
    elif kind < 0.5:  # cloth
        picture += (grain(shape, float(rng.uniform(0.5, 2)), rng) * np.float32(0.08))[..., None]
    elif kind < 0.65:  # keys, tiles
        pitch = float(rng.uniform(20, 80))
        down, across = np.mgrid[0:height, 0:width]
        gap = ((down % pitch) < pitch * 0.15) | ((across % pitch) < pitch * 0.15)
        picture[gap] = hue(rng, (0.0, 0.9), (0.0, 0.3))
    elif kind < 0.8:
        picture += (smooth_noise(shape, 80, rng, octaves=4) * np.float32(0.1))[..., None]
    return picture


def add_objects(
    picture: Picture, ink: tuple[float, float, float, float], rng: np.random.Generator
) -> None:
    """Lay a finger or a pen into the picture from its edge, beside the formula, in place."""
    height, width = picture.shape[:2]
    left, top, right, bottom = ink
    canvas = Image.new("L", (width, height))
    pencil = ImageDraw.Draw(canvas)
    is_finger = chance(rng, 0.6)
    size = float(rng.uniform(0.08, 0.25)) * max(height, width) * (1.0 if is_finger else 0.3)
    side = int(rng.integers(4))
    reach = [left, width - right, top, height - bottom][side] - 6 - size / 2
    if reach < 6:
        return
    depth = float(rng.uniform(4, reach))
    at = float(rng.uniform(0, height if side < 2 else width))
    slant = float(rng.normal(0, 0.4)) * depth
    ends = [
        ((-size, at + slant), (depth, at)), ((width + size, at + slant), (width - depth, at)),
        ((at + slant, -size), (at, depth)), ((at + slant, height + size), (at, height - depth)),
    ][side]  # fmt: skip
    pencil.line(ends, fill=255, width=max(round(size), 2))
    if is_finger:
        x, y = ends[1]
        pencil.ellipse((x - size / 2, y - size / 2, x + size / 2, y + size / 2), fill=255)
    cover = blurred(np.asarray(canvas, dtype=np.float32) / np.float32(255), 1.0)
    shadow = blurred(np.roll(cover, (4, 4), axis=(0, 1)), 6)
    picture *= 1 - shadow[..., None] * np.float32(rng.uniform(0, 0.5))
    skin = (
        float(rng.uniform(0.35, 0.95)),
        float(rng.uniform(0.25, 0.7)),
        float(rng.uniform(0.2, 0.55)),
    )
    texture = np.empty_like(picture)
    texture[:] = skin if is_finger else hue(rng, (0.05, 0.9), (0, 0.9))
    if is_finger:
        texture *= 1 - 0.4 * blurred(1 - cover, size / 5)[..., None]
    blend(picture, cover, texture)


def develop(picture: Picture, is_photo: bool, scale: float, rng: np.random.Generator) -> Picture:
    """Blur, noise, colour and compression of a camera, or of a screenshot that was passed on.

    Args:
        picture: of the scene; it may be changed.
        is_photo: whether a camera took it.
        scale: pixels for each pixel at the published scale, by which blur is limited.
        rng: chooses how much of each.

    Returns:
        `(height, width, 3)`, 0 to 1.
    """
    if is_photo:
        white = np.exp(rng.normal(0, 0.07, 3)).astype(np.float32)
        # A camera exposes by what is bright in the picture; a little of that is lost at times.
        bright = max(float(np.percentile(picture[::4, ::4].max(axis=-1), 85)), 0.05)
        exposure = min(float(rng.uniform(0.5, 1.08)), 2.2 * bright)
        picture = picture * white * np.float32(exposure / bright)
        if chance(rng, 0.6):
            sigma = min(float(np.exp(rng.uniform(np.log(0.3), np.log(2.5)))), 1.5 * scale)
            picture = np.stack([blurred(picture[..., c], sigma) for c in range(3)], axis=-1)
        if chance(rng, 0.12):
            picture = _moved(picture, 1.5 * scale, rng)
        shape = (picture.shape[0], picture.shape[1])
        noise = float(np.exp(rng.uniform(np.log(0.002), np.log(0.06))))
        grey = grain(shape, float(rng.uniform(0, 0.8)), rng)[..., None]
        colour = rng.standard_normal(picture.shape, dtype=np.float32) if chance(rng, 0.5) else grey
        picture = picture + (grey + colour) * np.float32(noise * 0.7)
        if chance(rng, 0.4):  # a phone raises contrast
            gain = float(rng.uniform(1.0, 1.8))
            centre = float(np.median(picture))
            picture = (picture - centre) * gain + centre
        if chance(rng, 0.15):  # and sharpens
            soft = np.stack([blurred(picture[..., c], 1.2) for c in range(3)], axis=-1)
            picture = picture + (picture - soft) * np.float32(rng.uniform(0.3, 1.5))
    picture = np.clip(picture, 0, 1)
    if chance(rng, 0.15):
        picture = np.repeat(picture.mean(axis=-1, keepdims=True), 3, axis=-1)
    if chance(rng, 0.7 if is_photo else 0.35):
        stored = io.BytesIO()
        levels = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
        levels.save(stored, "JPEG", quality=int(rng.integers(15, 95)))
        picture = np.asarray(Image.open(stored), dtype=np.float32) / np.float32(255)
    return np.asarray(picture, dtype=np.float32)


def _moved(picture: Picture, size: float, rng: np.random.Generator) -> Picture:
    """The mean of the picture over a way of about `size` pixels that the camera moved."""
    way = rng.normal(0, size, 2)
    steps = max(int(np.hypot(*way)) + 1, 2)
    total = np.zeros_like(picture)
    for share in np.linspace(-0.5, 0.5, steps):
        shift = (round(way[0] * share), round(way[1] * share))
        total += np.roll(picture, shift, axis=(0, 1))
    return total / np.float32(steps)
