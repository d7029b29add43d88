"""The formats that a reading can be written in, for all that people paste it into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from .tokenizer.compact_inktex import compact
from .tokenizer.latex_inktex import normalize
from .tokenizer.vocabulary_inktex import IDS

__all__ = ["DEFAULT_FORMAT", "FORMATS", "Writer", "convert", "format_writer"]

Writer = Callable[[Sequence[str]], str]
"""Writes canonical tokens as text; a `ValueError` says what cannot be expressed."""

DEFAULT_FORMAT: Final = "latex"
FORMATS: Final[tuple[str, ...]] = (
    DEFAULT_FORMAT,
    "latex-inline",
    "latex-display",
    "latex-equation",
    "latex-align",
    "mathml",
    "typst",
    "asciimath",
    "sympy",
)
r"""Names of the formats.

`latex` is compact LaTeX without anything around it; those that begin with `latex-` have `\(`, `\[`
or an environment around it. `typst` is the text between Typst's dollar signs, `sympy` the text of a
SymPy expression, and `mathml` a `<math>` element.
"""


def format_writer(format: str) -> Writer:
    """The function that writes tokens in a format.

    Args:
        format: one of `FORMATS`.

    Raises:
        ValueError: if there is no such format.
    """
    if format not in FORMATS:
        raise ValueError(f"{format!r} is no format: choose one of {', '.join(FORMATS)}.")
    # Imported when they are asked for: `latex` is what nearly everyone wants.
    if format.startswith("latex-"):
        from .tokenizer.latex_wrapping_inktex import wrapped

        return partial(wrapped, wrapping=format.removeprefix("latex-"))
    if format == "mathml":
        from .tokenizer.mathml_inktex import mathml

        return mathml
    if format == "typst":
        from .tokenizer.typst_inktex import typst

        return typst
    if format == "asciimath":
        from .tokenizer.asciimath_inktex import asciimath

        return asciimath
    if format == "sympy":
        from .tokenizer.sympy_inktex import sympy_expression

        return sympy_expression
    return compact


def convert(tokens: str | Sequence[str], format: str) -> str:
    r"""Write a formula in a format.

    Args:
        tokens: canonical tokens, as a list or separated by spaces as `Reading.tokens` has them; or
            other LaTeX, which is brought to canonical tokens first.
        format: one of `FORMATS`.

    Returns:
        The text, in one line.

    Raises:
        ValueError: if there is no such format, or it cannot express the formula; the message says
            what cannot be expressed. All but `sympy` can express whatever a model reads. Also if
            the LaTeX cannot be parsed.

    Example:
        >>> convert(r"\frac { 1 } { 2 } x", "typst")
        '1/2 x'
    """
    write = format_writer(format)
    given = tokens.split() if isinstance(tokens, str) else tokens
    if not IDS.keys() >= {*given}:
        given = normalize(" ".join(given))
    return write(given)
