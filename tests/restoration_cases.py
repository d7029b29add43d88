"""A small stroke restoration network, and lines to draw: for tests of reading and of training."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inktex.training.stroke_restoration_net import StrokeRestorationNet

SMALL = (4, 6, 8)


def small_net() -> StrokeRestorationNet:
    """A small untrained network in which all weights count."""
    torch.manual_seed(0)
    net = StrokeRestorationNet(SMALL).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
    return net


def loops_and_bar() -> NDArray[np.uint8]:
    """A loop that wide strokes fill, a large one, and a bar: lines of one pixel."""
    picture = Image.new("L", (131, 61))
    pencil = ImageDraw.Draw(picture)
    pencil.ellipse([14, 20, 21, 29], outline=255)
    pencil.ellipse([34, 12, 60, 44], outline=255)
    pencil.line([(75, 30), (110, 29), (90, 45)], fill=255)
    return np.asarray(picture)
