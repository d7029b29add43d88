"""A test set as other hands might have written it: each symbol varied by itself, from fixed seeds.

Ink that was held out of the training ink still comes from its writers. Strongly varied, it tells
more of how a model will read hands that it has never seen, and there is as much of it as one likes.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inktex.examples import from_expression
from inktex.ink import Expression
from inktex.training.augmentation import AugmentationConfig, vary

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


def in_other_hands(expressions: Sequence[Expression], times: int) -> list[Expression]:
    """Variants of expressions, the same ones each time.

    Args:
        expressions: whose symbols are known.
        times: variants of each.

    Returns:
        `times` lists, one after the other; the names end in `~` and the variant's number.

    Raises:
        ValueError: if `times` is less than 1.
    """
    if times < 1:
        raise ValueError(f"There must be at least 1 variant of each expression, not {times}.")
    return [
        replace(
            expression,
            id=f"{expression.id}~{time}",
            traces=vary(
                from_expression(expression), OTHER_HANDS, np.random.default_rng((time, number))
            ).traces(),
        )
        for time in range(times)
        for number, expression in enumerate(expressions)
    ]
