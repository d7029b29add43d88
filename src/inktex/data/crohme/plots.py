"""Plots of CROHME's tokens, lengths, sizes, structures, alignment and writers.

Needs matplotlib (`pip install inktex[train]`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ...ink import Expression
from ...ink.alignment import LEVELS
from ...ink.render import place
from .split import DEVELOPMENT_SHARE
from .statistics import STRUCTURES, Share, structures

__all__ = [
    "STYLE", "Groups", "alignment_plot", "length_plot", "size_plot", "structure_plot",
    "token_plot", "writer_plot",
]  # fmt: skip

Groups = Mapping[str, Sequence[Expression]]
"""Expressions by source; train and dev together, each test a group of its own."""

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#666666", "#B59A00")
_LEVEL_COLORS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#D55E00")
STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.size": 10,
    "legend.frameon": False,
    "text.parse_math": False,  # tokens are shown as they are spelled
}


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def token_plot(train: Sequence[Expression]) -> Figure:
    """How often each token occurs."""
    counts = Counter(token for one in train for token in one.tokens).most_common()
    columns = 4
    rows = -(-len(counts) // columns)
    figure = Figure(figsize=(12, 0.19 * rows + 1.2), layout="constrained")
    figure.suptitle("Tokens in the training captions, most frequent first (logarithmic)")
    axes: Any = figure.subplots(1, columns, sharex=True)
    for number, axis in enumerate(axes):
        part = counts[number * rows : (number + 1) * rows]
        axis.barh(range(len(part)), [count for _, count in part], color=_COLORS[0], height=0.7)
        axis.set_yticks(range(len(part)), [token for token, _ in part], family="monospace")
        for place_, (_, count) in enumerate(part):
            axis.text(count * 1.15, place_, f"{count:,}", va="center", fontsize=7.5, color="#444")
        axis.set_ylim(rows - 0.5, -0.5)
        axis.set_xscale("log")
        axis.set_xlim(0.8, counts[0][1] * 6)
        axis.tick_params(axis="y", length=0, labelsize=8.5)
        axis.set_xticks([])  # the numbers stand at the bars
        axis.minorticks_off()
        axis.spines["bottom"].set_visible(False)
    return figure


def length_plot(groups: Groups) -> Figure:
    """How many tokens captions have."""
    figure, axis = _figure(10, 0.55 * len(groups) + 1.6)
    lengths = [[len(one.tokens) for one in members] for members in groups.values()]
    boxes = axis.boxplot(
        lengths, orientation="horizontal", whis=(5, 95), widths=0.6, patch_artist=True,
        showfliers=False, medianprops={"color": "black"},
    )  # fmt: skip
    for box, color in zip(boxes["boxes"], _cycle(len(lengths)), strict=True):
        box.set(facecolor=color, alpha=0.75)
    for number, values in enumerate(lengths, 1):
        axis.plot(max(values), number, marker="|", color="black", markersize=8)
        axis.text(max(values) * 1.04, number, f"longest {max(values)}", va="center", fontsize=8)
    axis.set_yticks(range(1, len(groups) + 1), _names(groups))
    axis.set_xscale("log")
    axis.set_xticks(
        [1, 2, 5, 10, 20, 50, 100, 200], ["1", "2", "5", "10", "20", "50", "100", "200"]
    )
    axis.minorticks_off()
    axis.set_xlim(0.9, 420)
    axis.invert_yaxis()
    axis.set_xlabel("tokens (box: quartiles; whiskers: 5 to 95 %; logarithmic)")
    axis.set_title("Length of the captions")
    return figure


def size_plot(groups: Groups) -> Figure:
    """Width and height of the pictures."""
    columns = 4
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(12, 2.9 * rows + 0.6), layout="constrained")
    figure.suptitle("Pictures by the published protocol, in pixels (logarithmic)")
    axes: Any = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis in axes.flat[len(groups) :]:
        axis.set_visible(False)
    for axis, (name, members), color in zip(
        axes.flat, groups.items(), _cycle(len(groups)), strict=False
    ):
        sides = np.array([place(one.traces)[1:] for one in members])
        axis.scatter(*sides.T, s=4, alpha=0.3, color=color, linewidths=0)
        width, height = np.median(sides, axis=0)
        axis.axvline(width, color="black", linewidth=0.6)
        axis.axhline(height, color="black", linewidth=0.6)
        axis.set_title(f"{name}: median {width:.0f} x {height:.0f}", fontsize=10)
        axis.set_xscale("log")
        axis.set_yscale("log")
        ticks = [30, 100, 300, 1000]
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.set_yticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
    figure.supxlabel("width")
    figure.supylabel("height")
    return figure


def structure_plot(groups: Groups) -> Figure:
    """How common each structure is."""
    figure, axis = _figure(11, 0.5 * len(groups) + 2.2)
    table = np.array([_structure_shares(members) for members in groups.values()])
    axis.imshow(table, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(*table.shape):
        value = table[row, column]
        text = "-" if value == 0 else f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
        axis.text(
            column, row, text, ha="center", va="center", fontsize=9,
            color="white" if value > 60 else "black",
        )  # fmt: skip
    axis.set_xticks(range(len(STRUCTURES)), STRUCTURES, rotation=35, ha="right")
    axis.set_yticks(range(len(groups)), _names(groups))
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title("Per cent of the expressions that have a structure")
    return figure


def _structure_shares(members: Sequence[Expression]) -> list[float]:
    counts = Counter(kind for one in members for kind in structures(one.tokens))
    return [100 * counts[kind] / max(len(members), 1) for kind in STRUCTURES]


def alignment_plot(groups: Groups) -> Figure:
    """At which level expressions are aligned."""
    figure, axis = _figure(10, 0.5 * len(groups) + 1.8)
    table = np.array(
        [
            [100 * sum(one.level == level for one in members) / len(members) for level in LEVELS]
            for members in groups.values()
        ]
    )
    left = np.zeros(len(groups))
    for level, values, color in zip(LEVELS, table.T, _LEVEL_COLORS, strict=True):
        axis.barh(range(len(groups)), values, left=left, color=color, label=level, height=0.65)
        left += values
    for row, strict in enumerate(table[:, 0]):
        aligned = 100 - table[row, -1]
        axis.text(100.15, row, f"strict {strict:.1f}, all {aligned:.1f}", va="center", fontsize=8)
    axis.set_xlim(np.floor(table[:, 0].min() - 1), 100)
    axis.set_yticks(range(len(groups)), _names(groups))
    axis.invert_yaxis()
    axis.set_xlabel("per cent of the expressions (the axis does not start at 0)")
    axis.set_title("How tokens were tied to symbols")
    figure.legend(loc="outside lower center", ncols=len(LEVELS), title=None)
    return figure


def writer_plot(shares: Sequence[Share]) -> Figure:
    """How many of each writer's expressions are in dev."""
    figure, axis = _figure(10, 5)
    largest = max((share.total for share in shares), default=1)
    sizes = np.geomspace(1, largest * 1.2, 200)
    mean = DEVELOPMENT_SHARE * sizes
    spread = 2 * np.sqrt(sizes * DEVELOPMENT_SHARE * (1 - DEVELOPMENT_SHARE))
    axis.fill_between(
        sizes, np.maximum(mean - spread, 0), mean + spread, color="#ddd", label="2 sigma of chance"
    )
    axis.plot(sizes, mean, color="black", linewidth=1, label=f"{DEVELOPMENT_SHARE:.0%}")
    sources = sorted({share.source for share in shares})
    # Many writers have the same two counts; a fixed wobble keeps their dots apart.
    wobble = np.random.default_rng(0).uniform(-0.18, 0.18, len(shares))
    for source, color in zip(sources, _cycle(len(sources)), strict=True):
        chosen = [number for number, share in enumerate(shares) if share.source == source]
        axis.scatter(
            [shares[number].total for number in chosen],
            [shares[number].dev + wobble[number] for number in chosen],
            s=22, color=color, alpha=0.8, linewidths=0, label=source,
        )  # fmt: skip
    axis.set_xscale("log")
    ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000, 3000) if tick <= largest * 1.2]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_yscale("asinh", linear_width=2)
    axis.set_ylim(bottom=-0.4)
    high = [tick for tick in (0, 2, 5, 10, 20, 50, 100, 200) if tick <= largest * 0.1 + 10]
    axis.set_yticks(high, [str(tick) for tick in high])
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("expressions of a writer (logarithmic)")
    axis.set_ylabel("of them in dev")
    axis.set_title("Writers in the development split: in proportion, by chance")
    axis.legend(loc="upper left")
    return figure


def _names(groups: Groups) -> list[str]:
    return [f"{name} ({len(members):,})" for name, members in groups.items()]


def _cycle(count: int) -> list[str]:
    return [_COLORS[number % len(_COLORS)] for number in range(count)]
