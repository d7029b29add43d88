"""Weights derived for decoding follow the weights that they are computed from."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from test_generation import small_model

from inktex.modeling.generation_inktex import decode
from inktex.modeling.layers_inktex import DerivedWeightCache
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.step_inktex import CachedStep, TransformerStep, make_step

FEEDBACK = {"location_feedback": True, "coverage_feedback": True}
PICTURES = torch.rand(2, 1, 48, 64, generator=torch.Generator().manual_seed(1)).round()
MASK = torch.ones(2, 48, 64)
MASK[1, :, 41:] = 0


@pytest.fixture
def model() -> InktexForConditionalGeneration:
    """All of its weights are random, and its normalisations have seen something."""
    made = small_model(**FEEDBACK)
    shake(made)
    return made


@torch.no_grad()
def shake(model: InktexForConditionalGeneration) -> None:
    generator = torch.Generator().manual_seed(2)
    for weight in model.state_dict().values():
        if weight.is_floating_point():
            weight.add_(0.2 * torch.rand(weight.shape, generator=generator))


def put_other_data(model: InktexForConditionalGeneration) -> None:
    for weight in model.parameters():
        weight.data = weight.data * 1.1


def load_others(model: InktexForConditionalGeneration) -> None:
    model.load_state_dict({name: 1.1 * one for name, one in model.state_dict().items()})


def train_by_data(model: InktexForConditionalGeneration) -> None:
    model.train()
    for weight in model.parameters():
        weight.data.mul_(1.1)
    model.eval()


def logits(model: Any, steps: Any = TransformerStep) -> torch.Tensor:
    """`(3, pictures, vocabulary)`, of the first tokens of some sequence."""
    with torch.no_grad():
        reader = steps(model, model.encoder(PICTURES, MASK), 5)
        rows = [reader(np.array(row))[0] for row in ([3, 3], [40, 41], [90, 7])]
        return torch.from_numpy(np.stack(rows))


def plain(model: InktexForConditionalGeneration) -> torch.Tensor:
    """The same without derived weights."""
    with torch.enable_grad():
        memory = model.encoder(PICTURES, MASK)
    with torch.no_grad():
        reader = CachedStep(model, memory, 5)
        rows = [reader(np.array(row))[0] for row in ([3, 3], [40, 41], [90, 7])]
        return torch.from_numpy(np.stack(rows))


@pytest.mark.parametrize("change", [shake, put_other_data, load_others, train_by_data])
def test_changed_weights_are_read_with(
    model: InktexForConditionalGeneration, change: Callable[[Any], None]
) -> None:
    before = logits(model)
    torch.testing.assert_close(before, plain(model), atol=1e-4, rtol=1e-4)
    assert torch.equal(logits(model), before)
    change(model)
    after = logits(model)
    assert not torch.allclose(after, before, atol=1e-3)
    torch.testing.assert_close(after, plain(model), atol=1e-4, rtol=1e-4)


def test_copies_begin_anew_and_files_hold_weights_alone(
    model: InktexForConditionalGeneration,
) -> None:
    names = list(model.state_dict())
    expected = logits(model)
    assert list(model.state_dict()) == names
    twin = copy.deepcopy(model)
    shake(twin)
    torch.testing.assert_close(logits(model), expected)
    torch.testing.assert_close(logits(twin), plain(twin), atol=1e-4, rtol=1e-4)
    made = DerivedWeightCache()
    assert made([torch.nn.Linear(2, 2)], lambda: 7) == 7
    assert pickle.loads(pickle.dumps(made))([torch.nn.Linear(2, 2)], lambda: 8) == 8


def test_what_was_made_is_used_again(model: InktexForConditionalGeneration) -> None:
    made = DerivedWeightCache()
    module, numbers = torch.nn.Linear(2, 2), iter(range(9))
    assert [made([module], lambda: next(numbers)) for _ in range(3)] == [0, 0, 0]
    made.clear()
    assert made([module], lambda: next(numbers)) == 1
    with torch.inference_mode():
        strange = torch.nn.Linear(2, 2)
    assert [made([strange], lambda: next(numbers)) for _ in range(2)] == [2, 3]


def test_a_model_reads_in_inference_mode_and_out_of_it(
    model: InktexForConditionalGeneration,
) -> None:
    with torch.inference_mode():
        first = decode(model, [model.encoder(PICTURES, MASK)], 9).sequences
        decode(model, [model.encoder(PICTURES, MASK)], 9, beams=2)
    with torch.no_grad():
        assert (first == decode(model, [model.encoder(PICTURES, MASK)], 9).sequences).all()


def test_an_adapter_has_its_say(model: InktexForConditionalGeneration) -> None:
    class Adapted(torch.nn.Linear):
        """What it computes is not what its weight says."""

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return super().forward(features) + 1

    memory = model.encoder(PICTURES, MASK)
    assert isinstance(make_step(model, memory, 5), TransformerStep)
    layers: Any = model.decoder.layers
    layers[0].self_attn.v_proj.__class__ = Adapted
    assert isinstance(make_step(model, memory, 5), CachedStep)


def test_a_head_of_another_kind_has_its_say(model: InktexForConditionalGeneration) -> None:
    memory = model.encoder(PICTURES, MASK)
    model.lm_head = torch.nn.Sequential(model.lm_head, torch.nn.Tanh())  # type: ignore[assignment]
    assert isinstance(make_step(model, memory, 5), CachedStep)
