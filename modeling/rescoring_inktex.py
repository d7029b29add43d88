"""The preset `accurate`: where a greedy search is not sure, a longer one over views and directions.

It works on arrays of numpy and on any engine's steps, as `search_inktex` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .grammar_inktex import is_formula
from .search_inktex import Decoded, Floats, Ids, SearchTask, Step, search, stack_sequences

Tokens = tuple[int, ...]
"""Tokens of a sequence from left to right, without start and end."""
Scores = dict[Tokens, float]
"""Sequences of a picture with their log-probabilities."""
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {"num_beams": 1},
    "accurate": {"num_beams": 6, "bidirectional": True, "scales": (0.88, 1.12)},
}
"""Arguments of a search by the preset's name."""
_CANDIDATES = 3
"""Sequences of each direction that are rescored, unless more are asked for."""
SURE = 0.5
"""Probability from which on a greedy reading is kept: all others together are less often right."""
_MULTIPLE = 16
"""Sides of a batch are multiples of this: the model's coarsest stride."""


class View(Protocol):
    """A batch of pictures as the encoder gives it, at one size."""

    def step(self, pictures: Ids, beams: int) -> Step:
        """Begin to decode.

        Args:
            pictures: `(some,)`, which of the batch.
            beams: sequences of each, side by side.
        """

    def select(self, pictures: Ids) -> "View":
        """Some pictures of the batch alone, `(some,)` indices."""


@dataclass(frozen=True)
class Rescoring:
    """How several views and directions are searched.

    Attributes:
        beams: sequences that are followed in each picture.
        wanted: sequences to give for each.
        reverse: start token of sequences from right to left; None to read from left to right alone,
            as is done where tokens are locked.
        temperature: divides the mean of several views and directions, which is more often right
            than it is likely.
    """

    beams: int
    wanted: int = 1
    reverse: int | None = None
    temperature: float = 1.0


def check_preset(name: str) -> None:
    """Raise ValueError if there is no preset of this name."""
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; there are {' and '.join(PRESETS)}.")


def search_views(
    view: View,
    others: Callable[[Ids], Sequence[View]],
    task: SearchTask,
    pictures: int,
    config: Rescoring,
) -> Decoded:
    """Find the likeliest sequences of a batch of pictures.

    A greedy search comes first. Of pictures of which it is not sure all views are searched: a beam
    search takes their mean at every token, a second one goes from right to left (Zhao et al. 2021
    train both directions), and the candidates of both are ranked by the mean log-probability over
    views and directions (Liu et al. 2016).

    Args:
        view: the pictures as they are.
        others: makes further views, at other sizes, of some pictures of the batch.
        task: from left to right; see `SearchTask`.
        pictures: number of pictures.
        config: how to search.

    Returns:
        `wanted` sequences for each picture, the likeliest first. Their attention, and the
        probabilities of their tokens, are those of the first view.

    Raises:
        LockedTokenError: a `ValueError`, if a locked token cannot stand at its place.
    """
    if task.locked:
        config = replace(config, reverse=None)
    every = np.arange(pictures)
    if config.wanted > 1:
        return _search_all([view, *others(every)], task, every, config)
    greedy = search([view.step(every, 1)], task, pictures)
    unsure = np.flatnonzero(np.exp(greedy.log_probabilities) < SURE)
    if not len(unsure):
        return greedy
    views = [view.select(unsure), *others(unsure)]
    found = _search_all(views, task, np.arange(len(unsure)), config)
    return greedy.replaced(unsure, found, task.pad)


def _search_all(
    views: Sequence[View], task: SearchTask, pictures: Ids, config: Rescoring
) -> Decoded:
    """`search_views` without a greedy search before it, for all pictures of the views."""
    scores = _rescored(views, task, config, _find(views, task, pictures, config.beams))
    rows, best = [], []
    for one in scores:
        ranked = sorted(one, key=one.__getitem__, reverse=True)[: config.wanted]
        ranked += [ranked[-1]] * (config.wanted - len(ranked))  # there are no more
        rows += ranked
        best += [one[tokens] for tokens in ranked]
    details = _follow(views[0], task, pictures, rows)
    if len(views) == 1 and config.reverse is None:
        return details
    mean = np.array(best, dtype=np.float32) / np.float32(config.temperature)
    return replace(details, log_probabilities=mean)


