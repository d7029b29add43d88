"""What every engine can do: decode batches of the model's pictures into tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .batches import CPU, BatchLimits
from .modeling.search_inktex import Decoded

Preset = Literal["fast", "accurate"]
MAX_TOKENS = 200
"""Longest reading, in tokens; twice the longest expression of CROHME."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search; see `Recognizer.__call__`.

    Attributes:
        preset: `fast` or `accurate`.
        alternatives: other readings beside the best one.
        num_beams: width of the beam search; None for that of the preset.
        alphabet: the tokens that may be written beside the structure of formulas; None for all.

    Raises:
        ValueError: if a count is not a whole number, or too small.
    """

    preset: str = "fast"
    alternatives: int = 0
    num_beams: int | None = None
    alphabet: frozenset[str] | None = None

    def __post_init__(self) -> None:
        for name, least in (("alternatives", 0), ("num_beams", 1)):
            value = getattr(self, name)
            is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if value is not None and not (is_whole and value >= least):
                raise ValueError(f"{name} is a whole number from {least} up, not {value!r}.")

    @property
    def is_greedy(self) -> bool:
        """Whether a greedy search answers what is asked for."""
        return self.preset == "fast" and not self.alternatives and self.num_beams in (None, 1)


class Engine(ABC):
    """Runs a model.

    Attributes:
        image_processor: brings pictures to the model's form.
        limits: of the batches that it decodes fastest.
        stride: pixels from one cell of the attention to the next.
    """

    image_processor: Any
    limits: BatchLimits = CPU
    stride: int = 8

    @abstractmethod
    def check(self, options: SearchOptions) -> None:
        """Raise a ValueError if the engine cannot search in this way."""

    @abstractmethod
    def search(self, pictures: Sequence[NDArray[np.uint8]], options: SearchOptions) -> Decoded:
        """Decode a batch of pictures.

        Args:
            pictures: of the model's form, each `(height, width)`, ink 255 on paper 0.

        Returns:
            `alternatives + 1` sequences a picture, with the attention in rows and columns.
        """

    @abstractmethod
    def texts(self, decoded: Decoded) -> list[str]:
        """For each sequence its canonical tokens, separated by spaces."""

    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of all that readings depend on: weights, configuration, image processing."""

    @property
    def model(self) -> Any:
        """The torch model; raises an AttributeError if the engine has none."""
        raise AttributeError("This engine has no torch model: load it with engine='torch'.")

    @property
    def processor(self) -> Any:
        """The torch model's processor; raises an AttributeError if the engine has none."""
        raise AttributeError("This engine has no torch processor: load it with engine='torch'.")
