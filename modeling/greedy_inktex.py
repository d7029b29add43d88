"""Greedy search without what a general `generate` has to do at every token."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from .grammar_inktex import GrammarLogitsProcessor


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
    sequences = torch.full((batch, 1), config.decoder_start_token_id, device=device)
    going = torch.ones(batch, dtype=torch.bool, device=device)
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    constrain = None if model.grammar is None else GrammarLogitsProcessor(model.grammar, longest)
    scores: list[torch.Tensor] = []
    looks: list[torch.Tensor] = []
    while bool(going.any()) and sequences.shape[1] < longest:
        output = model(
            encoder_outputs=memory,
            decoder_input_ids=sequences[:, -1:],
            past_key_values=cache,
            use_cache=True,
            output_guided=True,
        )
        logits = output.logits[:, -1].float()
        allowed = logits if constrain is None else constrain(sequences, logits)
        chosen = allowed.argmax(dim=-1).masked_fill(~going, config.pad_token_id)
        likely = (logits / config.decoder.temperature).log_softmax(dim=-1)
        scores.append(likely.gather(1, chosen[:, None])[:, 0].masked_fill(~going, 0.0))
        if output.guided_logits:
            heads = [
                guided[:, :, -1].float().softmax(-1).mean(1) for guided in output.guided_logits
            ]
            looks.append(torch.stack(heads).mean(dim=0))
        sequences = torch.cat([sequences, chosen[:, None]], dim=1)
        going = going & (chosen != config.eos_token_id)
    return GreedyOutput(
        sequences, torch.stack(scores, dim=1), torch.stack(looks, dim=1) if looks else None
    )


__all__ = ["GreedyOutput", "greedy_search"]
