"""The CROHME builder, its splits and its parquet, on small ink in the layouts of the packages."""

from __future__ import annotations

import hashlib
import logging
import random
import zipfile
from collections import Counter
from pathlib import Path
from types import ModuleType

import datasets
import numpy as np
import pytest
import yaml
from script_loading import load_script

from inktex.data.crohme import Crohme
from inktex.data.crohme.files import find, locate, names, part_of
from inktex.data.crohme.split import development_ids, writer
from inktex.data.structures import structures
from inktex.ink.inkml import read_inkml
from inktex.ink.render import render
from inktex.training.data import load_expressions

INK = """<ink xmlns="http://www.w3.org/2003/InkML">
<annotation type="truth">$u+{shift}$</annotation>
<annotationXML type="truth" encoding="Content-MathML">
 <math xmlns='http://www.w3.org/1998/Math/MathML'>
  <mrow><mi xml:id="u_1">u</mi><mo xml:id="+_1">+</mo><mn xml:id="n_1">{shift}</mn></mrow>
 </math>
</annotationXML>
<trace id="0">{shift} 0, 4 8, 8 0</trace>
<trace id="1">12 4, 20 4</trace>
<trace id="2">16 0, 16 8</trace>
<trace id="3">25 0, 25 9</trace>
<traceGroup xml:id="4"><annotation type="truth">Segmentation</annotation>
 <traceGroup xml:id="5"><annotation type="truth">u</annotation>
  <traceView traceDataRef="0"/><annotationXML href="u_1"/></traceGroup>
 <traceGroup xml:id="6"><annotation type="truth">+</annotation>
  <traceView traceDataRef="2"/><traceView traceDataRef="1"/><annotationXML href="+_1"/></traceGroup>
 <traceGroup xml:id="7"><annotation type="truth">{shift}</annotation>
  <traceView traceDataRef="3"/><annotationXML href="n_1"/></traceGroup>
</traceGroup></ink>"""

TRAIN = {
    **{f"TrainINKML/KAIST/KME1G3_{n % 3}_sub_{n}.inkml": n for n in range(40)},
    **{f"TrainINKML/expressmatch/{n}_anna.inkml": n for n in range(20)},
}
LATE = {
    "crohme2019/train/a_1.inkml": 1,
    "crohme2019/train/a_2.inkml": 2,
    "crohme2019/valid/b_1.inkml": 3,
    "crohme2019/test/c_1.inkml": 4,
}
EARLY = {
    "TEST2011_INKML_GT/vector04.inkml": 7,
    "TEST2012_INKML_GT/001-equation000.inkml": 8,
    "TEST2013_INKML_GT/103_em_0.inkml": 9,
}
FILES = {**TRAIN, "TestEM2014GT/18_em_0.inkml": 5, "TEST2016_INKML_GT/UN_1_em_2.inkml": 6}
FILES |= LATE | EARLY
"""Path in the packages, and the digit that is written there."""


