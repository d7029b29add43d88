"""What the decoding loop of the one-file form does besides the two graphs, as modules to trace.

`Start` makes the state before the first token, `Follow` chooses a token from a step's logits by
alphabet and grammar and computes the feedback for the next step, `Finish` lays out what was chosen
and puts a box around each token's ink.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import nn

from inktex.engine import MAX_TOKENS
from inktex.modeling.feedback_inktex import UNKNOWN, FeedbackState
from inktex.modeling.grammar_inktex import PERIODS, Grammar, longest_run
from inktex.symbol_boxes import INK
from inktex.tokenizer.vocabulary_inktex import STRUCTURAL_TOKENS

from .files import Settings
from .grammar_tables import POP, PUSH, grammar_tables

__all__ = ["CANDIDATES", "STATE", "Finish", "Follow", "Start"]

CANDIDATES: Final = 6
"""Tokens that are given for each place, the one that was chosen among them."""
STATE: Final = (
    "ended", "state", "depth", "groups", "needed", "history", "repeats", "covered",
)  # fmt: skip
"""What `Follow` carries from token to token, in the order of its arguments."""


class Start(nn.Module):
    """The state before the first token."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings

    def forward(
        self,
        pixel_values: torch.Tensor,
        bias: torch.Tensor,
        forbidden: torch.Tensor,
        locked: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """The start token, its location, the state of `Follow`, empty caches, and what is asked.

        Args:
            pixel_values, forbidden, locked: of the graph.
            bias: `(batch, 1, 1, cells)`, of the encoder.

        Returns:
            The last two are `allowed` and `locked` of `Follow`.
        """
        settings, covered = self.settings, torch.zeros_like(bias[:, 0, 0])
        never = torch.zeros_like(forbidden, dtype=torch.bool)
        nothing = torch.zeros_like(covered[:, :1], dtype=torch.int64)
        state = (
            nothing[:, 0] != 0,
            nothing[:, 0],
            nothing[:, 0],
            nothing.expand(-1, MAX_TOKENS + 1),
            nothing[:, 0],
            (nothing - 1).expand(-1, PERIODS),
            nothing.expand(-1, PERIODS),
            covered,
        )
        past = covered.new_zeros(covered.shape[0], settings.heads, 0, 2 * settings.head_size)
        return (
            nothing[:, 0] + settings.start,
            covered[:, :1].expand(-1, 2) * 0 + UNKNOWN,
            *state,
            *[past + 0.0] * settings.layers,
            torch.ones(settings.vocabulary, dtype=torch.bool).scatter(0, forbidden, never),
            torch.full((MAX_TOKENS,), -1).scatter(0, locked[:, 0], locked[:, 1]),
        )


class Follow(nn.Module):
    """From the logits of a step to the next token: alphabet, grammar, feedback."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        if settings.grammar is None:
            raise ValueError("Only a model that decodes by a grammar can be one graph.")
        grammar = Grammar(settings.vocabulary, settings.grammar)
        tables = grammar_tables(grammar)
        inkless = torch.zeros(settings.vocabulary, 1, dtype=torch.bool)
        inkless[settings.inkless] = True
        self.inkless = inkless
        self.classes, self.cost = map(torch.from_numpy, (tables.classes, tables.cost))
        self.allowed, self.state, self.move, self.group, self.shortest = map(
            torch.from_numpy,
            (tables.allowed, tables.state, tables.move, tables.group, tables.shortest),
        )
        runs = [longest_run(period) - period for period in range(1, PERIODS + 1)]
        self.runs = torch.tensor(runs)
        self.end, self.end_class = settings.end, tables.end
        self.temperature = settings.temperature

    def forward(
        self,
        position: torch.Tensor,
        logits: torch.Tensor,
        attention: torch.Tensor,
        allowed: torch.Tensor,
        locked: torch.Tensor,
        columns: torch.Tensor,
        ended: torch.Tensor,
        state: torch.Tensor,
        depth: torch.Tensor,
        groups: torch.Tensor,
        needed: torch.Tensor,
        history: torch.Tensor,
        repeats: torch.Tensor,
        covered: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Choose a token.

        Args:
            position: `(1,)` int64, 0 for the first token.
            logits: `(batch, vocabulary)`.
            attention: `(batch, cells)`, mean attention of the guided heads.
            allowed: `(vocabulary,)` bool.
            locked: `(most tokens,)` int64, the token of each place, -1 for any.
            columns: `(1,)` int64, of the grid of cells.
            ended: `(batch,)` bool, whether the formula is over.
            state, depth, groups, needed: of the grammar: `(batch,)` state, number of open groups,
                `(batch, most)` these, and `(batch,)` tokens that they need.
            history: `(batch, periods)`, the last tokens, the last one first.
            repeats: `(batch, periods)`, how many tokens in a row were those of 1, 2, ... before.
            covered: `(batch, cells)`, of `FeedbackState`.

        Returns:
            Whether to go on, `()` bool; the token, its log-probability, the likeliest tokens, their
            log-probabilities, the token's location; and the new values from `ended` on.
        """
        logits = torch.where(allowed, logits, -torch.inf)
        innermost = groups.gather(1, (depth - 1).clamp(min=0)[:, None])[:, 0]
        innermost = torch.where(depth > 0, innermost, 0)
        may = self._may_follow(state, innermost, needed, MAX_TOKENS - position)
        may = self._without_loops(may, ended, history, repeats)
        scores = torch.log_softmax(logits / self.temperature, dim=1)
        likeliest = torch.where(may, scores, -torch.inf).topk(CANDIDATES, dim=1)
        may = self._locked(may, locked, position)
        chosen = torch.where(may, logits, -torch.inf).argmax(dim=1)
        token = torch.where(ended, self.end, chosen)
        score = torch.where(ended, 0.0, scores.gather(1, token[:, None])[:, 0])
        # The grammar.
        row = (state, innermost, self.classes[token])
        move, opened = self.move[row], self.group[row]
        top = depth - (move > PUSH).to(depth.dtype)
        is_top = torch.arange(groups.shape[1]) == top[:, None]
        is_opened = (move != POP) & (move > 0)
        groups = torch.where(is_top & is_opened[:, None], opened[:, None], groups)
        freed = torch.where(move > PUSH, self.cost[innermost], 0)
        needed = needed + torch.where(is_opened, self.cost[opened], 0) - freed
        depth = top + is_opened.to(depth.dtype)
        # Loops.
        is_repeated = history == token[:, None]
        repeats = torch.where(is_repeated, repeats + 1, 0)
        history = torch.cat([token[:, None], history[:, :-1]], dim=1)
        # Feedback for the next step.
        feedback = FeedbackState(covered, columns, self.inkless)
        feedback.update(token, attention)
        ended = ended | (token == self.end)
        return (
            ~ended.all(), token, score, likeliest.indices, likeliest.values, feedback.locations,
            ended, self.state[row], depth, groups, needed, history, repeats, feedback.covered,
        )  # fmt: skip

    def _locked(
        self, may: torch.Tensor, locked: torch.Tensor, position: torch.Tensor
    ) -> torch.Tensor:
        """What agrees with the locked tokens, and all where nothing does; see `search`."""
        here, is_locked = locked[position], locked >= 0
        tokens, places = torch.arange(may.shape[1]), torch.arange(len(locked))
        is_early = (is_locked & (places > position)).any()
        is_free = (here < 0) & ((tokens != self.end) | ~is_early)
        kept = may & (is_free | (tokens == here))
        # ONNX Runtime has no `where` of truth values.
        return kept | (may & ~kept.any(dim=1, keepdim=True))

    def _may_follow(
        self,
        state: torch.Tensor,
        innermost: torch.Tensor,
        needed: torch.Tensor,
        remaining: torch.Tensor,
    ) -> torch.Tensor:
        """`Grammar.allowed`."""
        shortest = needed[:, None] + self.shortest[state, innermost]
        is_end = torch.arange(self.shortest.shape[2]) == self.end_class
        may = self.allowed[state, innermost] & ((shortest <= remaining - 2) | is_end)
        may = may | (is_end & ~may.any(dim=1, keepdim=True))
        return may[:, self.classes]

    def _without_loops(
        self,
        may: torch.Tensor,
        ended: torch.Tensor,
        history: torch.Tensor,
        repeats: torch.Tensor,
    ) -> torch.Tensor:
        """`Grammar.follow`."""
        is_long = repeats >= self.runs
        first = is_long.to(torch.int64).argmax(dim=1, keepdim=True)
        continued = history.gather(1, first).clamp(min=0)
        forbids = is_long.any(dim=1) & ~ended & (may.sum(dim=1) > 1)
        is_continued = torch.arange(may.shape[1]) == continued
        return may & ~(is_continued & forbids[:, None])


class Finish(nn.Module):
    """What the loop collected, laid out, with the box of each token's ink."""

    def __init__(self, settings: Settings, words: Mapping[int, str]) -> None:
        super().__init__()
        self.has_ink = torch.tensor(
            [
                number in words and words[number] not in STRUCTURAL_TOKENS
                for number in range(settings.vocabulary)
            ]
        )
        self.stride = settings.stride

    def forward(
        self,
        tokens: torch.Tensor,
        scores: torch.Tensor,
        candidates: torch.Tensor,
        candidate_scores: torch.Tensor,
        attention: torch.Tensor,
        pixel_values: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Outputs of the graph.

        Args:
            tokens, scores: `(tokens, batch)`.
            candidates, candidate_scores: `(tokens, batch, candidates)`.
            attention: `(tokens, batch, cells)`.
            pixel_values: of the graph.
        """
        tokens, scores, candidates, candidate_scores, attention = (
            one.transpose(0, 1) for one in (tokens, scores, candidates, candidate_scores, attention)
        )
        batch, _, height, width = pixel_values.shape
        attention = attention.reshape(batch, -1, height // self.stride, width // self.stride)
        boxes = self._boxes(tokens, attention, pixel_values)
        return tokens, scores, boxes, candidates, candidate_scores, attention

    def _boxes(
        self, tokens: torch.Tensor, attention: torch.Tensor, pixel_values: torch.Tensor
    ) -> torch.Tensor:
        """Each pixel of ink is the token's that looks at it most; see `symbol_boxes`."""
        height, width = pixel_values.shape[2:]
        shares = attention / attention.sum(dim=(2, 3), keepdim=True).clamp(min=1e-9)
        entropy = -(shares * shares.clamp(min=1e-9).log()).sum(dim=(2, 3), keepdim=True)
        looks = torch.where(self.has_ink[tokens][..., None, None], shares * entropy.exp(), -1.0)
        looks = nn.functional.interpolate(looks, size=(height, width), mode="bilinear")
        owner = looks.argmax(dim=1)
        ink = pixel_values[:, 0] > INK * pixel_values.amax(dim=(1, 2, 3), keepdim=True)[:, 0]
        # Paper belongs to a token behind the last one, which is left out.
        owner = torch.where(ink, owner, tokens.shape[1]).flatten(1)
        rows = torch.arange(height, dtype=torch.float32)[None, :, None].expand_as(ink).flatten(1)
        columns = torch.arange(width, dtype=torch.float32)[None, None].expand_as(ink).flatten(1)
        none = torch.zeros_like(torch.cat([tokens, tokens[:, :1]], dim=1), dtype=torch.float32)
        far = none + max(height, width)
        left, top = (far.scatter_reduce(1, owner, places, "amin") for places in (columns, rows))
        right, bottom = (
            none.scatter_reduce(1, owner, places + 1, "amax") for places in (columns, rows)
        )
        boxes = torch.stack([left, top, right, bottom], dim=2)[:, :-1]
        has_box = (right > 0)[:, :-1] & self.has_ink[tokens]
        return torch.where(has_box[..., None], boxes, 0.0)
