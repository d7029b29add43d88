"""Location feedback: the decoder is told where it has read."""

from typing import Any

import pytest
import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from inktex.modeling.configuration_inktex import InktexConfig, InktexDecoderConfig
from inktex.modeling.decoder_inktex import (
    UNKNOWN,
    CoverageKey,
    InktexDecoder,
    LocationEmbedding,
    add_coverage,
    centres,
    coverage,
    locate,
)
from inktex.modeling.generation_inktex import generate_with_details
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.tokenizer.vocabulary_inktex import GRAMMAR, IDS


def small_model(**decoder: Any) -> InktexForConditionalGeneration:
    torch.manual_seed(0)
    config = InktexConfig(
        encoder={
            "stem_channels": [4, 8],
            "block_layers": [1, 1],
            "growth_rates": [4, 8],
            "bottleneck_factors": [0, 2],
            "fusion_channels": 16,
            "hidden_size": 32,
        },
        decoder={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 32,
            "guided_layers": [1],
            "guided_heads": 1,
            "initializer_range": 0.4,
            "grammar": GRAMMAR,
            **decoder,
        },
    )
    return InktexForConditionalGeneration(config).eval()


def heeding(model: InktexForConditionalGeneration) -> InktexForConditionalGeneration:
    """A model that heeds what it is told."""
    for module in model.modules():
        if isinstance(module, LocationEmbedding):
            torch.nn.init.normal_(module.weight, std=0.3)
        if isinstance(module, CoverageKey):
            torch.nn.init.normal_(module.weight, std=0.1)
    return model


@pytest.fixture(params=[False, True], ids=["locations", "coverage"])
def model(request: pytest.FixtureRequest) -> InktexForConditionalGeneration:
    return heeding(small_model(location_feedback=True, coverage_feedback=request.param))


@pytest.fixture(scope="module")
def pictures() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"pixel_values": torch.rand(3, 1, 48, 64).round(), "pixel_mask": torch.ones(3, 48, 64)}


def test_centres_are_rows_and_columns() -> None:
    weights = torch.zeros(3, 12)  # 3 rows of 4 cells
    weights[0, 6] = 1.0
    weights[1, [0, 2]] = 0.5
    assert centres(weights, 4).tolist() == [[1, 2], [0, 1], [UNKNOWN, UNKNOWN]]


def test_of_two_places_the_likelier_counts_more() -> None:
    logits = torch.full((1, 1, 1, 8), -30.0)
    logits[..., 1], logits[..., 7] = 2.0, 0.0
    assert locate([logits], columns=8)[0, 0, 1] < 1.2


def test_coverage_is_what_was_read_before() -> None:
    looks = torch.zeros(1, 3, 4)
    looks[0, 0, 1], looks[0, 0, 2] = 0.4, 0.2
    looks[0, 2, 3] = 0.1
    covered = coverage(looks)
    nothing, first = [0, 0, 0, 0], [0, 1, 0.5, 0]
    assert covered[0].tolist() == [nothing, first, first, [0, 1, 0.5, 1]]
    grown = torch.zeros(1, 4)
    for token in range(3):
        grown = add_coverage(grown, looks[:, token], torch.tensor([token != 1]))
        assert torch.equal(grown, covered[:, token + 1])


@pytest.mark.parametrize("covers", [False, True])
def test_new_feedback_changes_nothing(pictures: dict[str, torch.Tensor], covers: bool) -> None:
    plain = small_model()
    told = small_model(location_feedback=True, coverage_feedback=covers)
    told.load_state_dict(plain.state_dict(), strict=False)
    tokens = torch.tensor([[3, 10, 11]] * 3)
    outputs = [
        one(**pictures, decoder_input_ids=tokens, use_cache=False).logits for one in (plain, told)
    ]
    assert torch.equal(*outputs)


def test_marks_without_ink_stand_nowhere(model: InktexForConditionalGeneration) -> None:
    tokens = torch.tensor([[IDS[t] for t in ("<l2r>", "x", "^", "{", "2", "}", "y")]])
    assert isinstance(model.decoder, InktexDecoder)
    looked = torch.arange(14.0).view(1, 7, 2)
    told = model.decoder.told(tokens, looked)[0].tolist()
    nowhere = [UNKNOWN, UNKNOWN]
    assert told == [nowhere, [0, 1], nowhere, nowhere, [6, 7], nowhere, [10, 11]]


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_tells_what_scoring_tells(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor], beams: int
) -> None:
    """Step by step with a cache, and at once: the same probabilities."""
    found = generate_with_details(model, pictures, num_beams=beams, max_new_tokens=6)
    memory = model.get_encoder()(**pictures)
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    steps, plain = [], []
    sequences = found.sequences
    for place in range(sequences.shape[1] - 1):
        read = sequences[:, place : place + 1]
        output = model(encoder_outputs=memory, decoder_input_ids=read, past_key_values=cache)
        following = sequences[:, place + 1 : place + 2]
        steps.append(output.logits[:, -1].softmax(-1).gather(1, following))
        untold = model(
            encoder_outputs=memory, decoder_input_ids=sequences[:, : place + 1], use_cache=False
        )
        plain.append(untold.logits[:, -1].softmax(-1).gather(1, following))
    is_over = (sequences[:, :-1] == IDS["</s>"]).cumsum(1) > 0
    one_by_one = torch.cat(steps, dim=1).masked_fill(is_over, 1.0)
    untold_too = torch.cat(plain, dim=1).masked_fill(is_over, 1.0)
    torch.testing.assert_close(one_by_one, found.token_probabilities, atol=1e-2, rtol=0)
    assert not torch.allclose(untold_too, found.token_probabilities, atol=2e-3)


def test_greedy_search_tells_what_generate_tells(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    found = generate_with_details(model, pictures, max_new_tokens=6)
    sequences = model.generate(**pictures, num_beams=1, do_sample=False, max_new_tokens=6)
    assert found.sequences.tolist() == sequences.tolist()


def test_the_guide_tells_where_tokens_stand_in_training(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    tokens = torch.tensor([[3, 10, 11, 12]] * 6)  # two directions a picture
    guide = torch.zeros(6, 4, 48)
    guide[:, 0, 9] = guide[:, 2, 30] = 1.0  # of the tokens 10 and 12
    stand = torch.full((6, 4, 2), UNKNOWN)
    stand[:, 1] = torch.tensor([1.0, 1.0])
    stand[:, 3] = torch.tensor([3.0, 6.0])
    covered = torch.zeros(6, 4, 48)
    covered[:, 1:, 9] = covered[:, 3:, 30] = 1.0
    arguments = {"decoder_input_ids": tokens, "use_cache": False}
    by_guide = model(**pictures, **arguments, guide=guide).logits
    by_places = model(**pictures, **arguments, locations=stand, covered=covered).logits
    torch.testing.assert_close(by_guide, by_places)
    uncovered = model(**pictures, **arguments, locations=stand).logits
    assert torch.equal(by_places, uncovered) != model.config.decoder.coverage_feedback
    model.train()
    first, second = (model._told_locations(guide, 8) for _ in range(2))
    assert not torch.equal(first, second), "places are moved and lost at random"
    assert (first[:, [0, 2]] == UNKNOWN).all()


def test_feedback_needs_guided_heads() -> None:
    with pytest.raises(ValueError, match="guided heads"):
        InktexDecoderConfig(location_feedback=True, guided_layers=[], guided_heads=0)
    with pytest.raises(ValueError, match="location_feedback"):
        InktexDecoderConfig(coverage_feedback=True)
