"""Releases against a stand-in for the Hub: built, verified, published, interrupted, resumed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import HfApi
from huggingface_hub.errors import LocalEntryNotFoundError
from PIL import Image

import inktex
from hub_stub import READER, TOKEN, Hub, serve
from inktex.cli import main as inktex_command
from inktex.data.crohme.card import build_crohme_card
from inktex.ink.render import render
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.remote_code_inktex import code_files
from inktex.onnx.files import SINGLE
from inktex.recognizer import Recognizer
from inktex.release.browser import WASM
from inktex.release.card import training_minutes
from inktex.release.export import export
from inktex.release.publish import MANIFEST, publish
from inktex.release.repository import CARD, build_model, build_space, name_model
from inktex.release.verification import ReleaseError, verify_files, verify_model
from inktex.synthesis.dataset import build_ink
from inktex.synthesis.random_captions import written_expressions
from inktex.training.models import make_model, make_processor, save_model
from inktex.training.recipe import load_recipe, recipe_path

NAME = "me/inktex-small"
SCORES = {
    "exp_rate": 0.5,
    "exp_rate_1": 0.625,
    "exp_rate_2": 0.75,
    "exp_rate_3": 0.875,
    "token_error_rate": 0.125,
    "expressions": 8,
    "preset": "fast",
}
RECORD: dict[str, Any] = {
    "parameters": 100_000,
    "scores": {"dev": SCORES, "2014": {**SCORES, "exp_rate": 0.4321}},
    "data": "own ink",
    "recipe": {"name": "tiny", "minutes": 30},
    "commit": "abc123",
    "weights_licence": "CC BY-NC-SA 3.0",
    "cores": 2,
    "started_from": {"recipe": {"minutes": 90}, "stopped_after": {"minutes": 60.0}},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint that ends its sentences."""
    torch.manual_seed(0)
    recipe = load_recipe(recipe_path("tiny"))
    model: InktexForConditionalGeneration = make_model(recipe)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight) * 0.3)
    model.generation_config.max_length = 12
    path = tmp_path_factory.mktemp("model") / "source"
    save_model(model, make_processor(recipe), path)
    (path / "training.json").write_text(json.dumps(RECORD))
    return path


