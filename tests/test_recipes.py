"""Recipes: extending, overriding, checks, and names of earlier versions."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from inktex.data.examples import Example
from inktex.ink.render import MARGIN_AFTER, MARGIN_BEFORE
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.processing_inktex import InktexProcessor
from inktex.recognizer import pretrained_path
from inktex.tokenizer.tokenization_inktex import build_tokenizer
from inktex.training.models import make_processor
from inktex.training.recipe import (
    _RENAMED,
    RECIPES,
    load_recipe,
    recipe_from_dict,
    recipe_path,
    stored_recipe,
)
from inktex.training.sources import recipe_examples


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_shipped_recipes_load(name: str) -> None:
    recipe = load_recipe(recipe_path(name))
    assert recipe.name == name
    assert recipe_from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_every_field_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nsteps: 5\noptimizer: {learning_rate: 1e-3}\n")
    changes = ["optimizer.learning_rate=2e-3", "batch.heights=[16, 32]", "augmentation=null"]
    recipe = load_recipe(path, [*changes, "decoder.dropout=0.5"])
    assert recipe.optimizer.learning_rate == 2e-3
    assert recipe.batch.heights == (16, 32)
    assert recipe.augmentation is None
    assert recipe.decoder == {"dropout": 0.5}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"steps": 5, "optimiser": {}}, "Unknown field optimiser"),
        ({"steps": 5, "batch": {"hights": [1]}}, "Unknown field batch.hights"),
        ({}, "exactly one of steps and minutes"),
        ({"steps": 1, "minutes": 1}, "exactly one of steps and minutes"),
    ],
)
def test_wrong_recipes_are_refused(content: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recipe_from_dict(content)


def test_a_recipe_extends_another(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("extends: tiny\nname: first\nsteps: 5\nencoder: {hidden_size: 32}\n")
    second.write_text("extends: first.yaml\nname: second\naugmentation: null\n")
    tiny, found = load_recipe(recipe_path("tiny")), load_recipe(second, ["steps=6"])
    assert (found.name, found.steps, found.augmentation) == ("second", 6, None)
    assert found.encoder == {**tiny.encoder, "hidden_size": 32}
    assert found.batch == tiny.batch
    first.write_text("extends: second.yaml\n")
    with pytest.raises(ValueError, match="extends itself"):
        load_recipe(second)
    first.write_text("extends: thinner\n")
    with pytest.raises(ValueError, match="Did you mean stroke_restoration"):
        load_recipe(second)


def test_no_group_of_fields_stands_twice_in_the_shipped_recipes() -> None:
    groups = [
        (path.stem, name, json.dumps(group, sort_keys=True))
        for path in RECIPES.glob("*.yaml")
        for name, group in yaml.safe_load(path.read_text(encoding="utf-8")).items()
        if isinstance(group, dict) and len(group) > 4
    ]
    contents = [(name, text) for _, name, text in groups]
    assert len(set(contents)) == len(contents) > 10


def test_old_names_are_errors_that_name_the_new_ones() -> None:
    tiny = recipe_path("tiny")
    for override, words in (
        ("loss.guide=0.5", r"loss\.guide is now called loss\.attention_supervision\."),
        ("augmentation.given=0.5", r"now called augmentation\.degraded\."),
        ("thinner.share=0.5", "thinner is now called stroke_restoration"),
        ("loss.consistency=1.0", r"loss\.consistency was removed"),
        ("optimizer.learningrate=1", r"Did you mean optimizer\.learning_rate\?"),
    ):
        with pytest.raises(ValueError, match=words):
            load_recipe(tiny, [override])


def test_a_stored_recipe_of_0_1_is_read(repository: Path, tmp_path: Path) -> None:
    stored = repository / "tests" / "stored" / "recipe-0.1.json"
    assert stored_recipe(stored) == load_recipe(recipe_path("crohme"))
    path = tmp_path / "recipe.json"
    for group, field, value in (("loss", "consistency", 1.0), ("batch", "variants", 2)):
        content = json.loads(stored.read_text(encoding="utf-8"))
        content[group][field] = value
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=rf"{group}\.{field} = {value}, which this version"):
            stored_recipe(path)


@pytest.mark.parametrize("name", ["finetune", "photos"])
def test_a_recipe_that_starts_from_weights_has_their_pictures(name: str) -> None:
    recipe = load_recipe(recipe_path(name))
    shipped = InktexImageProcessor.from_pretrained(pretrained_path()).to_dict()
    del shipped["auto_map"]
    assert make_processor(recipe).image_processor.to_dict() == shipped
    kept = recipe_from_dict(recipe.to_dict())  # of a run that goes on
    assert kept == recipe


def test_what_a_recipe_says_of_pictures_stands(tmp_path: Path) -> None:
    images = InktexImageProcessor(
        resolution=0.7, margin_before=3, margin_after=2, stroke_range=(1.5, 7.0), symbol_height=30
    )
    InktexProcessor(images, build_tokenizer()).save_pretrained(tmp_path)
    changes = [f"init={tmp_path}", "batch.margin_after=9"]
    batch = load_recipe(recipe_path("finetune"), changes).batch
    assert (batch.resolution, batch.margin_before, batch.margin_after) == (0.7, 3, 9)
    made = make_processor(load_recipe(recipe_path("finetune"), changes)).image_processor
    assert (made.stroke_range, made.symbol_height, made.margin_after) == ((1.5, 7.0), 30, 9)
    fresh = load_recipe(recipe_path("tiny")).batch
    assert (fresh.margin_before, fresh.margin_after) == (MARGIN_BEFORE, MARGIN_AFTER)


def test_recipe_trains_on_several_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(data: str, split: str, skip_broken: bool) -> list[Example]:
        asked.append(split)
        return []

    monkeypatch.setattr("inktex.training.data.load_examples", load)
    recipe_examples(load_recipe(recipe_path("crohme")))
    assert asked == ["train", "test2011", "test2012", "test2013", "dev"]


def test_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="alphabet, base, crohme, finetune, gpu"):
        recipe_path("huge")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimizer.start_share=0.5", "needs a start"),
        ("optimizer.start_share=1", "below 1, not 1"),
        ("rehearsal.share=1", "rehearsal.share must be 0 or more and below 1"),
        ("rehearsal.share=-0.1", "rehearsal.share must be 0 or more and below 1"),
        ("steps=two", "steps is a number, not 'two'"),
        ("steps=-2", "steps must be above 0, not -2"),
        ("optimizer.learning_rate=fast", "optimizer.learning_rate is a number, not 'fast'"),
        ("batch.max_size=many", "batch.max_size is a number, not 'many'"),
        ("batch.max_size=2.5", "batch.max_size is a whole number, not 2.5"),
        ("batch.reverse=maybe", "batch.reverse is true or false, not 'maybe'"),
        ("batch.heights=48", "batch.heights is a list, not 48"),
        ("augmentation.scale=[1.0]", "augmentation.scale is a list of 2, not"),
        ("batch=small", "batch is a group of fields, not 'small'"),
        ("seed=null", "seed must have a value"),
    ],
)
def test_shares_that_are_none_are_refused(change: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_recipe(recipe_path("tiny"), [change])


def test_old_names_of_fields_are_old_and_new_ones_are_fields() -> None:
    fields = set(_paths(asdict(load_recipe(recipe_path("stroke_restoration")))))
    assert not fields & set(_RENAMED)
    assert set(_RENAMED.values()) <= fields


def _paths(content: dict[str, object], prefix: str = "") -> Iterator[str]:
    for name, value in content.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{name}.")
