"""What expressions are made of: structures, sizes and writers, for looking at a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...ink import Expression
from .split import writer

__all__ = ["STRUCTURES", "Share", "structures", "writer_shares"]

STRUCTURES = (
    "superscript", "subscript", "both scripts", "nested scripts", "fraction", "nested fractions",
    "root", "root with index", "sum or integral", "limits", "function name", "fence", "Greek",
)  # fmt: skip
"""What `structures` tells apart."""

_FUNCTIONS = frozenset({r"\sin", r"\cos", r"\tan", r"\log", r"\lim", r"\ln", r"\exp", r"\max"})
_FENCES = frozenset({"(", "[", r"\{", "|"})
_GREEK = frozenset(
    r"""\alpha \beta \gamma \delta \epsilon \zeta \eta \theta \iota \kappa \lambda \mu \nu \xi \pi
    \rho \sigma \tau \upsilon \phi \chi \psi \omega \Gamma \Delta \Theta \Lambda \Xi \Pi \Sigma
    \Phi \Psi \Omega""".split()
)
_ROWS = {"^": 1, "_": 1, r"\frac": 2, r"\sqrt": 1}


def structures(tokens: Sequence[str]) -> set[str]:
    r"""Which of `STRUCTURES` a caption has.

    Args:
        tokens: canonical tokens; every `^`, `_`, `\frac` and `\sqrt` has its braces.
    """
    found: set[str] = set()
    open_rows: list[str] = []  # what the braces around this place belong to
    owed: list[str] = []  # braces still to come, the next one last
    for place, token in enumerate(tokens):
        if token == "{":
            open_rows.append(owed.pop() if owed else "")
        elif token == "}":
            closed = open_rows.pop() if open_rows else ""
            follows = tokens[place + 1] if place + 1 < len(tokens) else ""
            if closed == "_" and follows == "^":
                found.add("both scripts")
        elif token in _ROWS:
            owed.extend([token] * _ROWS[token])
            if token in "^_":
                found.add("superscript" if token == "^" else "subscript")
                if "^" in open_rows or "_" in open_rows:
                    found.add("nested scripts")
            elif token == r"\frac":
                found.add("nested fractions" if r"\frac" in open_rows else "fraction")
            else:
                indexed = place + 1 < len(tokens) and tokens[place + 1] == "["
                found.update({"root", "root with index"} if indexed else {"root"})
        elif token in (r"\sum", r"\int"):
            found.add("sum or integral")
        elif token == r"\limits":
            found.add("limits")
        if token in _FUNCTIONS:
            found.add("function name")
        elif token in _FENCES:
            found.add("fence")
        elif token in _GREEK:
            found.add("Greek")
    return found


@dataclass(frozen=True, slots=True)
class Share:
    """How many expressions of one writer are in train and in dev."""

    source: str
    writer: str
    train: int
    dev: int

    @property
    def total(self) -> int:
        """Expressions of this writer."""
        return self.train + self.dev


def writer_shares(train: Iterable[Expression], dev: Iterable[Expression]) -> list[Share]:
    """The writers that names show, most expressions first."""
    counts: list[Counter[tuple[str, str]]] = []
    for split in (train, dev):
        named = ((one.source, writer(one.id, one.source)) for one in split)
        counts.append(Counter((source, who) for source, who in named if who is not None))
    shares = [
        Share(source, who, counts[0][source, who], counts[1][source, who])
        for source, who in counts[0].keys() | counts[1].keys()
    ]
    return sorted(shares, key=lambda share: (-share.total, share.source, share.writer))