@pytest.fixture(scope="module")
def recognizer(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    """The source as it is after rounding to bfloat16, which is what a release holds."""
    exact = inktex.load(source, engine="torch")
    folder = export(exact.model, tmp_path_factory.mktemp("model") / "small", exact.processor)
    return inktex.load(folder, engine="torch")


@pytest.fixture(scope="module")
def pictures() -> dict[str, Image.Image]:
    found = written_expressions(3, seed=5)
    return {f"picture {i}": Image.fromarray(render(one.traces)) for i, one in enumerate(found)}


@pytest.fixture(scope="module")
def built(
    recognizer: Recognizer, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    examples = sorted((repository / "spaces_app/examples").glob("*.png"))[:2]
    folder = tmp_path_factory.mktemp("release") / "model"
    return build_model(recognizer, RECORD, folder, NAME, examples)


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(built, tmp_path / "model")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serve() as hub:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        yield hub


@pytest.fixture
def api(hub: Hub) -> HfApi:
    return HfApi(endpoint=hub.url, token=TOKEN)


# --- building and verifying ---------------------------------------------------------------


def test_a_release_has_all_that_it_needs(built: Path) -> None:
    names = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    assert {path.name for path in code_files()} <= names
    assert {"model.safetensors", "config.json", "training.json", CARD} <= names
    for path in code_files():
        assert (built / path.name).read_bytes() == path.read_bytes()


def test_the_card_tells_what_was_measured(built: Path, recognizer: Recognizer) -> None:
    card = (built / CARD).read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---\n", 2)[1])
    (entry,) = front["model-index"]
    values = {r["dataset"]["config"]: r["metrics"][0]["value"] for r in entry["results"]}
    assert values == {"dev": 50.0, "2014": 43.21}
    for text in ("| 2014 | 8 | 43.21", f'model="{NAME}"', "1.5 hours on 2 CPU cores", "CoMER"):
        assert text in card
    for path in (built / "examples").iterdir():
        assert f"examples/{path.name}" in card


def test_all_runs_of_a_chain_count() -> None:
    assert training_minutes(RECORD) == {"2 CPU cores": 90}


def test_all_faults_are_named(
    folder: Path, recognizer: Recognizer, pictures: dict[str, Image.Image]
) -> None:
    (folder / "notes.txt").write_text("the token is " + TOKEN)
    (folder / "log.txt").write_text("loaded /home/someone/model")
    (folder / "search_inktex.py").write_text("search = None\n")
    (folder / "weights.bin").write_bytes(b"0")
    with pytest.raises(ReleaseError) as caught:
        verify_model(folder, recognizer, pictures)
    for text in (
        "notes.txt has what looks like a secret", "log.txt has what looks like",
        "weights.bin is no safetensors", "does not load without inktex",
    ):  # fmt: skip
        assert text in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_other_readings_are_noticed(
    folder: Path, source: Path, pictures: dict[str, Image.Image]
) -> None:
    other = inktex.load(source, engine="torch")
    torch.nn.init.normal_(other.model.decoder.embed_tokens.weight)
    with pytest.raises(ReleaseError, match="picture 0 is read as"):
        verify_model(folder, other, pictures)


def test_what_is_too_large_is_not_published(folder: Path) -> None:
    with pytest.raises(ReleaseError, match="MB, more than 0"):
        verify_files(folder, limit=1000)


# --- publishing ---------------------------------------------------------------------------


def test_new_repositories_can_be_private(built: Path, hub: Hub, api: HfApi) -> None:
    publish(built, NAME, api, is_private=True)
    assert hub.repositories["models", NAME].is_private
    publish(built, "me/open", api)
    assert not hub.repositories["models", "me/open"].is_private


def test_what_is_published_loads_where_inktex_is_absent(
    built: Path, hub: Hub, api: HfApi, recognizer: Recognizer, repository: Path, tmp_path: Path
) -> None:
    done = publish(built, NAME, api, tag="v0.1.0")
    assert done.url == f"{hub.url}/{NAME}"
    there = hub.repositories["models", NAME]
    assert set(there.branches["main"]) == {*done.changed, MANIFEST}
    assert there.branches["v0.1.0"] == there.branches["main"]
    assert len(there.commits) == 1
    picture = repository / "spaces_app/examples/mean.png"
    code = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "inktex":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from transformers import AutoModelForImageTextToText, AutoProcessor, pipeline
trust = dict(trust_remote_code=True, revision="v0.1.0")
model = AutoModelForImageTextToText.from_pretrained({NAME!r}, **trust)
processor = AutoProcessor.from_pretrained({NAME!r}, **trust)
inputs = processor(images={str(picture)!r}, return_tensors="pt")
ids = model.generate(**inputs, max_length=201)
print(processor.post_process(ids)[0])
read = pipeline("image-to-text", model={NAME!r}, trust_remote_code=True)
print(read({str(picture)!r}, max_length=201)[0]["generated_text"])
"""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.splitlines() == [recognizer(picture).latex] * 2


def test_publishing_again_sends_nothing(built: Path, hub: Hub, api: HfApi) -> None:
    publish(built, NAME, api)
    sent = len(hub.uploads())
    again = publish(built, NAME, api, tag="v0.1.0")
    assert again.changed == again.deleted == ()
    assert len(hub.uploads()) == sent


def test_a_broken_upload_leaves_nothing_and_is_resumed(
    folder: Path, hub: Hub, api: HfApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between attempts
    hub.failing = 1_000
    with pytest.raises(ReleaseError, match="was not published to"):
        publish(folder, NAME, api)
    assert hub.repositories["models", NAME].branches["main"] == {}
    hub.failing = 2  # two more, and then the line holds
    publish(folder, NAME, api)
    assert CARD in hub.repositories["models", NAME].branches["main"]


def test_large_files_that_have_arrived_are_not_sent_again(
    folder: Path, hub: Hub, api: HfApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    original = HfApi.create_commit
    whole = original

    def only_large(self: HfApi, repo_id: str, operations: Any, **_: Any) -> Any:
        self.preupload_lfs_files(repo_id, operations, repo_type="model", revision="main")
        return interrupted()

    monkeypatch.setattr(HfApi, "create_commit", only_large)
    with pytest.raises(KeyboardInterrupt):
        publish(folder, NAME, api)
    assert [one for one in hub.requests if one.startswith("PUT")]
    assert hub.repositories["models", NAME].branches["main"] == {}
    monkeypatch.setattr(HfApi, "create_commit", whole)
    before = len(hub.requests)
    publish(folder, NAME, api)
    assert not [one for one in hub.requests[before:] if one.startswith("PUT")]
    assert "model.safetensors" in hub.repositories["models", NAME].branches["main"]


def test_an_edited_card_stays(folder: Path, hub: Hub, api: HfApi) -> None:
    publish(folder, NAME, api)
    files = hub.repositories["models", NAME].branches["main"]
    files[CARD] = b"---\nlicense: other\n---\nEdited by hand."
    for _ in range(2):
        with (folder / CARD).open("a") as card:
            card.write("\nA new line.\n")
        (folder / "training.json").write_text(json.dumps({**RECORD, "commit": card.name}))
        done = publish(folder, NAME, api)
        assert done.kept == (CARD,)
        assert b"Edited by hand." in files[CARD]
    files.pop(CARD)
    assert CARD in publish(folder, NAME, api).changed


def test_our_own_card_is_brought_up_to_date_and_old_files_go(
    folder: Path, hub: Hub, api: HfApi
) -> None:
    (folder / "old_inktex.py").write_text("")
    publish(folder, NAME, api)
    files = hub.repositories["models", NAME].branches["main"]
    files["theirs.md"] = b"not ours"
    (folder / "old_inktex.py").unlink()
    (folder / CARD).write_text("---\nlicense: other\n---\nNew.")
    done = publish(folder, NAME, api)
    assert done.changed == (CARD,)
    assert done.deleted == ("old_inktex.py",)
    assert "old_inktex.py" not in files
    assert files["theirs.md"] == b"not ours"


def test_changes_are_proposed(folder: Path, hub: Hub, api: HfApi) -> None:
    done = publish(folder, NAME, api, pull_request=True)
    assert done.url.endswith("/discussions/1")
    branches = hub.repositories["models", NAME].branches
    assert branches["main"] == {}
    assert CARD in branches["refs/pr/1"]


@pytest.mark.parametrize(
    ("token", "message"),
    [("hf_" + "c" * 34, "401.*Invalid credentials"), (READER, "403.*rights to write")],
)
def test_who_may_not_write_is_told_so(
    folder: Path, hub: Hub, token: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ReleaseError, match=f"(?s){message}") as caught:
        publish(folder, NAME, HfApi(endpoint=hub.url, token=token))
    assert token not in str(caught.value)
    assert token not in caplog.text
    assert hub.uploads() == []


def test_without_a_network_it_says_so(folder: Path) -> None:
    nowhere = HfApi(endpoint="http://127.0.0.1:9", token=TOKEN)
    with pytest.raises(ReleaseError, match=r"was not published to http://127\.0\.0\.1:9"):
        publish(folder, NAME, nowhere)


def test_a_line_that_breaks_early_is_no_empty_repository(
    folder: Path, hub: Hub, api: HfApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be asked for is not taken for missing: a card of others would be lost."""
    publish(folder, NAME, api)

    def broken(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("cannot reach the Hub")

    monkeypatch.setattr(HfApi, "hf_hub_download", broken)
    with pytest.raises(ReleaseError, match="cannot reach the Hub"):
        publish(folder, NAME, api)


def test_a_full_disk_is_told_and_leaves_nothing(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("inktex.release.repository.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        build_model(recognizer, RECORD, tmp_path / "model", NAME)
    assert list(tmp_path.iterdir()) == []


# --- what else is published ---------------------------------------------------------------


def test_the_space_names_its_model(repository: Path, hub: Hub, api: HfApi, tmp_path: Path) -> None:
    folder = build_space(repository / "spaces_app", tmp_path / "space", NAME)
    verify_files(folder)
    assert "models:\n- me/inktex-small" in (folder / CARD).read_text()
    assert (folder / "front/pad.js").is_file()
    assert not list(folder.rglob("*.pyc"))
    publish(folder, "me/space", api, kind="space")
    assert "app.py" in hub.repositories["spaces", "me/space"].branches["main"]
    assert hub.repositories["spaces", "me/space"].sdk == "gradio"
    shared = {path.name for path in (folder / "browser").rglob("*.*")}
    assert shared == {"collection.js", "ink.js", "inkml.js", "pad.js"}


def test_the_page_is_published_as_a_static_space(
    recognizer: Recognizer,
    repository: Path,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With what builds the page left out, which tests of the page do."""

    def build(source: Path, folder: Path, graph: Path, place: Path, model: str) -> Path:
        shutil.copytree(repository / source, folder, ignore=shutil.ignore_patterns("reader"))
        (folder / SINGLE).write_bytes(graph.read_bytes())
        (folder / WASM).write_bytes(b"\0 built in /home/web_user")
        name_model(folder / CARD, model)
        return folder

    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(repository / "spaces_app/browser", "spaces_app/browser")
    (tmp_path / "graph").write_bytes(b"a graph")
    monkeypatch.setattr("inktex.release.command.one_graph", lambda source: tmp_path / "graph")
    monkeypatch.setattr("inktex.release.command.build_browser", build)
    source = export(recognizer.model, tmp_path / "source", recognizer.processor)
    (source / "training.json").write_text(json.dumps(RECORD))
    common = ["--source", str(source), "--output", str(tmp_path / "out"), "--pictures", "1"]
    names = ["--model-repository", NAME, "--browser", "me/page"]
    assert inktex_command(["release", *common, *names]) == 0
    there = hub.repositories["spaces", "me/page"]
    files = there.branches["main"]
    assert (there.sdk, there.variables) == ("static", {})
    assert files[SINGLE] == b"a graph"
    front = yaml.safe_load(files[CARD].decode().split("---\n", 2)[1])
    assert (front["sdk"], front["models"]) == ("static", [NAME])


def test_the_published_space_reads_with_the_published_model(
    built: Path, repository: Path, hub: Hub, api: HfApi, tmp_path: Path
) -> None:
    pytest.importorskip("gradio")
    publish(built, NAME, api)
    build_space(repository / "spaces_app", tmp_path / "built", NAME)
    publish(tmp_path / "built", "me/space", api, kind="space")
    place = tmp_path / "space"
    for name, content in hub.repositories["spaces", "me/space"].branches["main"].items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    code = f"""
import app
blocks = app.build({NAME!r})
texts = [str(block.value) for block in blocks.blocks.values() if hasattr(block, "value")]
print(any({NAME!r} in text and "43.21" in text for text in texts))
"""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.splitlines()[-1] == "True"


def test_cards_of_data_sets(tmp_path: Path, hub: Hub, api: HfApi) -> None:
    datasets = pytest.importorskip("datasets")
    folder = build_crohme_card(tmp_path / "crohme", NAME)
    assert [path.name for path in folder.iterdir()] == [CARD]
    assert "CC BY-NC-SA 3.0" in (folder / CARD).read_text()
    ink = build_ink(tmp_path / "ink", "me/ink", 20)
    verify_files(ink)
    splits = datasets.load_dataset(str(ink), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 18, "test": 2}
    one = splits["train"][0]
    assert one["image"].mode == "L"
    assert len(one["alignment"]) == len(one["tokens"])
    assert max(one["alignment"]) == len(one["symbols"]) - 1
    again = build_ink(tmp_path / "again", "me/ink", 20)
    for path in ink.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()
    publish(ink, "me/ink", api, kind="dataset")
    assert "train.parquet" in hub.repositories["datasets", "me/ink"].branches["main"]
    with pytest.raises(ValueError, match="too small"):
        build_ink(tmp_path / "none", "me/ink", 3)


# --- from user code, and by the command ----------------------------------------------------


def test_push_to_hub_of_the_classes_loads_as_well(
    recognizer: Recognizer, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "saved"
    recognizer.model.save_pretrained(folder)
    recognizer.processor.save_pretrained(folder)
    assert {path.name for path in code_files()} <= {path.name for path in folder.iterdir()}
    config = json.loads((folder / "config.json").read_text())
    assert config["custom_pipelines"]["image-to-text"]["impl"] == "pipeline_inktex.InktexPipeline"
    code = f"""
import inktex
reader = inktex.load({str(folder)!r})
reader.model.push_to_hub("me/mine", token={TOKEN!r})
reader.processor.push_to_hub("me/mine", token={TOKEN!r})
for number, part in enumerate((reader.model, reader.processor)):
    folder = {str(tmp_path / "pushed")!r} + str(number)
    part.save_pretrained(folder, push_to_hub=True, repo_id="me/saved", token={TOKEN!r})
"""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    for name in ("me/mine", "me/saved"):
        files = hub.repositories["models", name].branches["main"]
        for path in code_files():
            assert files[path.name] == path.read_bytes()
        for settings in ("processor_config.json", "tokenizer_config.json", "config.json"):
            assert "auto_map" in json.loads(files[settings])


def test_one_command_verifies_and_publishes_all(
    recognizer: Recognizer,
    repository: Path,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(
        repository / "spaces_app", "spaces_app", ignore=shutil.ignore_patterns("*.png")
    )  # an untrained model reads without end
    source = export(recognizer.model, tmp_path / "source", recognizer.processor)
    common = ["--source", str(source), "--output", str(tmp_path / "out"), "--pictures", "2"]
    names = [
        "--model-repository", NAME, "--space", "me/space", "--crohme-card", "me/crohme",
        "--ink", "me/ink", "--count", "20",
    ]  # fmt: skip
    assert inktex_command(["release", *common, *names]) == 2
    assert "has no training.json" in capsys.readouterr().err
    (source / "training.json").write_text(json.dumps(RECORD))
    assert inktex_command(["release", *common, *names]) == 0
    assert {name for _, name in hub.repositories} == {NAME, "me/space", "me/crohme", "me/ink"}
    assert hub.repositories["spaces", "me/space"].variables == {"INKTEX_MODEL": NAME}
    told = capsys.readouterr()
    assert "2 pictures are read alike" in told.out
    assert TOKEN not in told.out + told.err


def test_a_dry_run_sends_nothing(
    recognizer: Recognizer,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "inktex.release.verification._reading_faults", lambda *_: []
    )  # verified above
    monkeypatch.chdir(tmp_path)
    shutil.copytree(repository / "spaces_app", "spaces_app", ignore=shutil.ignore_patterns("*.png"))
    source = export(recognizer.model, tmp_path / "source", recognizer.processor)
    (source / "training.json").write_text(json.dumps(RECORD))
    common = ["--source", str(source), "--output", str(tmp_path / "out"), "--pictures", "1"]
    assert inktex_command(["release", *common, "--dry-run"]) == 0
    for name in ("model", "space", "crohme"):
        assert (tmp_path / "out" / name / CARD).is_file()
