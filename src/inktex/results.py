"""What a recognizer returns: the reading of a picture, its alternatives, and its symbols."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .formats import convert
from .tokenizer.compact_inktex import compact
from .tokenizer.vocabulary_inktex import NOTHING_TOKEN, UNKNOWN_MARK

if TYPE_CHECKING:
    from inktex.modeling.normalized_picture_inktex import NormalizedPicture

    from .modeling.search_inktex import Decoded
    from .symbol_boxes import Box


@dataclass(frozen=True, slots=True)
class ReadSymbol:
    """One symbol of a reading.

    Attributes:
        index: of its token in the reading's tokens.
        token: the token.
        score: its probability, given the tokens before it, 0 to 1.
        box: left, top, right and bottom of its ink, in pixels of the given picture (after the EXIF
            rotation, if it has one), or in the units of the given strokes; None where no ink was
            found.
    """

    index: int
    token: str
    score: float
    box: Box | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that may stand in the place of one that was read.

    Attributes:
        index: of the token in the reading whose place it takes.
        token: the token.
        score: its probability, given the tokens before it, 0 to 1.
    """

    index: int
    token: str
    score: float


@dataclass(frozen=True, slots=True)
class Alternative:
    """One candidate reading of a picture.

    Attributes:
        latex: compact LaTeX that compiles.
        tokens: the same as canonical tokens, separated by spaces.
        score: probability that the model gives to exactly these tokens, given those that are
            locked, 0 to 1.
        token_scores: of each token its probability, given the tokens before it, 0 to 1.
        symbols: the tokens that have ink, in reading order, with their boxes.
        doubtful: indices of the tokens that are worth a look, those less probable than the model's
            threshold of doubt; none that was locked.
    """

    latex: str
    tokens: str
    score: float
    token_scores: tuple[float, ...] = ()
    symbols: tuple[ReadSymbol, ...] = ()
    doubtful: tuple[int, ...] = ()

    @property
    def unknown(self) -> tuple[ReadSymbol, ...]:
        """Those of `symbols` that are marks outside of the alphabet."""
        return tuple(one for one in self.symbols if one.token == UNKNOWN_MARK)

    def to(self, format: str) -> str:
        """The reading in another format than LaTeX.

        Args:
            format: one of `inktex.formats.FORMATS`.

        Raises:
            ValueError: if there is no such format, or it cannot express this reading (`sympy`).
        """
        return convert(self.tokens, format)


