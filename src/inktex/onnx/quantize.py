"""Eight bits a weight, for graphs that `graphs.py` wrote.

The encoder's convolutions are computed in whole numbers whose ranges are known beforehand: its
activations are measured on pictures. What goes into products is measured as it comes (onnxruntime's
static and dynamic quantisation): in the decoder because they are of a few rows, in the encoder
because of the first one, from the features to the memory. What comes out of that is normalised, and
with ranges from beforehand one reading in twenty was another, instead of one in fifty. All weights
have seven bits, so that no processor's sums overflow, and all machines read the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def quantize_encoder(source: Path, target: Path, batches: Iterator[dict[str, Floats]]) -> None:
    """Compute convolutions, what is between them, and products in eight bits.

    Args:
        source: file of a graph in float32.
        batches: the graph's inputs, by name, for pictures that are like those to be read.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):
        def get_next(self) -> dict[str, Floats] | None:
            return next(batches, None)

    with tempfile.TemporaryDirectory() as temporary:
        # Normalisations become part of the convolutions before them.
        simplified, convolved = (Path(temporary) / name for name in ("simple", "convolved"))
        quant_pre_process(source, simplified, skip_symbolic_shape=True)
        quantize_static(
            simplified,
            convolved,
            Pictures(),
            op_types_to_quantize=["AveragePool", "Concat", "Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        quantize_products(convolved, target)


def quantize_products(source: Path, target: Path) -> None:
    """Compute the products with constant weights in eight bits.

    Args:
        source: file of a graph in float32.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )
