"""The encoder: pictures to the memory that the decoder attends to, and to the symbol map."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import ModelOutput

from .configuration_inktex import InktexEncoderConfig
from .layers_inktex import STRIDE, ConvNorm, halve, pointwise, sinusoids
from .vgg_inktex import InktexVGG


def cells_with_picture(mask: torch.Tensor) -> torch.Tensor:
    """`(batch, 1, height, width)`, 0 for padding, to `(batch, cells)` bool."""
    return nn.functional.max_pool2d(mask, STRIDE).flatten(1) > 0


@dataclass
class InktexEncoderOutput(ModelOutput):
    """Features of a batch of pictures.

    Attributes:
        last_hidden_state: `(batch, cells, hidden)`, the cells of the stride-8 grid row by row.
        attention_mask: `(batch, cells)` bool, true where a cell has picture under it; None where
            every cell has.
        grid_shape: `(batch, 2)` int64, each `(rows, columns)`; `cells = rows * columns`.
        symbol_logits: `(batch, cells, labels)`, which symbol's ink lies in a cell; only where
            asked for.
        allowed_tokens: `(batch, vocabulary)` bool, set by a caller that restricts the alphabet: the
            head gives all other tokens a probability of 0; None to allow all.
    """

    last_hidden_state: torch.Tensor | None = None
    attention_mask: torch.Tensor | None = None
    grid_shape: torch.Tensor | None = None
    symbol_logits: torch.Tensor | None = None
    allowed_tokens: torch.Tensor | None = None

    def select(self, pictures: torch.Tensor) -> "InktexEncoderOutput":
        """The output for some pictures of the batch, `(pictures,)` indices."""
        return InktexEncoderOutput(**{name: value[pictures] for name, value in self.items()})


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


class DenseLayer(GradientCheckpointingLayer):
    """DenseNet-B layer: 1x1 to a bottleneck, 3x3 to `growth` new channels, appended to the old.

    A bottleneck of 0 leaves the 1x1 convolution out.
    """

    def __init__(self, in_channels: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(in_channels, bottleneck, 1) if bottleneck else None
        self.grow = ConvNorm(bottleneck or in_channels, growth, 3)

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`(batch, in, h, w)` and mask `(batch, 1, h, w)` to `(batch, in + growth, h, w)`."""
        narrow = features if self.reduce is None else self.reduce(features, mask)
        if self.reduce is not None and not self.grow.is_learning:
            # What follows is a masked 1x1 convolution, which sees one cell alone. The statistics of
            # normalisations, which training updates, are of masked features.
            mask = None
        return torch.cat([features, self.grow(narrow, mask)], dim=1)


class DenseBlock(nn.Module):
    """Dense layers at one resolution."""

    def __init__(self, in_channels: int, layers: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(in_channels + i * growth, growth, bottleneck) for i in range(layers)
        )
        self.out_channels = in_channels + layers * growth

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`(batch, in, h, w)` features and `(batch, 1, h, w)` mask to `(batch, out, h, w)`."""
        for layer in self.layers:
            features = layer(features, mask)
        return features


class Transition(nn.Module):
    """1x1 convolution to fewer channels, then the mean of each 2x2 square."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(in_channels, out_channels, 1)

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`(batch, in, h, w)` features and `(batch, 1, h, w)` mask to `(batch, out, h/2, w/2)`."""
        return nn.functional.avg_pool2d(self.reduce(features, mask), 2)


class InktexDenseNet(nn.Module):
    """Multi-scale DenseNet (Huang et al. 2017; Zhang et al. 2018): pictures to stride-8 features.

    Blocks stand at strides 4, 8, 16, ...; those coarser than 8 are brought back to stride 8 and
    added, because a subscript is smaller than a stride-16 cell but its context is not.
    """

    def __init__(self, config: InktexEncoderConfig) -> None:
        super().__init__()
        first, second = config.stem_channels
        self.stem = nn.ModuleList([ConvNorm(1, first, 5, 2), ConvNorm(first, second, 3, 2)])
        self.blocks = nn.ModuleList()
        self.transitions = nn.ModuleList()
        self.fusions = nn.ModuleList()
        channels = second
        sizes = zip(
            config.block_layers, config.growth_rates, config.bottleneck_factors, strict=True
        )
        for index, (layers, growth, factor) in enumerate(sizes):
            if index:
                narrowed = int(channels * config.compression)
                self.transitions.append(Transition(channels, narrowed))
                channels = narrowed
            block = DenseBlock(channels, layers, growth, factor * growth)
            self.blocks.append(block)
            channels = block.out_channels
            if index:
                self.fusions.append(nn.Conv2d(channels, config.fusion_channels, 1, bias=False))
        self.norm = nn.BatchNorm2d(config.fusion_channels)
        self.stride = 4 * 2 ** (len(config.block_layers) - 1)

    def forward(self, pixels: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`(batch, 1, h, w)` pixels, `(batch, 1, h, w)` mask to `(batch, fusion, h/8, w/8)`.

        Height and width must be multiples of the coarsest stride.
        """
        features = pixels
        for conv in self.stem:
            mask = halve(mask)
            features = conv(features, mask)
        fused: torch.Tensor | None = None
        for index, block in enumerate(self.blocks):
            if index:
                features = self.transitions[index - 1](features, mask)
                mask = halve(mask)
            features = block(features, mask)
            if index:
                level = pointwise(features, self.fusions[index - 1].weight)  # type: ignore[arg-type]
                if index > 1:
                    level = nn.functional.interpolate(level, scale_factor=2 ** (index - 1))
                fused = level if fused is None else fused + level
        return nn.functional.relu(self.norm(fused))


class InktexEncoder(nn.Module):
    """Pictures to the memory that the decoder attends to, and to the symbol map."""

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
            output_symbols: whether to compute the symbol map's logits.
            kwargs: unused arguments that `generate` passes to every encoder.
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
    "STRIDE", "DenseLayer", "InktexDenseNet", "InktexEncoder", "InktexEncoderOutput", "allow",
    "cells_with_picture",
]  # fmt: skip