@dataclass(frozen=True, slots=True)
class Reading(Alternative):
    """The most probable reading of a picture.

    Attributes:
        alternatives: other readings, the most probable first; as many as were asked for.
        candidates: for each token with ink what else may stand there, the most probable first:
            other tokens in its own place, and such that begin or end a structure right before it,
            as `^` does, in theirs; empty for other tokens, and where none were asked for.
        box: left, top, right and bottom of the formula's ink, in pixels of the given picture or in
            the units of the given strokes, as those of its symbols.
        picture: the image processor's output: `(height, width)` uint8, ink 255 on paper 0.
        rotation: degrees by which the given picture was turned clockwise to be read: 0, 90, 180 or
            270. Boxes are in the picture as it was given.
        reasons: what the image processor found and did, in words.
    """

    alternatives: tuple[Alternative, ...] = ()
    candidates: tuple[tuple[Candidate, ...], ...] = ()
    box: Box | None = None
    picture: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    rotation: int = 0
    reasons: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """All but picture and reasons, as JSON has it: dictionaries, lists, strings, numbers."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(replace(self, picture=None))))
        del found["picture"], found["reasons"]
        return found


def make_readings(
    pictures: Sequence[NormalizedPicture],
    decoded: Decoded,
    texts: list[str],
    stride: int | None,
    words: Mapping[int, str] = MappingProxyType({}),
    doubt_threshold: float = 0.0,
    locked: Collection[int] = (),
) -> Iterator[Reading]:
    """The readings of the pictures of a batch, in their order.

    Args:
        decoded: what an engine decoded; equally many sequences for each picture.
        texts: of each sequence its canonical tokens, separated by spaces.
        stride: pixels from one cell of the attention to the next, to locate symbols; None for
            readings without symbols.
        words: tokens by their ids, to name candidates; special ones may be missing.
        doubt_threshold: tokens whose probability is lower are doubtful.
        locked: indices of tokens that somebody chose.
    """
    count = len(texts) // len(pictures)
    logs = decoded.token_log_probabilities
    assert logs is not None
    given = logs[:, [index for index in locked if index < logs.shape[1]]].sum(axis=1)
    scores = np.exp(np.minimum(decoded.log_probabilities - given, 0)).tolist()
    token_scores = np.exp(logs).tolist()

    def alternative(picture: NormalizedPicture, number: int) -> Alternative:
        tokens = texts[number].split()
        found: tuple[ReadSymbol, ...] = ()
        if stride is not None:
            attention = None if decoded.attention is None else decoded.attention[number]
            found = _symbols(picture, tokens, token_scores[number], attention, stride)
        scored = tuple(token_scores[number][: len(tokens)])
        doubtful = tuple(
            index
            for index, score in enumerate(scored)
            if score < doubt_threshold and index not in locked
        )
        return Alternative(compact(tokens), texts[number], scores[number], scored, found, doubtful)

    for number, picture in enumerate(pictures):
        # A search that ends early repeats sequences to fill up: the first of equal ones stays.
        first = {texts[i]: i for i in reversed(range(number * count, (number + 1) * count))}
        numbers = sorted(first.values())
        best, *others = (alternative(picture, i) for i in numbers)
        others = [one for one in others if one.tokens != NOTHING_TOKEN]  # no reading to choose
        yield Reading(
            best.latex, best.tokens, best.score, best.token_scores, best.symbols, best.doubtful,
            tuple(others), _candidates(decoded, numbers[0], best.tokens.split(), words),
            _ink_box(picture), picture.picture, 90 * picture.turns, picture.reasons,
        )  # fmt: skip


def _candidates(
    decoded: Decoded, number: int, tokens: Sequence[str], words: Mapping[int, str]
) -> tuple[tuple[Candidate, ...], ...]:
    """Candidates of a sequence; see `Reading`."""
    if decoded.candidates is None or decoded.candidate_log_probabilities is None:
        return ()
    from .symbol_boxes import inked

    scores = np.exp(decoded.candidate_log_probabilities[number])
    own = [
        [
            Candidate(index, words[one], float(score))
            for one, score in zip(decoded.candidates[number, index].tolist(), row, strict=True)
            if score > 0 and words.get(one, token) != token
        ]
        for index, (token, row) in enumerate(zip(tokens, scores, strict=False))
    ]
    # One of each place's is the token that was read.
    most, found, before = decoded.candidates.shape[2] - 1, [], list[Candidate]()
    for candidates, has_ink in zip(own, inked(tokens), strict=True):
        before += candidates
        ranked = sorted(before, key=lambda one: -one.score)[:most]
        found.append(tuple(ranked) if has_ink else ())
        if has_ink:
            before = []
    return tuple(found)


def _symbols(
    picture: NormalizedPicture,
    tokens: list[str],
    scores: list[float],
    attention: NDArray[np.float32] | None,
    stride: int,
) -> tuple[ReadSymbol, ...]:
    from .symbol_boxes import inked, symbol_boxes

    indices = [i for i, has_ink in enumerate(inked(tokens)) if has_ink]
    boxes: list[Box | None] = [None] * len(indices)
    if attention is not None:
        boxes = symbol_boxes(picture.picture, attention[indices], stride)
    return tuple(
        ReadSymbol(i, tokens[i], float(scores[i]), None if box is None else _outside(picture, box))
        for i, box in zip(indices, boxes, strict=True)
    )


def _ink_box(picture: NormalizedPicture) -> Box:
    """The box of all ink, in the given picture."""
    from .modeling.stroke_width_inktex import ink_box

    rows, columns = ink_box(picture.picture > 0)
    return _outside(picture, (columns.start, rows.start, columns.stop, rows.stop))


def _outside(picture: NormalizedPicture, box: Box) -> Box:
    """A box of the model's picture in the given one, as Python's own floats.

    The Space's JSON encoder writes numpy's as text.
    """
    left, top, right, bottom = map(float, picture.to_source(box))
    return left, top, right, bottom
