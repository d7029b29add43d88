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
from transformers.modeling_outputs import Seq2SeqLMOutput, Seq2SeqModelOutput
from transformers.utils import can_return_tuple

from .configuration_inktex import InktexConfig
from .decoder_inktex import (
    CACHE,
    CoverageKey,
    InktexDecoder,
    InktexDecoderLayer,
    LocationEmbedding,
)
from .encoder_inktex import DenseLayer, InktexEncoder, InktexEncoderOutput, allow
from .feedback_inktex import UNKNOWN, centres, coverage, shifted
from .grammar_inktex import Grammar, GrammarLogitsProcessor
from .recurrent_decoder_inktex import InktexRecurrentDecoder
from .remote_code_inktex import save_with_code

IGNORE = -100
"""Label of a position without loss."""
_LOCATION_NOISE = 0.4
"""Cells; standard deviation of the noise on fed-back locations in training."""
_TOKEN_DROPOUT, _SEQUENCE_DROPOUT = 0.05, 0.15
"""Shares of the tokens, and of whole sequences, without feedback in training."""


@dataclass
class InktexModelOutput(Seq2SeqModelOutput):
    """Output of `InktexModel`.

    Attributes:
        symbol_logits: `(pictures, cells, labels)`, where asked for.
        guided_logits: `(batch, heads, tokens, cells)` for each guided layer, where asked for.
        allowed_tokens: of the encoder's output.
    """

    symbol_logits: torch.Tensor | None = None
    guided_logits: tuple[torch.Tensor, ...] | None = None
    allowed_tokens: torch.Tensor | None = None


@dataclass
class InktexOutput(Seq2SeqLMOutput):
    """Output of `InktexForConditionalGeneration`.

    `loss` is the weighted sum of the losses below; it is there only with `labels`.

    Attributes:
        token_loss: label-smoothed cross-entropy of the next token.
        symbol_loss: cross-entropy of the symbol map, where `symbol_labels` were given.
        attention_loss: cross-entropy of the guided heads, where `attention_target` was given.
        symbol_logits: `(pictures, cells, labels)`, where asked for.
        guided_logits: `(batch, heads, tokens, cells)` for each guided layer, where asked for.
    """

    token_loss: torch.Tensor | None = None
    symbol_loss: torch.Tensor | None = None
    attention_loss: torch.Tensor | None = None
    symbol_logits: torch.Tensor | None = None
    guided_logits: tuple[torch.Tensor, ...] | None = None


class InktexPreTrainedModel(PreTrainedModel):
    """Initialisation of weights, and settings of transformers for all inktex models."""

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


