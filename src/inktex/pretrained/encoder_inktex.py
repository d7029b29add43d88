"""The encoder: pictures to the memory that a decoder reads, and to the symbol map."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.utils import ModelOutput

from .configuration_inktex import InktexEncoderConfig
from .densenet_inktex import STRIDE, InktexDenseNet
from .vgg_inktex import InktexVGG


def cells_with_picture(mask: torch.Tensor) -> torch.Tensor:
    """`(batch, 1, height, width)`, 0 for padding, to `(batch, cells)` bool."""
    return nn.functional.max_pool2d(mask, STRIDE).flatten(1) > 0


@dataclass
class InktexEncoderOutput(ModelOutput):
    """What the encoder makes of a batch of pictures.

    Attributes:
        last_hidden_state: `(batch, cells, hidden)`, the cells of the stride-8 grid row by row.
        attention_mask: `(batch, cells)` bool, true where a cell has picture under it; None where
            every cell has.
        grid_shape: `(batch, 2)` int64, each `(rows, columns)`; `cells = rows * columns`.
        symbol_logits: `(batch, cells, labels)`, which symbol's ink lies in a cell; only where
            asked for.
        allowed_tokens: `(batch, vocabulary)` bool, set by whoever reads by an alphabet: the decoder
            gives all other tokens a probability of 0; None to allow all.
    """

    last_hidden_state: torch.Tensor | None = None
    attention_mask: torch.Tensor | None = None
    grid_shape: torch.Tensor | None = None
    symbol_logits: torch.Tensor | None = None
    allowed_tokens: torch.Tensor | None = None


def allow(logits: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
    """Logits with those of tokens that are not allowed at minus infinity.

    Args:
        logits: `(sequences, ..., vocabulary)`; neighbouring sequences share a picture.
        allowed: `(pictures, vocabulary)` bool; None to allow all.
    """
    if allowed is None:
        return logits
    rows = allowed.repeat_interleave(len(logits) // len(allowed), dim=0)
    shape = (len(logits), *[1] * (logits.ndim - 2), logits.shape[-1])
    return logits.masked_fill(~rows.view(shape), -torch.inf)


def sinusoid_rates(size: int, device: torch.device | None = None) -> torch.Tensor:
    """`(size / 2,)`, how fast each of the `sinusoids` goes."""
    half = size // 2
    steps = torch.arange(half, device=device, dtype=torch.float32)
    return torch.exp(steps * (-math.log(10000.0) / max(half - 1, 1)))


def sinusoids(
    positions: torch.Tensor, size: int, rates: torch.Tensor | None = None
) -> torch.Tensor:
    """Sines and cosines (Vaswani et al. 2017, section 3.5): `(...)` positions to `(..., size)`.

    Args:
        positions: of whatever type.
        size: of the code.
        rates: of `sinusoid_rates`, where they are at hand.
    """
    if rates is None:
        rates = sinusoid_rates(size, positions.device)
    angles = positions.float()[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class InktexEncoder(nn.Module):
    """Pictures to the memory that the decoder reads, and to the symbol map."""

    main_input_name = "pixel_values"

    def __init__(self, config: InktexEncoderConfig) -> None:
        super().__init__()
        self.config = config
        if config.architecture == "vgg":
            self.vgg = InktexVGG(config)
        else:
            self.densenet = InktexDenseNet(config)
        # Whole channels: as good here, and one random number each instead of one a cell.
        self.dropout = nn.Dropout2d(config.dropout)
        self.projection = nn.Linear(config.fusion_channels, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.symbol_head = nn.Linear(config.fusion_channels, config.num_symbol_labels)

    @property
    def backbone(self) -> InktexDenseNet | InktexVGG:
        """The convolutions."""
        return self.vgg if self.config.architecture == "vgg" else self.densenet

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        output_symbols: bool = False,
        **kwargs: Any,
    ) -> InktexEncoderOutput:
        """Encode a batch of pictures.

        Args:
            pixel_values: `(batch, 1, height, width)`, ink 1 on paper 0. Any size: the model pads
                to a multiple of its coarsest stride.
            pixel_mask: `(batch, height, width)`, 1 where there is picture, 0 where padding.
            output_symbols: also compute the symbol map's logits.
            kwargs: what `generate` hands to every encoder; nothing here needs it.
        """
        height, width = pixel_values.shape[-2:]
        below, right = -height % self.backbone.stride, -width % self.backbone.stride
        mask = None if pixel_mask is None else pixel_mask[:, None].to(pixel_values.dtype)
        if below or right:
            if mask is None:
                mask = torch.ones_like(pixel_values)
            pixel_values = nn.functional.pad(pixel_values, (0, right, 0, below))
            mask = nn.functional.pad(mask, (0, right, 0, below))
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        features = self.dropout(self.backbone(pixel_values, mask))
        rows, columns = features.shape[-2:]
        hidden = self.memory(features)
        cells = None
        if mask is not None:
            cells = cells_with_picture(mask)
        return InktexEncoderOutput(
            last_hidden_state=hidden,
            attention_mask=cells,
            grid_shape=torch.tensor([[rows, columns]] * len(hidden), device=hidden.device),
            symbol_logits=self.symbol_head(features.flatten(2).transpose(1, 2))
            if output_symbols
            else None,
        )

    def memory(self, features: torch.Tensor) -> torch.Tensor:
        """The backbone's `(batch, fusion, rows, columns)` to `(batch, rows * columns, hidden)`."""
        rows, columns = features.shape[-2:]
        features = features.flatten(2).transpose(1, 2)
        half = self.config.hidden_size // 2
        device = features.device
        down = sinusoids(torch.arange(rows, device=device), half)
        across = sinusoids(torch.arange(columns, device=device), half)
        place = torch.cat(
            [
                down[:, None, :].expand(rows, columns, half),
                across[None, :, :].expand(rows, columns, half),
            ],
            dim=-1,
        ).flatten(0, 1)
        return self.norm(self.projection(features)) + place.to(features.dtype)


__all__ = [
    "STRIDE", "InktexEncoder", "InktexEncoderOutput", "allow", "sinusoid_rates", "sinusoids",
]  # fmt: skip
