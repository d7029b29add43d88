"""Location and coverage feedback: one rule, by tokens and by sequences, in numpy and in torch."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from inktex.modeling.configuration_inktex import InktexConfig, InktexDecoderConfig
from inktex.modeling.decoder_inktex import CoverageKey, InktexDecoder, LocationEmbedding
from inktex.modeling.feedback_inktex import (
    UNKNOWN,
    FeedbackState,
    centres,
    coverage,
    sequence_feedback,
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


def with_feedback(model: InktexForConditionalGeneration) -> InktexForConditionalGeneration:
    """The model with random weights of its feedback, which are zero at first."""
    for module in model.modules():
        if isinstance(module, LocationEmbedding):
            torch.nn.init.normal_(module.weight, std=0.3)
        if isinstance(module, CoverageKey):
            torch.nn.init.normal_(module.weight, std=0.1)
    return model


@pytest.fixture(params=[False, True], ids=["locations", "coverage"])
def model(request: pytest.FixtureRequest) -> InktexForConditionalGeneration:
    return with_feedback(small_model(location_feedback=True, coverage_feedback=request.param))


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
    logits = torch.full((1, 2, 8), -30.0)
    logits[..., 1], logits[..., 7] = 2.0, 0.0
    locations, _ = sequence_feedback(logits.softmax(-1), torch.zeros(1, 2, dtype=torch.bool), 8)
    assert locations[0, 1, 1] < 1.2


def test_coverage_is_what_was_read_before() -> None:
    attention = torch.zeros(1, 3, 4)
    attention[0, 0, 1], attention[0, 0, 2] = 0.4, 0.2
    attention[0, 2, 3] = 0.1
    nothing, first = [0, 0, 0, 0], [0, 1, 0.5, 0]
    assert coverage(attention)[0].tolist() == [nothing, first, first, [0, 1, 0.5, 1]]


@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_token_by_token_is_as_all_at_once(library: str) -> None:
    """`FeedbackState` of either library, over the rows that a search keeps, and a sequence."""
    rng = np.random.default_rng(0)
    attention = np.exp(rng.normal(0, 3, (2, 6, 12))).astype(np.float32)
    attention /= attention.sum(axis=-1, keepdims=True)
    tokens = rng.integers(0, 5, (2, 6))
    inkless = np.array([False, True, False, False, True])[:, None]
    locations, covered = sequence_feedback(
        torch.from_numpy(attention), torch.from_numpy(inkless[tokens][..., 0]), columns=4
    )
    arrays = [np.zeros((2, 12), dtype=np.float32), inkless, tokens, attention]
    unread, marks, ids, maps = map(torch.from_numpy, arrays) if library == "torch" else arrays
    state = FeedbackState(unread, 4, marks)
    for place in range(6):
        if place:
            state.update(ids[:, place], maps[:, place - 1])
        np.testing.assert_allclose(state.locations, locations[:, place], rtol=1e-6)
        np.testing.assert_allclose(state.covered, covered[:, place], rtol=1e-6)
    assert state.locations.dtype == maps.dtype
    state.reorder(ids[0, :1] * 0 + 1)
    np.testing.assert_allclose(state.covered, covered[1:, -1], rtol=1e-6)


def test_feedback_is_that_of_0_1() -> None:
    """Stored values of the release, for a grid of 2 x 3 cells."""
    attention = torch.tensor([[[0.5, 0.2, 0.1, 0.1, 0.1, 0.0], [0.0, 0.0, 0.6, 0.0, 0.2, 0.2]]])
    inkless = torch.tensor([[False, False]])
    locations, covered = sequence_feedback(attention, inkless, 3)
    expected = torch.tensor([[UNKNOWN, UNKNOWN], [0.02 / 0.32, (0.05 + 0.02) / 0.32]])
    torch.testing.assert_close(locations[0], expected)
    torch.testing.assert_close(covered[0, 1], torch.tensor([1.0, 0.4, 0.2, 0.2, 0.2, 0.0]))


@pytest.mark.parametrize("covers", [False, True])
def test_new_feedback_changes_nothing(pictures: dict[str, torch.Tensor], covers: bool) -> None:
    plain = small_model()
    fed = small_model(location_feedback=True, coverage_feedback=covers)
    fed.load_state_dict(plain.state_dict(), strict=False)
    tokens = torch.tensor([[3, 10, 11]] * 3)
    outputs = [
        one(**pictures, decoder_input_ids=tokens, use_cache=False).logits for one in (plain, fed)
    ]
    assert torch.equal(*outputs)


def test_marks_without_ink_stand_nowhere(model: InktexForConditionalGeneration) -> None:
    tokens = torch.tensor([[IDS[t] for t in ("<l2r>", "x", "^", "{", "2", "}", "y")]])
    assert isinstance(model.decoder, InktexDecoder)
    attention = torch.eye(12)[None, :7]  # cell after cell, of four columns
    locations, _ = model.decoder.feedback(tokens, attention, 4)
    nowhere = [UNKNOWN, UNKNOWN]
    expected = [nowhere, [0, 0], nowhere, nowhere, [0, 3], nowhere, [1, 1]]
    assert locations[0].tolist() == expected


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_has_the_feedback_of_scoring(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor], beams: int
) -> None:
    """Step by step with a cache, and at once: the same probabilities."""
    found = generate_with_details(model, pictures, num_beams=beams, max_new_tokens=6)
    memory = model.get_encoder()(**pictures)
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    steps, plain = [], []
    sequences = torch.from_numpy(found.sequences)
    probabilities = torch.from_numpy(found.token_log_probabilities).exp()
    for place in range(sequences.shape[1] - 1):
        read = sequences[:, place : place + 1]
        output = model(encoder_outputs=memory, decoder_input_ids=read, past_key_values=cache)
        following = sequences[:, place + 1 : place + 2]
        steps.append(output.logits[:, -1].softmax(-1).gather(1, following))
        without = model(
            encoder_outputs=memory, decoder_input_ids=sequences[:, : place + 1], use_cache=False
        )
        plain.append(without.logits[:, -1].softmax(-1).gather(1, following))
    is_over = (sequences[:, :-1] == IDS["</s>"]).cumsum(1) > 0
    one_by_one = torch.cat(steps, dim=1).masked_fill(is_over, 1.0)
    without_too = torch.cat(plain, dim=1).masked_fill(is_over, 1.0)
    torch.testing.assert_close(one_by_one, probabilities, atol=1e-2, rtol=0)
    assert not torch.allclose(without_too, probabilities, atol=2e-3)


def test_greedy_search_has_the_feedback_of_generate(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    found = generate_with_details(model, pictures, max_new_tokens=6)
    sequences = model.generate(**pictures, num_beams=1, do_sample=False, max_new_tokens=6)
    assert found.sequences.tolist() == sequences.tolist()


def test_the_ink_gives_the_feedback_of_training(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    tokens = torch.tensor([[3, 10, 11, 12]] * 6)  # two directions a picture
    attention_target = torch.zeros(6, 4, 48)
    attention_target[:, 0, 9] = attention_target[:, 2, 30] = 1.0  # of the tokens 10 and 12
    stand = torch.full((6, 4, 2), UNKNOWN)
    stand[:, 1] = torch.tensor([1.0, 1.0])
    stand[:, 3] = torch.tensor([3.0, 6.0])
    covered = torch.zeros(6, 4, 48)
    covered[:, 1:, 9] = covered[:, 3:, 30] = 1.0
    arguments = {"decoder_input_ids": tokens, "use_cache": False}
    by_target = model(**pictures, **arguments, attention_target=attention_target).logits
    by_places = model(**pictures, **arguments, locations=stand, covered=covered).logits
    torch.testing.assert_close(by_target, by_places)
    uncovered = model(**pictures, **arguments, locations=stand).logits
    assert torch.equal(by_places, uncovered) != model.config.decoder.coverage_feedback
    model.train()
    first, second = (model.guided_locations(attention_target, 8) for _ in range(2))
    assert not torch.equal(first, second), "places are moved and lost at random"
    assert (first[:, [0, 2]] == UNKNOWN).all()


def test_feedback_needs_guided_heads() -> None:
    with pytest.raises(ValueError, match="guided heads"):
        InktexDecoderConfig(location_feedback=True, guided_layers=[], guided_heads=0)
    with pytest.raises(ValueError, match="location_feedback"):
        InktexDecoderConfig(coverage_feedback=True)
