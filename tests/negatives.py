"""Pictures without a handwritten formula, for tests and scripts/check_rejection.py.

Sheets, textures, scenes, animals, print, charts, codes, music, circuits and so on, all drawn from
random numbers, so that none has a licence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

Draw = Callable[[np.random.Generator], Image.Image]
Levels = NDArray[np.float64]
_WORDS = (
    "the of and a to in is you that it he was for on are as with his they at be this have from or "
    "one had by word but not what all were we when your can said there use an each which she do "
    "how their if will up other about out many then them these so some her would make like him "
    "into time has look two more write go see number no way could people my than first water been"
).split()


def _size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width in pixels."""
    return int(rng.integers(120, 480)), int(rng.integers(160, 700))


def _smooth(rng: np.random.Generator, size: tuple[int, int], scale: float) -> Levels:
    """Noise of one wave length, 0 to 1."""
    field = ndimage.gaussian_filter(rng.normal(size=size), scale, mode="wrap")
    low, high = field.min(), field.max()
    return (field - low) / max(high - low, 1e-9)


def _picture(levels: Levels) -> Image.Image:
    return Image.fromarray((255 * levels.clip(0, 1)).astype(np.uint8))


def sheet(rng: np.random.Generator) -> Image.Image:
    """An empty sheet: light from one side, and the grain of paper and sensor."""
    size = _size(rng)
    light = rng.uniform(0.5, 0.95) - rng.uniform(0.05, 0.3) * _smooth(rng, size, 120)
    return _picture(light + rng.normal(0, rng.uniform(0.0, 0.03), size))


def ruled_sheet(rng: np.random.Generator) -> Image.Image:
    """An empty sheet of ruled or squared paper."""
    page = sheet(rng).convert("L")
    pencil, step = ImageDraw.Draw(page), int(rng.integers(14, 40))
    level = int(np.asarray(page).mean() * rng.uniform(0.5, 0.85))
    for y in range(step, page.height, step):
        pencil.line((0, y, page.width, y), fill=level, width=int(rng.integers(1, 3)))
    if rng.random() < 0.5:
        for x in range(step, page.width, step):
            pencil.line((x, 0, x, page.height), fill=level, width=1)
    return page


def noise(rng: np.random.Generator) -> Image.Image:
    """Noise, independent from pixel to pixel."""
    size = _size(rng)
    if rng.random() < 0.5:
        return _picture(rng.random(size))
    return _picture((rng.random(size) < rng.uniform(0.02, 0.5)).astype(np.float64))


def texture(rng: np.random.Generator) -> Image.Image:
    """Stone, cloud or cloth: noise of several wave lengths, or stripes bent by it."""
    size = _size(rng)
    if rng.random() < 0.5:
        return _picture(np.mean([_smooth(rng, size, 2.0**k) for k in range(1, 6)], axis=0) * 1.4)
    rows, columns = np.mgrid[: size[0], : size[1]]
    angle, length = rng.uniform(0, np.pi), rng.uniform(6, 30)
    phase = (rows * np.sin(angle) + columns * np.cos(angle)) / length
    return _picture(0.5 + 0.4 * np.sin(2 * np.pi * phase + 8 * _smooth(rng, size, 30)))


def tiles(rng: np.random.Generator) -> Image.Image:
    """Bricks or a chessboard."""
    height, width = _size(rng)
    picture = Image.new("L", (width, height), int(rng.integers(150, 255)))
    pencil, side = ImageDraw.Draw(picture), int(rng.integers(12, 60))
    is_wall = rng.random() < 0.5
    for row, y in enumerate(range(0, height, side)):
        for column, x in enumerate(range(-side, width, side * (2 if is_wall else 1))):
            if is_wall:
                left = x + side * (row % 2)
                box = (left, y, left + 2 * side - 3, y + side - 3)
                pencil.rectangle(box, fill=int(rng.integers(60, 140)))
            elif (row + column) % 2:
                pencil.rectangle((x, y, x + side - 1, y + side - 1), fill=30)
    return picture


