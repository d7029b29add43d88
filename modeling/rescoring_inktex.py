"""The preset `accurate`: beam search over several views of a picture, rescored in both directions.

It works on arrays of numpy and on any engine's steps, as `search_inktex` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .grammar_inktex import is_formula
from .search_inktex import Decoded, Floats, Ids, SearchTask, Step, search, stack_sequences

Tokens = tuple[int, ...]
"""Tokens of a sequence from left to right, without start and end."""
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {"num_beams": 1},
    "accurate": {"num_beams": 6, "bidirectional": True, "scales": (0.88, 1.12)},
}
"""Arguments of a search by the preset's name."""
_CANDIDATES = 3
"""Sequences of each direction that are rescored, unless more are asked for."""
_CERTAIN = 2.0
"""Natural logarithms by which the best sequence has to lead to be neither rescored against others
nor searched for in the other direction."""
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


@dataclass(frozen=True)
class Rescoring:
    """How several views and directions are searched.

    Attributes:
        beams: sequences that are followed in each picture.
        wanted: sequences to give for each.
        reverse: start token of sequences from right to left; None to read from left to right alone.
        temperature: of the mean of several views and directions, which is more often right than it
            is likely.
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
    views: Sequence[View], task: SearchTask, pictures: int, config: Rescoring
) -> Decoded:
    """Find the likeliest sequences of a batch of pictures by all views.

    A beam search takes the mean of the views at every token. Where it is not certain of its result
    there is a second one from right to left (Zhao et al. 2021 train both directions), and the
    candidates of both are ranked by the mean log-probability over views and directions (Liu et al.
    2016).

    Args:
        views: the same pictures at one size or several.
        task: from left to right; see `SearchTask`.
        pictures: number of pictures.
        config: how to search.

    Returns:
        `wanted` sequences for each picture, the likeliest first. Their attention, and the
        probabilities of their tokens, are those of the first view.

    Raises:
        LockedTokenError: a `ValueError`, if a locked token cannot stand at its place.
    """
    count, every = max(_CANDIDATES, config.wanted), np.arange(pictures)
    forward = _find(views, task, every, config.beams)
    candidates = [list(one)[:count] for one in forward]
    if config.reverse is not None:
        backward_task = replace(task, start=config.reverse, grammar=None)
        backward: list[dict[Tokens, float]] = [{} for _ in candidates]
        uncertain = []
        for picture, one in enumerate(forward):
            lead = [*one.values()]
            if config.wanted > 1 or (len(lead) > 1 and lead[0] - lead[1] < _CERTAIN):
                uncertain.append(picture)
            else:
                candidates[picture] = candidates[picture][:1]
        if uncertain:
            mirrored = _find(views, backward_task, np.array(uncertain), config.beams)
            for picture, one in zip(uncertain, mirrored, strict=True):
                found = {tokens[::-1]: score for tokens, score in list(one.items())[:count]}
                backward[picture] = found
                candidates[picture] += [
                    tokens
                    for tokens in found
                    if tokens not in candidates[picture]
                    and (task.grammar is None or is_formula(task.grammar, tokens))
                ]
        forward = [_ended(one, task) for one in forward]
        _score(views, task, candidates, forward)
        turned = [[tokens[::-1] for tokens in one] for one in candidates]
        known = [
            _ended({tokens[::-1]: score for tokens, score in one.items()}, task) for one in backward
        ]
        _score(views, backward_task, turned, known)
        scores = [
            {tokens: (ahead[tokens] + back[tokens[::-1]]) / 2 for tokens in one}
            for one, ahead, back in zip(candidates, forward, known, strict=True)
        ]
    else:
        scores = forward
    rows, best = [], []
    for one in scores:
        ranked = sorted(one, key=lambda tokens, of=one: -of[tokens])[: config.wanted]
        ranked += [ranked[-1]] * (config.wanted - len(ranked))  # there are no more
        rows += ranked
        best += [one[tokens] for tokens in ranked]
    details = _follow(views[0], task, every, rows)
    if len(views) == 1 and config.reverse is None:
        return details
    mean = np.array(best, dtype=np.float32) / np.float32(config.temperature)
    return replace(details, log_probabilities=mean)


def _find(
    views: Sequence[View], task: SearchTask, pictures: Ids, beams: int
) -> list[dict[Tokens, float]]:
    """For each picture its sequences, the likeliest first, and their log-probabilities."""
    plain = replace(task, token_temperature=1.0, candidates=0)
    steps = [view.step(pictures, beams) for view in views]
    found = search(steps, plain, len(pictures), beams)
    hypotheses: list[dict[Tokens, float]] = [{} for _ in pictures]
    rows = zip(found.pictures, found.tokens(task.end), found.log_probabilities, strict=True)
    for picture, tokens, score in rows:
        hypotheses[picture][tokens] = float(score)
    return hypotheses


def _ended(scores: dict[Tokens, float], task: SearchTask) -> dict[Tokens, float]:
    """Without what the search broke off: its score lacks the end's."""
    return {tokens: score for tokens, score in scores.items() if len(tokens) < task.longest - 1}


def _score(
    views: Sequence[View],
    task: SearchTask,
    candidates: Sequence[Sequence[Tokens]],
    known: Sequence[dict[Tokens, float]],
) -> None:
    """Add the mean log-probability of the candidates of each picture that are not known yet.

    Pictures with as many unknown ones are decoded together: a batch has as many for each.
    """
    missing: dict[int, list[int]] = {}
    unknown = [
        [tokens for tokens in one if tokens not in scores]
        for one, scores in zip(candidates, known, strict=True)
    ]
    for picture, one in enumerate(unknown):
        if one:
            missing.setdefault(len(one), []).append(picture)
    plain = replace(task, token_temperature=1.0, candidates=0, grammar=None)
    for pictures in missing.values():
        rows = [tokens for picture in pictures for tokens in unknown[picture]]
        mean = np.mean(
            [_follow(view, plain, np.array(pictures), rows).log_probabilities for view in views],
            axis=0,
        )
        owners = [picture for picture in pictures for _ in unknown[picture]]
        for picture, tokens, score in zip(owners, rows, mean.tolist(), strict=True):
            known[picture][tokens] = score


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


__all__ = ["PRESETS", "Rescoring", "View", "check_preset", "rescale", "search_views"]