def content(path: str) -> str:
    return INK.format(shift=FILES[path] % 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All packages unpacked, with a broken file, a note and a left-over of a Mac."""
    base = tmp_path_factory.mktemp("folders")
    for path in FILES:
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(content(path))
    (base / "TestEM2014GT/broken.inkml").write_text("<ink><trace>1 2")
    (base / "TrainINKML/readme.txt").write_text("not ink")
    return base


@pytest.fixture(scope="module")
def zips(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as zips, in another order."""
    base = tmp_path_factory.mktemp("zips")
    for top in sorted({path.partition("/")[0] for path in FILES}):
        paths = [path for path in (folder / top).rglob("*") if path.is_file()]
        random.Random(3).shuffle(paths)
        with zipfile.ZipFile(base / f"{top}.zip", "w") as archive:
            for path in paths:
                archive.write(path, path.relative_to(folder).as_posix())
            archive.writestr(f"__MACOSX/{top}/._x.inkml", b"\0")
    return base


def stream(base: Path, year: str, split: str, cache: Path) -> list[dict[str, object]]:
    builder = Crohme(year, data_dir=base, cache_dir=str(cache))
    return list(builder.as_streaming_dataset(split=split))


@pytest.mark.parametrize("layout", ["folder", "zips"])
@pytest.mark.parametrize("year", ["2014", "2016", "2019"])
def test_streaming(layout: str, year: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    base = request.getfixturevalue(layout)
    found = {
        split: {str(one["id"]) for one in stream(base, year, split, tmp_path)}
        for split in ("train", "dev", "test")
    }
    if year == "2019":
        assert found == {"train": {"a_1", "a_2"}, "dev": {"b_1"}, "test": {"c_1"}}
        return
    assert found["test"] == ({"18_em_0"} if year == "2014" else {"UN_1_em_2"})
    assert len(found["train"]) == 57
    assert len(found["dev"]) == 3  # two of 40, one of 20
    assert found["train"] | found["dev"] == {Path(path).stem for path in TRAIN}


def test_prepared_rows(folder: Path, tmp_path: Path) -> None:
    builder = Crohme("2014", data_dir=folder, cache_dir=str(tmp_path))
    builder.download_and_prepare()
    splits = builder.as_dataset()
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 57, "dev": 3, "test": 1,
    }  # fmt: skip
    one = splits["test"][0]
    assert (one["id"], one["source"], one["truth"]) == ("18_em_0", "CROHME2014", "$u+5$")
    assert one["tokens"] == ["u", "+", "5"]
    assert one["alignment"] == [0, 1, 2]
    assert (one["aligned"], one["level"], one["reason"]) == (True, "strict", "")
    assert one["traces"][1] == [[12, 4], [20, 4]]
    assert one["symbols"][1] == {"label": "+", "traces": [1, 2], "box": [12, 0, 20, 8]}
    assert one["image"].mode == "L"
    ink = read_inkml(content("TestEM2014GT/18_em_0.inkml").encode())
    assert (np.asarray(one["image"]) == render(ink.traces)).all()
    assert {one["source"] for one in splits["train"]} == {"KAIST", "expressmatch"}


def test_broken_files_are_counted_and_named(
    zips: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        stream(zips, "2014", "test", tmp_path)
    (message,) = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert "1 of 2" in message
    assert "broken.inkml" in message


def test_environment_variable(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INKTEX_CROHME", str(folder))
    builder = Crohme("2014", cache_dir=str(tmp_path))
    assert next(iter(builder.as_streaming_dataset(split="test")))["id"] == "18_em_0"


@pytest.mark.parametrize("data", [None, "nothing-here"])
def test_missing_data(data: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INKTEX_CROHME", raising=False)
    place = tmp_path / data if data else None
    builder = Crohme("2014", data_dir=place, cache_dir=str(tmp_path))
    with pytest.raises(FileNotFoundError, match="TC11") as error:
        builder.as_streaming_dataset(split="train")
    for part in ("Zenodo", "CC BY-NC-SA 3.0", "data_dir=", "--data", "INKTEX_CROHME", "TrainINKML"):
        assert part in str(error.value)


def test_absent_splits_are_left_out(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "TestEM2014GT").symlink_to(folder / "TestEM2014GT")
    builder = Crohme("2014", data_dir=tmp_path, cache_dir=str(tmp_path / "cache"))
    assert set(builder.as_streaming_dataset()) == {"test"}


def test_unpacked_folder_itself(folder: Path) -> None:
    assert find(folder / "TestEM2014GT", "2014", "test") == folder / "TestEM2014GT"
    assert find(folder / "crohme2019", "2019", "dev") == folder / "crohme2019" / "valid"


def test_unknown_year() -> None:
    with pytest.raises(ValueError, match=r"2014: train, dev, test.*'2010' with 'train'"):
        find(None, "2010", "train")


def test_earlier_competitions_add_their_test_ink_alone(
    script: ModuleType, zips: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"2013: test;.*'2013' with 'train'"):
        find(None, "2013", "train")
    years = ["2011", "2012", "2013"]
    assert script.main(["--data", str(zips), "--output", str(tmp_path), "--years", *years]) == 0
    assert sorted(path.stem for path in tmp_path.glob("*.parquet")) == [
        "test2011", "test2012", "test2013",
    ]  # fmt: skip
    for year, path in zip(years, EARLY, strict=True):
        (one,) = load_expressions(tmp_path, f"test{year}")
        assert (one.id, one.source) == (Path(path).stem, f"CROHME{year}")
        assert {row["id"] for row in stream(zips, year, "test", tmp_path / "cache")} == {one.id}


@pytest.mark.parametrize(
    "name", ["../TestEM2014GT/a.inkml", "/TestEM2014GT/a.inkml", "TestEM2014GT\\..\\..\\a.inkml"]
)
def test_entries_that_climb_out(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "TestEM2014GT.zip", "w") as archive:
        archive.writestr(name, "<ink/>")
    with pytest.raises(ValueError, match="climbs out"):
        list(locate(tmp_path, "2014", "test"))
    with pytest.raises(ValueError, match="climbs out"):
        names(tmp_path / "TestEM2014GT.zip", part_of("2014", "test"))
    builder = Crohme("2014", data_dir=tmp_path, cache_dir=str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="climbs out"):
        list(builder.as_streaming_dataset(split="test"))


def test_development_split_is_by_hash_within_a_source() -> None:
    files = [(f"x{n}", "one") for n in range(100)] + [(f"x{n}", "two") for n in range(40)]
    chosen = development_ids(files)
    assert Counter(source for _, source in chosen) == {"one": 5, "two": 2}
    random.Random(1).shuffle(files)
    assert development_ids(files) == chosen
    ordered = sorted((n for n, s in files if s == "one"), key=_sha1)
    assert {name for name, source in chosen if source == "one"} == set(ordered[:5])


def _sha1(name: str) -> str:
    return hashlib.sha1(name.encode()).hexdigest()


@pytest.mark.parametrize(
    ("identity", "source", "who"),
    [
        ("101_alfonso", "expressmatch", "alfonso"),
        ("formulaire001-equation007", "HAMEX", "formulaire001"),
        ("KME1G3_0_sub_10", "KAIST", "KME1G3_0"),
        ("TrainData2_19_sub_88", "KAIST", "TrainData2_19"),
        ("200923-1553-131", "MathBrush", "200923-1553"),
        ("2_em_3", "extension", "2_em"),
        ("MfrDB0104", "MfrDB", None),
        ("strange", "KAIST", None),
    ],
)
def test_writer(identity: str, source: str, who: str | None) -> None:
    assert writer(identity, source) == who


def test_structures() -> None:
    nested = r"\frac { x ^ { 2 _ { i } } } { \frac { 1 } { 2 } } + \sqrt [ 3 ] { \sin y }"
    assert structures(nested.split()) == {
        "superscript", "subscript", "nested scripts", "fraction", "nested fractions",
        "root", "root with index", "function name", "fence",
    }  # fmt: skip
    limits = r"\sum \limits _ { i } ^ { n } \alpha"
    assert structures(limits.split()) == {
        "superscript", "subscript", "both scripts", "sum or integral", "limits", "Greek",
    }  # fmt: skip


@pytest.fixture(scope="module")
def script(repository: Path) -> ModuleType:
    return load_script(repository, "prepare_crohme")


def test_prepare_script(script: ModuleType, zips: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = ["--data", str(zips), "--output", str(output), "--report"]
    assert script.main([*arguments, "--years", "2014", "2019"]) == 0
    assert {path.name for path in output.iterdir()} == {
        "README.md", "train.parquet", "dev.parquet", "test2014.parquet", "report.md",
        "train2019.parquet", "dev2019.parquet", "test2019.parquet",
    }  # fmt: skip
    card = (output / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "cc-by-nc-sa-3.0"
    assert [config["config_name"] for config in front["configs"]] == ["2014", "2019"]
    assert "| train | 57 |" in card
    cache = str(tmp_path / "cache")
    first = datasets.load_dataset(str(output), cache_dir=cache)
    assert {name: len(split) for name, split in first.items()} == {
        "train": 57, "dev": 3, "test": 1,
    }  # fmt: skip
    assert first["train"].features["image"] == datasets.Image(mode="L")
    assert first["test"][0]["image"].mode == "L"
    later = datasets.load_dataset(str(output), "2019", split="dev", cache_dir=cache)
    assert later[0]["id"] == "b_1"
    report = (output / "report.md").read_text()
    assert "| KAIST | 40 | 3 | 3 | 3 |" in report
    assert "| KAIST | 3 | 40 | 2 | 5.00 % |" in report
    assert "anna" not in report  # writers are counted, not named


def test_prepare_script_without_data(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--data", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert "TC11" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*"))


# ------------------------------------------------------------------------------- the real data


def test_crohme_counts(crohme: Path) -> None:
    counts = {
        (year, split): len(names(find(crohme, year, split), part_of(year, split)))
        for year, split in (("2014", "train"), ("2014", "test"), ("2016", "test"))
    }
    assert counts == {("2014", "train"): 8836, ("2014", "test"): 986, ("2016", "test"): 1147}


def test_crohme_development_split(crohme: Path) -> None:
    files = names(find(crohme, "2014", "train"), part_of("2014", "train"))
    chosen = development_ids(files)
    assert Counter(source for _, source in chosen) == {
        "HAMEX": 124, "KAIST": 53, "MathBrush": 149, "MfrDB": 83, "expressmatch": 31,
        "extension": 1,
    }  # fmt: skip
    known = {(s, writer(i, s)) for i, s in files if (i, s) not in chosen}
    assert all((s, writer(i, s)) in known for i, s in chosen)
    hamex = Counter(writer(i, s) for i, s in chosen if s == "HAMEX")
    assert len(hamex) == 39  # every writer of the largest source that names show


def test_crohme_streams_at_once(crohme: Path, tmp_path: Path) -> None:
    builder = Crohme("2014", data_dir=crohme, cache_dir=str(tmp_path))
    found = list(builder.as_streaming_dataset(split="dev").take(20))
    assert len(found) == 20
    assert all(one["tokens"] for one in found)
