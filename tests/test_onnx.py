"""Models read with ONNX as they do with torch, where torch is not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image

import inktex
from inktex.cli import main
from inktex.engine import MAX_TOKENS
from inktex.engine_choice import AutoEngine, fastest_engine
from inktex.evaluation.conditions import contact_sheet
from inktex.evaluation.samples import Sample
from inktex.ink.render import render
from inktex.modeling.decoder_inktex import CoverageKey, LocationEmbedding
from inktex.modeling.grammar_inktex import Grammar, is_formula
from inktex.onnx.decoding_loop import CANDIDATES
from inktex.onnx.engine import OnnxEngine
from inktex.onnx.files import (
    DECODER,
    ENCODER,
    GRAPHS,
    SHIPPED,
    TOKENIZER,
    WEIGHTS,
    architecture,
    read_weights,
    read_words,
)
from inktex.onnx.grammar_tables import KEEP, POP, PUSH, grammar_tables
from inktex.onnx.single_settings import single_inputs
from inktex.recognizer import Recognizer, pretrained_path
from inktex.synthesis.random_captions import written_expressions
from inktex.tokenizer.vocabulary_inktex import GRAMMAR, IDS, VOCABULARY
from inktex.training.models import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, recipe_path

pytest.importorskip("onnxscript", reason="needs pip install 'inktex[export]'")

SMALL = (
    "encoder.block_layers=[1, 2, 1]",
    "encoder.growth_rates=[8, 8, 8]",
    "encoder.bottleneck_factors=[0, 2, 2]",
    "decoder.num_hidden_layers=2",
    "decoder.guided_layers=[1]",
    "decoder.location_feedback=true",
    "decoder.coverage_feedback=true",
    "decoder.initializer_range=0.3",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained model in which everything has its say."""
    torch.manual_seed(0)
    recipe = load_recipe(recipe_path("tiny"), SMALL)
    model = make_model(recipe).eval()
    model.config.decoder.token_temperature = 0.8
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for module in model.modules():
        if isinstance(module, LocationEmbedding | CoverageKey):
            torch.nn.init.normal_(module.weight, std=0.3)
    path = tmp_path_factory.mktemp("model") / "small"
    save_model(model, make_processor(recipe), path)
    return path


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("cache")
        patch.setenv("INKTEX_CACHE", str(path))
        yield path


@pytest.fixture(scope="module")
def exports(folder: Path, cache: Path) -> dict[str, Path]:
    from inktex.onnx.export import export

    return export(folder)


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [Image.fromarray(render(e.traces)) for e in written_expressions(4, seed=3)]


def test_float32_gives_the_probabilities_of_torch(folder: Path, exports: dict[str, Path]) -> None:
    from inktex.onnx.export import largest_difference

    assert largest_difference(folder, exports["fp32"], "fp32") < 1e-4


def test_float32_reads_as_torch_does(
    folder: Path, exports: dict[str, Path], pictures: list[Image.Image]
) -> None:
    ours, theirs = inktex.load(folder, engine="onnx"), inktex.load(folder, engine="torch")
    for one, other in zip(ours.read(pictures), theirs.read(pictures), strict=True):
        assert (one.latex, one.tokens) == (other.latex, other.tokens)
        assert one.score == pytest.approx(other.score, rel=1e-3)
        assert one.token_scores == pytest.approx(other.token_scores, abs=1e-4)
        assert [symbol.token for symbol in one.symbols] == [s.token for s in other.symbols]
        boxes = [[s.box or (0, 0, 0, 0) for s in reading.symbols] for reading in (one, other)]
        np.testing.assert_allclose(boxes[0], boxes[1], atol=1.0)
        np.testing.assert_array_equal(one.picture, other.picture)
    assert ours(pictures[0]).tokens == ours.read(pictures)[0].tokens
    assert ours.fingerprint() != inktex.load(folder, engine="onnx-int8").fingerprint()


@pytest.mark.parametrize(
    "options",
    [{"preset": "accurate"}, {"preset": "accurate", "alternatives": 2}, {"alternatives": 2},
     {"num_beams": 3}, {"preset": "accurate", "alphabet": "school", "candidates": 2},
     {"preset": "accurate", "locked": {0: "x"}}],
)  # fmt: skip
def test_longer_searches_find_what_torch_finds(
    folder: Path,
    exports: dict[str, Path],
    pictures: list[Image.Image],
    options: dict[str, Any],
) -> None:
    ours, theirs = inktex.load(folder, engine="onnx"), inktex.load(folder, engine="torch")
    for one, other in zip(
        ours.read(pictures, **options), theirs.read(pictures, **options), strict=True
    ):
        for first, second in zip(
            (one, *one.alternatives), (other, *other.alternatives), strict=True
        ):
            assert first.tokens == second.tokens
            assert first.score == pytest.approx(second.score, rel=1e-3)
        assert one.token_scores == pytest.approx(other.token_scores, abs=1e-4)
        for ours_there, theirs_there in zip(one.candidates, other.candidates, strict=True):
            assert [c.token for c in ours_there] == [c.token for c in theirs_there]


