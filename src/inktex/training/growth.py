"""A deeper DenseNet that begins as the shallower one it grew out of, and a wider vocabulary.

New dense layers append channels that nobody listens to yet: whoever reads them gets weights of zero
for them (after Chen et al. 2016, "Net2Net"), so that the grown model reads as the old one did and
goes on learning from there.
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inktex.modeling.configuration_inktex import InktexConfig, InktexEncoderConfig
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration

__all__ = ["can_grow", "grown", "widened"]

_ROOT = "encoder.densenet"
_VECTORS = ("weight", "bias", "running_mean", "running_var")


def can_grow(old: InktexEncoderConfig, new: InktexEncoderConfig) -> bool:
    """Whether `new` is the DenseNet `old` with more layers in some blocks."""
    same = (
        "architecture", "stem_channels", "growth_rates", "bottleneck_factors", "compression",
        "fusion_channels", "hidden_size", "num_symbol_labels",
    )  # fmt: skip
    return (
        old.architecture == "densenet"
        and all(getattr(old, name) == getattr(new, name) for name in same)
        and len(old.block_layers) == len(new.block_layers)
        and all(a <= b for a, b in zip(old.block_layers, new.block_layers, strict=True))
        and old.block_layers != new.block_layers
    )


def grown(
    model: InktexForConditionalGeneration, config: InktexConfig
) -> InktexForConditionalGeneration:
    """The deeper model of `config`, which reads as `model` does; `can_grow` must hold."""
    deeper = InktexForConditionalGeneration(config)
    deeper.load_state_dict(
        _grown_weights(
            model.state_dict(), deeper.state_dict(), model.config.encoder, config.encoder
        )
    )
    deeper.generation_config = copy.deepcopy(model.generation_config)
    return deeper


def widened(
    model: InktexForConditionalGeneration, tokens: int, grammar: Mapping[str, Any]
) -> InktexForConditionalGeneration:
    """The model with a larger vocabulary, whose first tokens are those that it has.

    The new ones begin at the mean of the others: what all logits have in common says nothing to
    them, and tokens that begin at 0 where others have learnt to lie at -30 would drown these.

    Args:
        model: of fewer tokens.
        tokens: how many there are to be.
        grammar: what they are to `Grammar`.
    """
    config = copy.deepcopy(model.config)
    config.decoder.vocab_size = config.encoder.num_symbol_labels = tokens
    config.decoder.grammar = dict(grammar)
    wider = InktexForConditionalGeneration(config)
    weights, fresh = model.state_dict(), wider.state_dict()
    for name, value in weights.items():
        if value.shape == fresh[name].shape:
            fresh[name].copy_(value)
        else:  # embeddings and classifiers have a row for each token
            fresh[name][: len(value)].copy_(value)
            fresh[name][len(value) :] += value.mean(dim=0)
    wider.load_state_dict(fresh)
    wider.generation_config = copy.deepcopy(model.generation_config)
    return wider


def _grown_weights(
    weights: Mapping[str, torch.Tensor],
    fresh: Mapping[str, torch.Tensor],
    old: InktexEncoderConfig,
    new: InktexEncoderConfig,
) -> dict[str, torch.Tensor]:
    """Weights of the whole deeper model.

    Args:
        weights: of the shallower one.
        fresh: of the deeper one, as initialised.
        old, new: their encoders' configurations.
    """
    grown = {name: value.clone() for name, value in fresh.items()}
    for name, value in weights.items():
        if not name.startswith((f"{_ROOT}.blocks", f"{_ROOT}.transitions", f"{_ROOT}.fusions")):
            grown[name] = value.clone()

    def listen(name: str, heard: NDArray[np.int64]) -> None:
        """Put an old kernel in: its inputs stand at the channels `heard`, others count nothing."""
        kernel, before = grown[name], weights[name]
        kernel[: len(before)] = 0
        kernel[: len(before), torch.from_numpy(heard)] = before

    def normalise(name: str) -> None:
        for vector in _VECTORS:
            before = weights[f"{name}.{vector}"]
            grown[f"{name}.{vector}"][: len(before)] = before

    heard = np.arange(old.stem_channels[1])
    entered = len(heard)
    for index, (layers, growth) in enumerate(zip(old.block_layers, old.growth_rates, strict=True)):
        if index:
            transition = f"{_ROOT}.transitions.{index - 1}.reduce"
            listen(f"{transition}.conv.weight", heard)
            normalise(f"{transition}.norm")
            heard = np.arange(len(weights[f"{transition}.conv.weight"]))
            entered = len(grown[f"{transition}.conv.weight"])
        for layer in range(layers):
            place = f"{_ROOT}.blocks.{index}.layers.{layer}"
            first = "reduce" if old.bottleneck_factors[index] else "grow"
            listen(f"{place}.{first}.conv.weight", heard)
            normalise(f"{place}.{first}.norm")
            if first == "reduce":
                grown[f"{place}.grow.conv.weight"] = weights[f"{place}.grow.conv.weight"].clone()
                normalise(f"{place}.grow.norm")
            added = entered + layer * growth + np.arange(growth)
            heard = np.concatenate([heard, added])
        if index:
            listen(f"{_ROOT}.fusions.{index - 1}.weight", heard)
    return grown
