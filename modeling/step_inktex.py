"""The decoder for one new token at a time, as `search_inktex` runs it and ONNX exports it.

It computes what `InktexDecoder` does in evaluation mode. At this size most of a step's time is the
start of its operations, so there are few: products of the same vector are one product, and masks,
output classes and the general cache of `generate` are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from .decoder_inktex import (
    CoverageKey,
    InktexAttention,
    InktexDecoder,
    InktexDecoderLayer,
    LocationEmbedding,
    embed_locations,
    mean_attention,
)
from .encoder_inktex import InktexEncoderOutput, allow
from .feedback_inktex import FeedbackState
from .layers_inktex import is_exporting, sinusoid_rates, sinusoids


@dataclass
class StepOutput:
    """Output of `decode_step`.

    Attributes:
        logits: `(batch, vocabulary)`, of the next token.
        past: for each layer `(batch, heads, tokens so far, 2 * size)`, keys and values.
        attention: `(batch, cells)` float32, mean attention of the guided heads; None if there are
            none.
    """

    logits: torch.Tensor
    past: list[torch.Tensor]
    attention: torch.Tensor | None


Affine = tuple[torch.Tensor, torch.Tensor]
"""Weight and bias of a product or of a normalisation."""


class LayerWeights:
    """Weights of a layer, fused.

    Attributes:
        own: from hidden states to the scaled queries of all heads, then to key and value of each
            head in turn; `(3 * hidden, hidden)`.
        query: to the scaled queries of the memory and, with coverage feedback, the gain of each
            head; `(hidden + heads, hidden)`.
        own_out, cross_out, widen, narrow: the other products.
        own_norm, cross_norm, mlp_norm: the normalisations before them.
        guided_heads: of the cross-attention.
    """

    def __init__(self, layer: InktexDecoderLayer) -> None:
        own, cross = layer.self_attn, layer.cross_attn
        size, scaling = own.head_dim, own.scaling
        keys_and_values = (
            torch.stack([key.unflatten(0, (-1, size)), value.unflatten(0, (-1, size))], dim=1)
            for key, value in zip(_affine(own.k_proj), _affine(own.v_proj), strict=True)
        )
        weight, bias = (
            torch.cat([query * scaling, both.flatten(0, 2)])
            for query, both in zip(_affine(own.q_proj), keys_and_values, strict=True)
        )
        self.own: Affine = weight, bias
        weight, bias = (one * scaling for one in _affine(cross.q_proj))
        if cross.coverage_key is not None:
            key = cross.coverage_key.weight
            gain = key[:, None] @ weight.unflatten(0, (-1, size))
            gain_bias = (key * bias.unflatten(0, (-1, size))).sum(dim=1)
            weight, bias = torch.cat([weight, gain[:, 0]]), torch.cat([bias, gain_bias])
        self.query: Affine = weight, bias
        self.own_out, self.cross_out = _affine(own.out_proj), _affine(cross.out_proj)
        self.widen, self.narrow = _affine(layer.mlp[0]), _affine(layer.mlp[2])
        self.own_norm, self.cross_norm, self.mlp_norm = (
            _affine(norm) for norm in (layer.self_attn_norm, layer.cross_attn_norm, layer.mlp_norm)
        )
        self.guided_heads = layer.guided_heads


class StepWeights:
    """Weights of a decoder and its head, fused; `memory_keys` uses the others.

    Args:
        decoder: the decoder.
        head: from its hidden states to logits.

    Attributes:
        layers: of each layer.
        embedded: `(vocabulary, hidden)`, the tokens' embeddings, normalised.
        locations: of the location embedding, None without location feedback.
        rates: of its sinusoids.
        norm: normalisation before the head.
        head: `(vocabulary, hidden)`.
        heads: number of attention heads.
    """

    def __init__(self, decoder: InktexDecoder, head: nn.Linear) -> None:
        self.layers = [LayerWeights(_layer(layer)) for layer in decoder.layers]
        self.embedded = decoder.embed_norm(decoder.embed_tokens.weight)
        location = decoder.location_embedding
        self.locations = None if location is None else location.weight
        self.rates = sinusoid_rates(decoder.config.hidden_size // 2, self.embedded.device)
        self.norm, self.head = _affine(decoder.norm), head.weight
        self.heads = int(decoder.config.num_attention_heads)

    def to(self, dtype: torch.dtype) -> "StepWeights":
        """The same weights as another floating-point type."""
        found: StepWeights = _converted(self, dtype)
        return found


def _converted(value: Any, dtype: torch.dtype) -> Any:
    """Tensors in weights, tuples and lists as another floating-point type."""
    if isinstance(value, torch.Tensor):
        return value.to(dtype)
    if isinstance(value, list | tuple):
        return type(value)(_converted(one, dtype) for one in value)
    if not isinstance(value, LayerWeights | StepWeights):
        return value
    found = object.__new__(type(value))
    for name, one in vars(value).items():
        # In bfloat16 the angles of hundreds of cells would be wrong.
        setattr(found, name, one if name == "rates" else _converted(one, dtype))
    return found


def step_weights(decoder: InktexDecoder, head: nn.Linear) -> StepWeights:
    """The `StepWeights` of a decoder, from its cache where its weights have not changed."""
    modules = [*decoder.modules(), head]
    found: StepWeights = decoder.derived_weights(modules, lambda: StepWeights(decoder, head))
    return found


def memory_keys(
    decoder: InktexDecoder, memory: torch.Tensor
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Keys and values of the memory, for each layer.

    Args:
        decoder: the decoder.
        memory: `(pictures, cells, hidden)`.

    Returns:
        `(pictures, heads, size, cells)` keys, transposed for the product, and `(pictures, heads,
        cells, size)` values.
    """
    keys, values = [], []
    for module in decoder.layers:
        cross = _layer(module).cross_attn
        key, value = (
            _product(memory, _converted(_affine(product), memory.dtype)).unflatten(
                -1, (-1, cross.head_dim)
            )
            for product in (cross.k_proj, cross.v_proj)
        )
        keys.append(key.permute(0, 2, 3, 1).contiguous())
        values.append(value.transpose(1, 2).contiguous())
    return keys, values


