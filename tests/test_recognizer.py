"""The recogniser, the `inktex` command and the evaluation, on a small untrained model."""

import inspect
import io
import json
import math
import os
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers.utils.logging import enable_progress_bar, is_progress_bar_enabled

import inktex
from inktex.batches import ACCELERATOR, CPU, BatchLimits, padded_pixels, plan_batches
from inktex.cli import main
from inktex.evaluation.run import evaluate_samples
from inktex.evaluation.samples import Sample, picture_samples, read_captions
from inktex.ink import Ink
from inktex.ink.render import STROKE_WIDTH, picture_box, published_scale, render
from inktex.modeling import generation_inktex, rescoring_inktex
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.processing_inktex import InktexProcessor
from inktex.modeling.search_inktex import Decoded, SearchTask, search
from inktex.recognizer import Reading, Recognizer
from inktex.synthesis.random_captions import written_expressions
from inktex.tokenizer.vocabulary_inktex import IDS, NOTHING_TOKEN
from inktex.training.models import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, recipe_path

INKML = """<ink xmlns="http://www.w3.org/2003/InkML">
<trace id="0">10 10, 30 50, 60 90</trace><trace id="1">60 10, 30 50, 10 90</trace></ink>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    recipe = load_recipe(recipe_path("tiny"))
    model: InktexForConditionalGeneration = make_model(recipe)
    # An untrained model with tied weights repeats its start token for ever; this one ends.
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight) * 0.3)
    path = tmp_path_factory.mktemp("model") / "small"
    model.generation_config.max_length = 12
    save_model(model, make_processor(recipe), path)
    return path


@pytest.fixture(scope="module")
def recognizer(folder: Path) -> Recognizer:
    return inktex.load(folder, engine="torch")


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [Image.fromarray(render(e.traces)) for e in written_expressions(5, seed=3)]


def test_one_picture_gives_one_reading(
    recognizer: Recognizer, pictures: list[Image.Image], tmp_path: Path
) -> None:
    pictures[0].save(tmp_path / "one.png")
    reading = recognizer(tmp_path / "one.png")
    assert isinstance(reading, Reading)
    assert 0 <= reading.score <= 1
    for same in (str(tmp_path / "one.png"), np.asarray(pictures[0]), pictures[0]):
        assert recognizer(same) == reading
    assert recognizer((tmp_path / "one.png").read_bytes()) == reading


def test_a_reading_tells_how_sure_it_is_of_each_token_and_what_the_model_saw(
    recognizer: Recognizer, pictures: list[Image.Image]
) -> None:
    reading = recognizer(pictures[0], alternatives=2)
    for one in (reading, *reading.alternatives):
        assert len(one.token_scores) == len(one.tokens.split())
        assert one.score <= np.prod(one.token_scores) * (1 + 1e-4)  # the end has its share
        for symbol in one.symbols:
            assert symbol.score == one.token_scores[symbol.index]
    drawn = recognizer.processor.image_processor.draw(pictures[0])
    np.testing.assert_array_equal(reading.picture, drawn)


def test_a_reading_is_json(recognizer: Recognizer, pictures: list[Image.Image]) -> None:
    reading = recognizer(pictures[0], alternatives=2)
    plain = reading.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["latex"], plain["tokens"], plain["score"]) == (
        reading.latex, reading.tokens, reading.score,
    )  # fmt: skip
    assert plain["token_scores"] == list(reading.token_scores)
    assert [one["token"] for one in plain["symbols"]] == [one.token for one in reading.symbols]
    assert [one["latex"] for one in plain["alternatives"]] == [
        one.latex for one in reading.alternatives
    ]


def test_strokes_are_read_as_the_ink_that_they_are(recognizer: Recognizer) -> None:
    strokes = [[(0, 0), (20, 30)], [[20, 0], [0, 30]], []]
    ink = Ink([np.array(one, np.float32) for one in strokes[:2]])
    assert recognizer(strokes) == recognizer(ink)
    assert recognizer([np.array(one) for one in strokes[:2]]) == recognizer(ink)
    # Its box is in its own units, half a pen's width around it, wherever the ink is.
    moved = recognizer([100 * trace + np.array([5000, -700]) for trace in ink.traces])
    pen = STROKE_WIDTH / published_scale(ink.traces)
    around = np.array([-pen / 2, -pen / 2, 20 + pen / 2, 30 + pen / 2])
    assert recognizer(ink).box == pytest.approx(around, abs=pen)
    place = np.array([5000, -700, 5000, -700])
    assert moved.box == pytest.approx(100 * around + place, abs=100 * pen)
    together = recognizer.read([strokes, strokes])
    assert [one.tokens for one in together] == [recognizer(ink).tokens] * 2
    wrongs: list[Any] = [[], [[]], [[(1, 2, 3)]], [[("a", "b")]], [[(0, math.inf)]], ["one.png"]]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="list of strokes"):
            recognizer(wrong)


def test_a_single_picture_is_not_taken_for_several(
    recognizer: Recognizer, pictures: list[Image.Image], tmp_path: Path
) -> None:
    pictures[0].save(tmp_path / "one.png")
    path = tmp_path / "one.png"
    ink = Ink([np.array([[0, 0], [20, 30]], np.float32)])
    for one in (str(path), path, path.read_bytes(), pictures[0], np.asarray(pictures[0]), ink):
        with pytest.raises(TypeError, match=r"call the recognizer itself: recognizer\(picture\)"):
            recognizer.read(one)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="single picture"):
            list(recognizer.read_each(one))  # type: ignore[arg-type]
    stacked = np.stack([np.asarray(pictures[0])] * 2)
    assert len(recognizer.read([*stacked])) == 2


def test_a_recognizer_of_a_model_reads_as_one_that_was_loaded(
    recognizer: Recognizer, pictures: list[Image.Image]
) -> None:
    same = Recognizer.from_model(recognizer.model, recognizer.processor)
    assert same(pictures[0]) == recognizer(pictures[0])
    assert same.fingerprint() == recognizer.fingerprint()
    with pytest.raises(TypeError, match=r"Recognizer\.from_model\(model, processor\)"):
        Recognizer(recognizer.model)
    with pytest.raises(AttributeError, match="load it with engine='torch'"):
        _ = inktex.load(engine="onnx").model


@pytest.mark.parametrize(
    ("name", "place"),
    [("BaseRecognizer", "inktex.Recognizer"), ("as_picture", "inktex.inputs.as_picture")],
)
def test_names_of_before_say_what_they_are_now(name: str, place: str) -> None:
    from inktex import recognizer as module

    with pytest.raises(ImportError, match=rf"inktex\.recognizer\.{name} is now {place}"):
        getattr(module, name)


def test_options_go_by_their_names(recognizer: Recognizer, pictures: list[Image.Image]) -> None:
    for read in (recognizer, recognizer.read, recognizer.read_each):
        parameters = list(inspect.signature(read).parameters.values())
        assert [one.name for one in parameters][1:5] == [
            "preset", "alternatives", "num_beams", "symbols",
        ]  # fmt: skip
        assert {one.kind for one in parameters[1:]} == {inspect.Parameter.KEYWORD_ONLY}


def test_bytes_that_are_no_picture_are_refused_with_a_reason(recognizer: Recognizer) -> None:
    results = list(recognizer.read_each([b"no picture", b"\x89PNG\r\n\x1a\n cut off"]))
    for result in results:
        assert isinstance(result, ValueError)
        assert "no picture" in str(result)


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_threads_that_need_the_model_first_at_the_same_time(
    engine: str, pictures: list[Image.Image]
) -> None:
    script = """
