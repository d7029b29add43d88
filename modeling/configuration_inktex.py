"""Configuration of the inktex model: one part for the encoder, one for the decoder."""

from collections.abc import Sequence
from typing import Any

from transformers import PretrainedConfig


class InktexEncoderConfig(PretrainedConfig):
    """Multi-scale DenseNet (Huang et al. 2017; the fusion of scales after Zhang et al. 2018).

    Args:
        architecture: `densenet`, or `vgg` for blocks of plain convolutions, with `block_layers`
            layers of `growth_rates` channels.
        stem_channels: channels of the two stride-2 convolutions in front of the dense blocks.
        block_layers: dense layers at stride 4, 8 and 16; more entries go on halving the resolution.
        growth_rates: channels that each layer of a block adds; one entry a block.
        bottleneck_factors: a layer's 1x1 convolution has this many times `growth_rate` channels;
            one entry a block, 0 for a block without 1x1 convolutions (cheaper where there are
            few channels).
        compression: share of the channels that a transition between blocks keeps.
        fusion_channels: channels of the fused stride-8 features.
        hidden_size: width of the memory that the decoder attends to.
        dropout: dropout on the fused features.
        num_symbol_labels: classes of the symbol map (the vocabulary; 0 stands for paper).
    """

    model_type = "inktex_encoder"
    base_config_key = "encoder"

    def __init__(
        self,
        architecture: str = "densenet",
        stem_channels: Sequence[int] = (32, 64),
        block_layers: Sequence[int] = (2, 6, 8),
        growth_rates: Sequence[int] = (32, 48, 64),
        bottleneck_factors: Sequence[int] = (0, 2, 3),
        compression: float = 0.5,
        fusion_channels: int = 256,
        hidden_size: int = 256,
        dropout: float = 0.1,
        num_symbol_labels: int = 292,
        **kwargs: Any,
    ) -> None:
        blocks = (list(block_layers), list(growth_rates), list(bottleneck_factors))
        if len({len(entries) for entries in blocks}) > 1 or len(block_layers) < 2:
            raise ValueError(
                "block_layers, growth_rates and bottleneck_factors need the same number of "
                "entries, at least two; got {}, {} and {}.".format(*blocks)
            )
        _check_choice("architecture", architecture, ("densenet", "vgg"))
        self.architecture = architecture
        self.stem_channels = list(stem_channels)
        self.block_layers = list(block_layers)
        self.growth_rates = list(growth_rates)
        self.bottleneck_factors = list(bottleneck_factors)
        self.compression = compression
        self.fusion_channels = fusion_channels
        self.hidden_size = hidden_size
        self.dropout = dropout
        self.num_symbol_labels = num_symbol_labels
        super().__init__(**kwargs)


