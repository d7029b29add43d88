"""One step of the Transformer decoder, for one new token, with nothing around it.

What `InktexDecoder` computes in evaluation mode, without what training and `generate` need: masks
that are the same at every step, output classes, a cache that can be reordered. Greedy search runs
it, and it is what is exported to ONNX.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from .decoder_inktex import InktexAttention, InktexDecoder, InktexDecoderLayer, centres


@dataclass
class StepOutput:
    """What a step gives.

    Attributes:
        logits: `(batch, vocabulary)`, of the next token.
        keys, values: for each layer `(batch, heads, tokens so far, size)`.
        look: `(batch, cells)` float32, how much the guided heads look at each cell; None if there
            are none.
    """

    logits: torch.Tensor
    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    look: torch.Tensor | None


def memory_keys(
    decoder: InktexDecoder, memory: torch.Tensor
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Keys and values of the memory, for each layer `(pictures, heads, cells, size)`.

    Args:
        decoder: whose they are.
        memory: `(pictures, cells, hidden)`.
    """
    attentions = [_layer(layer).cross_attn for layer in decoder.layers]
    return (
        [_heads(one, one.k_proj(memory)) for one in attentions],
        [_heads(one, one.v_proj(memory)) for one in attentions],
    )


def paper_bias(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What keeps attention off the padding: `(pictures, cells)` bool to `(pictures, 1, 1, cells)`.

    Args:
        mask: true where there is picture.
        dtype: of the attention's scores, to which it is added.
    """
    bias = torch.zeros_like(mask, dtype=dtype)
    return bias.masked_fill(~mask, torch.finfo(dtype).min)[:, None, None]


def decode_step(
    decoder: InktexDecoder,
    head: nn.Module,
    tokens: torch.Tensor,
    place: torch.Tensor,
    locations: torch.Tensor | None,
    past: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]] | None,
    memory: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]],
    bias: torch.Tensor | None,
) -> StepOutput:
    """Read one token, and say what may come next.

    Args:
        decoder: in evaluation mode.
        head: from its hidden states to logits.
        tokens: `(batch,)`.
        place: `(hidden,)`, the sinusoids of the token's position.
        locations: `(batch, 2)`, row and column of the token's ink, in cells, -1 where there is
            none; only for a decoder with location feedback.
        past: keys and values that the step before gave; None at the first token.
        memory: keys and values of `memory_keys`, of as many pictures as there are tokens.
        bias: of `paper_bias`, None where every cell has picture under it.
    """
    embedded = decoder.embed_tokens(tokens)
    hidden = decoder.embed_norm(embedded) + place.to(embedded.dtype)
    if locations is not None and decoder.location_embedding is not None:
        hidden = hidden + decoder.location_embedding(locations)
    every_key, every_value, looks = [], [], []
    for number, module in enumerate(decoder.layers):
        layer = _layer(module)
        own, cross = layer.self_attn, layer.cross_attn
        narrow = layer.self_attn_norm(hidden)[:, None]
        key, value = _heads(own, own.k_proj(narrow)), _heads(own, own.v_proj(narrow))
        if past is not None:
            key = torch.cat([past[0][number], key], dim=2)
            value = torch.cat([past[1][number], value], dim=2)
        every_key.append(key)
        every_value.append(value)
        update, _ = _attend(own, narrow, key, value, None)
        hidden = hidden + update
        narrow = layer.cross_attn_norm(hidden)[:, None]
        update, weights = _attend(cross, narrow, memory[0][number], memory[1][number], bias)
        hidden = hidden + update
        hidden = hidden + layer.mlp(layer.mlp_norm(hidden))
        if layer.guided_heads:
            looks.append(weights[:, : layer.guided_heads, 0].mean(dim=1))
    look = torch.stack(looks).mean(dim=0) if looks else None
    return StepOutput(head(decoder.norm(hidden)), every_key, every_value, look)


def look_centres(look: torch.Tensor, columns: int) -> torch.Tensor:
    """Where `(batch, cells)` looks say that the next token is: `(batch, 2)`; see `locate`."""
    return centres(look.square(), columns)


def _attend(
    attention: InktexAttention,
    hidden: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bias: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`(batch, 1, hidden)` to `(batch, hidden)`, and the weights `(batch, heads, 1, keys)`."""
    query = _heads(attention, attention.q_proj(hidden)) * attention.scaling
    scores = query @ key.transpose(2, 3)
    if bias is not None:
        scores = scores + bias
    weights = scores.softmax(dim=-1, dtype=torch.float32)
    context = weights.to(value.dtype) @ value
    return attention.out_proj(context.flatten(1)), weights


def _heads(attention: InktexAttention, projected: torch.Tensor) -> torch.Tensor:
    """`(batch, tokens, hidden)` to `(batch, heads, tokens, size)`."""
    return projected.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)


def _layer(module: nn.Module) -> InktexDecoderLayer:
    assert isinstance(module, InktexDecoderLayer)
    return module


__all__ = ["StepOutput", "decode_step", "look_centres", "memory_keys", "paper_bias"]
