"""Generation, with the probability of what was generated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .beam_inktex import beam_search
from .decoder_inktex import look_centres, mean_look
from .grammar_inktex import is_formula
from .greedy_inktex import greedy_search
from .step_inktex import memory_of

LENGTHS = ("max_length", "max_new_tokens", "generation_config")
UNSET_LENGTHS = (None, 20)
"""What transformers has as `max_length` where nobody set it."""
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {"num_beams": 1},
    "accurate": {"num_beams": 6, "bidirectional": True, "scales": (0.88, 1.12)},
}
"""Ways to search, by name."""
_PLAIN = frozenset({"num_beams", "num_return_sequences", "do_sample", "max_length"})
"""Arguments with which a search needs no `generate`."""
_CANDIDATES = 3
"""Sequences of each direction that are judged, if no more are wanted."""
_SURE = 2.0
"""Natural logarithms; what the beams find so far ahead of the second is not questioned any more."""
_MULTIPLE = 16
"""Sides of a batch are multiples of this: the model's coarsest stride."""
_REFINEMENTS = 3
"""Passes over given sequences in which a decoder with location feedback finds its places..."""
_ROUGHLY = 2
"""...and those that are enough to tell which sequence is the better one."""


def check_preset(name: str) -> None:
    """Make sure that a preset exists.

    Raises:
        ValueError: if it does not.
    """
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; there are {' and '.join(PRESETS)}.")


@dataclass(frozen=True)
class Generated:
    """What was read in a batch of pictures; several sequences a picture stand side by side.

    Attributes:
        sequences: `(sequences, tokens)`, read from left to right, start and end included.
        probabilities: `(sequences,)` float32, 0 to 1: the product of the probabilities that the
            model gives to the tokens, the end included, at its temperature; where several judged,
            their geometric mean, at the temperature that it has for that. Not normalised by length:
            it says how likely all of it is right.
        token_probabilities: `(sequences, tokens - 1)` float32, of what follows the start; 1 behind
            the end.
        attention: `(sequences, tokens - 1, rows, columns)`, how much the guided heads look at each
            cell of the picture when they write the token; None if the model has none.
    """

    sequences: torch.Tensor
    probabilities: torch.Tensor
    token_probabilities: torch.Tensor
    attention: torch.Tensor | None


