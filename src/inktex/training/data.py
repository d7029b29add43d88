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

__all__ = ["load_examples", "load_expressions", "load_unseen"]

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
        strange = {token for token in one.tokens if token not in IDS}
        readable = not strange and is_formula(grammar, [IDS[token] for token in one.tokens])
        if not readable or not any(len(trace) for trace in one.traces):
            unknown |= strange
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
            f"There is no folder {place}: check its name. CROHME's is made with\n"
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
    columns: dict[str, Any] = {name: _chunk(table[name]) for name in COLUMNS}
    plain = {
        name: columns[name].to_pylist()
        for name in ("id", "source", "truth", "aligned", "level", "reason")
    }
    traces = _nested_points(columns["traces"])
    symbols = _nested_symbols(columns["symbols"])
    token_ends, tokens = _offsets(columns["tokens"]), columns["tokens"].flatten().to_pylist()
    alignment_ends = _offsets(columns["alignment"])
    alignment = columns["alignment"].flatten().to_pylist()
    return [
        Expression(
            traces=traces[i],
            symbols=symbols[i],
            tokens=tokens[token_ends[i] : token_ends[i + 1]],
            alignment=alignment[alignment_ends[i] : alignment_ends[i + 1]],
            **{name: values[i] for name, values in plain.items()},
        )
        for i in range(len(table))
    ]


def _chunk(column: Any) -> Any:
    """A column as one array; an empty table has no chunk at all."""
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _offsets(lists: Any) -> list[int]:
    """Where each list starts in `lists.flatten()`, and where the last one ends."""
    offsets: NDArray[np.int32] = lists.offsets.to_numpy()
    return (offsets - offsets[0]).tolist()


def _nested_points(column: Any) -> list[list[NDArray[np.float32]]]:
    """For each expression its traces `(points, 2)`."""
    inner = column.flatten()
    points = inner.flatten().flatten().to_numpy().reshape(-1, 2)
    ends, starts = _offsets(column), _offsets(inner)
    traces = [points[a:b] for a, b in pairwise(starts)]
    return [traces[a:b] for a, b in pairwise(ends)]


def _nested_symbols(column: Any) -> list[list[PlacedSymbol]]:
    """For each expression its symbols."""
    inner = column.flatten()
    labels = inner.field("label").to_pylist()
    boxes = inner.field("box").flatten().to_numpy().reshape(-1, 4).tolist()
    traces = inner.field("traces").flatten().to_pylist()
    starts = _offsets(inner.field("traces"))
    symbols = [
        PlacedSymbol(label, tuple(traces[a:b]), tuple(box))
        for label, (a, b), box in zip(labels, pairwise(starts), boxes, strict=True)
    ]
    ends = _offsets(column)
    return [symbols[a:b] for a, b in pairwise(ends)]
