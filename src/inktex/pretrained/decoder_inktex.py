"""Transformer decoder: cached, pre-norm, with cross-attention heads that can be guided."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache, EncoderDecoderCache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import ModelOutput

from .configuration_inktex import InktexDecoderConfig
from .densenet_inktex import sinusoids


@dataclass
class InktexDecoderOutput(ModelOutput):
    """What the decoder makes of tokens and memory.

    Attributes:
        last_hidden_state: `(batch, tokens, hidden)`.
        past_key_values: the cache.
        guided_logits: for each guided layer `(batch, heads, tokens, cells)`, before the softmax.
    """

    last_hidden_state: torch.Tensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    cross_attentions: tuple[torch.Tensor, ...] | None = None
    guided_logits: tuple[torch.Tensor, ...] | None = None


def eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention written out; queries `(batch, heads, queries, size)`."""
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask[..., : key.shape[-2]]
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).transpose(1, 2).contiguous(), weights


class InktexAttention(nn.Module):
    """Multi-head attention, over the tokens before or over the encoder's memory."""

    def __init__(self, config: InktexDecoderConfig, layer_idx: int, cross: bool) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.is_causal = not cross
        self.cross = cross
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        hidden: torch.Tensor,
        memory: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        guided_heads: int = 0,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """`(batch, tokens, hidden)` to the same, the weights (eager only) and guided logits.

        The batch may be a multiple of the memory's: then each picture is read by several
        neighbouring sequences, and its keys and values are computed once for all of them.
        """
        batch, tokens, size = hidden.shape
        key, value = self._keys_and_values(hidden, memory, past_key_values)
        groups = batch // key.shape[0]
        query = self.q_proj(hidden).view(key.shape[0], groups * tokens, -1, self.head_dim)
        query = query.transpose(1, 2)
        attend: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention
        )
        output, weights = attend(
            self, query, key, value, attention_mask, dropout=0.0, scaling=self.scaling
        )
        logits = None
        if guided_heads:
            logits = query[:, :guided_heads] @ key[:, :guided_heads].transpose(2, 3) * self.scaling
            if attention_mask is not None:
                logits = (
                    logits.masked_fill(~attention_mask, torch.finfo(logits.dtype).min)
                    if attention_mask.dtype == torch.bool
                    else logits + attention_mask
                )
            logits = logits.view(key.shape[0], guided_heads, groups, tokens, -1)
            logits = logits.transpose(1, 2).flatten(0, 1)
        return self.out_proj(output.reshape(batch, tokens, size)), weights, logits

    def _keys_and_values(
        self,
        hidden: torch.Tensor,
        memory: torch.Tensor | None,
        past_key_values: EncoderDecoderCache | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if (
            self.cross
            and past_key_values is not None
            and past_key_values.is_updated.get(self.layer_idx)
        ):
            layer = past_key_values.cross_attention_cache.layers[self.layer_idx]
            return layer.keys, layer.values
        source = memory if self.cross else hidden
        if source is None:
            raise ValueError(
                "Cross-attention needs the encoder's memory, or a cache that holds it."
            )
        shape = (*source.shape[:-1], -1, self.head_dim)
        key = self.k_proj(source).view(shape).transpose(1, 2)
        value = self.v_proj(source).view(shape).transpose(1, 2)
        if past_key_values is not None:
            cache = (
                past_key_values.cross_attention_cache
                if self.cross
                else past_key_values.self_attention_cache
            )
            key, value = cache.update(key, value, self.layer_idx)
            if self.cross:
                past_key_values.is_updated[self.layer_idx] = True
        return key, value


class InktexDecoderLayer(GradientCheckpointingLayer):
    """Self-attention, cross-attention and feed-forward, each behind a layer normalisation."""

    def __init__(self, config: InktexDecoderConfig, layer_idx: int) -> None:
        super().__init__()
        size = config.hidden_size
        self.self_attn_norm = nn.LayerNorm(size)
        self.self_attn = InktexAttention(config, layer_idx, cross=False)
        self.cross_attn_norm = nn.LayerNorm(size)
        self.cross_attn = InktexAttention(config, layer_idx, cross=True)
        self.mlp_norm = nn.LayerNorm(size)
        self.mlp = nn.Sequential(
            nn.Linear(size, config.intermediate_size),
            nn.GELU(),
            nn.Linear(config.intermediate_size, size),
        )
        self.dropout = nn.Dropout(config.dropout)
        self.guided_heads = config.guided_heads if layer_idx in config.guided_layers else 0

    def forward(
        self,
        hidden: torch.Tensor,
        memory: torch.Tensor | None,
        causal_mask: torch.Tensor | None,
        memory_mask: torch.Tensor | None,
        past_key_values: EncoderDecoderCache | None,
        output_guided: bool,
    ) -> tuple[torch.Tensor, ...]:
        """New hidden states, self-attention, cross-attention, guided logits (each may be None)."""
        update, weights, _ = self.self_attn(
            self.self_attn_norm(hidden),
            attention_mask=causal_mask,
            past_key_values=past_key_values,
        )
        hidden = hidden + self.dropout(update)
        update, cross_weights, guided = self.cross_attn(
            self.cross_attn_norm(hidden),
            memory=memory,
            attention_mask=memory_mask,
            past_key_values=past_key_values,
            guided_heads=self.guided_heads if output_guided else 0,
        )
        hidden = hidden + self.dropout(update)
        hidden = hidden + self.dropout(self.mlp(self.mlp_norm(hidden)))
        return hidden, weights, cross_weights, guided


class InktexDecoder(nn.Module):
    """Tokens and memory to hidden states."""

    def __init__(self, config: InktexDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(
            config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id
        )
        self.embed_norm = nn.LayerNorm(config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            InktexDecoderLayer(config, index) for index in range(config.num_hidden_layers)
        )
        self.norm = nn.LayerNorm(config.hidden_size)

    def forward(
        self,
        input_ids: torch.Tensor,
        memory: torch.Tensor | None,
        attention_mask: torch.Tensor | None = None,
        memory_mask: torch.Tensor | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        output_guided: bool = False,
    ) -> InktexDecoderOutput:
        """Decode.

        Args:
            input_ids: `(batch, tokens)`; a whole multiple of the memory's batch, see attention.
            memory: `(pictures, cells, hidden)`.
            attention_mask: `(batch, tokens so far)`, 0 for padding among the tokens.
            memory_mask: `(pictures, cells)` bool, true where there is picture.
            past_key_values: cache of the tokens before and of the memory.
        """
        past = 0 if past_key_values is None else past_key_values.get_seq_length()
        positions = torch.arange(input_ids.shape[1], device=input_ids.device) + past
        embedded = self.embed_tokens(input_ids)
        places = sinusoids(positions, self.config.hidden_size)
        hidden = self.dropout(self.embed_norm(embedded) + places.to(embedded.dtype))
        causal_mask = create_causal_mask(
            config=self.config,
            inputs_embeds=embedded,
            attention_mask=attention_mask,
            past_key_values=past_key_values.self_attention_cache if past_key_values else None,
        )
        keep = None
        if memory_mask is not None:
            keep = memory_mask[:, None, None, :]
            if self.config._attn_implementation != "sdpa":
                paper = torch.finfo(embedded.dtype).min
                keep = torch.zeros_like(keep, dtype=embedded.dtype).masked_fill(~keep, paper)
        every_hidden: list[torch.Tensor] = []
        columns: list[list[torch.Tensor]] = [[], [], []]
        for layer in self.layers:
            every_hidden.append(hidden)
            hidden, *extras = layer(
                hidden, memory, causal_mask, keep, past_key_values, output_guided
            )
            for column, extra in zip(columns, extras, strict=True):
                if extra is not None:
                    column.append(extra)
        hidden = self.norm(hidden)
        every_hidden.append(hidden)
        return InktexDecoderOutput(
            last_hidden_state=hidden,
            past_key_values=past_key_values,
            hidden_states=tuple(every_hidden) if output_hidden_states else None,
            attentions=tuple(columns[0]) if output_attentions else None,
            cross_attentions=tuple(columns[1]) if output_attentions else None,
            guided_logits=tuple(columns[2]) if output_guided else None,
        )


__all__ = ["InktexDecoder", "InktexDecoderLayer", "InktexDecoderOutput"]
