"""Transformer decoder: cached, pre-norm, with supervised attention and feedback of its places."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import DynamicLayer, EncoderDecoderCache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_inktex import InktexDecoderConfig
from .feedback_inktex import UNKNOWN, FeedbackState, inkless_tokens, sequence_feedback
from .layers_inktex import CachingModule, sinusoids

CACHE = next(
    one.name
    for one in fields(BaseModelOutputWithPastAndCrossAttentions)
    if one.name in ("cache", "past_key_values")
)
"""Name that transformers has for the cache of keys and values: `past_key_values` before 5.24."""


@dataclass
class InktexDecoderOutput(BaseModelOutputWithPastAndCrossAttentions):
    """Output of a decoder.

    Attributes:
        guided_logits: scores of the guided heads before the softmax, `(batch, heads, tokens,
            cells)` for each guided layer.
    """

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
        self.coverage_key = (
            CoverageKey(config.num_attention_heads, self.head_dim)
            if cross and config.coverage_feedback
            else None
        )

    def forward(
        self,
        hidden: torch.Tensor,
        memory: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        cache: EncoderDecoderCache | None = None,
        guided_heads: int = 0,
        covered: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Attend: `(batch, tokens, hidden)` to the same, the weights (eager only), guided logits.

        The batch may be a multiple of the memory's: neighbouring sequences then share a picture,
        whose keys and values are computed once.
        """
        batch, tokens, size = hidden.shape
        key, value = self._keys_and_values(hidden, memory, cache)
        groups = batch // key.shape[0]
        query = self.q_proj(hidden).view(key.shape[0], groups * tokens, -1, self.head_dim)
        query = query.transpose(1, 2)
        scaled = query * self.scaling
        if self.coverage_key is not None and covered is not None:
            covered = covered.reshape(*query.shape[::2], -1)
            gain = self.coverage_key.gain(scaled).to(query.dtype)
            bias = gain.new_zeros(1) if attention_mask is None else attention_mask
            covered = covered[:, None].to(gain.dtype)
            attention_mask = torch.addcmul(_added(bias, gain.dtype), gain, covered)
        if torch.is_grad_enabled():
            # Fused kernels compute no gradient of the added mask: torch's fallback for them
            # works in float32, and computes the scores of the guided heads a second time.
            if self.is_causal and attention_mask is None:
                attention_mask = _causal(tokens, key)
            scores = attention_scores(scaled, key, attention_mask)
            weights = scores.softmax(dim=-1)
            output = (weights @ value).transpose(1, 2)
        else:
            attend: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS.get_interface(
                self.config._attn_implementation, eager_attention
            )
            output, weights = attend(
                self, query, key, value, attention_mask, dropout=0.0, scaling=self.scaling
            )
            scores = None
        logits = None
        if guided_heads:
            if scores is None:
                mask = attention_mask  # one for all heads, or one for each
                mask = None if mask is None else mask[:, :guided_heads]
                scores = attention_scores(scaled[:, :guided_heads], key[:, :guided_heads], mask)
            logits = scores[:, :guided_heads].reshape(
                key.shape[0], guided_heads, groups, tokens, -1
            )
            logits = logits.transpose(1, 2).flatten(0, 1)
        return self.out_proj(output.reshape(batch, tokens, size)), weights, logits

    def _keys_and_values(
        self,
        hidden: torch.Tensor,
        memory: torch.Tensor | None,
        cache: EncoderDecoderCache | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.cross and cache is not None and cache.is_updated.get(self.layer_idx):
            layer = cache.cross_attention_cache.layers[self.layer_idx]
            return layer.keys, layer.values
        source = memory if self.cross else hidden
        if source is None:
            raise ValueError(
                "Cross-attention needs the encoder's memory, or a cache that holds it."
            )
        shape = (*source.shape[:-1], -1, self.head_dim)
        key = self.k_proj(source).view(shape).transpose(1, 2)
        value = self.v_proj(source).view(shape).transpose(1, 2)
        if cache is not None:
            own = cache.cross_attention_cache if self.cross else cache.self_attention_cache
            key, value = own.update(key, value, self.layer_idx)
            if self.cross:
                cache.is_updated[self.layer_idx] = True
        return key, value


def attention_scores(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Attention scores, `(batch, heads, tokens, keys)`.

    The mask is added inside the product: a pass over the scores costs as much as the product.

    Args:
        query: `(batch, heads, tokens, size)`, scaled.
        key: `(batch, heads, keys, size)`.
        mask: `(batch, 1 or heads, 1 or tokens, keys)`, bool or added.
    """
    if mask is None:
        return query @ key.transpose(2, 3)
    mask = _added(mask, query.dtype)
    if mask.shape[:3] != query.shape[:3]:
        return query @ key.transpose(2, 3) + mask
    products = torch.baddbmm(
        mask.flatten(0, 1), query.flatten(0, 1), key.flatten(0, 1).transpose(1, 2)
    )
    return products.unflatten(0, query.shape[:2])


def _added(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """An attention mask, bool or additive, as an additive one of a type."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    # Half of the lowest: together with a score it must not become infinite.
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min / 2)


def _causal(tokens: int, key: torch.Tensor) -> torch.Tensor:
    """`(1, 1, tokens, keys)` bool mask of causal attention for the last `tokens` of `keys`."""
    keys = key.shape[-2]
    return key.new_ones((tokens, keys), dtype=torch.bool).tril(keys - tokens)[None, None]


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
        cache: EncoderDecoderCache | None,
        output_guided: bool,
        covered: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """New hidden states, self-attention, cross-attention, guided logits (each may be None)."""
        update, weights, _ = self.self_attn(
            self.self_attn_norm(hidden),
            attention_mask=causal_mask,
            cache=cache,
        )
        hidden = hidden + self.dropout(update)
        update, cross_weights, guided = self.cross_attn(
            self.cross_attn_norm(hidden),
            memory=memory,
            attention_mask=memory_mask,
            cache=cache,
            guided_heads=self.guided_heads if output_guided else 0,
            covered=covered,
        )
        hidden = hidden + self.dropout(update)
        hidden = hidden + self.dropout(self.mlp(self.mlp_norm(hidden)))
        return hidden, weights, cross_weights, guided


class LocationEmbedding(nn.Module):
    """Linear layer over the sinusoids of a token's row and column, which the encoder uses too.

    It starts at zero, so that training can add it to a checkpoint without it.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, size))

    def forward(self, locations: torch.Tensor) -> torch.Tensor:
        """`(batch, tokens, 2)` rows and columns, in cells, to `(batch, tokens, size)`."""
        return embed_locations(locations, self.weight)


def embed_locations(
    locations: torch.Tensor, weight: torch.Tensor, rates: torch.Tensor | None = None
) -> torch.Tensor:
    """Locations `(..., 2)` to vectors `(..., size)`, zero where unknown.

    Args:
        locations: rows and columns, in cells.
        weight: of the `LocationEmbedding`.
        rates: of `sinusoid_rates`, if computed before.
    """
    known = locations[..., :1] != UNKNOWN
    places = sinusoids(locations, weight.shape[0] // 2, rates).flatten(-2)
    return nn.functional.linear(places.to(weight.dtype), weight) * known


class CoverageKey(nn.Module):
    """A vector per head that is added to the keys of cells, times their coverage.

    It starts at zero, so that training can add it to a checkpoint without it.
    """

    def __init__(self, heads: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(heads, size))

    def gain(self, query: torch.Tensor) -> torch.Tensor:
        """Attention score that a cell gains when it has been read.

        Args:
            query: `(batch, heads, tokens, size)`, scaled.

        Returns:
            `(batch, heads, tokens, 1)`.
        """
        return (query * self.weight[:, None]).sum(dim=-1, keepdim=True)


def mean_attention(guided_logits: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean attention map of the guided heads, `(batch, tokens, cells)` float32.

    Args:
        guided_logits: `(batch, heads, tokens, cells)` for each guided layer.
    """
    weights = [logits.float().softmax(dim=-1).mean(dim=1) for logits in guided_logits]
    return torch.stack(weights).mean(dim=0)


class InktexDecoder(CachingModule):
    """Tokens and memory to hidden states.

    `derived_weights` holds the fused weights of `step_inktex`.
    """

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
        self.location_embedding = (
            LocationEmbedding(config.hidden_size) if config.location_feedback else None
        )

    def forward(
        self,
        input_ids: torch.Tensor,
        memory: torch.Tensor | None,
        attention_mask: torch.Tensor | None = None,
        memory_mask: torch.Tensor | None = None,
        cache: EncoderDecoderCache | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        output_guided: bool = False,
        locations: torch.Tensor | None = None,
        columns: int | None = None,
        covered: torch.Tensor | None = None,
    ) -> InktexDecoderOutput:
        """Decode.

        Args:
            input_ids: `(batch, tokens)`; `batch` is a whole multiple of the memory's, neighbouring
                sequences sharing a picture.
            memory: `(pictures, cells, hidden)`.
            attention_mask: `(batch, tokens so far)`, 0 for padding among the tokens.
            memory_mask: `(pictures, cells)` bool, true where there is picture.
            cache: of the tokens before and of the memory.
            output_attentions, output_hidden_states: whether to return them.
            output_guided: whether to return the guided heads' scores.
            locations: `(batch, tokens, 2)`, row and column of each token's ink, in cells, -1
                where unknown; only for a decoder with location feedback. If left out, the cache
                gives that of the first token.
            columns: of the grid of cells; needed for location feedback with a cache.
            covered: `(batch, tokens, cells)`, from 0 to 1, cells that had been read at each token;
                only for a decoder with coverage feedback, else as `locations`.
        """
        past = 0 if cache is None else cache.get_seq_length()
        positions = torch.arange(input_ids.shape[1], device=input_ids.device) + past
        embedded = self.embed_tokens(input_ids)
        hidden = self.embed_norm(embedded)
        hidden = hidden + sinusoids(positions, self.config.hidden_size).to(embedded.dtype)
        stores_feedback = self.location_embedding is not None and cache is not None
        if self.location_embedding is not None:
            if locations is None:
                locations, covered = self._cached_feedback(input_ids, cache, columns)
            hidden = hidden + self.location_embedding(locations)
        hidden = self.dropout(hidden)
        causal_mask = create_causal_mask(
            config=self.config,
            inputs_embeds=embedded,
            attention_mask=attention_mask,
            **{CACHE: cache.self_attention_cache if cache else None},
        )
        keep = self._cross_mask(memory_mask, embedded.dtype)
        every_hidden: list[torch.Tensor] = []
        collected: list[list[torch.Tensor]] = [[], [], []]
        for layer in self.layers:
            every_hidden.append(hidden)
            hidden, *extras = layer(
                hidden, memory, causal_mask, keep, cache, output_guided or stores_feedback,
                covered,
            )  # fmt: skip
            for column, extra in zip(collected, extras, strict=True):
                if extra is not None:
                    column.append(extra)
        if stores_feedback and columns is not None:
            self._store_feedback(cache, collected[2], covered)
        hidden = self.norm(hidden)
        every_hidden.append(hidden)
        return InktexDecoderOutput(
            last_hidden_state=hidden,
            **{CACHE: cache},
            hidden_states=tuple(every_hidden) if output_hidden_states else None,
            attentions=tuple(collected[0]) if output_attentions else None,
            cross_attentions=tuple(collected[1]) if output_attentions else None,
            guided_logits=tuple(collected[2]) if output_guided else None,
        )

    def feedback(
        self, input_ids: torch.Tensor, attention: torch.Tensor, columns: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`locations` and `covered` of `forward` for sequences whose attention is known.

        Args:
            input_ids: `(batch, tokens)` of `forward`.
            attention: `(batch, tokens, cells)`, mean attention of the guided heads at each of them.
            columns: of the grid of cells.
        """
        inkless = self.inkless(input_ids.device)[input_ids]
        locations, covered = sequence_feedback(attention, inkless, columns)
        return locations, covered if self.config.coverage_feedback else None

    def inkless(self, device: torch.device) -> torch.Tensor:
        """`(vocabulary,)` bool, true for tokens without a place in the picture."""
        found = torch.zeros(self.config.vocab_size, dtype=torch.bool, device=device)
        found[inkless_tokens(self.config.grammar)] = True
        return found

    def _cross_mask(
        self, memory_mask: torch.Tensor | None, dtype: torch.dtype
    ) -> torch.Tensor | None:
        """`(pictures, 1, 1, cells)` mask of cross-attention, in the form its kernel takes."""
        if memory_mask is None:
            return None
        keep = memory_mask[:, None, None, :]
        if self.config._attn_implementation == "sdpa":
            return keep
        return torch.zeros_like(keep, dtype=dtype).masked_fill(~keep, torch.finfo(dtype).min)

    def _cached_feedback(
        self, input_ids: torch.Tensor, cache: EncoderDecoderCache | None, columns: int | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`locations` and `covered` for tokens that follow those of the cache.

        The cache knows the attention that predicted the first of them alone.
        """
        locations = torch.full((*input_ids.shape, 2), UNKNOWN, device=input_ids.device)
        layer = None if cache is None else self._feedback_layer(cache)
        if layer is None or columns is None or not layer.get_seq_length():
            return locations, None
        inkless = self.inkless(input_ids.device)[:, None]
        state = FeedbackState(layer.values[:, 0, -1].float(), columns, inkless)
        state.update(input_ids[:, 0], layer.keys[:, 0, -1].float())
        locations[:, 0] = state.locations
        if not self.config.coverage_feedback:
            return locations, None
        return locations, state.covered[:, None].expand(-1, input_ids.shape[1], -1)

    def _store_feedback(
        self,
        cache: EncoderDecoderCache,
        guided_logits: Sequence[torch.Tensor],
        covered: torch.Tensor | None,
    ) -> None:
        """Keep the mean attention at each token, and the coverage before it, in the cache."""
        layer = self._feedback_layer(cache)
        if layer is not None:
            attention = mean_attention(guided_logits)
            before = torch.zeros_like(attention) if covered is None else covered
            layer.update(attention[:, None], before[:, None])

    def _feedback_layer(self, cache: EncoderDecoderCache) -> DynamicLayer | None:
        """One more layer of the cache: attention as its keys, coverage as its values."""
        layers = cache.self_attention_cache.layers
        if len(layers) == len(self.layers) and isinstance(layers[0], DynamicLayer):
            layers.append(DynamicLayer())
        return layers[len(self.layers)] if len(layers) > len(self.layers) else None


__all__ = [
    "CACHE", "CoverageKey", "InktexAttention", "InktexDecoder", "InktexDecoderLayer",
    "InktexDecoderOutput", "LocationEmbedding", "embed_locations", "mean_attention",
]  # fmt: skip
