"""A test set as further writers might have written it: each symbol varied, from fixed seeds.

Ink that was held out of the training ink still comes from its writers. Strongly varied, it tells
more of how a model reads writers that it has never seen, and there is as much of it as wanted.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inktex.data.augmentation import AugmentationConfig, vary
from inktex.data.examples import from_expression
from inktex.ink import Expression

VARIATION = AugmentationConfig(
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
"""Augmentation at a writer-variation factor of 1."""

_AMPLITUDES = (
    *("aspect", "rotation", "slant", "jitter"),
    *("symbol_scale", "symbol_shape", "symbol_elastic", "elastic"),
)
"""Fields that the factor multiplies; the others are probabilities."""


def vary_writers(
    expressions: Sequence[Expression], times: int, factor: float = 1.0
) -> list[Expression]:
    """Variants of expressions, the same ones each time.

    Args:
        expressions: whose symbols are known.
        times: variants of each.
        factor: writer-variation factor, on the amplitudes of `VARIATION`.

    Returns:
        `times` lists, one after the other; the names end in `~` and the variant's number.

    Raises:
        ValueError: if `times` is less than 1, or `factor` is negative or not finite.
    """
    if times < 1:
        raise ValueError(f"There must be at least 1 variant of each expression, not {times}.")
    if not 0 <= factor < math.inf:
        raise ValueError(f"The writer-variation factor is 0 or more, not {factor}.")
    variation = replace(
        VARIATION, **{name: factor * getattr(VARIATION, name) for name in _AMPLITUDES}
    )
    return [
        replace(
            expression,
            id=f"{expression.id}~{time}",
            traces=vary(
                from_expression(expression), variation, np.random.default_rng((time, number))
            ).traces(),
        )
        for time in range(times)
        for number, expression in enumerate(expressions)
    ]
