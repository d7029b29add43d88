"""Calibration and the report on an evaluation."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inktex.evaluation.calibration import (
    RIGHT_DOUBTED,
    DoubtScores,
    fit_doubt,
    fit_temperature,
    measure_calibration,
    measure_doubt,
)
from inktex.evaluation.report import write_evaluation_report
from inktex.evaluation.run import Evaluation, compiles
from inktex.evaluation.samples import Sample
from inktex.evaluation.scores import compute_scores
from inktex.evaluation.varied_writers import vary_writers
from inktex.ink.render import render
from inktex.recognizer import Reading, ReadSymbol
from inktex.synthesis.random_captions import written_expressions


def test_calibration_error_is_the_mean_distance() -> None:
    found = measure_calibration([0.95, 0.95, 0.95, 0.95, 0.25], [True, True, True, False, False])
    assert found.error == pytest.approx((4 * 0.2 + 0.25) / 5)
    assert [(one.count, one.accuracy) for one in found.bins] == [(1, 0), (4, 0.75)]
    assert found.bins[0].low == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("probabilities", "correct", "auroc"),
    [
        ([0.9, 0.8, 0.2, 0.1], [True, True, False, False], 1.0),
        ([0.1, 0.9], [True, False], 0.0),
        ([0.5, 0.5], [True, False], 0.5),
        ([1.0, 1.0], [True, True], math.nan),
    ],
)
def test_errors_are_detected_by_low_probability(
    probabilities: list[float], correct: list[bool], auroc: float
) -> None:
    assert measure_calibration(probabilities, correct).auroc == pytest.approx(auroc, nan_ok=True)


def test_calibration_needs_as_many_of_each() -> None:
    with pytest.raises(ValueError, match="as many"):
        measure_calibration([0.5], [])


def test_the_temperature_undoes_what_was_done() -> None:
    """Probabilities that were true before they were raised to a power."""
    rng = np.random.default_rng(0)
    true = rng.uniform(0.02, 0.98, 4000)
    correct = (rng.random(4000) < true).tolist()
    doubted = 2.5 * np.log(true)
    temperature = fit_temperature(lambda t: doubted / t, correct)
    assert temperature == pytest.approx(2.5, rel=0.1)
    before, after = (
        measure_calibration(np.exp(doubted / t).tolist(), correct).error for t in (1, temperature)
    )
    assert after < 0.03 < before


def test_a_share_of_the_right_tokens_is_doubted() -> None:
    rng = np.random.default_rng(0)
    wrong = (rng.random(4000) < 0.1).tolist()
    scores = np.where(wrong, rng.uniform(0, 1, 4000), rng.uniform(0.5, 1, 4000))
    threshold = fit_doubt(scores.tolist(), wrong)
    found = measure_doubt((scores < threshold).tolist(), wrong)
    assert found.right_doubted / found.right == pytest.approx(RIGHT_DOUBTED, abs=0.001)
    assert found.wrong_doubted / found.wrong == pytest.approx(threshold, abs=0.05)
    assert fit_doubt([0.5], [True]) == 1.0


def test_a_report_shows_what_there_is(tmp_path: Path) -> None:
    expressions = written_expressions(6, seed=2)
    samples, readings = [], []
    for number, one in enumerate(expressions):
        tokens = list(one.tokens)
        samples.append(
            Sample(one.id, Image.fromarray(render(one.traces)), " ".join(tokens), "strokefont")
        )
        if number < 2:  # two are misread, one of them by a symbol that Markdown minds
            tokens[0] = "|" if tokens[0] != "|" else "1"
        symbol = ReadSymbol(0, tokens[0], 0.4, (12.0, 12.0, 40.0, 40.0))
        score, doubtful = 0.9 - 0.1 * number, (0,) if number % 2 else ()
        reading = Reading("latex", " ".join(tokens), score, symbols=(symbol,), doubtful=doubtful)
        readings.append(reading)
    predictions = [reading.tokens for reading in readings]
    captions = [sample.tokens for sample in samples]
    scores = compute_scores(predictions, captions)
    evaluation = Evaluation(
        scores, scores, [s.name for s in samples], captions, readings, {}, seconds=1.0
    )
    report = write_evaluation_report(evaluation, samples, tmp_path / "report", "Six expressions")
    text = report.read_text(encoding="utf-8")
    assert text.startswith("# Six expressions")
    assert "66.67%" in text
    assert "| 0 | 4 |" in text
    assert r"`\|" in text
    for name in ("lengths", "structures", "sources", "confusions", "reliability", "misreads"):
        assert f"({name}.png)" in text
        with Image.open(tmp_path / "report" / f"{name}.png") as picture:
            assert min(picture.size) > 100
    rows = [line for line in text.splitlines() if line.startswith(("| 1 | `", "| 2 | `"))]
    assert [row.split(" | ")[1].strip("`") for row in rows] == [s.name for s in samples[:2]]
    assert evaluation.calibration.auroc == 0.0, "the misread ones are the surest here"
    assert evaluation.as_dict()["calibration"]["error_detection_auroc"] == 0.0
    right = sum(len(one.tokens) for one in expressions) - 2
    assert evaluation.doubt == DoubtScores(right, wrong=2, right_doubted=2, wrong_doubted=1)
    assert str(evaluation.doubt) in text
    assert "Doubtful are 50.0 % of 2 wrong tokens" in text


def test_names_and_sources_of_strangers_are_no_markup(tmp_path: Path) -> None:
    """InkML's annotations and file names get here: they may hold anything."""
    (one,) = written_expressions(1, seed=2)
    evil = "<script>alert(1)</script>\n| `x` | [a](javascript:b)"
    picture = Image.fromarray(render(one.traces))
    sample = Sample(evil, picture, " ".join(one.tokens), source=r"$\broken{")
    reading = Reading("z", "z", 0.9)
    scores = compute_scores([reading.tokens], [sample.tokens])
    evaluation = Evaluation(scores, scores, [evil], [sample.tokens], [reading], {}, seconds=1.0)
    report = write_evaluation_report(evaluation, [sample], tmp_path, f"Of {evil}")
    text = report.read_text(encoding="utf-8")
    outside_code = "".join(text.split("`")[::2])
    assert "<script" not in outside_code
    assert "&lt;script&gt;" in text.splitlines()[0]
    (row,) = [line for line in text.splitlines() if line.startswith("| 1 | `")]
    assert row.count("`") % 2 == 0
    with Image.open(tmp_path / "sources.png") as plot:
        assert min(plot.size) > 50


