"""Regions: which ink on a page belongs to one formula.

Connected components are joined two by two, the likeliest pair first, as long as a small network
takes the likeliest for parts of one formula. It sees the bounding boxes of what was joined so far
alone. `scripts/fit_regions.py` trains it, on pages of CROHME's expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .ink.types import bounding_box
from .modeling.image_loading_inktex import NoFormulaError
from .modeling.stroke_width_inktex import EIGHT

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Score = Callable[[Array], Array]
"""From features `(n, FEATURES)` of pairs to the logits that they are parts of one formula."""

FEATURES: Final = 14
WEIGHTS: Final = Path(__file__).parent / "regions.safetensors"
REACH: Final = 8.0
"""Symbol heights from one part to the next, at most."""
MAX_COMPONENTS: Final = 2000


def split(ink: Mask) -> list[Mask]:
    """The ink of each formula on a page, in reading order: row by row, each from left to right.

    Args:
        ink: `(h, w)`, upright.

    Raises:
        NoFormulaError: if there are more than `MAX_COMPONENTS` marks.
    """
    labels, count = ndimage.label(ink, EIGHT)
    if count > MAX_COMPONENTS:
        raise NoFormulaError(
            f"No formulas found: there are {count} separate marks in the picture, as in a texture; "
            f"a page may have {MAX_COMPONENTS}."
        )
    if not count:
        return []
    boxes = np.array(
        [
            (columns.start, rows.start, columns.stop, rows.stop)
            for rows, columns in ndimage.find_objects(labels)
        ],
        dtype=np.float64,
    )
    owners, regions = _grouped(boxes)
    of_component = np.concatenate([[-1], owners])
    return [of_component[labels] == one for one in regions]


def split_ink(traces: Sequence[NDArray[np.float32]]) -> list[list[NDArray[np.float32]]]:
    """The traces of each formula, in the order of `split`.

    Args:
        traces: each `(points, 2)`, y downwards.
    """
    boxes = np.array([bounding_box([one]) for one in traces])
    owners, regions = _grouped(boxes)
    return [
        [trace for trace, owner in zip(traces, owners, strict=True) if owner == one]
        for one in regions
    ]


def _grouped(boxes: Array) -> tuple[NDArray[np.int64], list[int]]:
    """For each box the number of its group, and these numbers in reading order."""
    owners = group(normalized(boxes), network())
    spans = {int(one): span(boxes[owners == one]) for one in np.unique(owners)}
    return owners, list(_reading_order(spans))


def normalized(boxes: Array) -> Array:
    """Boxes `(n, 4)` (left, top, right, bottom) in units of the median of their longer sides."""
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    scaled: Array = boxes / max(float(np.median(longer)), 1e-6)
    return scaled


def group(boxes: Array, score: Score) -> NDArray[np.int64]:
    """For each box the number of its group; see the module.

    Args:
        boxes: `(n, 4)`, of `normalized`.
        score: of pairs.
    """
    groups = Groups(boxes, score)
    while (pair := groups.likeliest()) is not None and groups.scores[pair] > 0:
        groups.join(*pair)
    return groups.labels


class Groups:
    """Boxes, and what was joined of them so far.

    Args:
        boxes: `(n, 4)`, of `normalized`.
        score: of pairs.

    Attributes:
        labels: `(n,)`, of each box the number of its group, which is that of one of its boxes.
        scores: `(n, n)`, logits of pairs of groups; -inf where one is no group, or too far away.
    """

    def __init__(self, boxes: Array, score: Score) -> None:
        count = len(boxes)
        self.score, self.spans, self.labels = score, boxes.copy(), np.arange(count)
        self.sizes = np.ones(count)
        across, down = (
            np.maximum(boxes[:, None, side] - boxes[None, :, side + 2], 0) for side in (0, 1)
        )
        self.distances = np.hypot(np.maximum(across, across.T), np.maximum(down, down.T))
        self.is_group = np.ones(count, dtype=bool)
        self.scores = np.full((count, count), -np.inf)
        for one in range(count):
            self._update(one)

    def likeliest(self) -> tuple[int, int] | None:
        """The pair that scores most; None if no two groups are left that may be joined."""
        one, other = divmod(int(self.scores.argmax()), len(self.scores))
        return None if self.scores[one, other] == -np.inf else (one, other)

    def join(self, one: int, other: int) -> None:
        """Make two groups one, with the number of the first."""
        self.labels[self.labels == self.labels[other]] = self.labels[one]
        self.spans[one] = span(self.spans[[one, other]])
        self.sizes[one] += self.sizes[other]
        self.distances[one] = np.minimum(self.distances[one], self.distances[other])
        self.distances[:, one] = self.distances[one]
        self.is_group[other] = False
        self.scores[other] = self.scores[:, other] = -np.inf
        self._update(one)

    def part(self, one: int, other: int) -> None:
        """Never join these two, unless one of them changes."""
        self.scores[one, other] = self.scores[other, one] = -np.inf

    def features(self, one: int, others: NDArray[np.int64]) -> Array:
        """Features `(n, FEATURES)` of a group and each of some others, the same either way.

        Logarithms of gaps and sizes, and of the smaller one's place beside the larger one.
        """
        first, second = self.spans[one], self.spans[others]
        across = np.maximum(second[:, 0] - first[2], first[0] - second[:, 2])
        down = np.maximum(second[:, 1] - first[3], first[1] - second[:, 3])
        sides = first[2:] - first[:2], second[:, 2:] - second[:, :2]
        is_smaller = sides[1].sum(axis=1) <= sides[0].sum()  # the second one
        counts = np.full(len(others), self.sizes[one]), self.sizes[others]
        smaller = np.where(is_smaller[:, None], sides[1], sides[0])
        larger = np.where(is_smaller[:, None], sides[0], sides[1])
        middles = (second[:, :2] + second[:, 2:] - first[:2] - first[2:]) / 2
        middles *= np.where(is_smaller, 1, -1)[:, None]
        place = np.sign(middles) * np.log1p(abs(middles))
        overlap, gap = np.maximum([-across, -down], 0), np.log1p(np.maximum([across, down], 0))
        shares = np.minimum(overlap.T / np.maximum(smaller, 0.1), 1)
        columns = [
            np.log1p(self.distances[one, others]), *gap, *shares.T,
            *np.log1p(smaller).T, *np.log1p(larger).T, *place.T,
            np.log(np.where(is_smaller, counts[1], counts[0])),
            np.log(np.where(is_smaller, counts[0], counts[1])),
            shares[:, 0] * gap[1],
        ]  # fmt: skip
        return np.stack(columns, axis=1)

    def _update(self, one: int) -> None:
        """Score a group with all others within reach."""
        self.scores[one] = self.scores[:, one] = -np.inf
        is_near = self.is_group & (self.distances[one] < REACH)
        is_near[one] = False
        others = np.flatnonzero(is_near)
        if len(others):
            scores = self.score(self.features(one, others))
            self.scores[one, others] = self.scores[others, one] = scores


@cache
def network() -> Score:
    """The network that the package has."""
    from safetensors.numpy import load_file

    return as_score(load_file(WEIGHTS))


def as_score(weights: dict[str, NDArray[np.float32]]) -> Score:
    """A network of one hidden layer, of `hidden.weight`, `hidden.bias` and the same of `out`."""
    hidden, bias, out, shift = (
        weights[f"{layer}.{kind}"].astype(np.float64)
        for layer in ("hidden", "out")
        for kind in ("weight", "bias")
    )

    def score(features: Array) -> Array:
        found: Array = np.maximum(features @ hidden.T + bias, 0) @ out[0] + shift[0]
        return found

    return score


def span(boxes: Array) -> Array:
    """The box `(4,)` around some `(n, 4)`."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _reading_order(spans: dict[int, Array]) -> Iterator[int]:
    """Row by row: what has its middle beside the topmost that is left is in its row."""
    left = sorted(spans, key=lambda one: spans[one][1])
    while left:
        top, bottom = spans[left[0]][[1, 3]]
        row = [one for one in left if top <= spans[one][[1, 3]].mean() <= bottom or one == left[0]]
        yield from sorted(row, key=lambda one: spans[one][0])
        left = [one for one in left if one not in row]
