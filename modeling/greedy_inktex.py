"""Greedy search without what a general `generate` has to do at every token."""

from dataclasses import dataclass
from typing import Any

import torch

from .grammar_inktex import GrowingFormulas
from .step_inktex import steps_of


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
    step = steps_of(model, memory, longest)
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
            allowed = torch.where(mask, logits, -torch.inf)
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
    likely = (torch.stack(logits, dim=1) / config.decoder.token_temperature).log_softmax(dim=-1)
    chosen = likely.gather(2, sequences[:, 1:, None])[..., 0]
    ended = (sequences[:, :-1] == config.eos_token_id).cumsum(dim=1) > 0
    return chosen.masked_fill(ended, 0.0)


__all__ = ["GreedyOutput", "greedy_search"]
