"""Ink that tests draw, and what takes the network's place in finding it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.ink_extraction_inktex import InkExtraction, InkNetworks, pose_input

GREEN, MAGENTA = (0, 255, 0), (255, 0, 255)
"""Ink that `GreenInk` finds, and paper for it."""


def formula() -> list[NDArray[np.float32]]:
    """Traces of `2 + x = o`, more or less, about as tall as the protocol draws them."""
    angle = np.linspace(0, 2 * np.pi, 24)
    strokes: list[Any] = [
        [(0, 8), (4, 1), (12, 0), (18, 6), (14, 18), (0, 36), (20, 35)],
        [(40, 8), (41, 32)],
        [(28, 20), (54, 19)],
        [(66, 6), (84, 36)],
        [(84, 5), (67, 37)],
        [(98, 14), (120, 13)],
        [(98, 24), (121, 25)],
        np.stack([145 + 12 * np.cos(angle), 20 + 17 * np.sin(angle)], axis=1),
    ]
    return [np.array(stroke, dtype=np.float32) for stroke in strokes]


class GreenInk:
    """In place of the networks: ink is green, its scale and angle are known.

    Args:
        scale: of the overview, in its pixels for each pixel at the published scale.
        angle: degrees by which the formula is turned counterclockwise.
    """

    def __init__(self, scale: float = 1.0, angle: float = 0.0) -> None:
        self.scale, self.angle = scale, angle
        self.factor, self.turned = 1.0, 0.0

    def find(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = (pixels[1] - pixels[0] - 0.5) * 20
        ink = (1 / (1 + np.exp(-logits))).astype(np.float32)
        if (ink > 0.5).any():
            _, self.factor, self.turned = pose_input(ink)
        return logits

    def tell(self, ink: NDArray[np.float32]) -> NDArray[np.float32]:
        quarters = round((self.angle + self.turned) / 90)
        told = [math.log2(self.scale * self.factor), 0.0, 0.0, 0.0, 0.0]
        told[1 + quarters % 4] = 9.0
        return np.array([*told, (self.angle + self.turned) / 90 - quarters], dtype=np.float32)

    @property
    def networks(self) -> InkNetworks:
        return InkNetworks(self.find, self.tell)


def green_processor(scale: float = 1.0, angle: float = 0.0) -> InktexImageProcessor:
    """An image processor that finds green ink."""
    return InktexImageProcessor(ink_extraction=InkExtraction({}, GreenInk(scale, angle).networks))
