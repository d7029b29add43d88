"""Pictures and LaTeX into the model, tokens out of it as LaTeX that compiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inktex
from inktex.ink.render import render
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.processing_inktex import InktexProcessor
from inktex.tokenizer.tokenization_inktex import InktexTokenizer, build_tokenizer
from inktex.tokenizer.vocabulary_inktex import IDS

PICTURE = render(
    [
        np.array([[0, 0], [20, 40]], dtype=np.float32),
        np.array([[20, 0], [0, 40]], dtype=np.float32),
    ]
)


@pytest.fixture(scope="module")
def processor() -> Any:
    return InktexProcessor(InktexImageProcessor(), build_tokenizer())


def test_pictures_and_text(processor: Any) -> None:
    inputs = processor(images=[PICTURE, PICTURE], text=["x", "x ^ { 2 }"])
    assert set(inputs) == {"pixel_values", "pixel_mask", "labels"}
    assert set(inputs) == set(processor.model_input_names)
    assert inputs["pixel_values"].shape[:2] == (2, 1)
    # Without the start token: the model puts it there.
    assert inputs["labels"].tolist() == [
        [IDS["x"], IDS["</s>"], -100, -100, -100, -100],
        [*(IDS[token] for token in "x ^ { 2 }".split()), IDS["</s>"]],
    ]


def test_either_alone(processor: Any) -> None:
    assert set(processor(images=PICTURE)) == {"pixel_values", "pixel_mask"}
    assert set(processor(PICTURE, return_tensors="np")) == {"pixel_values", "pixel_mask"}
    assert processor(text="x").labels.tolist() == [[IDS["x"], IDS["</s>"]]]


def test_settings_may_be_given_for_some_pictures(processor: Any) -> None:
    plain = processor(images=PICTURE)["pixel_values"]
    large = processor(images=[PICTURE], resolution=1.0, pad_multiple=1)["pixel_values"]
    own = InktexImageProcessor(resolution=1.0, pad_multiple=1)(PICTURE, return_tensors="pt")
    assert torch.equal(large, own["pixel_values"])
    nested = processor(images=[PICTURE], images_kwargs={"resolution": 1.0, "pad_multiple": 1})
    assert torch.equal(nested["pixel_values"], own["pixel_values"])
    assert large.shape != plain.shape
    assert torch.equal(processor(images=PICTURE)["pixel_values"], plain), "it was for one call"
    with pytest.raises(ValueError, match=r"no setting resize\. It has resolution, symbol_height"):
        processor(images=PICTURE, resize=True)


def test_what_is_wrong_is_said(processor: Any) -> None:
    with pytest.raises(ValueError, match="images, text or both"):
        processor()
    with pytest.raises(ValueError, match="1 pictures, but 2 texts"):
        processor(images=PICTURE, text=["x", "y"])


def test_decoding(processor: Any) -> None:
    ids = processor.tokenizer([r"\alpha x", r"\frac{1}{2}"], padding=True, return_tensors="pt")
    ids = ids["input_ids"]
    texts = processor.batch_decode(ids, skip_special_tokens=True)
    assert texts == [r"\alpha x", r"\frac { 1 } { 2 }"]
    assert processor.decode(ids[0], skip_special_tokens=True) == r"\alpha x"
    assert processor.post_process(ids) == [r"\alpha x", r"\frac{1}{2}"]
    assert processor.post_process_image_text_to_text(ids) == [r"\alpha x", r"\frac{1}{2}"]
    assert processor.post_process_image_text_to_text(ids[1].numpy()) == [r"\frac{1}{2}"]
    (spelled,) = processor.post_process_image_text_to_text(ids[:1], skip_special_tokens=False)
    assert spelled.split()[:3] == ["<l2r>", r"\alpha", "x"]
    scored = processor.post_process(ids, scores=torch.tensor([0.5, 0.25]))
    assert scored == [(r"\alpha x", 0.5), (r"\frac{1}{2}", 0.25)]


def test_unfinished_latex_is_finished(processor: Any) -> None:
    ids = [[IDS[token] for token in ("<l2r>", r"\frac", "{", "x", "^")]]
    assert processor.post_process(torch.tensor(ids)) == [r"\frac{x^{}}{}"]


def test_save_and_load(processor: Any, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    inktex.register()
    loaded = InktexProcessor.from_pretrained(tmp_path)
    assert isinstance(loaded.tokenizer, InktexTokenizer)
    assert isinstance(loaded.image_processor, InktexImageProcessor)
    first, second = (kind(PICTURE)["pixel_values"] for kind in (processor, loaded))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
