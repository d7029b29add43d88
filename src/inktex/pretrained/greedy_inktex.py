"""Greedy search without what a general `generate` has to do at every token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from .decoder_inktex import UNKNOWN, InktexDecoder
from .encoder_inktex import sinusoids
from .grammar_inktex import GrowingFormulas
from .step_inktex import decode_step, look_centres, memory_keys, paper_bias

Step = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]]
"""Reads `(batch,)` tokens; gives the logits of the next ones, and where the guided heads look."""


@dataclass(frozen=True)
class GreedyOutput:
    """What was read.

    Attributes:
        sequences: `(batch, tokens)`, start and end included, padded behind the end.
        log_probabilities: `(batch, tokens - 1)` float32, of what follows the start, at the model's
            temperature; 0 behind the end.
        attention: `(batch, tokens - 1, cells)`, how much the guided heads looked at each cell; None
            if there are none.
    """

    sequences: torch.Tensor
    log_probabilities: torch.Tensor
    attention: torch.Tensor | None


@torch.no_grad()
def greedy_search(model: Any, memory: Any, longest: int) -> GreedyOutput:
    """The likeliest token after the likeliest token, from left to right, by the grammar.

    The same tokens as `generate` gives with one beam, and in the same pass their probabilities and
    their places, which `generate` keeps to itself.

    Args:
        model: an `InktexForConditionalGeneration` in evaluation mode.
        memory: what its encoder gave for a batch of pictures.
        longest: sequences have at most this many tokens, start and end included.
    """
    config = model.config
    batch = len(memory.last_hidden_state)
    device = memory.last_hidden_state.device
    is_transformer = isinstance(model.decoder, InktexDecoder)
    step = (_transformer_step if is_transformer else _any_step)(model, memory, longest)
    formulas = None
    if model.grammar is not None:
        formulas = GrowingFormulas(model.grammar, batch, longest - 1)
    tokens = torch.full((batch,), config.decoder_start_token_id, device=device)
    going = [True] * batch
    sequences, every_logits, looks = [tokens], [], []
    while any(going) and len(sequences) < longest:
        logits, look = step(tokens)
        logits = logits.float()
        allowed = logits
        if formulas is not None:
            mask = torch.from_numpy(formulas.allowed()).to(device)
            allowed = logits.masked_fill(~mask, -torch.inf)
        tokens = allowed.argmax(dim=-1)
        if not all(going):
            tokens = tokens.masked_fill(~torch.tensor(going, device=device), config.pad_token_id)
        chosen: list[int] = tokens.tolist()
        if formulas is not None:
            formulas.append(chosen)
        going = [
            goes and token != config.eos_token_id for goes, token in zip(going, chosen, strict=True)
        ]
        sequences.append(tokens)
        every_logits.append(logits)
        if look is not None:
            looks.append(look)
    written = torch.stack(sequences, dim=1)
    return GreedyOutput(
        written,
        _log_probabilities(every_logits, written, config),
        torch.stack(looks, dim=1) if looks else None,
    )


def _log_probabilities(
    logits: list[torch.Tensor], sequences: torch.Tensor, config: Any
) -> torch.Tensor:
    """Of what follows the start, once for all tokens."""
    likely = (torch.stack(logits, dim=1) / config.decoder.temperature).log_softmax(dim=-1)
    chosen = likely.gather(2, sequences[:, 1:, None])[..., 0]
    ended = (sequences[:, :-1] == config.eos_token_id).cumsum(dim=1) > 0
    return chosen.masked_fill(ended, 0.0)


def _transformer_step(model: Any, memory: Any, longest: int) -> Step:
    """Steps of the Transformer decoder, which remember what was read and where."""
    decoder: InktexDecoder = model.decoder
    hidden = memory.last_hidden_state
    columns = int(memory.grid_shape[0, 1])
    over_memory = memory_keys(decoder, hidden)
    bias = None
    if memory.attention_mask is not None:
        bias = paper_bias(memory.attention_mask, hidden.dtype)
    places = sinusoids(torch.arange(longest, device=hidden.device), decoder.config.hidden_size)
    inkless = decoder.inkless(hidden.device)
    past: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None
    position = 0
    found: torch.Tensor | None = None

    def step(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        nonlocal past, position, found
        told = None
        if decoder.location_embedding is not None:
            if found is None:
                told = torch.full((len(tokens), 2), UNKNOWN, device=tokens.device)
            else:
                told = found.masked_fill(inkless[tokens, None], UNKNOWN)
        output = decode_step(
            decoder, model.lm_head, tokens, places[position], told, past, over_memory, bias
        )
        past = output.keys, output.values
        position += 1
        if decoder.location_embedding is not None and output.look is not None:
            found = look_centres(output.look, columns)
        return output.logits, output.look

    return step


def _any_step(model: Any, memory: Any, _: int) -> Step:
    """Steps of whatever decoder the model has."""
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def step(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        output = model(
            encoder_outputs=memory,
            decoder_input_ids=tokens[:, None],
            past_key_values=cache,
            use_cache=True,
            output_guided=True,
        )
        look = None
        if output.guided_logits:
            heads = [
                guided[:, :, -1].float().softmax(-1).mean(1) for guided in output.guided_logits
            ]
            look = torch.stack(heads).mean(dim=0)
        return output.logits[:, -1], look

    return step


__all__ = ["GreedyOutput", "greedy_search"]
