"""Scores of recognised LaTeX: ExpRate and its kin.

The `evaluate` metric over them is in `inktex.evaluation.metric`, apart, because importing
it imports `datasets`.
"""

from __future__ import annotations

from inktex.evaluation.scores import Scores, compute_scores, edit_distance, wilson_interval
from inktex.evaluation.spelling import normalize_spelling

__all__ = [
    "Scores",
    "compute_scores",
    "edit_distance",
    "normalize_spelling",
    "wilson_interval",
]
