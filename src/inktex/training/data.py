"""Training data out of the parquet files of `scripts/prepare_crohme.py`.

Read through pyarrow alone and column by column, without decoding the pictures, so that training
starts within seconds: batches draw their pictures from the ink.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from inktex.data.examples import Example, from_expression
from inktex.ink import Expression, PlacedSymbol
from inktex.modeling.grammar_inktex import Grammar, is_formula
from inktex.tokenizer.vocabulary_inktex import GRAMMAR, IDS

logger = logging.getLogger(__name__)

COLUMNS = (
    "id", "source", "traces", "symbols", "tokens", "alignment", "truth", "aligned", "level",
    "reason",
)  # fmt: skip
"""All but the picture."""


def load_expressions(
    place: Path | str, split: str = "train", skip_broken: bool = False
) -> list[Expression]:
    """Read the expressions of a split.

    Args:
        place: folder with SPLIT.parquet (or SPLIT-*.parquet), or one such file, for which `split`
            means nothing.
        split: `train`, `dev`, `test2014`, ...
        skip_broken: leave out files that cannot be read, with a warning that names them.

    Raises:
        FileNotFoundError: if there is no such file; the message names the command that makes it.
        ValueError: if a file is no parquet, or lacks a column; if none can be read.
    """
    found: list[Expression] = []
    broken: list[str] = []
    files = _files(Path(place), split)
    for path in files:
        try:
            found += _read(path)
        except ValueError as error:
            if not skip_broken:
                raise
            broken.append(str(error))
            logger.warning("Left out: %s", error)
    if len(broken) == len(files):
        raise ValueError(f"None of the files of {split!r} in {place} can be read: {broken[0]}")
    return found


def load_unseen(place: Path | str, split: str = "dev") -> list[Expression]:
    """Read the expressions of a split whose captions the train split beside it does not have.

    Raises:
        FileNotFoundError, ValueError: see `load_expressions`.
    """
    expressions = load_expressions(place, split)
    learnt = {tuple(one.tokens) for one in load_expressions(place, "train")}
    return [one for one in expressions if tuple(one.tokens) not in learnt]


def load_examples(data: str, split: str, skip_broken: bool = False) -> list[Example]:
    """The examples of a split, ready for batching.

    Expressions that cannot be trained on (no caption, no ink, a token that the vocabulary lacks, a
    structure that the grammar does not have) are left out, with a warning that counts them.

    Args:
        data: as `load_expressions` takes it.
        split: `train`, `dev`, ...
        skip_broken: see `load_expressions`.

    Raises:
        FileNotFoundError, ValueError: see `load_expressions`.
    """
    kept: list[Example] = []
    left_out: list[str] = []
    unknown: set[str] = set()
    grammar = Grammar(len(IDS), GRAMMAR)
    for one in load_expressions(data, split, skip_broken):
        missing = {token for token in one.tokens if token not in IDS}
        readable = not missing and is_formula(grammar, [IDS[token] for token in one.tokens])
        if not readable or not any(len(trace) for trace in one.traces):
            unknown |= missing
            left_out.append(one.id)
        else:
            kept.append(from_expression(one))
    if left_out:
        cause = f"; tokens outside the vocabulary: {' '.join(sorted(unknown))}" if unknown else ""
        logger.warning(
            "%s, %s: %d of %d expressions cannot be trained on and are left out (%s)%s",
            data, split, len(left_out), len(left_out) + len(kept), ", ".join(left_out[:5]), cause,
        )  # fmt: skip
    return kept


def _files(place: Path, split: str) -> list[Path]:
    if place.is_file():
        return [place]
    found = sorted(place.glob(f"{split}.parquet")) or sorted(place.glob(f"{split}-*.parquet"))
    if found:
        return found
    there = ", ".join(path.stem for path in sorted(place.glob("*.parquet")))
    state = f"it has {there}" if there else "there is no parquet file in it"
    if not place.is_dir():
        raise FileNotFoundError(
            f"There is no folder {place}: give your own with --data FOLDER. CROHME's is made with\n"
            f"    python scripts/prepare_crohme.py --data /path/to/crohme --output {place}"
        )
    raise FileNotFoundError(
        f"No split {split!r} in {place}: {state}. Make the data with\n"
        f"    python scripts/prepare_crohme.py --data /path/to/crohme --output {place}"
    )


def _read(path: Path) -> list[Expression]:
    try:
        with pq.ParquetFile(path) as file:
            missing = set(COLUMNS) - set(file.schema_arrow.names)
            if missing:
                raise ValueError(
                    f"{path} lacks the columns {sorted(missing)}. Make it anew with "
                    "scripts/prepare_crohme.py."
                )
            table = file.read(columns=list(COLUMNS)).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path} is not a readable parquet file: {error}. Make it anew with "
            "scripts/prepare_crohme.py, or train without it: --skip-broken."
        ) from error
    # Points through numpy, which is far faster; the other columns are small.
    columns = {name: table[name].to_pylist() for name in COLUMNS if name != "traces"}
    columns["symbols"] = [
        [PlacedSymbol(one["label"], tuple(one["traces"]), tuple(one["box"])) for one in symbols]
        for symbols in columns["symbols"]
    ]
    columns["traces"] = _nested_points(table["traces"])
    return [
        Expression(**dict(zip(columns, values, strict=True)))
        for values in zip(*columns.values(), strict=True)
    ]


def _nested_points(column: Any) -> list[list[NDArray[np.float32]]]:
    """For each expression its traces `(points, 2)`."""
    if not column.num_chunks:  # an empty table
        return []
    inner = column.chunk(0).flatten()
    points = inner.flatten().flatten().to_numpy().reshape(-1, 2)
    ends, starts = _offsets(column.chunk(0)), _offsets(inner)
    traces = [points[a:b] for a, b in pairwise(starts)]
    return [traces[a:b] for a, b in pairwise(ends)]


def _offsets(lists: Any) -> list[int]:
    """Where each list starts in `lists.flatten()`, and where the last one ends."""
    offsets: NDArray[np.int32] = lists.offsets.to_numpy()
    return (offsets - offsets[0]).tolist()
