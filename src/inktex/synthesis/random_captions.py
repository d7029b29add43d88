r"""Random captions in canonical style, from a small grammar of school mathematics."""

from collections.abc import Sequence

import numpy as np

from inktex.ink import Expression

from .layout import lay_out
from .strokefont import glyphs

_VARIABLES = [*"abcnxyz", r"\alpha", r"\beta", r"\theta", r"\pi"]
_DIGITS = list("0123456789")
_OPERATORS = ["+", "-", "=", r"\times", "<", r"\leq"]
_FUNCTIONS = [r"\sin", r"\cos", r"\log"]


def random_caption(rng: np.random.Generator, depth: int = 2, longest: int = 3) -> list[str]:
    """A random caption in canonical tokens.

    Args:
        depth: how deep scripts, fractions and roots may be nested.
        longest: operands in a row, at most.
    """
    tokens: list[str] = []
    for i in range(int(rng.integers(1, longest + 1))):
        if i:
            tokens.append(_pick(rng, _OPERATORS))
        tokens.extend(_operand(rng, depth))
    return tokens


def _operand(rng: np.random.Generator, depth: int) -> list[str]:
    kind = rng.random()
    if depth <= 0 or kind < 0.45:
        return [_pick(rng, _VARIABLES if rng.random() < 0.6 else _DIGITS)]
    inner = random_caption(rng, depth - 1, 2)
    if kind < 0.6:
        return [_pick(rng, _VARIABLES), "^", "{", *_short(rng), "}"]
    if kind < 0.7:
        return [_pick(rng, _VARIABLES), "_", "{", *_short(rng), "}"]
    if kind < 0.8:
        return [r"\frac", "{", *inner, "}", "{", *random_caption(rng, depth - 1, 2), "}"]
    if kind < 0.87:
        return [r"\sqrt", "{", *inner, "}"]
    if kind < 0.93:
        return ["(", *inner, ")"]
    if kind < 0.97:
        return [_pick(rng, _FUNCTIONS), *_short(rng)]
    return [
        *(r"\sum \limits _ { n = 1 } ^ { 9 }".split()),
        *_operand(rng, 0),
    ]


def _short(rng: np.random.Generator) -> list[str]:
    return [_pick(rng, _VARIABLES if rng.random() < 0.5 else _DIGITS)]


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def written_expressions(count: int, seed: int = 0, depth: int = 2) -> list[Expression]:
    """Random captions, typeset and drawn with the stroke font.

    Args:
        seed: same seed, same expressions.
        depth: how deep scripts, fractions and roots may be nested.

    Raises:
        ImportError: if the package Hershey-Fonts is not installed.
    """
    rng = np.random.default_rng(seed)
    draw = glyphs().__getitem__
    return [
        lay_out(random_caption(rng, depth), draw, f"strokefont-{seed}-{number}", "strokefont")
        for number in range(count)
    ]
