"""Minimum-risk training: sampled candidates, and the loss over them."""

from typing import Any

import pytest
import torch
from test_locations import small_model, with_feedback

from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.tokenizer.vocabulary_inktex import IDS
from inktex.training.batches import IGNORE, PAD
from inktex.training.mrt import Candidates, mrt_loss, sample_candidates

END = IDS["</s>"]


@pytest.fixture
def model() -> InktexForConditionalGeneration:
    return with_feedback(small_model(location_feedback=True, coverage_feedback=True)).train()


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Three pictures, two directions, five tokens at most."""
    torch.manual_seed(2)
    labels = torch.full((6, 6), IGNORE)
    for row, length in enumerate((5, 5, 3, 3, 1, 1)):
        labels[row, :length] = torch.arange(10 + row, 10 + row + length)
        labels[row, length] = END
    return {
        "pixel_values": torch.rand(3, 1, 48, 64).round(),
        "pixel_mask": torch.ones(3, 48, 64),
        "labels": labels,
    }


def encoded(model: InktexForConditionalGeneration, batch: dict[str, torch.Tensor]) -> Any:
    return model.get_encoder()(batch["pixel_values"], batch["pixel_mask"])


def test_the_first_candidate_is_the_reference(
    model: InktexForConditionalGeneration, batch: dict[str, torch.Tensor]
) -> None:
    references = batch["labels"][::2]
    found = sample_candidates(model, encoded(model, batch), references, samples=3)
    assert found.tokens.shape[:2] == (3, 5)
    assert (found.tokens[:, :, 0] == model.config.decoder_start_token_id).all()
    written = references.masked_fill(references == IGNORE, PAD)
    assert torch.equal(found.tokens[:, 0, 1:], written[:, : found.tokens.shape[2] - 1])
    ended = (found.tokens == END).cumsum(dim=-1)[..., :-1] > 0
    assert (found.tokens[..., 1:][ended] == PAD).all(), "tokens after the end"


def test_equal_candidates_count_once() -> None:
    tokens = torch.tensor([[[1, 5], [1, 6], [1, 5], [1, 6], [1, 7]]])
    candidates = Candidates(tokens, None, None)
    assert candidates.distinct().tolist() == [[True, True, False, False, True]]
    some = candidates.select(torch.tensor([0]), torch.tensor([[0, 1, 4]]))
    assert some.tokens.tolist() == [[[1, 5], [1, 6], [1, 7]]]


def test_a_gradient_step_lowers_the_loss(batch: dict[str, torch.Tensor]) -> None:
    model = small_model(location_feedback=True, initializer_range=0.02)  # sure of nothing

    def loss() -> torch.Tensor:
        torch.manual_seed(4)  # the same samples
        return mrt_loss(model, encoded(model, batch).last_hidden_state, batch, samples=3)

    before = loss()
    assert 0.1 < before.item() < 1
    before.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad
    assert loss() < before


def test_without_wrong_candidates_the_loss_is_zero(
    model: InktexForConditionalGeneration,
    batch: dict[str, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def certain(*arguments: Any) -> Candidates:
        found = sample_candidates(*arguments)
        return Candidates(found.tokens[:, :1].expand(-1, 5, -1), found.locations, found.covered)

    monkeypatch.setattr("inktex.training.mrt.sample_candidates", certain)
    hidden = encoded(model, batch).last_hidden_state
    loss = mrt_loss(model, hidden, batch, samples=3)
    assert loss.item() == 0
    loss.backward()  # all processes have gradients to share
