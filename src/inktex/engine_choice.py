"""Which engine reads: torch, ONNX Runtime, or each for what it is fastest at."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .engine import Engine, SearchOptions
from .modeling.search_inktex import Decoded
from .shipped import pretrained_path
from .torch_engine import TorchEngine

if TYPE_CHECKING:
    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
    from inktex.modeling.processing_inktex import InktexProcessor

AUTO = "auto"
"""The fastest engine for what is asked for; see `fastest_engine`."""
ENGINES = {"torch": "", "onnx": "fp32", "onnx-int8": "int8"}
"""Engines by name, and for ONNX the precision of the weights."""


class AutoEngine(Engine):
    """Searches with ONNX Runtime; torch is loaded for callers who want the model itself.

    A caller who takes `model` may change it, so from then on torch does all searches.

    Args:
        quick: searches.
        load_torch: gives the engine of the model, with the same weights.
    """

    def __init__(self, quick: Engine, load_torch: Callable[[], TorchEngine]) -> None:
        self._quick, self._load_torch = quick, load_torch
        self._torch: TorchEngine | None = None
        self._lock = threading.Lock()

    @property
    def model(self) -> InktexForConditionalGeneration:
        """The model, in torch."""
        return self._whole().model

    @property
    def processor(self) -> InktexProcessor:
        """The model's processor."""
        return self._whole().processor

    @property
    def image_processor(self) -> Any:
        """That of the engine that searches."""
        return self._engine.image_processor

    @property
    def doubt_threshold(self) -> float:  # type: ignore[override]
        """That of the engine that searches."""
        return self._engine.doubt_threshold

    def check(self, options: SearchOptions) -> None:
        """See `Engine`."""
        self._engine.check(options)

    def search(self, pictures: Sequence[NDArray[np.uint8]], options: SearchOptions) -> Decoded:
        """See `Engine`."""
        return self._engine.search(pictures, options)

    def texts(self, decoded: Decoded) -> list[str]:
        """See `Engine`."""
        return self._engine.texts(decoded)

    def tokens(self) -> Mapping[int, str]:
        """See `Engine`."""
        return self._engine.tokens()

    def fingerprint(self) -> str:
        """See `Engine`."""
        return self._engine.fingerprint()

    @property
    def _engine(self) -> Engine:
        return self._quick if self._torch is None else self._torch

    def _whole(self) -> TorchEngine:
        with self._lock:  # of threads that need it first at the same time, one loads it
            if self._torch is None:
                self._torch = self._load_torch()
            return self._torch


def load_engine(
    name: str | Path | None = None, device: str = "cpu", engine: str = AUTO, **kwargs: Any
) -> Engine:
    """Load a model into an engine; see `inktex.load` for arguments and errors."""
    is_auto = engine == AUTO
    if is_auto:
        engine = "torch" if kwargs.keys() - {"threads"} else fastest_engine(name, device)
        if engine == "torch":
            kwargs.pop("threads", None)
    if engine not in ENGINES:
        known = ", ".join((AUTO, *ENGINES))
        raise ValueError(f"There is no engine {engine!r}; there are {known}.")
    if engine == "torch":
        return TorchEngine.from_pretrained(name, device, **kwargs)
    from .onnx.engine import OnnxEngine

    unknown = sorted(kwargs.keys() - {"threads"})
    if unknown:
        raise ValueError(
            f"The engine {engine} reads folders of this machine and takes no {', '.join(unknown)}. "
            "Download the model first (huggingface_hub.snapshot_download) or take engine='torch'."
        )
    found = OnnxEngine.from_pretrained(name, ENGINES[engine], **kwargs)
    return AutoEngine(found, lambda: _load_torch(name)) if is_auto else found


def _load_torch(name: str | Path | None) -> TorchEngine:
    if name is not None and Path(name).is_dir() and not (Path(name) / "config.json").is_file():
        raise ValueError(
            f"{name} holds an export for ONNX, from which torch cannot make the model. Load the "
            "model's own folder."
        )
    return TorchEngine.from_pretrained(name)


def fastest_engine(name: str | Path | None = None, device: str = "cpu") -> str:
    """Name of the fastest engine that reads as torch does.

    ONNX Runtime in float32, if it is installed and there are graphs or an export for the model, on
    the CPU; else torch.

    Args:
        name, device: see `inktex.load`.
    """
    if device != "cpu" or importlib.util.find_spec("onnxruntime") is None:
        return "torch"
    from .onnx.files import find_export

    try:
        find_export(pretrained_path() if name is None else Path(name), "fp32")
    except (OSError, ValueError):  # torch says better what is wrong with a model
        return "torch"
    return "onnx"
