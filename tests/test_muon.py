"""Muon, beside torch's own for matrices and beside AdamW."""

from typing import Any

import pytest
import torch
from torch import nn

from inktex.training.models import make_model
from inktex.training.muon import UPDATE_RMS, Muon, orthogonalized
from inktex.training.optimization import hidden_weights, make_optimizer
from inktex.training.recipe import load_recipe, recipe_path
from inktex.training.recipe_fields import OptimizerConfig


def with_gradients(parameter: nn.Parameter, optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Steps along the same gradients in every call."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
def test_matrices_are_orthogonalized(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalized(matrices).float())
    assert values.min() > 0.5
    assert values.max() < 1.3
    # Their directions stay: U V^T is the nearest orthogonal matrix.
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    cosines = nn.functional.cosine_similarity(
        orthogonalized(matrices).float().flatten(1), (left @ right).flatten(1)
    )
    assert cosines.min() > 0.97


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch before 2.9 has no Muon")
@pytest.mark.parametrize("shape", [(12, 20), (20, 12)])
def test_a_matrix_moves_as_with_torchs_muon(shape: tuple[int, int]) -> None:
    start = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    own, theirs = (nn.Parameter(start.clone()) for _ in range(2))
    options: dict[str, Any] = {"lr": 1e-2, "weight_decay": 0.1}
    with_gradients(own, Muon([{"params": [own]}], [own], **options), 5)
    reference = torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **options)
    with_gradients(theirs, reference, 5)
    # Both in bfloat16, rounded in another order.
    assert (own - theirs).norm() < 0.02 * (theirs - start).norm()


def test_a_kernel_moves_as_a_matrix_of_its_output_channels() -> None:
    start = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    kernel = nn.Parameter(start.clone().to(memory_format=torch.channels_last))
    optimizer = Muon([{"params": [kernel]}], [kernel], lr=1.0, weight_decay=0.0)
    with_gradients(kernel, optimizer, 1)
    update = (start - kernel.detach()).reshape(6, 36)
    values = torch.linalg.svdvals(update) / (UPDATE_RMS * 36**0.5)
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_everything_else_moves_as_with_adamw() -> None:
    start = torch.ones(5)
    own, theirs = (nn.Parameter(start.clone()) for _ in range(2))
    hidden = nn.Parameter(torch.eye(4))
    with_gradients(own, Muon([{"params": [own, hidden]}], [hidden], lr=0.1), 3)
    with_gradients(theirs, torch.optim.AdamW([theirs], lr=0.1), 3)
    assert torch.equal(own, theirs)


def test_a_run_goes_on_with_muon_from_a_checkpoint_of_adamw() -> None:
    hidden, bias = nn.Parameter(torch.eye(4)), nn.Parameter(torch.ones(4))
    groups = [{"params": [hidden, bias]}]
    before = torch.optim.AdamW(groups, lr=0.1)
    for p in (hidden, bias):
        p.grad = torch.ones_like(p)
    before.step()
    after = Muon([{"params": [hidden, bias]}], [hidden], lr=0.1)
    after.load_state_dict(before.state_dict())
    momentum = before.state[hidden]["exp_avg"].clone()
    hidden.grad, bias.grad = torch.zeros(4, 4), torch.ones(4)
    after.step()
    torch.testing.assert_close(after.state[hidden]["exp_avg"], 0.95 * momentum)
    assert after.state[bias]["step"] == 2


def test_the_recipe_says_which_and_embeddings_and_heads_are_not_hidden() -> None:
    model = make_model(load_recipe(recipe_path("tiny")))
    optimizer = make_optimizer(model, OptimizerConfig(name="muon"))
    assert isinstance(optimizer, Muon)
    hidden = {id(p) for p in hidden_weights(model)}
    names = {name for name, p in model.named_parameters() if p.ndim > 1 and id(p) not in hidden}
    assert {"decoder.embed_tokens.weight", "encoder.symbol_head.weight"} <= names
    assert not any("attn.q_proj" in name or "densenet" in name for name in names)
    assert type(make_optimizer(model, OptimizerConfig())) is torch.optim.AdamW
    with pytest.raises(ValueError, match=r"optimizer.name must be one of adamw, muon"):
        OptimizerConfig(name="sgd")
