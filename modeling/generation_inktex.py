"""Generation by presets: search, rescoring in both directions, and probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from .decoder_inktex import mean_attention
from .encoder_inktex import InktexEncoderOutput
from .grammar_inktex import is_formula
from .search_inktex import (
    Choose,
    Decoded,
    SearchTask,
    likeliest_tokens,
    search,
    stack_sequences,
)
from .step_inktex import make_step

LENGTHS = ("max_length", "max_new_tokens", "generation_config")
UNSET_LENGTHS = (None, 20)
"""Values of transformers' `max_length` where it was not set."""
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {"num_beams": 1},
    "accurate": {"num_beams": 6, "bidirectional": True, "scales": (0.88, 1.12)},
}
"""Arguments of a search by the preset's name."""
_OWN = frozenset({"num_beams", "num_return_sequences", "do_sample", "max_length"})
"""Arguments of `generate` that this module's own search takes, too."""
_CANDIDATES = 3
"""Sequences of each direction that are rescored, unless more are asked for."""
_CERTAIN = 2.0
"""Natural logarithms by which the best sequence has to lead to be neither rescored against others
nor searched for in the other direction."""
_MULTIPLE = 16
"""Sides of a batch are multiples of this: the model's coarsest stride."""
_REFINEMENTS = 3
"""Passes over given sequences in which location feedback converges..."""
_FEW_REFINEMENTS = 2
"""...and those that are enough to rank sequences."""

Tokens = tuple[int, ...]
"""Tokens of a sequence from left to right, without start and end."""


def check_preset(name: str) -> None:
    """Raise ValueError if there is no preset of this name."""
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; there are {' and '.join(PRESETS)}.")


