"""ExpRate as a metric of the `evaluate` library; the arithmetic is in `scores`.

Use the class, or load this file:

    ExpRate().compute(predictions=["x ^ { 2 }"], references=["x^2"])
    evaluate.load("src/inktex/evaluation/metric.py")
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from inktex.evaluation.scores import check_expressions, compute_scores

_DESCRIPTION = """\
ExpRate is the share of handwritten expressions whose recognised LaTeX tokens equal the \
caption's exactly; exp_rate_1, _2 and _3 are the shares within 1, 2 and 3 token edits."""

_INPUTS_DESCRIPTION = r"""
Args:
    predictions: LaTeX strings, spaced into tokens or not; "" where nothing was read.
    references: the captions, one for each prediction.
    normalize: whether both sides first take one spelling (`\to` and `\rightarrow`).
Returns:
    exp_rate with its 95 % Wilson interval (exp_rate_low, exp_rate_high), exp_rate_1,
    exp_rate_2, exp_rate_3, token_error_rate, the counts they come from, and
    exp_rate_raw: exp_rate without any normalisation.
"""

_CITATION = """\
@article{zhang2017watch,
  title = {Watch, attend and parse: An end-to-end neural network based approach to
           handwritten mathematical expression recognition},
  author = {Zhang, Jianshu and Du, Jun and Zhang, Shiliang and Liu, Dan and Hu, Yulong and
            Hu, Jinshui and Wei, Si and Dai, Lirong},
  journal = {Pattern Recognition}, volume = {71}, pages = {196--206}, year = {2017}
}"""


class ExpRate(evaluate.Metric):
    """Expression recognition rate, with the rates within 1, 2 and 3 token edits.

    Example:
        >>> metric = ExpRate()
        >>> metric.compute(predictions=["x^2", "y"], references=["x^{2}", "z"])["exp_rate"]
        0.5
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS_DESCRIPTION,
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def compute(
        self,
        *,
        predictions: list[str] | None = None,
        references: list[str] | None = None,
        **options: Any,
    ) -> dict[str, Any] | None:
        """Score what is given here together with what `add` and `add_batch` were given.

        Raises:
            ValueError: the lists are empty or of different lengths.
            TypeError: one of the lists is a single string.
        """
        # Checked here, because the library's own messages for these do not say what to do.
        if predictions is not None and references is not None:
            check_expressions(predictions, references)
        return super().compute(predictions=predictions, references=references, **options)

    def _compute(
        self, predictions: list[str], references: list[str], normalize: bool = True
    ) -> dict[str, Any]:
        scores = compute_scores(predictions, references, normalize=normalize)
        raw = compute_scores(predictions, references, normalize=False)
        return {**scores.as_dict(), "exp_rate_raw": raw.exp_rate}
