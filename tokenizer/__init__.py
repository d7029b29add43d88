"""The LaTeX tokenizer as it stands on the Hub: vocabulary, grammar, normaliser, writer."""

from __future__ import annotations

from .compact_inktex import compact
from .latex_inktex import LatexError, normalize
from .vocabulary_inktex import (
    ALIASES,
    EOS_TOKEN,
    EXPANSIONS,
    IDS,
    L2R_TOKEN,
    PAD_TOKEN,
    R2L_TOKEN,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    UNK_TOKEN,
    VOCABULARY,
)

__all__ = [
    "ALIASES",
    "EOS_TOKEN",
    "EXPANSIONS",
    "IDS",
    "L2R_TOKEN",
    "LatexError",
    "PAD_TOKEN",
    "R2L_TOKEN",
    "SPECIAL_TOKENS",
    "STRUCTURAL_TOKENS",
    "UNK_TOKEN",
    "VOCABULARY",
    "compact",
    "normalize",
]