def padding_bias(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Bias that keeps attention off the padding, `(pictures, 1, 1, cells)`.

    Args:
        mask: `(pictures, cells)` bool, true where there is picture.
        dtype: of the attention scores, to which it is added.
    """
    bias = torch.zeros_like(mask, dtype=dtype)
    return bias.masked_fill(~mask, torch.finfo(dtype).min)[:, None, None]


def decode_step(
    weights: StepWeights,
    tokens: torch.Tensor,
    position: torch.Tensor,
    locations: torch.Tensor | None,
    past: Sequence[torch.Tensor] | None,
    memory: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]],
    bias: torch.Tensor | None,
    beams: int = 1,
    covered: torch.Tensor | None = None,
) -> StepOutput:
    """Decode one token of each sequence.

    Args:
        weights: of the decoder and its head.
        tokens: `(batch,)`.
        position: `(hidden,)`, the sinusoids of the token's position.
        locations: `(batch, 2)`, row and column of the token's ink, in cells, -1 where there is
            none; only for a decoder with location feedback.
        past: of the step before; None at the first token.
        memory: keys and values of `memory_keys`, of `batch / beams` pictures.
        bias: of `padding_bias`, None where every cell has picture under it.
        beams: neighbouring sequences that share a picture.
        covered: `(batch, cells)`, cells that have been read; only for a decoder with coverage
            feedback.
    """
    hidden = functional.embedding(tokens, weights.embedded) + position
    if locations is not None and weights.locations is not None:
        hidden = hidden + embed_locations(locations, weights.locations, weights.rates)
    width, heads = hidden.shape[1], weights.heads
    size = width // heads
    if covered is not None:
        covered = covered.to(hidden.dtype).view(-1, 1, beams, covered.shape[1])
    kept, guided = [], []
    for number, layer in enumerate(weights.layers):
        # Self-attention.
        query, both = _product(_normal(hidden, layer.own_norm), layer.own).split(
            (width, 2 * width), dim=1
        )
        both = both.view(-1, heads, 1, 2 * size)
        if past is not None:
            both = torch.cat([past[number], both], dim=2)
        kept.append(both)
        key, value = both.split(size, dim=3)
        context = _attend(query.view(-1, heads, 1, size), key, value)
        hidden = hidden + _product(context.reshape(-1, width), layer.own_out)
        # Cross-attention; the beams of a picture are so many queries of it.
        narrow = _product(_normal(hidden, layer.cross_norm), layer.query)
        query = narrow[:, :width].view(-1, beams, heads, size).transpose(1, 2)
        scores = query @ memory[0][number]
        if covered is not None and narrow.shape[1] > width:
            gain = narrow[:, width:].view(-1, beams, heads, 1).transpose(1, 2)
            scores = torch.addcmul(scores, gain, covered)
        if bias is not None:
            scores = scores + bias
        shares = scores.softmax(dim=-1, dtype=torch.float32)
        context = (shares.to(hidden.dtype) @ memory[1][number]).transpose(1, 2)
        hidden = hidden + _product(context.reshape(-1, width), layer.cross_out)
        wide = functional.gelu(_product(_normal(hidden, layer.mlp_norm), layer.widen))
        hidden = hidden + _product(wide, layer.narrow)
        if layer.guided_heads:
            guided.append(shares[:, : layer.guided_heads])
    attention = torch.cat(guided, dim=1).mean(dim=1).flatten(0, 1) if guided else None
    logits = functional.linear(_normal(hidden, weights.norm), weights.head)
    return StepOutput(logits, kept, attention)


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attention of scaled queries; all are `(batch, heads, tokens, size)`."""
    if is_exporting():  # the fused kernel would put scaling and shapes into the graph
        return (query @ key.transpose(2, 3)).softmax(dim=-1) @ value
    return functional.scaled_dot_product_attention(query, key, value, scale=1.0)


def _product(hidden: torch.Tensor, affine: Affine) -> torch.Tensor:
    return functional.linear(hidden, *affine)


def _normal(hidden: torch.Tensor, affine: Affine) -> torch.Tensor:
    return functional.layer_norm(hidden, hidden.shape[-1:], *affine)


def _affine(module: Any) -> Affine:
    return module.weight, module.bias


def _layer(module: nn.Module) -> InktexDecoderLayer:
    assert isinstance(module, InktexDecoderLayer)
    return module


class TransformerStep:
    """A step of the Transformer decoder, with its cache and its feedback; see `search_inktex.Step`.

    Args:
        model: an `InktexForConditionalGeneration` in evaluation mode.
        memory: output of its encoder for a batch of pictures. The step computes in its type,
            whatever the model's is.
        longest: there are at most this many steps.
        beams: sequences of each picture, side by side. They share the keys and values of its
            cells; `reorder` moves those of their tokens alone.
    """

    def __init__(
        self, model: Any, memory: InktexEncoderOutput, longest: int, beams: int = 1
    ) -> None:
        hidden = memory.last_hidden_state
        assert hidden is not None
        assert memory.grid_shape is not None
        self.decoder: InktexDecoder = model.decoder
        self.beams, self.device = beams, hidden.device
        weights = step_weights(self.decoder, model.lm_head)
        self.weights = weights if weights.head.dtype == hidden.dtype else weights.to(hidden.dtype)
        self.memory = memory_keys(self.decoder, hidden)
        self.bias = None
        if memory.attention_mask is not None and not bool(memory.attention_mask.all()):
            self.bias = padding_bias(memory.attention_mask, hidden.dtype)
        positions = torch.arange(longest, device=self.device)
        self.positions = sinusoids(positions, self.decoder.config.hidden_size).to(hidden.dtype)
        self.position = 0
        self.allowed = memory.allowed_tokens
        self.past: list[torch.Tensor] | None = None
        self.attention: torch.Tensor | None = None
        self.feedback: FeedbackState | None = None
        if self.decoder.location_embedding is not None:
            unread = torch.zeros(len(hidden) * beams, hidden.shape[1], device=self.device)
            inkless = self.decoder.inkless(self.device)[:, None]
            self.feedback = FeedbackState(unread, int(memory.grid_shape[0, 1]), inkless)

    def __call__(
        self, tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """See `search_inktex.Step`."""
        ids = torch.from_numpy(tokens).to(self.device)
        locations = covered = None
        if self.feedback is not None:
            if self.attention is not None:
                self.feedback.update(ids, self.attention)
            locations = self.feedback.locations
            if self.decoder.config.coverage_feedback:
                covered = self.feedback.covered
        output = decode_step(
            self.weights, ids, self.positions[self.position], locations, self.past, self.memory,
            self.bias, self.beams, covered,
        )  # fmt: skip
        self.past, self.attention = output.past, output.attention
        self.position += 1
        return _to_numpy(allow(output.logits, self.allowed)), _to_numpy(output.attention)

    def reorder(self, sequences: NDArray[np.int64]) -> None:
        """See `search_inktex.Step`."""
        kept = torch.from_numpy(sequences).to(self.device)
        if self.past is not None:
            is_fewer = len(kept) < len(self.past[0])
            self.past = [one[kept] for one in self.past]
            if is_fewer:
                pictures = kept[:: self.beams] // self.beams
                keys, values = self.memory
                self.memory = [one[pictures] for one in keys], [one[pictures] for one in values]
                self.bias = None if self.bias is None else self.bias[pictures]
                self.allowed = None if self.allowed is None else self.allowed[pictures]
        if self.attention is not None:
            self.attention = self.attention[kept]
        if self.feedback is not None:
            self.feedback.reorder(kept)


class CachedStep:
    """A step of any decoder, by the model's `forward`; arguments as for `TransformerStep`."""

    def __init__(
        self, model: Any, memory: InktexEncoderOutput, longest: int, beams: int = 1
    ) -> None:
        self.model, self.memory, self.beams = model, memory, beams
        self.cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def __call__(
        self, tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """See `search_inktex.Step`."""
        output = self.model(
            encoder_outputs=self.memory,
            decoder_input_ids=torch.from_numpy(tokens[:, None]).to(self.model.device),
            cache=self.cache,
            use_cache=True,
            output_guided=True,
        )
        attention = None
        if output.guided_logits:
            last = [guided[:, :, -1:] for guided in output.guided_logits]
            attention = mean_attention(last)[:, 0]
        return _to_numpy(output.logits[:, -1]), _to_numpy(attention)

    def reorder(self, sequences: NDArray[np.int64]) -> None:
        """See `search_inktex.Step`."""
        assert self.memory.last_hidden_state is not None
        kept = torch.from_numpy(sequences).to(self.model.device)
        pictures = kept[:: self.beams] // self.beams
        self.cache.self_attention_cache.reorder_cache(kept)
        if len(pictures) < len(self.memory.last_hidden_state):
            self.memory = self.memory.select(pictures)


def make_step(
    model: Any, memory: InktexEncoderOutput, longest: int, beams: int = 1
) -> TransformerStep | CachedStep:
    """The fastest step for the model's decoder; arguments as for `TransformerStep`."""
    kind = TransformerStep if _is_plain(model) else CachedStep
    return kind(model, memory, longest, beams)


def _to_numpy(tensor: Any) -> Any:
    return None if tensor is None else tensor.float().cpu().numpy()


_PLAIN = {
    InktexDecoder, InktexDecoderLayer, InktexAttention, LocationEmbedding, CoverageKey,
    nn.ModuleList, nn.Sequential, nn.Linear, nn.LayerNorm, nn.Embedding, nn.Dropout, nn.GELU,
}  # fmt: skip


def _is_plain(model: Any) -> bool:
    """Whether the decoder has no adapters or quantised layers, whose weights are not all."""
    decoder, head = model.decoder, model.lm_head
    return (
        isinstance(decoder, InktexDecoder)
        and all(type(one) in _PLAIN for one in decoder.modules())
        and type(head) is nn.Linear
        and head.bias is None
    )


__all__ = [
    "CachedStep", "StepOutput", "StepWeights", "TransformerStep", "decode_step", "make_step",
    "memory_keys", "padding_bias", "step_weights",
]  # fmt: skip
