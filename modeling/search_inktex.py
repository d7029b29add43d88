"""The search for token sequences: greedy with one beam, beam search with several, or sampling.

It works on arrays of numpy and on any engine's steps, so that torch and ONNX Runtime share it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .grammar_inktex import FormulaStates, Grammar

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Choose = Callable[[int, Floats], Ids]
"""Chooses `(sequences,)` next tokens by their position and `(sequences, vocabulary)` logits."""

_HOPELESS = 6.0
"""Natural logarithms that the best beam may lie behind the best finished sequence."""


class Step(Protocol):
    """A decoder that takes one token of each sequence at a time."""

    def __call__(self, tokens: Ids) -> tuple[Floats, Floats | None]:
        """Decode `(sequences,)` tokens.

        Returns:
            `(sequences, vocabulary)` logits of the next tokens, minus infinity for tokens outside
            the caller's alphabet; and `(sequences, cells)`, the mean attention of the guided heads,
            None if there are none.
        """

    def reorder(self, sequences: Ids) -> None:
        """Continue sequence `i` from sequence `sequences[i]`.

        Args:
            sequences: `(new sequences,)`; the beams of a picture are neighbours, and all of them
                come from its own. Pictures without a sequence are dropped.
        """


@dataclass(frozen=True)
class Decoded:
    """Decoded sequences of a batch of pictures, those of a picture side by side.

    Attributes:
        sequences: `(sequences, tokens)`, start and end included, padded behind the end.
        pictures: `(sequences,)`, index of the picture of each.
        log_probabilities: `(sequences,)`, logarithm of the probability of all tokens, the end
            included; not normalised by length. Of several views it is their mean.
        token_log_probabilities: `(sequences, tokens - 1)`, of what follows the start, 0 behind the
            end; None if the search did not compute them.
        attention: `(sequences, tokens - 1, cells)` or, once laid out, `(..., rows, columns)`: mean
            attention of the guided heads when the token was predicted; None if there is none.
        candidates, candidate_log_probabilities: `(sequences, tokens - 1, candidates)`, ids of the
            likeliest tokens at each place behind those before it, and the logarithms of their
            probabilities; None if they were not asked for.
    """

    sequences: Ids
    pictures: Ids
    log_probabilities: Floats
    token_log_probabilities: Floats | None = None
    attention: Floats | None = None
    candidates: Ids | None = None
    candidate_log_probabilities: Floats | None = None

    def laid_out(self, rows: int, columns: int) -> "Decoded":
        """The same with `attention` in the rows and columns of the grid."""
        if self.attention is None:
            return self
        shape = (*self.attention.shape[:2], rows, columns)
        return replace(self, attention=self.attention.reshape(shape))

    def replaced(self, rows: Ids, others: "Decoded", pad: int) -> "Decoded":
        """The same with other sequences in the place of some.

        Args:
            rows: `(some,)`, which to replace.
            others: as many, of the same kind and with the same cells.
            pad: id of the token behind the shorter ones.
        """
        tokens = max(self.sequences.shape[1], others.sequences.shape[1])

        def merged(own: NDArray[Any] | None, new: NDArray[Any] | None, fill: float) -> Any:
            if own is None or new is None:
                return None
            shape = (len(own), tokens - (self.sequences.shape[1] - own.shape[1]), *own.shape[2:])
            found = np.full(shape, fill, dtype=own.dtype)
            found[:, : own.shape[1]] = own
            found[rows] = fill
            found[rows, : new.shape[1]] = new
            return found

        log_probabilities = self.log_probabilities.copy()
        log_probabilities[rows] = others.log_probabilities
        return Decoded(
            merged(self.sequences, others.sequences, pad),
            self.pictures,
            log_probabilities,
            merged(self.token_log_probabilities, others.token_log_probabilities, 0.0),
            merged(self.attention, others.attention, 0.0),
            merged(self.candidates, others.candidates, pad),
            merged(self.candidate_log_probabilities, others.candidate_log_probabilities, -np.inf),
        )

    def tokens(self, end: int) -> list[tuple[int, ...]]:
        """For each sequence its tokens between start and end."""
        rows = [row[1:] for row in self.sequences.tolist()]
        return [tuple(row[: row.index(end)] if end in row else row) for row in rows]


@dataclass(frozen=True)
class SearchTask:
    """What a search needs to know of the model.

    Attributes:
        start, end, pad: ids of these tokens.
        longest: tokens of a sequence at most, start and end included.
        grammar: that sequences keep to; None for any sequence.
        token_temperature: of the token probabilities; it does not change what is found.
        locked: tokens that every sequence has at given places, 0 for the first behind the start.
        candidates: how many tokens to give for each place; only with one beam.
    """

    start: int
    end: int
    pad: int
    longest: int
    grammar: Grammar | None = None
    token_temperature: float = 1.0
    locked: Mapping[int, int] = field(default_factory=dict)
    candidates: int = 0


def search(
    steps: Sequence[Step],
    task: SearchTask,
    pictures: int,
    beams: int = 1,
    choose: Choose | None = None,
) -> Decoded:
    """Find the likeliest sequences of a batch of pictures.

    Args:
        steps: one for each view of the same pictures, `pictures * beams` sequences each. The mean
            of their log-probabilities is taken at every token, so that what one view misreads is
            outvoted before it is followed.
        task: what to search for.
        pictures: number of pictures.
        beams: sequences that are followed in each; 1 for the likeliest token after the likeliest.
        choose: takes the place of the search: chooses the tokens of each of the `beams` sequences,
            none of which is dropped. `task.grammar` should then be None.

    Returns:
        With one beam, or with `choose`, `beams` sequences a picture with their token probabilities
        and attention; otherwise up to `beams` and at least one a picture, the likeliest first.

    Raises:
        LockedTokenError: a `ValueError`, if a locked token cannot stand at its place.
    """
    count = pictures * beams
    formulas = None
    if task.grammar is not None:
        formulas = FormulaStates(task.grammar, count, task.longest - 1)
    follow: _Single | _Beams
    if beams == 1 or choose is not None:
        follow = _Single(task, pictures, beams, choose)
    else:
        follow = _Beams(task, pictures, beams)
    tokens = np.full(count, task.start, dtype=np.int64)
    for position in range(task.longest - 1):
        outputs = [step(tokens) for step in steps]
        scores = outputs[0][0]
        if len(steps) > 1 or isinstance(follow, _Beams):
            scores = np.mean([log_softmax(logits) for logits, _ in outputs], axis=0)
        allowed = scores if formulas is None else np.where(formulas.allowed(), scores, -np.inf)
        if task.locked:
            allowed = _keep_locked(allowed, position, task)
        sequences = follow.advance(position, scores, allowed, outputs[0][1])
        tokens = follow.tokens
        if follow.is_over:
            break
        if sequences is not None:
            for step in steps:
                step.reorder(sequences)
            if formulas is not None:
                formulas.reorder(sequences.tolist())
        if formulas is not None:
            formulas.append(tokens.tolist())
    return follow.result()


class LockedTokenError(ValueError):
    """A locked token cannot stand at its place.

    Attributes:
        position, token: the place, 0 for the first one behind the start, and the token's id.
    """

    def __init__(self, position: int, token: int) -> None:
        super().__init__(position, token)  # what unpickling in another process gives
        self.position, self.token = position, token

    def __str__(self) -> str:
        return f"Token {self.token} cannot stand at place {self.position}."


def _keep_locked(allowed: Floats, position: int, task: SearchTask) -> Floats:
    """Scores without what contradicts the locked tokens.

    Raises:
        LockedTokenError: if nothing is left.
    """
    kept = allowed.copy()
    place = min((place for place in task.locked if place >= position), default=None)
    if place is None:
        return kept
    token = task.locked[place]
    if place == position:
        kept[:] = -np.inf
        kept[:, token] = allowed[:, token]
    else:
        kept[:, task.end] = -np.inf
    if (kept.max(axis=1) == -np.inf).any():
        raise LockedTokenError(place, token)
    return kept


class _Single:
    """Sequences that never branch: greedy search, sampling, and scoring of given tokens."""

    def __init__(
        self, task: SearchTask, pictures: int, beams: int, choose: Choose | None = None
    ) -> None:
        self.task, self.choose = task, choose
        self.pictures = np.repeat(np.arange(pictures), beams)
        self.tokens: Ids = np.full(pictures * beams, task.start, dtype=np.int64)
        self.is_over = False
        self._has_ended, self._ended = False, np.zeros(len(self.tokens), dtype=np.bool_)
        self._written = [self.tokens]
        self._scores: list[Floats] = []
        self._attention: list[Floats] = []

    def advance(
        self, position: int, scores: Floats, allowed: Floats, attention: Floats | None
    ) -> Ids | None:
        """Choose the next tokens; see `_Beams.advance`. Each sequence continues itself."""
        chosen = allowed.argmax(axis=1) if self.choose is None else self.choose(position, allowed)
        # Operations on arrays are what a step of ONNX Runtime is slowed down by.
        self.tokens = np.where(self._ended, self.task.pad, chosen) if self._has_ended else chosen
        ends = self.tokens == self.task.end
        if ends.any():
            self._has_ended = True
            self._ended |= ends
            self.is_over = bool(self._ended.all())
        self._written.append(self.tokens)
        self._scores.append(scores)
        if attention is not None:
            self._attention.append(attention)
        return None

    def result(self) -> Decoded:
        """What was written."""
        sequences = np.stack(self._written, axis=1)
        scores = np.stack(self._scores, axis=1) / np.float32(self.task.token_temperature)
        chosen = chosen_log_probabilities(scores, sequences, self.task.end)
        return Decoded(
            sequences,
            self.pictures,
            chosen.sum(axis=1),
            chosen,
            np.stack(self._attention, axis=1) if self._attention else None,
            *likeliest_tokens(scores, sequences, self.task),
        )


class _Beams:
    """Several sequences a picture that compete; pictures leave the batch when they are over."""

    def __init__(self, task: SearchTask, pictures: int, beams: int) -> None:
        self.task, self.beams = task, beams
        self.tokens: Ids = np.full(pictures * beams, task.start, dtype=np.int64)
        self.is_over = False
        # All beams of a picture begin alike, so only the first one may go on.
        self._totals = np.full((pictures, beams), -np.inf, dtype=np.float32)
        self._totals[:, 0] = 0.0
        self._written = self.tokens[:, None]
        self._going = np.arange(pictures)
        self._finished: list[list[tuple[float, list[int]]]] = [[] for _ in range(pictures)]

    def advance(
        self, position: int, scores: Floats, allowed: Floats, attention: Floats | None
    ) -> Ids | None:
        """Choose the next tokens.

        Args:
            position: of the tokens, 0 for the first one behind the start.
            scores: `(sequences, vocabulary)`, log-probabilities.
            allowed: the same, minus infinity where the grammar forbids a token.
            attention: not used.

        Returns:
            For each sequence the one that it continues.
        """
        vocabulary = allowed.shape[1]
        totals = self._totals[..., None] + allowed.reshape(-1, self.beams, vocabulary)
        # Every beam has one way to end, so twice as many candidates hold as many that go on.
        values, indices = _largest(totals.reshape(len(totals), -1), 2 * self.beams)
        origins, tokens = indices // vocabulary, indices % vocabulary
        origins += np.arange(len(totals))[:, None] * self.beams  # sequences of the whole batch
        ends = tokens == self.task.end
        for row, place in zip(*ends[:, : self.beams].nonzero(), strict=True):
            if values[row, place] > -np.inf:
                self._finish(row, values[row, place], self._written[origins[row, place], 1:])
        values, kept = _largest(np.where(ends, -np.inf, values), self.beams)
        left = np.flatnonzero(~(values[:, 0] <= self._limits()))  # nan: nothing is finished yet
        self.is_over = not len(left)
        self._going, self._totals, kept = self._going[left], values[left], kept[left]
        moved = np.take_along_axis(origins[left], kept, axis=1).ravel()
        self.tokens = np.take_along_axis(tokens[left], kept, axis=1).ravel()
        self._written = np.concatenate([self._written[moved], self.tokens[:, None]], axis=1)
        return moved

    def _finish(self, row: int, value: float, tokens: Ids) -> None:
        self._finished[self._going[row]].append((float(value), tokens.tolist()))

    def _limits(self) -> Floats:
        """For each picture the score at or below which beams cannot matter: they only fall."""
        limits = []
        for picture in self._going:
            values = sorted((value for value, _ in self._finished[picture]), reverse=True)
            enough = values[self.beams - 1] if len(values) >= self.beams else -np.inf
            limits.append(max(enough, values[0] - _HOPELESS) if values else np.nan)
        return np.array(limits, dtype=np.float32)

    def result(self) -> Decoded:
        """The finished sequences, and the best unfinished one of pictures without any."""
        for row, picture in enumerate(self._going):
            if not self._finished[picture]:
                self._finish(row, self._totals[row, 0], self._written[row * self.beams, 1:])
        best = [sorted(found, key=lambda one: -one[0])[: self.beams] for found in self._finished]
        rows = [tokens for found in best for _, tokens in found]
        return Decoded(
            stack_sequences(rows, self.task),
            np.repeat(np.arange(len(best)), [len(found) for found in best]),
            np.array([value for found in best for value, _ in found], dtype=np.float32),
        )


def stack_sequences(rows: Sequence[Sequence[int]], task: Any) -> Ids:
    """Rows of tokens with start and end, padded to the longest.

    Args:
        rows: tokens between start and end.
        task: has `start`, `end` and `pad`.
    """
    stacked = np.full((len(rows), max(map(len, rows)) + 2), task.pad, dtype=np.int64)
    for number, row in enumerate(rows):
        stacked[number, : len(row) + 2] = [task.start, *row, task.end]
    return stacked


def chosen_log_probabilities(logits: Floats, sequences: Ids, end: int) -> Floats:
    """Logarithms of the probabilities of the tokens behind the start, 0 behind the end.

    Args:
        logits: `(sequences, tokens - 1, vocabulary)`, divided by the temperature.
        sequences: `(sequences, tokens)`.
        end: id of the end token.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    chosen = np.take_along_axis(shifted, sequences[:, 1:, None], axis=2)[..., 0]
    chosen -= np.log(np.exp(shifted).sum(axis=-1))
    ended = (sequences[:, :-1] == end).cumsum(axis=1) > 0
    return np.where(ended, np.float32(0), chosen)


