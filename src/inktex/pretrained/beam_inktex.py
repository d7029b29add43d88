"""Beam search that reads a picture at several sizes at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .constraint_inktex import GrammarLogitsProcessor
from .step_inktex import steps_of

_HOPELESS = 6.0
"""Natural logarithms; a beam so far behind what is finished is not worth going on with."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One thing that was found in a picture.

    Attributes:
        tokens: between start and end, in the direction of the search.
        log_probability: of all of them and the end; the mean over the memories.
    """

    tokens: tuple[int, ...]
    log_probability: float


@torch.no_grad()
def beam_search(
    model: Any, memories: Sequence[Any], start: int, beams: int, longest: int
) -> list[list[Hypothesis]]:
    """The likeliest sequences, by the mean of what the model says at all memories.

    The mean is taken at every token, so that what is misread at one size is outvoted before it
    leads astray. From left to right the grammar is kept to.

    Args:
        model: an `InktexForConditionalGeneration` in evaluation mode.
        memories: what its encoder gave for the same batch of pictures, at one size or several.
        start: start token, which chooses the direction.
        beams: sequences that are followed at a time, for each picture.
        longest: sequences have at most this many tokens, start and end included.

    Returns:
        For each picture at least one hypothesis and at most `beams`, the likeliest first.
    """
    config = model.config
    end, vocabulary = config.eos_token_id, config.decoder.vocab_size
    pictures = len(memories[0].last_hidden_state)
    device = memories[0].last_hidden_state.device
    readers = [steps_of(model, memory, longest, beams) for memory in memories]
    is_forward = start == config.decoder_start_token_id
    constrain = None
    if model.grammar is not None and is_forward:
        constrain = GrammarLogitsProcessor(model.grammar, longest)
    sequences = torch.full((pictures * beams, 1), start, device=device)
    # All beams of a picture begin alike, so only the first one may go on.
    scores = torch.full((pictures, beams), -torch.inf, device=device)
    scores[:, 0] = 0.0
    finished: list[list[Hypothesis]] = [[] for _ in range(pictures)]
    going = list(range(pictures))  # the pictures that the rows of all this are about
    while sequences.shape[1] < longest:
        heard = [reader(sequences[:, -1])[0].float() for reader in readers]
        step = torch.stack(heard).log_softmax(dim=-1).mean(dim=0)
        if constrain is not None:
            step = constrain(sequences, step)
        total = scores[..., None] + step.view(len(going), beams, vocabulary)
        # Every beam has one way to end, so twice as many hold as many that go on.
        best = total.flatten(1).topk(2 * beams, dim=1)
        origin, token = best.indices // vocabulary, best.indices % vocabulary
        ends = token == end
        for number, place in ends[:, :beams].nonzero().tolist():
            value = float(best.values[number, place])
            if value > -torch.inf:
                row = sequences[number * beams + int(origin[number, place]), 1:]
                finished[going[number]].append(Hypothesis(tuple(row.tolist()), value))
        scores, kept = best.values.masked_fill(ends, -torch.inf).topk(beams, dim=1)
        over = _is_over(scores, [finished[number] for number in going], beams)
        # What is over costs nothing from here on.
        left = (~over).nonzero()[:, 0]
        going = [going[number] for number in left.tolist()]
        if not going:
            break
        scores, kept = scores[left], kept[left]
        moved = (left[:, None] * beams + origin[left].gather(1, kept)).flatten()
        written = token[left].gather(1, kept).view(-1, 1)
        sequences = torch.cat([sequences[moved], written], dim=1)
        for reader in readers:
            reader.reorder(moved)
    for number, picture in enumerate(going):
        if not finished[picture]:  # the longest sequence was not long enough
            best_beam = int(scores[number].argmax())
            row = sequences[number * beams + best_beam, 1:]
            one = Hypothesis(tuple(row.tolist()), float(scores[number, best_beam]))
            finished[picture].append(one)
    for found in finished:
        found.sort(key=lambda one: -one.log_probability)
    return [found[:beams] for found in finished]


def _is_over(
    scores: torch.Tensor, finished: Sequence[Sequence[Hypothesis]], beams: int
) -> torch.Tensor:
    """`(pictures,)` bool: where nothing that may still come matters. Probabilities only fall.

    Nothing is over (compares with nan) where nothing was found yet.
    """
    limits = []
    for found in finished:
        values = sorted((one.log_probability for one in found), reverse=True)
        enough = values[beams - 1] if len(values) >= beams else -torch.inf
        limits.append(max(enough, values[0] - _HOPELESS) if values else torch.nan)
    return scores.max(dim=1).values <= torch.tensor(limits, device=scores.device)


__all__ = ["Hypothesis", "beam_search"]
