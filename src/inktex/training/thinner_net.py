"""The thinner's network as it is trained, and its way into the image processor and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from inktex.modeling.thinning_inktex import THINNER_FILE, TRUST, Thinner
from inktex.shipped import shipped_thinner

from .batches import PlannedBatches
from .pairs import PAIR, usual_plan
from .recipe import SHIPPED, Recipe

__all__ = ["NET", "ThinnerNet", "folded", "ink_loss", "narrow_ink", "starting_net", "unfolded"]

NET = "net.safetensors"
"""In `averaged`: the network with its normalisations, from which another run can start."""


class ThinnerNet(nn.Module):
    """The network that `Thinner` computes with numpy, as it is trained: with batch normalisation.

    Args:
        widths: channels at strides 2, 4, 8, ... pixels.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.step = 2 ** len(widths)
        before = [8, *widths[:-1]]
        self.down = nn.ModuleList(
            _block(inside, width) for inside, width in zip(before, widths, strict=True)
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(_block(width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 4, 1)

    def forward(self, wide: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
        """Logits of the narrow pen's ink.

        Args:
            wide: `(batch, 1, height, width)`, 1 where the wide pen drew, else 0.
            lines: the same of where the narrow pen may have been.
        """
        height, width = wide.shape[-2:]
        pair = torch.cat([wide, lines], dim=1)
        pair = nn.functional.pad(pair, (0, -width % self.step, 0, -height % self.step))
        features = nn.functional.pixel_unshuffle(pair, 2)
        features = features.contiguous(memory_format=torch.channels_last)
        skipped = []
        for level, block in enumerate(self.down):
            if level:
                features = nn.functional.max_pool2d(features, 2)
            features = block(features)
            skipped.append(features)
        for level in reversed(range(len(self.up))):
            coarse = self.reduce[level](features)
            features = skipped[level] + nn.functional.interpolate(coarse, scale_factor=2)
            features = self.up[level](features)
        logits = nn.functional.pixel_shuffle(self.head(features), 2)[..., :height, :width]
        return logits + TRUST * (lines - 0.5)


def _block(inside: int, outside: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inside, outside):
        layers += [
            nn.Conv2d(channels, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _layers(net: ThinnerNet) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d | None]]:
    """Each convolution by its name in a thinner's weights, and the normalisation behind it."""
    for part, blocks in (("down", net.down), ("up", net.up)):
        for level, block in enumerate(blocks):
            assert isinstance(block, nn.Sequential)
            for number, start in enumerate(range(0, len(block), 3)):
                convolution, norm = block[start], block[start + 1]
                assert isinstance(convolution, nn.Conv2d)
                assert isinstance(norm, nn.BatchNorm2d)
                yield f"{part}.{level}.{number}", convolution, norm
    for level, single in enumerate(net.reduce):
        assert isinstance(single, nn.Conv2d)
        yield f"reduce.{level}", single, None
    yield "head", net.head, None


@torch.no_grad()
def folded(net: ThinnerNet) -> Thinner:
    """The thinner of a trained network.

    Normalisations go into the kernels, these into eight bits, with a scale for each channel out.
    """
    weights: dict[str, NDArray[np.generic]] = {}
    for name, convolution, norm in _layers(net):
        if norm is None:
            assert convolution.bias is not None
            kernel, bias = convolution.weight[:, :, 0, 0].T, convolution.bias
        else:
            assert norm.running_var is not None
            assert norm.running_mean is not None
            gain = norm.weight / (norm.running_var + norm.eps).sqrt()
            kernel = (convolution.weight * gain[:, None, None, None]).permute(2, 3, 1, 0)
            bias = norm.bias - norm.running_mean * gain
        scale = (kernel.abs().flatten(0, -2).amax(dim=0) / 127).clamp(min=1e-12)
        weights[f"{name}.weight"] = (kernel / scale).round().to(torch.int8).cpu().numpy()
        weights[f"{name}.scale"] = scale.cpu().numpy()
        weights[f"{name}.bias"] = bias.cpu().numpy()
    return Thinner(weights)


@torch.no_grad()
def unfolded(thinner: Thinner, pair: Sequence[torch.Tensor]) -> ThinnerNet:
    """A network to train on, of a thinner whose normalisations went into its kernels.

    Args:
        thinner: which it computes as, before it learns.
        pair: `wide` and `lines` of a batch, on which the new normalisations are measured.
    """
    weights = {name: torch.from_numpy(value) for name, value in thinner.weights.items()}
    net = ThinnerNet([len(weights[f"down.{i}.0.bias"]) for i in range(thinner.levels)]).train()

    def measure(norm: nn.Module, given: tuple[torch.Tensor, ...], bias: torch.Tensor) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_var is not None
        assert norm.running_mean is not None
        variance, mean = torch.var_mean(given[0], dim=(0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + bias)

    hooks = []
    for name, convolution, norm in _layers(net):
        kernel, bias = weights[f"{name}.weight"] * weights[f"{name}.scale"], weights[f"{name}.bias"]
        if norm is None:
            assert convolution.bias is not None
            convolution.weight.copy_(kernel.T[:, :, None, None])
            convolution.bias.copy_(bias)
        else:
            convolution.weight.copy_(kernel.permute(3, 2, 0, 1))
            hooks.append(norm.register_forward_pre_hook(partial(measure, bias=bias)))
    net(*pair)
    for hook in hooks:
        hook.remove()
    return net


def narrow_ink(logits: torch.Tensor, wide: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A model's pictures of what a thinner found.

    Args:
        logits: `(n, 1, height, width)`, the thinner's.
        wide: the same of the wide pen's ink, 1 or 0.
        mask: `(n, rows, columns)`, of the pictures, which show all of it: 0 for padding.

    Returns:
        `(n, 1, rows, columns)`, ink 1 on paper 0.
    """
    # As Pillow reduces them: averages over all pixels that fall into one.
    pictures = nn.functional.interpolate(
        logits.sigmoid() * wide, size=mask.shape[-2:], mode="bilinear", antialias=True
    )
    return pictures * mask[:, None]


def ink_loss(logits: torch.Tensor, wide: torch.Tensor, ink: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the pixels that the wide pen drew, in nats.

    Args:
        logits, wide, ink: `(n, 1, height, width)`: the thinner's, and 1 or 0 for what the wide pen
            and the narrow one drew.
    """
    each = nn.functional.binary_cross_entropy_with_logits(logits, ink, reduction="none")
    return (each * wide).sum() / wide.sum().clamp(min=1)


def starting_net(recipe: Recipe, batches: PlannedBatches) -> ThinnerNet | None:
    """The network that a run goes on with, of its `init`; None if there is none.

    Args:
        recipe: the run.
        batches: of the run, with pairs of pens in them: on some of these, normalisations that went
            into the kernels of a thinner are measured again.

    Raises:
        ValueError: if it does not fit the recipe, or is damaged.
        OSError: if it cannot be read.
    """
    if recipe.init is None:
        return None
    folder = Path(recipe.init)
    net, thinner = None, None
    if recipe.init == SHIPPED:
        thinner = shipped_thinner()
    elif (folder / NET).is_file():
        weights = load_file(folder / NET)
        levels = sum(name.startswith("down.") and name.endswith(".0.weight") for name in weights)
        net = ThinnerNet([len(weights[f"down.{level}.0.weight"]) for level in range(levels)])
        net.load_state_dict(weights)
    elif (folder / THINNER_FILE).is_file():
        thinner = Thinner.load(folder / THINNER_FILE)
    if thinner is not None:
        batch = batches[usual_plan(batches)]
        wide, lines = (batch[name].float() for name in PAIR[:2])
        net = unfolded(thinner, (wide, lines))
    config = recipe.thinner
    if net is not None and config is not None and net.widths != tuple(config.widths):
        raise ValueError(
            f"The thinner in {recipe.init} does not fit the recipe's thinner.widths: its own are "
            f"{', '.join(map(str, net.widths))}."
        )
    return net