def _rescored(
    views: Sequence[View], task: SearchTask, config: Rescoring, forward: Sequence[Scores]
) -> list[Scores]:
    """Mean log-probabilities over views and directions of what searches in these find.

    Args:
        forward: what was found from left to right; see `_find`.
    """
    count = max(_CANDIDATES, config.wanted)
    candidates = [list(one)[:count] for one in forward]
    directions = [(task, 1)]
    if config.reverse is not None:
        mirrored = replace(task, start=config.reverse, grammar=None)
        directions.append((mirrored, -1))
        found = _find(views, mirrored, np.arange(len(forward)), config.beams)
        for picture, one in enumerate(found):
            candidates[picture] += [
                tokens
                for tokens in [tokens[::-1] for tokens in one][:count]
                if tokens not in candidates[picture]
                and (task.grammar is None or is_formula(task.grammar, tokens))
            ]
    alike: dict[int, list[int]] = {}  # a batch has as many sequences for each picture
    for picture, rows in enumerate(candidates):
        alike.setdefault(len(rows), []).append(picture)
    scores: list[Scores] = [{} for _ in candidates]
    for pictures in alike.values():
        rows = [tokens for picture in pictures for tokens in candidates[picture]]
        owners = [picture for picture in pictures for _ in candidates[picture]]
        followed = [
            _follow(
                view,
                replace(one, candidates=0, grammar=None),
                np.array(pictures),
                [tokens[::turn] for tokens in rows],
            ).log_probabilities
            for view in views
            for one, turn in directions
        ]
        for picture, tokens, score in zip(owners, rows, np.mean(followed, axis=0), strict=True):
            scores[picture][tokens] = float(score)
    return scores


def _find(views: Sequence[View], task: SearchTask, pictures: Ids, beams: int) -> list[Scores]:
    """For each picture its sequences, the likeliest first, and their log-probabilities."""
    plain = replace(task, token_temperature=1.0, candidates=0)
    steps = [view.step(pictures, beams) for view in views]
    found = search(steps, plain, len(pictures), beams)
    hypotheses: list[Scores] = [{} for _ in pictures]
    rows = zip(found.pictures, found.tokens(task.end), found.log_probabilities, strict=True)
    for picture, tokens, score in rows:
        hypotheses[picture][tokens] = float(score)
    return hypotheses


def _follow(view: View, task: SearchTask, pictures: Ids, rows: Sequence[Tokens]) -> Decoded:
    """Decode given sequences, as many for each of the pictures."""
    sequences, beams = stack_sequences(rows, task), len(rows) // len(pictures)
    given = replace(task, longest=sequences.shape[1], locked={})
    return search(
        [view.step(pictures, beams)],
        given,
        len(pictures),
        beams,
        choose=lambda place, _: sequences[:, place + 1],
    )


def rescale(pixels: Floats, mask: NDArray[Any], scale: float) -> tuple[Floats, NDArray[Any]]:
    """A batch of pictures at another size, padded anew.

    Args:
        pixels: `(batch, 1, height, width)`.
        mask: `(batch, height, width)`, 0 for padding.
        scale: factor on both sides.

    Returns:
        Both at the new size, sides rounded up to a multiple of 16.
    """
    high, wide = pixels.shape[2:]
    height, width = (max(round(side * scale), 1) for side in (high, wide))
    padded = (len(pixels), -(-height // _MULTIPLE) * _MULTIPLE, -(-width // _MULTIPLE) * _MULTIPLE)
    seen, seen_mask = np.zeros(padded, dtype=np.float32), np.zeros(padded, dtype=mask.dtype)
    for number, picture in enumerate(pixels[:, 0]):
        resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
        seen[number, :height, :width] = resized
    rows, columns = np.arange(height) * high // height, np.arange(width) * wide // width
    seen_mask[:, :height, :width] = mask[:, rows[:, None], columns]
    return seen[:, None], seen_mask


__all__ = ["PRESETS", "SURE", "Rescoring", "View", "check_preset", "rescale", "search_views"]
