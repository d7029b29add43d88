"""Training on custom data."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from script_loading import load_script

from inktex.data.augmentation import AugmentationConfig, vary_picture
from inktex.data.examples import AnyExample, Example, PictureExample, from_expression
from inktex.ink.inkml import write_inkml
from inktex.ink.render import render
from inktex.modeling.generation_inktex import sequence_logits
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.synthesis.drawing import draw, draw_expression
from inktex.training.batches import PlannedBatches
from inktex.training.custom_data import DataError, is_custom, load_custom
from inktex.training.loop import train
from inktex.training.models import make_model
from inktex.training.plans import BatchConfig, Planner, picture_size
from inktex.training.recipe import Recipe, load_recipe, recipe_path
from inktex.training.recognition import picture_feedback
from inktex.training.sources import recipe_examples, with_rehearsal

CAPTIONS = [r"x ^ { 2 } + 1", r"\frac { a } { 2 }", "2 + 3 = 5", "( a + b )", r"\sqrt { x }"]
TINY = BatchConfig(resolution=0.4, heights=(48, 96), widths=(64, 128, 256), pixels=30_000)


def picture(caption: str) -> Image.Image:
    return Image.fromarray(255 - render(draw(caption, 0).traces))


def fill(folder: Path, file: str, column: str, captions: list[str] = CAPTIONS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, caption in enumerate(captions):
        picture(caption).save(folder / f"{number}.png")
        rows.append({"file_name": f"{number}.png", column: caption.replace(" ", "")})
    with (folder / file).open("w", encoding="utf-8", newline="") as out:
        if file.endswith(".jsonl"):
            out.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(
                out, ["file_name", column], delimiter="\t" if file.endswith(".tsv") else ","
            )
            writer.writeheader()
            writer.writerows(rows)
    return folder


def picture_example(name: str) -> PictureExample:
    return PictureExample(name, np.zeros((9, 9), np.uint8), np.zeros(1, np.int64))


def captions_of(examples: list[AnyExample]) -> set[str]:
    return {" ".join(one.caption) for one in examples}


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("captions.csv", "latex"), ("captions.tsv", "caption"), ("captions.jsonl", "text"),
        ("metadata.csv", "text"), ("metadata.jsonl", "latex"),
    ],
)  # fmt: skip
def test_pictures_and_their_captions(tmp_path: Path, file: str, column: str) -> None:
    own = load_custom(fill(tmp_path, file, column))
    assert captions_of([*own.train, *own.dev, *own.test]) == set(CAPTIONS)
    for one in own.train:
        assert isinstance(one, PictureExample)
        expected = InktexImageProcessor(resolution=1.0, max_height=412, max_width=1702)
        np.testing.assert_array_equal(one.picture, expected.draw(str(tmp_path / one.id)))


def test_ink_brings_its_caption_and_both_may_be_mixed(tmp_path: Path) -> None:
    fill(tmp_path / "pictures", "captions.csv", "latex", CAPTIONS[:2])
    for number, caption in enumerate(CAPTIONS[2:]):
        write_inkml(draw(caption, 1), tmp_path / f"{number}.inkml")
    own = load_custom(tmp_path)
    kinds = {" ".join(one.caption): type(one) for one in [*own.train, *own.dev, *own.test]}
    assert kinds == {c: PictureExample if c in CAPTIONS[:2] else Example for c in CAPTIONS}


def test_ink_that_the_pages_collect_is_read(tmp_path: Path) -> None:
    def row(caption: str, **more: object) -> str:
        strokes = [trace.round(1).tolist() for trace in draw(caption, 1).traces]
        return json.dumps({"strokes": strokes, "latex": f"${caption.replace(' ', '')}$"} | more)

    path = tmp_path / "my-hand (1).jsonl"
    path.write_text("\n".join(map(row, CAPTIONS)), encoding="utf-8")
    assert is_custom(tmp_path)
    own = load_custom(tmp_path)
    examples = [*own.train, *own.dev, *own.test]
    assert all(isinstance(one, Example) for one in examples)
    assert captions_of(examples) == set(CAPTIONS)
    path.write_text(
        "\n".join([row("x", latex=None), row("x", strokes=[[[1, "a"]]]), row("x", latex="{x")])
    )
    with pytest.raises(DataError) as caught:
        load_custom(tmp_path)
    for part in (
        "1 without strokes or LaTeX:\n    my-hand (1).jsonl, row 1",
        "1 whose strokes cannot be read:\n    my-hand (1).jsonl, row 2",
        "1 whose caption is no LaTeX that can be parsed:\n    my-hand (1).jsonl, row 3",
    ):
        assert part in str(caught.value), str(caught.value)


def test_dev_and_test_folders_are_held_out_and_else_a_tenth_for_each(tmp_path: Path) -> None:
    fill(tmp_path / "a", "captions.csv", "latex", CAPTIONS * 4)
    own = load_custom(tmp_path / "a")
    assert (len(own.train), len(own.dev), len(own.test)) == (16, 2, 2)
    assert len({one.id for one in [*own.train, *own.dev, *own.test]}) == 20
    again = load_custom(tmp_path / "a")
    for part in ("train", "dev", "test"):
        assert [one.id for one in getattr(again, part)] == [one.id for one in getattr(own, part)]
    fill(tmp_path / "b", "captions.csv", "latex", CAPTIONS[:2])
    fill(tmp_path / "b" / "dev", "captions.csv", "latex", CAPTIONS[2:4])
    fill(tmp_path / "b" / "test", "captions.csv", "latex", CAPTIONS[4:])
    own = load_custom(tmp_path / "b")
    assert captions_of(own.dev) == set(CAPTIONS[2:4])
    assert captions_of(own.test) == set(CAPTIONS[4:])
    assert captions_of(own.train) == set(CAPTIONS[:2])
    fill(tmp_path / "c", "captions.csv", "latex", CAPTIONS[:1])
    own = load_custom(tmp_path / "c")
    assert (len(own.train), len(own.dev), len(own.test)) == (1, 0, 0)


def test_rehearsal_makes_up_its_share_of_an_epoch() -> None:
    few, many = [picture_example(f"new{n}") for n in range(3)], [picture_example("known")] * 30
    for share in (0.25, 0.5, 0.8):
        for new, known in ((few, many), (many, few)):
            mixed = with_rehearsal(new, known, share)
            kept = sum(any(one is other for other in known) for one in mixed)
            assert kept / len(mixed) == pytest.approx(share, abs=0.06)
            assert {id(one) for one in mixed} == {id(one) for one in [*new, *known]}


def test_text_signs_around_latex_are_taken_off(tmp_path: Path) -> None:
    picture("x").save(tmp_path / "a.png")
    for text in ("$x$", "$$ x $$", r"\[x\]", r"\( x \)"):
        rows = json.dumps({"file_name": "a.png", "latex": text})
        (tmp_path / "captions.jsonl").write_text(rows)
        own = load_custom(tmp_path)
        assert captions_of([*own.train, *own.dev]) == {"x"}


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    fill(tmp_path, "captions.csv", "latex")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.new("L", (60, 40), 255).save(tmp_path / "blank.png")
    picture("x").save(tmp_path / "open.png")
    more = [
        ("gone.png", "x"), ("bad.png", "x"), ("blank.png", "x"), ("open.png", r"\frac{1}"),
        ("0.png", "y"), ("", "x"), ("../out.png", "x"), ("1.png", ""),
    ]  # fmt: skip
    with (tmp_path / "captions.csv").open("a", newline="") as out:
        csv.writer(out).writerows(more)
    write_inkml(draw("x", 0), tmp_path / "a.inkml")
    text = (tmp_path / "a.inkml").read_text()
    (tmp_path / "a.inkml").write_text(text.replace('type="truth"', 'type="other"'))
    with pytest.raises(DataError) as caught:
        load_custom(tmp_path)
    for part in (
        "1 that are missing:\n    gone.png", "bad.png:", "blank.png:", "open.png:",
        "no LaTeX that can be parsed", "2 with two captions:\n    0.png\n    1.png",
        "captions.csv, row 11", "outside the folder", "../out.png",
        "1 without a caption:\n    a.inkml", "with an empty caption:\n    1.png",
    ):  # fmt: skip
        assert part in str(caught.value), str(caught.value)


def test_tokens_that_the_model_lacks_are_listed_or_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = [r"\clubsuit + 1", r"\clubsuit", r"\spadesuit"]
    fill(tmp_path, "captions.csv", "latex", CAPTIONS[:2])
    with (tmp_path / "captions.csv").open("a", newline="") as out:
        for number, caption in enumerate(odd):
            picture("x").save(tmp_path / f"odd{number}.png")
            csv.writer(out).writerow([f"odd{number}.png", caption])
    with pytest.raises(DataError) as caught:
        load_custom(tmp_path)
    assert r"\clubsuit (2): odd0.png, odd1.png" in str(caught.value)
    assert r"\spadesuit (1): odd2.png" in str(caught.value)
    assert "--skip-unknown" in str(caught.value)
    own = load_custom(tmp_path, skip_unknown=True)
    assert "3 expressions are left out" in caplog.text
    assert captions_of([*own.train, *own.dev]) == set(CAPTIONS[:2])


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    assert not is_custom(tmp_path)
    assert not is_custom(tmp_path / "none")
    with pytest.raises(DataError, match="nothing to train on"):
        load_custom(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_custom(tmp_path / "none")
    (tmp_path / "captions.jsonl").write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match="UTF-8"):
        load_custom(tmp_path)


# --- pictures among the batches -----------------------------------------------------------


@pytest.fixture(scope="module")
def mixed() -> list[AnyExample]:
    processor = InktexImageProcessor(resolution=1.0)
    found: list[AnyExample] = []
    for number, caption in enumerate(CAPTIONS):
        example = from_expression(draw_expression(caption, number))
        if number % 2:
            found.append(example)
        else:
            found.append(
                PictureExample(str(number), processor.draw(picture(caption)), example.tokens)
            )
    return found


def batches(
    examples: list[AnyExample], vary: AugmentationConfig | None
) -> list[dict[str, torch.Tensor]]:
    plans = Planner(examples, TINY, vary, seed=1).epoch(0)
    planned = PlannedBatches(examples, TINY, vary, seed=1)
    return [planned[plan] for plan in plans]


HALF = BatchConfig(resolution=0.5)


def test_a_picture_is_as_large_as_its_ink() -> None:
    for caption in CAPTIONS:
        ink = from_expression(draw_expression(caption, 0))
        as_picture = PictureExample(
            "", InktexImageProcessor(resolution=1.0).draw(picture(caption)), ink.tokens
        )
        np.testing.assert_allclose(
            picture_size(*as_picture.size, HALF), picture_size(*ink.size, HALF), atol=2
        )


def test_pictures_have_tokens_and_no_symbol_map(mixed: list[AnyExample]) -> None:
    pictures = ink = 0
    for batch in batches(mixed, AugmentationConfig()):
        unknown = (batch["symbol_labels"] == -100).all(dim=1)
        has_target = batch["attention_target"].flatten(1).any(dim=1)
        assert torch.equal(has_target, ~unknown.repeat_interleave(2))
        assert (batch["labels"] != -100).any(dim=1).all()
        assert batch["pixel_values"].flatten(1).amax(dim=1).min() > 0.5
        pictures += int(unknown.sum())
        ink += int((~unknown).sum())
    assert (pictures, ink) == (3, 2)


def test_variants_of_a_picture_keep_its_ink(mixed: list[AnyExample]) -> None:
    example = mixed[0]
    assert isinstance(example, PictureExample)
    strong = AugmentationConfig(aspect=0.2, rotation=5.0, slant=0.3)
    seen = set()
    for seed in range(8):
        varied = vary_picture(example, strong, np.random.default_rng(seed)).picture
        seen.add(varied.shape)
        inked = (varied > 127).sum() / (example.picture > 127).sum()
        assert 0.3 < inked < 3
        assert varied[0].max() == varied[-1].max() == 0  # margins
    assert len(seen) > 4
    still = AugmentationConfig(aspect=0, rotation=0, slant=0, stroke_widths=(3,))
    same = vary_picture(example, still, np.random.default_rng(0)).picture
    np.testing.assert_allclose(same.shape, example.picture.shape, atol=2)


def test_pictures_get_feedback_from_attention(mixed: list[AnyExample]) -> None:
    torch.manual_seed(0)
    model = make_model(load_recipe(recipe_path("tiny"))).train()
    count = 0
    for batch in batches(mixed, None):
        found = picture_feedback(model, batch)
        is_picture = (batch["symbol_labels"] == -100).all(dim=1).repeat_interleave(2)
        if not is_picture.any():
            assert found == {}
            continue
        places = found["locations"]
        assert places.shape == (*batch["decoder_input_ids"].shape, 2)
        assert (places[is_picture] >= 0).any()
        with torch.no_grad():  # as a pass over the whole batch has it
            memory = model.eval().get_encoder()(batch["pixel_values"], batch["pixel_mask"])
            tokens = batch["decoder_input_ids"]
            _, attention = sequence_logits(model, memory, torch.nn.functional.pad(tokens, (0, 1)))
        columns = int(memory.grid_shape[0, 1])
        whole_batch = model.train().decoder.feedback(tokens, attention, columns)
        for whole, part in zip(whole_batch, found.values(), strict=False):
            torch.testing.assert_close(whole[is_picture], part[is_picture], atol=1e-4, rtol=1e-4)
        count += 1
        output = model(**batch, **found, use_cache=False)
        assert torch.isfinite(output.loss)
    assert model.training
    assert count


def test_training_on_pictures_learns_and_resumes(
    tmp_path: Path, make_recipe: Callable[..., Recipe]
) -> None:
    folder = fill(tmp_path / "data", "captions.csv", "latex", CAPTIONS * 2)
    recipe = make_recipe(folder, 4)
    found = recipe_examples(recipe)
    assert (len(found.train), len(found.dev), len(found.test)) == (8, 1, 1)
    train(make_recipe(folder, 2), found.train, found.dev, tmp_path / "run")
    train(recipe, found.train, found.dev, tmp_path / "run")
    train(recipe, found.train, found.dev, tmp_path / "whole")
    name = "averaged/model.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    shutil.rmtree(tmp_path / "whole")


@pytest.fixture
def make_recipe() -> Callable[..., Recipe]:
    def make(folder: Path, steps: int) -> Recipe:
        changes = [f"data={folder}", f"steps={steps}", "save_every=2", "validate_every=1000"]
        return load_recipe(recipe_path("tiny"), changes)

    return make


def test_the_recipe_starts_from_the_shipped_model() -> None:
    recipe = load_recipe(recipe_path("finetune"))
    assert recipe.init == "shipped"
    model = make_model(recipe)
    assert model.config.decoder.location_feedback
    assert model.num_parameters() > 1_000_000


def test_fine_tuning_rehearses_and_scores_what_it_did_not_choose_by(
    repository: Path,
    tmp_path: Path,
    make_recipe: Callable[..., Recipe],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = fill(tmp_path / "data", "captions.csv", "latex", CAPTIONS)
    start = train(
        make_recipe(folder, 1),
        recipe_examples(make_recipe(folder, 1)).train,
        [],
        tmp_path / "start",
    )
    arguments = ["tiny", "--data", str(folder), "--output", str(tmp_path / "run")]
    for change in (
        f"init={start}", "steps=1", "rehearsal.share=0.5", "optimizer.start_share=0.5",
    ):  # fmt: skip
        arguments += ["--set", change]
    assert load_script(repository, "train").main(arguments) == 0
    shown = capsys.readouterr().out
    assert "6000 expressions to train on, 1 to choose by" in shown
    assert "Of 1 expressions that were neither trained on nor chosen by, 0.0% were" in shown
    record = json.loads((tmp_path / "run" / "held_out.json").read_text())
    assert (record["before"], record["after"]) == (0.0, 0.0)
    own = load_custom(folder)
    assert record["test"] == [one.id for one in own.test]
    assert record["dev"] == [one.id for one in own.dev]
