"""Formulas set by matplotlib in Computer Modern: another typesetter, for evaluation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inktex.tokenizer.compact_inktex import compact

_MARGIN: Final = 4
"""Pixels around what is drawn."""
_POINTS: Final = 72


class _Complaints(logging.Handler):
    """Counts what mathtext complains of, such as a glyph that its fonts lack."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def draw_mathtext(tokens: Sequence[str], em: float) -> NDArray[np.uint8] | None:
    """Grey picture of a formula, black on white; None for one that mathtext cannot set.

    Args:
        tokens: in canonical style.
        em: in pixels.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser

    latex = compact([token for token in tokens if token != r"\limits"])
    complaints = _Complaints()
    logger = logging.getLogger("matplotlib.mathtext")
    before, logger.propagate = logger.propagate, False
    logger.addHandler(complaints)
    try:
        parser = MathTextParser("agg")
        properties = FontProperties(size=em, math_fontfamily="cm")
        image = np.asarray(parser.parse(f"${latex}$", dpi=_POINTS, prop=properties).image)
    except (ValueError, RuntimeError):
        return None
    finally:
        logger.removeHandler(complaints)
        logger.propagate = before
    if complaints.count or not image.any():
        return None
    return np.pad(255 - image.astype(np.uint8), _MARGIN, constant_values=255)