def test_an_export_of_before_reads_as_it_did(
    exports: dict[str, Path], pictures: list[Image.Image], tmp_path: Path
) -> None:
    from inktex.onnx.files import SETTINGS

    older = shutil.copytree(exports["fp32"], tmp_path / "older")
    content = json.loads((older / SETTINGS).read_text())
    del content["reverse"], content["rescoring_temperature"]
    (older / SETTINGS).write_text(json.dumps(content))
    recognizer = inktex.load(older, engine="onnx")
    assert recognizer(pictures[0], alternatives=1).alternatives
    with pytest.raises(ValueError, match="Export the model anew"):
        recognizer(pictures[0], preset="accurate")


def test_what_a_model_sees_is_shown_whatever_reads(
    folder: Path, exports: dict[str, Path], pictures: list[Image.Image]
) -> None:
    samples = [Sample("one", pictures[0], "x")]
    sheets = [
        contact_sheet(inktex.load(folder, engine=engine), samples, ["clean", "transparent"])
        for engine in ("onnx", "torch")
    ]
    assert sheets[0].tobytes() == sheets[1].tobytes()


def test_eight_bits_are_small_and_near(folder: Path, exports: dict[str, Path]) -> None:
    from inktex.onnx.export import largest_difference

    sizes = [sum(path.stat().st_size for path in exports[name].glob("*.onnx")) for name in exports]
    assert sizes[1] < 0.75 * sizes[0]
    assert 0 < largest_difference(folder, exports["int8"], "int8") < 1.0


@pytest.mark.parametrize("engine", ["onnx", "onnx-int8"])
def test_nonsense_is_grammatical(
    engine: str, folder: Path, exports: dict[str, Path], pictures: list[Image.Image]
) -> None:
    rules = Grammar(len(VOCABULARY), GRAMMAR)
    for reading in inktex.load(folder, engine=engine).read(pictures):
        assert is_formula(rules, [IDS[token] for token in reading.tokens.split()])


