"""What every engine can do: decode batches of the model's pictures into tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .batches import CPU, BatchLimits

__all__ = ["MAX_TOKENS", "Decoded", "Engine", "Preset", "check_counts", "is_greedy"]

Preset = Literal["fast", "accurate"]
MAX_TOKENS = 200
"""Longest reading, in tokens; twice the longest expression of CROHME."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What an engine decoded from a batch, several sequences for each picture side by side.

    Attributes:
        texts: canonical tokens, separated by spaces; `(sequences,)`, the most probable first.
        scores: probability of each, 0 to 1.
        token_scores: for each the probabilities of its tokens and of its end.
        attention: `(sequences, tokens, rows, columns)`, mean attention to each cell when a token is
            written; None if the model has no supervised attention.
        stride: pixels from one cell to the next.
    """

    texts: list[str]
    scores: list[float]
    token_scores: list[list[float]]
    attention: NDArray[np.float32] | None
    stride: int


class Engine(ABC):
    """Runs a model.

    Attributes:
        image_processor: brings pictures to the model's form.
        limits: of the batches that it decodes fastest.
    """

    image_processor: Any
    limits: BatchLimits = CPU

    @abstractmethod
    def check(self, preset: str, alternatives: int = 0, num_beams: int | None = None) -> None:
        """Make sure that the engine can search in this way.

        Raises:
            ValueError: if it cannot.
        """

    @abstractmethod
    def search(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        preset: str,
        alternatives: int,
        num_beams: int | None,
        alphabet: frozenset[str] | None = None,
    ) -> Decoded:
        """Decode a batch of pictures.

        Args:
            pictures: of the model's form, each `(height, width)`, ink 255 on paper 0.
            preset, alternatives, num_beams: see `Recognizer.__call__`.
            alphabet: the tokens that may be written beside the structure of formulas; None for all.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of all that readings depend on: weights, configuration, image processing."""

    @property
    def model(self) -> Any:
        """The torch model.

        Raises:
            AttributeError: if this engine has none.
        """
        raise AttributeError("This engine has no torch model: load it with engine='torch'.")

    @property
    def processor(self) -> Any:
        """The torch model's processor; raises as `model`."""
        raise AttributeError("This engine has no torch processor: load it with engine='torch'.")


def is_greedy(preset: str, alternatives: int = 0, num_beams: int | None = None) -> bool:
    """Whether a greedy search answers what is asked for."""
    return preset == "fast" and not alternatives and num_beams in (None, 1)


def check_counts(alternatives: int, num_beams: int | None) -> None:
    """Make sure that counts are counts.

    Raises:
        ValueError: if one is not a whole number, or too small.
    """
    for name, value, least in (("alternatives", alternatives, 0), ("num_beams", num_beams, 1)):
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (is_whole and value >= least):
            raise ValueError(f"{name} is a whole number from {least} up, not {value!r}.")
