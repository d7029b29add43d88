"""A second look at pictures whose reading is improbable: with other ink, or turned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .modeling.image_loading_inktex import NoFormulaError
from .results import Reading

if TYPE_CHECKING:
    from .modeling.normalized_picture_inktex import NormalizedPicture

__all__ = ["choose", "is_doubtful", "may_be_turned"]

_SURE: Final = 0.5
"""Score below which a picture is looked at again: it is misread more probably than not."""
_DOUBTFUL: Final = 0.2
"""Score below which it is turned as well. Of 87 upright photos 20 of the 37 readings that are wrong
have a lower one, and none that is right."""
_BETTER: Final = 3.0
"""Factor by which the score has to rise for a picture to be turned. Of 24 turned photos 20 are
found so; of 19 upright ones that are misread none is taken for turned."""


def is_doubtful(found: Reading | NoFormulaError) -> bool:
    """Whether a picture might be read better at a second look."""
    return _score(found) < _SURE


def may_be_turned(found: Reading | NoFormulaError) -> bool:
    """Whether a picture might be read better turned."""
    return _score(found) < _DOUBTFUL


def choose(
    found: Reading | NoFormulaError,
    looks: Iterable[tuple[NormalizedPicture, Reading | NoFormulaError]],
) -> NormalizedPicture | None:
    """The look at a picture that reads best; None if none of them reads better than the first.

    Args:
        found: at the first look.
        looks: the model's pictures at others, and what is read in them. Those behind an upright one
            that settles it are not asked for.
    """
    # What was taken for no formula is one only if it is read with some probability.
    upright = _DOUBTFUL if isinstance(found, NoFormulaError) else found.score
    best, turned = None, 0.0
    for placed, reading in looks:
        score = _score(reading)
        if placed.turns:
            if score > max(_DOUBTFUL, turned, _BETTER * _score(found)):
                best, turned = placed, score
        elif score > upright:
            best, upright = placed, score
            if not may_be_turned(reading):
                break
    return best


def _score(found: Reading | NoFormulaError) -> float:
    return found.score if isinstance(found, Reading) else 0.0
