"""What the training loop asks of the task that it trains, and where a run stands."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate import Accelerator

from .batches import PlannedBatches
from .recipe_fields import Recipe


@dataclass
class Progress:
    """Where a run stands; a part of every checkpoint.

    Attributes:
        step: optimizer steps done.
        epoch, batch: of the batches, as this process counts them.
        seconds: of training.
        best: score of the best validation.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    best: float = -1.0

    def state_dict(self) -> dict[str, Any]:
        """The state that a checkpoint keeps."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of `state_dict`."""
        vars(self).update(state)

    def share(self, recipe: Recipe) -> float:
        """How much of the run is done, 0 to 1."""
        if recipe.steps is not None:
            return min(self.step / max(recipe.steps, 1), 1.0)
        return min(self.seconds / (60 * (recipe.minutes or 1)), 1.0)


class Task(ABC):
    """What is trained: a network, its batches, its losses and its validation.

    Attributes:
        measures: names of what `losses` gives; the first one is the loss that is minimized.
        model: the network.
        batches: of the run.
        states: further states of a checkpoint.
    """

    measures: ClassVar[tuple[str, ...]]
    model: torch.nn.Module
    batches: PlannedBatches
    states: tuple[Any, ...] = ()

    @abstractmethod
    def losses(
        self,
        accelerator: Accelerator,
        model: Any,
        batch: dict[str, torch.Tensor],
        share: float,
    ) -> dict[str, torch.Tensor]:
        """Scalars by the names of `measures`; those that a batch does not have are left out.

        Args:
            model: `model`, prepared for several processes.
            share: of the run that is done, 0 to 1.
        """

    @abstractmethod
    def evaluate(self, output: Path, progress: Progress) -> dict[str, Any]:
        """Save and score the network, which has the averaged weights; in the main process alone.

        It draws no random numbers that training would draw, so a run does not depend on it.

        Args:
            progress: whose `best` is set if the score is at least as good.

        Returns:
            Scores for the curve; empty if there is nothing to score.
        """

    @abstractmethod
    def result(self, output: Path) -> Path:
        """Where a run's best weights are."""

    def count(self, batch: dict[str, torch.Tensor]) -> None:  # noqa: B027
        """Take note of a batch, before it is moved to the device."""

    def synchronize(self, accelerator: Accelerator) -> None:  # noqa: B027
        """Bring together what processes count each for themselves."""
