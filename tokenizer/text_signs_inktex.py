"""Tables that the writers of plain text formats share."""

from __future__ import annotations

import unicodedata
from typing import Final

from .mathml_signs_inktex import SIGNS, SLASH

__all__ = ["GREEK", "composed", "pairs"]


def pairs(text: str) -> dict[str, str]:
    """A table out of words, each key before its value."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


GREEK: Final[tuple[str, ...]] = tuple(
    token
    for token, sign in SIGNS.items()
    if "GREEK" in unicodedata.name(sign[0], "") and not token.startswith(r"\var")
)
r"""Tokens of Greek letters without variants, whose names are `token[1:]`."""


def composed(token: str) -> str | None:
    """The one character of a sign with a slash through it; None if there is none."""
    sign = unicodedata.normalize("NFC", SIGNS.get(token, token) + SLASH)
    return sign if len(sign) == 1 else None