import sys, threading
import inktex, numpy
engine, path = sys.argv[1:]
shared = inktex.load(engine=engine)
start, results = threading.Barrier(16), []
def read(number):
    start.wait()
    # Half of them have a recogniser of their own.
    own = shared if number % 2 else inktex.load(engine=engine)
    try:
        results.append(own(path, preset="accurate").tokens)
    except BaseException as error:
        results.append(repr(error))
threads = [threading.Thread(target=read, args=(number,)) for number in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(results), set(results))
"""
    picture = Path(__file__).parents[1] / "spaces_app" / "examples" / "power.png"
    found = subprocess.run(
        [sys.executable, "-c", script, engine, str(picture)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    tokens = inktex.load()(picture, preset="accurate").tokens
    assert found.stdout.strip() == f"16 {{{tokens!r}}}"


def test_where_files_come_from_is_told_to_model_and_processor(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    asked = {}

    def record(kind: Any, whole: Any) -> Any:
        def load(cls: Any, name: str, /, **kwargs: Any) -> Any:
            asked[kind] = kwargs
            return whole(str(folder))

        return classmethod(load)

    for kind in (InktexForConditionalGeneration, InktexProcessor):
        monkeypatch.setattr(kind, "from_pretrained", record(kind, kind.from_pretrained))
    source = {"revision": "v1", "token": "secret", "cache_dir": "there"}
    monkeypatch.setattr("inktex.torch_engine.hub_answers", lambda: True)
    inktex.load("owner/name", **source)
    for kind in (InktexForConditionalGeneration, InktexProcessor):
        assert asked[kind].items() >= source.items()


def test_a_name_without_a_network_is_one_sentence() -> None:
    environment = os.environ | {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "inktex", "recognize", "--model", "owner/name", __file__]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line == (
        "inktex: owner/name is no folder here and not in the cache, and the Hub "
        "(http://127.0.0.1:9) cannot be reached to look for a model of that name."
    )


def test_loading_shows_no_bar_and_leaves_those_of_others(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    enable_progress_bar()  # the command, which other tests run, switches it off
    inktex.load(folder, engine="torch")
    assert capfd.readouterr().err == ""
    assert is_progress_bar_enabled()


def test_alternatives_differ(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(*_: Any) -> Decoded:
        rows = np.array([[3, IDS[token], IDS["</s>"]] for token in ("x", "x", "1", "x")])
        scores = np.log([0.5, 0.4, 0.3, 0.2], dtype=np.float32)
        return Decoded(rows, np.zeros(4, np.int64), scores, np.stack([scores, scores * 0], axis=1))

    monkeypatch.setattr(recognizer.engine, "search", search)
    reading = recognizer(Image.fromarray(render([np.array([[0, 0], [9, 40]])])), alternatives=3)
    (other,) = reading.alternatives
    assert (reading.tokens, other.tokens) == ("x", "1")
    assert (reading.score, other.score) == pytest.approx((0.5, 0.3))


def test_a_picture_that_the_model_takes_for_no_formula(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(given: Sequence[Any], *_: Any) -> Decoded:
        words = (NOTHING_TOKEN, "x", "x", NOTHING_TOKEN)[: 2 * len(given)]  # two for each picture
        rows = np.array([[3, IDS[token], IDS["</s>"]] for token in words])
        scores = np.log([0.8, 0.1, 0.6, 0.3], dtype=np.float32)[: len(words)]
        both = np.stack([scores, scores * 0], axis=1)
        return Decoded(rows, np.zeros(len(words), np.int64), scores, both)

    monkeypatch.setattr(recognizer.engine, "search", search)
    ink = Image.fromarray(render([np.array([[0, 0], [9, 40]])]))
    with pytest.raises(NoFormulaError, match="No formula found: with a probability of 80%") as no:
        recognizer(ink)
    assert no.value.score == pytest.approx(0.8)
    first, second = recognizer.read_each([ink, ink], alternatives=1)
    assert isinstance(first, NoFormulaError)
    assert isinstance(second, Reading)
    assert (second.tokens, second.alternatives) == ("x", ())
    with pytest.raises(NoFormulaError, match="Picture 1 of 2: No formula found") as no:
        recognizer.read([ink, ink])
    assert no.value.score == pytest.approx(0.8)


def test_whatever_one_picture_raises_is_its_own_error(
    recognizer: Recognizer, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    normalize = recognizer.image_processor.normalize_picture

    def fails(picture: Any) -> Any:
        if picture is pictures[1]:
            raise IndexError("no ink is left")
        return normalize(picture)

    monkeypatch.setattr(recognizer.image_processor, "normalize_picture", fails)
    found = list(recognizer.read_each(pictures))
    assert [isinstance(one, Reading) for one in found] == [True, False, True, True, True]
    assert isinstance(found[1], IndexError)


def test_a_full_memory_is_not_a_pictures_error(
    recognizer: Recognizer, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(recognizer.image_processor, "normalize_picture", full)
    with pytest.raises(MemoryError):
        list(recognizer.read_each(pictures))
    monkeypatch.undo()
    monkeypatch.setattr(recognizer.engine, "search", full)
    with pytest.raises(MemoryError):
        list(recognizer.read_each(pictures))


def test_onnx_says_what_it_does_not_take() -> None:
    with pytest.raises(ValueError, match=r"engine onnx reads folders .* takes no revision, token"):
        inktex.load("owner/name", engine="onnx", revision="v1", token="secret")


def test_several_pictures_come_back_in_order(
    recognizer: Recognizer, pictures: list[Image.Image]
) -> None:
    alone = [recognizer(picture) for picture in pictures]
    together = list(recognizer.read_each(pictures, batch_size=2))
    for ours, theirs in zip(together, alone, strict=True):
        assert isinstance(ours, Reading)
        assert ours.tokens == theirs.tokens
        assert ours.score == pytest.approx(theirs.score, rel=1e-3)


def test_many_pictures_of_all_sizes_are_read_in_bounded_batches(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings = [Image.fromarray(render(e.traces)) for e in written_expressions(24, seed=3)]
    drawings.insert(5, drawings[0].resize((900, 700)))
    alone = [recognizer(drawing) for drawing in drawings]
    search = recognizer.engine.search
    batches: list[list[tuple[int, int]]] = []

    def counted(drawn: Sequence[NDArray[np.uint8]], *arguments: Any) -> Decoded:
        batches.append([(picture.shape[0], picture.shape[1]) for picture in drawn])
        return search(drawn, *arguments)

    monkeypatch.setattr(recognizer.engine, "search", counted)
    monkeypatch.setattr(recognizer, "limits", BatchLimits(40_000, 4, 1.3))
    monkeypatch.setattr(recognizer, "second_look", False)
    for ours, theirs in zip(recognizer.read(drawings), alone, strict=True):
        assert ours.tokens == theirs.tokens
        assert ours.score == pytest.approx(theirs.score, rel=1e-3)
    assert sum(map(len, batches)) == len(drawings)
    assert 1 < max(map(len, batches)) <= 4
    for batch in batches:
        if len(batch) > 1:
            assert padded_pixels(batch) <= 40_000
            assert padded_pixels(batch) <= 1.3 * sum(padded_pixels([one]) for one in batch)


def test_plans_of_batches_have_every_picture_once_and_the_largest_first() -> None:
    rng = np.random.default_rng(0)
    shapes = [(int(h), int(w)) for h, w in rng.integers(20, (100, 300), (500, 2))]
    for limits in (CPU, ACCELERATOR):
        batches = plan_batches(shapes, limits)
        assert sorted(number for batch in batches for number in batch) == list(range(500))
        pixels = [padded_pixels([shapes[i] for i in batch]) for batch in batches]
        assert pixels == sorted(pixels, reverse=True)
        assert len(batches) < 400
        for batch in batches:  # what is planned again stays together
            assert len(plan_batches([shapes[i] for i in batch], limits)) == 1
    assert plan_batches([], CPU) == []


def test_ink_is_read_like_its_picture(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "x.inkml").write_text(INKML)
    strokes = [[(10, 10), (30, 50), (60, 90)], [(60, 10), (30, 50), (10, 90)]]
    ink = Ink([np.array(stroke, dtype=np.float32) for stroke in strokes])
    from_file = recognizer(tmp_path / "x.inkml")
    assert from_file == recognizer(ink) == recognizer(INKML.encode())
    of_picture = recognizer(Image.fromarray(render(ink.traces)))
    assert (from_file.tokens, from_file.score) == (of_picture.tokens, of_picture.score)
    assert from_file.box is not None
    box = picture_box(from_file.box, ink.traces, published_scale(ink.traces))
    assert box == pytest.approx(of_picture.box)


def test_a_bad_picture_spoils_no_other(
    recognizer: Recognizer, pictures: list[Image.Image], tmp_path: Path
) -> None:
    blank = Image.new("L", (80, 60), 255)
    results = list(
        recognizer.read_each([pictures[0], blank, tmp_path / "none.png", pictures[1]], batch_size=4)
    )
    assert isinstance(results[0], Reading)
    assert isinstance(results[1], ValueError)
    assert isinstance(results[2], OSError | ValueError)
    assert isinstance(results[3], Reading)


@pytest.mark.parametrize("preset", ["fast", "accurate"])
def test_alternatives_are_other_readings_the_likeliest_first(
    recognizer: Recognizer, pictures: list[Image.Image], preset: Any
) -> None:
    first, second = recognizer.read(pictures[:2], preset=preset, alternatives=3)
    assert len(first.alternatives) == len(second.alternatives) == 3
    for reading in (first, second):
        assert len({reading.tokens, *(one.tokens for one in reading.alternatives)}) == 4
        scores = [one.score for one in reading.alternatives]
        if preset == "accurate":  # a beam search alone may prefer what is shorter
            assert [reading.score, *scores] == sorted([reading.score, *scores], reverse=True)
    alone = recognizer(pictures[1], preset=preset, alternatives=3)
    assert [one.tokens for one in alone.alternatives] == [one.tokens for one in second.alternatives]
    assert recognizer(pictures[0]).alternatives == ()


def test_the_width_of_the_beam_overrides_the_preset(
    recognizer: Recognizer, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = []

    def watched(
        steps: Any, task: SearchTask, count: int, beams: int = 1, choose: Any = None
    ) -> Decoded:
        if choose is None:
            widths.append((len(steps), task.start, beams))
        return search(steps, task, count, beams, choose)

    for module in (generation_inktex, rescoring_inktex):
        monkeypatch.setattr(module, "search", watched)
    recognizer(pictures[0], num_beams=3)
    recognizer(pictures[0], preset="accurate", num_beams=2, alternatives=1)
    recognizer(pictures[0], preset="accurate")
    config = recognizer.model.config
    forward, backward = config.decoder_start_token_id, config.reverse_start_token_id
    assert widths == [
        (1, forward, 1), (1, forward, 3),
        (3, forward, 2), (3, backward, 2),
        (1, forward, 1), (3, forward, 6), (3, backward, 6),
    ]  # fmt: skip
    widths.clear()
    monkeypatch.setattr(rescoring_inktex, "SURE", 0.0)
    sure = recognizer(pictures[0], preset="accurate")
    assert widths == [(1, forward, 1)], "what is read surely is not searched for"
    fast = recognizer(pictures[0])
    assert sure.tokens == fast.tokens
    assert sure.score == pytest.approx(fast.score)
    assert recognizer(pictures[0], num_beams=1).tokens == fast.tokens
    assert [width for _, _, width in widths[1:]] == [1, 1]


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_sure_pictures_of_a_batch_are_read_as_fast_reads_them(
    engine: Literal["torch", "onnx"], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others as they are read alone; attention and candidates belong to their own readings."""
    recognizer = inktex.load(engine=engine)
    examples = sorted((repository / "spaces_app/examples").glob("*.png"))
    fast = recognizer.read(examples, candidates=2)
    half = len(fast) // 2
    middle = statistics.mean(sorted(one.score for one in fast)[half - 1 : half + 1])
    monkeypatch.setattr(rescoring_inktex, "SURE", middle)
    found = recognizer.read(examples, preset="accurate", candidates=2)
    kept = [one.score >= middle for one in fast]
    assert True in kept
    assert False in kept
    for path, is_kept, one, quick in zip(examples, kept, found, fast, strict=True):
        alone = quick if is_kept else recognizer(path, preset="accurate", candidates=2)
        assert one.tokens == alone.tokens
        # A padded picture is made smaller with its padding.
        assert one.score == pytest.approx(alone.score, rel=0.02)
        assert [box.token for box in one.symbols] == [box.token for box in alone.symbols]
        assert [[c.token for c in some] for some in one.candidates] == [
            [c.token for c in some] for some in alone.candidates
        ]


