"""One ONNX file that reads: encoder, decoding loop with feedback and grammar, and symbol boxes.

It is put together from the two graphs of an export and from small ones around them that are traced
from torch, so that whatever runs ONNX can read pictures in a single call.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.export import Dim

from inktex.engine import MAX_TOKENS

from .decoding_loop import CANDIDATES, STATE, Finish, Follow, Start
from .files import Export, Settings, read_words

__all__ = ["INPUTS", "OUTPUTS", "write_single"]

INPUTS: Final = ("pixel_values", "pixel_mask", "forbidden", "locked")
"""`(batch, 1, height, width)` float32, ink 1 on paper 0, sides multiples of 16; `(batch, height,
width)` float32, 0 for padding; `(forbidden,)` int64, tokens that may not be written; `(locked, 2)`
int64, places and the tokens that every reading has there unless the grammar forbids it. The last
two are empty mostly. They have no defaults since ONNX Runtime Web cannot set an input that has."""
OUTPUTS: Final = (
    "tokens", "log_probabilities", "boxes", "candidates", "candidate_log_probabilities",
    "attention",
)  # fmt: skip
"""`(batch, tokens)` int64, the end of each reading included and repeated up to the longest one;
`(batch, tokens)` float32, of each token; `(batch, tokens, 4)` float32, left, top, right and bottom
of its ink in pixels, all 0 without ink; `(batch, tokens, candidates)` int64 and float32, the
likeliest tokens at its place, behind those before it; `(batch, tokens, rows, columns)` float32,
where the guided heads looked, a cell of `stride` pixels square."""
_EXPORT: Final[dict[str, Any]] = {"dynamo": True, "optimize": True, "verbose": False}
_BATCH = Dim("batch", max=4096)
_SHARED: Final = ("allowed", "locked_tokens", "columns")
"""What every token's step takes from outside the loop."""
_COLLECTED: Final = ("next_tokens", "score", "candidates", "candidate_scores", "attention")
"""What is kept of every token."""


def write_single(export: Export, path: Path) -> None:
    """Write an export as one graph; `INPUTS` and `OUTPUTS` say what it takes and gives.

    Its metadata hold, as JSON, `words`, the tokens by their numbers, and `settings`, those of
    `Settings`, among them how pictures are brought to the model's form.

    Args:
        export: of `find_export`, with its weights in its graphs.
        path: file to write.

    Raises:
        ValueError: if the model decodes without a grammar, or has no guided heads.
    """
    import onnx

    settings, words = export.settings, read_words(export.tokenizer)
    parts = _Parts(onnx.load(export.encoder), onnx.load(export.decoder), settings, words)
    model = parts.joined()
    for key, value in {"words": words, "settings": asdict(settings)}.items():
        model.metadata_props.add(key=key, value=json.dumps(value, sort_keys=True))
    onnx.checker.check_model(model)
    onnx.save(model, path)


