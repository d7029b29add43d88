"""A report on an evaluation: rates by kind of expression, confusions, calibration, misreadings.

Needs matplotlib (`pip install inktex[train]`).
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageOps

from inktex.data.structures import STRUCTURES, structures
from inktex.evaluation.run import Evaluation
from inktex.evaluation.samples import Sample
from inktex.files import write_text
from inktex.recognizer import Reading

from .calibration import Calibration, measure_calibration
from .scores import align, edit_distance, wilson_interval
from .spelling import normalize_spelling
from .symbols import LEFT_OUT, OTHER, LookAlikes, Recall

__all__ = ["write_evaluation_report"]

_STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.size": 10,
    "legend.frameon": False,
    "text.parse_math": False,  # tokens are shown as they are spelled
}
_BLUE, _ORANGE = "#0072B2", "#D55E00"
_LENGTHS = ((1, 5), (6, 10), (11, 15), (16, 20), (21, 30), (31, 40), (41, 1000))
_GALLERY = 24
_TILE = (460, 170)
_NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class _Case:
    """One expression of the test set: its caption and its reading."""

    name: str
    source: str
    caption: list[str]
    read: list[str]
    reading: Reading
    picture: Image.Image
    edits: int

    @property
    def is_right(self) -> bool:
        return self.edits == 0


def write_evaluation_report(
    evaluation: Evaluation, samples: Sequence[Sample], folder: Path, title: str
) -> Path:
    """Write plots and `README.md`.

    Args:
        evaluation: of the samples, in their order.
        samples: the test set.
        folder: of the report; made if it is not there.
        title: says what was evaluated.

    Returns:
        The report's Markdown file.
    """
    cases = [
        _case(sample, reading) for sample, reading in zip(samples, evaluation.readings, strict=True)
    ]
    calibration = measure_calibration(
        [case.reading.score for case in cases], [case.is_right for case in cases]
    )
    confusions = _confusions(cases)
    folder.mkdir(parents=True, exist_ok=True)
    lengths = {f"{a}-{b}" if b < 1000 else f"{a}+": range(a, b + 1) for a, b in _LENGTHS}
    groups: dict[str, Callable[[_Case], Iterable[str]]] = {
        "lengths": lambda case: [n for n, r in lengths.items() if len(case.caption) in r],
        "structures": lambda case: sorted(structures(case.caption)) or ["none of these"],
        "sources": lambda case: [case.source or "all"],
    }
    orders = {"lengths": list(lengths), "structures": [*STRUCTURES, "none of these"]}
    titles = {
        "lengths": "ExpRate by number of tokens",
        "structures": "ExpRate by structure (an expression may have several)",
        "sources": "ExpRate by source",
    }
    with mpl.rc_context(_STYLE):
        figures = {
            name: _rates(cases, group, titles[name], orders.get(name))
            for name, group in groups.items()
        }
        figures["confusions"] = _confusion_plot(confusions)
        figures["reliability"] = _reliability(calibration)
        for name, figure in figures.items():
            FigureCanvasAgg(figure)
            figure.savefig(folder / f"{name}.png", dpi=110, facecolor="white")
    wrong = sorted((case for case in cases if not case.is_right), key=lambda c: -c.reading.score)
    _gallery(wrong[:_GALLERY]).save(folder / "misreads.png")
    report = folder / "README.md"
    title = html.escape(" ".join(title.split()), quote=False)
    write_text(report, _text(title, evaluation, cases, calibration, confusions, wrong[:_GALLERY]))
    return report


def _case(sample: Sample, reading: Reading) -> _Case:
    caption = normalize_spelling(sample.tokens.split())
    read = normalize_spelling(reading.tokens.split())
    edits = edit_distance(read, caption)
    return _Case(sample.name, sample.source, caption, read, reading, sample.picture, edits)


# ------------------------------------------------------------------------------------------ plots


def _rates(
    cases: Sequence[_Case],
    groups_of: Callable[[_Case], Iterable[str]],
    title: str,
    order: Sequence[str] | None,
) -> Figure:
    """A bar a group, with the 95 % interval and the number of expressions."""
    members: dict[str, list[bool]] = {}
    for case in cases:
        for group in groups_of(case):
            members.setdefault(group, []).append(case.is_right)
    names = [name for name in (order or sorted(members)) if name in members]
    figure = Figure(figsize=(8, 0.4 * len(names) + 1.3), layout="constrained")
    axis = figure.add_subplot()
    for row, name in enumerate(names):
        right = members[name]
        rate = 100 * sum(right) / len(right)
        low, high = (100 * side for side in wilson_interval(sum(right), len(right)))
        axis.barh(row, rate, color=_BLUE, height=0.65)
        axis.plot([low, high], [row, row], color="black", linewidth=1)
        axis.text(max(high, rate) + 1, row, f"{rate:.1f} of {len(right)}", va="center", fontsize=9)
    axis.set_yticks(range(len(names)), names, parse_math=False)  # a source may be called $x
    axis.invert_yaxis()
    axis.set_xlim(0, 115)
    axis.set_xticks(range(0, 101, 20))
    axis.set_xlabel("per cent read without a mistake, with the 95 % interval")
    axis.set_title(title)
    return figure


def _confusions(cases: Sequence[_Case]) -> Counter[tuple[str, str]]:
    """How often one token was read for another; `_NOTHING` stands for a missing or extra one."""
    return Counter(
        (_NOTHING if written is None else written, _NOTHING if read is None else read)
        for case in cases
        for written, read in align(case.caption, case.read)
        if written != read
    )


def _confusion_plot(confusions: Counter[tuple[str, str]], most: int = 28) -> Figure:
    """The commonest confusions of symbols as a table of written against read."""
    pairs = [(pair, count) for pair, count in confusions.most_common() if _NOTHING not in pair][
        :most
    ]
    written = sorted({a for (a, _), _ in pairs})
    read = sorted({b for (_, b), _ in pairs})
    size = (0.36 * max(len(read), 3) + 2.2, 0.3 * max(len(written), 3) + 1.6)
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.add_subplot()
    table = np.zeros((max(len(written), 1), max(len(read), 1)))
    for (a, b), count in pairs:
        table[written.index(a), read.index(b)] = count
    axis.imshow(table, cmap="Blues", aspect="auto")
    for row, column in np.argwhere(table > 0).tolist():
        dark = table[row, column] > 0.6 * table.max()
        axis.text(
            column, row, f"{table[row, column]:.0f}", ha="center", va="center", fontsize=8,
            color="white" if dark else "black",
        )  # fmt: skip
    plain: dict[str, Any] = {"family": "monospace", "parse_math": False}
    axis.set_yticks(range(len(written)), written, **plain)
    axis.set_xticks(range(len(read)), read, rotation=60, ha="right", **plain)
    axis.set_ylabel("written")
    axis.set_xlabel("read")
    axis.tick_params(length=0)
    axis.set_title("What is read instead of what is written")
    return figure


def _reliability(calibration: Calibration) -> Figure:
    """Share of right readings against their probability."""
    figure = Figure(figsize=(5.2, 5), layout="constrained")
    axis: Any = figure.add_subplot()
    axis.plot([0, 1], [0, 1], color="#666666", linewidth=1, linestyle="--")
    for one in calibration.bins:
        axis.bar(
            one.low, one.accuracy, width=0.9 * (one.high - one.low), align="edge", color=_BLUE,
            alpha=0.85,
        )  # fmt: skip
        axis.plot(one.confidence, one.accuracy, "o", color=_ORANGE)
        axis.text(one.low + 0.045, one.accuracy + 0.015, str(one.count), ha="center", fontsize=8)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.05)
    axis.set_xlabel("probability that the model gives")
    axis.set_ylabel("share of right readings")
    axis.set_title(f"Reliability: calibration error {calibration.error:.3f}")
    return figure


def _gallery(cases: Sequence[_Case], columns: int = 3) -> Image.Image:
    """Misread pictures, with the boxes of the symbols; those of a low probability in orange."""
    rows = max(-(-len(cases) // columns), 1)
    paper = Image.new("RGB", (columns * _TILE[0], rows * _TILE[1]), "white")
    pencil = ImageDraw.Draw(paper)
    for number, case in enumerate(cases):
        x, y = number % columns * _TILE[0], number // columns * _TILE[1]
        inner, (left, top) = _overlay(case, (_TILE[0] - 12, _TILE[1] - 34))
        paper.paste(inner, (x + 6 + left, y + 28 + top))
        pencil.rectangle((x, y, x + _TILE[0] - 1, y + _TILE[1] - 1), outline="#cccccc")
        label = f"{number + 1}. {case.reading.score:.2f}  {' '.join(case.read)}"
        pencil.text((x + 6, y + 6), label[:76], fill="#444444")
    return paper


def _overlay(case: _Case, room: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    picture = case.picture.convert("L")
    if np.asarray(picture).mean() < 128:
        picture = ImageOps.invert(picture)
    factor = min(room[0] / picture.width, room[1] / picture.height, 3.0)
    size = (max(round(picture.width * factor), 1), max(round(picture.height * factor), 1))
    shown = picture.resize(size, Image.Resampling.LANCZOS).convert("RGB")
    pencil = ImageDraw.Draw(shown)
    for symbol in case.reading.symbols:
        if symbol.box is not None:
            color = _ORANGE if symbol.index in case.reading.doubtful else _BLUE
            pencil.rectangle([side * factor for side in symbol.box], outline=color)
    return shown, ((room[0] - size[0]) // 2, (room[1] - size[1]) // 2)


# ------------------------------------------------------------------------------------------- text


def _text(
    title: str,
    evaluation: Evaluation,
    cases: Sequence[_Case],
    calibration: Calibration,
    confusions: Counter[tuple[str, str]],
    shown: Sequence[_Case],
) -> str:
    left_out = [(a, n) for (a, b), n in confusions.most_common() if b == _NOTHING][:15]
    put_in = [(b, n) for (a, b), n in confusions.most_common() if a == _NOTHING][:15]
    by_edits = Counter(min(case.edits, 6) for case in cases)
    recall, look_alikes = evaluation.symbols
    marks = "" if evaluation.marks is None else f"\n{evaluation.marks}\n"
    return f"""# {title}

