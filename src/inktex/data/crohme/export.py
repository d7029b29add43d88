"""CROHME as a folder of parquet files with a data set card, which `load_dataset` reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ...files import write_text
from ..rows import write_parquet
from .builder import rows, wanted
from .card import card, file_name
from .files import PARTS, SPLITS, entries, find, in_folder, names, open_files, part_of


def export(data: Path, output: Path, years: Sequence[str]) -> dict[str, dict[str, int]]:
    """Write the splits of some years and their card; returns their sizes by year and split.

    Each file is there whole or not at all.

    Args:
        data: folder of the official zips, or of what they unpack to.
        years: of `inktex.data.crohme.files.PARTS`; a split whose ink is not there is left out.

    Raises:
        FileNotFoundError: if a year has no ink at all.
    """
    output.mkdir(parents=True, exist_ok=True)
    written: dict[str, int] = {}
    by_year: dict[str, dict[str, int]] = {}
    for year in years:
        by_year[year] = {}
        for split in PARTS[year]:
            name = file_name(year, split)
            try:
                find(data, year, split)
            except FileNotFoundError:
                if split == SPLITS[-1] and not by_year[year]:
                    raise
                continue
            if name not in written:
                written[name] = _write(data, output / f"{name}.parquet", year, split)
            by_year[year][split] = written[name]
    write_text(output / "README.md", card(by_year))
    return by_year


def _write(data: Path, path: Path, year: str, split: str) -> int:
    place, part = find(data, year, split), part_of(year, split)
    chosen = wanted(place, part, split)
    files = in_folder(place, part) if place.is_dir() else open_files(place)
    bar = tqdm(
        entries(files, part, chosen),
        total=len(chosen if chosen is not None else names(place, part)),
        desc=path.stem,
        unit="ink",
    )
    return write_parquet(path, rows(bar, path.stem))
