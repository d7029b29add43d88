"""What every engine can do: decode batches of the model's pictures into tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
        candidates: tokens to give for each place of a reading.
        locked: tokens that a reading has, by their indices in it.

    Raises:
        ValueError: if a count or an index is not a whole number, or too small.
    """

    preset: str = "fast"
    alternatives: int = 0
    num_beams: int | None = None
    alphabet: frozenset[str] | None = None
    candidates: int = 0
    locked: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("alternatives", 0), ("num_beams", 1), ("candidates", 0)):
            value = getattr(self, name)
            if value is not None and not _is_count(value, least):
                raise ValueError(f"{name} is a whole number from {least} up, not {value!r}.")
        for index in self.locked:
            if not _is_count(index, 0) or index >= MAX_TOKENS:
                raise ValueError(
                    "The tokens of locked stand at whole numbers from 0 to "
                    f"{MAX_TOKENS - 1}, not at {index!r}."
                )

    @property
    def is_greedy(self) -> bool:
        """Whether a greedy search answers what is asked for."""
        return self.preset == "fast" and not self.alternatives and self.num_beams in (None, 1)


def _is_count(value: Any, least: int) -> bool:
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return is_whole and value >= least


class Engine(ABC):
    """Runs a model.

    Attributes:
        image_processor: brings pictures to the model's form.
        limits: of the batches that it decodes fastest.
        stride: pixels from one cell of the attention to the next.
        doubt_threshold: tokens whose probability is lower are doubtful.
    """

    image_processor: Any
    doubt_threshold: float
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

        Raises:
            ValueError: if a locked token cannot stand where it is to stand.
        """

    @abstractmethod
    def texts(self, decoded: Decoded) -> list[str]:
        """For each sequence its canonical tokens, separated by spaces."""

    @abstractmethod
    def tokens(self) -> Mapping[int, str]:
        """All tokens but the special ones, by their ids."""

    def locked(self, options: SearchOptions) -> dict[int, int]:
        """Ids of the locked tokens, by their places.

        Raises:
            ValueError: if the model has no such token.
        """
        if not options.locked:
            return {}
        numbers = {token: number for number, token in self.tokens().items()}
        unknown = [token for token in options.locked.values() if token not in numbers]
        if unknown:
            raise ValueError(
                f"The model has no token {unknown[0]!r}; `inktex alphabet` lists those that it has."
            )
        return {int(place): numbers[token] for place, token in options.locked.items()}

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
