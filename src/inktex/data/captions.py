"""Captions for synthetic ink, in canonical tokens, from a corpus of formulas.

`scripts/prepare_captions.py` writes two text files, a caption a line: `train.txt`, and `dev.txt`
with a tenth of the formulas, which is not trained on.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from inktex.files import write_text
from inktex.modeling.grammar_inktex import Grammar, is_formula
from inktex.tokenizer.latex_inktex import LatexError, normalize
from inktex.tokenizer.vocabulary_inktex import GRAMMAR, IDS

SPLITS: Final = ("train", "dev")
_HELD_OUT: Final = 0.1
_LONGEST: Final = 120
"""Tokens; longer formulas are left out."""
_PROSE: Final = 12
"""Letters in a row; a formula with more of them is taken for text."""


@dataclass
class CaptionReport:
    """The captions of a corpus, and the formulas that were left out.

    Attributes:
        kept: captions by split.
        left_out: how many formulas were left out, by reason.
        unknown: tokens outside the vocabulary, and how many formulas have them.
    """

    kept: dict[str, list[tuple[str, ...]]] = field(default_factory=lambda: {s: [] for s in SPLITS})
    left_out: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)


def held_out(latex: str) -> bool:
    """Whether a formula belongs to the development split, by the hash of its LaTeX."""
    digest = hashlib.sha256(latex.encode()).digest()
    return int.from_bytes(digest[:4], "big") < _HELD_OUT * 2**32


def prepare_captions(formulas: Iterable[str], output: Path) -> CaptionReport:
    """Convert formulas to canonical tokens, write them to files, and count what was left out.

    Args:
        output: folder for `train.txt` and `dev.txt`, each caption once.
    """
    report = CaptionReport()
    grammar = Grammar(len(IDS), GRAMMAR)
    known: set[tuple[str, ...]] = set()
    for latex in formulas:
        try:
            tokens = tuple(normalize(latex))
        except LatexError:
            report.left_out["no LaTeX that can be parsed"] += 1
            continue
        unknown = {token for token in tokens if token not in IDS}
        report.unknown.update(unknown)
        if unknown:
            report.left_out["with a token outside the vocabulary"] += 1
        elif not tokens or tokens in known:
            report.left_out["empty, or the same as another"] += 1
        elif len(tokens) > _LONGEST:
            report.left_out[f"longer than {_LONGEST} tokens"] += 1
        elif _is_prose(tokens):
            report.left_out["text"] += 1
        elif not is_formula(grammar, [IDS[token] for token in tokens]):
            report.left_out["no formula to the grammar"] += 1
        else:
            known.add(tokens)
            report.kept["dev" if held_out(" ".join(tokens)) else "train"].append(tokens)
    output.mkdir(parents=True, exist_ok=True)
    for split, captions in report.kept.items():
        write_text(output / f"{split}.txt", "".join(f"{' '.join(one)}\n" for one in captions))
    return report


def load_captions(folder: Path | str, split: str = "train") -> list[list[str]]:
    """The captions of a split.

    Args:
        folder: of `scripts/prepare_captions.py`.
        split: `train` or `dev`.

    Raises:
        FileNotFoundError: if there is no such file; the message names the command that makes it.
        ValueError: if it holds tokens that the vocabulary lacks.
    """
    path = Path(folder) / f"{split}.txt"
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path}. Make it with\n"
            f"    python scripts/prepare_captions.py --formulas FILE --output {folder}"
        )
    captions = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line]
    unknown = {token for caption in captions for token in caption if token not in IDS}
    if unknown:
        raise ValueError(
            f"{path} has tokens that the vocabulary lacks ({' '.join(sorted(unknown)[:5])}). "
            "Make it anew with scripts/prepare_captions.py."
        )
    return captions


def read_formulas(path: Path) -> Iterator[str]:
    """The LaTeX of a text file: a formula a line, in the last of columns that tabs separate."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\n").rpartition("\t")[2]


def _is_prose(tokens: Iterable[str]) -> bool:
    run = 0
    for token in tokens:
        run = run + 1 if len(token) == 1 and token.isalpha() else 0
        if run > _PROSE:
            return True
    return False
