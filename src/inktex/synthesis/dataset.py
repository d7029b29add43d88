"""A data set of generated ink: parquet files and their card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from tqdm import tqdm

from inktex.data.rows import row, write_parquet
from inktex.files import new_folder, template, write_text

from .drawing import draw_expression
from .random_captions import random_caption

_SPLITS: Final = (("train", 0.9), ("test", 0.1))


def build_ink(folder: Path, repository: str, count: int) -> Path:
    """Write a data set of generated ink: parquet files and their card.

    Raises:
        ImportError: if the package Hershey-Fonts is not installed.
        ValueError: if there are not enough expressions for both splits.
    """
    if count < 20:
        raise ValueError(f"A data set of {count} expressions is too small: ask for 20 or more.")
    sizes = {name: round(share * count) for name, share in _SPLITS}
    front = {
        "license": "cc0-1.0",
        "pretty_name": "Generated mathematical ink",
        "task_categories": ["image-to-text"],
        "tags": ["handwriting", "mathematics", "latex", "synthetic"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": f"{name}.parquet"} for name, _ in _SPLITS],
            }
        ],
    }
    with new_folder(folder) as partial:
        for number, (name, _) in enumerate(_SPLITS):
            rows = _rows(name, sizes[name], number)
            write_parquet(partial / f"{name}.parquet", rows)
        table = "\n".join(f"| {name} | {size} |" for name, size in sizes.items())
        write_text(
            partial / "README.md",
            template(__file__, "dataset.md").format(
                front=yaml.safe_dump(front, sort_keys=False).strip(),
                repository=repository,
                rows=table,
                count=count,
            ),
        )
    return folder


def _rows(split: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    for number in tqdm(range(count), desc=f"{split} ink", disable=None):
        caption = " ".join(random_caption(rng))
        name = f"{split}-{number:06}"
        yield row(draw_expression(caption, int(rng.integers(2**31)), name))
