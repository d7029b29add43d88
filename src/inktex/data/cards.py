"""Data sets beside a release: a card that tells how to build CROHME, and ink that is generated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from tqdm import tqdm

from ..files import new_file, new_folder, write_text
from ..ink import Expression
from .crohme.builder import CITATION, DESCRIPTION, FEATURES, LICENSE, row
from .crohme.export import ROWS

SPLITS: Final = (("train", 0.9), ("test", 0.1))


def build_crohme_card(folder: Path, model: str) -> Path:
    """Write a repository that holds a card alone.

    Args:
        folder: is replaced.
        model: repository of the model that was trained on the data.
    """
    front = {
        "license": "cc-by-nc-sa-3.0",
        "pretty_name": "CROHME with symbol alignment (builder)",
        "task_categories": ["image-to-text"],
        "tags": ["handwriting", "mathematics", "latex", "online-handwriting", "inkml"],
        "viewer": False,
    }
    text = _CROHME.format(
        front=yaml.safe_dump(front, sort_keys=False).strip(),
        description=DESCRIPTION,
        license=LICENSE,
        citation=CITATION,
        model=model,
    )
    with new_folder(folder) as partial:
        (partial / "README.md").write_text(text, encoding="utf-8")
    return folder


def build_ink(folder: Path, repository: str, count: int, seed: int = 0) -> Path:
    """Write a data set of generated ink: parquet files and their card.

    Args:
        folder: is replaced.
        repository: its name on the Hub.
        count: expressions in all.
        seed: same seed, same ink.

    Raises:
        ImportError: if the package Hershey-Fonts is not installed.
        ValueError: if there are not enough expressions for both splits.
    """
    if count < 20:
        raise ValueError(f"A data set of {count} expressions is too small: ask for 20 or more.")
    sizes = {name: round(share * count) for name, share in SPLITS}
    front = {
        "license": "cc0-1.0",
        "pretty_name": "Generated mathematical ink",
        "task_categories": ["image-to-text"],
        "tags": ["handwriting", "mathematics", "latex", "synthetic"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": f"{name}.parquet"} for name, _ in SPLITS],
            }
        ],
    }
    with new_folder(folder) as partial:
        for number, (name, _) in enumerate(SPLITS):
            _write(partial / f"{name}.parquet", name, sizes[name], seed * len(SPLITS) + number)
        rows = "\n".join(f"| {name} | {size} |" for name, size in sizes.items())
        write_text(
            partial / "README.md",
            _INK.format(
                front=yaml.safe_dump(front, sort_keys=False).strip(),
                repository=repository,
                rows=rows,
                seed=seed,
                count=count,
            ),
        )
    return folder


def _write(path: Path, split: str, count: int, seed: int) -> None:
    with (
        new_file(path) as partial,
        pq.ParquetWriter(partial, FEATURES.arrow_schema, compression="zstd") as writer,
    ):
        waiting = []
        for one in tqdm(_ink(split, count, seed), total=count, desc=f"{split} ink", disable=None):
            waiting.append(row(one))
            if len(waiting) == ROWS:
                writer.write_table(pa.Table.from_pylist(waiting, schema=FEATURES.arrow_schema))
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, schema=FEATURES.arrow_schema))


def _ink(split: str, count: int, seed: int) -> Iterator[Expression]:
    from ..synthesis.drawing import draw_expression
    from ..synthesis.grammar import random_caption

    rng = np.random.default_rng(seed)
    for number in range(count):
        caption = " ".join(random_caption(rng))
        yield draw_expression(caption, int(rng.integers(2**31)), f"{split}-{number:06}")


_CROHME = """---
{front}
---

# CROHME, how to build it

{description}

This repository holds no data: CROHME is handed out by its authors, and what is derived from it
carries its licence, **{license}**. With inktex installed and the official packages in a folder
`DIR`:

```python
from inktex.data.crohme import Crohme

builder = Crohme("2014", data_dir="DIR")  # or "2016", "2019"
builder.download_and_prepare()
train = builder.as_dataset("train")
stream = builder.as_streaming_dataset("train")  # without unpacking anything
```

The columns are `id`, `source`, `image`, `traces`, `symbols`, `tokens`, `alignment`, `truth`,
`aligned`, `level` and `reason`: the picture as the published protocol draws it, the strokes, the
caption in canonical tokens, and which token is which symbol's ink. The model
[{model}](https://huggingface.co/{model}) was trained on its `train` split.

## Citation

```bibtex
{citation}
```
"""

_INK = """---
{front}
---

# Generated mathematical ink

Formulas that nobody wrote: captions from a small grammar of school mathematics, laid out and drawn
with a stroke font (A. V. Hershey, 1967) in a shaky hand. Good for trying a training script, for
tests, and for a first look at online handwriting; no match for the ink of people.

```python
from datasets import load_dataset

train = load_dataset("{repository}", split="train")
```

| split | expressions |
|---|---:|
{rows}

Made by inktex: `inktex release --ink {repository} --count {count}` (seed {seed}) writes
the same files again. In the public domain (CC0).

## Columns

- `id`, `source`: name of the expression; always `strokefont`.
- `image`: 8-bit grey, ink 255 on 0.
- `traces`: strokes, each a list of [x, y] in pixels, y downwards.
- `symbols`: `label`, `traces` (indices), `box` (left, top, right, bottom in pixels).
- `tokens`: canonical LaTeX tokens. `alignment`: for each token the index of its symbol, or -1.
- `truth`: the tokens as text.
"""
