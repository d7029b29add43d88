"""Sheets to write on: paper plain and ruled, boards, and screens."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .noise import Colour, Field, Picture, blend, blurred, chance, grain, smooth_noise

__all__ = ["Ground", "Sheet", "draw_sheet", "hue"]

Ground = Literal["paper", "scan", "whiteboard", "blackboard", "screen", "dark screen"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet before anything is written on it.

    Attributes:
        picture: its colours.
        ground: what kind of sheet it is.
        is_dark: whether ink on it has to be light.
    """

    picture: Picture
    ground: Ground
    is_dark: bool


def draw_sheet(
    ground: Ground, shape: tuple[int, int], scale: float, rng: np.random.Generator
) -> Sheet:
    """A sheet of a kind with its texture and ruling.

    Args:
        ground: kind of sheet.
        shape: height and width, in pixels.
        scale: pixels for each pixel at the published scale.
        rng: chooses colours, textures and ruling.
    """
    is_dark = ground in ("blackboard", "dark screen")
    picture = np.empty((*shape, 3), dtype=np.float32)
    picture[:] = _base_colour(ground, rng)
    if ground in ("paper", "scan"):
        _add_paper_texture(picture, ground, scale, rng)
        if chance(rng, 0.55 if ground == "paper" else 0.4):
            _add_ruling(picture, scale, rng)
    elif ground in ("whiteboard", "blackboard"):
        strength = 0.012 if ground == "whiteboard" else 0.05
        texture = smooth_noise(shape, 60 * scale, rng, octaves=4) * rng.uniform(0.2, 1.0)
        picture += (texture * np.float32(strength))[..., None]
        if chance(rng, 0.5):  # what was wiped off badly
            wiped = np.clip(smooth_noise(shape, 25 * scale, rng, octaves=2) - 1, 0, 1)
            level = float(rng.uniform(0.03, 0.15))
            picture += (wiped * np.float32(level if is_dark else -level))[..., None]
    elif chance(rng, 0.25):
        _add_ruling(picture, scale, rng, is_crisp=True)
    if is_dark and ground == "dark screen" and chance(rng, 0.2):
        _add_ruling(picture, scale, rng, is_crisp=True)
    return Sheet(picture, ground, is_dark)


def hue(
    rng: np.random.Generator, level: tuple[float, float], saturation: tuple[float, float]
) -> Colour:
    """A random colour: its brightest channel at `level`, the others lower by `saturation`."""
    top = float(rng.uniform(*level))
    channels = top * (1 - rng.random(3) * float(rng.uniform(*saturation)))
    channels[int(rng.integers(3))] = top
    red, green, blue = channels.tolist()
    return red, green, blue


def _base_colour(ground: Ground, rng: np.random.Generator) -> Colour:
    if ground == "paper":
        return hue(rng, (0.7, 1.0), (0.0, 0.12 if chance(rng, 0.8) else 0.4))
    if ground == "scan":
        return hue(rng, (0.88, 1.0), (0.0, 0.05))
    if ground == "whiteboard":
        return hue(rng, (0.75, 0.98), (0.0, 0.08))
    if ground == "blackboard":
        return hue(rng, (0.1, 0.4), (0.0, 0.6))
    if ground == "screen":
        return (1.0, 1.0, 1.0) if chance(rng, 0.6) else hue(rng, (0.75, 1.0), (0.0, 0.25))
    return (0.0, 0.0, 0.0) if chance(rng, 0.3) else hue(rng, (0.05, 0.3), (0.0, 0.4))


def _add_paper_texture(
    picture: Picture, ground: Ground, scale: float, rng: np.random.Generator
) -> None:
    """Fibres, clouds, and the print on the other side that shines through."""
    shape = (picture.shape[0], picture.shape[1])
    strength = float(rng.uniform(0, 0.03 if ground == "paper" else 0.01))
    picture += (grain(shape, float(rng.uniform(0.4, 1.5)), rng) * np.float32(strength))[..., None]
    clouds = smooth_noise(shape, float(rng.uniform(30, 200)) * scale, rng, octaves=3)
    picture += (clouds * np.float32(rng.uniform(0, 0.015)))[..., None]
    if chance(rng, 0.06):  # recycled paper: dark and coloured fibres
        specks = np.clip(grain(shape, 0.7, rng) - 2.2, 0, 1)
        blend(picture, specks * np.float32(rng.uniform(0.2, 0.6)), hue(rng, (0.2, 0.6), (0, 0.5)))
    if chance(rng, 0.1):
        _add_fold(picture, rng)
    if chance(rng, 0.12 if ground == "paper" else 0.04):
        _add_stains(picture, scale, rng)