{evaluation.scores}
{marks}
{_table(["edits", "expressions"], [["6 or more" if k == 6 else k, by_edits[k]] for k in range(7)])}

## Where it reads well

![by length](lengths.png)

![by structure](structures.png)

![by source](sources.png)

## What it confuses

![confusions](confusions.png)

Left out most: {_listed(left_out)}.

Put in most: {_listed(put_in)}.

### Look-alikes

{_look_alikes(look_alikes)}

### Recall of each symbol

{_recall(recall)}

## How far its probabilities can be believed

Expected calibration error {calibration.error:.3f}; a wrong reading has a lower probability than a
right one in {100 * calibration.auroc:.1f} % of all pairs (AUROC of error detection).

{evaluation.doubt}

![reliability](reliability.png)

## The mistakes that it is surest of

Boxes are where the model saw each symbol; orange ones it doubts.

![misreads](misreads.png)

{
        _table(
            ["", "name", "written", "read", "probability"],
            [
                [
                    n,
                    _code(c.name),
                    _code(" ".join(c.caption)),
                    _code(" ".join(c.read)),
                    f"{c.reading.score:.2f}",
                ]
                for n, c in enumerate(shown, start=1)
            ],
        )
    }
"""


def _look_alikes(groups: Sequence[LookAlikes]) -> str:
    """A table for each group of which a symbol was written: a row a written symbol."""
    tables = []
    for group in groups:
        rows = [
            [_code(written), *read.values()]
            for written, read in group.table.items()
            if any(read.values())
        ]
        if rows:
            header = ["written / read", *map(_code, group.symbols), OTHER, LEFT_OUT]
            tables.append(_table(header, rows))
    return "\n\n".join(tables) or "None was written."


def _recall(recall: Mapping[str, Recall]) -> str:
    """A row for each symbol that was written, the least recalled first; the others by name."""
    written = {symbol: one for symbol, one in recall.items() if one.written}
    rows = [
        [_code(symbol), one.written, one.recalled, f"{100 * one.recalled / one.written:.1f}"]
        for symbol, one in sorted(
            written.items(), key=lambda entry: (entry[1].recalled / entry[1].written, entry[0])
        )
    ]
    missing = " ".join(_code(symbol) for symbol, one in recall.items() if not one.written)
    table = _table(["symbol", "written", "recalled", "%"], rows)
    return f"{table}\n\nNot in the test set: {missing or 'none'}."


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _code(text: str) -> str:
    """Text as Markdown code in a table, so that nothing in it is markup."""
    line = " ".join(text.split())
    return f"`{line.replace('|', chr(92) + '|').replace('`', chr(39))}`" if line else ""


def _listed(entries: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{_code(token)} ({count})" for token, count in entries) or "nothing"
