"""Cards of CROHME data sets: of prepared parquet files, and of a repository without data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ...files import new_folder, template
from .files import part_of

LICENSE: Final = "CC BY-NC-SA 3.0"
DESCRIPTION: Final = """Handwritten mathematical expressions of the CROHME competitions: pen
strokes, the picture that the published protocol draws of them, the caption in canonical LaTeX
tokens, and which token is which symbol's ink."""
CITATION: Final = """@inproceedings{mouchere2014crohme,
  title     = {{ICFHR} 2014 Competition on Recognition of On-Line Handwritten Mathematical
               Expressions ({CROHME} 2014)},
  author    = {Mouch{\\`e}re, Harold and Viard-Gaudin, Christian and Zanibbi, Richard and
               Garain, Utpal},
  booktitle = {14th International Conference on Frontiers in Handwriting Recognition},
  pages     = {791--796},
  year      = {2014}
}"""


def file_name(year: str, split: str) -> str:
    """Name of a split's file without its ending; 2014 and 2016 share train and dev."""
    return split if part_of(year, split).divided else f"{split}{year}"


def card(by_year: Mapping[str, Mapping[str, int]]) -> str:
    """The card of a folder of parquet files, with the front matter that `load_dataset` reads.

    Args:
        by_year: number of expressions by year and split.
    """
    counts = {
        file_name(year, split): count
        for year, splits in by_year.items()
        for split, count in splits.items()
    }
    total = sum(counts.values())
    sizes = ((1_000, "n<1K"), (10_000, "1K<n<10K"))
    front = {
        **_front("CROHME with symbol alignment"),
        "size_categories": [next((n for limit, n in sizes if total < limit), "10K<n<100K")],
        "configs": [
            {
                "config_name": year,
                "data_files": [
                    {"split": split, "path": f"{file_name(year, split)}.parquet"}
                    for split in splits
                ],
                **({"default": True} if number == 0 else {}),
            }
            for number, (year, splits) in enumerate(by_year.items())
        ],
    }
    return template(__file__, "card.md").format(
        front=yaml.safe_dump(front, sort_keys=False).strip(),
        description=DESCRIPTION,
        first=next(iter(by_year)),
        license=LICENSE,
        citation=CITATION,
        counts="\n".join(f"| {name} | {count} |" for name, count in counts.items()),
    )


def build_crohme_card(folder: Path, model: str) -> Path:
    """Write a repository that holds a card alone, which says how to build the data set."""
    front = {**_front("CROHME with symbol alignment (builder)"), "viewer": False}
    text = template(__file__, "builder.md").format(
        front=yaml.safe_dump(front, sort_keys=False).strip(),
        description=DESCRIPTION,
        license=LICENSE,
        citation=CITATION,
        model=model,
    )
    with new_folder(folder) as partial:
        (partial / "README.md").write_text(text, encoding="utf-8")
    return folder


def _front(name: str) -> dict[str, Any]:
    return {
        "license": "cc-by-nc-sa-3.0",
        "pretty_name": name,
        "task_categories": ["image-to-text"],
        "tags": ["handwriting", "mathematics", "latex", "online-handwriting", "inkml"],
    }