def _add_stains(picture: Picture, scale: float, rng: np.random.Generator) -> None:
    """Spilt drinks and damp: patches of any form, often darker at their rim."""
    shape = (picture.shape[0], picture.shape[1])
    period = float(np.exp(rng.uniform(np.log(12), np.log(120)))) * scale
    depth = smooth_noise(shape, period, rng, octaves=4) - float(rng.uniform(0.2, 1.6))
    patch = np.clip(depth * float(rng.uniform(1.5, 12)) + 0.5, 0, 1) * float(rng.uniform(0, 0.3))
    rim = np.exp(-((depth / float(rng.uniform(0.04, 0.2))) ** 2)) * float(rng.uniform(0, 0.4))
    cover = np.clip(patch + rim, 0, 0.6).astype(np.float32)
    blend(picture, cover, hue(rng, (0.25, 0.75), (0.0, 0.6)))


def _add_fold(picture: Picture, rng: np.random.Generator) -> None:
    """A straight crease, lighter on one side of it than on the other."""
    height, width = picture.shape[:2]
    angle = float(rng.choice([0.0, np.pi / 2])) + float(rng.normal(0, 0.05))
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    point = rng.random(2) * (width, height)
    distance = (across - point[0]) * np.sin(angle) + (down - point[1]) * np.cos(angle)
    reach = float(rng.uniform(4, 40))
    step = np.sign(distance) * np.exp(-np.abs(distance) / reach) * float(rng.uniform(0.02, 0.08))
    picture += (step - 0.1 * np.exp(-((distance / 1.2) ** 2)))[..., None].astype(np.float32)


def _add_ruling(
    picture: Picture, scale: float, rng: np.random.Generator, is_crisp: bool = False
) -> None:
    """Printed lines: ruled, squared, Seyes, dotted or millimetre paper, with a margin at times."""
    height, width = picture.shape[:2]
    is_dark = float(picture.mean()) < 0.5
    # Most lines are paler than ink, some are as dark, and only their straightness tells them apart.
    levels = (0.4, 0.8) if is_dark else (0.1, 0.5) if chance(rng, 0.25) else (0.5, 0.9)
    colour = hue(rng, levels, (0.0, 0.5 if is_dark else 0.7))
    strength = float(rng.uniform(0.12, 0.95))
    thick = max(float(rng.uniform(0.4, 2.0)) * min(max(scale, 0.5), 2.0), 0.5)
    kind = str(rng.choice(["lined", "squared", "squared", "seyes", "dotted", "millimetre"]))
    lines = np.zeros((height, width), dtype=np.float32)
    pitch = float(rng.uniform(18, 48)) * scale
    offset = rng.random(2) * pitch * 4
    if kind == "lined":
        pitch = float(rng.uniform(32, 90)) * scale
        _rule(lines, 0, pitch, offset[0], thick, 1.0)
    elif kind == "squared":
        _rule(lines, 0, pitch, offset[0], thick, 1.0)
        _rule(lines, 1, pitch, offset[1], thick, 1.0)
    elif kind == "seyes":
        wide = pitch * 4
        _rule(lines, 0, wide, offset[0], thick * 1.2, 1.0)
        _rule(lines, 0, pitch, offset[0], thick, 0.5)
        _rule(lines, 1, wide, offset[1], thick * 1.2, 1.0)
    elif kind == "dotted":
        dots, columns = np.zeros_like(lines), np.zeros_like(lines)
        _rule(dots, 0, pitch, offset[0], thick * 2.5, 1.0)
        _rule(columns, 1, pitch, offset[1], thick * 2.5, 1.0)
        lines = dots * columns
    else:
        fine = max(pitch / 5, 3.0)
        for axis in (0, 1):
            _rule(lines, axis, fine, offset[axis], thick * 0.7, 0.5)
            _rule(lines, axis, fine * 5, offset[axis], thick, 1.0)
    if not is_crisp:
        lines = blurred(lines, float(rng.uniform(0, 0.6)))
    blend(picture, np.clip(lines, 0, 1) * np.float32(strength), colour)
    if kind in ("lined", "seyes") and chance(rng, 0.3):
        margin = np.zeros_like(lines)
        _rule(margin, 1, 10.0 * width, float(rng.uniform(0, width * 0.4)), thick * 1.3, 1.0)
        blend(picture, margin * np.float32(strength), hue(rng, (0.7, 0.95), (0.4, 0.8)))


def _rule(
    lines: Field, axis: int, pitch: float, offset: float, thick: float, strength: float
) -> None:
    """Add parallel lines, `thick` pixels wide, one every `pitch` pixels along an axis, in place."""
    size = lines.shape[axis]
    phase = (np.arange(size, dtype=np.float32) - np.float32(offset)) % np.float32(pitch)
    distance = np.minimum(phase, pitch - phase)
    profile = np.clip(thick / 2 + 0.5 - distance, 0, min(thick, 1.0)) * np.float32(strength)
    band = profile[:, None] if axis == 0 else profile[None]
    np.maximum(lines, band, out=lines)