def scene(rng: np.random.Generator) -> Image.Image:
    """Hills under a sky, with a sun and some trees."""
    size = height, width = _size(rng)
    rows = np.linspace(0, 1, height)[:, None]
    levels = 0.95 - 0.3 * rows + 0.1 * _smooth(rng, size, 25)
    for depth in range(3):
        ridge = 0.35 + 0.2 * depth + 0.25 * (_smooth(rng, (1, width), 40.0)[0] - 0.5)
        ground = 0.6 - 0.15 * depth + 0.15 * _smooth(rng, size, 3)
        levels = np.where(rows > ridge[None], ground, levels)
    picture = _picture(levels)
    pencil = ImageDraw.Draw(picture)
    x, y, r = rng.uniform(0, width), rng.uniform(0, height / 3), rng.uniform(8, 40)
    pencil.ellipse((x - r, y - r, x + r, y + r), fill=255)
    for _ in range(int(rng.integers(0, 8))):
        x, y, r = rng.uniform(0, width), rng.uniform(height / 2, height), rng.uniform(8, 30)
        pencil.rectangle((x - r / 8, y - r, x + r / 8, y + r), fill=40)
        pencil.ellipse((x - r, y - 2 * r, x + r, y), fill=int(rng.integers(30, 90)))
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))


def animal(rng: np.random.Generator) -> Image.Image:
    """A cat's face: fur, ears, eyes, nose and whiskers."""
    height, width = _size(rng)
    back = Image.new("L", (width, height), int(rng.integers(120, 240)))
    pencil = ImageDraw.Draw(back)
    x, y, r = width / 2, height * 0.55, min(height, width) * rng.uniform(0.25, 0.4)
    fur = int(rng.integers(40, 170))
    for side in (-1, 1):
        ear = [(x + side * r * a, y - r * b) for a, b in ((0.3, 0.85), (0.8, 1.35), (0.95, 0.4))]
        pencil.polygon(ear, fill=fur)
    pencil.ellipse((x - r, y - r, x + r, y + r), fill=fur)
    for side in (-1, 1):
        eye, e = x + side * r * 0.4, r * 0.17
        pencil.ellipse((eye - e, y - r * 0.2 - e, eye + e, y - r * 0.2 + e), fill=230)
        pencil.ellipse((eye - e / 3, y - r * 0.2 - e, eye + e / 3, y - r * 0.2 + e), fill=10)
        for k in (-0.2, 0.0, 0.2):
            ends = (x + side * r * 0.2, y + r * 0.3, x + side * r * 1.2, y + r * (0.3 + k))
            pencil.line(ends, fill=220, width=2)
    nose = [(x - r * 0.1, y + r * 0.12), (x + r * 0.1, y + r * 0.12), (x, y + r * 0.25)]
    pencil.polygon(nose, fill=20)
    grain = ndimage.gaussian_filter(rng.normal(0, 1, (height, width)), (3, 1)) * 0.35
    return _picture(np.asarray(back) / 255 + grain * rng.uniform(0.3, 1.0))


def page(rng: np.random.Generator) -> Image.Image:
    """A page of print, or a part of one, as it is or photographed."""
    height, width = int(rng.integers(200, 900)), int(rng.integers(300, 800))
    picture = Image.new("L", (width, height), 250)
    pencil, size = ImageDraw.Draw(picture), int(rng.integers(11, 26))
    font = ImageFont.load_default(size)
    for y in range(20, height - 2 * size, round(size * 1.5)):
        words, x = "", 20
        while x + pencil.textlength(words, font=font) < width - 8 * size:
            words += str(rng.choice(_WORDS)) + " "
        pencil.text((20, y), words, fill=20, font=font)
    if rng.random() < 0.5:
        return picture
    light = 0.9 - 0.4 * _smooth(rng, (height, width), 150)
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.8))) / 255
    return _picture(soft * light + rng.normal(0, 0.02, light.shape))


def plot(rng: np.random.Generator) -> Image.Image:
    """A chart: axes, bars or a curve, and numbers along the axes."""
    height, width = int(rng.integers(240, 500)), int(rng.integers(320, 700))
    picture = Image.new("RGB", (width, height), "white")
    pencil, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    pencil.line((40, 20, 40, height - 30, width - 20, height - 30), fill="black", width=2)
    count = int(rng.integers(4, 12))
    step = (width - 80) / count
    heights = rng.uniform(0.1, 1, count) * (height - 60)
    tops = [(50 + step * k, height - 30 - h) for k, h in enumerate(heights)]
    for k, (x, y) in enumerate(tops):
        pencil.text((x, height - 24), str(2000 + k), fill="black", font=font)
        pencil.text((4, height - 40 - k * (height - 60) / count), str(10 * k), fill=0, font=font)
        if count % 2:
            pencil.rectangle((x, y, x + 0.7 * step, height - 30), fill=(40, 90, 160))
    if not count % 2:
        pencil.line([side for top in tops for side in top], fill=(200, 60, 30), width=3)
    return picture


