"""Trains the network that tells which ink on a page belongs to one formula (inktex.regions).

Pages are made of CROHME's expressions, one below the other or side by side. The network learns from
those of the training split. For pages of the development split it is printed how many formulas get
their ink, all of it and none else, by the gap between lines. Takes some minutes on one core.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from inktex.regions import (
    FEATURES,
    WEIGHTS,
    Array,
    Groups,
    Score,
    as_score,
    group,
    normalized,
    span,
)
from inktex.training.data import load_expressions

HIDDEN = 24
ROUNDS = 3
"""Later rounds' pairs are those that the network before them asks for."""
TOUCHING = 0.15
"""Symbol heights between the points of two traces that are one component."""
GAPS = (0.4, 0.7, 1.0, 1.5, 2.5, 4.0)
"""Symbol heights between lines: the bounds of what is printed."""


def main() -> None:
    """Train, save and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/crohme"), help="of prepare_crohme")
    parser.add_argument("--pages", type=int, default=1500, help="to learn from")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="file of the weights")
    parser.add_argument("--measure", action="store_true", help="measure the weights alone")
    args = parser.parse_args()
    if args.measure:
        report(formulas(args.data, "dev"), as_score(load_file(args.output)))
        return
    torch.manual_seed(0)
    train, development = (formulas(args.data, split) for split in ("train", "dev"))
    rng = np.random.default_rng(0)
    pages = [page(train, rng)[:2] for _ in range(args.pages)]
    score: Score = lambda features: 1 - features[:, 0] - features[:, 2]  # noqa: E731
    seen: list[tuple[Array, bool]] = []
    for number in range(ROUNDS):
        for boxes, owners in tqdm(pages[number::ROUNDS], f"round {number + 1}", mininterval=5):
            seen += pairs(boxes, owners, score)
        weights = fit(seen)
        score = as_score(weights)
    save_file(weights, args.output)
    report(development, score)


def report(found: list[Array], score: Score) -> None:
    """Prints how many of the formulas of a list's pages get their ink, by the gap of lines."""
    rng = np.random.default_rng(1)
    counts = {low: [0, 0] for low in GAPS[:-1]}
    for _ in range(300):
        boxes, owners, gap = page(found, rng)
        groups = group(boxes, score)
        low = max(one for one in counts if one <= gap)
        for one in np.unique(owners):
            is_own = owners == one
            is_right = (is_own == (groups == groups[is_own][0])).all()
            counts[low][0] += bool(is_right)
            counts[low][1] += 1
    for (low, (right, of)), high in zip(counts.items(), GAPS[1:], strict=True):
        print(f"gap of {low} to {high} symbol heights: {right} of {of}, {right / max(of, 1):.1%}")


def formulas(data: Path, split: str) -> list[Array]:
    """Boxes `(n, 4)` of the components of each expression, in units of its mean trace height."""
    return [components(one.traces) for one in tqdm(load_expressions(data, split), split)]


def components(traces: list[NDArray[np.float32]]) -> Array:
    """Boxes of traces, joined where they touch."""
    spans = np.array([[*t[:, :2].min(axis=0), *t[:, :2].max(axis=0)] for t in traces], float)
    heights = spans[:, 3] - spans[:, 1]
    # Dots and level lines alone have no height: then their width tells.
    sides = heights if heights.max() > 0 else spans[:, 2] - spans[:, 0]
    unit = max(float(sides[sides >= 0.1 * sides.max()].mean()), 1e-6)
    points = [trace[:: max(len(trace) // 40, 1), :2] / unit for trace in traces]
    owner = list(range(len(traces)))
    for i, one in enumerate(points):
        for j in range(i):
            apart = np.maximum(spans[i, :2] - spans[j, 2:], spans[j, :2] - spans[i, 2:]) / unit
            if apart.max() < TOUCHING and owner[i] != owner[j]:
                gaps = ((one[:, None] - points[j][None]) ** 2).sum(axis=-1)
                if gaps.min() < TOUCHING**2:
                    owner = [owner[j] if other == owner[i] else other for other in owner]
    found = []
    for number in sorted(set(owner)):
        own = spans[[i for i, other in enumerate(owner) if other == number]] / unit
        found.append(span(own))
    boxes = np.array(found)
    return boxes - np.tile(boxes[:, :2].min(axis=0), 2)


def page(found: list[Array], rng: np.random.Generator) -> tuple[Array, NDArray[np.int64], float]:
    """Boxes of a page, of each the number of its formula, and the gap of lines.

    One to eight formulas; three lines in ten have two or three of them. Lines are evenly apart,
    nearly, by 0.4 to 4 symbol heights, and begin at one side or anywhere.
    """
    count, gap = int(rng.integers(1, 9)), math.exp(rng.uniform(*np.log([GAPS[0], GAPS[-1]])))
    is_flush = rng.random() < 0.7
    boxes: list[Array] = []
    top = 0.0
    while len(boxes) < count:
        left, bottom = float(rng.normal(0, 0.5) if is_flush else rng.uniform(0, 12)), top
        columns = 1 if rng.random() < 0.7 else int(rng.integers(2, 4))
        for column in range(min(columns, count - len(boxes))):
            one = found[rng.integers(len(found))] * math.exp(rng.normal(0, 0.12))
            shift = (left, top + (rng.normal(0, 0.3) if column else 0.0))
            boxes.append(one + np.tile(shift, 2))
            left = boxes[-1][:, 2].max() + math.exp(rng.uniform(*np.log([2.5, 12])))
            bottom = max(bottom, boxes[-1][:, 3].max())
        top = bottom + gap * math.exp(rng.normal(0, 0.2))
    owners = np.repeat(np.arange(count), [len(one) for one in boxes])
    return normalized(np.concatenate(boxes)), owners, gap


def pairs(boxes: Array, owners: NDArray[np.int64], score: Score) -> Iterator[tuple[Array, bool]]:
    """Features of the pairs that come up in grouping by truth, and whether they belong together."""
    groups = Groups(boxes, score)
    while (pair := groups.likeliest()) is not None:
        is_one = bool(owners[pair[0]] == owners[pair[1]])
        yield groups.features(pair[0], np.array([pair[1]]))[0], is_one
        if is_one:
            groups.join(*pair)
        else:
            groups.part(*pair)


def fit(seen: list[tuple[Array, bool]], epochs: int = 30) -> dict[str, NDArray[np.float32]]:
    """Weights of the network, by cross-entropy."""
    features = torch.tensor(np.stack([one for one, _ in seen]), dtype=torch.float32)
    labels = torch.tensor([is_one for _, is_one in seen], dtype=torch.float32)
    hidden, out = torch.nn.Linear(FEATURES, HIDDEN), torch.nn.Linear(HIDDEN, 1)
    optimizer = torch.optim.Adam([*hidden.parameters(), *out.parameters()], lr=1e-2)
    falling: Callable[[int], float] = lambda epoch: 1 - epoch / epochs  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falling)
    for _ in range(epochs):
        for batch in torch.randperm(len(features)).split(1024):
            logits = out(torch.relu(hidden(features[batch])))[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return {
        f"{name}.{kind}": getattr(layer, kind).detach().numpy()
        for name, layer in (("hidden", hidden), ("out", out))
        for kind in ("weight", "bias")
    }


if __name__ == "__main__":
    main()