def test_it_reads_without_torch(
    folder: Path, exports: dict[str, Path], pictures: list[Image.Image], tmp_path: Path
) -> None:
    pictures[0].save(tmp_path / "one.png")
    code = f"""
import sys
from inktex.cli import main
status = main(["recognize", "--engine", "onnx", "--json", "--symbols",
               "--model", {str(folder)!r}, {str(tmp_path / "one.png")!r}])
loaded = {{"torch", "transformers"}} & set(sys.modules)
assert not loaded, loaded
sys.exit(status)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    record = json.loads(result.stdout)
    assert record["tokens"] == inktex.load(folder, engine="torch")(pictures[0]).tokens
    assert record["symbols"]


def test_a_folder_of_pictures_is_transcribed(
    folder: Path, exports: dict[str, Path], pictures: list[Image.Image], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / "in" / f"{number}.png")
    command = ["transcribe", str(tmp_path / "in"), "--output", str(tmp_path / "out.jsonl")]
    assert main([*command, "--model", str(folder), "--engine", "onnx", "--workers", "0"]) == 0
    (shard,) = (tmp_path / "out.jsonl").glob("*.jsonl")
    rows = [json.loads(line) for line in shard.read_text(encoding="utf-8").splitlines()]
    torch_reads = inktex.load(folder, engine="torch").read(pictures)
    expected = [reading.tokens for reading in torch_reads]
    assert [row["tokens"] for row in rows] == expected


def test_other_weights_need_another_export(
    folder: Path, exports: dict[str, Path], tmp_path: Path
) -> None:
    changed = Recognizer.from_pretrained(folder)
    with torch.no_grad():
        changed.model.lm_head.weight.add_(0.1)
    save_model(changed.model, changed.processor, tmp_path / "changed")
    with pytest.raises(FileNotFoundError, match=r"inktex export --model"):
        inktex.load(tmp_path / "changed", engine="onnx")


def test_an_export_is_found_by_its_own_folder(
    exports: dict[str, Path], pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INKTEX_CACHE")
    parent = exports["fp32"].parent
    readings = [inktex.load(name, engine="onnx")(pictures[0]) for name in (parent, parent / "fp32")]
    assert readings[0] == readings[1]
    with pytest.raises(ValueError, match="is int8, not fp32"):
        inktex.load(exports["int8"], engine="onnx")


def test_an_export_of_another_format_is_refused(exports: dict[str, Path], tmp_path: Path) -> None:
    from inktex.onnx.files import SETTINGS, read_settings

    content = json.loads((exports["fp32"] / SETTINGS).read_text())
    (tmp_path / SETTINGS).write_text(json.dumps({**content, "format": 0}))
    with pytest.raises(ValueError, match="Export the model anew"):
        read_settings(tmp_path)


def test_what_is_missing_is_named(
    folder: Path,
    exports: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(FileNotFoundError, match="neither a model's folder nor an export"):
        inktex.load(tmp_path, engine="onnx")
    with pytest.raises(ValueError, match="torch, onnx, onnx-int8"):
        inktex.load(folder, engine="tensorflow")
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    command = ["recognize", "--engine", "onnx", "--model", str(folder), str(tmp_path / "a.png")]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(command) == 2
    assert "pip install onnxruntime." in capsys.readouterr().err


def test_ids_are_written_as_by_the_tokenizer(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    path = pretrained_path() / TOKENIZER
    words, tokenizer = read_words(path), Tokenizer.from_file(str(path))
    ids = list(range(len(VOCABULARY) + 3))
    assert tokenizer.decode(ids) == " ".join(words[one] for one in ids if one in words)
    content = json.loads(path.read_text(encoding="utf-8"))
    for changes, message in (
        ({"decoder": {"type": "ByteLevel"}}, "are not words"),
        ({"model": {**content["model"], "type": "BPE"}}, "are not words"),
        ({"model": None}, "is no tokenizer"),
    ):
        (tmp_path / "other.json").write_text(json.dumps(content | changes))
        with pytest.raises(ValueError, match=message):
            read_words(tmp_path / "other.json")


def test_a_recurrent_decoder_is_refused(tmp_path: Path) -> None:
    from inktex.onnx.export import export

    changes = ["decoder.architecture=recurrent", "decoder.location_feedback=false"]
    changes.append("decoder.coverage_feedback=false")
    recipe = load_recipe(recipe_path("tiny"), changes)
    save_model(make_model(recipe), make_processor(recipe), tmp_path / "model")
    with pytest.raises(ValueError, match="Transformer decoder"):
        export(tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ----------------------------------------------------------------------- graphs without weights


@pytest.fixture(scope="module")
def shipped() -> Path:
    """Folder of the shipped model."""
    try:
        return pretrained_path()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def tuned(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model of the shipped one's architecture, in float32."""
    recognizer = Recognizer.from_pretrained(shipped)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in recognizer.model.parameters():
            weight.mul_(1 + 0.02 * torch.randn(weight.shape, generator=generator))
    recognizer.model.config.decoder.token_temperature = 1.3
    recognizer.processor.image_processor.resolution = 0.6
    path = tmp_path_factory.mktemp("tuned") / "model"
    save_model(recognizer.model, recognizer.processor, path)
    return path


def test_the_shipped_graphs_fit_the_shipped_model(shipped: Path) -> None:
    from inktex.onnx.export import largest_difference

    anew = "run inktex export --graphs"
    about = json.loads((SHIPPED / GRAPHS).read_text(encoding="utf-8"))
    config = json.loads((shipped / "config.json").read_text(encoding="utf-8"))
    assert about["architecture"] == architecture(config), anew
    shapes = {name: list(one.shape) for name, one in read_weights(shipped / WEIGHTS).items()}
    wanted = about["shapes"][ENCODER] | about["shapes"][DECODER]
    assert wanted.items() <= shapes.items(), anew
    # Those for training alone.
    unused = {name.rpartition(".")[0] for name in shapes.keys() - wanted.keys()}
    assert unused == {"encoder.symbol_head"}
    assert largest_difference(shipped, shipped, "fp32") < 1e-4, anew


def test_the_shipped_graphs_are_small_and_hold_nothing_of_where_they_were_made() -> None:
    content = b"".join((SHIPPED / name).read_bytes() for name in (ENCODER, DECODER))
    assert len(content) < 300_000
    assert not [word for word in (b"/home", b"/work", b"/root", b".py") if word in content]


def test_other_models_of_the_architecture_need_no_export(
    tuned: Path, pictures: list[Image.Image]
) -> None:
    ours, theirs = inktex.load(tuned, threads=1), inktex.load(tuned, engine="torch")
    assert isinstance(ours.engine, AutoEngine)
    for one, other in zip(ours.read(pictures), theirs.read(pictures), strict=True):
        assert one.tokens == other.tokens
        assert one.token_scores == pytest.approx(other.token_scores, abs=1e-4)
        np.testing.assert_array_equal(one.picture, other.picture)
    assert ours.fingerprint() != inktex.load(engine="onnx").fingerprint()