def code(rng: np.random.Generator) -> Image.Image:
    """A barcode, or squares as in a QR code."""
    if rng.random() < 0.5:
        bars = np.repeat(rng.random(int(rng.integers(40, 90))) < 0.5, int(rng.integers(2, 5)))
        levels = np.tile(bars.astype(np.float64), (int(rng.integers(60, 200)), 1))
    else:
        side = int(rng.integers(21, 41))
        levels = np.kron(rng.random((side, side)) < 0.5, np.ones((6, 6))).astype(np.float64)
    return _picture(np.pad(levels, 30, constant_values=1.0))


def _sheet_to_draw_on(rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    """A light sheet, its pencil, and a dark level."""
    height, width = _size(rng)
    picture = Image.new("L", (width, height), int(rng.integers(215, 256)))
    return picture, ImageDraw.Draw(picture), int(rng.integers(0, 90))


def music(rng: np.random.Generator) -> Image.Image:
    """Staves with notes."""
    picture, pencil, ink = _sheet_to_draw_on(rng)
    gap = int(rng.integers(6, 12))
    for top in range(20, picture.height - 5 * gap, 10 * gap):
        for line in range(5):
            y = top + line * gap
            pencil.line((10, y, picture.width - 10, y), fill=ink)
        for x in range(40, picture.width - 20, int(rng.integers(22, 48))):
            note = top + int(rng.integers(0, 9)) * gap / 2
            pencil.ellipse((x, note - gap / 2, x + 1.3 * gap, note + gap / 2), fill=ink)
            pencil.line((x + 1.3 * gap, note, x + 1.3 * gap, note - 3.5 * gap), fill=ink, width=2)
    return picture


def circuit(rng: np.random.Generator) -> Image.Image:
    """Wires with resistors, capacitors and junctions."""
    picture, pencil, ink = _sheet_to_draw_on(rng)
    step = int(rng.integers(30, 50))
    for x in range(step, picture.width - step, step):
        for y in range(step, picture.height - step, step):
            kind = rng.random()
            if kind < 0.5:
                pencil.line((x, y, x + 10, y), fill=ink, width=2)
                pencil.rectangle((x + 10, y - 5, x + step - 10, y + 5), outline=ink, width=2)
                pencil.line((x + step - 10, y, x + step, y), fill=ink, width=2)
            elif kind < 0.85:
                pencil.line((x, y, x, y + step), fill=ink, width=2)
            else:
                pencil.ellipse((x - 4, y - 4, x + 4, y + 4), fill=ink)
    return picture


def relief(rng: np.random.Generator) -> Image.Image:
    """Lines of equal height, as maps have them."""
    size = _size(rng)
    heights = _smooth(rng, size, rng.uniform(15, 50)) * rng.uniform(6, 14)
    edges = np.floor(heights) != np.floor(np.roll(heights, 1, axis=0))
    edges |= np.floor(heights) != np.floor(np.roll(heights, 1, axis=1))
    return _picture(np.where(edges, 0.2, 0.95))


def handwriting(rng: np.random.Generator) -> Image.Image:
    """Lines of joined loops, as words in a script that nobody can read."""
    picture, pencil, ink = _sheet_to_draw_on(rng)
    size = int(rng.integers(8, 16))
    for y in range(3 * size, picture.height - size, 4 * size):
        x = 15.0
        while x < picture.width - 8 * size:
            length = rng.uniform(2, 7) * size
            t = np.linspace(0, length / size * np.pi, int(length))
            tall = size * (0.6 + 0.8 * _smooth(rng, (1, len(t)), 6.0)[0])
            across = x + np.linspace(0, length, len(t)) + 0.5 * size * np.cos(2 * t)
            points = np.stack([across, y - tall * np.abs(np.sin(t))], axis=1)
            pencil.line(points.ravel().tolist(), fill=ink, width=2)
            x += length + 1.5 * size
    return picture


def keyboard(rng: np.random.Generator) -> Image.Image:
    """Rows of keys with a letter on each."""
    picture, pencil, ink = _sheet_to_draw_on(rng)
    side, font = int(rng.integers(26, 48)), ImageFont.load_default(14)
    for row, y in enumerate(range(8, picture.height - side, side + 6)):
        for x in range(8 + 9 * (row % 3), picture.width - side, side + 6):
            pencil.rounded_rectangle((x, y, x + side, y + side), 5, fill=ink)
            letter = chr(int(rng.integers(65, 91)))
            pencil.text((x + 6, y + 4), letter, fill=235, font=font)
    return picture


def bubbles(rng: np.random.Generator) -> Image.Image:
    """Rings of all sizes, over one another."""
    picture, pencil, ink = _sheet_to_draw_on(rng)
    for _ in range(int(rng.integers(12, 50))):
        x, y, r = rng.uniform(0, picture.width), rng.uniform(0, picture.height), rng.uniform(5, 60)
        pencil.ellipse((x - r, y - r, x + r, y + r), outline=ink, width=int(rng.integers(1, 4)))
    return picture


def flow_chart(rng: np.random.Generator) -> Image.Image:
    """Boxes with words, joined by arrows."""
    picture, pencil, ink = _sheet_to_draw_on(rng)
    font, middle = ImageFont.load_default(13), picture.width / 2
    for y in range(15, picture.height - 40, 70):
        word = " ".join(str(rng.choice(_WORDS)) for _ in range(2))
        half = pencil.textlength(word, font=font) / 2
        pencil.rectangle((middle - half - 12, y, middle + half + 12, y + 36), outline=ink, width=2)
        pencil.text((middle - half, y + 10), word, fill=ink, font=font)
        pencil.line((middle, y + 36, middle, y + 70), fill=ink, width=2)
    return picture


def tree(rng: np.random.Generator) -> Image.Image:
    """A bare tree: branches that fork."""
    picture, pencil, ink = _sheet_to_draw_on(rng)
    twigs = [(picture.width / 2, picture.height - 5.0, -np.pi / 2, picture.height * 0.25)]
    while twigs and len(twigs) < 200:
        x, y, angle, length = twigs.pop(0)
        end = (x + length * np.cos(angle), y + length * np.sin(angle))
        pencil.line((x, y, *end), fill=ink, width=max(round(length / 16), 1))
        if length > 9:
            for side in (-1, 1):
                turn = angle + side * rng.uniform(0.2, 0.7)
                twigs.append((*end, turn, length * rng.uniform(0.6, 0.8)))
    return picture


def window(rng: np.random.Generator) -> Image.Image:
    """An application: bars, a list of names, buttons."""
    height, width = int(rng.integers(240, 520)), int(rng.integers(360, 800))
    is_dark = rng.random() < 0.5
    paper, ink = ((30, 32, 38), (215, 215, 220)) if is_dark else ((250, 250, 252), (40, 40, 50))
    picture = Image.new("RGB", (width, height), paper)
    pencil, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    pencil.rectangle((0, 0, width, 34), fill=(60, 100, 170))
    for place, y in enumerate(range(48, height - 24, 28)):
        words = " ".join(str(rng.choice(_WORDS)) for _ in range(3))
        pencil.text((20, y), words, fill=ink, font=font)
        pencil.line((12, y + 22, width - 12, y + 22), fill=(128, 128, 128))
        if place % 3 == 0:
            pencil.rounded_rectangle((width - 90, y - 3, width - 20, y + 18), 4, fill=(70, 150, 90))
    return picture


def fingerprint(rng: np.random.Generator) -> Image.Image:
    """Ridges around a middle, bent."""
    size = _size(rng)
    rows, columns = np.mgrid[: size[0], : size[1]]
    x, y = columns - size[1] / 2, (rows - size[0] / 2) * rng.uniform(0.6, 1.4)
    distance = np.hypot(x, y) + 30 * _smooth(rng, size, 25)
    ridges = 0.5 + 0.5 * np.sin(distance / rng.uniform(1.5, 4))
    inside = np.hypot(x, y) < 0.45 * min(size)
    return _picture(np.where(inside & (ridges < 0.5), 0.25, 0.95))


KINDS: dict[str, Draw] = {
    "sheet": sheet,
    "ruled sheet": ruled_sheet,
    "noise": noise,
    "texture": texture,
    "tiles": tiles,
    "scene": scene,
    "animal": animal,
    "page of print": page,
    "plot": plot,
    "code": code,
    "music": music,
    "circuit": circuit,
    "relief": relief,
    "handwriting": handwriting,
    "keyboard": keyboard,
    "bubbles": bubbles,
    "flow chart": flow_chart,
    "tree": tree,
    "window": window,
    "fingerprint": fingerprint,
}


def negatives(count: int, seed: int = 0) -> Iterator[tuple[str, Image.Image]]:
    """Yields pictures without a formula, with the name of their kind, all kinds in turn.

    Args:
        count: how many.
        seed: of the random numbers; the first pictures are the same for every count.
    """
    names = list(KINDS)
    for number in range(count):
        name = names[number % len(names)]
        yield name, KINDS[name](np.random.default_rng((seed, number)))
