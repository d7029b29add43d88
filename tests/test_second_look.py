"""A second look at pictures whose reading is improbable: with other ink, or turned."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

import inktex
from inktex.cli import main
from inktex.ink.render import render
from inktex.inputs import Prepared, prepare_with_source
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.normalized_picture_inktex import NormalizedPicture
from inktex.recognizer import Reading
from inktex.second_look import choose
from inktex.shipped import pretrained_path

PROCESSOR = InktexImageProcessor()


def _read(score: float | None) -> Reading | NoFormulaError:
    return NoFormulaError("nothing") if score is None else Reading("x", "x", score)


@pytest.mark.parametrize(
    ("first", "looks", "expected"),
    [
        (0.3, [(0, 0.4)], 0),
        (0.3, [(0, 0.2)], None),
        (0.3, [(0, None)], None),
        (0.0, [(0, 0.01)], 0),
        (0.01, [(0, 0.005), (1, 0.19)], None),
        (0.1, [(0, 0.15), (1, 0.29)], 0),
        (0.05, [(0, 0.1), (1, 0.21), (2, 0.6), (3, 0.4)], 2),
        (0.05, [(1, None), (2, None), (3, 0.3)], 2),
        # What seemed to be no formula at first needs more than any reading at all.
        (None, [(0, 0.1)], None),
        (None, [(0, 0.3)], 0),
        (None, [(0, 0.1), (1, 0.1), (2, 0.9), (3, 0.0)], 2),
        (None, [(0, None), (1, None), (2, None), (3, None)], None),
        (None, [], None),
    ],
)
def test_the_best_look_counts(
    first: float | None, looks: list[tuple[int, float | None]], expected: int | None
) -> None:
    blank = np.zeros((8, 8), np.uint8)
    placed = [NormalizedPicture(blank, (1, 1), (0, 0), turns=turns) for turns, _ in looks]
    readings = [_read(score) for _, score in looks]
    chosen = choose(_read(first), zip(placed, readings, strict=True))
    assert chosen is (None if expected is None else placed[expected])


def test_nothing_is_turned_that_another_look_has_settled() -> None:
    upright = NormalizedPicture(np.zeros((8, 8), np.uint8), (1, 1), (0, 0))

    def looks() -> Iterator[tuple[NormalizedPicture, Reading | NoFormulaError]]:
        yield upright, _read(0.25)
        raise AssertionError("turned")

    assert choose(_read(0.1), looks()) is upright


def _sheet() -> Image.Image:
    """`x - 1`, more or less, with a pen on a sheet, photographed."""
    strokes = [[(0, 6), (18, 36)], [(18, 5), (1, 37)], [(30, 20), (50, 19)]]
    strokes.append([(62, 8), (70, 2), (70, 36)])
    ink = Image.fromarray(render([np.array(one, np.float32) for one in strokes]))
    large = ImageOps.expand(ink.resize((3 * ink.width, 3 * ink.height)), (50, 70, 90, 60), 0)
    levels = np.asarray(large.filter(ImageFilter.GaussianBlur(1)), np.float32) / 255
    light = np.linspace(1.0, 0.7, levels.shape[1])
    grain = np.random.default_rng(0).normal(0, 3, levels.shape)
    return Image.fromarray(((215 - 150 * levels) * light + grain).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_places_in_a_turned_picture_are_in_the_given_one(turns: int) -> None:
    sheet = _sheet()
    upright = PROCESSOR.normalize_picture(sheet)
    given = sheet.rotate(90 * turns, expand=True)  # counterclockwise
    looks = {one.turns: one for one in PROCESSOR.second_looks(given, turned=True)}
    assert {*looks} == {1, 2, 3}
    found = looks[turns]
    assert found.picture.shape == upright.picture.shape
    assert f"turned clockwise by {90 * turns} degrees" in found.reasons
    height, width = found.picture.shape
    left, top, right, bottom = found.to_source((0, 0, width, height))
    ink = np.asarray(given, np.float32) < 0.6 * np.median(np.asarray(given))
    rows, columns = np.nonzero(ink)
    assert left <= columns.min() <= columns.max() < right
    assert top <= rows.min() <= rows.max() < bottom
    assert right - left < given.width
    assert bottom - top < given.height
    points = np.array([[0.0, 0.0], [width, 0.0], [width / 3, height]])
    there = np.array([found.to_source((x, y, x, y))[:2] for x, y in points.tolist()])
    np.testing.assert_allclose(found.from_source(there), points, atol=1e-6)


def test_the_network_looks_again_even_at_plain_paper() -> None:
    processor = InktexImageProcessor.from_pretrained(pretrained_path())
    (found,) = processor.second_looks(_sheet(), turned=False)
    assert found.turns == 0
    assert found.reasons[0] == "ink found by the network, at a second look"
    drawn = Image.new("L", (500, 200), 255)
    drawn.paste(ImageOps.invert(_sheet()).point(lambda level: 0 if level > 100 else 255), (20, 20))
    (plain,) = processor.second_looks(drawn, turned=False)
    assert plain.reasons[0] == "ink found by the network, at a second look"
    processor.photo_ink = "network"
    (again,) = processor.second_looks(_sheet(), turned=False)
    assert again.reasons[0] == "ink found by thresholds, at a second look"
    (other,) = processor.second_looks(drawn, turned=False)  # there thresholds were first
    assert other.reasons[0] == "ink found by the network, at a second look"


@pytest.fixture(scope="module")
def turned(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A formula that the shipped model knows, on a photo of a sheet, turned clockwise."""
    folder = tmp_path_factory.mktemp("turned")
    with Image.open(repository / "spaces_app/examples/mean.png") as picture:
        ink = ImageOps.expand(picture.convert("L"), 30, 255)
    ink = ink.resize((2 * ink.width, 2 * ink.height), Image.Resampling.BICUBIC)
    sheet = ink.filter(ImageFilter.GaussianBlur(1)).point(lambda level: 70 + 0.6 * level)
    paths = {}
    for degrees in (0, 90, 180, 270):
        paths[degrees] = folder / f"{degrees}.png"
        sheet.rotate(-degrees, expand=True).save(paths[degrees])
    return paths


