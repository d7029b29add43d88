"""Sessions of ONNX Runtime, all of them with the same options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def load_runtime() -> Any:
    """ONNX Runtime.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("The ONNX engine needs onnxruntime: pip install onnxruntime.") from error
    return onnxruntime


def make_session(
    runtime: Any, path: Path, threads: int | None, weights: Mapping[str, NDArray[np.float32]]
) -> Any:
    """A session of a graph; what its weights determine is computed here."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    # Memory is planned for each combination of shapes, and these differ at every run.
    options.enable_mem_pattern = False
    if threads is not None:
        options.intra_op_num_threads = threads
    # Waiting threads would keep cores busy that other processes need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if weights:
        values = [runtime.OrtValue.ortvalue_from_numpy(one) for one in weights.values()]
        options.add_external_initializers(list(weights), values)
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
