"""The other encoder and the other decoder, each with all that training and generation want."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from inktex.data.examples import from_expressions
from inktex.modeling.configuration_inktex import InktexDecoderConfig, InktexEncoderConfig
from inktex.modeling.generation_inktex import generate_with_details
from inktex.modeling.grammar_inktex import is_formula
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.synthesis.random_captions import written_expressions
from inktex.tokenizer.vocabulary_inktex import IDS
from inktex.training.loop import train
from inktex.training.models import make_model
from inktex.training.recipe import Recipe, load_recipe, recipe_path

SMALL: dict[str, dict[str, Any]] = {
    "vgg": {"block_layers": (1, 1, 1, 1), "growth_rates": (4, 4, 8, 8)},
    "wap": {
        "stem_channels": (4, 8),
        "block_layers": (1, 1),
        "growth_rates": (4, 8),
        "bottleneck_factors": (0, 2),
    },
}


def small(name: str) -> Recipe:
    """A shipped recipe with hardly any channels."""
    recipe = load_recipe(recipe_path(name))
    encoder = {**recipe.encoder, **SMALL[name], "hidden_size": 32, "fusion_channels": 16}
    decoder = {
        **recipe.decoder,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 32,
        "guided_layers": [1],
        "guided_heads": 1,
        "dropout": 0.0,
        "initializer_range": 0.3,
    }
    return replace(
        recipe, minutes=None, steps=3, encoder=encoder, decoder=decoder, workers=0, save_every=2
    )


@pytest.fixture(params=["vgg", "wap"])
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return small(request.param)


@pytest.fixture
def model(recipe: Recipe) -> InktexForConditionalGeneration:
    torch.manual_seed(0)
    return make_model(recipe).eval()


@pytest.fixture(scope="module")
def pictures() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"pixel_values": torch.rand(2, 1, 40, 72).round(), "pixel_mask": torch.ones(2, 40, 72)}


def test_the_cache_changes_nothing(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    tokens = torch.tensor([[3, 10, 11, 12], [4, 12, 13, 14], [3, 9, 9, 9], [4, 30, 31, 32]])
    memory = model.get_encoder()(**pictures)
    nowhere = torch.full((4, 4, 2), -1.0)
    whole = model(
        encoder_outputs=memory, decoder_input_ids=tokens, locations=nowhere, use_cache=False
    ).logits
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    steps = [
        model(
            encoder_outputs=memory,
            decoder_input_ids=tokens[:, i : i + 1],
            locations=nowhere[:, i : i + 1],
            past_key_values=cache,
        ).logits
        for i in range(4)
    ]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-4, rtol=1e-4)
    assert cache.get_seq_length() == 4


def test_a_picture_reads_alike_alone_and_padded(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    tokens = torch.tensor([[3, 10, 11]] * 2)
    alone = model(**pictures, decoder_input_ids=tokens, use_cache=False).logits
    padded = {
        "pixel_values": torch.nn.functional.pad(pictures["pixel_values"], (0, 24, 0, 24)),
        "pixel_mask": torch.nn.functional.pad(pictures["pixel_mask"], (0, 24, 0, 24)),
    }
    together = model(**padded, decoder_input_ids=tokens, use_cache=False).logits
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("preset", ["fast", "accurate"])
def test_it_reads_in_both_presets(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor], preset: str
) -> None:
    found = generate_with_details(model, pictures, preset, max_new_tokens=10)
    assert found.attention is not None
    assert found.attention.shape[-2:] == (6, 10) or found.attention.shape[-2:] == (5, 9)
    sums = found.attention.sum(axis=(-1, -2))
    np.testing.assert_allclose(sums, np.ones_like(sums), rtol=1e-5)
    assert model.grammar is not None
    for row in found.sequences.tolist():
        assert is_formula(model.grammar, row[1 : row.index(IDS["</s>"])])


def test_it_trains_and_loads_again(recipe: Recipe, tmp_path: Path) -> None:
    examples = from_expressions(written_expressions(30, seed=4))
    recipe = replace(recipe, batch=replace(recipe.batch, pixels=40_000))
    folder = train(recipe, examples, [], tmp_path)
    again = InktexForConditionalGeneration.from_pretrained(folder)
    assert again.config.encoder.architecture == recipe.encoder.get("architecture", "densenet")
    assert again.config.decoder.architecture == recipe.decoder.get("architecture", "transformer")


def test_architectures_are_known_by_name() -> None:
    with pytest.raises(ValueError, match="densenet, vgg"):
        InktexEncoderConfig(architecture="resnet")
    with pytest.raises(ValueError, match="transformer, recurrent"):
        InktexDecoderConfig(architecture="lstm")
    with pytest.raises(ValueError, match="coverage"):
        InktexDecoderConfig(architecture="recurrent", location_feedback=True)
