"""The two graphs of a model: pictures to keys and values, and a token to the next one's logits.

They are written without weights, which they name as the model's file does. So they are small, and
serve every model of the same architecture.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim

from inktex.files import new_folder, write_text
from inktex.modeling.decoder_inktex import InktexDecoder
from inktex.modeling.encoder_inktex import STRIDE, cells_with_picture
from inktex.modeling.ink_network_inktex import InktexInkExtraction
from inktex.modeling.layers_inktex import sinusoids
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.step_inktex import StepWeights, decode_step, memory_keys, padding_bias

from .files import DECODER, ENCODER, FORMAT, GRAPHS, WEIGHTS, architecture
from .ink_network import INK_NETWORK, INPUT, OUTPUTS

Tensors = list[torch.Tensor]
_EVERYTHING = 2**31
"""Bytes of the largest constant that is folded where weights are known."""


class EncoderGraph(nn.Module):
    """Pictures to the keys and values of the decoder's cross-attention."""

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
            Keys and values of `memory_keys`, and the bias `(batch, 1, 1, cells)` that keeps
            attention off the padding.
        """
        assert isinstance(self.decoder, InktexDecoder)
        mask = pixel_mask[:, None]
        memory = self.encoder.memory(self.encoder.backbone(pixel_values, mask))
        cells = cells_with_picture(mask)
        keys, values = memory_keys(self.decoder, memory)
        return *keys, *values, padding_bias(cells, memory.dtype)


class DecoderGraph(nn.Module):
    """A token and the cache of those before to the logits of the next one."""

    def __init__(self, model: InktexForConditionalGeneration) -> None:
        super().__init__()
        self.decoder, self.lm_head = model.decoder, model.lm_head

    def forward(
        self,
        tokens: torch.Tensor,
        position: torch.Tensor,
        locations: torch.Tensor,
        past: Tensors,
        memory_keys: Tensors,
        memory_values: Tensors,
        bias: torch.Tensor,
        covered: torch.Tensor,
    ) -> Any:
        """Decode; see `decode_step`.

        Args:
            tokens: `(batch,)` int64.
            position: `(1,)` int64, of the token.
            locations: `(batch, 2)`, its row and column; unused without location feedback.
            past: for each layer `(batch, heads, tokens so far, 2 * size)`.
            memory_keys, memory_values, bias: outputs of `EncoderGraph`.
            covered: `(batch, cells)`, cells that have been read; unused without coverage feedback.

        Returns:
            Logits `(batch, vocabulary)`; the past, a token longer; and the mean attention of the
            guided heads, `(batch, cells)`, if there are any.
        """
        assert isinstance(self.decoder, InktexDecoder)
        output = decode_step(
            StepWeights(self.decoder, self.lm_head),
            tokens,
            sinusoids(position, self.decoder.config.hidden_size)[0],
            locations,
            past,
            (memory_keys, memory_values),
            bias,
            covered=covered,
        )
        found = output.logits, *output.past
        return found if output.attention is None else (*found, output.attention)


def layer_names(kind: str, layers: int) -> list[str]:
    """Names of a tensor of each layer."""
    return [f"{kind}_{number}" for number in range(layers)]


def write_graphs(model: InktexForConditionalGeneration, encoder: Path, decoder: Path) -> None:
    """Write the graphs of a model in float32, without weights, for batches of any size.

    Raises:
        ValueError: if its decoder is recurrent.
    """
    if not isinstance(model.decoder, InktexDecoder):
        raise ValueError("Only models with a Transformer decoder can be exported to ONNX.")
    names = _names_in_files(model)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's, about its own internals
        _write_without_weights(_trace_encoder(model), names, encoder)
        _write_without_weights(_trace_decoder(model), names, decoder)


# Both are traced with sizes that all differ and are not 1, which torch would take for constants.
_BATCH = Dim("batch", max=4096)
_EXPORT: dict[str, Any] = {"dynamo": True, "optimize": False, "verbose": False}


def _memory_names(model: InktexForConditionalGeneration) -> list[str]:
    layers = model.config.decoder.num_hidden_layers
    return [*layer_names("memory_key", layers), *layer_names("memory_value", layers), "bias"]


def _trace_encoder(model: InktexForConditionalGeneration) -> Any:
    multiple = model.encoder.backbone.stride
    rows, columns = (Dim(name, max=4096) for name in ("rows", "columns"))
    return torch.onnx.export(
        EncoderGraph(model),
        (
            torch.rand(2, 1, 3 * multiple, 5 * multiple),
            torch.ones(2, 3 * multiple, 5 * multiple),
        ),
        input_names=["pixel_values", "pixel_mask"],
        output_names=_memory_names(model),
        dynamic_shapes=(
            {0: _BATCH, 2: multiple * rows, 3: multiple * columns},
            {0: _BATCH, 1: multiple * rows, 2: multiple * columns},
        ),
        **_EXPORT,
    )


def _trace_decoder(model: InktexForConditionalGeneration) -> Any:
    config = model.config.decoder
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    size = config.hidden_size // heads
    past, cells = Dim("past", max=4096), Dim("cells", max=2**20)
    kept, keys, values = (
        [torch.rand(shape) for _ in range(layers)]
        for shape in ((2, heads, 3, 2 * size), (2, heads, size, 7), (2, heads, 7, size))
    )
    # In the order of `DecoderGraph.forward`.
    inputs = (
        torch.tensor([5, 6]), torch.tensor([3]), torch.zeros(2, 2), kept, keys, values,
        torch.zeros(2, 1, 1, 7), torch.zeros(2, 7),
    )  # fmt: skip
    outputs = ["logits", *layer_names("past_and_token", layers)]
    has_guided_heads = config.guided_layers and config.guided_heads
    return torch.onnx.export(
        DecoderGraph(model),
        inputs,
        input_names=[
            *("tokens", "position", "locations"),
            *layer_names("past", layers),
            *_memory_names(model),
            "covered",
        ],
        output_names=[*outputs, "attention"] if has_guided_heads else outputs,
        dynamic_shapes=(
            {0: _BATCH},
            None,
            {0: _BATCH},
            [{0: _BATCH, 2: past}] * layers,
            [{0: _BATCH, 3: cells}] * layers,
            [{0: _BATCH, 2: cells}] * layers,
            {0: _BATCH, 3: cells},
            {0: _BATCH, 1: cells},
        ),
        **_EXPORT,
    )


def write_ink_graph(path: Path) -> None:
    """Write the graph of the network of its usual size, for pictures of any size.

    Args:
        path: file to write.
    """
    network = InktexInkExtraction(is_folded=True).eval()
    rows, columns = (Dim(name, max=4096) for name in ("rows", "columns"))
    stride = network.stride
    sides: dict[int, Any] = {2: stride * rows, 3: stride * columns}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's, about its own internals
        program = torch.onnx.export(
            network,
            (torch.rand(1, 3, 3 * stride, 5 * stride),),
            input_names=[INPUT],
            output_names=[*OUTPUTS],
            dynamic_shapes=(sides,),
            **_EXPORT,
        )
        _write_without_weights(program, {name: name for name in network.state_dict()}, path)


def write_shipped(model: InktexForConditionalGeneration, folder: Path) -> None:
    """Write the graphs of the package, and the architecture that they are for.

    Raises:
        ValueError: if its decoder is recurrent.
    """
    import onnx

    with new_folder(folder) as partial:
        write_graphs(model, partial / ENCODER, partial / DECODER)
        write_ink_graph(partial / INK_NETWORK)
        shapes = {}
        for name in (ENCODER, DECODER):
            proto = onnx.load(partial / name, load_external_data=False)
            shapes[name] = {
                one.name: list(one.dims)
                for one in proto.graph.initializer
                if one.data_location == onnx.TensorProto.EXTERNAL
            }
        about = {
            "format": FORMAT,
            "architecture": architecture(model.config.to_dict()),
            "stride": STRIDE,
            "multiple": model.encoder.backbone.stride,
            "shapes": shapes,
        }
        write_text(partial / GRAPHS, json.dumps(about, indent=1, sort_keys=True) + "\n")


def _names_in_files(model: InktexForConditionalGeneration) -> dict[str, str]:
    """Names of weights in files, where tied ones have one, by all of their names."""
    tied: dict[int, str] = {}
    weights = model.state_dict()
    aliases = dict(model._tied_weights_keys)
    for name in sorted(weights, key=lambda one: one in aliases):
        tied.setdefault(weights[name].data_ptr(), name)
    return {name: tied[one.data_ptr()] for name, one in weights.items() if one.numel()}


def _write_without_weights(program: Any, names: Mapping[str, str], path: Path) -> None:
    """Simplify a graph as far as it does not depend on weights, and write it without these.

    Args:
        program: of `torch.onnx.export`.
        names: of the weights in files, by their names in the program.
    """
    import onnx
    from onnxscript import optimizer

    model = program.model
    graph = model.graph
    weights = [value for name, value in graph.initializers.items() if name in names]
    for value in weights:  # as if they were inputs of every run
        graph.initializers.pop(value.name)
        value.const_value = None
        graph.inputs.append(value)
    optimizer.optimize(model)
    proto = onnx.ModelProto.FromString(program.model_proto.SerializeToString())
    called = {value.name for value in weights}
    used = {name for node in proto.graph.node for name in node.input}
    inputs = {one.name: one for one in proto.graph.input}
    for name in called:
        proto.graph.input.remove(inputs[name])
    for node in proto.graph.node:
        node.input[:] = [names.get(name, name) if name in called else name for name in node.input]
    for stored, original in sorted({names[name]: name for name in sorted(called & used)}.items()):
        kind = inputs[original].type.tensor_type
        stub = onnx.TensorProto(
            name=stored,
            data_type=kind.elem_type,
            dims=[dimension.dim_value for dimension in kind.shape.dim],
            data_location=onnx.TensorProto.EXTERNAL,
        )
        stub.external_data.add(key="location", value=WEIGHTS)
        proto.graph.initializer.append(stub)
    _remove_metadata(proto)
    onnx.save(proto, path)


def _remove_metadata(proto: Any) -> None:
    """Remove the exporter's notes on the source of every operation."""
    del proto.graph.value_info[:]
    del proto.graph.metadata_props[:]
    del proto.metadata_props[:]
    for part in (*proto.graph.node, *proto.graph.input, *proto.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in proto.graph.initializer:
        del tensor.metadata_props[:]


def fill_graph(source: Path, weights: Mapping[str, Any], target: Path) -> None:
    """Put weights into a graph that was written without, and fold what they determine.

    Args:
        weights: of `read_weights`.
    """
    import onnx
    import onnx_ir
    from onnx import numpy_helper
    from onnxscript import optimizer

    proto = onnx.load(source, load_external_data=False)
    for place, stub in enumerate(proto.graph.initializer):
        if stub.data_location == onnx.TensorProto.EXTERNAL:
            filled = numpy_helper.from_array(weights[stub.name], stub.name)
            proto.graph.initializer[place].CopyFrom(filled)
    model = onnx_ir.from_proto(proto)
    optimizer.optimize(model, input_size_limit=_EVERYTHING, output_size_limit=_EVERYTHING)
    proto = onnx_ir.to_proto(model)
    _remove_metadata(proto)
    onnx.save(proto, target)