class InktexModel(InktexPreTrainedModel):
    """Encoder and decoder, without the head that gives token logits.

    Weights of `InktexForConditionalGeneration` have the same names here, and load as they are.
    """

    _keys_to_ignore_on_load_unexpected: list[str] | None = [r"^lm_head\."]

    def __init__(self, config: InktexConfig) -> None:
        super().__init__(config)
        # The decoder is a plain module, to which transformers does not pass its implementation on.
        config.decoder._attn_implementation = config._attn_implementation
        self.encoder = InktexEncoder(config.encoder)
        recurrent = config.decoder.architecture == "recurrent"
        self.decoder: InktexDecoder | InktexRecurrentDecoder = (
            InktexRecurrentDecoder if recurrent else InktexDecoder
        )(config.decoder)
        if type(self) is InktexModel:  # a subclass has weights to add first
            self.post_init()

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

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: InktexEncoderOutput | tuple[torch.Tensor, ...] | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        attention_target: torch.Tensor | None = None,
        locations: torch.Tensor | None = None,
        covered: torch.Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_guided: bool = False,
        output_symbols: bool = False,
        cache: EncoderDecoderCache | None = None,
        **kwargs: Any,
    ) -> InktexModelOutput:
        """Encode pictures and decode tokens to hidden states.

        Args:
            pixel_values: `(pictures, 1, height, width)`, ink 1 on paper 0.
            pixel_mask: `(pictures, height, width)`, 0 for padding.
            decoder_input_ids: `(batch, tokens)`. `batch` may be a multiple of `pictures`:
                neighbouring sequences then share a picture (both directions, say).
            decoder_attention_mask: `(batch, tokens)`, 0 for padding; needed only for padding on
                the left or in the middle.
            encoder_outputs: of an earlier pass, instead of `pixel_values`.
            cache, past_key_values: of the tokens before, by the name that transformers has for it
                since 5.24 and by the one before.
            attention_target: `(batch, tokens, cells)`, distribution of each predicted token's ink
                over the cells; rows of zeros where a token has no ink or its ink is unknown.
            locations: `(batch, tokens, 2)`, row and column of each of `decoder_input_ids` in cells,
                -1 where unknown; for models with location feedback. If left out, it is computed
                from `attention_target` or from the cache.
            covered: `(batch, tokens, cells)`, from 0 to 1, cells that had been read at each of
                `decoder_input_ids`; for models with coverage feedback, else as `locations`.
            use_cache: whether to return a cache; the configuration's setting by default.
            output_attentions, output_hidden_states: whether to return those of the decoder.
            output_guided, output_symbols: whether to return `guided_logits` and `symbol_logits`.
            kwargs: unused arguments of transformers.

        Raises:
            ValueError: if neither pictures nor encoder outputs, or no tokens, are given.
        """
        if decoder_input_ids is None:
            raise ValueError("Give decoder_input_ids, or labels to make them from.")
        memory = self._memory(pixel_values, pixel_mask, encoder_outputs, output_symbols)
        cache = past_key_values if cache is None else cache
        use_cache = self.config.decoder.use_cache if use_cache is None else use_cache
        if use_cache and cache is None and not self.training:
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        columns = None if memory.grid_shape is None else int(memory.grid_shape[0, 1])
        locations, covered = self._feedback(attention_target, locations, covered, columns)
        decoded = self.decoder(
            decoder_input_ids,
            memory=memory.last_hidden_state,
            attention_mask=decoder_attention_mask,
            memory_mask=memory.attention_mask,
            cache=cache,
            output_attentions=bool(output_attentions),
            output_hidden_states=bool(output_hidden_states),
            output_guided=output_guided or attention_target is not None,
            locations=locations,
            columns=columns,
            covered=covered,
        )
        return InktexModelOutput(
            last_hidden_state=decoded.last_hidden_state,
            **{CACHE: decoded.get(CACHE)},
            decoder_hidden_states=decoded.hidden_states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=memory.last_hidden_state,
            symbol_logits=memory.symbol_logits,
            guided_logits=decoded.guided_logits,
            allowed_tokens=memory.allowed_tokens,
        )

    def _memory(
        self,
        pixel_values: torch.Tensor | None,
        pixel_mask: torch.Tensor | None,
        encoder_outputs: InktexEncoderOutput | tuple[torch.Tensor, ...] | None,
        output_symbols: bool,
    ) -> InktexEncoderOutput:
        if encoder_outputs is None:
            if pixel_values is None:
                raise ValueError("Give pixel_values, or encoder_outputs from an earlier pass.")
            encoded: InktexEncoderOutput = self.encoder(pixel_values, pixel_mask, output_symbols)
            return encoded
        if isinstance(encoder_outputs, InktexEncoderOutput):
            return encoder_outputs
        return InktexEncoderOutput(*encoder_outputs)

    def _feedback(
        self,
        attention_target: torch.Tensor | None,
        locations: torch.Tensor | None,
        covered: torch.Tensor | None,
        columns: int | None,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """`locations` and `covered` for the decoder, if missing from `attention_target`."""
        config = self.config.decoder
        if not config.location_feedback:
            return None, None
        if attention_target is not None and columns is not None and locations is None:
            locations = self.guided_locations(attention_target, columns)
        if not config.coverage_feedback:
            covered = None
        elif attention_target is not None and covered is None:
            covered = self.guided_coverage(attention_target)
        return locations, covered

    def guided_locations(self, attention_target: torch.Tensor, columns: int) -> torch.Tensor:
        """`locations` by where the ink is, with noise and dropout in training.

        Args:
            attention_target: see `forward`.
            columns: of the grid of cells.
        """
        places = shifted(centres(attention_target, columns))
        if not self.training:
            return places
        noisy = (places + torch.randn_like(places) * _LOCATION_NOISE).clamp(min=0)
        kept = (places[..., :1] != UNKNOWN) & ~_dropped(places)
        return torch.where(kept, noisy, UNKNOWN)

    def guided_coverage(self, attention_target: torch.Tensor) -> torch.Tensor:
        """`covered` by where the ink is, with dropout in training."""
        read = attention_target[:, :-1]
        return coverage(read * ~_dropped(read) if self.training else read)


class InktexForConditionalGeneration(InktexModel, GenerationMixin):
    """Encoder, decoder and the head that gives token logits, with the losses of training.

    Example:
        >>> model = InktexForConditionalGeneration.from_pretrained(folder)
        >>> ids = model.generate(**processor(images=picture, return_tensors="pt"))
        >>> processor.post_process_image_text_to_text(ids)
    """

    _keys_to_ignore_on_load_unexpected = None
    _tied_weights_keys = {"lm_head.weight": "decoder.embed_tokens.weight"}

    def __init__(self, config: InktexConfig) -> None:
        super().__init__(config)
        self.lm_head = nn.Linear(config.decoder.hidden_size, config.decoder.vocab_size, bias=False)
        rules = config.decoder.grammar
        self.grammar = None if rules is None else Grammar(config.decoder.vocab_size, rules)
        # Left unset, transformers ends every sequence after 20 tokens.
        self.generation_config.max_length = config.decoder.max_position_embeddings
        # Else transformers drops fields of its own accord when it loads, `preset` among them.
        self.generation_config._from_model_config = False
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load a model; see transformers.

        Generation settings of 0.1 lack a length, for which transformers takes 20 tokens, and hold
        the temperature of the reported probabilities as that of sampling.
        """
        found = super().from_pretrained(*args, **kwargs)
        model = found[0] if isinstance(found, tuple) else found
        decoder, settings = model.config.decoder, model.generation_config
        if settings.max_length is None:
            settings.max_length = decoder.max_position_embeddings
        if settings.temperature == decoder.token_temperature != 1:
            settings.temperature = None
        return found

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
        """Keep `generate` to the grammar; sequences from right to left are free."""
        processors = super()._get_logits_processor(generation_config, *args, **kwargs)
        start = generation_config.decoder_start_token_id
        if self.grammar is not None and start != self.config.reverse_start_token_id:
            longest = int(
                generation_config.max_length or self.config.decoder.max_position_embeddings
            )
            processors.append(GrammarLogitsProcessor(self.grammar, longest))
        return processors

    @can_return_tuple
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
        attention_target: torch.Tensor | None = None,
        use_cache: bool | None = None,
        label_smoothing: float = 0.0,
        symbol_weight: float = 1.0,
        attention_weight: float = 1.0,
        cache: EncoderDecoderCache | None = None,
        **kwargs: Any,
    ) -> InktexOutput:
        """Logits of the next tokens, and with `labels` the losses.

        Args:
            labels: `(batch, tokens)`, the tokens to predict; -100 is ignored. Without
                `decoder_input_ids` these are made from them.
            symbol_labels: `(pictures, cells)`, the class of the ink in each stride-8 cell, 0 for
                paper, -100 to ignore.
            label_smoothing, symbol_weight, attention_weight: of the losses.
            pixel_values, pixel_mask, decoder_input_ids, decoder_attention_mask: see `InktexModel`,
                as for `encoder_outputs`, `past_key_values`, `attention_target`, `use_cache` and
                `cache`.
            kwargs: the other arguments of `InktexModel.forward`.

        Raises:
            ValueError: if neither pictures nor encoder outputs, or no tokens, are given.
        """
        if labels is not None:
            use_cache = False if cache is None and past_key_values is None else use_cache
            if decoder_input_ids is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        kwargs["output_symbols"] = symbol_labels is not None
        decoded = super().forward(
            pixel_values, pixel_mask, decoder_input_ids, decoder_attention_mask, encoder_outputs,
            past_key_values, attention_target, use_cache=use_cache, cache=cache, return_dict=True,
            **kwargs,
        )  # fmt: skip
        output = InktexOutput(
            logits=allow(self.lm_head(decoded.last_hidden_state), decoded.allowed_tokens),
            **{CACHE: decoded.get(CACHE)},
            decoder_hidden_states=decoded.decoder_hidden_states,
            decoder_attentions=decoded.decoder_attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=decoded.encoder_last_hidden_state,
            symbol_logits=decoded.symbol_logits,
            guided_logits=decoded.guided_logits,
        )
        if labels is None or output.logits is None:
            return output
        output.loss = output.token_loss = nn.functional.cross_entropy(
            output.logits.flatten(0, 1).float(),
            labels.flatten(),
            ignore_index=IGNORE,
            label_smoothing=label_smoothing,
        )
        if symbol_labels is not None and output.symbol_logits is not None:
            output.symbol_loss = symbol_loss(output.symbol_logits, symbol_labels)
            output.loss = output.loss + symbol_weight * output.symbol_loss
        if attention_target is not None and output.guided_logits:
            output.attention_loss = attention_loss(output.guided_logits, attention_target)
            output.loss = output.loss + attention_weight * output.attention_loss
        return output


def _dropped(feedback: torch.Tensor) -> torch.Tensor:
    """`(batch, tokens, 1)` bool: tokens of `(batch, tokens, ...)` that training gives none for."""
    by_token = torch.rand_like(feedback[:, :, :1]) < _TOKEN_DROPOUT
    return by_token | (torch.rand_like(feedback[:, :1, :1]) < _SEQUENCE_DROPOUT)


def symbol_loss(logits: torch.Tensor, labels: torch.Tensor, paper: float = 0.2) -> torch.Tensor:
    """Cross-entropy of `(pictures, cells, labels)` logits; paper (label 0) weighs `paper`."""
    losses = nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, reduction="none"
    )
    flat = labels.flatten()
    weights = torch.where(flat == 0, paper, 1.0) * (flat != IGNORE)
    return (losses * weights).sum() / weights.sum().clamp(min=1.0)


def attention_loss(
    guided_logits: tuple[torch.Tensor, ...], attention_target: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy between the attention of the guided heads and the ink of the symbols.

    Args:
        guided_logits: `(batch, heads, tokens, cells)` for each guided layer.
        attention_target: `(batch, tokens, cells)`, rows summing to one, or to zero where unknown.
    """
    known = attention_target.sum().clamp(min=1.0)
    total = attention_target.new_zeros(())
    for logits in guided_logits:
        log_weights = logits.float().log_softmax(dim=-1)
        total = total - (attention_target[:, None] * log_weights).sum() / (known * logits.shape[1])
    return total / len(guided_logits)


__all__ = [
    "DenseLayer",
    "InktexDecoderLayer",
    "InktexForConditionalGeneration",
    "InktexModel",
    "InktexModelOutput",
    "InktexOutput",
    "InktexPreTrainedModel",
    "attention_loss",
    "symbol_loss",
]
