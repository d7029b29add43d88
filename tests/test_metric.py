"""ExpRate as a metric of the `evaluate` library: as a class, from a file, from a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from inktex.evaluation.metric import ExpRate

PREDICTIONS = ["x ^ 2", "y", r"a \to b", "1 + 2"]
REFERENCES = ["x ^ { 2 }", "z", r"a \rightarrow b", "1 + 2"]


def _assert_expected(result: dict[str, Any] | None) -> None:
    assert result is not None
    assert result["exp_rate"] == pytest.approx(0.75)
    assert result["exp_rate_1"] == pytest.approx(1.0)
    assert result["exp_rate_raw"] == pytest.approx(0.25)
    assert result["token_error_rate"] == pytest.approx(1 / 12)
    assert result["expressions"] == 4


def test_class_is_a_metric() -> None:
    _assert_expected(ExpRate().compute(predictions=PREDICTIONS, references=REFERENCES))


def test_normalisation_can_be_left_out() -> None:
    result = ExpRate().compute(predictions=PREDICTIONS, references=REFERENCES, normalize=False)
    assert result is not None
    assert result["exp_rate"] == result["exp_rate_raw"] == pytest.approx(0.25)


def test_batches_add_up() -> None:
    metric = ExpRate()
    metric.add_batch(predictions=PREDICTIONS[:3], references=REFERENCES[:3])
    metric.add(prediction=PREDICTIONS[3], reference=REFERENCES[3])
    _assert_expected(metric.compute())


def test_evaluate_loads_the_file(repository: Path) -> None:
    import evaluate

    metric = evaluate.load(str(repository / "src" / "inktex" / "evaluation" / "metric.py"))
    _assert_expected(metric.compute(predictions=PREDICTIONS, references=REFERENCES))


def test_evaluate_loads_a_folder(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import evaluate

    # The layout of a metric on the Hub: a folder with one file of the same name.
    (tmp_path / "exp_rate").mkdir()
    shutil.copy(
        repository / "src" / "inktex" / "evaluation" / "metric.py",
        tmp_path / "exp_rate" / "exp_rate.py",
    )
    monkeypatch.chdir(tmp_path)
    metric = evaluate.load("./exp_rate")
    assert metric.name == "exp_rate"
    _assert_expected(metric.compute(predictions=PREDICTIONS, references=REFERENCES))


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (["x"], ["x", "y"], "1 predictions but 2 references"),
        ([], ["x"], "0 predictions but 1 references"),
        ([], [], "give at least one reference"),
    ],
)
def test_errors_say_what_to_do(predictions: list[str], references: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExpRate().compute(predictions=predictions, references=references)