class _Parts:
    """The graphs that are joined, and the names that they share.

    Args:
        encoder, decoder: of an export.
        settings, words: of the export.
    """

    def __init__(
        self, encoder: Any, decoder: Any, settings: Settings, words: Mapping[int, str]
    ) -> None:
        self.encoder, self.decoder, self.settings = encoder, decoder, settings
        self.memory = [one.name for one in encoder.graph.output]
        if "attention" not in [one.name for one in decoder.graph.output]:
            raise ValueError("Only a model with guided heads can be one graph.")
        pasts = [f"past_{number}" for number in range(settings.layers)]
        self.carried = ("tokens", "locations", *STATE, *pasts)
        side = settings.multiple
        cells, length, rows, columns = (
            Dim(name, max=2**16) for name in ("cells", "length", "rows", "columns")
        )
        batch = {0: _BATCH}
        pixels: dict[int, Any] = {0: _BATCH, 2: side * rows, 3: side * columns}
        picture, bias = torch.rand(2, 1, 3 * side, 5 * side), torch.zeros(2, 1, 1, 7)
        pairs = torch.tensor([[0, 1], [2, 3], [4, 5]])
        given = (picture, bias, pairs[:, 1], pairs)
        forbidden, locked = Dim("forbidden", max=4096), Dim("locked", max=4096)
        start = Start(settings)
        self.start = _traced(
            start, given, ("pixel_values", "bias", "forbidden", "locked"),
            (*self.carried, "allowed", "locked_tokens"),
            (pixels, {0: _BATCH, 3: cells}, {0: forbidden}, {0: locked}),
        )  # fmt: skip
        self.step = _traced(
            Follow(settings),
            (
                torch.tensor([3]), torch.rand(2, settings.vocabulary), torch.rand(2, 7),
                torch.ones(settings.vocabulary, dtype=torch.bool),
                torch.full((MAX_TOKENS,), -1), torch.tensor([4]),
                *(one.contiguous() for one in start(*given)[2 : 2 + len(STATE)]),
            ),
            ("position", "logits", "attention", *_SHARED, *STATE),
            (
                "goes_on", "next_tokens", "score", "candidates", "candidate_scores",
                "next_locations", *map(_next, STATE),
            ),
            (
                None, batch, {0: _BATCH, 1: cells}, None, None, None,
                *[batch] * 7, {0: _BATCH, 1: cells},
            ),
        )  # fmt: skip
        looked = torch.rand(6, 2, 15 * (side // settings.stride) ** 2)
        collected = {0: length, 1: _BATCH}
        self.finish = _traced(
            Finish(settings, words),
            (
                torch.randint(4, (6, 2)), torch.rand(6, 2), torch.randint(4, (6, 2, CANDIDATES)),
                torch.rand(6, 2, CANDIDATES), looked, picture,
            ),
            (*(f"all/{name}" for name in _COLLECTED), "pixel_values"),
            OUTPUTS,
            (*[collected] * 4, collected | {2: cells}, pixels),
        )  # fmt: skip

    def joined(self) -> Any:
        """The whole graph."""
        from onnx import TensorProto, helper, numpy_helper

        settings = self.settings
        constants = {
            "one": np.array([1]), "stride": np.array([settings.stride]),
            "most": np.array(MAX_TOKENS), "true": np.array(True),
        }  # fmt: skip
        encoder = _part(self.encoder, "encoder", {one: one for one in (*INPUTS, *self.memory)})
        first = {name: f"first/{name}" for name in self.carried}
        same = ("pixel_values", "bias", "forbidden", "locked", *_SHARED)
        start = _part(self.start, "start", first | {name: name for name in same})
        body, initializers = self._loop()
        lasts = [f"last/{name}" for name in self.carried]
        collected = [f"all/{name}" for name in _COLLECTED]
        loop = helper.make_node(
            "Loop", ["most", "true", *first.values()], [*lasts, *collected], "loop", body=body
        )
        kept = (*OUTPUTS, *collected, "pixel_values")
        finish = _part(self.finish, "finish", {name: name for name in kept})
        graph = helper.make_graph(
            [
                *encoder.nodes,
                helper.make_node("Shape", ["pixel_values"], ["width"], start=3, end=4),
                helper.make_node("Div", ["width", "stride"], ["columns"]),
                *start.nodes,
                loop,
                *finish.nodes,
            ],
            "inktex",
            [
                helper.make_tensor_value_info(
                    "pixel_values", TensorProto.FLOAT, ["batch", 1, "height", "width"]
                ),
                helper.make_tensor_value_info(
                    "pixel_mask", TensorProto.FLOAT, ["batch", "height", "width"]
                ),
                helper.make_tensor_value_info("forbidden", TensorProto.INT64, ["forbidden"]),
                helper.make_tensor_value_info("locked", TensorProto.INT64, ["locked", 2]),
            ],
            [_named(one, one.name) for one in self.finish.graph.output],
            [
                *encoder.initializers,
                *start.initializers,
                *initializers,
                *finish.initializers,
                *(numpy_helper.from_array(value, name) for name, value in constants.items()),
            ],
        )
        opsets: dict[str, int] = {}
        for proto in (self.encoder, self.decoder, self.start, self.step, self.finish):
            for one in proto.opset_import:
                opsets[one.domain] = max(one.version, opsets.get(one.domain, 1))
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(*one) for one in opsets.items()],
            ir_version=self.start.ir_version,
        )

    def _loop(self) -> tuple[Any, list[Any]]:
        """The graph of one token, and the constants of it, which belong into the outer graph."""
        from onnx import TensorProto, helper

        same = {name: name for name in ("position", "logits", "attention", *_SHARED)}
        before = {name: f"before/{name}" for name in self.carried}
        past = {
            f"past_and_token_{number}": _next(f"past_{number}")
            for number in range(self.settings.layers)
        }
        outer = {name: name for name in self.memory}
        decoder = _part(self.decoder, "decoder", before | same | outer | past)
        results = {one.name: one.name for one in self.step.graph.output}
        follow = _part(self.step, "follow", before | same | results)
        kinds = {one.name: one for one in self.start.graph.output}
        step_kinds = {one.name: one for one in self.step.graph.output}
        body = helper.make_graph(
            [
                helper.make_node("Reshape", ["iteration", "one"], ["position"]),
                *decoder.nodes,
                *follow.nodes,
                *(helper.make_node("Identity", [name], [f"scan/{name}"]) for name in _COLLECTED),
            ],
            "token",
            [
                helper.make_tensor_value_info("iteration", TensorProto.INT64, []),
                helper.make_tensor_value_info("goes_on_before", TensorProto.BOOL, []),
                *(_named(kinds[name], new) for name, new in before.items()),
            ],
            [
                helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
                *(_named(kinds[name], _next(name)) for name in self.carried),
                *(
                    _named(step_kinds.get(name, kinds["covered"]), f"scan/{name}")
                    for name in _COLLECTED
                ),
            ],
        )
        return body, [*decoder.initializers, *follow.initializers]


