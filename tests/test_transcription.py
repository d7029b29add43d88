"""Transcription: every kind of source, shards, going on after an end at any moment."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import inktex
from inktex.batches import padded_pixels
from inktex.cli import main
from inktex.ink.render import render
from inktex.onnx.engine import OnnxEngine
from inktex.recognizer import Recognizer
from inktex.synthesis.random_captions import written_expressions
from inktex.training.models import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, recipe_path
from inktex.transcription.files import FolderSource
from inktex.transcription.run import transcribe
from inktex.transcription.shards import COLUMNS, LISTING, Shards, differences, schema
from inktex.transcription.sources import PATHS, SETTINGS, URLS, Source, open_source

INKML = b"""<ink xmlns="http://www.w3.org/2003/InkML">
<trace id="0">10 10, 30 50, 60 90</trace><trace id="1">60 10, 30 50, 10 90</trace></ink>"""


def save_small_model(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    recipe = load_recipe(
        recipe_path("tiny"), ["decoder.num_hidden_layers=1", "decoder.guided_layers=[0]"]
    )
    model = make_model(recipe)
    # An untrained model goes on for ever. With weights of its own and a taste for the end, it ends.
    model.config.tie_word_embeddings = False
    weight = torch.randn_like(model.lm_head.weight) * 0.3
    bias = torch.randn_like(weight[0])
    weight[model.config.eos_token_id] += 6 * bias / bias.square().sum()
    model.lm_head.weight = torch.nn.Parameter(weight)
    model.decoder.norm.bias = torch.nn.Parameter(bias)
    save_model(model, make_processor(recipe), folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("model") / "small", 2)


@pytest.fixture(scope="module")
def recognizer(model: Path) -> Recognizer:
    return inktex.load(model, engine="torch")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Content of pictures by their names, some of them good for nothing."""
    found = {}
    for number, expression in enumerate(written_expressions(7, seed=3, depth=0)):
        stream = io.BytesIO()
        Image.fromarray(render(expression.traces)).save(stream, "PNG")
        found[f"{number}.png" if number < 4 else f"deeper/{number}.PNG"] = stream.getvalue()
    blank = io.BytesIO()
    Image.new("L", (60, 40), 255).save(blank, "PNG")
    return found | {"blank.png": blank.getvalue(), "cut.png": found["0.png"][:90], "x.inkml": INKML}


@pytest.fixture(scope="module")
def expected(recognizer: Recognizer, files: dict[str, bytes]) -> dict[str, str | None]:
    """Tokens by name; None for what cannot be read."""
    results = dict(zip(files, recognizer.read_each(files.values(), batch_size=1), strict=True))
    return {
        name: None if isinstance(result, Exception) else result.tokens
        for name, result in results.items()
    }


def as_folder(files: dict[str, bytes], place: Path) -> str:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    (place / "notes.txt").write_text("no picture")
    return str(place)


def as_zip(files: dict[str, bytes], place: Path) -> str:
    path = place.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__MACOSX/._0.png", b"what macOS notes about a picture")
        archive.mkdir("deeper")
        for name, content in files.items():
            archive.writestr(name, content)
    return str(path)


def as_tar(files: dict[str, bytes], place: Path) -> str:
    path = place.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(path)


def table(files: dict[str, bytes]) -> datasets.Dataset:
    cells = [{"bytes": content, "path": None} for content in files.values()]
    features = datasets.Features({"name": datasets.Value("string"), "image": datasets.Image()})
    return datasets.Dataset.from_dict({"name": list(files), "image": cells}, features=features)


def as_parquet(files: dict[str, bytes], place: Path) -> str:
    place.mkdir()
    arrow = table(files).data.table
    pq.write_table(arrow.slice(0, 6), place / "first.parquet", row_group_size=2)
    pq.write_table(arrow.slice(6), place / "second.parquet", row_group_size=3)
    return str(place)


def as_saved(files: dict[str, bytes], place: Path) -> str:
    datasets.DatasetDict({"test": table(files)}).save_to_disk(str(place))
    return str(place)


def as_hub(files: dict[str, bytes], place: Path) -> str:
    as_parquet(files, place)
    return "somebody/pictures"


FORMS = (as_folder, as_zip, as_tar, as_parquet, as_saved, as_hub)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hub whose one data set is the parquet files of `as_hub`."""
    load = datasets.load_dataset

    def load_dataset(name: str, config: str | None, revision: str, streaming: bool) -> Any:
        assert (name, config, revision, streaming) == ("somebody/pictures", None, "c0ffee", True)
        data_files = sorted(str(path) for path in (tmp_path / "source").iterdir())
        return load("parquet", data_files=data_files, streaming=True)

    class Information:
        sha = "c0ffee"

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: Information())


def opened(form: Callable[[dict[str, bytes], Path], str], files: Any, place: Path) -> Source:
    has_columns = form in (as_parquet, as_saved, as_hub)
    return open_source([form(files, place)], id_column="name" if has_columns else None)


def read(output: Path) -> list[dict[str, Any]]:
    """All rows, in the order of the shards."""
    shards = Shards(output)
    return [row for number in sorted(shards.finished()) for row in shards.read(number)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("hub")
def test_every_source_gives_a_row_for_every_picture(
    form: Callable[[dict[str, bytes], Path], str],
    recognizer: Recognizer,
    files: dict[str, bytes],
    expected: dict[str, str | None],
    tmp_path: Path,
) -> None:
    source = opened(form, files, tmp_path / "source")
    assert source.total == (None if form is as_hub else len(files))
    output = tmp_path / "out.parquet"
    summary = transcribe(recognizer, source, output, window=4, batch_size=3, workers=0)
    assert (summary.rows, summary.errors, summary.read) == (len(files), 2, len(files))
    rows = read(output)
    assert sorted(row["id"] for row in rows) == sorted(files)
    for row in rows:
        assert row["tokens"] == expected[row["id"]]
        if row["error"] is None:
            assert row["latex"]
            assert 0 <= row["score"] <= 1
        else:
            assert row["latex"] is row["score"] is None
            assert "\n" not in row["error"]
    again = transcribe(recognizer, source, output, window=4, workers=0)
    assert (again.rows, again.read) == (len(files), 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("hub")
def test_any_part_of_a_source_can_be_read(
    form: Callable[[dict[str, bytes], Path], str], files: dict[str, bytes], tmp_path: Path
) -> None:
    source = opened(form, files, tmp_path / "source")
    everything = [(number, row.id) for number, row in source.rows([range(100)])]
    assert [number for number, _ in everything] == list(range(len(files)))
    for ranges in ([range(4)], [range(3, 5), range(6, 7)], [range(1, 2), range(8, 99)], []):
        wanted = {number for one in ranges for number in one}
        found = [(number, row.id) for number, row in source.rows(ranges)]
        assert found == [one for one in everything if one[0] in wanted]
    name = everything[2][1]
    for _, row in source.rows([range(2, 3)]):
        content = row.load()
        assert (content.read_bytes() if isinstance(content, Path) else content) == files[name]
    assert json.loads(json.dumps(source.identity)) == source.identity


def test_rows_name_files_and_urls_only_where_that_is_allowed(
    recognizer: Recognizer, files: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "one.png").write_bytes(files["0.png"])
    named = [str(tmp_path / "one.png"), "http://127.0.0.1:9/one.png"]
    structs = pa.array([{"bytes": None, "path": name} for name in named])
    data = datasets.Dataset.from_dict({"image": named})
    for number, cells in enumerate((pa.array(named), structs)):
        pq.write_table(pa.table({"image": cells}), tmp_path / f"{number}.parquet")
    data.save_to_disk(tmp_path / "saved")
    path_refused = f"The row names a picture, {named[0]!r}, and has none: --allow-paths."
    url_refused = f"The row names a picture, {named[1]!r}, and has none: --allow-urls."
    for place in ("0.parquet", "1.parquet", "saved"):
        for allowed in (frozenset[str](), frozenset({PATHS}), frozenset({URLS})):
            source = open_source([str(tmp_path / place)], allowed=allowed)
            output = tmp_path / f"{place}-{len(allowed)}-{URLS in allowed}.jsonl"
            transcribe(recognizer, source, output, workers=0)
            path_error, url_error = (row["error"] for row in read(output))
            assert path_error == (None if PATHS in allowed else path_refused)
            if URLS in allowed:
                assert url_error.startswith(f"Cannot fetch {named[1]}")
            else:
                assert url_error == url_refused


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png"])
def test_archives_that_climb_out_are_refused(
    name: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr(name, files["0.png"])
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(files["0.png"])
        tar.addfile(member, io.BytesIO(files["0.png"]))
    for archive_name in ("in.zip", "in.tar"):
        with pytest.raises(ValueError, match="climbs out of its folder"):
            open_source([str(tmp_path / archive_name)])


def test_files_that_are_left_out_are_counted(
    model: Path, files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.pdf", "c.PDF", "notes.txt", "README", ".hidden"):
        (folder / name).write_bytes(files["0.png"])
    arguments = ["transcribe", str(folder), "--output", str(tmp_path / "out.jsonl")]
    assert main([*arguments, "--model", str(model), "--workers", "0"]) == 0
    said = capsys.readouterr()
    assert "1 rows, 0 of them with an error" in said.out
    assert "4 files were left out for their endings (2 .pdf, 1 " in said.err
    assert ".png" in said.err


@pytest.mark.parametrize("form", [as_zip, as_tar])
def test_files_that_are_left_out_of_archives_are_counted(
    form: Callable[[dict[str, bytes], Path], str], files: dict[str, bytes], tmp_path: Path
) -> None:
    others = dict.fromkeys(("b.pdf", "deeper/c.PDF", "README", ".hidden", "._0.png"), b"")
    source = open_source([form({"0.png": files["0.png"]} | others, tmp_path / "in")])
    assert source.total == 1
    assert source.skipped == {".pdf": 2, "no ending": 1}


def test_rows_without_an_id_column_go_by_their_number(
    recognizer: Recognizer, files: dict[str, bytes], tmp_path: Path
) -> None:
    cells = pa.array([files["0.png"], None, files["1.png"]])  # plain bytes, without a struct
    pq.write_table(pa.table({"picture": cells}), tmp_path / "in.parquet")
    source = open_source([str(tmp_path / "in.parquet")], image_column="picture")
    transcribe(recognizer, source, tmp_path / "out.jsonl", workers=0)
    rows = read(tmp_path / "out.jsonl")
    assert [row["id"] for row in rows] == ["0", "1", "2"]
    assert [row["error"] for row in rows] == [None, "There is no picture in this row.", None]


def test_parquet_and_jsonl_hold_the_same(
    recognizer: Recognizer, files: dict[str, bytes], tmp_path: Path
) -> None:
    source = opened(as_folder, files, tmp_path / "source")
    for name in ("out.parquet", "out.jsonl"):
        transcribe(recognizer, source, tmp_path / name, window=4, workers=1)
    assert read(tmp_path / "out.parquet") == read(tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl" / "part-000000.jsonl").read_text(encoding="utf-8")
    assert list(json.loads(lines.splitlines()[0])) == list(COLUMNS)
    # As strangers read it: the settings are not taken for data.
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == read(tmp_path / "out.parquet")
    features = datasets.Features.from_arrow_schema(schema())
    for name in ("out.parquet", "out.jsonl"):
        data = datasets.load_dataset(str(tmp_path / name), split="train", features=features)
        assert data.num_rows == len(files)


@pytest.mark.parametrize(("name", "separator"), [("out.csv", ","), ("out.TSV", "\t")])
def test_a_table_of_text_is_one_file(
    name: str,
    separator: str,
    recognizer: Recognizer,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, output = opened(as_folder, files, tmp_path / "source"), tmp_path / name
    cut_after(2, monkeypatch, recognizer, source, output, window=2)
    assert not output.exists()
    summary = transcribe(recognizer, source, output, workers=2)
    # Two windows, and of the third what a journal has: all that could be opened.
    assert (summary.rows, summary.read) == (len(files), len(files) - 5)
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=separator))
    assert list(rows[0]) == list(COLUMNS)
    for row, other in zip(rows, read(output), strict=True):
        assert row == {column: str("" if one is None else one) for column, one in other.items()}
    output.write_text("corrected")
    assert transcribe(recognizer, source, output, workers=0).read == 0
    assert output.read_text() == "corrected"
    with pytest.raises(ValueError, match=f"{name} was begun with other settings: --preset"):
        transcribe(recognizer, source, output, preset="accurate", workers=0)
    transcribe(recognizer, source, output, workers=0, overwrite=True)
    assert "corrected" not in output.read_text()


def test_files_that_are_no_transcription_are_left_alone(
    recognizer: Recognizer, files: dict[str, bytes], tmp_path: Path
) -> None:
    source = opened(as_folder, files, tmp_path / "source")
    (tmp_path / "mine.csv").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="nothing beside it tells that it is a transcription"):
            transcribe(recognizer, source, tmp_path / "mine.csv", overwrite=overwrite)
    assert (tmp_path / "mine.csv").read_text() == "mine"
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OSError, match="The output is a file"):
        transcribe(recognizer, source, tmp_path / "folder.csv")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_full_memory_is_not_one_pictures_fault(
    workers: int,
    recognizer: Recognizer,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: Any, picture: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(type(recognizer.image_processor), "normalize_picture", full)
    source = opened(as_folder, files, tmp_path / "source")
    with pytest.raises(MemoryError):
        transcribe(recognizer, source, tmp_path / "out.jsonl", workers=workers)
    assert not Shards(tmp_path / "out.jsonl").finished()


def test_a_worker_that_is_killed_ends_the_run_in_a_sentence(
    model: Path,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows, here = FolderSource.rows, os.getpid()

    def killed(source: FolderSource, ranges: Any) -> Iterator[Any]:
        yield from islice(rows(source, ranges), 4)
        assert os.getpid() != here
        os.kill(os.getpid(), signal.SIGKILL)

    source, output = as_folder(files, tmp_path / "source"), tmp_path / "out.csv"
    arguments = (source, "--output", output, "--model", model, "--window", 2)
    with monkeypatch.context() as patch:
        patch.setattr(FolderSource, "rows", killed)
        status, _, error = run(capsys, *arguments)
    assert status == 2
    assert "was ended from outside, or found the memory full" in error
    assert "Traceback" not in error
    assert f"{len(files)} rows, 2 of them" in run(capsys, *arguments)[1]


def test_pictures_are_read_the_largest_first_and_written_in_order(
    recognizer: Recognizer,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[list[tuple[int, int]]] = []
    original = recognizer.engine.search

    def watched(pictures: Sequence[Any], options: Any) -> Any:
        batches.append([one.shape for one in pictures])
        return original(pictures, options)

    monkeypatch.setattr(recognizer.engine, "search", watched)
    source = opened(as_folder, files, tmp_path / "source")
    transcribe(recognizer, source, tmp_path / "out.jsonl", window=7, batch_size=2, workers=0)
    first_window = [padded_pixels(batch) for batch in batches[:3]]
    assert first_window == sorted(first_window, reverse=True)
    assert all(1 <= len(batch) <= 2 for batch in batches)
    names = [row.id for _, row in source.rows([range(100)])]
    assert [row["id"] for row in read(tmp_path / "out.jsonl")] == names


class PowerCutError(Exception):
    """Stands for whatever ends a run."""


def cut_after(
    count: int,
    monkeypatch: pytest.MonkeyPatch,
    recognizer: Recognizer,
    source: Source,
    output: Path,
    **settings: Any,
) -> None:
    """A run that ends while it writes its shard number `count`."""
    write = Shards.write
    left = iter(range(count))

    def failing(shards: Shards, number: int, rows: Any) -> None:
        if next(left, None) is None:
            (shards.folder / f".part-{number:06}.{output.suffix}.1.partial").write_text("half")
            raise PowerCutError
        write(shards, number, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Shards, "write", failing)
        with pytest.raises(PowerCutError):
            transcribe(recognizer, source, output, workers=0, **settings)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("form", [as_folder, as_parquet, as_hub])
def test_a_run_goes_on_where_it_was_stopped(
    form: Callable[[dict[str, bytes], Path], str],
    recognizer: Recognizer,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, output = opened(form, files, tmp_path / "source"), tmp_path / "out.parquet"
    cut_after(2, monkeypatch, recognizer, source, output, window=2)
    kept = {path: path.stat().st_mtime_ns for path in output.glob("part-*")}
    assert len(kept) == 2
    noted = Shards(output).noted_rows()
    summary = transcribe(recognizer, source, output, workers=0)
    assert (summary.rows, summary.read) == (len(files), len(files) - 4 - noted)
    assert sorted(row["id"] for row in read(output)) == sorted(files)
    assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items())
    assert not list(output.glob(".*partial"))


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_what_was_read_of_a_window_is_not_read_again(
    name: str,
    recognizer: Recognizer,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, output = opened(as_folder, files, tmp_path / "source"), tmp_path / name
    transcribe(recognizer, source, tmp_path / f"whole-{name}", workers=0, batch_size=2)
    original = recognizer.read_each
    calls: list[int] = []

    def failing(pictures: Sequence[Any], *arguments: Any, **options: Any) -> Any:
        calls.append(len(pictures))
        if len(calls) == 3:
            raise PowerCutError
        return original(pictures, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(recognizer, "read_each", failing)
        with pytest.raises(PowerCutError):
            transcribe(recognizer, source, output, workers=0, batch_size=2)
        assert not Shards(output).finished()
        (journal,) = output.glob(".*.journal")
        journal.write_bytes(journal.read_bytes() + b'[0, {"id": "cut off')
        transcribe(recognizer, source, output, workers=0, batch_size=2)
    good = len(files) - 1  # all that can be opened
    read_twice = calls[2]  # the batch that was cut
    assert sum(calls) == good + read_twice
    assert not list(output.glob(".*.journal"))
    for row, other in zip(read(output), read(tmp_path / f"whole-{name}"), strict=True):
        assert row == pytest.approx(other)


def test_what_was_read_with_other_settings_is_dropped(
    recognizer: Recognizer, files: dict[str, bytes], tmp_path: Path
) -> None:
    source, output = opened(as_folder, files, tmp_path / "source"), tmp_path / "out.jsonl"
    transcribe(recognizer, source, output, workers=0)
    row = read(output)[0] | {"tokens": "of before"}
    Shards(output).path(0).unlink()
    Shards(output).note(0, {0: row})
    transcribe(recognizer, source, output, workers=0)
    assert read(output)[0]["tokens"] == "of before"
    Shards(output).note(0, {0: row})
    transcribe(recognizer, source, output, workers=0, overwrite=True)
    assert read(output)[0]["tokens"] != "of before"


def test_a_run_that_was_killed_before_it_began_can_begin(
    recognizer: Recognizer, files: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    output.mkdir()
    (output / f".{SETTINGS}.77.partial").write_text("{")
    source = opened(as_folder, files, tmp_path / "source")
    assert transcribe(recognizer, source, output, workers=0).rows == len(files)
    assert sorted(path.name for path in output.iterdir()) == sorted(
        [LISTING, SETTINGS, "part-000000.jsonl"]
    )


def test_other_settings_are_refused_and_overwrite_begins_anew(
    recognizer: Recognizer,
    model: Path,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, output = opened(as_folder, files, tmp_path / "source"), tmp_path / "out.parquet"
    cut_after(1, monkeypatch, recognizer, source, output, window=4)
    before = sorted(output.iterdir())
    other_model = inktex.load(save_small_model(tmp_path / "other", 3), engine="torch")
    other_source = opened(as_folder, {"0.png": files["0.png"]}, tmp_path / "less")
    refused: list[tuple[str, Recognizer, Source, dict[str, Any]]] = [
        ("--preset was fast and is accurate", recognizer, source, {"preset": "accurate"}),
        ("--beams was None and is 2", recognizer, source, {"num_beams": 2}),
        ("--window was 4 and is 5", recognizer, source, {"window": 5}),
        ("--weights was .* and is", other_model, source, {}),
        (f"files of SOURCE was {len(files)} and is 1", recognizer, other_source, {}),
        (
            "kind of SOURCE was folder and is zip",
            recognizer,
            opened(as_zip, files, tmp_path / "s"),
            {},
        ),
    ]
    for message, reader, pictures, changes in refused:
        with pytest.raises(ValueError, match=message) as error:
            transcribe(reader, pictures, output, workers=0, **changes)
        assert "--overwrite" in str(error.value)
        assert sorted(output.iterdir()) == before
    same_elsewhere = inktex.load(model, engine="torch")
    assert transcribe(same_elsewhere, source, output, workers=0).rows == len(files)
    summary = transcribe(recognizer, other_source, output, workers=0, overwrite=True)
    assert (summary.rows, summary.read) == (1, 1)
    assert [row["id"] for row in read(output)] == ["0.png"]


def test_changed_settings_are_named() -> None:
    table = {"kind": "parquet", "files": [["a", 1, 2]], "image_column": "image", "id_column": None}
    begun = {"preset": "fast", "weights": "1", "engine": "onnx", "model": "a", "source": table}
    cases: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
        (
            {"engine": "torch", "weights": "2"},
            {},
            ["--weights was 1 and is 2", "--engine was onnx and is torch"],
        ),
        ({"model": "b"}, {}, []),
        ({}, {"id_column": "name"}, ["id_column of SOURCE was None and is name"]),
        ({}, {"allowed": ["urls"]}, ["allowed of SOURCE was None and is ['urls']"]),
        ({}, {"later": 1}, ["later of SOURCE was None and is 1"]),
    ]
    for changes, in_source, words in cases:
        assert differences(begun, begun | changes | {"source": table | in_source}) == words
    assert differences(begun, begun | {"engine": "torch", "model": "c", "inktex": "9"}) == []


def test_a_run_ends_when_another_one_takes_its_place(
    recognizer: Recognizer,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A killed launcher may leave processes behind, which go on."""
    source, output = opened(as_folder, files, tmp_path / "source"), tmp_path / "out.parquet"
    write = Shards.write

    def overtaken(shards: Shards, number: int, rows: Any) -> None:
        write(shards, number, rows)
        with monkeypatch.context() as patch:
            patch.setattr(Shards, "write", write)
            transcribe(recognizer, source, output, window=3, num_beams=2, workers=0, overwrite=True)

    with monkeypatch.context() as patch:
        patch.setattr(Shards, "write", overtaken)
        with pytest.raises(OSError, match="begun anew"):
            transcribe(recognizer, source, output, window=2, workers=0)
    assert sorted(row["id"] for row in read(output)) == sorted(files)


