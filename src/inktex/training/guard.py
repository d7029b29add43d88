"""Steps whose loss or gradient is NaN or infinite are skipped; many in a row end a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from inktex.files import write_json

logger = logging.getLogger(__name__)

PATIENCE = 10
"""Steps in a row without a finite loss, after which a run is stopped."""
REPORT = "diverged.json"


class DivergedError(ValueError):
    """A run whose loss stays NaN or infinite; the message says what to do."""


class FiniteGuard:
    """Skips steps whose loss or gradient is not finite, and stops a run that has only such."""

    def __init__(self, accelerator: Accelerator, output: Path) -> None:
        self.accelerator, self.output = accelerator, output
        self.in_a_row = 0
        self.last: dict[str, float] = {}

    def is_finite(self, value: torch.Tensor) -> bool:
        """Whether a number is finite, in all processes."""
        finite = torch.isfinite(value.detach()).all()
        if self.accelerator.num_processes > 1:
            finite = self.accelerator.reduce(finite.float(), reduction="sum")
            return bool(finite.item() == self.accelerator.num_processes)
        return bool(finite.item())

    def passed(self, losses: dict[str, float]) -> None:
        """Note a step with finite losses."""
        self.in_a_row, self.last = 0, losses

    def skipped(self, what: str, step: int, rate: float) -> None:
        """Note a step that was skipped.

        Raises:
            DivergedError: if it was the last of `PATIENCE` in a row; a report is written.
        """
        self.in_a_row += 1
        logger.warning("Step %d is skipped: its %s is not finite.", step, what)
        if self.in_a_row < PATIENCE:
            return
        report: dict[str, Any] = {
            "step": step,
            "what": what,
            "learning_rate": rate,
            "skipped_in_a_row": self.in_a_row,
            "last_finite_losses": self.last,
        }
        if self.accelerator.is_main_process:
            write_json(self.output / REPORT, report)
        raise DivergedError(
            f"The {what} was not finite in {self.in_a_row} steps in a row, up to step {step} (last "
            f"finite losses: {self.last or 'none'}). The report is {self.output / REPORT}. Go on "
            "from the checkpoint with a smaller optimizer.learning_rate or optimizer.clip, in a "
            "new folder, and look for odd examples in the data."
        )
