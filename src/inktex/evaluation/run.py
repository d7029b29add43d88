"""Evaluation of a recognizer on a test set: scores, calibration, and every single reading."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tqdm.auto import tqdm

from inktex.recognizer import Preset, Reading, Recognizer

from .calibration import Calibration, DoubtScores, measure_calibration, measure_doubt
from .samples import Sample
from .scores import Scores, compute_scores, wrong_tokens
from .spelling import normalize_spelling
from .symbols import (
    LookAlikes,
    MarkScores,
    Recall,
    count_look_alikes,
    count_marks,
    count_recall,
    pair_symbols,
)

__all__ = ["Evaluation", "compiles", "evaluate_samples"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of reading a test set.

    Attributes:
        scores: after both sides took one spelling.
        plain_scores: without any normalisation.
        names, captions, readings: of every expression, in the order of the test set. A picture
            that could not be read has an empty reading; it counts as wrong.
        errors: name to message, of the pictures that could not be read.
        seconds: wall time of reading, pictures in memory to LaTeX.
    """

    scores: Scores
    plain_scores: Scores
    names: list[str]
    captions: list[str]
    readings: list[Reading]
    errors: dict[str, str]
    seconds: float

    @property
    def calibration(self) -> Calibration:
        """Calibration of the readings' probabilities."""
        right = [
            compute_scores([reading.tokens], [caption]).exact == 1
            for reading, caption in zip(self.readings, self.captions, strict=True)
        ]
        return measure_calibration([reading.score for reading in self.readings], right)

    @property
    def doubt(self) -> DoubtScores:
        """Which of the tokens are doubtful, of the right ones and of the wrong ones."""
        doubtful: list[bool] = []
        wrong: list[bool] = []
        for reading, caption in zip(self.readings, self.captions, strict=True):
            tokens = reading.tokens.split()
            doubtful += [index in reading.doubtful for index in range(len(tokens))]
            wrong += wrong_tokens(tokens, normalize_spelling(caption.split()))
        return measure_doubt(doubtful, wrong)

    @property
    def symbols(self) -> tuple[dict[str, Recall], list[LookAlikes]]:
        """Recall of each symbol of the vocabulary, and what look-alikes were read as."""
        pairs = pair_symbols(self.captions, [reading.tokens for reading in self.readings])
        return count_recall(pairs), count_look_alikes(pairs)

    @property
    def marks(self) -> MarkScores | None:
        """How marks outside the alphabet were read; None if there are none."""
        return count_marks(self.captions, [(one.tokens, one.score) for one in self.readings])

    def summary(self) -> dict[str, Any]:
        """All but the readings, as JSON has it."""
        recall, look_alikes = self.symbols
        marks = self.marks
        return {
            "scores": self.scores.as_dict(),
            "scores_without_normalization": self.plain_scores.as_dict(),
            "calibration": self.calibration.as_dict(),
            "doubt": asdict(self.doubt),
            "symbols": {symbol: asdict(one) for symbol, one in recall.items()},
            "look_alikes": [one.as_dict() for one in look_alikes],
            "unknown_marks": None if marks is None else asdict(marks),
            "seconds": round(self.seconds, 3),
            "errors": self.errors,
        }

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return self.summary() | {
            "readings": [
                {
                    "name": name,
                    "caption": caption,
                    "tokens": reading.tokens,
                    "latex": reading.latex,
                    "score": reading.score,
                }
                for name, caption, reading in zip(
                    self.names, self.captions, self.readings, strict=True
                )
            ],
        }


def compiles(latex: str) -> bool:
    """Whether a strict parser of LaTeX takes it.

    Raises:
        ImportError: if pylatexenc is not installed.
    """
    from pylatexenc.latexwalker import LatexWalker, LatexWalkerError

    try:
        LatexWalker(latex, tolerant_parsing=False).get_latex_nodes()
    except LatexWalkerError:
        return False
    return True


def evaluate_samples(
    recognizer: Recognizer,
    samples: Sequence[Sample],
    preset: Preset = "fast",
    batch_size: int = 64,
    progress: bool = True,
) -> Evaluation:
    """Read all samples and score the readings. No sample is left out of the denominator.

    Args:
        recognizer: model and processor.
        samples: the test set.
        preset: how to search, see `Recognizer.__call__`.
        batch_size: pictures of about one size that are taken at a time.
        progress: whether to show a bar.

    Raises:
        ValueError: if there are no samples.
    """
    if not samples:
        raise ValueError("There is nothing to evaluate: the test set is empty.")
    order = sorted(
        range(len(samples)), key=lambda i: samples[i].picture.width * samples[i].picture.height
    )
    readings = [Reading("", "", 0.0)] * len(samples)
    errors: dict[str, str] = {}
    started = time.perf_counter()
    results = recognizer.read_each(
        (samples[i].picture for i in order), preset=preset, batch_size=batch_size
    )
    for i, result in tqdm(
        zip(order, results, strict=True), total=len(samples), unit="picture", disable=not progress
    ):
        if isinstance(result, Exception):
            errors[samples[i].name] = str(result)
        else:
            readings[i] = result
    seconds = time.perf_counter() - started
    predictions = [reading.tokens for reading in readings]
    captions = [sample.tokens for sample in samples]
    return Evaluation(
        scores=compute_scores(predictions, captions),
        plain_scores=compute_scores(predictions, captions, normalize=False),
        names=[sample.name for sample in samples],
        captions=captions,
        readings=readings,
        errors=errors,
        seconds=seconds,
    )
