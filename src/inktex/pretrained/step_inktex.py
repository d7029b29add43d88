"""One step of the decoder, for one new token, with nothing around it.

What `InktexDecoder` computes in evaluation mode, without what training and `generate` need: masks
that are the same at every step, output classes, a cache for everybody. At this size most of a step
would be starting its operations, so that there are as few as can be: what multiplies the same
vector is one product. The searches run it, and it is what is exported to ONNX.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from .decoder_inktex import (
    UNKNOWN,
    CoverageKey,
    InktexAttention,
    InktexDecoder,
    InktexDecoderLayer,
    LocationEmbedding,
    add_coverage,
    mean_look,
    place_locations,
)
from .densenet_inktex import is_exporting
from .encoder_inktex import allow, sinusoid_rates, sinusoids


@dataclass
class StepOutput:
    """What a step gives.

    Attributes:
        logits: `(batch, vocabulary)`, of the next token.
        past: for each layer `(batch, heads, tokens so far, 2 * size)`, keys and values.
        look: `(batch, cells)` float32, how much the guided heads look at each cell; None if there
            are none.
    """

    logits: torch.Tensor
    past: list[torch.Tensor]
    look: torch.Tensor | None


Affine = tuple[torch.Tensor, torch.Tensor]
"""Weight and bias, of a product or of a normalisation."""


class LayerWeights:
    """What a layer multiplies with.

    Attributes:
        own: from hidden states to the queries of all heads, already scaled, then to key and value
            of each head in turn; `(3 * hidden, hidden)`.
        query: to the queries of the memory, already scaled, then, with coverage feedback, to what
            the scores of each head gain where has been read; `(hidden + heads, hidden)`.
        own_out, cross_out, widen, narrow: the other products.
        own_norm, cross_norm, mlp_norm: before them.
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
    """The weights of a decoder as a step reads them; the others are those of `memory_keys`.

    Args:
        decoder: whose they are.
        head: from its hidden states to logits.

    Attributes:
        layers: of each layer.
        embedded: `(vocabulary, hidden)`, the tokens' embeddings, normalised.
        locations: of the location embedding, None without location feedback; and `rates`, of its
            sinusoids.
        norm: before the head.
        head: `(vocabulary, hidden)`.
        heads: of the attentions.
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
        """The same as another floating-point type."""
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
        # Angles of hundreds of cells want all the digits of their rates.
        setattr(found, name, one if name == "rates" else _converted(one, dtype))
    return found


def step_weights(decoder: InktexDecoder, head: nn.Linear) -> StepWeights:
    """The `StepWeights` of a decoder; those made before, if its weights are still the same."""
    modules = [*decoder.modules(), head]
    found: StepWeights = decoder.prepared(modules, lambda: StepWeights(decoder, head))
    return found


def memory_keys(
    decoder: InktexDecoder, memory: torch.Tensor
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Keys and values of the memory, for each layer.

    Args:
        decoder: whose they are.
        memory: `(pictures, cells, hidden)`.

    Returns:
        `(pictures, heads, size, cells)` keys, which is how they are multiplied, and
        `(pictures, heads, cells, size)` values.
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


def memory_of(memory: Any, pictures: torch.Tensor) -> Any:
    """What the encoder gave, of some pictures of the batch alone.

    Args:
        memory: of the whole batch.
        pictures: `(pictures,)`, their numbers.
    """
    return type(memory)(**{name: value[pictures] for name, value in memory.items()})


def paper_bias(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What keeps attention off the padding: `(pictures, cells)` bool to `(pictures, 1, 1, cells)`.

    Args:
        mask: true where there is picture.
        dtype: of the attention's scores, to which it is added.
    """
    bias = torch.zeros_like(mask, dtype=dtype)
    return bias.masked_fill(~mask, torch.finfo(dtype).min)[:, None, None]


