"""A model and the image processor's thinner that learn together.

What a wide pen filled is told best by what is read in it; and what the thinner leaves unsure, a
model reads better that has seen it. Both go one way: the loss of what is read goes through the
model's picture into the thinner.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from inktex.modeling.modeling_inktex import InktexForConditionalGeneration, InktexOutput

from .pairs import JointBatches
from .recipe import Recipe
from .thinner_net import ThinnerNet, ink_loss, narrow_ink, starting_net

__all__ = ["JointModel", "joint_model"]


class JointModel(nn.Module):
    """A thinner, and a model that reads what it makes of some of the pictures.

    Args:
        model: reads.
        thinner: of the wide pens' ink.
        pixels: weight of the thinner's own loss, that of single pixels.
    """

    def __init__(
        self, model: InktexForConditionalGeneration, thinner: ThinnerNet, pixels: float
    ) -> None:
        super().__init__()
        self.model, self.thinner, self.pixels = model, thinner, pixels

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor,
        thinned: torch.Tensor,
        wide: torch.Tensor,
        lines: torch.Tensor,
        ink: torch.Tensor,
        **rest: Any,
    ) -> InktexOutput:
        """What the model gives for the pictures, some of them the thinner's; to train, not to read.

        Args:
            pixel_values, pixel_mask, rest: of the model.
            thinned, wide, lines, ink: of `JointBatches`.
        """
        wide, lines, ink = (one.float() for one in (wide, lines, ink))
        logits = self.thinner(wide, lines).float()
        pictures = narrow_ink(logits, wide, pixel_mask[thinned])
        pixel_values = pixel_values.index_copy(0, thinned, pictures.to(pixel_values.dtype))
        output: InktexOutput = self.model(pixel_values=pixel_values, pixel_mask=pixel_mask, **rest)
        if output.loss is not None:
            output.loss = output.loss + self.pixels * ink_loss(logits, wide, ink)
        return output


def joint_model(
    recipe: Recipe, model: InktexForConditionalGeneration, batches: JointBatches
) -> JointModel:
    """The model of a run that trains a thinner with it.

    Args:
        recipe: the run; its `init` has the thinner to start from, if it has one.
        model: reads.
        batches: of the run.

    Raises:
        ValueError: if the thinner of `init` does not fit the recipe, or is damaged.
    """
    config = batches.thinner
    thinner = starting_net(recipe, batches) or ThinnerNet(config.widths)
    return JointModel(model, thinner, config.pixels)