def test_a_source_that_changed_is_refused(
    recognizer: Recognizer, files: dict[str, bytes], tmp_path: Path
) -> None:
    output, folder = tmp_path / "out.jsonl", tmp_path / "source"
    transcribe(recognizer, opened(as_folder, files, folder), output, workers=0)
    content = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(content + b" ")
    with pytest.raises(ValueError, match="sha256 of SOURCE was"):
        transcribe(recognizer, FolderSource(folder), output, workers=0)
    (folder / "1.png").unlink()
    with pytest.raises(ValueError, match="files of SOURCE was 10 and is 9"):
        transcribe(recognizer, FolderSource(folder), output, workers=0)
    (folder / "1.png").write_bytes(content)
    assert transcribe(recognizer, FolderSource(folder), output, workers=0).read == 0


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out.csv"])
def test_pictures_that_come_later_are_added(
    name: str, recognizer: Recognizer, files: dict[str, bytes], tmp_path: Path
) -> None:
    output, folder = tmp_path / name, tmp_path / "source"
    few = {name: files[name] for name in [*files][2:]}
    transcribe(recognizer, opened(as_folder, few, folder), output, workers=0, window=3)
    before = read(output)
    as_folder({"0.png": files["0.png"]}, folder)  # in front of all others by its name
    summary = transcribe(recognizer, FolderSource(folder), output, workers=0)
    assert (summary.rows, summary.read) == (len(few) + 1, 1)
    as_folder({"1.png": files["1.png"], "z/a.png": files["2.png"]}, folder)
    summary = transcribe(recognizer, FolderSource(folder), output, workers=2)
    assert (summary.rows, summary.read) == (len(few) + 3, 2)
    rows = read(output)
    assert rows[: len(before)] == before
    assert [row["id"] for row in rows[len(before) :]] == ["0.png", "1.png", "z/a.png"]
    assert transcribe(recognizer, FolderSource(folder), output, workers=0).read == 0
    as_folder({"3b.png": files["1.png"]}, folder)
    with pytest.raises(ValueError, match="--preset was fast and is accurate"):
        transcribe(recognizer, FolderSource(folder), output, preset="accurate", workers=0)
    if name.endswith(".csv"):
        output.write_text("corrected")
        with pytest.raises(ValueError, match=r"out\.csv has been changed since it was written"):
            transcribe(recognizer, FolderSource(folder), output, workers=0)
        assert output.read_text() == "corrected"


