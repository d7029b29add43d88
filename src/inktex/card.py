"""The model card, written from what was recorded and measured, never by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub import ModelCardData

LIMITS = """\
One line of mathematics in the grammar of CROHME: no matrices, no several lines, no words. Letters
that CROHME's training ink lacks are not read. The score is the model's probability of the whole
expression, at a temperature fitted on the development split; on other ink it may be too sure."""
"""What the model cannot do, for all who show it."""

_TEXT = """
# inktex

Reads a picture of one handwritten mathematical expression and writes LaTeX: a multi-scale DenseNet
encoder and a Transformer decoder, {parameters:.1f} M parameters.

```python
from transformers import pipeline

read = pipeline("image-to-text", model=FOLDER_OR_REPOSITORY, trust_remote_code=True)
read("expression.png")  # [{{"generated_text": LATEX, "score": PROBABILITY}}]
```

Needs torch, transformers, pillow, numpy and scipy; with the package inktex installed, no remote
code.

## Scores

{table}

ExpRate is the share of expressions that are right in every token; every expression counts. The
checkpoint was chosen on a development split of the training ink, the tests were read to report.

## Training

Data: {data}. Recipe `{name}`, commit `{commit}`; everything about the run is in `training.json`.

## Limits

{limits}

## Licence

The weights: {licence}. The code: Apache-2.0.
"""


def model_card(record: Mapping[str, Any]) -> str:
    """The card of a checkpoint.

    Args:
        record: the content of its `training.json`.

    Returns:
        Markdown with the Hub's front matter.
    """
    data = ModelCardData(
        license="cc-by-nc-sa-3.0",
        library_name="transformers",
        pipeline_tag="image-to-text",
        tags=["handwriting", "mathematics", "latex", "crohme"],
        metrics=["exprate"],
    )
    text = _TEXT.format(
        parameters=record["parameters"] / 1e6,
        table=score_table(record["scores"]),
        limits=LIMITS,
        data=record["data"],
        name=record["recipe"]["name"],
        commit=record["commit"],
        licence=record["weights_licence"],
    )
    return f"---\n{data.to_yaml()}\n---\n{text}"


def score_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Scores in percent as a Markdown table, a row a test set.

    Args:
        scores: name of the evaluation to its scores, as `training.json` has them.
    """
    lines = [
        "| test set | expressions | ExpRate | ≤ 1 | ≤ 2 | ≤ 3 | token error rate | preset |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in scores.items():
        rates = ("exp_rate", "exp_rate_1", "exp_rate_2", "exp_rate_3", "token_error_rate")
        cells = [f"{100 * entry[rate]:.2f}" for rate in rates]
        lines.append(
            f"| {name} | {entry['expressions']} | {' | '.join(cells)} | {entry['preset']} |"
        )
    return "\n".join(lines)