def test_by_default_each_picture_is_read_with_what_is_fastest_for_it(
    tuned: Path, pictures: list[Image.Image]
) -> None:
    recognizer, whole = inktex.load(tuned), inktex.load(tuned, engine="torch")
    assert isinstance(recognizer.engine, AutoEngine)
    picture = pictures[0]
    assert recognizer(picture).tokens == whole(picture).tokens
    assert recognizer.engine._torch is None, "torch was loaded for what ONNX reads"
    with pytest.raises(ValueError, match="no preset 'best'"):
        recognizer(picture, preset="best")  # type: ignore[arg-type]
    # Whoever takes the model may change it: what is read then is read with it.
    before, known = recognizer(picture), recognizer.fingerprint()
    with torch.no_grad():
        recognizer.model.lm_head.weight.neg_()
    assert recognizer(picture).tokens != before.tokens
    assert recognizer.fingerprint() != known
    assert recognizer.image_processor is recognizer.processor.image_processor


def test_an_export_alone_says_what_it_cannot_do(
    exports: dict[str, Path], pictures: list[Image.Image]
) -> None:
    recognizer = inktex.load(exports["fp32"])
    assert recognizer(pictures[0]).tokens
    with pytest.raises(ValueError, match="Load the model's own folder"):
        _ = recognizer.model


def test_weights_are_read_as_torch_reads_them(shipped: Path, tuned: Path) -> None:
    for folder in (shipped, tuned):
        expected = Recognizer.from_pretrained(folder).model.state_dict()
        for name, weight in read_weights(folder / WEIGHTS).items():
            np.testing.assert_array_equal(weight, expected[name].numpy())


