"""Models and processors of runs: fresh ones, or those of a checkpoint with a recipe's changes."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from inktex.alphabet import read_alphabet
from inktex.data.examples import AnyExample
from inktex.files import new_folder
from inktex.modeling.configuration_inktex import InktexConfig
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.processing_inktex import InktexProcessor
from inktex.shipped import (
    pretrained_path,
    shipped_ink_extraction,
    shipped_stroke_restoration,
)
from inktex.tokenizer.tokenization_inktex import build_tokenizer
from inktex.tokenizer.vocabulary_inktex import GRAMMAR, VOCABULARY

from .batches import image_processor
from .recipe_fields import SHIPPED, Recipe

_KEPT_SETTINGS = ("symbol_height", "stroke_width", "height_tolerance", "stroke_range")
"""Settings of the initial weights' image processor that recipes have no field for."""


def make_model(recipe: Recipe, tokens: int = 0) -> InktexForConditionalGeneration:
    """A fresh model, or the one of `recipe.init` with the recipe's changes to its configuration.

    Args:
        tokens: number of the vocabulary's tokens that the model has to know. A checkpoint with
            fewer gets the whole vocabulary; any other keeps its own, and with it its ONNX graphs.

    Raises:
        ValueError: if a change needs weights that the checkpoint does not have.
    """
    decoder = {"grammar": GRAMMAR, **recipe.decoder}
    init = _init(recipe)
    if init is None:
        return InktexForConditionalGeneration(
            InktexConfig(encoder=dict(recipe.encoder), decoder=decoder)
        )
    config = InktexConfig.from_pretrained(init)
    if config.decoder.vocab_size < len(VOCABULARY):  # its grammar fits its own vocabulary
        decoder["grammar"] = config.decoder.grammar
    config.encoder.update(recipe.encoder)
    config.decoder.update(decoder)
    try:
        model: InktexForConditionalGeneration = InktexForConditionalGeneration.from_pretrained(
            init, config=config, dtype=torch.float32
        )
    except RuntimeError as error:
        raise ValueError(
            f"The weights in {recipe.init} do not fit the recipe's encoder and decoder: {error}"
        ) from error
    is_narrow = model.config.decoder.vocab_size < tokens
    return widen_vocabulary(model, len(VOCABULARY), GRAMMAR) if is_narrow else model


def required_tokens(recipe: Recipe, examples: Sequence[AnyExample]) -> int:
    """Number of the vocabulary's tokens that a run needs: up to the last one that occurs."""
    if recipe.synthesis.wide:
        return len(VOCABULARY)
    return 1 + max(int(example.tokens.max(initial=0)) for example in examples)


def widen_vocabulary(
    model: InktexForConditionalGeneration, tokens: int, grammar: Mapping[str, Any]
) -> InktexForConditionalGeneration:
    """A model with a larger vocabulary, whose first tokens and weights are those of `model`.

    Rows of new tokens are the mean of the others plus their random initialization. Rows near 0
    would not do: trained logits can lie around -30 all together, which these would exceed.

    Args:
        model: of fewer tokens.
        grammar: of the new vocabulary, for `Grammar`.
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


class _FrozenBatchNorm(torch.nn.BatchNorm2d):
    """Batch normalization that stays in evaluation mode."""

    def train(self, mode: bool = True) -> "_FrozenBatchNorm":
        return super().train(False)


def freeze_batch_norm(model: torch.nn.Module) -> None:
    """Let all batch normalizations of a model keep their statistics in training, too."""
    for module in model.modules():
        if type(module) is torch.nn.BatchNorm2d:
            module.__class__ = _FrozenBatchNorm
            module.train(False)


def make_processor(recipe: Recipe) -> InktexProcessor:
    """The processor that brings pictures to the resolution that the model is trained at.

    What the recipe does not set is as in the weights that it starts from.
    """
    images = image_processor(recipe.batch)
    images.stroke_restoration = shipped_stroke_restoration()
    images.ink_extraction = shipped_ink_extraction()
    init = _init(recipe)
    try:
        start = None if init is None else InktexImageProcessor.from_pretrained(init)
    except OSError:  # weights alone
        start = None
    if start is not None:
        for name in _KEPT_SETTINGS:
            setattr(images, name, getattr(start, name))
        images.stroke_restoration = start.stroke_restoration or images.stroke_restoration
        images.ink_extraction = start.ink_extraction or images.ink_extraction
    return InktexProcessor(images, build_tokenizer())


def initial_counts(recipe: Recipe) -> dict[str, int]:
    """How many training examples of the initial weights had each token; empty if unknown."""
    init = _init(recipe)
    return {} if init is None else read_alphabet(Path(init))


def save_model(
    model: InktexForConditionalGeneration, processor: InktexProcessor, folder: Path
) -> None:
    """Write a model and its processor; readers see the former folder or the whole new one."""
    with new_folder(folder) as partial:
        model.save_pretrained(partial)
        processor.save_pretrained(partial)


def _init(recipe: Recipe) -> str | None:
    return str(pretrained_path()) if recipe.init == SHIPPED else recipe.init
