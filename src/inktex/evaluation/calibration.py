"""Calibration of probabilities: expected calibration error, reliability, detection of errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import rankdata

_BINS = 10
"""Of equal width."""
_DOUBT = 0.001
"""Least distance of a probability from 0 and 1, where a temperature is fitted."""
_LIMITS = (0.2, 5.0)
"""Lowest and highest temperature."""
RIGHT_DOUBTED = 0.07
"""Share of the right tokens that are doubted after `fit_doubt`: what users look at in vain."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Readings of about the same probability.

    Attributes:
        low, high: the bin's limits.
        count: readings in it.
        confidence: their mean probability.
        accuracy: share of them that were right.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well probabilities agree with the share of right readings.

    Attributes:
        error: expected calibration error (Naeini et al. 2015): mean distance between probability
            and share of right readings, over bins of equal width weighted by their readings.
        auroc: probability that a wrong reading has a lower probability than a right one; NaN if all
            are right or all wrong.
        bins: all bins that have a reading.
    """

    error: float
    auroc: float
    bins: tuple[Bin, ...]

    def as_dict(self) -> dict[str, float]:
        """The two figures, as JSON can hold them."""
        return {"expected_calibration_error": self.error, "error_detection_auroc": self.auroc}


def measure_calibration(probabilities: Sequence[float], correct: Sequence[bool]) -> Calibration:
    """Compare the probabilities of readings with whether these were right.

    Args:
        probabilities: of the readings, 0 to 1.
        correct: whether each was right.

    Raises:
        ValueError: if the lists are empty or of different lengths.

    Example:
        >>> measure_calibration([0.9, 0.1], [True, False]).auroc
        1.0
    """
    if len(probabilities) != len(correct) or not len(correct):
        raise ValueError("Give as many probabilities as readings, at least one.")
    values, right = np.asarray(probabilities, dtype=np.float64), np.asarray(correct, dtype=bool)
    numbers = np.minimum((values * _BINS).astype(np.int64), _BINS - 1)
    found = tuple(
        Bin(
            low=number / _BINS,
            high=(number + 1) / _BINS,
            count=int((numbers == number).sum()),
            confidence=float(values[numbers == number].mean()),
            accuracy=float(right[numbers == number].mean()),
        )
        for number in np.unique(numbers).tolist()
    )
    error = sum(one.count * abs(one.confidence - one.accuracy) for one in found) / len(values)
    positive, negative = int(right.sum()), int((~right).sum())
    auroc = float("nan")
    if positive and negative:
        ranks = rankdata(values)
        auroc = float((ranks[right].sum() - positive * (positive + 1) / 2) / (positive * negative))
    return Calibration(error, auroc, found)


@dataclass(frozen=True, slots=True)
class DoubtScores:
    """Which tokens are shown as doubtful.

    Attributes:
        right, wrong: tokens that were read right, and wrong.
        right_doubted, wrong_doubted: those of them that are doubtful.
    """

    right: int
    wrong: int
    right_doubted: int
    wrong_doubted: int

    def __str__(self) -> str:
        return (
            f"Doubtful are {_percent(self.wrong_doubted, self.wrong)} of {self.wrong} wrong tokens "
            f"and {_percent(self.right_doubted, self.right)} of {self.right} right ones."
        )


def measure_doubt(doubtful: Sequence[bool], wrong: Sequence[bool]) -> DoubtScores:
    """Count which tokens are doubtful.

    Args:
        doubtful: whether each token is.
        wrong: whether each was read wrong.
    """
    is_doubted, is_wrong = np.asarray(doubtful, dtype=bool), np.asarray(wrong, dtype=bool)
    return DoubtScores(
        right=int((~is_wrong).sum()),
        wrong=int(is_wrong.sum()),
        right_doubted=int((is_doubted & ~is_wrong).sum()),
        wrong_doubted=int((is_doubted & is_wrong).sum()),
    )


def fit_doubt(probabilities: Sequence[float], wrong: Sequence[bool]) -> float:
    """The probability under which `RIGHT_DOUBTED` of the right tokens lie; 1 if there are none.

    Args:
        probabilities: of tokens that were read.
        wrong: whether each was read wrong.
    """
    values, is_wrong = np.asarray(probabilities, dtype=np.float64), np.asarray(wrong, dtype=bool)
    return 1.0 if is_wrong.all() else float(np.quantile(values[~is_wrong], RIGHT_DOUBTED))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def fit_temperature(
    log_probabilities: Callable[[float], NDArray[np.float64]],
    correct: Sequence[bool],
) -> float:
    """The temperature that calibrates probabilities best (Guo et al. 2017).

    Args:
        log_probabilities: temperature to the logarithms of the readings' probabilities.
        correct: whether each reading was right.

    Returns:
        The temperature of the least cross-entropy between probability and truth, the probability
        kept `_DOUBT` away from 0 and 1: else one long reading that is right at a probability near 0
        would weigh as much as a hundred others.
    """
    right = np.asarray(correct, dtype=bool)

    def cross_entropy(log_temperature: float) -> float:
        likely = np.exp(log_probabilities(float(np.exp(log_temperature)))).clip(_DOUBT, 1 - _DOUBT)
        return -float(np.log(np.where(right, likely, 1 - likely)).mean())

    best = minimize_scalar(cross_entropy, bounds=tuple(np.log(_LIMITS)), method="bounded")
    return float(np.exp(best.x))
