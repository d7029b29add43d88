"""How many training examples had each token: the alphabet that weights were trained on."""

from __future__ import annotations

from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import reduce

from inktex.alphabet import ALPHABET
from inktex.files import write_json
from inktex.tokenizer.vocabulary_inktex import SPECIAL_TOKENS, VOCABULARY


class TokenCounts:
    """Counts the training examples that have each token, over a run and all its processes."""

    def __init__(self, before: dict[str, int]) -> None:
        self.before = before
        self.total = torch.zeros(len(VOCABULARY), dtype=torch.float64)
        self._new = torch.zeros(len(VOCABULARY), dtype=torch.float64)

    def add(self, labels: torch.Tensor, directions: int) -> None:
        """Count a batch.

        Args:
            labels: `(sequences, tokens)`, -100 for padding.
            directions: sequences of each example.
        """
        rows = labels[::directions].clamp(min=0).cpu()
        found = torch.zeros(len(rows), len(VOCABULARY)).scatter_(1, rows, 1.0)
        self._new += found.sum(dim=0)

    def share(self, accelerator: Accelerator) -> None:
        """Add up the counts of all processes, which must call this at the same step."""
        new = self._new.to(accelerator.device, torch.float32)
        self.total += reduce(new, reduction="sum").cpu().to(torch.float64)
        self._new.zero_()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The state that a checkpoint keeps."""
        return {"total": self.total}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Restore a state of `state_dict`."""
        self.total.copy_(state["total"])

    def save(self, folder: Path) -> None:
        """Write `ALPHABET` into a folder of weights."""
        counts = {
            token: self.before.get(token, 0) + int(self.total[number])
            for number, token in enumerate(VOCABULARY)
            if token not in SPECIAL_TOKENS
        }
        known = {token: count for token, count in counts.items() if count}
        write_json(folder / ALPHABET, known)
