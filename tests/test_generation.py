"""Generation: the grammar, loops, both directions, and the probabilities."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from pylatexenc.latexwalker import LatexWalker
from transformers import LogitsProcessorList

from inktex.modeling.configuration_inktex import InktexConfig
from inktex.modeling.generation_inktex import (
    decode,
    generate_with_details,
    generate_with_probabilities,
    sequence_logits,
    token_log_probabilities,
)
from inktex.modeling.grammar_inktex import (
    FormulaStates,
    Grammar,
    GrammarLogitsProcessor,
    is_formula,
    looping,
)
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.modeling.rescoring_inktex import rescale
from inktex.modeling.search_inktex import Decoded, SearchTask, search
from inktex.modeling.step_inktex import make_step
from inktex.synthesis.random_captions import random_caption
from inktex.tokenizer.compact_inktex import compact
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import GRAMMAR, IDS, SPECIAL_TOKENS, VOCABULARY

RULES = Grammar(len(VOCABULARY), GRAMMAR)
END = IDS["</s>"]


def ids(caption: str) -> list[int]:
    return [IDS[token] for token in caption.split()]


def words(tokens: Iterable[int]) -> list[str]:
    return [VOCABULARY[i] for i in tokens if VOCABULARY[i] not in SPECIAL_TOKENS]


def small_model(**decoder: Any) -> InktexForConditionalGeneration:
    """Random weights, which write nothing but nonsense."""
    torch.manual_seed(0)
    config = InktexConfig(
        encoder={
            "stem_channels": [4, 8],
            "block_layers": [1, 1],
            "growth_rates": [4, 8],
            "bottleneck_factors": [0, 2],
            "fusion_channels": 16,
            "hidden_size": 32,
        },
        decoder={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 32,
            "guided_layers": [1],
            "guided_heads": 1,
            "initializer_range": 0.4,
            "grammar": GRAMMAR,
            **decoder,
        },
    )
    return InktexForConditionalGeneration(config).eval()


def log_probability(model: Any, memory: Any, sequences: torch.Tensor) -> torch.Tensor:
    logits, _ = sequence_logits(model, memory, sequences)
    return token_log_probabilities(logits, sequences, END).sum(dim=1)


def at_size(pictures: dict[str, torch.Tensor], scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels and mask of a batch at another size."""
    found = rescale(pictures["pixel_values"].numpy(), pictures["pixel_mask"].numpy(), scale)
    return torch.from_numpy(found[0]), torch.from_numpy(found[1])


def of_pictures(found: Decoded) -> list[list[tuple[tuple[int, ...], float]]]:
    """For each picture its sequences and their log-probabilities."""
    every: list[list[tuple[tuple[int, ...], float]]] = [[] for _ in {*found.pictures.tolist()}]
    rows = zip(found.pictures, found.tokens(END), found.log_probabilities, strict=True)
    for picture, tokens, score in rows:
        every[picture].append((tokens, float(score)))
    return every


@pytest.fixture(scope="module")
def model() -> InktexForConditionalGeneration:
    return small_model()


@pytest.fixture(scope="module")
def pictures() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"pixel_values": torch.rand(3, 1, 48, 64).round(), "pixel_mask": torch.ones(3, 48, 64)}


# ---------------------------------------------------------------------------------------- grammar


@pytest.mark.parametrize(
    "caption",
    [
        "x",
        "x _ { 1 } ^ { 2 }",
        r"\frac { a } { b } ^ { 2 }",
        r"\sqrt [ 3 ] { [ x ] }",
        r"\sum \limits _ { i = 1 } ^ { n } i",
        r"\int \limits ^ { 1 } x",
        r"[ \hat { x } , \mathbb { R } ]",
        "( x ) ^ { y ^ { z } }",
    ],
)
def test_formulas_are_formulas(caption: str) -> None:
    assert is_formula(RULES, ids(caption))
    assert is_formula(RULES, [*ids(caption), END])


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "{ x }",
        "x }",
        "^ { 2 }",
        "x ^ 2",
        "x ^ { }",
        "x ^ { 2",
        "x ^ { 2 } ^ { 3 }",
        "x ^ { 2 } _ { 3 }",
        r"\frac { a }",
        r"\frac { a } b",
        r"\sqrt [ 3 { x }",
        r"\sqrt [ ] { x }",
        r"\sqrt x",
        r"x \limits _ { 1 }",
        r"\sum \limits",
        r"\sum \limits x",
        "x <pad>",
    ],
)
def test_what_is_no_formula_is_none(caption: str) -> None:
    assert not is_formula(RULES, ids(caption))