class InktexDecoderConfig(PretrainedConfig):
    """Pre-norm Transformer decoder.

    Args:
        architecture: `transformer`, or `recurrent` for GRU cells with coverage attention, which
            takes `hidden_size` and `dropout` alone of the sizes below and has one guided head.
        vocab_size: tokens of the tokenizer.
        hidden_size, num_hidden_layers, num_attention_heads, intermediate_size: the usual widths.
        dropout: on embeddings, attention outputs and feed-forward outputs. There is no dropout
            inside attention, with which torch's fused kernel is not used on CPU.
        max_position_embeddings: longest expression in tokens that generation allows.
        guided_layers: layers whose cross-attention is supervised with the place of the symbol.
        guided_heads: number of supervised heads in each of these layers.
        token_temperature: of the probabilities that are reported; the search goes without it. In
            configurations of 0.1 it is called `temperature`, which transformers takes for that of
            sampling.
        rescoring_temperature: divides the mean log-probability of several views in addition
            (preset `accurate`). In configurations of 0.1 it is called `judges_temperature`.
        doubt_threshold: tokens whose probability is lower are shown as doubtful.
        location_feedback: whether the input for each token holds its place in the picture, from
            the ink in training and from the guided heads in generation.
        coverage_feedback: whether cross-attention knows the cells that have been read (coverage,
            Tu et al. 2016), in the same way; only together with location feedback.
        grammar: ids of tokens by their role in `Grammar`, which generation keeps to; None for
            generation without a grammar.
    """

    model_type = "inktex_decoder"
    base_config_key = "decoder"

    def __init__(
        self,
        architecture: str = "transformer",
        vocab_size: int = 292,
        hidden_size: int = 256,
        num_hidden_layers: int = 3,
        num_attention_heads: int = 8,
        intermediate_size: int = 1024,
        dropout: float = 0.3,
        max_position_embeddings: int = 256,
        guided_layers: Sequence[int] = (1, 2),
        guided_heads: int = 2,
        token_temperature: float = 1.0,
        rescoring_temperature: float = 1.0,
        doubt_threshold: float = 0.8,
        location_feedback: bool = False,
        coverage_feedback: bool = False,
        grammar: dict[str, Any] | None = None,
        initializer_range: float = 0.02,
        use_cache: bool = True,
        pad_token_id: int = 0,
        bos_token_id: int = 3,
        eos_token_id: int = 2,
        **kwargs: Any,
    ) -> None:
        if hidden_size % num_attention_heads:
            raise ValueError(
                f"hidden_size ({hidden_size}) must be a multiple of num_attention_heads "
                f"({num_attention_heads})."
            )
        if location_feedback and not (guided_layers and guided_heads):
            raise ValueError("location_feedback needs guided heads: it takes places from them.")
        if coverage_feedback and not location_feedback:
            raise ValueError("coverage_feedback goes with location_feedback: switch that on too.")
        if any(layer >= num_hidden_layers for layer in guided_layers):
            raise ValueError(
                f"guided_layers {list(guided_layers)} name a layer that does not exist: "
                f"there are {num_hidden_layers}, counted from 0."
            )
        _check_choice("architecture", architecture, ("transformer", "recurrent"))
        if architecture == "recurrent" and location_feedback:
            raise ValueError(
                "A recurrent decoder has its own coverage; it takes no location_feedback."
            )
        self.architecture = architecture
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.dropout = dropout
        self.max_position_embeddings = max_position_embeddings
        self.guided_layers = list(guided_layers)
        self.guided_heads = guided_heads
        self.token_temperature = float(kwargs.pop("temperature", token_temperature))
        self.rescoring_temperature = float(kwargs.pop("judges_temperature", rescoring_temperature))
        self.doubt_threshold = float(doubt_threshold)
        self.location_feedback = location_feedback
        self.coverage_feedback = coverage_feedback
        self.grammar = grammar
        self.initializer_range = initializer_range
        self.use_cache = use_cache
        kwargs.pop("is_decoder", None)
        super().__init__(
            pad_token_id=pad_token_id,
            bos_token_id=bos_token_id,
            eos_token_id=eos_token_id,
            is_decoder=True,
            **kwargs,
        )


class InktexConfig(PretrainedConfig):
    """An encoder configuration and a decoder configuration.

    Args:
        encoder, decoder: configurations, or dictionaries of their fields.
        decoder_start_token_id: start token of the default direction, left to right.
        reverse_start_token_id: start token that makes the decoder read right to left.

    Example:
        >>> config = InktexConfig(decoder={"num_hidden_layers": 2, "guided_layers": [1]})
        >>> config.decoder.num_hidden_layers
        2
    """

    model_type = "inktex"
    sub_configs = {"encoder": InktexEncoderConfig, "decoder": InktexDecoderConfig}

    def __init__(
        self,
        encoder: InktexEncoderConfig | dict[str, Any] | None = None,
        decoder: InktexDecoderConfig | dict[str, Any] | None = None,
        decoder_start_token_id: int = 3,
        reverse_start_token_id: int = 4,
        **kwargs: Any,
    ) -> None:
        self.encoder = _as_config(InktexEncoderConfig, encoder)
        self.decoder = _as_config(InktexDecoderConfig, decoder)
        if self.encoder.hidden_size != self.decoder.hidden_size:
            raise ValueError(
                f"The encoder's hidden_size ({self.encoder.hidden_size}) and the decoder's "
                f"({self.decoder.hidden_size}) must be equal."
            )
        self.reverse_start_token_id = reverse_start_token_id
        for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
            kwargs.setdefault(name, getattr(self.decoder, name))
        kwargs.pop("is_encoder_decoder", None)
        kwargs.setdefault("tie_word_embeddings", True)
        super().__init__(
            is_encoder_decoder=True, decoder_start_token_id=decoder_start_token_id, **kwargs
        )


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")


def _as_config(kind: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return kind(**value)
    return kind() if value is None else value


__all__ = ["InktexConfig", "InktexDecoderConfig", "InktexEncoderConfig"]