def decode_step(
    weights: StepWeights,
    tokens: torch.Tensor,
    place: torch.Tensor,
    locations: torch.Tensor | None,
    past: Sequence[torch.Tensor] | None,
    memory: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]],
    bias: torch.Tensor | None,
    beams: int = 1,
    covered: torch.Tensor | None = None,
) -> StepOutput:
    """Read one token, and say what may come next.

    Args:
        weights: of the decoder and its head.
        tokens: `(batch,)`.
        place: `(hidden,)`, the sinusoids of the token's position.
        locations: `(batch, 2)`, row and column of the token's ink, in cells, -1 where there is
            none; only for a decoder with location feedback.
        past: what the step before gave; None at the first token.
        memory: keys and values of `memory_keys`, of `batch / beams` pictures.
        bias: of `paper_bias`, None where every cell has picture under it.
        beams: neighbouring tokens that share a picture.
        covered: `(batch, cells)`, which cells have been read; only for a decoder with coverage
            feedback.
    """
    hidden = functional.embedding(tokens, weights.embedded) + place
    if locations is not None and weights.locations is not None:
        hidden = hidden + place_locations(locations, weights.locations, weights.rates)
    width, heads = hidden.shape[1], weights.heads
    size = width // heads
    if covered is not None:
        covered = covered.to(hidden.dtype).view(-1, 1, beams, covered.shape[1])
    kept, looks = [], []
    for number, layer in enumerate(weights.layers):
        # What has been written.
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
        # The picture; beams are so many queries of one.
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
            looks.append(shares[:, : layer.guided_heads])
    look = torch.cat(looks, dim=1).mean(dim=1).flatten(0, 1) if looks else None
    logits = functional.linear(_normal(hidden, weights.norm), weights.head)
    return StepOutput(logits, kept, look)


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attention of scaled queries; all are `(batch, heads, tokens, size)`."""
    if is_exporting():  # which else writes scaling and shapes into the graph
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


class TransformerSteps:
    """Steps of the Transformer decoder, which remember what was read and where.

    Args:
        model: an `InktexForConditionalGeneration` in evaluation mode.
        memory: what its encoder gave for a batch of pictures. Steps compute in its type, whatever
            the model's is.
        longest: there are at most this many steps.
        beams: sequences that are read in each picture, side by side. They share the keys and values
            of its cells; what moves when they change places are those of their few tokens.

    Attributes:
        told: `(batch, 2)`, what the last step was told of its tokens' places; None without location
            feedback.
        covered: `(batch, cells)`, what it was told has been read; None without coverage feedback.
    """

    def __init__(self, model: Any, memory: Any, longest: int, beams: int = 1) -> None:
        hidden = memory.last_hidden_state
        self.decoder: InktexDecoder = model.decoder
        self.beams = beams
        weights = step_weights(self.decoder, model.lm_head)
        self.weights = weights if weights.head.dtype == hidden.dtype else weights.to(hidden.dtype)
        cells = torch.arange(hidden.shape[1], device=hidden.device)
        columns = int(memory.grid_shape[0, 1])
        grid = torch.stack([cells // columns, cells % columns, torch.ones_like(cells)], dim=1)
        self.grid = grid.float()
        self.memory = memory_keys(self.decoder, hidden)
        self.bias = None
        if memory.attention_mask is not None and not bool(memory.attention_mask.all()):
            self.bias = paper_bias(memory.attention_mask, hidden.dtype)
        positions = torch.arange(longest, device=hidden.device)
        self.places = sinusoids(positions, self.decoder.config.hidden_size).to(hidden.dtype)
        self.inkless = self.decoder.inkless(hidden.device)[:, None]
        self.allowed = memory.allowed_tokens
        self.past: list[torch.Tensor] | None = None
        self.position = 0
        self.look: torch.Tensor | None = None
        self.told: torch.Tensor | None = None
        self.covered: torch.Tensor | None = None
        if self.decoder.config.coverage_feedback:
            self.covered = hidden.new_zeros(len(hidden) * beams, hidden.shape[1])

    def __call__(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Read `(batch,)` tokens: the logits of the next ones, and where the guided heads look."""
        if self.decoder.location_embedding is not None:
            inkless = self.inkless[tokens]
            if self.look is None:
                self.told = torch.full((len(tokens), 2), UNKNOWN, device=tokens.device)
            else:
                # `look_centres`, in one product.
                rows, columns, total = (self.look.square() @ self.grid).split(1, dim=1)
                self.told = (torch.cat([rows, columns], dim=1) / total).masked_fill(
                    inkless, UNKNOWN
                )
                if self.covered is not None:
                    self.covered = add_coverage(self.covered, self.look, ~inkless[:, 0])
        output = decode_step(
            self.weights, tokens, self.places[self.position], self.told, self.past, self.memory,
            self.bias, self.beams, self.covered,
        )  # fmt: skip
        self.past = output.past
        self.position += 1
        self.look = output.look
        return allow(output.logits, self.allowed), output.look

    def reorder(self, beams: torch.Tensor) -> None:
        """Sequence `i` goes on from what sequence `beams[i]` has read.

        Args:
            beams: `(sequences,)`, neighbours of the same picture. Pictures that no sequence reads
                any more may be missing; they are forgotten.
        """
        if self.past is not None:
            is_fewer = len(beams) < len(self.past[0])
            self.past = [one[beams] for one in self.past]
            if is_fewer:
                pictures = beams[:: self.beams] // self.beams
                keys, values = self.memory
                self.memory = [one[pictures] for one in keys], [one[pictures] for one in values]
                self.bias = None if self.bias is None else self.bias[pictures]
                self.allowed = None if self.allowed is None else self.allowed[pictures]
        if self.look is not None:
            self.look = self.look[beams]
        if self.covered is not None:
            self.covered = self.covered[beams]


