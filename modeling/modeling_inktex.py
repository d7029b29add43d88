"""The inktex model: a picture of handwritten mathematics in, LaTeX tokens out."""

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import (
    GenerationConfig,
    GenerationMixin,
    LogitsProcessorList,
    PreTrainedModel,
)
from transformers import initialization as init
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import Seq2SeqLMOutput

from .configuration_inktex import InktexConfig
from .constraint_inktex import GrammarLogitsProcessor
from .decoder_inktex import (
    CACHE,
    UNKNOWN,
    CoverageKey,
    InktexDecoder,
    InktexDecoderLayer,
    LocationEmbedding,
    centres,
    coverage,
)
from .densenet_inktex import DenseLayer
from .encoder_inktex import InktexEncoder, InktexEncoderOutput, allow
from .grammar_inktex import Grammar
from .recurrent_inktex import InktexRecurrentDecoder
from .repository_inktex import save_with_code

IGNORE = -100
"""Label of a position that no loss looks at."""
_MOVED = 0.4
"""Cells; standard deviation of what the decoder is told wrongly, in training, of a place."""
_LOST, _ALL_LOST = 0.05, 0.15
"""Share of the places, and of the sequences with all their places, that it is not told."""


@dataclass
class InktexOutput(Seq2SeqLMOutput):
    """Output of `InktexForConditionalGeneration`.

    `loss` is the weighted sum of the losses below; it is there only with `labels`.

    Attributes:
        token_loss: label-smoothed cross-entropy of the next token.
        symbol_loss: cross-entropy of the symbol map, where `symbol_labels` were given.
        guide_loss: cross-entropy of the guided heads, where `guide` was given.
        symbol_logits: `(pictures, cells, labels)`, where asked for.
        guided_logits: a tensor `(batch, heads, tokens, cells)` for each guided layer, where asked
            for.
    """

    token_loss: torch.Tensor | None = None
    symbol_loss: torch.Tensor | None = None
    guide_loss: torch.Tensor | None = None
    symbol_logits: torch.Tensor | None = None
    guided_logits: tuple[torch.Tensor, ...] | None = None


