"""A test set as other hands might have written it: each symbol varied by itself, from fixed seeds.

Ink that was held out of the training ink still comes from its writers. Strongly varied, it tells
more of how a model will read hands that it has never seen, and there is as much of it as one likes.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inktex.augmentation import AugmentationConfig, vary
from inktex.data.examples import from_expression
from inktex.ink import Expression

__all__ = ["OTHER_HANDS", "in_other_hands"]

OTHER_HANDS = AugmentationConfig(
    aspect=0.12,
    rotation=2.0,
    slant=0.15,
    jitter=0.04,
    symbol_scale=0.1,
    symbol_shape=0.2,
    symbol_elastic=0.04,
    elastic=1.0,
    smoothing=0.3,
    sampling=0.3,
)
"""How far they differ."""

_LENGTHS = (
    *("aspect", "rotation", "slant", "jitter"),
    *("symbol_scale", "symbol_shape", "symbol_elastic", "elastic"),
)
"""What of it says how far; the rest are shares."""


def in_other_hands(
    expressions: Sequence[Expression], times: int, strength: float = 1.0
) -> list[Expression]:
    """Variants of expressions, the same ones each time.

    Args:
        expressions: whose symbols are known.
        times: variants of each.
        strength: how far they differ, as a factor on `OTHER_HANDS`.

    Returns:
        `times` lists, one after the other; the names end in `~` and the variant's number.

    Raises:
        ValueError: if `times` is less than 1, or `strength` is negative or not finite.
    """
    if times < 1:
        raise ValueError(f"There must be at least 1 variant of each expression, not {times}.")
    if not 0 <= strength < math.inf:
        raise ValueError(f"Hands differ by a factor of 0 or more, not {strength}.")
    hands = replace(
        OTHER_HANDS, **{name: strength * getattr(OTHER_HANDS, name) for name in _LENGTHS}
    )
    return [
        replace(
            expression,
            id=f"{expression.id}~{time}",
            traces=vary(
                from_expression(expression), hands, np.random.default_rng((time, number))
            ).traces(),
        )
        for time in range(times)
        for number, expression in enumerate(expressions)
    ]