def test_a_report_lists_symbols_and_look_alikes(tmp_path: Path) -> None:
    captions, predictions = ["O + |", "0"], ["0 + |", ""]
    readings = [Reading(tokens, tokens, 0.5) for tokens in predictions]
    samples = [Sample(one, Image.new("L", (60, 40)), one) for one in captions]
    scores = compute_scores(predictions, captions)
    evaluation = Evaluation(scores, scores, captions, captions, readings, {}, seconds=1.0)
    text = write_evaluation_report(evaluation, samples, tmp_path, "Two").read_text(encoding="utf-8")
    _, _, look_alikes = text.partition("### Look-alikes")
    look_alikes, _, recall = look_alikes.partition("### Recall of each symbol")
    rows = [line for line in look_alikes.splitlines() if line]
    assert rows == [
        "| written / read | `0` | `O` | `o` | other | left out |",
        "| --- | --- | --- | --- | --- | --- |",
        "| `0` | 0 | 0 | 0 | 0 | 1 |",
        "| `O` | 1 | 0 | 0 | 0 | 0 |",
        r"| written / read | `1` | `l` | `I` | `\|` | other | left out |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        r"| `\|` | 0 | 0 | 0 | 1 | 0 | 0 |",
    ]
    lines = [line for line in recall.splitlines() if line.startswith("| `")]
    assert lines == [
        "| `0` | 1 | 0 | 0.0 |",
        "| `O` | 1 | 0 | 0.0 |",
        "| `+` | 1 | 1 | 100.0 |",
        r"| `\|` | 1 | 1 | 100.0 |",
    ]
    assert r"`\omega`" in recall.partition("Not in the test set: ")[2]
    assert "marks outside the alphabet" not in text


def test_a_report_says_how_many_unknown_marks_are_believed(tmp_path: Path) -> None:
    scores = compute_scores(["x"], ["<mark>"])
    readings = [Reading("x", "x", 0.5)]
    samples = [Sample("a", Image.new("L", (60, 40)), "<mark>")]
    evaluation = Evaluation(scores, scores, ["a"], ["<mark>"], readings, {}, seconds=1.0)
    text = write_evaluation_report(evaluation, samples, tmp_path, "One").read_text(encoding="utf-8")
    assert (
        "\n1 pictures with marks outside the alphabet: 0 are read with an unknown mark, 1" in text
    )


@pytest.mark.parametrize(
    ("latex", "expected"),
    [(r"\frac{a}{b^{2}}", True), (r"\frac{a}{b", False), ("x}", False), (r"\sqrt{x}", True)],
)
def test_what_a_parser_takes_compiles(latex: str, expected: bool) -> None:
    assert compiles(latex) is expected


def test_varied_writers_are_the_same_each_time() -> None:
    expressions = written_expressions(3, seed=1)
    first, again = (vary_writers(expressions, 2) for _ in range(2))
    assert [one.id for one in first[:3]] == [f"{one.id}~0" for one in expressions]
    assert len(first) == 6
    for one, other in zip(first, again, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.traces, other.traces, strict=True))
    assert first[0].tokens == first[3].tokens == expressions[0].tokens
    assert not np.allclose(first[0].traces[0], first[3].traces[0], atol=0.5)
    with pytest.raises(ValueError, match="at least 1"):
        vary_writers(expressions, 0)


def test_writers_vary_by_the_factor() -> None:
    expressions = written_expressions(3, seed=1)

    def moved(factor: float) -> float:
        varied = vary_writers(expressions, 1, factor)
        ways = [
            np.abs(_extent(one.traces) - _extent(other.traces)).mean()
            for one, other in zip(varied, expressions, strict=True)
        ]
        return float(np.mean(ways))

    assert moved(0.0) < moved(1.0) < moved(2.0)
    with pytest.raises(ValueError, match="factor"):
        vary_writers(expressions, 1, -1.0)


def _extent(traces: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Of each trace, as a share of all."""
    size = np.ptp(np.concatenate(traces), axis=0)
    return np.array([np.ptp(trace, axis=0) for trace in traces]) / size
