"""The grammar as transformers' `generate` takes it."""

from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor

from .grammar_inktex import Grammar


class GrammarLogitsProcessor(LogitsProcessor):
    """Forbids what the grammar does, for sequences that are read from left to right.

    Args:
        grammar: of the tokens.
        longest: sequences have at most this many tokens, start and end included.
        start: tokens before the first one of the formula.
    """

    def __init__(self, grammar: Grammar, longest: int, start: int = 1) -> None:
        self.grammar, self.longest, self.begin = grammar, longest, start
        self._states: dict[tuple[int, ...], Any] = {(): grammar.start()}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`(batch, vocabulary)` scores, minus infinity where a token may not follow."""
        rows = [tuple(row) for row in input_ids[:, self.begin :].tolist()]
        states = {}
        for row in set(rows):
            known = self._states.get(row[:-1])
            if known is None or not row:
                known = self.grammar.start()
                for token in row[:-1]:
                    known = self.grammar.advance(known, token)
            states[row] = self.grammar.advance(known, row[-1]) if row else known
        self._states = states
        remaining = self.longest - input_ids.shape[1]
        allowed = np.stack([self.grammar.follow(states[row], row, remaining) for row in rows])
        forbidden = ~torch.from_numpy(allowed).to(scores.device)
        return scores.masked_fill(forbidden, -torch.inf)


__all__ = ["GrammarLogitsProcessor"]