def likeliest_tokens(
    logits: Floats, sequences: Ids, task: SearchTask
) -> tuple[Ids | None, Floats | None]:
    """`candidates` and `candidate_log_probabilities` of `Decoded` for given sequences.

    Args:
        logits: `(sequences, tokens - 1, vocabulary)`, divided by the temperature.
        sequences: `(sequences, tokens)`.
        task: says how many, and has the grammar that they keep to.
    """
    if not task.candidates:
        return None, None
    scores = log_softmax(logits)
    if task.grammar is not None:
        formulas = FormulaStates(task.grammar, len(sequences), task.longest - 1)
        for place in range(scores.shape[1]):
            scores[:, place][~formulas.allowed()] = -np.inf
            formulas.append(sequences[:, place + 1].tolist())
    flat = scores.reshape(-1, scores.shape[2])
    values, indices = _largest(flat, min(task.candidates, scores.shape[2]))
    shape = (*scores.shape[:2], values.shape[1])
    return indices.reshape(shape), values.reshape(shape)


def log_softmax(logits: Floats) -> Floats:
    """Log-probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normalised: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised


def _largest(values: Floats, count: int) -> tuple[Floats, Ids]:
    """The largest values of each row, in falling order, and their indices."""
    indices = np.argpartition(values, -count, axis=1)[:, -count:]
    order = np.argsort(-np.take_along_axis(values, indices, axis=1), axis=1, kind="stable")
    indices = np.take_along_axis(indices, order, axis=1)
    return np.take_along_axis(values, indices, axis=1), indices


__all__ = [
    "Choose", "Decoded", "LockedTokenError", "SearchTask", "Step", "chosen_log_probabilities",
    "likeliest_tokens", "log_softmax", "search", "stack_sequences",
]  # fmt: skip