def test_a_picture_on_its_side_is_read(
    turned: dict[int, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    reader = inktex.load()
    upright = reader(turned[0])
    assert upright.rotation == 0
    assert upright.score > 0.2
    with Image.open(turned[0]) as picture:
        width, height = picture.size
    for degrees in (90, 270):
        found = reader(turned[degrees])
        assert (found.latex, found.rotation) == (upright.latex, 360 - degrees)
        assert found.to_dict()["rotation"] == found.rotation
        # Its boxes are in the picture as it was given.
        for one, other in zip(upright.symbols, found.symbols, strict=True):
            assert one.box is not None
            assert other.box is not None
            left, top, right, bottom = one.box
            expected = (
                (height - bottom, left, height - top, right)
                if degrees == 90
                else (top, width - right, bottom, width - left)
            )
            assert other.box == pytest.approx(expected, abs=6)
        # A token that is locked is one of the reading that was given.
        index = found.symbols[0].index
        locked = reader(turned[degrees], locked={index: found.symbols[0].token})
        assert (locked.latex, locked.rotation) == (found.latex, found.rotation)
        assert main(["recognize", str(turned[degrees]), "--json"]) == 0
        printed = capsys.readouterr()
        assert f'"rotation": {found.rotation}' in printed.out
        assert f"turned clockwise by {found.rotation} degrees to be read" in printed.err


def test_every_way_of_reading_looks_again(turned: dict[int, Path]) -> None:
    reader = inktex.load()
    expected = reader(turned[0]).latex
    data = turned[90].read_bytes()
    with Image.open(turned[90]) as picture:
        picture.load()
        given = [turned[90], str(turned[90]), data, picture, np.asarray(picture)]
        given.append(prepare_with_source(turned[90], reader.image_processor))
        assert [one.latex for one in reader.read(given)] == [expected] * len(given)
        found = [*reader.read_each(given)]
    assert [one.latex if isinstance(one, Reading) else one for one in found] == [expected] * 6


def test_what_stands_upright_is_not_looked_at_again(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = inktex.load()
    monkeypatch.setattr("inktex.second_look._SURE", 2.0)
    monkeypatch.setattr(
        type(reader.image_processor), "second_looks", lambda *_: pytest.fail("looked again")
    )
    examples = repository / "spaces_app/examples"
    published = prepare_with_source(examples / "mean.png", reader.image_processor)
    assert published.source is None, "drawn as the published protocol draws"
    ink = [[(0, 0), (20, 30)], [(20, 0), (0, 30)]]
    assert reader(ink).latex
    assert reader(examples / "mean.png").latex
    assert reader(published.placed).latex


def test_what_is_rejected_is_looked_at_again_by_models_that_can_refuse(
    turned: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = inktex.load()
    rejected = Prepared(NoFormulaError("rejected"), turned[0])
    with pytest.raises(NoFormulaError, match="rejected"):
        reader(rejected)
    tokens = {**reader.engine.tokens(), 10**6: "<nothing>"}
    monkeypatch.setattr(reader.engine, "tokens", lambda: tokens)
    assert reader(rejected).score > 0.2
    with pytest.raises(NoFormulaError, match="rejected"):
        reader(rejected, alphabet="crohme")
    monkeypatch.setattr(reader, "second_look", False)
    with pytest.raises(NoFormulaError, match="rejected"):
        reader(rejected)


def test_a_file_that_is_gone_is_not_looked_at_again(turned: dict[int, Path]) -> None:
    reader = inktex.load()
    prepared = prepare_with_source(turned[90], reader.image_processor)
    gone = Prepared(prepared.placed, turned[90].with_name("gone.png"))
    assert reader(gone).rotation == 0


def test_files_on_their_side_are_transcribed(turned: dict[int, Path], tmp_path: Path) -> None:
    expected = inktex.load()(turned[0]).latex
    folder = tmp_path / "scans"
    folder.mkdir()
    for degrees in (0, 90):
        (folder / turned[degrees].name).write_bytes(turned[degrees].read_bytes())
    (folder / "blank.png").write_bytes(b"")
    Image.new("L", (90, 60), 255).save(folder / "blank.png")
    for workers in ("0", "1"):
        output = tmp_path / f"{workers}.csv"
        arguments = ["transcribe", str(folder), "--output", str(output), "--workers", workers]
        assert main(arguments) == 0
        rows = output.read_text(encoding="utf-8").splitlines()[1:]
        assert [row.split(",")[1] for row in rows if "blank" not in row] == [expected] * 2
        (blank,) = (row for row in rows if "blank" in row)
        assert "The picture is blank" in blank
    # Archives are read once, in order: what lies on its side there is read as it lies.
    archive = tmp_path / "scans.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(folder.iterdir()):
            out.write(path, path.name)
    output = tmp_path / "zip.csv"
    assert main(["transcribe", str(archive), "--output", str(output), "--workers", "0"]) == 0
    text = output.read_text(encoding="utf-8")
    assert text.count(expected) == 1
    assert "The picture is blank" in text


def test_what_is_prepared_can_be_sent_to_another_process(tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("L", (90, 60), 255).save(blank)
    prepared = prepare_with_source(blank, PROCESSOR)
    assert isinstance(prepared.placed, NoFormulaError)
    assert prepared.shape == (1, 1)
    again = pickle.loads(pickle.dumps(prepared))
    assert (str(again.placed), again.source) == (str(prepared.placed), blank)
