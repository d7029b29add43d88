"""What cannot be a handwritten formula, told from the ink alone, before anybody reads it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .pictures_inktex import NoFormulaError
from .strokes_inktex import EIGHT

Mask = NDArray[np.bool_]

MOST_PARTS = 150
"""Pieces of connected ink; the expressions of CROHME's training ink have a third of that."""
MOST_FILLED = 0.6
"""Share of ink in the box around it, where that is larger than a few strokes."""
SLIMMEST = 2.0
"""Symbols' height over the pen's width; a thick felt pen has 3, a blot 1."""


def refuse_what_is_no_writing(strokes: Mask, width: float, height: float) -> None:
    """Refuse print, textures and photos of things.

    Args:
        strokes: `(h, w)`, cut to its ink.
        width: of the pen, in pixels.
        height: of the symbols, in pixels, less the pen.

    Raises:
        NoFormulaError: saying what the ink looks like instead.
    """
    if strokes.mean() > MOST_FILLED and min(strokes.shape) > 4 * width:
        raise NoFormulaError(
            "No formula found: most of the picture is ink. Cut out the formula, or write it on "
            "paper of one colour."
        )
    labels, _ = ndimage.label(strokes, EIGHT)
    areas = np.bincount(labels.ravel())[1:]
    parts = int((areas >= 0.36 * width**2).sum())
    if parts > MOST_PARTS:
        raise NoFormulaError(
            f"No formula found: {parts} separate marks are more than one formula has. A page of "
            "text, or a texture? Cut out the formula."
        )
    if parts > 1 and height < SLIMMEST * width:
        raise NoFormulaError(
            "No formula found: what stands out are blots, not strokes. Cut out the formula, or "
            "take the picture from nearer."
        )


__all__ = ["refuse_what_is_no_writing"]