def test_every_random_caption_is_a_formula() -> None:
    rng = np.random.default_rng(0)
    assert all(is_formula(RULES, [IDS[t] for t in random_caption(rng, 3)]) for _ in range(300))


def test_random_walks_are_canonical_compile_and_end_in_time() -> None:
    """Whatever the model prefers: here it likes to open things."""
    rng = np.random.default_rng(5)
    fond = torch.zeros(len(VOCABULARY))
    fond[[IDS[t] for t in ("^", "_", r"\frac", r"\sqrt", "[", r"\limits")]] = 4.0
    for longest in (4, 7, 9, 20, 20, 60, 60, 60):
        for _ in range(15):
            processor = GrammarLogitsProcessor(RULES, longest)
            row = [IDS["<l2r>"]]
            while row[-1] != END:
                assert len(row) < longest, words(row)
                noise = torch.from_numpy(rng.gumbel(size=len(VOCABULARY))).float()
                scores = processor(torch.tensor([row]), (fond + noise)[None])
                row.append(int(scores.argmax()))
            tokens = words(row)
            assert is_formula(RULES, row[1:])
            LatexWalker(compact(tokens), tolerant_parsing=False).get_latex_nodes()
            # `\limits` is a matter of style that the grammar leaves to the model, and so are words.
            style = {r"\limits", r"\sum", r"\int", r"\lim", r"\text", r"\bmod"}
            if not style & set(tokens):
                assert normalize(" ".join(tokens)) == tokens


def test_formula_states_allow_what_generate_is_allowed() -> None:
    rng = np.random.default_rng(2)
    captions = [[*ids(" ".join(random_caption(rng, 3)))[:18], END] for _ in range(12)]
    captions += [ids("1 " * 22), ids(r"\sqrt [ 3 ] { x } ^")]
    scores = torch.zeros(1, len(VOCABULARY))
    for row in captions:
        growing = FormulaStates(RULES, 1, longest=24)
        processor = GrammarLogitsProcessor(RULES, longest=25)
        for place, token in enumerate(row):
            allowed = processor(torch.tensor([[IDS["<l2r>"], *row[:place]]]), scores)[0]
            np.testing.assert_array_equal(growing.allowed()[0], allowed.numpy() == 0)
            growing.append([token])


def test_a_grammar_names_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="subscript"):
        Grammar(250, {key: value for key, value in GRAMMAR.items() if key != "subscript"})


@pytest.mark.parametrize(
    ("caption", "token"),
    [
        ("1 " * 19, "1"),
        ("1 " * 18, None),
        ("x + " * 9 + "x", "+"),
        ("x + " * 8 + "x", None),
        ("x + y + z = " * 4 + "x + y + z", "="),
        ("a b c", None),
    ],
)
def test_loops_are_noticed(caption: str, token: str | None) -> None:
    assert looping(ids(caption)) == (None if token is None else IDS[token])


# ------------------------------------------------------------------------------------- generation


@pytest.mark.parametrize("beams", [1, 3])
def test_nonsense_is_grammatical(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor], beams: int
) -> None:
    rows = model.generate(**pictures, num_beams=beams, max_new_tokens=24, do_sample=False)
    for row in rows.tolist():
        assert is_formula(RULES, row[1 : row.index(END)]), words(row)


