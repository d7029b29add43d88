"""Training data out of prepared parquet."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inktex.data.examples import from_expression
from inktex.data.rows import FEATURES, row
from inktex.ink import Expression, PlacedSymbol
from inktex.tokenizer.vocabulary_inktex import IDS
from inktex.training.data import load_examples, load_expressions


def expression(name: str, tokens: list[str], traces: int = 2) -> Expression:
    lines = [
        np.array([[10 * n, 0], [10 * n + 5, 20.5], [10 * n, 21]], np.float32)[: n + 1]
        for n in range(traces)
    ]
    symbols = [PlacedSymbol("x", (0,), (0, 0, 5, 20.5)), PlacedSymbol("+", (1,), (10, 0, 15, 21))]
    return Expression(
        id=name,
        source="own",
        traces=lines,
        symbols=symbols[: min(traces, len(tokens))],
        tokens=tokens,
        alignment=list(range(len(tokens))),
        truth=f"${' '.join(tokens)}$" if tokens else None,
        aligned=bool(tokens),
        level="strict" if tokens else "none",
        reason="" if tokens else "the file does not say what was written",
    )


WRITTEN = [
    expression("a", ["x", "+"], 3),
    expression("b", ["x"], 1),
    expression("c", []),
    expression("d", ["x", r"\strange"]),
    expression("e", ["2", "+"], 4),
]


def write(path: Path, expressions: list[Expression]) -> None:
    schema = FEATURES.arrow_schema
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(expressions), 2):  # several row groups
            rows = [row(one) for one in expressions[start : start + 2]]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "train.parquet", WRITTEN)
    write(tmp_path / "dev.parquet", [])
    return tmp_path


def same(a: Expression, b: Expression) -> bool:
    arrays = len(a.traces) == len(b.traces) and all(
        np.array_equal(first, second) and second.dtype == np.float32
        for first, second in zip(a.traces, b.traces, strict=True)
    )
    plain = (
        "id",
        "source",
        "symbols",
        "tokens",
        "alignment",
        "truth",
        "aligned",
        "level",
        "reason",
    )
    return arrays and all(getattr(a, name) == getattr(b, name) for name in plain)


def test_expressions_come_back(folder: Path) -> None:
    read = load_expressions(folder, "train")
    assert len(read) == len(WRITTEN)
    assert all(same(a, b) for a, b in zip(WRITTEN, read, strict=True))


def test_file_and_shards(folder: Path) -> None:
    assert len(load_expressions(folder / "train.parquet")) == len(WRITTEN)
    write(folder / "more-00000-of-00002.parquet", WRITTEN[:2])
    write(folder / "more-00001-of-00002.parquet", WRITTEN[2:])
    assert [one.id for one in load_expressions(folder, "more")] == list("abcde")


def test_empty_split(folder: Path) -> None:
    assert load_expressions(folder, "dev") == []


def test_examples_leave_out_structures_without_grammar(tmp_path: Path) -> None:
    # A group as the base of a script: layout and search know none.
    group = expression("group", "{ x ^ { 2 } } ^ { 2 }".split())
    write(tmp_path / "train.parquet", [WRITTEN[0], group])
    assert [one.id for one in load_examples(str(tmp_path), "train")] == ["a"]


def test_examples_leave_out_what_cannot_be_trained_on(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        examples = load_examples(str(folder), "train")
    assert [one.id for one in examples] == ["a", "b", "e"]
    assert "2 of 5" in caplog.text
    assert r"\strange" in caplog.text
    expected = from_expression(WRITTEN[0])
    assert np.array_equal(examples[0].points, expected.points)
    assert examples[0].tokens.tolist() == [IDS["x"], IDS["+"]]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"scripts/prepare_crohme\.py --data"):
        load_expressions(tmp_path / "nowhere", "train")


def test_missing_split_names_those_that_are_there(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="dev, train"):
        load_expressions(folder, "test")


def test_a_damaged_file_is_named_and_skipped_on_request(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "train.parquet").rename(folder / "train-0.parquet")
    content = (folder / "train-0.parquet").read_bytes()
    (folder / "train-1.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"train-1\.parquet.*--skip-broken"):
        load_expressions(folder, "train")
    with caplog.at_level(logging.WARNING):
        kept = load_expressions(folder, "train", skip_broken=True)
    assert [one.id for one in kept] == [one.id for one in WRITTEN]
    assert "train-1.parquet" in caplog.text
    (folder / "train-0.parquet").unlink()
    with pytest.raises(ValueError, match="None of the files"):
        load_expressions(folder, "train", skip_broken=True)


def test_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_text("something else")
    with pytest.raises(ValueError, match=r"train\.parquet is not a readable parquet"):
        load_expressions(tmp_path, "train")


def test_missing_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "train.parquet")
    with pytest.raises(ValueError, match="alignment"):
        load_expressions(tmp_path, "train")


def test_reading_needs_no_datasets(folder: Path) -> None:
    program = (
        "import sys; from inktex.training.data import load_expressions; "
        f"load_expressions({str(folder)!r}, 'train'); assert 'datasets' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