class InktexPreTrainedModel(PreTrainedModel):
    """Weight initialisation and what transformers needs to know of the model."""

    config_class = InktexConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_cache_class = True
    _no_split_modules = ["InktexDecoderLayer", "DenseLayer"]

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Write weights, configuration and code, so that it loads where inktex is absent too."""
        save = super().save_pretrained
        save_with_code(save, self.push_to_hub, save_directory, push_to_hub, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=self.config.decoder.initializer_range)
            if module.padding_idx is not None:
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, LocationEmbedding | CoverageKey):
            init.zeros_(module.weight)
        elif isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            init.ones_(module.weight)
            init.zeros_(module.bias)
            if isinstance(module, nn.BatchNorm2d):
                init.zeros_(module.running_mean)
                init.ones_(module.running_var)
                init.zeros_(module.num_batches_tracked)


class InktexForConditionalGeneration(InktexPreTrainedModel, GenerationMixin):
    """DenseNet encoder, Transformer decoder, and the heads that the ink teaches.

    Example:
        >>> model = InktexForConditionalGeneration.from_pretrained(folder)
        >>> ids = model.generate(**processor(images=picture, return_tensors="pt"))
        >>> processor.batch_decode(ids, skip_special_tokens=True)
    """

    _tied_weights_keys = {"lm_head.weight": "decoder.embed_tokens.weight"}

    def __init__(self, config: InktexConfig) -> None:
        super().__init__(config)
        # The decoder is a plain module, so nobody else tells its part of the configuration.
        config.decoder._attn_implementation = config._attn_implementation
        self.encoder = InktexEncoder(config.encoder)
        recurrent = config.decoder.architecture == "recurrent"
        self.decoder: InktexDecoder | InktexRecurrentDecoder = (
            InktexRecurrentDecoder if recurrent else InktexDecoder
        )(config.decoder)
        self.lm_head = nn.Linear(config.decoder.hidden_size, config.decoder.vocab_size, bias=False)
        rules = config.decoder.grammar
        self.grammar = None if rules is None else Grammar(config.decoder.vocab_size, rules)
        # Left unset, transformers ends every reading after 20 tokens.
        self.generation_config.max_length = config.decoder.max_position_embeddings
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load a model; see transformers.

        Folders of 0.1 hold generation settings that are none: no length, for which transformers
        takes 20 tokens, and the temperature of the reported probabilities as that of sampling.
        """
        found = super().from_pretrained(*args, **kwargs)
        model = found[0] if isinstance(found, tuple) else found
        decoder, settings = model.config.decoder, model.generation_config
        if settings.max_length is None:
            settings.max_length = decoder.max_position_embeddings
        if settings.temperature == decoder.token_temperature != 1:
            settings.temperature = None
        return found

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        """The encoder; `generate` asks for it."""
        return self.encoder

    def get_decoder(self) -> nn.Module:
        """The decoder, without the head."""
        return self.decoder

    def get_input_embeddings(self) -> nn.Module:
        """The tokens' embeddings."""
        return self.decoder.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the tokens' embeddings."""
        self.decoder.embed_tokens = value

    def get_output_embeddings(self) -> nn.Module:
        """The head, which shares its weights with the embeddings."""
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Replace the head."""
        self.lm_head = new_embeddings

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """`(batch, tokens)` labels shifted right behind the left-to-right start token."""
        start = labels.new_full((labels.shape[0], 1), self.config.decoder_start_token_id)
        shifted = torch.cat([start, labels[:, :-1]], dim=1)
        return shifted.masked_fill(shifted == IGNORE, self.config.pad_token_id)

    def _get_logits_processor(
        self, generation_config: GenerationConfig, *args: Any, **kwargs: Any
    ) -> LogitsProcessorList:
        """Generation keeps to the grammar, whoever starts it; from right to left it is free."""
        processors = super()._get_logits_processor(generation_config, *args, **kwargs)
        start = generation_config.decoder_start_token_id
        if self.grammar is not None and start != self.config.reverse_start_token_id:
            longest = int(
                generation_config.max_length or self.config.decoder.max_position_embeddings
            )
            processors.append(GrammarLogitsProcessor(self.grammar, longest))
        return processors

    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: InktexEncoderOutput | tuple[torch.Tensor, ...] | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        labels: torch.Tensor | None = None,
        symbol_labels: torch.Tensor | None = None,
        guide: torch.Tensor | None = None,
        locations: torch.Tensor | None = None,
        covered: torch.Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_guided: bool = False,
        return_dict: bool | None = None,
        label_smoothing: float = 0.0,
        symbol_weight: float = 1.0,
        guide_weight: float = 1.0,
        cache: EncoderDecoderCache | None = None,
        **kwargs: Any,
    ) -> InktexOutput | tuple[Any, ...]:
        """One pass over pictures and tokens.

        Args:
            pixel_values: `(pictures, 1, height, width)`, ink 1 on paper 0.
            pixel_mask: `(pictures, height, width)`, 0 for padding.
            decoder_input_ids: `(batch, tokens)`. `batch` may be a multiple of `pictures`:
                neighbouring sequences then share a picture (both reading directions, say).
            decoder_attention_mask: `(batch, tokens)`, 0 for padding; needed only for padding on
                the left or in the middle.
            encoder_outputs: what the encoder gave before, instead of `pixel_values`.
            cache, past_key_values: of the tokens before, by the name that transformers has for it
                since 5.24 and by the one before.
            labels: `(batch, tokens)`, the tokens to predict; -100 is ignored.
            symbol_labels: `(pictures, cells)`, the class of the ink in each stride-8 cell, 0 for
                paper, -100 to ignore.
            guide: `(batch, tokens, cells)`, how a token's symbol spreads over the cells; rows of
                zeros where a token has no ink or its ink is unknown.
            locations: `(batch, tokens, 2)`, where each of `decoder_input_ids` stands, as row and
                column in cells, -1 where unknown; for models with location feedback. Left out,
                `guide` or the cache tells.
            covered: `(batch, tokens, cells)`, from 0 to 1, which cells had been read when each of
                `decoder_input_ids` was; for models with coverage feedback, otherwise as above.
            label_smoothing, symbol_weight, guide_weight: of the losses.

        Raises:
            ValueError: if neither pictures nor encoder outputs, or no tokens, are given.
        """
        memory: InktexEncoderOutput
        if encoder_outputs is None:
            if pixel_values is None:
                raise ValueError("Give pixel_values, or encoder_outputs from an earlier pass.")
            memory = self.encoder(
                pixel_values, pixel_mask, output_symbols=symbol_labels is not None
            )
        elif isinstance(encoder_outputs, InktexEncoderOutput):
            memory = encoder_outputs
        else:
            memory = InktexEncoderOutput(*encoder_outputs)
        if decoder_input_ids is None:
            if labels is None:
                raise ValueError("Give decoder_input_ids, or labels to make them from.")
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        cache = past_key_values if cache is None else cache
        use_cache = self.config.decoder.use_cache if use_cache is None else use_cache
        if use_cache and cache is None and not self.training and labels is None:
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        columns = None if memory.grid_shape is None else int(memory.grid_shape[0, 1])
        if not self.config.decoder.location_feedback:
            locations = None
        elif locations is None and guide is not None and columns is not None:
            locations = self._told_locations(guide, columns)
        if not self.config.decoder.coverage_feedback:
            covered = None
        elif covered is None and guide is not None:
            covered = self._told_coverage(guide)
        decoded = self.decoder(
            decoder_input_ids,
            memory=memory.last_hidden_state,
            attention_mask=decoder_attention_mask,
            memory_mask=memory.attention_mask,
            cache=cache,
            output_attentions=bool(output_attentions),
            output_hidden_states=bool(output_hidden_states),
            output_guided=output_guided or guide is not None,
            locations=locations,
            columns=columns,
            covered=covered,
        )
        logits = allow(self.lm_head(decoded.last_hidden_state), memory.allowed_tokens)
        output = InktexOutput(
            logits=logits,
            **{CACHE: decoded.get(CACHE)},
            decoder_hidden_states=decoded.hidden_states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=memory.last_hidden_state,
            symbol_logits=memory.symbol_logits,
            guided_logits=decoded.guided_logits,
        )
        if labels is not None:
            token_loss = nn.functional.cross_entropy(
                logits.flatten(0, 1).float(),
                labels.flatten(),
                ignore_index=IGNORE,
                label_smoothing=label_smoothing,
            )
            output.loss = output.token_loss = token_loss
            if symbol_labels is not None and memory.symbol_logits is not None:
                output.symbol_loss = symbol_loss(memory.symbol_logits, symbol_labels)
                output.loss = output.loss + symbol_weight * output.symbol_loss
            if guide is not None and decoded.guided_logits:
                output.guide_loss = guide_loss(decoded.guided_logits, guide)
                output.loss = output.loss + guide_weight * output.guide_loss
        return_dict = True if return_dict is None else return_dict
        return output if return_dict else output.to_tuple()

    def _told_locations(self, guide: torch.Tensor, columns: int) -> torch.Tensor:
        """Where the tokens before stand; in training a little off, and at times not known."""
        own = centres(guide, columns)  # of the token to be written
        before = torch.cat([torch.full_like(own[:, :1], UNKNOWN), own[:, :-1]], dim=1)
        if not self.training:
            return before
        known = before[..., :1] != UNKNOWN
        moved = (before + torch.randn_like(before) * _MOVED).clamp(min=0)
        return torch.where(known & ~_lost(before), moved, UNKNOWN)

    def _told_coverage(self, guide: torch.Tensor) -> torch.Tensor:
        """Which cells have been read; in training some tokens are missed, at times all of them."""
        read = guide[:, :-1]
        if self.training:
            read = read * ~_lost(read)
        return coverage(read)


def _lost(told: torch.Tensor) -> torch.Tensor:
    """`(batch, tokens, 1)` bool: of which tokens `(batch, tokens, ...)` nothing is told."""
    one_by_one = torch.rand_like(told[:, :, :1]) < _LOST
    return one_by_one | (torch.rand_like(told[:, :1, :1]) < _ALL_LOST)


def symbol_loss(logits: torch.Tensor, labels: torch.Tensor, paper: float = 0.2) -> torch.Tensor:
    """Cross-entropy of `(pictures, cells, labels)` logits; paper (label 0) weighs `paper`."""
    losses = nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, reduction="none"
    )
    flat = labels.flatten()
    weights = torch.where(flat == 0, paper, 1.0) * (flat != IGNORE)
    return (losses * weights).sum() / weights.sum().clamp(min=1.0)


def guide_loss(guided_logits: tuple[torch.Tensor, ...], guide: torch.Tensor) -> torch.Tensor:
    """Cross-entropy between where the guided heads look and where the symbols are.

    Args:
        guided_logits: `(batch, heads, tokens, cells)` for each guided layer.
        guide: `(batch, tokens, cells)`, rows summing to one, or to zero where unknown.
    """
    known = guide.sum().clamp(min=1.0)
    total = guide.new_zeros(())
    for logits in guided_logits:
        log_weights = logits.float().log_softmax(dim=-1)
        total = total - (guide[:, None] * log_weights).sum() / (known * logits.shape[1])
    return total / len(guided_logits)


__all__ = [
    "DenseLayer",
    "InktexDecoderLayer",
    "InktexForConditionalGeneration",
    "InktexOutput",
    "InktexPreTrainedModel",
    "guide_loss",
    "symbol_loss",
]