def test_without_rules_anything_goes(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    free = InktexForConditionalGeneration(
        InktexConfig.from_dict(
            {
                **model.config.to_dict(),
                "decoder": {**model.config.decoder.to_dict(), "grammar": None},
            }
        )
    ).eval()
    free.load_state_dict(model.state_dict())

    def fond_of_scripts(_: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        liked = scores.clone()
        liked[:, IDS["^"]] += 1000
        return liked

    for reader, expected in ((free, False), (model, True)):
        rows = reader.generate(
            **pictures,
            max_new_tokens=24,
            do_sample=False,
            logits_processor=LogitsProcessorList([fond_of_scripts]),
        )
        assert all(is_formula(RULES, row[1:]) == expected for row in rows.tolist())


def test_greedy_search_is_that_of_generate(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    found = generate_with_details(model, pictures, max_new_tokens=24)
    expected = model.generate(**pictures, num_beams=1, do_sample=False, max_new_tokens=24)
    assert found.sequences.tolist() == expected.tolist()
    memory = model.get_encoder()(**pictures)
    logits, attention = sequence_logits(model, memory, expected)
    scores = token_log_probabilities(logits, expected, END)
    assert found.token_log_probabilities is not None
    np.testing.assert_allclose(found.token_log_probabilities, scores, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found.log_probabilities, scores.sum(dim=1), atol=1e-3)
    assert found.attention is not None
    assert attention is not None
    alive = (expected[:, :-1] == END).cumsum(dim=1) == 0
    laid_out = torch.from_numpy(found.attention).flatten(2)
    torch.testing.assert_close(laid_out[alive], attention[alive], atol=1e-5, rtol=1e-4)


def test_the_grammar_survives_saving(
    model: InktexForConditionalGeneration, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    again = InktexForConditionalGeneration.from_pretrained(folder)
    assert again.grammar is not None
    assert again.config.decoder.grammar == GRAMMAR


def test_the_generation_config_may_name_a_preset(
    pictures: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = small_model()
    model.generation_config.preset = "accurate"
    folder = tmp_path_factory.mktemp("preset")
    model.save_pretrained(folder)
    again = InktexForConditionalGeneration.from_pretrained(folder).eval()
    found, expected = (
        generate_with_probabilities(one, pictures, preset, max_new_tokens=8)
        for one, preset in ((again, None), (model, "accurate"))
    )
    assert torch.equal(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])
    again.generation_config.preset = "slow"
    with pytest.raises(ValueError, match="fast and accurate"):
        generate_with_probabilities(again, pictures)


def test_both_directions_rescore_what_either_found(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    found, scores = generate_with_probabilities(
        model, pictures, bidirectional=True, num_beams=4, num_return_sequences=3, max_new_tokens=12
    )
    alone, _ = generate_with_probabilities(
        model, pictures, num_beams=4, num_return_sequences=3, max_new_tokens=12
    )
    assert scores.shape == (9,)
    memory = model.get_encoder()(**pictures)
    for number, (row, score) in enumerate(zip(found.tolist(), scores.tolist(), strict=True)):
        tokens = row[1 : row.index(END)]
        assert is_formula(RULES, tokens)
        mirrored = [model.config.reverse_start_token_id, *tokens[::-1], END]
        single = type(memory)(
            **{k: v[number // 3 : number // 3 + 1] for k, v in memory.items() if v is not None}
        )
        expected = [
            log_probability(model, single, torch.tensor([sequence])).item()
            for sequence in (row[: len(tokens) + 2], mirrored)
        ]
        assert np.log(score) == pytest.approx(sum(expected) / 2, rel=1e-4)
    by_picture = scores.view(3, 3)
    assert (by_picture[:, :-1] >= by_picture[:, 1:]).all(), "the best come first"
    assert len({tuple(row) for row in found[:3].tolist()}) == 3
    assert found.tolist() != alone.tolist()


def test_pictures_are_seen_at_another_size() -> None:
    pixels = np.zeros((2, 1, 48, 64), dtype=np.float32)
    pixels[0, 0, 10:20, 30:40] = 1
    mask = np.ones((2, 48, 64), dtype=np.float32)
    mask[1, :, 40:] = 0
    for scale in (0.75, 1.25):
        seen, seen_mask = rescale(pixels, mask, scale)
        assert seen.shape[-2] % 16 == seen.shape[-1] % 16 == 0
        assert seen_mask.shape == (2, *seen.shape[-2:])
        assert seen[0].sum() == pytest.approx(100 * scale**2, rel=0.15)
        assert seen[0, 0, round(15 * scale), round(35 * scale)] == pytest.approx(1, abs=0.01)
        assert seen_mask[0].sum() == round(48 * scale) * round(64 * scale)
        assert seen_mask[1].sum() == round(48 * scale) * round(40 * scale)


def test_all_views_rescore(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    sizes = (1.0, 0.8, 1.25)
    found, scores = generate_with_probabilities(
        model,
        pictures,
        bidirectional=True,
        scales=sizes[1:],
        num_beams=3,
        num_return_sequences=2,
        max_new_tokens=12,
    )
    assert scores.shape == (6,)
    for number, (row, score) in enumerate(zip(found.tolist(), scores.tolist(), strict=True)):
        tokens = row[1 : row.index(END)]
        assert is_formula(RULES, tokens)
        forward = row[: len(tokens) + 2]
        mirrored = [model.config.reverse_start_token_id, *tokens[::-1], END]
        scored = []
        for size in sizes:
            seen = at_size(pictures, size)
            memory = model.get_encoder()(*(one[number // 2 : number // 2 + 1] for one in seen))
            scored += [
                log_probability(model, memory, torch.tensor([sequence])).item()
                for sequence in (forward, mirrored)
            ]
        assert np.log(score) == pytest.approx(np.mean(scored), rel=1e-3)


def test_rescoring_has_a_temperature_of_its_own(
    model: InktexForConditionalGeneration,
    pictures: dict[str, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds: tuple[dict[str, Any], ...] = ({"bidirectional": True}, {"num_beams": 2})
    for kind, factor in zip(kinds, (0.5, 1.0), strict=True):
        monkeypatch.setattr(model.config.decoder, "rescoring_temperature", 1.0)
        found, plain = generate_with_probabilities(model, pictures, max_new_tokens=12, **kind)
        monkeypatch.setattr(model.config.decoder, "rescoring_temperature", 2.0)
        again, scores = generate_with_probabilities(model, pictures, max_new_tokens=12, **kind)
        assert again.tolist() == found.tolist(), "what is read stays as it is"
        torch.testing.assert_close(scores, plain**factor)


def test_beam_search_is_that_of_generate(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    memory = model.get_encoder()(**pictures)
    found = of_pictures(decode(model, [memory], 14, beams=4))
    expected = model.generate(
        **pictures,
        num_beams=4,
        num_return_sequences=4,
        length_penalty=0.0,
        early_stopping=False,
        max_length=14,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    best = expected.sequences[::4].tolist()
    for row, score, hypotheses in zip(
        best, expected.sequences_scores[::4].tolist(), found, strict=True
    ):
        assert hypotheses[0][0] == tuple(row[1 : row.index(END)])
        assert hypotheses[0][1] == pytest.approx(score, abs=1e-3)
        values = [value for _, value in hypotheses]
        assert values == sorted(values, reverse=True)
        assert len({tokens for tokens, _ in hypotheses}) == len(hypotheses)


class Scripted:
    """A step with given logits: of each position and last token."""

    def __init__(self, logits: np.ndarray[Any, Any]) -> None:
        self.logits, self.position = logits, -1

    def __call__(self, tokens: Any) -> Any:
        self.position += 1
        return self.logits[self.position, tokens], None

    def reorder(self, sequences: Any) -> None:
        pass


def test_one_beam_is_greedy_and_many_beams_are_exhaustive() -> None:
    """The search of any engine: by hand over five tokens, of which 2 ends."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (5, 5, 5)).astype(np.float32)
    logits[..., :2] = -np.inf  # padding and start
    task = SearchTask(start=1, end=2, pad=0, longest=6)
    greedy = search([Scripted(logits)], task, 2)
    likely = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    tokens, total = [1], 0.0
    while tokens[-1] != 2 and len(tokens) < 6:
        row = likely[len(tokens) - 1, tokens[-1]]
        tokens.append(int(row.argmax()))
        total += float(row.max())
    assert greedy.sequences.tolist() == [tokens, tokens]
    assert greedy.log_probabilities == pytest.approx([total, total], rel=1e-5)
    every: dict[tuple[int, ...], tuple[int, float]] = {(): (1, 0.0)}
    finished: dict[tuple[int, ...], float] = {}
    for position in range(5):
        grown: dict[tuple[int, ...], tuple[int, float]] = {}
        for prefix, (last, score) in every.items():
            finished[prefix] = score + float(likely[position, last, 2])
            grown |= {
                (*prefix, token): (token, score + float(likely[position, last, token]))
                for token in (3, 4)
            }
        every = grown
    best = sorted(finished.items(), key=lambda one: -one[1])[0]
    for beams in (16, 40):
        found = of_pictures(search([Scripted(logits)], task, 2, beams=beams))
        assert [one[0][0] for one in found] == [best[0]] * 2
        assert [one[0][1] for one in found] == pytest.approx([best[1]] * 2, rel=1e-5)
    given = np.array([[3, 4, 2], [4, 2, 0]])
    forced = search([Scripted(logits)], task, 2, choose=lambda place, _: given[:, place])
    assert forced.tokens(2) == [(3, 4), (4,)]
    assert forced.log_probabilities == pytest.approx([finished[(3, 4)], finished[(4,)]], rel=1e-5)


@pytest.mark.parametrize(
    "decoder",
    [{"location_feedback": True, "coverage_feedback": True}, {"architecture": "recurrent"}],
    ids=["transformer", "recurrent"],
)
def test_pictures_that_are_over_leave_the_batch(
    decoder: dict[str, Any], pictures: dict[str, torch.Tensor]
) -> None:
    model = small_model(**decoder)
    for name, weight in model.named_parameters():
        if "coverage_key" in name or "location_embedding" in name:
            torch.nn.init.normal_(weight, std=0.3)
    few = {name: value[[0, 2]] for name, value in pictures.items()}
    kept = np.array([1, 0, 5, 5])  # two beams of the first picture and of the last one
    first, second = np.array([7, 8, 9, 10, 11, 12]), np.array([13, 14, 15, 16])
    start = np.full(6, model.config.decoder_start_token_id)
    with torch.no_grad():
        all_of_them = make_step(model, model.get_encoder()(**pictures), 9, beams=2)
        all_of_them(start)
        all_of_them(first)
        all_of_them.reorder(kept)
        these_alone = make_step(model, model.get_encoder()(**few), 9, beams=2)
        these_alone(start[:4])
        these_alone(first[kept])
        for tokens in (second, second + 1):
            found, expected = all_of_them(tokens), these_alone(tokens)
            for one, other in zip(found, expected, strict=True):
                assert one is not None
                assert other is not None
                np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_beam_takes_the_mean_of_all_views_at_every_token(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    memories = [model.get_encoder()(*at_size(pictures, size)) for size in (1.0, 0.75)]
    start = model.config.decoder_start_token_id
    both, twice, once = (
        of_pictures(decode(model, views, 14, beams=3))
        for views in (memories, [memories[1], memories[1]], [memories[1]])
    )
    assert [one[0][0] for one in twice] == [one[0][0] for one in once]
    for number, ((tokens, score), *_) in enumerate(both):
        row = torch.tensor([[start, *tokens, END]])
        rows = torch.cat([row] * len(both))
        scored = [
            token_log_probabilities(sequence_logits(model, memory, rows)[0], rows, END)
            for memory in memories
        ]
        expected = torch.stack(scored).mean(dim=0).sum(dim=1)[number].item()
        assert score == pytest.approx(expected, rel=1e-3)


def test_a_search_says_what_does_not_go_together(
    model: InktexForConditionalGeneration, pictures: dict[str, torch.Tensor]
) -> None:
    with pytest.raises(ValueError, match="top_k"):
        generate_with_details(model, pictures, "accurate", do_sample=True, top_k=3)
