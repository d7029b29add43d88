"""Cards of CROHME data sets: of prepared parquet files, and of a repository without data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from ...files import new_folder, template
from ...ink import Expression
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


@dataclass
class Statistics:
    """Counts of one split, made while it is written."""

    sources: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    symbols: int = 0
    traces: int = 0

    def add(self, one: Expression) -> None:
        """Count an expression."""
        self.sources[one.source] += 1
        self.levels[one.level] += 1
        self.lengths.append(len(one.tokens))
        self.tokens.update(one.tokens)
        self.symbols += len(one.symbols)
        self.traces += len(one.traces)

    def facts(self) -> list[str]:
        """The cells of the split's row in the card's table."""
        count = max(len(self.lengths), 1)
        lengths = np.array(self.lengths or [0])
        return [
            str(len(self.lengths)),
            f"{self.traces / count:.1f}",
            f"{self.symbols / count:.1f}",
            f"{lengths.mean():.1f} ({lengths.min()} to {lengths.max()})",
            str(len(self.tokens)),
            f"{100 * self.levels['strict'] / count:.2f} %",
            f"{100 * (count - self.levels['none']) / count:.2f} %",
        ]


def file_name(year: str, split: str) -> str:
    """Name of a split's file without its ending; 2014 and 2016 share train and dev."""
    return split if part_of(year, split).divided else f"{split}{year}"


def card(by_year: Mapping[str, Mapping[str, Statistics]]) -> str:
    """The card of a folder of parquet files, with the front matter that `load_dataset` reads."""
    files = {
        file_name(year, split): statistics
        for year, splits in by_year.items()
        for split, statistics in splits.items()
    }
    total = sum(len(one.lengths) for one in files.values())
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
    sources = sorted({source for one in files.values() for source in one.sources})
    return template(__file__, "card.md").format(
        front=yaml.safe_dump(front, sort_keys=False).strip(),
        description=DESCRIPTION,
        first=next(iter(by_year)),
        license=LICENSE,
        citation=CITATION,
        statistics="\n".join(f"| {n} | {' | '.join(one.facts())} |" for n, one in files.items()),
        files=" | ".join(files),
        rule=" | ".join("---:" for _ in files),
        sources="\n".join(
            f"| {source} | {' | '.join(str(one.sources[source]) for one in files.values())} |"
            for source in sources
        ),
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
