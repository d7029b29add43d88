"""CROHME as a folder of parquet files with a data set card, as `load_dataset` reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from tqdm import tqdm

from ...files import new_file, write_text
from ...ink import Expression
from .builder import CITATION, FEATURES, LICENSE, expressions, wanted
from .files import PARTS, SPLITS, entries, find, in_folder, names, open_files, part_of

__all__ = ["Statistics", "card", "export", "file_name"]

ROWS = 200
"""Rows in a row group: small enough for previews and streaming."""


@dataclass
class Statistics:
    """What one split holds; counted while it is written."""

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


def file_name(year: str, split: str) -> str:
    """Name of a split's file without its ending; 2014 and 2016 share train and dev."""
    return split if part_of(year, split).divided else f"{split}{year}"


def export(
    data: Path, output: Path, years: Sequence[str], *, progress: bool = True
) -> dict[str, dict[str, Statistics]]:
    """Write the splits of some years and their card.

    Each file appears whole or not at all: it is written under another name and then renamed.

    Args:
        data: folder of the official zips, or of what they unpack to.
        output: folder to write to.
        years: of `crohme_files.PARTS`; a split whose ink is not there is left out.
        progress: whether to show a progress bar.

    Returns:
        Statistics by year and split.

    Raises:
        FileNotFoundError: if a year has no ink at all.
    """
    output.mkdir(parents=True, exist_ok=True)
    written: dict[str, Statistics] = {}
    by_year: dict[str, dict[str, Statistics]] = {}
    for year in years:
        by_year[year] = {}
        for split in PARTS[year]:
            name = file_name(year, split)
            try:
                find(data, year, split)
            except FileNotFoundError:
                if split == SPLITS[-1] and not by_year[year]:
                    raise
                continue
            if name not in written:
                written[name] = _write(data, output / f"{name}.parquet", year, split, progress)
            by_year[year][split] = written[name]
    write_text(output / "README.md", card(by_year))
    return by_year


def _write(data: Path, path: Path, year: str, split: str, progress: bool) -> Statistics:
    place, part = find(data, year, split), part_of(year, split)
    chosen = wanted(place, part, split)
    files = in_folder(place, part) if place.is_dir() else open_files(place)
    bar = tqdm(
        entries(files, part, chosen),
        total=len(chosen if chosen is not None else names(place, part)),
        desc=path.stem,
        unit="ink",
        disable=not progress,
    )
    statistics = Statistics()
    # The schema carries the features, so that load_dataset knows pictures from bytes.
    with (
        new_file(path) as partial,
        pq.ParquetWriter(partial, FEATURES.arrow_schema, compression="zstd") as writer,
    ):
        for rows in _groups(expressions(bar, path.stem), statistics):
            writer.write_table(pa.Table.from_pylist(rows, schema=FEATURES.arrow_schema))
    return statistics


def _groups(
    found: Iterator[tuple[Expression, dict[str, Any]]], statistics: Statistics
) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for one, values in found:
        statistics.add(one)
        rows.append(values)
        if len(rows) == ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def card(by_year: Mapping[str, Mapping[str, Statistics]]) -> str:
    """The data set card: what `load_dataset` needs to know, and what readers do."""
    total = sum(
        {
            file_name(y, s): len(n.lengths) for y, ss in by_year.items() for s, n in ss.items()
        }.values()
    )
    front = {
        "license": "cc-by-nc-sa-3.0",
        "pretty_name": "CROHME with symbol alignment",
        "task_categories": ["image-to-text"],
        "tags": ["handwriting", "mathematics", "latex", "online-handwriting", "inkml"],
        "size_categories": [_size(total)],
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
    rows = {
        file_name(year, split): statistics
        for year, splits in by_year.items()
        for split, statistics in splits.items()
    }
    lines = [f"| {name} | {' | '.join(_facts(one))} |" for name, one in rows.items()]
    sources = sorted({source for one in rows.values() for source in one.sources})
    origin = [
        f"| {source} | {' | '.join(str(one.sources[source]) for one in rows.values())} |"
        for source in sources
    ]
    return _CARD.format(
        front=yaml.safe_dump(front, sort_keys=False).strip(),
        first=next(iter(by_year)),
        license=LICENSE,
        citation=CITATION,
        statistics="\n".join(lines),
        files=" | ".join(rows),
        rule=" | ".join("---:" for _ in rows),
        sources="\n".join(origin),
    )


def _size(total: int) -> str:
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K")):
        if total < limit:
            return name
    return "10K<n<100K"


def _facts(one: Statistics) -> list[str]:
    count = max(len(one.lengths), 1)
    lengths = np.array(one.lengths or [0])
    aligned = count - one.levels["none"]
    return [
        str(len(one.lengths)),
        f"{one.traces / count:.1f}",
        f"{one.symbols / count:.1f}",
        f"{lengths.mean():.1f} ({lengths.min()} to {lengths.max()})",
        str(len(one.tokens)),
        f"{100 * one.levels['strict'] / count:.2f} %",
        f"{100 * aligned / count:.2f} %",
    ]


_CARD = """---
{front}
---

# CROHME with symbol alignment

Handwritten mathematical expressions of the CROHME competitions (Competition on Recognition of
Handwritten Mathematical Expressions): pen strokes, the picture that the published protocol draws
of them, the caption in canonical LaTeX tokens, and which token is which symbol's ink.

```python
from datasets import load_dataset
train = load_dataset("PATH_TO_THIS_FOLDER", "{first}", split="train")
```

## Licence and provenance

**{license}**, as the competition's packages: non-commercial use only, and whatever is derived
from the data carries the same licence. Made by inktex's `scripts/prepare_crohme.py` from the
official InkML files; no stroke was changed. The packages are to be had from the TC11 data sets
page of the IAPR and from Zenodo. Files that are not well-formed were left out.

## Splits

`train` and `dev` are cut from the competition's training ink: `dev` is 5 % of each source, those
expressions whose names have the smallest SHA-1. Writers are not kept apart between the two. For
2019 both are the competition's own.

| file | expressions | traces | symbols | tokens | distinct tokens | strictly aligned | aligned |
|---|---:|---:|---:|---:|---:|---:|---:|
{statistics}

Traces, symbols and tokens are means an expression, and for tokens also the range. Expressions by
source:

| source | {files} |
|---|{rule}|
{sources}

## Columns

- `id`, `source`: name of the expression, and the collection it comes from.
- `image`: 8-bit grey, ink 255 on 0, drawn by the published protocol.
- `traces`: pen strokes, each a list of [x, y] in the ink's own units, y downwards.
- `symbols`: `label`, `traces` (indices), `box` (left, top, right, bottom in ink units).
- `tokens`: canonical LaTeX tokens. `alignment`: for each token the index of its symbol, or -1.
- `aligned`, `level`, `reason`: whether all tokens with ink are tied to symbols, how, or why not.
- `truth`: the LaTeX of the InkML file, unchanged.

## Citation

```bibtex
{citation}
```
"""
