"""What transformers asks of every model, on a tiny one: the checks of its own common suite."""

import copy
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from test_modeling import VOCABULARY, small_config, some_pictures

from inktex.modeling.modeling_inktex import InktexForConditionalGeneration, InktexModel

TOKENS = torch.tensor([[3, 7, 8, 9], [3, 11, 7, 5], [3, 12, 13, 8]])
FEEDBACK = {"location_feedback": True, "coverage_feedback": True}
CLASSES = (InktexModel, InktexForConditionalGeneration)


def make(kind: Any = InktexForConditionalGeneration, **decoder: Any) -> Any:
    torch.manual_seed(0)
    config = small_config(tie_word_embeddings=False)
    config.decoder.update(decoder)
    return kind(config).eval()


def inputs(**more: Any) -> dict[str, Any]:
    return {"pixel_values": some_pictures(), "decoder_input_ids": TOKENS, **more}


def first(output: Any) -> torch.Tensor:
    """Hidden states, or logits."""
    found: torch.Tensor = output["last_hidden_state" if "logits" not in output else "logits"]
    return found


@pytest.mark.parametrize("kind", CLASSES)
def test_forward_signature(kind: Any) -> None:
    names = list(inspect.signature(kind.forward).parameters)
    assert names[1] == kind.main_input_name == "pixel_values"
    assert {"decoder_input_ids", "encoder_outputs", "past_key_values", "use_cache"} <= {*names}


@pytest.mark.parametrize("kind", CLASSES)
def test_determinism(kind: Any) -> None:
    model = make(kind, **FEEDBACK)
    with torch.no_grad():
        assert torch.equal(*(first(model(**inputs())) for _ in range(2)))


@pytest.mark.parametrize("kind", CLASSES)
def test_save_and_load(kind: Any, tmp_path: Path) -> None:
    model = make(kind, **FEEDBACK)
    model.save_pretrained(tmp_path)
    again, report = kind.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[name] for name in ("missing_keys", "unexpected_keys"))
    with torch.no_grad():
        assert torch.equal(first(again.eval()(**inputs())), first(model(**inputs())))


def test_the_base_model_loads_from_the_whole_one(tmp_path: Path) -> None:
    whole = make(**FEEDBACK)
    whole.save_pretrained(tmp_path)
    base, report = InktexModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    with torch.no_grad():
        hidden = base.eval()(**inputs()).last_hidden_state
        torch.testing.assert_close(whole.lm_head(hidden), whole(**inputs()).logits)


@pytest.mark.parametrize("kind", CLASSES)
def test_tuple_equals_dictionary(kind: Any) -> None:
    model = make(kind)
    asked = {"output_attentions": True, "output_hidden_states": True, "use_cache": False}
    model.set_attn_implementation("eager")
    with torch.no_grad():
        output = model(**inputs(), **asked)
        row = model(**inputs(), **asked, return_dict=False)
        model.config.return_dict = False
        configured = model(**inputs(), **asked)
    assert isinstance(row, tuple)
    assert len(row) == len(configured) == len(output.to_tuple())
    assert torch.equal(row[0], output[0])
    assert torch.equal(configured[0], output[0])


def test_attentions_and_hidden_states_have_their_shapes() -> None:
    model = make()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        output = model(**inputs(), output_attentions=True, output_hidden_states=True)
    layers, heads, size = 2, 4, 32
    assert [tuple(one.shape) for one in output.decoder_attentions] == [(3, heads, 4, 4)] * layers
    assert [tuple(one.shape) for one in output.cross_attentions] == [(3, heads, 4, 60)] * layers
    shapes = [tuple(one.shape) for one in output.decoder_hidden_states]
    assert shapes == [(3, 4, size)] * (layers + 1)
    assert output.encoder_last_hidden_state.shape == (3, 60, size)
    for one in (*output.decoder_attentions, *output.cross_attentions):
        torch.testing.assert_close(one.sum(dim=-1), torch.ones(one.shape[:-1]))