def test_files_that_do_not_go_together_are_refused(
    shipped: Path, folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(shipped, broken)
    shutil.copy(folder / WEIGHTS, broken / WEIGHTS)
    with pytest.raises(ValueError, match="does not fit its configuration"):
        inktex.load(broken, engine="onnx")
    (broken / WEIGHTS).write_bytes((shipped / WEIGHTS).read_bytes()[:-7])
    with pytest.raises(ValueError, match="damaged"):
        inktex.load(broken, engine="onnx")
    (broken / "processor_config.json").write_text('{"image_processor": {}}')
    with pytest.raises(ValueError, match="does not say 'pad_multiple'"):
        inktex.load(broken, engine="onnx")
    (broken / "config.json").write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        inktex.load(broken, engine="onnx")


def test_the_fastest_engine_is_taken_that_reads_the_same(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fastest_engine() == fastest_engine(shipped) == "onnx"
    assert fastest_engine(device="cuda") == "torch"
    assert fastest_engine("somebody/some-model") == fastest_engine(tmp_path) == "torch"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert fastest_engine() == "torch"


def test_the_command_takes_the_fastest_engine(
    shipped: Path, pictures: list[Image.Image], tmp_path: Path
) -> None:
    pictures[0].save(tmp_path / "one.png")
    code = (
        "import sys; from inktex.cli import main;"
        f"status = main(['recognize', '--json', {str(tmp_path / 'one.png')!r}]);"
        "assert not {'torch', 'transformers', 'scipy.optimize'} & set(sys.modules);"
        "sys.exit(status)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert json.loads(result.stdout)["tokens"] == inktex.load()(pictures[0]).tokens


@pytest.fixture(scope="module")
def single(exports: dict[str, Path]) -> Path:
    """The one-file form of the small model."""
    from inktex.onnx.export import export_single

    return export_single(exports["fp32"], "fp32")


def test_one_graph_reads_as_two_do(
    single: Path, exports: dict[str, Path], pictures: list[Image.Image]
) -> None:
    from inktex.modeling.normalization_inktex import stack_pictures
    from inktex.onnx.sessions import load_runtime, make_session

    recognizer = inktex.load(exports["fp32"], engine="onnx")
    engine = recognizer.engine
    assert isinstance(engine, OnnxEngine)
    normalized = [engine.image_processor.normalize_picture(one).picture for one in pictures]
    pixels, mask = stack_pictures(normalized, engine.settings.multiple)
    school = np.array([number % 3 > 0 for number in range(engine.settings.vocabulary)])
    school[[engine.settings.end, *engine.settings.inkless]] = True
    session = make_session(load_runtime(), single, 1, {})
    for allowed in (None, school):
        expected = engine.decode(pixels, mask, MAX_TOKENS + 1, allowed, candidates=CANDIDATES)
        forbidden: ArrayLike = [] if allowed is None else np.flatnonzero(~allowed)
        tokens, scores, boxes, candidates, likeliest, attention = session.run(
            None, single_inputs(pixels, mask, forbidden)
        )
        assert expected.attention is not None
        assert expected.token_log_probabilities is not None
        np.testing.assert_array_equal(tokens, expected.sequences[:, 1:])
        np.testing.assert_allclose(scores, expected.token_log_probabilities, atol=1e-4)
        np.testing.assert_allclose(attention, expected.attention, atol=1e-4)
        assert allowed is None or allowed[tokens].all()
        assert expected.candidates is not None
        assert expected.candidate_log_probabilities is not None
        is_end = tokens == engine.settings.end
        given = is_end.cumsum(axis=1) - is_end == 0
        known = expected.candidate_log_probabilities[given]
        np.testing.assert_allclose(likeliest[given], known, atol=1e-4)
        is_allowed = known > -np.inf
        assert (candidates[given] == expected.candidates[given])[is_allowed].mean() > 0.99  # ties
        height, width = pixels.shape[2:]
        left, top, right, bottom = np.moveaxis(boxes, 2, 0)
        found = right > 0
        assert found.any()
        assert (left[found] < right[found]).all()
        assert (top[found] < bottom[found]).all()
        assert right.max() <= width
        assert bottom.max() <= height
        # Together they are around all ink.
        for picture, around in zip(pixels[:, 0], boxes, strict=True):
            rows, columns = np.nonzero(picture > 0.4 * pixels.max())
            inside = around[around[:, 2] > 0]
            assert inside[:, 1].min() == rows.min()
            assert inside[:, 2].max() == columns.max() + 1


def test_one_graph_keeps_locked_tokens(
    single: Path, exports: dict[str, Path], pictures: list[Image.Image]
) -> None:
    from inktex.modeling.normalization_inktex import stack_pictures
    from inktex.onnx.sessions import load_runtime, make_session

    engine = OnnxEngine.from_pretrained(exports["fp32"])
    picture = engine.image_processor.normalize_picture(pictures[0]).picture
    pixels, mask = stack_pictures([picture], engine.settings.multiple)
    session = make_session(load_runtime(), single, 1, {})

    def read(locked: dict[int, int]) -> NDArray[np.int64]:
        (found,) = session.run(["tokens"], single_inputs(pixels, mask, locked=locked))
        return np.asarray(found)

    plain = read({})
    # Whatever the model reads, `x` may stand in the first place, and other symbols behind it.
    places = {0: IDS["x"], 1: IDS["y"], 2: IDS["z"]}
    found = read(places)
    expected = engine.decode(pixels, mask, MAX_TOKENS + 1, locked=places)
    np.testing.assert_array_equal(found, expected.sequences[:, 1:])
    assert found[0, :3].tolist() == [*places.values()]
    np.testing.assert_array_equal(read({0: IDS["}"]}), plain)


def test_one_graph_says_what_it_needs(single: Path, exports: dict[str, Path]) -> None:
    import onnx

    from inktex.onnx.files import read_settings

    model = onnx.load(single)
    metadata = {one.key: json.loads(one.value) for one in model.metadata_props}
    assert metadata["words"]["136"] == VOCABULARY[136]
    assert metadata["settings"] == asdict(read_settings(exports["fp32"]))


def test_the_tables_are_the_grammar() -> None:
    rules = Grammar(len(VOCABULARY), GRAMMAR)
    tables = grammar_tables(rules)
    rng = np.random.default_rng(0)
    for longest in (5, 10, 30, 200) * 20:
        state, number, groups = rules.start(), 0, [0]
        for written in range(longest):
            place = number, groups[-1]
            shortest = tables.cost[groups].sum() + tables.shortest[place]
            may = tables.allowed[place] & (shortest <= longest - written - 2)
            may[tables.end] = tables.allowed[place][tables.end] or not may.any()
            allowed = rules.allowed(state, longest - written)
            np.testing.assert_array_equal(may[tables.classes], allowed)
            # By classes: else nearly all tokens are symbols.
            of_class = tables.classes == rng.choice(np.unique(tables.classes[allowed]))
            token = int(rng.choice(np.flatnonzero(allowed & of_class)))
            entry = (*place, tables.classes[token])
            if tables.move[entry] > PUSH:
                groups.pop()
            if tables.move[entry] not in (KEEP, POP):
                groups.append(int(tables.group[entry]))
            number, state = int(tables.state[entry]), rules.advance(state, token)
            assert len(groups) == len(state.frames) + 1
            if state.ended:
                break
