"""The model, in the manner of transformers' ModelTester: small sizes, every promise checked."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from inktex.modeling.configuration_inktex import InktexConfig
from inktex.modeling.decoder_inktex import CoverageKey
from inktex.modeling.grammar_inktex import Grammar
from inktex.modeling.modeling_inktex import (
    InktexForConditionalGeneration,
    attention_loss,
    symbol_loss,
)

VOCABULARY, HIDDEN = 40, 32


def small_config(**changes: Any) -> InktexConfig:
    encoder = {
        "stem_channels": [4, 8],
        "block_layers": [1, 2, 2],
        "growth_rates": [4, 8, 8],
        "bottleneck_factors": [0, 2, 2],
        "fusion_channels": 24,
        "hidden_size": HIDDEN,
        "num_symbol_labels": VOCABULARY,
    }
    decoder = {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "guided_layers": [0, 1],
        "guided_heads": 2,
        "max_position_embeddings": 32,
    }
    return InktexConfig(encoder=encoder, decoder=decoder, **changes)


@pytest.fixture
def model() -> InktexForConditionalGeneration:
    torch.manual_seed(0)
    # Tied weights make an untrained model repeat its last token for ever.
    net = InktexForConditionalGeneration(small_config(tie_word_embeddings=False))
    for module in net.modules():  # statistics as a trained model has them, not zero and one
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.get_buffer("running_mean"), -0.2, 0.2)
            torch.nn.init.uniform_(module.get_buffer("running_var"), 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
    return net.eval()


@pytest.fixture(scope="module")
def taught() -> InktexForConditionalGeneration:
    """A model that has learnt three pictures by heart, so that it says different things."""
    torch.manual_seed(0)
    net = InktexForConditionalGeneration(small_config()).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    captions = torch.tensor(
        [[7, 8, 9, 10, 2, -100, -100], [11, 7, 2, *[-100] * 4], [12, 13, 8, 14, 15, 16, 2]]
    )
    for _ in range(60):
        loss = net(some_pictures(), labels=captions).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return net.eval()


def some_pictures() -> torch.Tensor:
    noise = torch.rand(3, 1, 48, 80, generator=torch.Generator().manual_seed(1))
    return (noise > torch.tensor([0.99, 0.8, 0.3]).view(3, 1, 1, 1)).float()


@pytest.fixture
def pictures() -> torch.Tensor:
    return some_pictures()


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(5, VOCABULARY, (3, 7), generator=torch.Generator().manual_seed(2))


def test_shapes(
    model: InktexForConditionalGeneration, pictures: torch.Tensor, tokens: torch.Tensor
) -> None:
    encoded = model.get_encoder()(pictures, output_symbols=True)
    assert encoded.last_hidden_state.shape == (3, 6 * 10, HIDDEN)
    assert encoded.grid_shape.tolist() == [[6, 10]] * 3
    assert encoded.symbol_logits.shape == (3, 60, VOCABULARY)
    output = model(pictures, decoder_input_ids=tokens, output_guided=True)
    assert output.logits.shape == (3, 7, VOCABULARY)
    assert [tuple(g.shape) for g in output.guided_logits] == [(3, 2, 7, 60)] * 2


def test_a_picture_of_any_size_is_taken(model: InktexForConditionalGeneration) -> None:
    encoded = model.get_encoder()(torch.zeros(1, 1, 33, 50))
    assert encoded.grid_shape.tolist() == [[6, 8]]  # padded to multiples of 16
    assert encoded.attention_mask.view(6, 8)[:5, :7].all()
    assert not encoded.attention_mask.view(6, 8)[5:].any()


def test_batch_equals_single_whatever_the_padding(model: InktexForConditionalGeneration) -> None:
    generator = torch.Generator().manual_seed(3)
    sizes = [(32, 64), (48, 96), (48, 32)]
    singles = [(torch.rand(1, 1, h, w, generator=generator) > 0.8).float() for h, w in sizes]
    batch, mask = torch.zeros(3, 1, 64, 112), torch.zeros(3, 64, 112)
    for i, (h, w) in enumerate(sizes):
        batch[i, :, :h, :w] = singles[i][0]
        mask[i, :h, :w] = 1
    together = model.generate(pixel_values=batch, pixel_mask=mask, max_new_tokens=12)
    ids = torch.randint(5, VOCABULARY, (3, 6), generator=generator)
    logits = model(batch, mask, decoder_input_ids=ids).logits
    for i, single in enumerate(singles):
        alone = model(single, decoder_input_ids=ids[i : i + 1]).logits
        torch.testing.assert_close(logits[i : i + 1], alone, atol=2e-5, rtol=1e-4)
        read = model.generate(pixel_values=single, max_new_tokens=12)[0]
        assert together[i, : len(read)].tolist() == read.tolist()


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_with_cache_equals_without(
    taught: InktexForConditionalGeneration, pictures: torch.Tensor, beams: int
) -> None:
    padded = torch.nn.functional.pad(pictures, (0, 32, 0, 16))
    mask = torch.nn.functional.pad(torch.ones(3, 48, 80), (0, 32, 0, 16))
    read = [
        taught.generate(
            pixel_values=padded,
            pixel_mask=mask,
            num_beams=beams,
            max_new_tokens=14,
            use_cache=use_cache,
        )
        for use_cache in (True, False)
    ]
    assert read[0].tolist() == read[1].tolist()
    assert read[0][:, 1:4].tolist() == [[7, 8, 9], [11, 7, 2], [12, 13, 8]]


def test_static_cache_equals_dynamic(
    model: InktexForConditionalGeneration, pictures: torch.Tensor
) -> None:
    read = [
        model.generate(pixel_values=pictures, max_new_tokens=8, cache_implementation=kind)
        for kind in (None, "static")
    ]
    assert read[0].tolist() == read[1].tolist()


def test_steps_equal_one_pass(
    model: InktexForConditionalGeneration, pictures: torch.Tensor, tokens: torch.Tensor
) -> None:
    whole = model(pictures, decoder_input_ids=tokens, use_cache=False).logits
    encoded = model.get_encoder()(pictures)
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    steps = [
        model(
            encoder_outputs=encoded,
            decoder_input_ids=tokens[:, i : i + 1],
            past_key_values=cache,
        ).logits
        for i in range(tokens.shape[1])
    ]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=1e-4)


def test_later_tokens_do_not_change_earlier_ones(
    model: InktexForConditionalGeneration, pictures: torch.Tensor, tokens: torch.Tensor
) -> None:
    changed = tokens.clone()
    changed[:, 4:] = 5
    before = model(pictures, decoder_input_ids=tokens).logits[:, :4]
    after = model(pictures, decoder_input_ids=changed).logits[:, :4]
    torch.testing.assert_close(before, after)


@torch.no_grad()
def test_sdpa_equals_eager(
    model: InktexForConditionalGeneration, pictures: torch.Tensor, tokens: torch.Tensor
) -> None:
    mask = torch.ones(3, 48, 80)
    mask[0, :, 32:] = 0
    arguments = {"decoder_input_ids": tokens, "output_guided": True}
    assert model.config._attn_implementation == "sdpa"
    fast = model(pictures, mask, **arguments)
    model.set_attn_implementation("eager")
    slow = model(pictures, mask, output_attentions=True, **arguments)
    torch.testing.assert_close(fast.logits, slow.logits, atol=1e-5, rtol=1e-4)
    assert fast.cross_attentions is None
    # A guided head's logits are those of the very attention that the layer uses.
    torch.testing.assert_close(
        fast.guided_logits[1].softmax(-1), slow.cross_attentions[1][:, :2], atol=1e-5, rtol=1e-4
    )
    assert slow.cross_attentions[0][0, ..., 5::10].max() == 0, "padding is attended to"


def test_attention_is_the_same_where_it_is_learnt(
    pictures: torch.Tensor, tokens: torch.Tensor
) -> None:
    config = small_config()
    config.decoder.update({"location_feedback": True, "coverage_feedback": True})
    model = InktexForConditionalGeneration(config).eval()
    for module in model.modules():
        if isinstance(module, CoverageKey):  # untrained it gains nothing
            torch.nn.init.normal_(module.weight)
    mask = torch.ones(3, 48, 80)
    mask[0, :, 32:] = 0
    seen = torch.ones_like(tokens)
    seen[1, 1:3] = 0
    covered = torch.rand(3, tokens.shape[1], 60, generator=torch.Generator().manual_seed(5))
    locations = torch.full((*tokens.shape, 2), 2.0)
    arguments: dict[str, Any] = {
        "decoder_input_ids": tokens, "decoder_attention_mask": seen, "locations": locations,
        "covered": covered, "output_guided": True,
    }  # fmt: skip
    for implementation in ("sdpa", "eager"):
        model.set_attn_implementation(implementation)
        learning = model(pictures, mask, **arguments)
        with torch.no_grad():
            reading = model(pictures, mask, **arguments)
        torch.testing.assert_close(learning.logits, reading.logits, atol=1e-5, rtol=1e-4)
        for ours, theirs in zip(learning.guided_logits, reading.guided_logits, strict=True):
            shares = (one.softmax(dim=-1) for one in (ours, theirs))
            torch.testing.assert_close(*shares, atol=1e-5, rtol=1e-4)
    without = model(pictures, mask, **{**arguments, "covered": torch.zeros_like(covered)})
    assert not torch.allclose(without.logits, learning.logits, atol=1e-3)


def test_several_sequences_may_share_a_picture(
    model: InktexForConditionalGeneration, pictures: torch.Tensor
) -> None:
    pairs = torch.randint(5, VOCABULARY, (6, 5), generator=torch.Generator().manual_seed(4))
    shared = model(pictures, decoder_input_ids=pairs, output_guided=True)
    repeated = model(pictures.repeat_interleave(2, 0), decoder_input_ids=pairs, output_guided=True)
    torch.testing.assert_close(shared.logits, repeated.logits, atol=1e-5, rtol=1e-4)
    for ours, theirs in zip(shared.guided_logits, repeated.guided_logits, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_save_and_reload(pictures: torch.Tensor, tokens: torch.Tensor, tmp_path: Path) -> None:
    model = InktexForConditionalGeneration(small_config()).eval()
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    again = InktexForConditionalGeneration.from_pretrained(tmp_path).eval()
    for ours, theirs in (
        (again.config.encoder, model.config.encoder),
        (again.config.decoder, model.config.decoder),
    ):
        for key in vars(small_config().encoder) | vars(small_config().decoder):
            if not key.startswith("_") and key not in ("dtype", "transformers_version"):
                assert getattr(ours, key, None) == getattr(theirs, key, None), key
    assert again.lm_head.weight is again.decoder.embed_tokens.weight
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    expected = model(pictures, decoder_input_ids=tokens).logits
    torch.testing.assert_close(again(pictures, decoder_input_ids=tokens).logits, expected)


def test_every_parameter_learns(
    model: InktexForConditionalGeneration, pictures: torch.Tensor, tokens: torch.Tensor
) -> None:
    model.train()
    attention_target = torch.rand(3, 7, 60)
    output = model(
        pictures,
        labels=tokens,
        symbol_labels=torch.randint(0, VOCABULARY, (3, 60)),
        attention_target=attention_target / attention_target.sum(-1, keepdim=True),
        label_smoothing=0.1,
    )
    expected = output.token_loss + output.symbol_loss + output.attention_loss
    torch.testing.assert_close(output.loss, expected)
    output.loss.backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    # A key's bias shifts all scores of a query alike, which the softmax does not see.
    assert [name for name in still if not name.endswith("k_proj.bias")] == []


def test_gradient_checkpointing_gives_the_same_gradients(
    model: InktexForConditionalGeneration, pictures: torch.Tensor, tokens: torch.Tensor
) -> None:
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            model.gradient_checkpointing_enable()
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout | torch.nn.Dropout2d):
                module.p = 0.0
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()  # its statistics would move twice
        model.zero_grad()
        model(pictures, labels=tokens).loss.backward()
        gradients.append(
            {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        )
    assert model.is_gradient_checkpointing
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_bfloat16_runs(
    model: InktexForConditionalGeneration, pictures: torch.Tensor, tokens: torch.Tensor
) -> None:
    exact = model(pictures, decoder_input_ids=tokens).logits
    half = model.to(torch.bfloat16)
    rough = half(pictures.bfloat16(), decoder_input_ids=tokens).logits
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).abs().mean() < 0.1 * exact.abs().mean()
    assert half.generate(pixel_values=pictures.bfloat16(), max_new_tokens=4).shape[0] == 3


def test_labels_make_their_own_inputs(
    model: InktexForConditionalGeneration, pictures: torch.Tensor
) -> None:
    labels = torch.tensor([[7, 8, 2, -100]] * 3)
    inputs = torch.tensor([[3, 7, 8, 2]] * 3)
    ours = model(pictures, labels=labels)
    theirs = model(pictures, decoder_input_ids=inputs, use_cache=False)
    torch.testing.assert_close(ours.logits, theirs.logits)
    expected = torch.nn.functional.cross_entropy(
        theirs.logits[:, :3].flatten(0, 1), labels[:, :3].flatten()
    )
    torch.testing.assert_close(ours.loss, expected)


def test_reads_right_to_left_by_its_start_token(
    model: InktexForConditionalGeneration, pictures: torch.Tensor
) -> None:
    read = [
        model.generate(pixel_values=pictures, max_new_tokens=6, decoder_start_token_id=start)
        for start in (model.config.decoder_start_token_id, model.config.reverse_start_token_id)
    ]
    assert [ids[0, 0].item() for ids in read] == [3, 4]


def test_losses_by_hand() -> None:
    logits = torch.zeros(1, 3, 4)
    # Even logits cost log 4 a cell, however the cells are weighed; ignored cells cost nothing.
    loss = symbol_loss(logits, torch.tensor([[0, 2, -100]]))
    torch.testing.assert_close(loss, torch.tensor(4.0).log())
    attention_target = torch.zeros(1, 2, 5)
    attention_target[0, 0, :2] = 0.5
    torch.testing.assert_close(
        attention_loss((torch.zeros(1, 3, 2, 5),), attention_target), torch.tensor(5.0).log()
    )
    assert attention_loss((torch.zeros(1, 3, 2, 5),), torch.zeros(1, 2, 5)) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoder": {"block_layers": [1, 2]}}, "same number of entries"),
        ({"encoder": {"hidden_size": 64}}, "must be equal"),
        ({"decoder": {"hidden_size": 30, "num_attention_heads": 4}}, "multiple"),
        ({"decoder": {"guided_layers": [5]}}, "does not exist"),
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        InktexConfig(**change)


def test_missing_inputs_are_named(model: InktexForConditionalGeneration) -> None:
    with pytest.raises(ValueError, match="pixel_values"):
        model(decoder_input_ids=torch.tensor([[3]]))
    with pytest.raises(ValueError, match="decoder_input_ids"):
        model(torch.zeros(1, 1, 32, 32))


def test_the_model_that_ships_is_small() -> None:
    with torch.device("meta"):
        count = InktexForConditionalGeneration(InktexConfig()).num_parameters()
    assert count < 8_000_000


def test_a_saved_model_reads_as_long_as_it_can(tmp_path: Path) -> None:
    config = small_config()
    config.decoder.token_temperature = 0.5
    fresh = InktexForConditionalGeneration(config)
    fresh.save_pretrained(tmp_path)
    for model in (fresh, InktexForConditionalGeneration.from_pretrained(tmp_path)):
        generation = model.generation_config
        assert generation.max_length == config.decoder.max_position_embeddings
        assert generation.temperature in (None, 1.0)
        assert model.config.decoder.token_temperature == 0.5


def test_a_configuration_of_0_1_loads() -> None:
    """The one that 0.1 shipped."""
    path = Path(__file__).parent / "stored" / "config-0.1.json"
    config = InktexConfig.from_pretrained(path)
    decoder = config.decoder
    assert (decoder.token_temperature, decoder.rescoring_temperature) == (0.7977, 2.0314)
    assert decoder.vocab_size == 250
    assert decoder.location_feedback
    assert decoder.coverage_feedback
    assert Grammar(decoder.vocab_size, decoder.grammar).end == 2
    saved = config.to_dict()["decoder"]
    assert not {"temperature", "judges_temperature"} & saved.keys()
    again = InktexConfig.from_dict(config.to_dict()).decoder
    assert again.rescoring_temperature == 2.0314
    with torch.device("meta"):
        model = InktexForConditionalGeneration(config)
    assert model.num_parameters() == 6_833_050


def test_a_folder_of_0_1_reads_as_long_as_it_can(tmp_path: Path) -> None:
    config = small_config()
    config.decoder.token_temperature = 0.7977
    InktexForConditionalGeneration(config).save_pretrained(tmp_path)
    old = json.loads((tmp_path / "config.json").read_text())
    old["decoder"]["temperature"] = old["decoder"].pop("token_temperature")
    (tmp_path / "config.json").write_text(json.dumps(old))
    settings = json.loads((tmp_path / "generation_config.json").read_text())
    del settings["max_length"]
    (tmp_path / "generation_config.json").write_text(json.dumps(settings | {"temperature": 0.7977}))
    model = InktexForConditionalGeneration.from_pretrained(tmp_path)
    assert model.generation_config.max_length == config.decoder.max_position_embeddings
    assert model.generation_config.temperature in (None, 1.0)
    assert model.config.decoder.token_temperature == 0.7977