def _next(name: str) -> str:
    return f"next_{name}"


def _named(value: Any, name: str) -> Any:
    """A value of the same type under another name, of any shape: caches grow in the loop."""
    from onnx import helper

    kind = value.type.tensor_type
    shape = [None] * len(kind.shape.dim)
    return helper.make_tensor_value_info(name, kind.elem_type, shape)


@dataclass
class _Part:
    """Nodes and constants of a graph, under names that no other part has."""

    nodes: list[Any]
    initializers: list[Any]


def _part(proto: Any, prefix: str, names: Mapping[str, str]) -> _Part:
    """A graph as a part of another one.

    Args:
        prefix: of the names that are not in `names`.
        names: of inputs and outputs, and what they are called outside.
    """
    graph = proto.graph

    def renamed(name: str) -> str:
        return names.get(name, f"{prefix}/{name}") if name else ""

    for node in graph.node:
        assert not any(one.HasField("g") for one in node.attribute), "a graph within a graph"
        node.name = renamed(node.name)
        node.input[:] = map(renamed, node.input)
        node.output[:] = map(renamed, node.output)
    for one in graph.initializer:
        one.name = renamed(one.name)
    return _Part([*graph.node], [*graph.initializer])


def _traced(
    module: nn.Module,
    inputs: Sequence[torch.Tensor],
    names: Sequence[str],
    outputs: Sequence[str],
    shapes: Sequence[Any],
) -> Any:
    """The graph of a module."""
    import onnx

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's, about its own internals
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs),
            input_names=[*names],
            output_names=[*outputs],
            dynamic_shapes=tuple(shapes),
            **_EXPORT,
        )
    assert program is not None
    return onnx.ModelProto.FromString(program.model_proto.SerializeToString())
