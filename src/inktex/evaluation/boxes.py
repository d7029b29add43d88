"""How well the boxes of read symbols lie over their ink."""

from __future__ import annotations

import numpy as np

from inktex.ink import Box, Expression
from inktex.ink.render import MARGIN_BEFORE, PEN_WIDTH, published_scale
from inktex.recognizer import Reading


def box_overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, 0 to 1.

    Args:
        first, second: left, top, right, bottom; right and bottom are not below left and top.
    """
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    union = sum(areas) - shared
    return shared / union if union > 0 else 0.0


def ink_boxes(expression: Expression) -> list[Box]:
    """Boxes of an expression's symbols in its published picture, in pixels, the pen included."""
    scale = published_scale(expression.traces)
    corner = np.concatenate(expression.traces).min(axis=0)
    boxes = []
    for symbol in expression.symbols:
        points = np.concatenate([expression.traces[number] for number in symbol.traces])
        points = (points - corner) * scale + MARGIN_BEFORE
        left, top = points.min(axis=0).tolist()
        right, bottom = points.max(axis=0).tolist()
        boxes.append((left, top, right + PEN_WIDTH, bottom + PEN_WIDTH))
    return boxes


def symbol_overlaps(expression: Expression, reading: Reading) -> list[tuple[str, float]]:
    """Token and overlap of its box with its ink's, for each symbol that both tell the place of.

    Args:
        expression: aligned; its tokens are those of the reading.
        reading: of its published picture. A symbol without a box overlaps by 0.

    Raises:
        ValueError: if something else was read.
    """
    if reading.tokens.split() != expression.tokens:
        raise ValueError(f"{expression.id} was read as something else: there is nothing to compare")
    boxes = ink_boxes(expression)
    found = []
    for symbol in reading.symbols:
        number = expression.alignment[symbol.index]
        if number >= 0:
            overlap = box_overlap(symbol.box, boxes[number]) if symbol.box else 0.0
            found.append((symbol.token, overlap))
    return found


__all__ = ["box_overlap", "ink_boxes", "symbol_overlaps"]
