"""What is to be known of the model that answers, from the record of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from inktex.recognizer import pretrained_path
from inktex.release.card import LIMITS, score_table

RECORD = "training.json"


def record_of(model: str | None) -> Mapping[str, Any]:
    """The record of a model; empty if it has none.

    Args:
        model: folder or Hub repository; None for the model that inktex ships.
    """
    try:
        if model is None:
            path = pretrained_path() / RECORD
        elif Path(model).is_dir():
            path = Path(model) / RECORD
        else:
            path = Path(hf_hub_download(model, RECORD))
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, HfHubHTTPError):
        return {}
    return record


def about(record: Mapping[str, Any], name: str) -> str:
    """Markdown on the model: what it is, its scores, its limits, its licence."""
    lines = [f"**Model:** {name}"]
    if "parameters" in record:
        lines[0] += f", {record['parameters'] / 1e6:.1f} M parameters"
    if record.get("scores"):
        lines += [
            "**Scores** in per cent. ExpRate is the share of expressions that are right in every "
            "token; `2014` and `2016` are the official CROHME tests, `dev` was held out of the "
            "training ink and chose the checkpoint.",
            score_table(record["scores"]),
        ]
    lines += ["**What it cannot read.** " + LIMITS]
    if "data" in record:
        lines += [
            f"**Trained on** {record['data']}. **Licence** of the weights: "
            f"{record['weights_licence']}; of the code: Apache-2.0."
        ]
    lines += [
        "**Your pictures** are read in memory and forgotten with the answer: nothing is written "
        "to a disk, nothing is kept, nothing is sent elsewhere."
    ]
    return "\n\n".join(lines)
