"""The two graphs of a model: pictures to keys and values, and a token to the next one's logits."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim

from inktex.modeling.decoder_inktex import InktexDecoder
from inktex.modeling.encoder_inktex import cells_with_picture, sinusoids
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.step_inktex import decode_step, memory_keys, paper_bias

__all__ = ["DecoderGraph", "EncoderGraph", "write_graphs"]

Tensors = list[torch.Tensor]


class EncoderGraph(nn.Module):
    """Pictures to what the decoder's cross-attention reads."""

    def __init__(self, model: InktexForConditionalGeneration) -> None:
        super().__init__()
        self.encoder, self.decoder = model.encoder, model.decoder

    def forward(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> Any:
        """Encode.

        Args:
            pixel_values: `(batch, 1, height, width)`, ink 1 on paper 0; the sides are multiples of
                the coarsest stride.
            pixel_mask: `(batch, height, width)`, 0 for padding.

        Returns:
            Keys and values, for each layer `(batch, heads, cells, size)`, and the bias
            `(batch, 1, 1, cells)` that keeps attention off the padding.
        """
        assert isinstance(self.decoder, InktexDecoder)
        mask = pixel_mask[:, None]
        memory = self.encoder.memory(self.encoder.backbone(pixel_values, mask))
        cells = cells_with_picture(mask)
        keys, values = memory_keys(self.decoder, memory)
        return *keys, *values, paper_bias(cells, memory.dtype)


class DecoderGraph(nn.Module):
    """One token, and what was read before, to the logits of the next one."""

    def __init__(self, model: InktexForConditionalGeneration) -> None:
        super().__init__()
        self.decoder, self.head = model.decoder, model.lm_head

    def forward(
        self,
        tokens: torch.Tensor,
        position: torch.Tensor,
        locations: torch.Tensor,
        past_keys: Tensors,
        past_values: Tensors,
        memory_keys: Tensors,
        memory_values: Tensors,
        bias: torch.Tensor,
        covered: torch.Tensor,
    ) -> Any:
        """Decode; see `decode_step`.

        Args:
            tokens: `(batch,)` int64.
            position: `(1,)` int64, of the token.
            locations: `(batch, 2)`, where it stands; not looked at without location feedback.
            past_keys, past_values: for each layer `(batch, heads, tokens so far, size)`.
            memory_keys, memory_values, bias: what `EncoderGraph` gives.
            covered: `(batch, cells)`, which cells have been read; not looked at without coverage
                feedback.

        Returns:
            Logits `(batch, vocabulary)`; keys and values, a token longer; and where the guided
            heads look, `(batch, cells)`, if there are any.
        """
        assert isinstance(self.decoder, InktexDecoder)
        output = decode_step(
            self.decoder,
            self.head,
            tokens,
            sinusoids(position, self.decoder.config.hidden_size)[0],
            locations,
            (past_keys, past_values),
            (memory_keys, memory_values),
            bias,
            covered=covered,
        )
        found = output.logits, *output.keys, *output.values
        return found if output.look is None else (*found, output.look)


def layer_names(kind: str, layers: int) -> list[str]:
    """Names of a tensor that each layer has one of."""
    return [f"{kind}_{number}" for number in range(layers)]


def write_graphs(model: InktexForConditionalGeneration, encoder: Path, decoder: Path) -> None:
    """Export a model in float32, for batches and pictures of any size.

    Args:
        model: in evaluation mode.
        encoder, decoder: files to write.

    Raises:
        ValueError: if its decoder is recurrent.
    """
    if not isinstance(model.decoder, InktexDecoder):
        raise ValueError("Only models with a Transformer decoder can be exported to ONNX.")
    config = model.config.decoder
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    size = config.hidden_size // heads
    multiple = model.encoder.backbone.stride
    batch, rows, columns = (Dim(name, max=4096) for name in ("batch", "rows", "columns"))
    memory = [*layer_names("memory_key", layers), *layer_names("memory_value", layers), "bias"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's about its own inside
        # Traced with sizes that are all different and not 1, which it would take for constants.
        pixels = torch.rand(2, 1, 3 * multiple, 5 * multiple)
        mask = torch.ones(2, 3 * multiple, 5 * multiple)
        torch.onnx.export(
            EncoderGraph(model),
            (pixels, mask),
            encoder,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["pixel_values", "pixel_mask"],
            output_names=memory,
            dynamic_shapes=(
                {0: batch, 2: multiple * rows, 3: multiple * columns},
                {0: batch, 1: multiple * rows, 2: multiple * columns},
            ),
        )
        past, cells = Dim("past", max=4096), Dim("cells", max=2**20)
        kept = [
            [torch.rand(2, heads, length, size) for _ in range(layers)] for length in (3, 3, 7, 7)
        ]
        cached = [*layer_names("key", layers), *layer_names("value", layers)]
        torch.onnx.export(
            DecoderGraph(model),
            (
                torch.tensor([5, 6]),
                torch.tensor([3]),
                torch.zeros(2, 2),
                *kept,
                torch.zeros(2, 1, 1, 7),
                torch.zeros(2, 7),
            ),
            decoder,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["tokens", "position", "locations"]
            + [f"past_{name}" for name in cached]
            + [*memory, "covered"],
            output_names=["logits", *cached, "look"][: None if model_looks(model) else -1],
            dynamic_shapes=(
                {0: batch},
                None,
                {0: batch},
                [{0: batch, 2: past}] * layers,
                [{0: batch, 2: past}] * layers,
                [{0: batch, 2: cells}] * layers,
                [{0: batch, 2: cells}] * layers,
                {0: batch, 3: cells},
                {0: batch, 1: cells},
            ),
        )


def model_looks(model: InktexForConditionalGeneration) -> bool:
    """Whether the model has guided heads."""
    return bool(model.config.decoder.guided_layers and model.config.decoder.guided_heads)
