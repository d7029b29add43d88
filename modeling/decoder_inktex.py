"""Transformer decoder: cached, pre-norm, with cross-attention heads that can be guided."""

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
from .encoder_inktex import sinusoids
from .grammar_inktex import INKLESS
from .prepared_inktex import PreparingModule

CACHE = next(
    one.name
    for one in fields(BaseModelOutputWithPastAndCrossAttentions)
    if one.name in ("cache", "past_key_values")
)
"""What transformers calls the cache of keys and values: `past_key_values` before 5.24."""


@dataclass
class InktexDecoderOutput(BaseModelOutputWithPastAndCrossAttentions):
    """What the decoder makes of tokens and memory.

    Attributes:
        guided_logits: for each guided layer `(batch, heads, tokens, cells)`, before the softmax.
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
        """`(batch, tokens, hidden)` to the same, the weights (eager only) and guided logits.

        The batch may be a multiple of the memory's: then each picture is read by several
        neighbouring sequences, and its keys and values are computed once for all of them.
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
            # Others write the scores out, too, where their gain is learnt, but in float32, and
            # those of the guided heads a second time.
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

    In as few passes over them as there can be: training spends most of its attention on these.

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
    """An attention mask, bool or added, as one that is added to scores of a type."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    # Half of the lowest: together with a score it must not become infinite.
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min / 2)


def _causal(tokens: int, key: torch.Tensor) -> torch.Tensor:
    """`(1, 1, tokens, keys)` bool: each of the last tokens sees itself and those before."""
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


UNKNOWN = -1.0
"""Row and column of a token that stands nowhere, or nobody knows where."""


class LocationEmbedding(nn.Module):
    """Places in the picture as vectors, in the code that the encoder marks its cells with.

    It starts as zero, so that a checkpoint without it can be trained on with it.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, size))

    def forward(self, locations: torch.Tensor) -> torch.Tensor:
        """`(batch, tokens, 2)` rows and columns, in cells, to `(batch, tokens, size)`."""
        return place_locations(locations, self.weight)


