#!/usr/bin/env python
"""Measure what a wide pen hides from whoever reads it, by classifiers of single symbols.

    python scripts/compare_pens.py --data data/crohme --splits test2014 test2016 --pens 3 6

For each pen a small convolutional network learns the symbols of the training ink as that pen draws
them, in its hands and in others, with what stands around them: the same symbols in the same order,
from the same weights. It is shown the box around the symbol's ink, and beside the picture the lines
that a square of the pen's width fits into. Prints how many symbols of other splits each takes for
another one. What a network that has seen nothing but this pen cannot tell, a recogniser cannot tell
by the symbol either; it may still by the expression around it.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from inktex.cli.arguments import natural, positive
from inktex.evaluation.samples import spread
from inktex.evaluation.varied_writers import vary_writers
from inktex.ink import Expression
from inktex.render import PEN_WIDTH, draw, place
from inktex.training.data import load_expressions
from inktex.training.pairs import draw_pair

SIDE = 48
"""Pixels; of what the network sees. Larger symbols are reduced to fit."""
AROUND = 8
"""Pixels to see around a symbol."""
SMALLEST = 20
"""Pixels; half the side of what is cut out around a small symbol."""
BATCH = 128
RATE = 3e-3
"""The highest learning rate, which rises to it and falls to nothing."""

Cuts = NDArray[np.uint8]
"""`(symbols, planes, SIDE, SIDE)`: of each pen its ink and its lines; then the box and its size."""


def main(arguments: list[str] | None = None) -> int:
    """Cut out, train, test and print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data/crohme"))
    parser.add_argument("--splits", nargs="+", default=["dev"], help="to test on")
    parser.add_argument("--pens", type=positive, nargs="+", default=[PEN_WIDTH, 6], help="pixels")
    parser.add_argument(
        "--limit", type=positive, default=4200, help="training expressions, as written"
    )
    parser.add_argument("--hands", type=natural, default=1, help="other hands for each of them")
    parser.add_argument("--passes", type=positive, default=3, help="over all that (default: 3)")
    parser.add_argument("--seed", type=natural, default=0)
    options = parser.parse_args(arguments)
    if min(options.pens) < PEN_WIDTH:
        print(f"compare_pens: pens are {PEN_WIDTH} pixels wide or wider.", file=sys.stderr)
        return 2
    try:
        written = spread(load_expressions(options.data, "train"), options.limit)
        others = vary_writers(written, options.hands) if options.hands else []
        cuts, labels = cut_out([*written, *others], options.pens)
        tests = [
            (name, *cut_out(load_expressions(options.data, name), options.pens))
            for name in options.splits
        ]
    except (ValueError, OSError) as error:
        print(f"compare_pens: {error}", file=sys.stderr)
        return 2
    names, indices = np.unique(labels, return_inverse=True)
    truth = torch.from_numpy(indices)
    print(f"{len(labels)} symbols to learn from, {len(names)} different ones")
    print("| split | symbols | pen, pixels | wrong, % | times as many |\n|---|---|---|---|---|")
    first: dict[str, float] = {}
    for number, pen in enumerate(options.pens):
        planes = [2 * number, 2 * number + 1, -2, -1]
        net = train(cuts, planes, truth, len(names), options.passes, options.seed, f"{pen} pixels")
        for name, given, expected in tests:
            found = names[classify(net, given, planes)]
            wrong = 100 * float((found != np.array(expected)).mean())
            times = wrong / max(first.setdefault(name, wrong), 1e-9)
            print(f"| {name} | {len(expected)} | {pen} | {wrong:.2f} | {times:.2f} |", flush=True)
    return 0


def cut_out(expressions: Sequence[Expression], pens: Sequence[int]) -> tuple[Cuts, list[str]]:
    """All symbols of expressions as the pens draw them, and what they are.

    Raises:
        ValueError: if there is none.
    """
    shown = tqdm(expressions, desc="drawing", leave=False, disable=None)
    found = list(chain.from_iterable(_cut_out_of(one, pens) for one in shown))
    if not found:
        raise ValueError("There are no symbols in these expressions.")
    return np.stack([cut for cut, _ in found]), [label for _, label in found]


def _cut_out_of(expression: Expression, pens: Sequence[int]) -> Iterator[tuple[Cuts, str]]:
    placed, width, height = place(expression.traces)
    margin = max(pens)
    line = np.pad(draw(placed, width, height, pen=1), margin)
    pages = [Image.fromarray(page) for pen in pens for page in draw_pair(line, pen, PEN_WIDTH)[:2]]
    for symbol in expression.symbols:
        points = np.concatenate([placed[trace] for trace in symbol.traces]) + margin
        low, high = points.min(axis=0), points.max(axis=0)
        half = max(float((high - low).max()) / 2 + AROUND, SMALLEST)
        corner = np.rint((low + high) / 2 - half).astype(int)
        side = round(2 * half)
        window = (corner[0], corner[1], corner[0] + side, corner[1] + side)
        planes = [
            np.asarray(page.crop(window).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            for page in pages
        ]
        box = np.zeros((SIDE, SIDE), dtype=np.uint8)
        (x0, y0), (x1, y1) = ((point - corner) * SIDE / side for point in (low, high))
        box[max(int(y0), 0) : int(y1) + 1, max(int(x0), 0) : int(x1) + 1] = 255
        size = np.full_like(box, min(side, 255))
        yield np.stack([*planes, box, size]), symbol.label


def _network(labels: int) -> nn.Sequential:
    def block(inside: int, outside: int, stride: int) -> list[nn.Module]:
        product = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        return [product, nn.BatchNorm2d(outside), nn.ReLU()]

    sizes = [(4, 24, 1), (24, 48, 2), (48, 48, 1), (48, 96, 2), (96, 96, 1), (96, 160, 2)]
    body = chain.from_iterable(block(*one) for one in sizes)
    head = [nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Dropout(0.3), nn.Linear(160 * 9, labels)]
    net = nn.Sequential(*body, *head)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def _pixels(cuts: Cuts, planes: Sequence[int]) -> torch.Tensor:
    pixels = torch.from_numpy(cuts[:, planes]).float() / 255
    return pixels.contiguous(memory_format=torch.channels_last)


def train(
    cuts: Cuts,
    planes: Sequence[int],
    truth: torch.Tensor,
    labels: int,
    passes: int,
    seed: int,
    name: str,
) -> nn.Module:
    """A network that tells `labels` symbols apart by some planes of `cuts`; `name` is shown."""
    torch.manual_seed(seed)
    net = _network(labels)
    order = np.concatenate(
        [np.random.default_rng((seed, one)).permutation(len(cuts)) for one in range(passes)]
    )
    batches = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, len(batches) + 1)
    for batch in tqdm(batches, desc=name, leave=False, disable=None):
        logits = net(_pixels(cuts[batch], planes))
        loss = functional.cross_entropy(logits, truth[batch], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def classify(net: nn.Module, cuts: Cuts, planes: Sequence[int]) -> NDArray[np.int64]:
    """The likeliest label of each symbol."""
    parts = [
        net(_pixels(cuts[at : at + BATCH], planes)).argmax(dim=1).numpy()
        for at in range(0, len(cuts), BATCH)
    ]
    return np.concatenate(parts)


if __name__ == "__main__":
    sys.exit(main())
