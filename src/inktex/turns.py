"""Pictures that lie on their side: what is read in them, turned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from inktex.recognizer import Reading, Recognizer

__all__ = ["Turn", "find_turn"]

_DOUBTFUL: Final = 0.2
"""Scores below this say that something may be wrong with the picture. Of 87 upright photos 20 of
the 37 readings that are wrong have a lower one, and none that is right."""
_BETTER: Final = 3.0
"""How many times as likely the reading of the turned picture has to be. Of 24 photos 20 are found
so when they are turned; of 19 that are misread upright none is taken for turned."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A picture that is read better when it is turned.

    Attributes:
        degrees: by which to turn it clockwise: 90, 180 or 270.
        reading: what is read then.
    """

    degrees: int
    reading: Reading


def find_turn(recognizer: Recognizer, picture: Any, reading: Reading) -> Turn | None:
    """The turn by which a picture is read far better; None if it stands upright.

    The model itself is asked: pictures whose reading is likely are not turned at all, others are
    read three times more.

    Args:
        recognizer: that read it.
        picture: of which there has to be a picture: a path, URL, bytes, array or PIL picture.
        reading: of the picture as it is.
    """
    if reading.score >= _DOUBTFUL:
        return None
    from inktex.inputs import as_picture

    from .modeling.pictures_inktex import grey_levels, load_picture

    most = recognizer.image_processor.max_pixels
    levels = grey_levels(load_picture(as_picture(picture)), most)
    best: Turn | None = None
    for degrees in (90, 180, 270):
        try:
            turned = recognizer(np.rot90(levels, -degrees // 90), symbols=False)
        except ValueError:  # nothing that could be a formula
            continue
        if turned.score > max(_DOUBTFUL, _BETTER * reading.score) and (
            best is None or turned.score > best.reading.score
        ):
            best = Turn(degrees, turned)
    return best
