"""One step of the decoder, for one new token, with nothing around it.

What `InktexDecoder` computes in evaluation mode, without what training and `generate` need: masks
that are the same at every step, output classes, a cache for everybody. The searches run it, and it
is what is exported to ONNX.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from .decoder_inktex import (
    UNKNOWN,
    InktexAttention,
    InktexDecoder,
    InktexDecoderLayer,
    add_coverage,
    look_centres,
    mean_look,
)
from .encoder_inktex import sinusoids


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
    decoder: InktexDecoder,
    head: nn.Module,
    tokens: torch.Tensor,
    place: torch.Tensor,
    locations: torch.Tensor | None,
    past: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]] | None,
    memory: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]],
    bias: torch.Tensor | None,
    beams: int = 1,
    covered: torch.Tensor | None = None,
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
        memory: keys and values of `memory_keys`, of `batch / beams` pictures.
        bias: of `paper_bias`, None where every cell has picture under it.
        beams: neighbouring tokens that share a picture.
        covered: `(batch, cells)`, which cells have been read; only for a decoder with coverage
            feedback.
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
        if beams > 1:  # as so many queries of one picture
            narrow = narrow.unflatten(0, (-1, beams)).squeeze(2)
        update, weights = _attend(
            cross, narrow, memory[0][number], memory[1][number], bias, covered
        )
        hidden = hidden + update
        hidden = hidden + layer.mlp(layer.mlp_norm(hidden))
        if layer.guided_heads:
            looks.append(weights[:, : layer.guided_heads].mean(dim=1).flatten(0, 1))
    look = torch.stack(looks).mean(dim=0) if looks else None
    return StepOutput(head(decoder.norm(hidden)), every_key, every_value, look)


def _attend(
    attention: InktexAttention,
    hidden: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bias: torch.Tensor | None,
    covered: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`(batch, n, hidden)` to `(batch * n, hidden)`; the weights are `(batch, heads, n, keys)`."""
    query = _heads(attention, attention.q_proj(hidden)) * attention.scaling
    scores = query @ key.transpose(2, 3)
    if covered is not None and attention.coverage_key is not None:
        scores = scores + attention.coverage_key(query, covered.unflatten(0, (-1, query.shape[2])))
    if bias is not None:
        scores = scores + bias
    weights = scores.softmax(dim=-1, dtype=torch.float32)
    context = weights.to(value.dtype) @ value
    return attention.out_proj(context.transpose(1, 2).flatten(2).flatten(0, 1)), weights


def _heads(attention: InktexAttention, projected: torch.Tensor) -> torch.Tensor:
    """`(batch, tokens, hidden)` to `(batch, heads, tokens, size)`."""
    return projected.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)


def _layer(module: nn.Module) -> InktexDecoderLayer:
    assert isinstance(module, InktexDecoderLayer)
    return module


class TransformerSteps:
    """Steps of the Transformer decoder, which remember what was read and where.

    Args:
        model: an `InktexForConditionalGeneration` in evaluation mode.
        memory: what its encoder gave for a batch of pictures.
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
        self.head, self.beams = model.lm_head, beams
        self.columns = int(memory.grid_shape[0, 1])
        self.memory = memory_keys(self.decoder, hidden)
        self.bias = None
        if memory.attention_mask is not None:
            self.bias = paper_bias(memory.attention_mask, hidden.dtype)
        positions = torch.arange(longest, device=hidden.device)
        self.places = sinusoids(positions, self.decoder.config.hidden_size)
        self.inkless = self.decoder.inkless(hidden.device)
        self.past: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None
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
                found = look_centres(self.look, self.columns)
                self.told = found.masked_fill(inkless[:, None], UNKNOWN)
                if self.covered is not None:
                    self.covered = add_coverage(self.covered, self.look, ~inkless)
        output = decode_step(
            self.decoder, self.head, tokens, self.places[self.position], self.told, self.past,
            self.memory, self.bias, self.beams, self.covered,
        )  # fmt: skip
        self.past = output.keys, output.values
        self.position += 1
        self.look = output.look
        return output.logits, output.look

    def reorder(self, beams: torch.Tensor) -> None:
        """Sequence `i` goes on from what sequence `beams[i]` has read.

        Args:
            beams: `(sequences,)`, neighbours of the same picture. Pictures that no sequence reads
                any more may be missing; they are forgotten.
        """
        if self.past is not None:
            keys, values = self.past
            self.past = [one[beams] for one in keys], [one[beams] for one in values]
            if len(beams) < len(keys[0]):
                pictures = beams[:: self.beams] // self.beams
                keys, values = self.memory
                self.memory = [one[pictures] for one in keys], [one[pictures] for one in values]
                self.bias = None if self.bias is None else self.bias[pictures]
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
            past_key_values=self.cache,
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
    kind = TransformerSteps if isinstance(model.decoder, InktexDecoder) else CachedSteps
    return kind(model, memory, longest, beams)


__all__ = [
    "CachedSteps", "StepOutput", "TransformerSteps", "decode_step", "memory_keys",
    "memory_of", "paper_bias", "steps_of",
]  # fmt: skip