def test_presets_are_known_by_name(recognizer: Recognizer, pictures: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match="fast and accurate"):
        recognizer(pictures[0], preset="slow")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fast and accurate"):
        list(recognizer.read_each(pictures, preset="slow"))  # type: ignore[arg-type]


def test_a_search_that_fails_costs_its_own_picture_alone(
    recognizer: Recognizer, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [reading.tokens for reading in recognizer.read(pictures[:3])]
    search, bad = recognizer.engine.search, recognizer.read([pictures[1]])[0].picture
    assert bad is not None

    def fails(drawn: list[Any], *arguments: Any) -> Any:
        if any(np.array_equal(one, bad) for one in drawn):
            raise ValueError("cannot be searched")
        return search(drawn, *arguments)

    monkeypatch.setattr(recognizer.engine, "search", fails)
    first, second, third = recognizer.read_each(pictures[:3])
    assert isinstance(second, ValueError)
    for reading, tokens in ((first, expected[0]), (third, expected[2])):
        assert not isinstance(reading, Exception)
        assert reading.tokens == tokens


def test_nothing_to_read_gives_nothing(recognizer: Recognizer) -> None:
    assert recognizer.read([]) == []
    assert list(recognizer.read_each([])) == []


# ------------------------------------------------------------------------------------ the command


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str], str]:
    status = main(["recognize", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err


def test_json_is_an_object_a_line_in_input_order(
    folder: Path,
    recognizer: Recognizer,
    pictures: list[Image.Image],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [tmp_path / f"{name}.png" for name in "cab"]
    for name, picture in zip(names, pictures, strict=False):
        picture.save(name)
    status, lines, _ = run(capsys, "--json", "--model", folder, *names)
    assert status == 0
    records = [json.loads(line) for line in lines]
    assert [record["file"] for record in records] == [str(name) for name in names]
    for record, picture in zip(records, pictures, strict=False):
        reading = recognizer(picture)
        assert (record["latex"], record["tokens"]) == (reading.latex, reading.tokens)
        assert record["score"] == pytest.approx(reading.score, abs=1e-4)


def test_a_folder_is_searched_for_pictures_and_ink(
    folder: Path,
    pictures: list[Image.Image],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "sub").mkdir()
    pictures[0].save(tmp_path / "b.png")
    pictures[1].save(tmp_path / "sub" / "a.JPG")
    (tmp_path / "c.inkml").write_text(INKML)
    (tmp_path / "notes.txt").write_text("not a picture")
    status, lines, _ = run(capsys, "--model", folder, tmp_path, "--beams", 2)
    assert status == 0
    files = [Path(line.split("\t")[0]).name for line in lines]
    assert files == ["b.png", "c.inkml", "a.JPG"]


def test_what_was_done_to_pictures_is_shown(
    folder: Path,
    pictures: list[Image.Image],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = tmp_path / "shown"
    pictures[0].save(tmp_path / "a b.png")
    Image.new("L", (40, 40), 255).save(tmp_path / "blank.png")
    (tmp_path / "ink.inkml").write_text(INKML)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    names = [tmp_path / name for name in ("a b.png", "blank.png", "ink.inkml", "broken.png")]
    status, lines, errors = run(capsys, "--model", folder, *names, "--show-preprocessing", shown)
    assert status == 1
    assert len(lines) == 2
    assert "blank" in errors
    sheets = sorted(path.name for path in shown.iterdir())
    assert sheets == ["0001-a_b.png", "0002-blank.png", "0003-ink.png"]
    (tmp_path / "file").write_text("in the way")
    status, _, errors = run(
        capsys, "--model", folder, names[0], "--show-preprocessing", tmp_path / "file"
    )
    assert status == 2
    assert "--show-preprocessing" in errors


def test_symbols_are_found_where_they_are(recognizer: Recognizer) -> None:
    """An untrained model reads nonsense, but all ink belongs to somebody."""
    expression = written_expressions(5, seed=3)[1]
    small = Image.fromarray(render(expression.traces))
    large = Image.new("L", (small.width * 3 + 40, small.height * 3 + 90))
    large.paste(small.resize((small.width * 3, small.height * 3)), (40, 90))
    for picture in (small, large):
        reading = recognizer(picture)
        tokens = reading.tokens.split()
        assert [tokens[symbol.index] for symbol in reading.symbols] == [
            symbol.token for symbol in reading.symbols
        ]
        assert not {"{", "}", "^", "_"} & {symbol.token for symbol in reading.symbols}
        assert all(0 <= symbol.score <= 1 for symbol in reading.symbols)
        boxes = np.array([symbol.box for symbol in reading.symbols if symbol.box])
        ink = np.argwhere(np.asarray(picture) > 100)[:, ::-1]
        around = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
        expected = np.concatenate([ink.min(axis=0), ink.max(axis=0) + 1])
        np.testing.assert_allclose(around, expected, atol=0.012 * sum(picture.size))


def test_symbols_come_as_json(
    folder: Path,
    pictures: list[Image.Image],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures[0].save(tmp_path / "a.png")
    _, (line,), _ = run(capsys, "--model", folder, "--json", "--symbols", tmp_path / "a.png")
    record = json.loads(line)
    assert record["symbols"]
    assert all(set(one) == {"index", "token", "score", "box"} for one in record["symbols"])


def test_alternatives_come_as_json(
    folder: Path,
    pictures: list[Image.Image],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures[0].save(tmp_path / "a.png")
    _, (line,), _ = run(
        capsys, "--model", folder, "--json", "--alternatives", 2, tmp_path / "a.png"
    )
    record = json.loads(line)
    assert len(record["alternatives"]) == 2
    assert set(record["alternatives"][0]) == {"latex", "tokens", "score"}
    _, lines, _ = run(capsys, "--model", folder, "--alternatives", 2, tmp_path / "a.png")
    assert lines == [record["latex"], *(one["latex"] for one in record["alternatives"])]
    with pytest.raises(SystemExit):
        run(capsys, "--alternatives", -1, tmp_path / "a.png")
    assert "from 0 up" in capsys.readouterr().err


def test_standard_input_is_read(
    folder: Path,
    pictures: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = io.BytesIO()
    pictures[0].save(stream, "PNG")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream.getvalue())))
    status, lines, _ = run(capsys, "--model", folder, "-", "--json")
    assert status == 0
    assert json.loads(lines[0])["file"] == "-"


def test_what_cannot_be_read_is_named_and_the_rest_is_read(
    folder: Path,
    pictures: list[Image.Image],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.png").write_text("this is text")
    pictures[0].save(tmp_path / "b.png")
    status, lines, error = run(capsys, "--model", folder, "--json", tmp_path)
    assert status == 1
    first, second = map(json.loads, lines)
    assert first["error"]
    assert "latex" in second
    assert "a.png" in error


@pytest.mark.parametrize("name", ["missing.png", "."])
def test_missing_files_and_empty_folders_are_errors(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines, error = run(capsys, tmp_path / name)
    assert (status, lines) == (2, [])
    assert str(tmp_path) in error


def test_a_missing_model_is_an_error(
    pictures: list[Image.Image], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures[0].save(tmp_path / "a.png")
    status, _, error = run(capsys, "--model", tmp_path / "no-model", tmp_path / "a.png")
    assert status == 2
    assert "no-model" in error


# --------------------------------------------------------------------------------- the evaluation


def test_evaluation_counts_every_expression(
    recognizer: Recognizer, pictures: list[Image.Image]
) -> None:
    right = recognizer(pictures[0]).tokens
    samples = [
        Sample("right", pictures[0], right),
        Sample("wrong", pictures[1], "a + b = c"),
        Sample("blank", Image.new("L", (80, 60), 255), "x"),
    ]
    result = evaluate_samples(recognizer, samples, batch_size=2, progress=False)
    assert (result.scores.expressions, result.scores.exact) == (3, 1)
    assert list(result.errors) == ["blank"]
    content = result.as_dict()
    assert [reading["name"] for reading in content["readings"]] == ["right", "wrong", "blank"]
    assert content["readings"][0]["tokens"] == right
    assert content["readings"][2]["tokens"] == ""


def test_pictures_and_captions_of_a_folder_or_zip(
    pictures: list[Image.Image], tmp_path: Path
) -> None:
    captions = tmp_path / "captions.tsv"
    captions.write_text("one\tx ^ { 2 }\ntwo\t1 + 1\n")
    (tmp_path / "img").mkdir()
    for name, picture in zip(("one", "two", "three"), pictures, strict=False):
        picture.save(tmp_path / "img" / f"{name}.bmp")
    with zipfile.ZipFile(tmp_path / "img.zip", "w") as archive:
        for path in (tmp_path / "img").iterdir():
            archive.write(path, f"img/{path.name}")
    for source in (tmp_path / "img", tmp_path / "img.zip"):
        samples = picture_samples(source, captions)
        assert [(s.name, s.tokens) for s in samples] == [("one", "x ^ { 2 }"), ("two", "1 + 1")]
        assert samples[1].picture.size == pictures[1].size
    (tmp_path / "img" / "two.bmp").unlink()
    with pytest.raises(FileNotFoundError, match="1 captions, two"):
        picture_samples(tmp_path / "img", captions)


CAPTIONS = {
    "captions.csv": "file_name,latex\nimg/one.png,$x^2$\ntwo,1+1\n",
    "captions.tsv": "file\tcaption\none\t\\[x^2\\]\ntwo.png\t1 + 1\n",
    "metadata.jsonl": '{"image": "one", "text": "x^2"}\n{"image": "img/two", "text": "1 + 1"}\n',
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_captions_of_fine_tuning_are_scored_against(
    name: str, pictures: list[Image.Image], tmp_path: Path
) -> None:
    (tmp_path / "img").mkdir()
    for stem, picture in zip(("one", "two"), pictures, strict=False):
        picture.save(tmp_path / "img" / f"{stem}.png")
    (tmp_path / name).write_text(CAPTIONS[name])
    samples = picture_samples(tmp_path, tmp_path / name)
    assert [one.tokens for one in samples] == ["x ^ { 2 }", "1 + 1"]
    assert [one.picture.size for one in samples] == [one.size for one in pictures[:2]]


def test_a_name_of_two_pictures_is_refused(pictures: list[Image.Image], tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        pictures[0].save(tmp_path / folder / "one.png")
    (tmp_path / "captions.csv").write_text("file,latex\none.png,x\n")
    with pytest.raises(ValueError, match=r"one\.png may be a/one\.png or b/one\.png"):
        picture_samples(tmp_path, tmp_path / "captions.csv")
    with pytest.raises(FileNotFoundError, match="There is no folder or zip"):
        picture_samples(tmp_path / "nowhere", tmp_path / "captions.csv")


@pytest.mark.parametrize("content", ["file,latex\none,\\frac{1}\n", "file,latex\n,x\n"])
def test_wrong_tables_of_captions_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text(content)
    with pytest.raises(ValueError, match=r"captions\.csv, row 1"):
        read_captions(tmp_path / "captions.csv")


@pytest.mark.parametrize("content", ["one x\n", "a\tx\na\ty\n"])
def test_wrong_captions_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "captions.tsv").write_text(content)
    with pytest.raises(ValueError, match=r"captions\.tsv:"):
        read_captions(tmp_path / "captions.tsv")


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_counts_are_whole_numbers(repository: Path, engine: str) -> None:
    reader = inktex.load(engine=engine)
    picture = repository / "spaces_app/examples/root.png"
    for wrong in (-1, 1.5, "3", True):
        with pytest.raises(ValueError, match="alternatives is a whole number from 0 up"):
            reader(picture, alternatives=wrong)  # type: ignore[arg-type]
    for wrong in (0, -2, 2.0, "2"):
        with pytest.raises(ValueError, match="num_beams is a whole number from 1 up"):
            list(reader.read_each([picture], num_beams=wrong))  # type: ignore[arg-type]


def test_ink_is_read_from_urls(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((repository / "spaces_app/examples").glob("*.inkml"))
    asked: list[str] = []

    def download(url: str) -> bytes:
        asked.append(url)
        return path.read_bytes()

    monkeypatch.setattr("inktex.modeling.image_loading_inktex.download", download)
    assert main(["recognize", "http://127.0.0.1/root.inkml"]) == 0
    assert capsys.readouterr().out.strip() == inktex.load()(path).latex
    assert asked
