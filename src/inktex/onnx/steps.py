"""Encoded pictures and decoder steps in ONNX Runtime: what the searches of `modeling` work on."""

from __future__ import annotations

from copy import copy
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inktex.modeling.feedback_inktex import FeedbackState

from .files import Settings

__all__ = ["OnnxStep", "OnnxView"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


class Sessions(Protocol):
    """What is needed of an `OnnxEngine`.

    Attributes:
        encoder, decoder: sessions of ONNX Runtime.
        memory_names: outputs of the encoder.
        input_names, output_names: of the decoder.
        inkless: `(vocabulary, 1)`, true for tokens without a place in the picture.
        settings: of the model.
    """

    encoder: Any
    decoder: Any
    memory_names: list[str]
    input_names: set[str]
    output_names: list[str]
    inkless: NDArray[np.bool_]
    settings: Settings


class OnnxView:
    """A batch of pictures as the encoder gives it; see `rescoring_inktex.View`.

    Args:
        pixels, mask, allowed: see `OnnxEngine.decode`.
    """

    def __init__(
        self, model: Sessions, pixels: Floats, mask: Floats, allowed: NDArray[np.bool_] | None
    ) -> None:
        self.model, self.allowed = model, allowed
        height, width = pixels.shape[2:]
        self.grid = height // model.settings.stride, width // model.settings.stride
        # Plain arrays: ONNX Runtime does not copy them, its own values take longer.
        memory = model.encoder.run(model.memory_names, {"pixel_values": pixels, "pixel_mask": mask})
        self.memory: dict[str, Floats] = {
            name: value
            for name, value in zip(model.memory_names, memory, strict=True)
            if name in model.input_names
        }

    def step(self, pictures: Ids, beams: int) -> OnnxStep:
        """See `rescoring_inktex.View`."""
        return OnnxStep(self, np.repeat(pictures, beams))

    def select(self, pictures: Ids) -> OnnxView:
        """See `rescoring_inktex.View`."""
        if len(pictures) == len(next(iter(self.memory.values()))):
            return self
        view = copy(self)
        view.memory = {name: value[pictures] for name, value in self.memory.items()}
        return view


class OnnxStep:
    """A step of an exported decoder, with its cache and feedback; see `search_inktex.Step`.

    Args:
        view: of the pictures.
        pictures: `(sequences,)`, which of them each sequence is of.
    """

    def __init__(self, view: OnnxView, pictures: Ids) -> None:
        self.view, self.model, self.pictures = view, view.model, pictures
        settings, batch = self.model.settings, len(pictures)
        rows, columns = view.grid
        self.pasts = [f"past_{number}" for number in range(settings.layers)]
        nothing = np.zeros((batch, settings.heads, 0, 2 * settings.head_size), dtype=np.float32)
        self.fed: dict[str, NDArray[Any]] = self._memory() | dict.fromkeys(self.pasts, nothing)
        self.position = 0
        self.attention: Floats | None = None
        unread = np.zeros((batch, rows * columns), dtype=np.float32)
        self.feedback = FeedbackState(unread, columns, self.model.inkless)

    def _memory(self) -> dict[str, Floats]:
        """What the encoder gave for the picture of each sequence."""
        memory = self.view.memory
        count = len(next(iter(memory.values())))
        if np.array_equal(self.pictures, np.arange(count)):
            return dict(memory)
        return {name: value[self.pictures] for name, value in memory.items()}

    def __call__(self, tokens: Ids) -> tuple[Floats, Floats | None]:
        """See `search_inktex.Step`."""
        if self.attention is not None:
            self.feedback.update(tokens, self.attention)
        now = {
            "tokens": tokens,
            "position": np.array([self.position]),
            "locations": self.feedback.locations,
            "covered": self.feedback.covered,
        }
        self.fed |= {name: one for name, one in now.items() if name in self.model.input_names}
        outputs = self.model.decoder.run(self.model.output_names, self.fed)
        logits: Floats = outputs[0]
        if self.view.allowed is not None:
            logits = np.where(self.view.allowed, logits, np.float32(-np.inf))
        layers = len(self.pasts)
        self.fed |= zip(self.pasts, outputs[1 : 1 + layers], strict=True)
        self.attention = outputs[1 + layers] if len(outputs) > 1 + layers else None
        self.position += 1
        return logits, self.attention

    def reorder(self, sequences: Ids) -> None:
        """See `search_inktex.Step`."""
        pictures = self.pictures[sequences]
        if not np.array_equal(pictures, self.pictures):  # pictures have left the batch
            self.pictures = pictures
            self.fed |= self._memory()
        self.fed |= {name: self.fed[name][sequences] for name in self.pasts}
        if self.attention is not None:
            self.attention = self.attention[sequences]
        self.feedback.reorder(sequences)