class CachedSteps:
    """Steps of whatever decoder the model has; the arguments are those of `TransformerSteps`."""

    def __init__(self, model: Any, memory: Any, longest: int, beams: int = 1) -> None:
        self.model, self.memory, self.beams = model, memory, beams
        self.cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def __call__(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """See `TransformerSteps`."""
        output = self.model(
            encoder_outputs=self.memory,
            decoder_input_ids=tokens[:, None],
            cache=self.cache,
            use_cache=True,
            output_guided=True,
        )
        look = None
        if output.guided_logits:
            look = mean_look([guided[:, :, -1:] for guided in output.guided_logits])[:, 0]
        return output.logits[:, -1], look

    def reorder(self, beams: torch.Tensor) -> None:
        """See `TransformerSteps`."""
        count, pictures = len(self.memory.last_hidden_state), beams[:: self.beams] // self.beams
        self.cache.self_attention_cache.reorder_cache(beams)
        if len(pictures) < count:
            self.memory = memory_of(self.memory, pictures)


def steps_of(
    model: Any, memory: Any, longest: int, beams: int = 1
) -> TransformerSteps | CachedSteps:
    """The steps of the model's decoder; the arguments are those of `TransformerSteps`."""
    kind = TransformerSteps if _is_plain(model) else CachedSteps
    return kind(model, memory, longest, beams)


_PLAIN = {
    InktexDecoder, InktexDecoderLayer, InktexAttention, LocationEmbedding, CoverageKey,
    nn.ModuleList, nn.Sequential, nn.Linear, nn.LayerNorm, nn.Embedding, nn.Dropout, nn.GELU,
}  # fmt: skip


def _is_plain(model: Any) -> bool:
    """Whether the decoder is its weights, which adapters and quantised products are not."""
    decoder, head = model.decoder, model.lm_head
    return (
        isinstance(decoder, InktexDecoder)
        and all(type(one) in _PLAIN for one in decoder.modules())
        and type(head) is nn.Linear
        and head.bias is None
    )


__all__ = [
    "CachedSteps", "StepOutput", "StepWeights", "TransformerSteps", "decode_step", "memory_keys",
    "memory_of", "paper_bias", "step_weights", "steps_of",
]  # fmt: skip
