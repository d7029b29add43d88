"""Eight bits a weight, for graphs that `graphs.py` wrote.

The encoder's weights are kept in eight bits and read as float32 when the graph is loaded: its
convolutions would be slower in whole numbers. The decoder reads all of its weights at every token,
so its products are computed in eight bits, by onnxruntime's dynamic quantisation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["quantize_products", "quantize_weights"]

_SMALLEST: Final = 1024
"""Smaller weights are left alone."""
_OUTPUTS: Final = {"Conv": 0, "MatMul": 1}
"""The axis of a weight along which each output has its own scale, by operator."""


def quantize_weights(source: Path, target: Path) -> None:
    """Keep the weights of convolutions and products in eight bits, a scale for each output.

    Args:
        source: file of a graph in float32.
        target: file to write.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    axes = {
        node.input[1]: _OUTPUTS[node.op_type]
        for node in model.graph.node
        if node.op_type in _OUTPUTS
    }
    added = []
    for constant in list(model.graph.initializer):
        weight = numpy_helper.to_array(constant)
        name = constant.name
        if name not in axes or weight.dtype != np.float32 or weight.size < _SMALLEST:
            continue
        whole, scale = _eight_bits(weight, axes[name])
        model.graph.initializer.remove(constant)
        model.graph.initializer.extend(
            [
                numpy_helper.from_array(whole, f"{name}_int8"),
                numpy_helper.from_array(scale, f"{name}_scale"),
            ]
        )
        # Not DequantizeLinear, which onnxruntime would compute anew for every picture.
        kind = onnx.TensorProto.FLOAT
        added += [
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=kind),
            helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
        ]
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*added, *rest])
    onnx.save(model, target)


def quantize_products(source: Path, target: Path) -> None:
    """Compute the products with constant weights in eight bits.

    Args:
        source: file of a graph in float32.
        target: file to write.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        # Seven bits, so that no processor's sums overflow, and all read the same.
        reduce_range=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def _eight_bits(
    weight: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers from -127 to 127, and what to multiply them with."""
    others = tuple(number for number in range(weight.ndim) if number != axis)
    scale = np.abs(weight).max(axis=others, keepdims=True).clip(1e-12) / 127
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)
