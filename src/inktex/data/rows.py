"""Expressions as the rows of a Hugging Face data set."""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from PIL import Image

from ..extras import require
from ..files import new_file
from ..ink import Expression
from ..ink.render import render

require("train", "Data sets", "datasets")
import datasets  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

_GROUP: Final = 200
"""Rows in a row group: few enough for previews and streaming."""

FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "source": datasets.Value("string"),
        "image": datasets.Image(mode="L"),
        "traces": datasets.List(datasets.List(datasets.List(datasets.Value("float32"), length=2))),
        "symbols": datasets.List(
            {
                "label": datasets.Value("string"),
                "traces": datasets.List(datasets.Value("int32")),
                "box": datasets.List(datasets.Value("float32"), length=4),
            }
        ),
        "tokens": datasets.List(datasets.Value("string")),
        "alignment": datasets.List(datasets.Value("int32")),
        "truth": datasets.Value("string"),
        "aligned": datasets.Value("bool"),
        "level": datasets.Value("string"),
        "reason": datasets.Value("string"),
    }
)
"""The columns: the fields of `inktex.ink.Expression`, and `image`, its picture."""


def row(one: Expression) -> dict[str, Any]:
    """An expression as plain values for `FEATURES`, its picture as PNG.

    Raises:
        ValueError: if there is no ink, or its picture would be too large.
    """
    picture = io.BytesIO()
    Image.fromarray(render(one.traces)).save(picture, "PNG")
    return {
        "id": one.id,
        "source": one.source,
        "image": {"bytes": picture.getvalue(), "path": None},
        "traces": [trace.tolist() for trace in one.traces],
        "symbols": [
            {"label": s.label, "traces": list(s.traces), "box": list(s.box)} for s in one.symbols
        ],
        "tokens": one.tokens,
        "alignment": one.alignment,
        "truth": one.truth,
        "aligned": one.aligned,
        "level": one.level,
        "reason": one.reason,
    }


def write_parquet(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows to a parquet file, which is there whole or not at all; returns how many.

    The file's schema carries the features, so that `load_dataset` decodes the pictures.

    Args:
        rows: of `row`.
    """
    schema = FEATURES.arrow_schema
    with new_file(path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        waiting, count = iter(rows), 0
        while group := list(islice(waiting, _GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count