def place_locations(
    locations: torch.Tensor, weight: torch.Tensor, rates: torch.Tensor | None = None
) -> torch.Tensor:
    """Locations `(..., 2)` as vectors `(..., size)`; zero where unknown.

    Args:
        locations: rows and columns, in cells.
        weight: of the `LocationEmbedding`.
        rates: of `sinusoid_rates`, where they are at hand.
    """
    known = locations[..., :1] != UNKNOWN
    places = sinusoids(locations, weight.shape[0] // 2, rates).flatten(-2)
    return nn.functional.linear(places.to(weight.dtype), weight) * known


class CoverageKey(nn.Module):
    """What is added to the keys of cells that have been read, as far as they have been.

    Queries thereby look for what is new, or for what is known. It starts as zero, so that a
    checkpoint without it can be trained on with it.
    """

    def __init__(self, heads: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(heads, size))

    def gain(self, query: torch.Tensor) -> torch.Tensor:
        """What attention scores gain for a cell that has been read.

        Args:
            query: `(batch, heads, tokens, size)`, scaled.

        Returns:
            `(batch, heads, tokens, 1)`.
        """
        return (query * self.weight[:, None]).sum(dim=-1, keepdim=True)


def locate(guided_logits: Sequence[torch.Tensor], columns: int) -> torch.Tensor:
    """Where the guided heads look: `(batch, tokens, 2)` row and column, in cells.

    Args:
        guided_logits: `(batch, heads, tokens, cells)` for each guided layer.
        columns: of the grid of cells.
    """
    return look_centres(mean_look(guided_logits), columns)


def look_centres(looks: torch.Tensor, columns: int) -> torch.Tensor:
    """Where `(..., cells)` looks say that a token is: `(..., 2)` row and column, in cells."""
    return centres(looks.square(), columns)  # of two places the likelier counts more


def mean_look(guided_logits: Sequence[torch.Tensor]) -> torch.Tensor:
    """How much the guided heads look at each cell, `(batch, tokens, cells)`; see `locate`."""
    weights = [logits.float().softmax(dim=-1).mean(dim=1) for logits in guided_logits]
    return torch.stack(weights).mean(dim=0)


def coverage(looks: torch.Tensor) -> torch.Tensor:
    """Which cells have been read before each of some tokens, and before one more.

    Args:
        looks: `(batch, tokens, cells)`, not negative: where each token is, all zero for one that
            stands nowhere.

    Returns:
        `(batch, tokens + 1, cells)`, from 0 to 1; see `add_coverage`.
    """
    shares = _shares(looks)
    nothing = torch.zeros_like(shares[:, :1])
    return torch.cat([nothing, shares], dim=1).cummax(dim=1).values


def centres(weights: torch.Tensor, columns: int) -> torch.Tensor:
    """Centres of mass of `(..., cells)`: `(..., 2)` row and column; unknown where all is zero."""
    cells = torch.arange(weights.shape[-1], device=weights.device)
    grid = torch.stack([cells // columns, cells % columns], dim=-1).to(weights.dtype)
    total = weights.sum(dim=-1, keepdim=True)
    with torch.autocast(weights.device.type, enabled=False):  # which would lose their fractions
        found = weights @ grid / total.clamp(min=1e-9)
    return found.masked_fill(total <= 0, UNKNOWN)


def add_coverage(covered: torch.Tensor, look: torch.Tensor, has_ink: torch.Tensor) -> torch.Tensor:
    """What has been read after one more token.

    Args:
        covered: `(batch, cells)`, what had been read before, from 0 to 1.
        look: `(batch, cells)`, not negative: where the token is, on whatever scale.
        has_ink: `(batch,)` bool, false for tokens that stand nowhere in the picture.
    """
    return torch.maximum(covered, _shares(look) * has_ink[:, None])


def _shares(looks: torch.Tensor) -> torch.Tensor:
    """Looks `(..., cells)` as shares of the longest one."""
    return looks / looks.amax(dim=-1, keepdim=True).clamp(min=1e-9)


class InktexDecoder(PreparingModule):
    """Tokens and memory to hidden states; `prepared` is what `step_inktex` makes of the weights."""

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
        grammar = config.grammar or {}
        self._inkless = [int(grammar[mark]) for mark in INKLESS if mark in grammar]

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
            input_ids: `(batch, tokens)`; a whole multiple of the memory's batch, see attention.
            memory: `(pictures, cells, hidden)`.
            attention_mask: `(batch, tokens so far)`, 0 for padding among the tokens.
            memory_mask: `(pictures, cells)` bool, true where there is picture.
            cache: cache of the tokens before and of the memory.
            locations: `(batch, tokens, 2)`, row and column of each token's ink, in cells, -1
                where unknown; left out, the cache knows those of the tokens that it has seen
                generated. Only for a decoder with location feedback.
            columns: of the grid of cells; needed for location feedback with a cache.
            covered: `(batch, tokens, cells)`, from 0 to 1, which cells had been read when each
                token was; left out, the cache knows. Only for a decoder with coverage feedback.
        """
        past = 0 if cache is None else cache.get_seq_length()
        positions = torch.arange(input_ids.shape[1], device=input_ids.device) + past
        embedded = self.embed_tokens(input_ids)
        places = sinusoids(positions, self.config.hidden_size)
        hidden = self.embed_norm(embedded) + places.to(embedded.dtype)
        remembers = self.location_embedding is not None and cache is not None
        if self.location_embedding is not None:
            if locations is None:
                locations, covered = self._recall(input_ids, cache)
            hidden = hidden + self.location_embedding(locations)
        hidden = self.dropout(hidden)
        causal_mask = create_causal_mask(
            config=self.config,
            inputs_embeds=embedded,
            attention_mask=attention_mask,
            **{CACHE: cache.self_attention_cache if cache else None},
        )
        keep = None
        if memory_mask is not None:
            keep = memory_mask[:, None, None, :]
            if self.config._attn_implementation != "sdpa":
                paper = torch.finfo(embedded.dtype).min
                keep = torch.zeros_like(keep, dtype=embedded.dtype).masked_fill(~keep, paper)
        every_hidden: list[torch.Tensor] = []
        collected: list[list[torch.Tensor]] = [[], [], []]
        for layer in self.layers:
            every_hidden.append(hidden)
            hidden, *extras = layer(
                hidden, memory, causal_mask, keep, cache, output_guided or remembers,
                covered,
            )  # fmt: skip
            for column, extra in zip(collected, extras, strict=True):
                if extra is not None:
                    column.append(extra)
        if remembers and columns is not None:
            self._remember(cache, collected[2], columns, covered)
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

    def told(self, input_ids: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """What the decoder is to be told of the tokens before.

        Args:
            input_ids: `(batch, tokens)` that it reads.
            found: `(batch, tokens, 2)`, where it looked when it read them, and so wrote the next.

        Returns:
            `(batch, tokens, 2)`, where each token that it reads stands.
        """
        before = torch.cat([torch.full_like(found[:, :1], UNKNOWN), found[:, :-1]], dim=1)
        return before.masked_fill(self.inkless(input_ids.device)[input_ids][..., None], UNKNOWN)

    def told_coverage(self, input_ids: torch.Tensor, looks: torch.Tensor) -> torch.Tensor | None:
        """Which cells the decoder is to be told have been read; None without coverage feedback.

        Args:
            input_ids: `(batch, tokens)` that it reads.
            looks: `(batch, tokens, cells)`, how much it looked at each cell when it read them, and
                so wrote the next.

        Returns:
            `(batch, tokens, cells)`, from 0 to 1; each token that it reads counts as read.
        """
        if not self.config.coverage_feedback:
            return None
        has_ink = ~self.inkless(input_ids.device)[input_ids[:, 1:]]
        return coverage(looks[:, :-1] * has_ink[..., None])

    def inkless(self, device: torch.device) -> torch.Tensor:
        """`(vocabulary,)` bool: the tokens that stand nowhere in the picture."""
        found = torch.zeros(self.config.vocab_size, dtype=torch.bool, device=device)
        found[self._inkless] = True
        return found

    def _recall(
        self, input_ids: torch.Tensor, cache: EncoderDecoderCache | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Where the first of some tokens was read, and which cells have been read with it.

        By what was remembered when it was written.
        """
        locations = torch.full((*input_ids.shape, 2), UNKNOWN, device=input_ids.device)
        covered = None
        layer = None if cache is None else self._memory_layer(cache)
        if layer is not None and layer.get_seq_length():
            has_ink = ~self.inkless(input_ids.device)[input_ids[:, 0]]
            last = layer.keys[:, 0, -1].to(locations.dtype)
            locations[:, 0] = last[:, :2].masked_fill(~has_ink[:, None], UNKNOWN)
            if self.config.coverage_feedback:
                before = layer.values[:, 0, -1].to(locations.dtype)
                after = add_coverage(before, last[:, 2:], has_ink)
                covered = after[:, None].expand(-1, input_ids.shape[1], -1)
        return locations, covered

    def _remember(
        self,
        cache: EncoderDecoderCache,
        guided_logits: Sequence[torch.Tensor],
        columns: int,
        covered: torch.Tensor | None,
    ) -> None:
        """Keep where the guided heads look at each token, and what had been read before it."""
        layer = self._memory_layer(cache)
        if layer is None:
            return
        looks = mean_look(guided_logits)
        places = before = look_centres(looks, columns)
        if self.config.coverage_feedback:
            places = torch.cat([places, looks], dim=-1)
            before = torch.zeros_like(looks) if covered is None else covered
        layer.update(places[:, None], before[:, None])

    def _memory_layer(self, cache: EncoderDecoderCache) -> DynamicLayer | None:
        """One more layer of the cache, which holds places and follows beams like the others."""
        layers = cache.self_attention_cache.layers
        if len(layers) == len(self.layers) and isinstance(layers[0], DynamicLayer):
            layers.append(DynamicLayer())
        return layers[len(self.layers)] if len(layers) > len(self.layers) else None


__all__ = [
    "UNKNOWN", "CoverageKey", "InktexAttention", "InktexDecoder", "InktexDecoderLayer",
    "InktexDecoderOutput", "LocationEmbedding", "add_coverage", "centres", "coverage", "locate",
    "look_centres", "mean_look", "place_locations",
]  # fmt: skip
