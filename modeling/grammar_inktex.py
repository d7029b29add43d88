r"""The grammar of canonical LaTeX, for generation: which tokens can still lead to a formula.

Braces balance, every `^`, `_`, `\frac`, `\sqrt` gets its arguments, `\limits` stands between an
operator and a limit, nothing has two superscripts, cells and lines end inside matrices alone, loops
are broken, and a formula is complete within the length that generation allows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Allowed = NDArray[np.bool_]
"""`(vocabulary,)`, true for the tokens that may follow."""
_REPEATS = 5
"""A run of tokens is repeated at most so many times in a row..."""
_SHORT = 20
"""...unless all of them together have fewer tokens than this, as `1 1 1 1 1 1` has."""
PERIODS = 16
"""Tokens of the longest run that is searched for."""
_LARGEST = 7
"""Tokens that one token makes necessary at most: itself and two arguments."""
DEGREE = -1
_MATRIX = -2
"""Stand for a frame's number of wanted groups: the frame of a root's `[ ]`, and of a matrix."""
_LATER = ("matrix_begin", "matrix_end", "cell", "line", "nothing")
"""Names that the grammars of older checkpoints lack."""


@dataclass(frozen=True)
class FormulaState:
    r"""State of a prefix of tokens.

    Attributes:
        frames: for each open group how many more groups its owner wants afterwards, `DEGREE` for
            the `[` of a root, `_MATRIX` for a matrix; and what `scripts` will be behind the owner,
            of a matrix whether it has more than one cell.
        wanted: groups that the last owner still wants, the first of which must begin now.
        after: what `scripts` will be behind the last owner.
        optional: whether the wanted group may have an optional one before it.
        empty: whether nothing stands in the innermost row yet.
        scripts: 2 where `_` and `^` may follow, 1 where `^` alone may, 0 where none may; -1 where
            nothing may follow at all.
        operator: whether `\limits` may follow.
        limits: whether a script must follow.
        ended: whether the formula is complete and over.
    """

    frames: tuple[tuple[int, int], ...] = ()
    wanted: int = 0
    after: int = 0
    optional: bool = False
    empty: bool = True
    scripts: int = 0
    operator: bool = False
    limits: bool = False
    ended: bool = False

    @property
    def shortest(self) -> int:
        """Tokens that are needed at least to complete the formula."""
        if self.ended:
            return 0
        # A root's degree is followed by one group, a matrix by none.
        groups = self.wanted + sum(max(more, 0) if more != DEGREE else 1 for more, _ in self.frames)
        row = self.empty and not self.wanted
        single = sum(frame == (_MATRIX, 0) for frame in self.frames)  # wants another cell
        return 3 * groups + len(self.frames) + 2 * single + 4 * self.limits + row


class Grammar:
    r"""Which tokens may follow which.

    Args:
        vocab_size: number of tokens.
        tokens: ids by their role: `open`, `close`, `superscript`, `subscript`, `limits`,
            `optional_open`, `optional_close`, `end` (one each), `special` (never generated),
            `operators` (may have `\limits`), `optional` (may have an optional argument),
            `one_argument`, `two_arguments` (lists). Optional: `matrix_begin`, `matrix_end`, `cell`,
            `line`, and `nothing`, the whole reading of a picture without a formula (one each).

    Raises:
        ValueError: if one is missing.
    """

    def __init__(self, vocab_size: int, tokens: Mapping[str, Any]) -> None:
        names = (
            "open close superscript subscript limits optional_open optional_close end special "
            "operators optional one_argument two_arguments"
        ).split()
        missing = [name for name in names if name not in tokens]
        if missing:
            raise ValueError(f"The grammar lacks {', '.join(missing)}.")
        self.vocab_size, self.tokens = vocab_size, tokens
        self.open, self.close = int(tokens["open"]), int(tokens["close"])
        self.up, self.down = int(tokens["superscript"]), int(tokens["subscript"])
        self.limits, self.end = int(tokens["limits"]), int(tokens["end"])
        self.left, self.right = int(tokens["optional_open"]), int(tokens["optional_close"])
        self.operators = frozenset(tokens["operators"])
        self.optional = frozenset(tokens["optional"])
        self.arguments = dict.fromkeys(tokens["one_argument"], 1)
        self.arguments |= dict.fromkeys(tokens["two_arguments"], 2)
        self._masks: dict[FormulaState, Allowed] = {}
        self.begin, self.finish, self.cell, self.line, self.nothing = (
            int(tokens.get(name, -1)) for name in _LATER
        )
        structure = {self.open, self.close, self.up, self.down, self.limits, self.end}
        structure |= {int(tokens[name]) for name in _LATER if name in tokens}
        self._leaves = np.ones(vocab_size, dtype=np.bool_)
        self._leaves[[*structure, *tokens["special"], *self.arguments]] = False

    def follow(self, state: FormulaState, written: Sequence[int], remaining: int) -> Allowed:
        """`allowed` without the token that would continue a loop.

        Args:
            state: of the tokens so far.
            written: these tokens.
            remaining: tokens that may follow at most, the end included.
        """
        mask = self.allowed(state, remaining)
        loop = None if state.ended else looping(written)
        if loop is not None and mask.sum() > 1:
            mask = mask.copy()
            mask[loop] = False
        return mask

    def start(self) -> FormulaState:
        """The state before the first token."""
        return FormulaState()

    def advance(self, state: FormulaState, token: int) -> FormulaState:
        """The state after one more token; tokens that are not allowed are taken as symbols."""
        if state.ended or token == self.end:
            return replace(state, ended=True)
        if token == self.nothing:
            return replace(state, empty=False, scripts=-1)
        if token == self.begin:
            return FormulaState(frames=(*state.frames, (_MATRIX, 0)))
        if token in (self.cell, self.line) and state.frames:
            return FormulaState(frames=(*state.frames[:-1], (_MATRIX, 1)))
        if token == self.finish and state.frames and state.frames[-1][0] == _MATRIX:
            return FormulaState(frames=state.frames[:-1], empty=False, scripts=2)
        if token == self.open and state.wanted:
            frame = (state.wanted - 1, state.after)
            return FormulaState(frames=(*state.frames, frame))
        if token == self.close and state.frames and state.frames[-1][0] >= 0:
            more, after = state.frames[-1]
            rest = state.frames[:-1]
            if more:
                return FormulaState(frames=rest, wanted=more, after=after, empty=False)
            return FormulaState(frames=rest, empty=False, scripts=after)
        if token == self.left and state.wanted and state.optional:
            return FormulaState(frames=(*state.frames, (DEGREE, state.after)))
        if token == self.right and state.frames and state.frames[-1][0] == DEGREE:
            after = state.frames[-1][1]
            return FormulaState(frames=state.frames[:-1], wanted=1, after=after, empty=False)
        if token == self.limits:
            return replace(state, operator=False, limits=True)
        if token in (self.up, self.down):
            after = 0 if token == self.up else 1
            return FormulaState(frames=state.frames, wanted=1, after=after, empty=False)
        wanted = self.arguments.get(token, 0)
        return FormulaState(
            frames=state.frames,
            wanted=wanted,
            after=2,
            optional=token in self.optional,
            empty=False,
            scripts=0 if wanted else 2,
            operator=token in self.operators,
        )

    def allowed(self, state: FormulaState, remaining: int) -> Allowed:
        """`(vocabulary,)` bool, true for tokens that may follow; a cached array, not to be changed.

        Args:
            state: of the tokens so far.
            remaining: tokens that may follow at most, the end included.
        """
        slack = remaining - 1 - state.shortest
        if slack >= _LARGEST:  # whatever follows, the formula can be completed
            if state not in self._masks:
                self._masks[state] = self._mask(state)
            return self._masks[state]
        mask = self._mask(state)
        for token in np.flatnonzero(mask).tolist():
            if token != self.end and self.advance(state, token).shortest > remaining - 2:
                mask[token] = False
        if not mask.any():  # too late for anything: at least end
            mask[self.end] = True
        return mask

    def _mask(self, state: FormulaState) -> Allowed:
        mask = np.zeros(self.vocab_size, dtype=np.bool_)
        in_degree = any(more == DEGREE for more, _ in state.frames)
        if state.ended or state.scripts < 0:  # behind `nothing`
            mask[self.end] = True
        elif state.wanted:
            mask[self.open] = True
            mask[self.left] = state.optional and not in_degree
        elif state.limits:
            mask[[self.up, self.down]] = True
        else:
            mask |= self._leaves
            mask[list(self.arguments)] = True
            if state.scripts:
                mask[self.up] = True
                mask[self.down] = state.scripts == 2
            mask[self.limits] = state.operator
            if self.begin >= 0:
                mask[self.begin] = True
            if self.nothing >= 0:
                mask[self.nothing] = state.empty and not state.frames
            if in_degree:  # TeX ends the degree at the first bracket that it meets
                mask[[self.left, self.right]] = False
            if state.frames and state.frames[-1][0] == DEGREE:
                mask[self.right] = not state.empty
            elif state.frames and state.frames[-1][0] == _MATRIX:
                mask[self.cell] = True  # cells may be empty, but not the last one of a line
                mask[self.line] = not state.empty
                mask[self.finish] = not state.empty and bool(state.frames[-1][1])
            elif state.frames:
                mask[self.close] = not state.empty
            else:
                mask[self.end] = not state.empty
        return mask


def is_formula(grammar: Grammar, tokens: Sequence[int]) -> bool:
    """Whether tokens, the end included or not, are a whole formula."""
    state = grammar.start()
    for token in tokens:
        if not grammar.allowed(state, len(tokens) + 8)[token]:
            return False
        state = grammar.advance(state, token)
    return state.ended or bool(grammar.allowed(state, 8)[grammar.end])


def longest_run(period: int) -> int:
    """Tokens of the longest run that repeats itself every `period` tokens."""
    return max(period * _REPEATS, _SHORT) - 1


def looping(tokens: Sequence[int]) -> int | None:
    """The token that would continue a run that was repeated often enough; None if none was."""
    for period in range(1, min(PERIODS, len(tokens) // 2) + 1):
        length = longest_run(period)
        if len(tokens) >= length and all(
            tokens[-i] == tokens[-i - period] for i in range(1, length - period + 1)
        ):
            return tokens[-period]
    return None


class FormulaStates:
    """States of sequences that grow from left to right, a token at a time.

    Args:
        grammar: of the tokens.
        count: number of sequences, all empty.
        longest: tokens of each at most, the end included.
    """

    def __init__(self, grammar: Grammar, count: int, longest: int) -> None:
        self.grammar, self.remaining = grammar, longest
        self._states = [grammar.start()] * count
        self._written: list[list[int]] = [[] for _ in range(count)]

    def allowed(self) -> NDArray[np.bool_]:
        """`(count, vocabulary)`, true for tokens that may follow."""
        rows = zip(self._states, self._written, strict=True)
        return np.stack([self.grammar.follow(*row, self.remaining) for row in rows])

    def append(self, tokens: Sequence[int]) -> None:
        """Add one token to each of the sequences."""
        self.remaining -= 1
        for row, token in enumerate(tokens):
            self._states[row] = self.grammar.advance(self._states[row], token)
            self._written[row].append(token)

    def reorder(self, sequences: Sequence[int]) -> None:
        """Continue sequence `i` from sequence `sequences[i]`; others are dropped."""
        self._states = [self._states[row] for row in sequences]
        self._written = [[*self._written[row]] for row in sequences]


class GrammarLogitsProcessor:
    """Keeps `generate` to the grammar, for sequences from left to right.

    It has the signature of transformers' `LogitsProcessor`, but not its class, so that the grammar
    is imported without torch.

    Args:
        grammar: of the tokens.
        longest: tokens of a sequence at most, start and end included.
        start: tokens before the first one of the formula.
    """

    def __init__(self, grammar: Grammar, longest: int, start: int = 1) -> None:
        self.grammar, self.longest, self.begin = grammar, longest, start
        self._states: dict[tuple[int, ...], Any] = {(): grammar.start()}

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """`(batch, vocabulary)` scores, minus infinity where a token may not follow."""
        rows = [tuple(row) for row in input_ids[:, self.begin :].tolist()]
        # `generate` reorders beams between two calls, so that states are found by their tokens.
        states = {}
        for row in set(rows):
            state = self._states.get(row[:-1])
            if state is None or not row:
                state = self.grammar.start()
                for token in row[:-1]:
                    state = self.grammar.advance(state, token)
            states[row] = self.grammar.advance(state, row[-1]) if row else state
        self._states = states
        remaining = self.longest - input_ids.shape[1]
        allowed = np.stack([self.grammar.follow(states[row], row, remaining) for row in rows])
        return scores.masked_fill(scores.new_tensor(allowed) == 0, -np.inf)


__all__ = [
    "DEGREE", "FormulaState", "FormulaStates", "Grammar", "GrammarLogitsProcessor", "is_formula",
    "PERIODS", "longest_run", "looping",
]  # fmt: skip