@pytest.mark.parametrize("name", ["eager", "sdpa"])
def test_attention_implementations_are_set_by_name(name: str, tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    model = InktexForConditionalGeneration.from_pretrained(tmp_path, attn_implementation=name)
    assert model.config._attn_implementation == name
    assert model.config.decoder._attn_implementation == name
    with pytest.raises((ValueError, ImportError)):
        InktexForConditionalGeneration.from_pretrained(tmp_path, attn_implementation="no_such")


def test_gradients_are_kept_for_hidden_states_and_attentions() -> None:
    model = make().train()
    model.set_attn_implementation("eager")
    output = model(**inputs(), output_attentions=True, output_hidden_states=True)
    kept = [
        output.encoder_last_hidden_state, output.decoder_hidden_states[0],
        output.decoder_attentions[0], output.cross_attentions[0],
    ]  # fmt: skip
    for one in kept:
        one.retain_grad()
    output.logits.flatten()[0].backward()
    assert all(one.grad is not None for one in kept)


@pytest.mark.parametrize("feedback", [{}, FEEDBACK])
def test_gradient_checkpointing_changes_nothing(feedback: dict[str, Any]) -> None:
    found = []
    for uses_checkpoints in (False, True):
        model = make(**feedback, dropout=0.0).train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout2d | torch.nn.BatchNorm2d):
                module.eval()  # random, or its statistics would move twice
        if uses_checkpoints:
            model.gradient_checkpointing_enable()
        loss = model(some_pictures(), labels=TOKENS).loss
        loss.backward()
        found.append([one.grad for one in model.parameters() if one.grad is not None])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("tie", [False, True])
def test_embeddings_can_be_resized(tie: bool) -> None:
    model = InktexForConditionalGeneration(small_config(tie_word_embeddings=tie)).eval()
    with torch.no_grad():
        before = model(**inputs()).logits
        model.resize_token_embeddings(VOCABULARY + 5)
        after = model(**inputs()).logits
    assert after.shape[-1] == VOCABULARY + 5
    torch.testing.assert_close(after[..., :VOCABULARY], before)
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == tie
    replaced = torch.nn.Embedding(VOCABULARY + 5, 32)
    model.set_input_embeddings(replaced)
    assert model.get_input_embeddings() is replaced


@pytest.mark.parametrize("feedback", [{}, FEEDBACK])
def test_a_batch_equals_its_pictures(feedback: dict[str, Any]) -> None:
    model = make(**feedback)
    with torch.no_grad():
        together = first(model(**inputs()))
        for row, picture in enumerate(some_pictures()):
            alone = model(picture[None], decoder_input_ids=TOKENS[row : row + 1])
            torch.testing.assert_close(first(alone)[0], together[row], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_load_in_a_dtype(dtype: torch.dtype, tmp_path: Path) -> None:
    make(**FEEDBACK).save_pretrained(tmp_path)
    for asked in (dtype, str(dtype).removeprefix("torch.")):
        model = InktexForConditionalGeneration.from_pretrained(tmp_path, dtype=asked)
        assert model.dtype == dtype
        assert {one.dtype for one in model.parameters()} == {dtype}
    model.save_pretrained(tmp_path / "again")
    again = InktexForConditionalGeneration.from_pretrained(tmp_path / "again", dtype="auto")
    assert again.dtype == dtype
    if dtype == torch.bfloat16:
        ids = again.eval().generate(pixel_values=some_pictures().bfloat16(), max_new_tokens=3)
        assert ids.shape[0] == 3


def test_a_model_can_be_copied_and_its_configuration_is_not_shared() -> None:
    model = make()
    twin = InktexForConditionalGeneration(copy.deepcopy(model.config))
    assert twin.config.to_dict() == model.config.to_dict()
    assert twin.config.decoder is not model.config.decoder


def test_cached_generation_equals_a_pass_without_cache() -> None:
    model = make(**FEEDBACK)
    ids = model.generate(pixel_values=some_pictures(), max_new_tokens=6, do_sample=False)
    again = model.generate(
        pixel_values=some_pictures(), max_new_tokens=6, do_sample=False, num_beams=1,
        return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    assert torch.equal(ids, again.sequences)
    assert len(again.scores) == ids.shape[1] - 1
