r"""Scores of recognised expressions: ExpRate and its kin, as pure functions.

ExpRate is the share of expressions whose tokens equal the caption's exactly; "within k" is
the share that at most k token edits (insert, delete, replace) set right.  All expressions
of a test set are the denominator: an expression that could not be read counts as an empty
prediction, never as absent.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from inktex.evaluation.spelling import normalize_spelling
from inktex.tokenizer.tokenization_inktex import TOKEN_PATTERN

Expression = str | Sequence[str]
"""LaTeX, spaced into tokens or not, or a sequence of tokens."""

_TOKEN = re.compile(TOKEN_PATTERN)


@dataclass(frozen=True)
class Scores:
    """Counts over a test set, with the rates that follow from them.

    Attributes:
        expressions: number of expressions, the denominator of every rate but one.
        exact: how many equal their caption.
        within_1, within_2, within_3: how many are at most so many token edits away from it.
        edits: token edits over all expressions.
        reference_tokens: tokens of all captions, the denominator of the token error rate.
        is_normalized: whether both sides went through `normalize_spelling` first.
    """

    expressions: int
    exact: int
    within_1: int
    within_2: int
    within_3: int
    edits: int
    reference_tokens: int
    is_normalized: bool

    @property
    def exp_rate(self) -> float:
        """Share of exact expressions, 0 to 1."""
        return self.exact / self.expressions

    @property
    def exp_rate_1(self) -> float:
        """Share within 1 token edit, 0 to 1."""
        return self.within_1 / self.expressions

    @property
    def exp_rate_2(self) -> float:
        """Share within 2 token edits, 0 to 1."""
        return self.within_2 / self.expressions

    @property
    def exp_rate_3(self) -> float:
        """Share within 3 token edits, 0 to 1."""
        return self.within_3 / self.expressions

    @property
    def token_error_rate(self) -> float:
        """Token edits by caption token; above 1 where predictions are far too long.

        NaN where all captions are empty.
        """
        return self.edits / self.reference_tokens if self.reference_tokens else math.nan

    @property
    def exp_rate_interval(self) -> tuple[float, float]:
        """95 % Wilson interval of `exp_rate`, over the choice of test expressions."""
        return wilson_interval(self.exact, self.expressions)

    def as_dict(self) -> dict[str, int | float | bool]:
        """Give counts and rates as one flat dictionary that JSON can hold."""
        low, high = self.exp_rate_interval
        return {
            "exp_rate": self.exp_rate,
            "exp_rate_low": low,
            "exp_rate_high": high,
            "exp_rate_1": self.exp_rate_1,
            "exp_rate_2": self.exp_rate_2,
            "exp_rate_3": self.exp_rate_3,
            "token_error_rate": self.token_error_rate,
            **asdict(self),
        }

    def __str__(self) -> str:
        low, high = self.exp_rate_interval
        return (
            f"ExpRate {self.exp_rate:.2%} ({low:.2%} to {high:.2%}), "
            f"<=1 {self.exp_rate_1:.2%}, <=2 {self.exp_rate_2:.2%}, <=3 {self.exp_rate_3:.2%}, "
            f"token error rate {self.token_error_rate:.2%}, {self.expressions} expressions, "
            f"{'spelling normalised' if self.is_normalized else 'not normalised'}"
        )


def compute_scores(
    predictions: Sequence[Expression],
    references: Sequence[Expression],
    *,
    normalize: bool = True,
) -> Scores:
    r"""Score predictions against their captions.

    Args:
        predictions: one for each reference, in the same order; `""` for an unread one.
        normalize: whether both sides first take one spelling (`\to` and `\rightarrow`);
            report the score without it beside the score with it.

    Raises:
        ValueError: the lists are empty or of different lengths.
        TypeError: one of the lists is a single string.

    Example:
        >>> compute_scores(["x ^ 2", "y"], ["x ^ { 2 }", "z"]).exp_rate
        0.5
    """
    check_expressions(predictions, references)
    distances: list[int] = []
    reference_tokens = 0
    for prediction, reference in zip(predictions, references, strict=True):
        predicted, expected = _split(prediction), _split(reference)
        if normalize:
            predicted, expected = normalize_spelling(predicted), normalize_spelling(expected)
        distances.append(edit_distance(predicted, expected))
        reference_tokens += len(expected)

    exact, *within = (sum(distance <= edits for distance in distances) for edits in range(4))
    return Scores(
        len(distances), exact, within[0], within[1], within[2], sum(distances), reference_tokens,
        normalize,
    )  # fmt: skip


def check_expressions(predictions: Sequence[Expression], references: Sequence[Expression]) -> None:
    """Check that the lists can be scored against each other.

    Raises:
        ValueError: the lists are empty or of different lengths.
        TypeError: one of the lists is a single string.
    """
    for name, expressions in (("predictions", predictions), ("references", references)):
        if isinstance(expressions, str):
            raise TypeError(f"`{name}` is a single string; give a list with one string for each.")
    if len(predictions) != len(references):
        raise ValueError(
            f"There are {len(predictions)} predictions but {len(references)} references; give "
            'exactly one prediction for each reference, "" where nothing was read.'
        )
    if not references:
        raise ValueError("There are no expressions to score; give at least one reference.")


def edit_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """Count the token edits (insert, delete, replace) from one sequence to the other.

    The Levenshtein distance, exact, by the algorithm of Wagner and Fischer (1974).

    Example:
        >>> edit_distance(["x", "^", "2"], ["x", "_", "2", "3"])
        2
    """
    # Most predictions are nearly right, so that little is left between the equal ends.
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    end = 0
    while end < min(len(first), len(second)) - start and first[-1 - end] == second[-1 - end]:
        end += 1
    rows, columns = first[start : len(first) - end], second[start : len(second) - end]
    (last,) = deque(_distances(rows, columns), maxlen=1)
    return last[-1]


def align(first: Sequence[str], second: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """Pair the tokens of two sequences, with as few edits as there can be.

    Of several such alignments one is taken that, from the end, replaces rather than deletes, and
    deletes rather than inserts.

    Returns:
        Pairs in the order of both; None stands beside a token that the other sequence lacks. As
        many pairs differ as `edit_distance` says.

    Example:
        >>> align(["x", "+", "1"], ["x", "l"])
        [('x', 'x'), ('+', None), ('1', 'l')]
    """
    table = list(_distances(first, second))
    row, column = len(first), len(second)
    pairs: list[tuple[str | None, str | None]] = []
    while row or column:
        edits = table[row][column]
        is_equal = bool(row and column) and first[row - 1] == second[column - 1]
        if row and column and edits == table[row - 1][column - 1] + (not is_equal):
            row, column = row - 1, column - 1
            pairs.append((first[row], second[column]))
        elif row and edits == table[row - 1][column] + 1:
            row -= 1
            pairs.append((first[row], None))
        else:
            column -= 1
            pairs.append((None, second[column]))
    return pairs[::-1]


def wrong_tokens(read: Sequence[str], written: Sequence[str]) -> list[bool]:
    """Of each token that was read whether it was wrong: in the place of another one, or of none.

    Args:
        read: tokens of a reading.
        written: of its caption.

    Example:
        >>> wrong_tokens(["x", "l"], ["x", "+", "1"])
        [False, True]
    """
    return [one != other for one, other in align(read, written) if one is not None]


def _distances(first: Sequence[str], second: Sequence[str]) -> Iterator[list[int]]:
    """For each beginning of `first`, the empty one too, its edits to each beginning of `second`."""
    previous = list(range(len(second) + 1))
    yield previous
    for row, token in enumerate(first, start=1):
        current = [row]
        for column, other in enumerate(second, start=1):
            current.append(
                min(
                    previous[column] + 1,
                    current[column - 1] + 1,
                    previous[column - 1] + (token != other),
                )
            )
        yield current
        previous = current


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share (Wilson 1927): lower and upper bound, 0 to 1.

    Raises:
        ValueError: no trials, or successes outside 0 to `trials`.
    """
    from scipy.stats import binomtest  # takes long to import

    found = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def _split(expression: Expression) -> list[str]:
    return _TOKEN.findall(expression) if isinstance(expression, str) else list(expression)