def generate_with_probabilities(
    model: Any, inputs: dict[str, torch.Tensor], preset: str = "fast", **generate_kwargs: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read pictures: `sequences` and `probabilities` of `generate_with_details`."""
    found = generate_with_details(model, inputs, preset, **generate_kwargs)
    return found.sequences, found.probabilities


@torch.no_grad()
def generate_with_details(
    model: Any,
    inputs: dict[str, torch.Tensor],
    preset: str = "fast",
    allowed_tokens: torch.Tensor | None = None,
    **generate_kwargs: Any,
) -> Generated:
    """Read pictures.

    The pictures are encoded once, for the search and for the probabilities.

    Args:
        model: an `InktexForConditionalGeneration`.
        inputs: `pixel_values` and `pixel_mask`, as the processor gives them; they are brought to
            the model's device and dtype.
        preset: `fast` is greedy; `accurate` is a beam search over the picture at several sizes.
            Unless what comes first is far ahead, there is a search from right to left, too, and
            both directions judge, at all sizes, what was found (Zhao et al. 2021 train both
            directions; the judging is that of Liu et al. 2016).
        allowed_tokens: `(vocabulary,)` bool, true for the tokens that may be written; None for all.
            The structure of formulas has to be among them. Probabilities are those among the
            allowed tokens.
        generate_kwargs: of `generate`: `num_beams`, `num_return_sequences`, `max_new_tokens` ...,
            and `bidirectional` and `scales`, factors on the size; they override the preset.

    Returns:
        `num_return_sequences` sequences for each picture, the likeliest first.

    Raises:
        ValueError: if there is no such preset, or arguments do not go together.
    """
    check_preset(preset)
    generate_kwargs = {**PRESETS[preset], **generate_kwargs}
    bidirectional = bool(generate_kwargs.pop("bidirectional", False))
    scales = tuple(generate_kwargs.pop("scales", ()))
    wanted = int(generate_kwargs.get("num_return_sequences", 1))
    beams = int(generate_kwargs.get("num_beams", 1))
    if not generate_kwargs.get("do_sample"):
        beams = generate_kwargs["num_beams"] = max(beams, wanted)
    is_unset = model.generation_config.max_length in UNSET_LENGTHS
    if is_unset and not any(name in generate_kwargs for name in LENGTHS):
        generate_kwargs["max_length"] = model.config.decoder.max_position_embeddings
    if generate_kwargs.get("max_new_tokens"):  # beside max_length, `generate` warns of it
        generate_kwargs["max_length"] = generate_kwargs.pop("max_new_tokens") + 1
    is_plain = generate_kwargs.keys() <= _PLAIN and not generate_kwargs.get("do_sample")
    if (bidirectional or scales) and not is_plain:
        strange = ", ".join(sorted(generate_kwargs.keys() - _PLAIN)) or "do_sample"
        raise ValueError(
            f"{strange} cannot be had together with bidirectional or scales: leave it out, or use "
            "the preset fast."
        )
    pixel_values = inputs["pixel_values"].to(model.device, model.dtype)
    pixel_mask = inputs["pixel_mask"].to(model.device)
    allowed = None
    if allowed_tokens is not None:
        allowed = allowed_tokens.to(model.device).expand(len(pixel_values), -1)

    def encoded(pixels: torch.Tensor, mask: torch.Tensor) -> Any:
        memory = model.get_encoder()(pixels, mask)
        if allowed is not None:
            memory["allowed_tokens"] = allowed
        return memory

    memory = encoded(pixel_values, pixel_mask)
    longest = generate_kwargs.get("max_length") or model.generation_config.max_length

    def laid_out(attention: torch.Tensor | None) -> torch.Tensor | None:
        if attention is None:
            return None
        rows, columns = memory.grid_shape[0].tolist()
        return attention.unflatten(2, (rows, columns))

    if is_plain and beams == 1 and not bidirectional and not scales:
        greedy = greedy_search(model, memory, longest)
        return Generated(
            greedy.sequences,
            greedy.log_probabilities.sum(dim=1).exp(),
            greedy.log_probabilities.exp(),
            laid_out(greedy.attention),
        )
    if is_plain:
        memories = [memory]
        for scale in scales:
            memories.append(encoded(*rescale(pixel_values, pixel_mask, scale)))
        sequences, probabilities = _search(model, memories, beams, wanted, longest, bidirectional)
    else:
        # A copy, since beam search multiplies the one that it gets.
        copy = type(memory)(**memory)
        found = model.generate(encoder_outputs=copy, **generate_kwargs)
        sequences, probabilities = getattr(found, "sequences", found), None
    log_probabilities, attention = sequence_details(model, memory, sequences)
    if probabilities is None:
        probabilities = log_probabilities.sum(dim=1).exp()
    return Generated(sequences, probabilities, log_probabilities.exp(), laid_out(attention))


def _search(
    model: Any,
    memories: Sequence[Any],
    beams: int,
    wanted: int,
    longest: int,
    bidirectional: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Beam search, and the judgement of all memories, in both directions if `bidirectional`.

    Returns:
        `wanted` sequences for each picture, the likeliest first, and their probabilities.
    """
    config = model.config
    count = max(_CANDIDATES, wanted)
    hypotheses = beam_search(model, memories, config.decoder_start_token_id, beams, longest)
    candidates = [{one.tokens: None for one in found[:count]} for found in hypotheses]
    sure: list[int] = []
    unsure: list[int] = []
    for number, found in enumerate(hypotheses):
        values = [one.log_probability for one in found[:2]]
        is_sure = wanted == 1 and (len(values) == 1 or values[0] - values[1] >= _SURE)
        (sure if is_sure else unsure).append(number)
        if is_sure:
            candidates[number] = {found[0].tokens: None}
    device = memories[0].last_hidden_state.device
    if bidirectional and unsure:
        start = config.reverse_start_token_id
        pictures = torch.tensor(unsure, device=device)
        asked = [memory_of(memory, pictures) for memory in memories]
        mirrored = beam_search(model, asked, start, beams, longest)
        for number, found in zip(unsure, mirrored, strict=True):
            for one in found[:count]:
                tokens = one.tokens[::-1]
                if model.grammar is None or is_formula(model.grammar, tokens):
                    candidates[number][tokens] = None
    best: list[list[tuple[int, ...]]] = [[] for _ in candidates]
    probabilities = torch.zeros(len(candidates), wanted, device=device)
    for group in filter(None, (sure, unsure)):
        pictures = torch.tensor(group, device=device)
        asked = [memory_of(memory, pictures) for memory in memories]
        lists = [list(candidates[number]) for number in group]
        chosen, probabilities[pictures] = _judge(model, asked, lists, bidirectional, wanted)
        for number, rows in zip(group, chosen, strict=True):
            best[number] = rows
    every = [row for rows in best for row in rows]
    start = config.decoder_start_token_id
    return _stack(every, start, config).to(device), probabilities.flatten()


def rescale(
    pixel_values: torch.Tensor, pixel_mask: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of pictures at another size, padded anew.

    Args:
        pixel_values: `(batch, 1, height, width)`.
        pixel_mask: `(batch, height, width)`, 0 for padding.
        scale: factor on both sides.

    Returns:
        Both at the new size, sides rounded up to a multiple of 16.
    """
    height, width = (max(round(side * scale), 1) for side in pixel_values.shape[-2:])
    pixels = nn.functional.interpolate(
        pixel_values.float(), (height, width), mode="bilinear", antialias=True, align_corners=False
    ).to(pixel_values.dtype)
    mask = nn.functional.interpolate(pixel_mask[:, None].float(), (height, width))[:, 0]
    padding = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
    mask = nn.functional.pad(mask.to(pixel_mask.dtype), padding)
    return nn.functional.pad(pixels, padding), mask


def _judge(
    model: Any,
    memories: Sequence[Any],
    candidates: Sequence[Sequence[tuple[int, ...]]],
    bidirectional: bool,
    wanted: int,
) -> tuple[list[list[tuple[int, ...]]], torch.Tensor]:
    """The `wanted` best candidates by the mean of the log-probabilities of all judges.

    Args:
        model: reads.
        memories: of the pictures at each size; each is a judge.
        candidates: for each picture different sequences, from left to right, without start and end.
        bidirectional: whether each memory also judges from right to left.
        wanted: how many for each picture; where there are fewer candidates, the last one again.

    Returns:
        For each picture its best candidates, the likeliest first, and their probabilities,
        `(pictures, wanted)`.
    """
    pictures = len(candidates)
    count = max(wanted, *map(len, candidates))
    # Each picture gets as many, the last one again where there are fewer.
    filled = [[*row, *[row[-1]] * (count - len(row))] for row in candidates]
    directions = [(model.config.decoder_start_token_id, 1)]
    directions += [(model.config.reverse_start_token_id, -1)] if bidirectional else []
    device = memories[0].last_hidden_state.device
    judged = [
        _stack([row[::step] for rows in filled for row in rows], start, model.config).to(device)
        for start, step in directions
    ]
    opinions = [
        sequence_log_probabilities(model, memory, sequences, _ROUGHLY)
        for memory in memories
        for sequences in judged
    ]
    scores = torch.stack(opinions).mean(dim=0).view(pictures, count)
    if len(opinions) > 1:  # a mean over judges is surer of what is right than any of them
        scores = scores / model.config.decoder.judges_temperature
    # What is there again comes last.
    rank = scores.clone()
    for number, row in enumerate(candidates):
        rank[number, len(row) :] = -torch.inf
    best = rank.topk(wanted, dim=1).indices
    chosen = [
        [row[place] for place in places] for row, places in zip(filled, best.tolist(), strict=True)
    ]
    return chosen, scores.gather(1, best).exp()


def _stack(rows: Sequence[Sequence[int]], start: int, config: Any) -> torch.Tensor:
    """Rows of tokens with start and end, padded to the longest."""
    longest = max(map(len, rows)) + 2
    stacked = torch.full((len(rows), longest), config.pad_token_id)
    for number, row in enumerate(rows):
        stacked[number, : len(row) + 2] = torch.tensor([start, *row, config.eos_token_id])
    return stacked


@torch.no_grad()
def sequence_logits(
    model: Any, memory: Any, sequences: torch.Tensor, refinements: int = _REFINEMENTS
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What the model makes of sequences that are given.

    Args:
        model: an `InktexForConditionalGeneration`.
        memory: what its encoder gave for a batch of pictures.
        sequences: `(batch, tokens)`, from the start token on; `batch` is that of the pictures or
            a multiple, neighbouring sequences sharing a picture.
        refinements: passes; a decoder without location feedback needs one alone.

    Returns:
        `(batch, tokens - 1, vocabulary)` float32 logits of the tokens behind the start; and
        `(batch, tokens - 1, cells)`, how much the guided heads look at each cell of the memory
        when they write the token, None if the model has none.
    """
    read = sequences[:, :-1]
    has_feedback = model.config.decoder.location_feedback
    locations = covered = None
    for _ in range(refinements if has_feedback else 1):
        output = model(
            encoder_outputs=memory,
            decoder_input_ids=read,
            locations=locations,
            covered=covered,
            use_cache=False,
            output_guided=True,
        )
        if has_feedback:
            looks = mean_look(output.guided_logits)
            found = look_centres(looks, int(memory.grid_shape[0, 1]))
            locations = model.decoder.told(read, found)
            covered = model.decoder.told_coverage(read, looks)
    attention = mean_look(output.guided_logits) if output.guided_logits else None
    return output.logits.float(), attention


def token_log_probabilities(
    logits: torch.Tensor, sequences: torch.Tensor, end: int, temperature: float
) -> torch.Tensor:
    """`(batch, tokens - 1)`: logarithms of the probabilities of what follows the start.

    Args:
        logits: of `sequence_logits`.
        sequences: `(batch, tokens)`.
        end: id of the end token; what follows it is padding and gets 0.
        temperature: that the logits are divided by.
    """
    log_probabilities = (logits / temperature).log_softmax(dim=-1)
    chosen = log_probabilities.gather(2, sequences[:, 1:, None])[..., 0]
    ended = (sequences[:, :-1] == end).cumsum(dim=1) > 0
    return chosen.masked_fill(ended, 0.0)


def sequence_details(
    model: Any, memory: Any, sequences: torch.Tensor, refinements: int = _REFINEMENTS
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """`token_log_probabilities` at the model's temperature, and where it looks.

    Arguments and attention are those of `sequence_logits`.
    """
    logits, attention = sequence_logits(model, memory, sequences, refinements)
    config = model.config
    temperature = config.decoder.token_temperature
    end = config.eos_token_id
    return token_log_probabilities(logits, sequences, end, temperature), attention


def sequence_log_probabilities(
    model: Any, memory: Any, sequences: torch.Tensor, refinements: int = _REFINEMENTS
) -> torch.Tensor:
    """`(batch,)`, logarithms of the probabilities of sequences; see `sequence_details`."""
    return sequence_details(model, memory, sequences, refinements)[0].sum(dim=1)


def sequence_probabilities(model: Any, memory: Any, sequences: torch.Tensor) -> torch.Tensor:
    """Probability of each sequence, 0 to 1; see `sequence_log_probabilities`."""
    return sequence_log_probabilities(model, memory, sequences).exp()


__all__ = [
    "PRESETS",
    "Generated",
    "check_preset",
    "generate_with_details",
    "generate_with_probabilities",
    "rescale",
    "sequence_details",
    "sequence_logits",
    "token_log_probabilities",
    "sequence_log_probabilities",
    "sequence_probabilities",
]
