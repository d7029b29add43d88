"""An exploration of prepared CROHME data: tokens, lengths, sizes, structures, alignment, writers.

Needs matplotlib (`pip install inktex[train]`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ...files import write_text
from ...ink import Expression
from ...training.data import load_expressions
from .plots import (
    STYLE,
    Groups,
    alignment_plot,
    length_plot,
    size_plot,
    structure_plot,
    token_plot,
    writer_plot,
)
from .split import DEVELOPMENT_SHARE
from .statistics import Share, writer_shares

__all__ = ["write_report"]


def write_report(data: Path) -> Path:
    """Write plots and `README.md` into the folder `report` of prepared data.

    Args:
        data: folder of the parquet files.

    Returns:
        The report's Markdown file.

    Raises:
        FileNotFoundError: if there is no train and dev split.
    """
    train, dev = load_expressions(data, "train"), load_expressions(data, "dev")
    groups: dict[str, list[Expression]] = {}
    for one in [*train, *dev]:
        groups.setdefault(one.source, []).append(one)
    groups = dict(sorted(groups.items()))
    for path in sorted(data.glob("test*.parquet")):
        groups[f"{path.stem[:4]} {path.stem[4:]}"] = load_expressions(path)
    shares = writer_shares(train, dev)
    folder = data / "report"
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, figure in {
            "tokens": token_plot(train),
            "lengths": length_plot(groups),
            "sizes": size_plot(groups),
            "structures": structure_plot(groups),
            "alignment": alignment_plot(groups),
            "writers": writer_plot(shares),
        }.items():
            FigureCanvasAgg(figure)
            figure.savefig(folder / f"{name}.png", dpi=110, facecolor="white")
    report = folder / "README.md"
    write_text(report, _text(train, dev, groups, shares))
    return report


def _text(
    train: Sequence[Expression],
    dev: Sequence[Expression],
    groups: Groups,
    shares: Sequence[Share],
) -> str:
    """The report in Markdown."""
    seen = {token for one in train for token in one.tokens}
    rare = [t for t, n in Counter(t for one in train for t in one.tokens).items() if n < 20]
    new = {
        name: sorted({token for one in members for token in one.tokens} - seen)
        for name, members in groups.items()
        if name.startswith("test")
    }
    unseen = "; ".join(f"{name}: {' '.join(f'`{t}`' for t in new[name]) or 'none'}" for name in new)
    known = {(share.source, share.writer) for share in shares if share.train}
    strangers = [share for share in shares if (share.source, share.writer) not in known]
    absent = sum(share.dev == 0 for share in shares)
    total, held = sum(s.total for s in shares), sum(s.dev for s in shares)
    outside = sum(_outside(share) for share in shares)
    writers = [
        f"| {source} | {len(part)} | {sum(s.total for s in part)} | {sum(s.dev for s in part)} | "
        f"{100 * sum(s.dev for s in part) / sum(s.total for s in part):.2f} % | "
        f"{sum(s.dev == 0 for s in part)} |"
        for source in sorted({share.source for share in shares})
        for part in [[share for share in shares if share.source == source]]
    ]
    return _REPORT.format(
        train=len(train), dev=len(dev), tokens=len(seen), rare=len(rare),
        unseen=unseen or "no test was prepared", writers="\n".join(writers), count=len(shares),
        total=total, held=held, percent=100 * held / max(total, 1), outside=outside,
        absent=absent, strangers=len(strangers),
    )  # fmt: skip


def _outside(share: Share) -> bool:
    """Whether a writer's part in dev is more than two standard deviations from 5 %."""
    deviation = (share.total * DEVELOPMENT_SHARE * (1 - DEVELOPMENT_SHARE)) ** 0.5
    return abs(share.dev - DEVELOPMENT_SHARE * share.total) > 2 * deviation


_REPORT = """# CROHME, explored

{train} expressions to train on and {dev} to choose by. Sources are those of train and dev together.

## Tokens

{tokens} distinct tokens in train, {rare} of them fewer than 20 times. Not in train, but in a test:
{unseen}.

![Tokens](tokens.png)

## Lengths

![Lengths](lengths.png)

## Sizes

![Sizes](sizes.png)

## Structures

![Structures](structures.png)

## Alignment

![Alignment](alignment.png)

## Writers in train and dev

The split is stratified by source; writers fall in proportion by chance. Names show {count} writers
of {total} expressions, {held} of them in dev ({percent:.2f} %). {outside} writers are more than two
standard deviations off 5 %, {absent} are not in dev, and {strangers} are in dev alone.

| source | writers | expressions | in dev | share | writers not in dev |
|---|---:|---:|---:|---:|---:|
{writers}

![Writers](writers.png)
"""
