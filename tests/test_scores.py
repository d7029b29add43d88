"""ExpRate and its kin, and the spelling that both sides take first."""

from __future__ import annotations

import math
import random

import pytest

from inktex.evaluation import (
    compute_scores,
    edit_distance,
    normalize_spelling,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [
        ("", "", 0),
        ("abc", "abc", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("abcd", "acd", 1),
        ("ab", "ba", 2),
        ("aaa", "aa", 1),
        ("abab", "ab", 2),
    ],
)
def test_edit_distance(first: str, second: str, edits: int) -> None:
    assert edit_distance(list(first), list(second)) == edits


def test_edit_distance_counts_tokens_not_characters() -> None:
    assert edit_distance([r"\alpha", "x"], [r"\beta", "x"]) == 1


def test_edit_distance_equals_the_plain_recursion() -> None:
    def plain(first: str, second: str) -> int:
        if not first or not second:
            return len(first) + len(second)
        return min(
            plain(first[1:], second) + 1,
            plain(first, second[1:]) + 1,
            plain(first[1:], second[1:]) + (first[0] != second[0]),
        )

    generator = random.Random(0)
    for _ in range(200):
        first, second = ("".join(generator.choices("ab", k=generator.randrange(6))) for _ in "12")
        assert edit_distance(first, second) == plain(first, second), (first, second)


def test_scores_count_within_edits() -> None:
    references = ["a + b + c"] * 5
    predictions = ["a + b + c", "a + b + d", "a + b", "a - b - d", ""]
    scores = compute_scores(predictions, references)
    counts = (scores.exact, scores.within_1, scores.within_2, scores.within_3)
    assert counts == (1, 2, 3, 4)
    assert (scores.expressions, scores.edits, scores.reference_tokens) == (5, 0 + 1 + 2 + 3 + 5, 25)
    assert scores.exp_rate == pytest.approx(0.2)
    assert scores.exp_rate_1 == pytest.approx(0.4)
    assert scores.exp_rate_2 == pytest.approx(0.6)
    assert scores.exp_rate_3 == pytest.approx(0.8)
    assert scores.token_error_rate == pytest.approx(11 / 25)
    low, high = scores.exp_rate_interval
    assert low < scores.exp_rate < high


def test_scores_with_and_without_normalisation() -> None:
    predictions, references = [r"x \to y", "x"], [r"x \rightarrow y", "x"]
    normalized = compute_scores(predictions, references)
    raw = compute_scores(predictions, references, normalize=False)
    assert (normalized.exact, normalized.is_normalized) == (2, True)
    assert (raw.exact, raw.is_normalized) == (1, False)
    assert "spelling normalised" in str(normalized)
    assert "not normalised" in str(raw)


def test_strings_and_token_sequences_score_alike() -> None:
    reference = r"\frac { \alpha x } { 2 }"
    predictions = [reference, r"\frac{\alpha x}{2}", reference.split(), tuple(reference.split())]
    assert compute_scores(predictions, [reference] * 4, normalize=False).exact == 4


def test_scores_as_dict_is_flat_and_complete() -> None:
    report = compute_scores(["x"], ["x"]).as_dict()
    assert report["exp_rate"] == 1.0
    assert report["expressions"] == 1
    assert report["exp_rate_high"] == 1.0
    assert all(isinstance(value, int | float) for value in report.values())


def test_empty_captions_have_no_token_error_rate() -> None:
    assert math.isnan(compute_scores([""], [""]).token_error_rate)


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (["x"], ["x", "y"], "1 predictions but 2 references"),
        ([], [], "no expressions to score"),
    ],
)
def test_lists_that_cannot_be_scored(
    predictions: list[str], references: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compute_scores(predictions, references)


def test_a_single_string_is_refused() -> None:
    with pytest.raises(TypeError, match="`predictions` is a single string"):
        compute_scores("x", ["x"])


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # The values of R's binom.confint(method = "wilson").
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 1, 0.2065, 1.0)],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (2, 1), (-1, 5)])
def test_wilson_interval_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="must"):
        wilson_interval(successes, trials)


# --- spelling -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "normalized"),
    [
        (r"x \to y", r"x \rightarrow y"),
        (r"a \lt b \leqslant c", r"a < b \leq c"),
        (r"a \parallel b", "a | | b"),
        (r"\dfrac 1 2", r"\frac { 1 } { 2 }"),
        ("x ^ 2", "x ^ { 2 }"),
        ("x ^ { 2 } _ i", "x _ { i } ^ { 2 }"),
        (r"\int \limits ^ b _ a x", r"\int \limits _ { a } ^ { b } x"),
        (r"\frac { x ^ a _ b } { 2 }", r"\frac { x _ { b } ^ { a } } { 2 }"),
        ("{ x } + { { y } }", "x + y"),
        ("{ x } ^ { 2 }", "x ^ { 2 }"),
        (r"\sqrt [ { n } ] x", r"\sqrt [ n ] { x }"),
        (r"\int { g } = g", r"\int g = g"),
        (r"\text { i f } x", "i f x"),
        (r"x _ { \text { m a x } }", "x _ { m a x }"),
        (r"\frac \text { a b } \text { c d }", r"\frac { a b } { c d }"),
        (r"\text x", "x"),
    ],
)
def test_spelling_is_unified(tokens: str, normalized: str) -> None:
    assert " ".join(normalize_spelling(tokens.split())) == normalized


@pytest.mark.parametrize(
    "tokens",
    [
        "{ x y } ^ { 2 }",  # braces round more than one symbol tell what the script is of
        r"\sum _ { i } i",  # no \limits is not the same as \limits
        "x _ { i } x ^ { 2 }",
        "x ^ { a } _ { b } ^ { c }",
        r"\frac { 1 } { 2 }",
        r"\lim \sin",
        "x ^ { 2",
        "} x {",
        "a ^ { b ^ { c } }",
    ],
)
def test_structure_is_left_alone(tokens: str) -> None:
    assert " ".join(normalize_spelling(tokens.split())) == tokens


def test_unmatched_braces_do_not_hide_another_spelling() -> None:
    assert normalize_spelling([r"\le", "{"]) == [r"\leq", "{"]


def test_spelling_is_idempotent() -> None:
    tokens = ["{", "}", "{", "}", "^", "_", "[", "]", r"\frac", r"\sqrt", r"\le", r"\|", "x"]
    generator = random.Random(0)
    for _ in range(5000):
        once = normalize_spelling(generator.choices(tokens, k=generator.randrange(12)))
        assert normalize_spelling(once) == once


def test_published_captions_have_canonical_spelling(captions: list[str]) -> None:
    changed = [c for c in captions if " ".join(normalize_spelling(c.split())) != c]
    assert changed == []


def test_captions_score_perfectly_against_themselves(captions: list[str]) -> None:
    scores = compute_scores(captions, captions)
    assert (scores.exact, scores.edits) == (len(captions), 0)
