"""Files of captions beside pictures, for training and evaluation."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

CAPTION_FILES: Final = (
    "captions.csv", "captions.tsv", "captions.jsonl", "metadata.csv", "metadata.jsonl",
)  # fmt: skip
"""Names of such files; `metadata` is that of the imagefolder of `datasets`."""
NAME_COLUMNS: Final = ("file_name", "file", "picture", "image")
CAPTION_COLUMNS: Final = ("latex", "caption", "text")


def caption_rows(path: Path) -> list[Mapping[str, Any]]:
    """The rows of a file: JSON lines, or a table with a header, with tabs if it is a `.tsv`.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is no text in UTF-8, or in none of these formats.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".jsonl":
                rows = [json.loads(line) for line in file if line.strip()]
                return [row if isinstance(row, dict) else {} for row in rows]
            return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read: {error}. Save it as UTF-8.") from error


def named(row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The picture's name and the caption of a row; None for columns that it lacks."""
    name = next((row[key] for key in NAME_COLUMNS if row.get(key)), None)
    caption = next((row[key] for key in CAPTION_COLUMNS if row.get(key) is not None), None)
    return (
        name if isinstance(name, str) else None,
        caption if isinstance(caption, str) else None,
    )


def bare(latex: str) -> str:
    r"""LaTeX without the delimiters of mathematics in a text (`$`, `\[`, ...)."""
    latex = latex.strip()
    for left, right in (("$$", "$$"), ("$", "$"), (r"\[", r"\]"), (r"\(", r"\)")):
        if latex.startswith(left) and latex.endswith(right) and len(latex) > len(left + right):
            return latex[len(left) : -len(right)].strip()
    return latex