def test_a_kill_while_pictures_are_added_costs_nothing(
    recognizer: Recognizer,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, folder = tmp_path / "out.jsonl", tmp_path / "source"
    few = {name: files[name] for name in [*files][1:]}
    transcribe(recognizer, opened(as_folder, few, folder), output, workers=0, window=4)
    for lost in ("_write_settings", "write"):
        as_folder({f"0{lost}.png": files["0.png"]}, folder)

        def fail(*_: Any, **__: Any) -> None:
            raise PowerCutError

        with monkeypatch.context() as patch:
            patch.setattr(Shards, lost, fail)
            with pytest.raises(PowerCutError):
                transcribe(recognizer, FolderSource(folder), output, workers=0)
        summary = transcribe(recognizer, FolderSource(folder), output, workers=0)
        assert summary.read <= 1
        ids = [row["id"] for row in read(output)]
        assert len(set(ids)) == len(ids) == summary.rows
    assert summary.rows == len(few) + 2


def test_names_that_are_no_text_are_written_as_text(
    recognizer: Recognizer, files: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    try:
        (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(files["0.png"])
        (folder / os.fsdecode(b"bad\xe9.png")).write_bytes(b"no picture")
    except OSError:
        pytest.skip("this file system knows no such names")
    for name in ("out.jsonl", "out.parquet"):
        transcribe(recognizer, FolderSource(folder), tmp_path / name, workers=0)
        rows = read(tmp_path / name)
        assert ["caf" in row["id"] for row in rows] == [False, True]
        assert [row["error"] is None for row in rows] == [False, True]


def test_a_broken_source_ends_the_run_with_a_reason(
    recognizer: Recognizer,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = opened(as_folder, files, tmp_path / "source")
    rows = source.rows

    def broken(ranges: Any) -> Iterator[Any]:
        yield from islice(rows(ranges), 5)
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(source, "rows", broken)
        with pytest.raises(OSError, match="any further: the disk is gone"):
            transcribe(recognizer, source, tmp_path / "out.jsonl", window=2, workers=1)
    assert len(read(tmp_path / "out.jsonl")) == 4
    assert transcribe(recognizer, source, tmp_path / "out.jsonl", workers=0).rows == len(files)


# ------------------------------------------------------------------------------------ the command


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["transcribe", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_command_reads_and_shows_how_far_it_is(
    model: Path, files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = as_folder(files, tmp_path / "source"), tmp_path / "out.jsonl"
    arguments = (source, "--output", output, "--model", model, "--beams", 2, "--workers", 0)
    status, out, error = run(capsys, *arguments)
    assert (status, out) == (0, f"{output}: 10 rows, 2 of them with an error; 10 read now.\n")
    assert "10/10" in error
    assert "picture/s" in error or "s/picture" in error
    assert json.loads((output / SETTINGS).read_text())["beams"] == 2
    assert "0 read now" in run(capsys, *arguments)[1]


def test_threads_are_those_of_the_engine(
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = as_folder({"0.png": files["0.png"]}, tmp_path / "source")
    given: list[Any] = []
    original = OnnxEngine.__init__

    def watched(self: Any, export: Any, threads: int | None = None) -> None:
        given.append(threads)
        original(self, export, threads)

    monkeypatch.setattr(OnnxEngine, "__init__", watched)
    before = torch.get_num_threads()
    try:
        arguments = (source, "--output", tmp_path / "out.csv", "--engine", "onnx", "--threads", 1)
        assert run(capsys, *arguments)[0] == 0
    finally:
        torch.set_num_threads(before)
    assert given == [1]


def test_a_run_goes_on_with_its_engine(
    files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default is another one beside a GPU, and was in earlier versions."""
    source = as_folder({"0.png": files["0.png"], "1.png": files["1.png"]}, tmp_path / "source")
    for engine in ("onnx", "torch"):
        output = tmp_path / f"{engine}.jsonl"
        arguments = (source, "--output", output, "--window", 1, "--workers", 0)
        assert run(capsys, *arguments, "--engine", engine)[0] == 0
        assert json.loads((output / SETTINGS).read_text())["engine"] == engine
        Shards(output).path(1).unlink()
        status, out, error = run(capsys, *arguments)
        assert (status, out) == (0, f"{output}: 2 rows, 0 of them with an error; 1 read now.\n"), (
            error
        )
        other = "torch" if engine == "onnx" else "onnx"
        status, _, error = run(capsys, *arguments, "--engine", other)
        assert status == 2
        assert f"--engine was {engine} and is {other}" in error
    begun = json.loads((output / SETTINGS).read_text())
    del begun["engine"]
    (output / SETTINGS).write_text(json.dumps(begun))
    Shards(output).path(1).unlink()
    assert "1 read now" in run(capsys, *arguments)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pictures", "--output", "out.xlsx"], "must end in .parquet, .jsonl (a folder"),
        (["pictures", "--output", "file.jsonl"], "is a file"),
        (["pictures", "--output", "full.jsonl"], "neither empty nor a transcription"),
        (["pictures", "--output", "full.jsonl", "--overwrite"], "neither empty nor"),
        (["nowhere", "--output", "out.jsonl"], "nowhere: no such file or folder"),
        (["no/where", "--output", "out.jsonl"], "no such file or folder, and no data set"),
        (["empty", "--output", "out.jsonl"], "no picture in this folder"),
        (["both", "--output", "out.jsonl"], "only one kind"),
        (["pictures/0.png", "--output", "out.jsonl"], "inktex recognize"),
        (["broken.zip", "--output", "out.jsonl"], "not a zip"),
        (["broken.tar", "--output", "out.jsonl"], "not a tar"),
        (["broken.parquet", "--output", "out.jsonl"], "not a parquet file"),
        (["pictures", "both", "--output", "out.jsonl"], "one source at a time"),
        (["pictures", "--id-column", "name", "--output", "out.jsonl"], "'name'"),
        (["in.parquet", "--output", "out.jsonl"], "no column 'image'; it has picture"),
    ],
)
def test_what_cannot_be_done_is_told(
    arguments: list[str],
    message: str,
    model: Path,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("pictures", "empty", "both", "full.jsonl"):
        (tmp_path / folder).mkdir()
    pq.write_table(pa.table({"picture": [b""]}), tmp_path / "in.parquet")
    (tmp_path / "pictures" / "0.png").write_bytes(files["0.png"])
    for name in ("both/0.png", "both/0.parquet", "full.jsonl/mine.txt", "file.jsonl"):
        (tmp_path / name).touch()
    for name in ("broken.zip", "broken.tar", "broken.parquet"):
        (tmp_path / name).write_text("no such thing")
    status, out, error = run(capsys, *arguments, "--model", model)
    assert (status, out) == (2, "")
    assert message in error
    assert not (tmp_path / "out.jsonl").exists()
    assert (tmp_path / "full.jsonl" / "mine.txt").exists()


def command(repository: Path, processes: int, *arguments: object) -> list[str]:
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc_per_node", str(processes)]
    return [*launcher, str(repository / "scripts" / "transcribe.py"), *map(str, arguments)]


def many(files: dict[str, bytes], count: int, folder: Path) -> Source:
    good = [content for name, content in files.items() if name.lower().endswith("png")]
    as_folder({f"{number:03}.png": good[number % len(good)] for number in range(count)}, folder)
    return FolderSource(folder)


def test_a_killed_run_goes_on(
    repository: Path,
    recognizer: Recognizer,
    model: Path,
    files: dict[str, bytes],
    tmp_path: Path,
) -> None:
    source, output = many(files, 90, tmp_path / "source"), tmp_path / "out.jsonl"
    arguments = command(
        repository, 1, tmp_path / "source", "--output", output, "--model", model,
        "--window", 2, "--batch-size", 1,
    )  # fmt: skip
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not Shards(output).finished():
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.2))  # any moment must do
        process.send_signal(signal.SIGKILL)
        assert process.stderr is not None
        messages = process.stderr.read()
    assert process.returncode == -signal.SIGKILL, messages
    done = len(read(output)) + Shards(output).noted_rows()
    summary = transcribe(recognizer, source, output)
    assert (summary.rows, summary.read) == (90, 90 - done)
    assert [row["id"] for row in read(output)] == [f"{number:03}.png" for number in range(90)]


def test_two_processes_share_the_work_of_one(
    repository: Path,
    recognizer: Recognizer,
    model: Path,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, output = many(files, 21, tmp_path / "source"), tmp_path / "out.parquet"
    cut_after(2, monkeypatch, recognizer, source, output, window=2)
    new = 17 - Shards(output).noted_rows()
    result = subprocess.run(
        command(repository, 2, tmp_path / "source", "--output", output, "--model", model),
        capture_output=True,
        text=True,
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count(f"21 rows, 4 of them with an error; {new} read now.") == 1
    assert "21/21" in result.stderr
    assert [row["id"] for row in read(output)] == [f"{number:03}.png" for number in range(21)]
    alone = tmp_path / "alone.parquet"
    transcribe(recognizer, source, alone, window=2, workers=0)
    same = ("id", "latex", "tokens", "error")
    assert [[row[name] for name in same] for row in read(output)] == [
        [row[name] for name in same] for row in read(alone)
    ]
