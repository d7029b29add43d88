"""An exploration of prepared CROHME data in tables: tokens, lengths, structures, writers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...files import template, write_text
from ...ink import Expression
from ...ink.alignment import LEVELS
from ..structures import STRUCTURES, structures
from .split import DEVELOPMENT_SHARE, writer

_RARE = 20
"""Times that a token occurs in the training captions; fewer are counted as rare."""


def write_report(
    path: Path,
    train: Sequence[Expression],
    dev: Sequence[Expression],
    tests: Mapping[str, Sequence[Expression]],
) -> None:
    """Write the tables as Markdown."""
    by_source: dict[str, list[Expression]] = {}
    for one in [*train, *dev]:
        by_source.setdefault(one.source, []).append(one)
    groups = {**dict(sorted(by_source.items())), **tests}
    counts = Counter(token for one in train for token in one.tokens)
    new = {
        name: {t for one in found for t in one.tokens} - {*counts} for name, found in tests.items()
    }
    unseen = "; ".join(f"{name}: {_code(tokens) or 'none'}" for name, tokens in new.items())
    text = template(__file__, "report.md").format(
        train=len(train),
        dev=len(dev),
        tokens=len(counts),
        limit=_RARE,
        rare=_code(token for token, count in counts.items() if count < _RARE) or "none",
        unseen=unseen or "no test was prepared",
        lengths=_table(
            ["group", "expressions", "median", "95 %", "longest"],
            [[name, *_lengths(found)] for name, found in groups.items()],
        ),
        structures=_table(
            ["group", *STRUCTURES],
            [[name, *_structure_shares(found)] for name, found in groups.items()],
        ),
        levels=_table(
            ["group", *LEVELS],
            [[name, *_level_shares(found)] for name, found in groups.items()],
        ),
        share=DEVELOPMENT_SHARE,
        writers=_writers(train, dev),
    )
    write_text(path, text)


def _code(tokens: Iterable[str]) -> str:
    return " ".join(f"`{token}`" for token in sorted(tokens))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _lengths(found: Sequence[Expression]) -> list[str]:
    lengths = np.array([len(one.tokens) for one in found] or [0])
    median, high = np.percentile(lengths, [50, 95])
    return [str(len(found)), f"{median:.0f}", f"{high:.0f}", str(lengths.max())]


def _structure_shares(found: Sequence[Expression]) -> list[str]:
    counts = Counter(kind for one in found for kind in structures(one.tokens))
    return [f"{100 * counts[kind] / max(len(found), 1):.1f}" for kind in STRUCTURES]


def _level_shares(found: Sequence[Expression]) -> list[str]:
    counts = Counter(one.level for one in found)
    return [f"{100 * counts[level] / max(len(found), 1):.1f}" for level in LEVELS]


def _writers(train: Sequence[Expression], dev: Sequence[Expression]) -> str:
    """For each source its writers, as far as names show them, and their part in dev."""
    learnt, held_out = (
        Counter((one.source, who) for one in split if (who := writer(one.id, one.source)))
        for split in (train, dev)
    )
    rows = []
    for source in sorted({source for source, _ in learnt + held_out}):
        names = {who for where, who in learnt + held_out if where == source}
        inside = sum(held_out[source, who] for who in names)
        total = inside + sum(learnt[source, who] for who in names)
        absent = sum(not held_out[source, who] for who in names)
        alone = sum(not learnt[source, who] for who in names)
        share = f"{100 * inside / total:.2f} %"
        rows.append(
            [source, *map(str, (len(names), total, inside)), share, str(absent), str(alone)]
        )
    return _table(
        ["source", "writers", "expressions", "in dev", "share", "not in dev", "in dev alone"], rows
    )
