"""The grammar as tables, for a graph that keeps to it: a pushdown automaton made of `Grammar`.

Nothing is decided here: every entry is what `Grammar` says of a state that stands for all of its
kind. A state is what it is without its open groups, and what follows depends on that, on the
innermost group and on whether a root's degree is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inktex.modeling.grammar_inktex import DEGREE, FormulaState, Grammar

__all__ = ["KEEP", "POP", "PUSH", "GrammarTables", "grammar_tables"]

KEEP, PUSH, POP, REPLACE = range(4)
"""What a token does with the innermost group: nothing, opens one in it, closes it, changes it."""
_MANY: Final = 10_000
"""Tokens that may follow, where their number is to forbid nothing."""
Frame = tuple[int, int]
Group = tuple[Frame | None, bool]
"""The innermost open group, None outside of all; and whether a root's degree is open."""


@dataclass(frozen=True)
class GrammarTables:
    """A grammar as a pushdown automaton over classes of tokens. State 0 and group 0 are the first.

    Attributes:
        classes: `(vocabulary,)`, the class of each token.
        end: class of the end token.
        allowed: `(states, groups, classes)` bool, which tokens may follow.
        state: the same shape, the state behind the token.
        move: one of `KEEP`, `PUSH`, `POP`, `REPLACE`.
        group: the group that is pushed, or takes the place of the innermost one.
        shortest: tokens that complete the formula behind the token, at least, beyond those that
            the groups need that were open before it.
        cost: `(groups,)`, tokens that an open group needs.
    """

    classes: NDArray[np.int64]
    end: int
    allowed: NDArray[np.bool_]
    state: NDArray[np.int64]
    move: NDArray[np.int64]
    group: NDArray[np.int64]
    shortest: NDArray[np.int64]
    cost: NDArray[np.int64]


def grammar_tables(grammar: Grammar) -> GrammarTables:
    """Compile a grammar."""
    classes, samples = _classes(grammar)
    states: dict[FormulaState, int] = {grammar.start(): 0}
    groups: dict[Group, int] = {(None, False): 0}
    rows: dict[tuple[int, int], list[tuple[bool, int, int, int, int]]] = {}
    while len(rows) < len(states) * len(groups):
        pairs = [(state, group) for state in [*states] for group in [*groups]]
        for state, group in pairs:
            place = states[state], groups[group]
            if place not in rows:
                rows[place] = _row(grammar, samples, state, group, states, groups)
    shape = (len(states), len(groups), len(samples))
    table = np.array([rows[i, j] for i in range(shape[0]) for j in range(shape[1])])
    allowed, following, move, opened, shortest = (
        table[:, :, column].reshape(shape) for column in range(5)
    )
    return GrammarTables(
        classes,
        int(classes[grammar.end]),
        allowed.astype(np.bool_),
        following,
        move,
        opened,
        shortest,
        np.array([_cost(_frames(group)[-1:]) for group in groups]),
    )


def _classes(grammar: Grammar) -> tuple[NDArray[np.int64], list[int]]:
    """The class of each token, and a token of each class."""
    tokens = grammar.tokens
    single = {one for one in tokens.values() if isinstance(one, int)}
    lists = {name: frozenset(one) for name, one in tokens.items() if not isinstance(one, int)}
    numbers: dict[object, int] = {}
    samples: list[int] = []
    classes = np.zeros(grammar.vocab_size, dtype=np.int64)
    for token in range(grammar.vocab_size):
        roles = tuple(name for name, members in lists.items() if token in members)
        kind = (token if token in single else None, roles)
        if kind not in numbers:
            numbers[kind] = len(samples)
            samples.append(token)
        classes[token] = numbers[kind]
    return classes, samples


def _frames(group: Group) -> tuple[Frame, ...]:
    """Open groups of which `group` is the innermost one."""
    frame, in_degree = group
    if frame is None:
        return ()
    is_below = in_degree and frame[0] != DEGREE
    return ((DEGREE, 2), frame) if is_below else (frame,)


def _cost(frames: Iterable[Frame]) -> int:
    return sum(FormulaState(frames=(frame,), empty=False).shortest for frame in frames)


def _row(
    grammar: Grammar,
    samples: list[int],
    state: FormulaState,
    group: Group,
    states: dict[FormulaState, int],
    groups: dict[Group, int],
) -> list[tuple[bool, int, int, int, int]]:
    """What each class of tokens does in a state and group; new ones get numbers."""
    frames = _frames(group)
    whole = replace(state, frames=frames)
    allowed = grammar.allowed(whole, _MANY)
    row = []
    for token in samples:
        if not allowed[token]:
            row.append((False, 0, KEEP, 0, 0))
            continue
        after = grammar.advance(whole, token)
        local = replace(after, frames=())
        number = states.setdefault(local, len(states))
        move, opened = KEEP, 0
        if len(after.frames) < len(frames):
            move = POP
        elif after.frames != frames:
            move = PUSH if len(after.frames) > len(frames) else REPLACE
            frame = after.frames[-1]
            opened = groups.setdefault((frame, group[1] or frame[0] == DEGREE), len(groups))
        row.append((True, number, move, opened, after.shortest - _cost(frames)))
    return row