def generate_with_probabilities(
    model: Any,
    inputs: dict[str, torch.Tensor],
    preset: str | None = None,
    **generate_kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sequences and their probabilities; see `generate_with_details` for the arguments.

    Returns:
        `(sequences, tokens)` ids and `(sequences,)` probabilities, 0 to 1: the product of the
        probabilities of all tokens, at the model's temperature, not normalised by length.
    """
    found = generate_with_details(model, inputs, preset, **generate_kwargs)
    sequences = torch.from_numpy(found.sequences).to(model.device)
    return sequences, torch.from_numpy(found.log_probabilities).to(model.device).exp()


@torch.no_grad()
def generate_with_details(
    model: Any,
    inputs: dict[str, torch.Tensor],
    preset: str | None = None,
    allowed_tokens: torch.Tensor | None = None,
    locked: Mapping[int, int] = MappingProxyType({}),
    candidates: int = 0,
    **generate_kwargs: Any,
) -> Decoded:
    """Recognise a batch of pictures, with probabilities and attention.

    The pictures are encoded once, for the search and for the probabilities.

    Args:
        model: an `InktexForConditionalGeneration`.
        inputs: `pixel_values` and `pixel_mask` of the processor; they are moved to the model's
            device and dtype.
        preset: `fast` is greedy; `accurate` is a beam search over views of the picture at several
            sizes. Where it is not certain of its result there is a second search from right to
            left (Zhao et al. 2021 train both directions), and all views rescore the candidates in
            both directions (Liu et al. 2016). None for that of the model's `generation_config`, or
            `fast` where it names none.
        allowed_tokens: `(vocabulary,)` bool, true for the tokens that may be generated; None for
            all. The structure of formulas has to be among them. Probabilities are those among the
            allowed tokens.
        locked: ids of tokens that the sequences have at given places, 0 for the first token. Then
            there is no search from right to left.
        candidates: how many tokens to give for each place of a sequence, the likeliest first.
        generate_kwargs: of `generate` (`num_beams`, `num_return_sequences`, `max_new_tokens`, ...),
            and `bidirectional` and `scales` (factors on the size); they override the preset.

    Returns:
        `num_return_sequences` sequences for each picture, the likeliest first, with the attention
        laid out in rows and columns. Where several views rescored, `log_probabilities` is their
        mean divided by the temperature for that.

    Raises:
        ValueError: if there is no such preset, or arguments do not go together.
        LockedTokenError: a `ValueError`, if a locked token cannot stand at its place.
    """
    preset = preset or getattr(model.generation_config, "preset", None) or "fast"
    check_preset(preset)
    kwargs = _with_length(model, {**PRESETS[preset], **generate_kwargs})
    bidirectional, scales = bool(kwargs.pop("bidirectional", False)), kwargs.pop("scales", ())
    wanted, beams = int(kwargs.get("num_return_sequences", 1)), int(kwargs.get("num_beams", 1))
    if not kwargs.get("do_sample"):
        beams = kwargs["num_beams"] = max(beams, wanted)
    is_own = kwargs.keys() <= _OWN and not kwargs.get("do_sample")
    if (bidirectional or scales or locked) and not is_own:
        others = ", ".join(sorted(kwargs.keys() - _OWN)) or "do_sample"
        raise ValueError(
            f"{others} cannot be had together with bidirectional, scales or locked: leave it out, "
            "or use the preset fast."
        )
    views = _encode(model, inputs, scales, allowed_tokens)
    longest = kwargs.get("max_length") or model.generation_config.max_length
    if is_own and beams == 1 and not bidirectional and not scales:
        found = decode(model, views, longest, locked=locked, candidates=candidates)
        return _laid_out(found, views[0])
    log_probabilities = None
    if is_own:
        sequences, log_probabilities = _search_and_rescore(
            model, views, beams, wanted, longest, bidirectional and not locked, locked
        )
    else:
        # A copy, since the beam search of transformers multiplies the one that it gets.
        copy = InktexEncoderOutput(**views[0])
        generated = model.generate(encoder_outputs=copy, **kwargs)
        sequences = getattr(generated, "sequences", generated)
    task = SearchTask(0, 0, 0, longest, model.grammar, candidates=candidates)
    return _with_probabilities(model, views[0], sequences, log_probabilities, task)


def _with_probabilities(
    model: Any,
    view: Any,
    sequences: torch.Tensor,
    log_probabilities: torch.Tensor | None,
    task: SearchTask,
) -> Decoded:
    """Found sequences with the probabilities of their tokens, and those of the whole if not given.

    Args:
        view: what the encoder makes of the pictures.
        task: says how many candidates to give.
    """
    logits, attention = sequence_logits(model, view, sequences)
    logits = logits / model.config.decoder.token_temperature
    tokens = token_log_probabilities(logits, sequences, model.config.eos_token_id)
    if log_probabilities is None:
        log_probabilities = tokens.sum(dim=1)
    count = len(view.last_hidden_state)
    pictures = np.arange(len(sequences)) // (len(sequences) // count)
    rows = sequences.cpu().numpy()
    found = Decoded(
        rows,
        pictures,
        log_probabilities.cpu().numpy(),
        tokens.cpu().numpy(),
        None if attention is None else attention.cpu().numpy(),
        *likeliest_tokens(logits.cpu().numpy(), rows, task),
    )
    return _laid_out(found, view)


@torch.no_grad()
def decode(
    model: Any,
    views: Sequence[Any],
    longest: int,
    beams: int = 1,
    start: int | None = None,
    choose: Choose | None = None,
    locked: Mapping[int, int] = MappingProxyType({}),
    candidates: int = 0,
) -> Decoded:
    """`search` with a model of torch, at its temperature.

    Args:
        model: an `InktexForConditionalGeneration` in evaluation mode.
        views: outputs of its encoder for the same batch of pictures, at one size or several.
        longest: tokens of a sequence at most, start and end included.
        beams: sequences that are followed in each picture.
        start: start token, which chooses the direction; None for left to right, in which sequences
            keep to the grammar.
        choose: chooses the tokens; see `search`.
        locked, candidates: see `SearchTask`.
    """
    config = model.config
    start = config.decoder_start_token_id if start is None else start
    is_forward = start == config.decoder_start_token_id
    task = SearchTask(
        start,
        config.eos_token_id,
        config.pad_token_id,
        longest,
        model.grammar if is_forward and choose is None else None,
        config.decoder.token_temperature if beams == 1 else 1.0,
        locked,
        candidates,
    )
    steps = [make_step(model, view, longest, beams) for view in views]
    return search(steps, task, len(views[0].last_hidden_state), beams, choose)


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


@torch.no_grad()
def sequence_logits(
    model: Any,
    memory: Any,
    sequences: torch.Tensor,
    refinements: int = _REFINEMENTS,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Logits of the tokens of given sequences.

    Args:
        model: an `InktexForConditionalGeneration`.
        memory: output of its encoder for a batch of pictures.
        sequences: `(batch, tokens)`, from the start token on; `batch` is that of the pictures or
            a multiple, neighbouring sequences sharing a picture.
        refinements: passes; each gives its attention to the next one as feedback. A decoder without
            location feedback makes one alone.

    Returns:
        `(batch, tokens - 1, vocabulary)` float32 logits of the tokens behind the start; and
        `(batch, tokens - 1, cells)`, mean attention of the guided heads when the token is
        predicted, None if the model has none.
    """
    inputs = sequences[:, :-1]
    has_feedback = model.config.decoder.location_feedback
    attention = locations = covered = None
    for _ in range(refinements if has_feedback else 1):
        if has_feedback and attention is not None:
            columns = int(memory.grid_shape[0, 1])
            locations, covered = model.decoder.feedback(inputs, attention, columns)
        output = model(
            encoder_outputs=memory,
            decoder_input_ids=inputs,
            locations=locations,
            covered=covered,
            use_cache=False,
            output_guided=True,
        )
        attention = mean_attention(output.guided_logits) if output.guided_logits else None
    return output.logits.float(), attention


def token_log_probabilities(
    logits: torch.Tensor, sequences: torch.Tensor, end: int
) -> torch.Tensor:
    """`(batch, tokens - 1)` logarithms of the probabilities of the tokens behind the start.

    Args:
        logits: of `sequence_logits`, divided by the temperature.
        sequences: `(batch, tokens)`.
        end: id of the end token; tokens behind it are padding and get 0.
    """
    log_probabilities = logits.log_softmax(dim=-1)
    chosen = log_probabilities.gather(2, sequences[:, 1:, None])[..., 0]
    ended = (sequences[:, :-1] == end).cumsum(dim=1) > 0
    return chosen.masked_fill(ended, 0.0)


def sequence_details(
    model: Any,
    memory: Any,
    sequences: torch.Tensor,
    refinements: int = _REFINEMENTS,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """`token_log_probabilities` at the model's temperature, and the attention.

    Arguments and attention are those of `sequence_logits`.
    """
    logits, attention = sequence_logits(model, memory, sequences, refinements)
    temperature, end = model.config.decoder.token_temperature, model.config.eos_token_id
    return token_log_probabilities(logits / temperature, sequences, end), attention


def _with_length(model: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `generate` with `max_length` alone, the decoder's own where none is set."""
    is_unset = model.generation_config.max_length in UNSET_LENGTHS
    if is_unset and not any(name in kwargs for name in LENGTHS):
        kwargs["max_length"] = model.config.decoder.max_position_embeddings
    if kwargs.get("max_new_tokens"):  # beside max_length, `generate` warns of it
        kwargs["max_length"] = kwargs.pop("max_new_tokens") + 1
    return kwargs


def _encode(
    model: Any,
    inputs: dict[str, torch.Tensor],
    scales: Sequence[float],
    allowed_tokens: torch.Tensor | None,
) -> list[Any]:
    """Views of a batch of pictures: as they are, and at each scale."""
    pixel_values = inputs["pixel_values"].to(model.device, model.dtype)
    pixel_mask = inputs["pixel_mask"].to(model.device)
    sizes = [rescale(pixel_values, pixel_mask, scale) for scale in scales]
    views = [model.get_encoder()(*one) for one in [(pixel_values, pixel_mask), *sizes]]
    if allowed_tokens is not None:
        for view in views:
            view["allowed_tokens"] = allowed_tokens.to(model.device).expand(len(pixel_values), -1)
    return views


def _laid_out(found: Decoded, memory: Any) -> Decoded:
    """The same with `attention` in the rows and columns of the grid."""
    if found.attention is None:
        return found
    rows, columns = memory.grid_shape[0].tolist()
    attention = found.attention.reshape(*found.attention.shape[:2], rows, columns)
    return replace(found, attention=attention)


def _search_and_rescore(
    model: Any,
    views: Sequence[Any],
    beams: int,
    wanted: int,
    longest: int,
    bidirectional: bool,
    locked: Mapping[int, int],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Beam search over the views and rescoring by them, in both directions if `bidirectional`.

    Returns:
        `wanted` sequences for each picture, the likeliest first, and their log-probabilities.
    """
    config, device = model.config, model.device
    count = max(_CANDIDATES, wanted)
    found = _hypotheses(model, views, beams, longest, locked=locked)
    candidates = [list(one)[:count] for one in found]
    certain: list[int] = []
    uncertain: list[int] = []
    for picture, one in enumerate(found):
        lead = [*one.values()]
        is_certain = wanted == 1 and (len(lead) == 1 or lead[0] - lead[1] >= _CERTAIN)
        (certain if is_certain else uncertain).append(picture)
        if is_certain:
            candidates[picture] = candidates[picture][:1]
    if bidirectional and uncertain:
        selected = [view.select(torch.tensor(uncertain, device=device)) for view in views]
        start = config.reverse_start_token_id
        mirrored = _hypotheses(model, selected, beams, longest, start)
        for picture, one in zip(uncertain, mirrored, strict=True):
            turned = [tokens[::-1] for tokens in list(one)[:count]]
            candidates[picture] += [
                tokens
                for tokens in turned
                if tokens not in candidates[picture]
                and (model.grammar is None or is_formula(model.grammar, tokens))
            ]
    best: list[list[Tokens]] = [[] for _ in candidates]
    scores = torch.zeros(len(candidates), wanted, device=device)
    for group in filter(None, (certain, uncertain)):
        pictures = torch.tensor(group, device=device)
        selected = [view.select(pictures) for view in views]
        lists = [candidates[picture] for picture in group]
        chosen, scores[pictures] = _rescore(model, selected, lists, bidirectional, wanted)
        for picture, rows in zip(group, chosen, strict=True):
            best[picture] = rows
    every = [row for rows in best for row in rows]
    return _stack(every, config.decoder_start_token_id, config).to(device), scores.flatten()


def _hypotheses(
    model: Any,
    views: Sequence[Any],
    beams: int,
    longest: int,
    start: int | None = None,
    locked: Mapping[int, int] = MappingProxyType({}),
) -> list[dict[Tokens, float]]:
    """For each picture its sequences, the likeliest first, and their log-probabilities."""
    found = decode(model, views, longest, beams, start, locked=locked)
    hypotheses: list[dict[Tokens, float]] = [{} for _ in views[0].last_hidden_state]
    tokens = found.tokens(model.config.eos_token_id)
    for picture, row, score in zip(found.pictures, tokens, found.log_probabilities, strict=True):
        hypotheses[picture][row] = float(score)
    return hypotheses


def _rescore(
    model: Any,
    views: Sequence[Any],
    candidates: Sequence[Sequence[Tokens]],
    bidirectional: bool,
    wanted: int,
) -> tuple[list[list[Tokens]], torch.Tensor]:
    """The `wanted` best candidates by the mean of the log-probabilities of all views.

    Args:
        model: scores them.
        views: of the pictures at each size.
        candidates: for each picture different sequences.
        bidirectional: whether each view scores them from right to left, too.
        wanted: how many for each picture; where there are fewer candidates, the last one again.

    Returns:
        For each picture its best candidates, the likeliest first, and their log-probabilities,
        `(pictures, wanted)`.
    """
    count = max(wanted, *map(len, candidates))
    # A batch needs as many for each picture.
    filled = [[*row, *[row[-1]] * (count - len(row))] for row in candidates]
    directions = [(model.config.decoder_start_token_id, 1)]
    directions += [(model.config.reverse_start_token_id, -1)] if bidirectional else []
    stacked = [
        _stack([row[::turn] for rows in filled for row in rows], start, model.config)
        for start, turn in directions
    ]
    every = [
        sequence_details(model, view, sequences.to(model.device), _FEW_REFINEMENTS)[0].sum(dim=1)
        for view in views
        for sequences in stacked
    ]
    scores = torch.stack(every).mean(dim=0).view(len(candidates), count)
    if len(every) > 1:  # a mean over views is more often right than it is likely
        scores = scores / model.config.decoder.rescoring_temperature
    ranked = scores.clone()
    for picture, row in enumerate(candidates):
        ranked[picture, len(row) :] = -torch.inf  # repetitions come last
    best = ranked.topk(wanted, dim=1).indices
    chosen = [
        [row[place] for place in places] for row, places in zip(filled, best.tolist(), strict=True)
    ]
    return chosen, scores.gather(1, best)


def _stack(rows: Sequence[Tokens], start: int, config: Any) -> torch.Tensor:
    task = SearchTask(start, config.eos_token_id, config.pad_token_id, longest=0)
    return torch.from_numpy(stack_sequences(rows, task))


__all__ = [
    "PRESETS",
    "check_preset",
    "decode",
    "generate_with_details",
    "generate_with_probabilities",
    "rescale",
    "sequence_details",
    "sequence_logits",
    "token_log_probabilities",
]
