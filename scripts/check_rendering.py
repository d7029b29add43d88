#!/usr/bin/env python
"""Compare the pictures that inktex draws with the official ones of the same ink.

    python scripts/check_rendering.py --data /path/to/crohme

The folder holds `offline_2014.zip` and `offline_2016.zip`, the pictures that the published papers
score on, and the ink of the same tests as zips or folders. Ends with status 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from inktex.data.crohme.builder import locate
from inktex.ink.inkml import read_inkml
from inktex.ink.render import render

SIZE_BAR, OVERLAP_BAR = 0.97, 0.8
"""Least share of pictures within 2 % of the official size; least median overlap of ink."""


@dataclass(frozen=True)
class Comparison:
    """One picture against the official one.

    Attributes:
        size: largest difference of a side, relative to the official side.
        overlap: ink in both over ink in either, both anchored at their top left corners.
        exact: equal in every pixel.
        seconds: that drawing took.
    """

    name: str
    size: float
    overlap: float
    exact: bool
    seconds: float


def compare(
    name: str, ours: NDArray[np.uint8], theirs: NDArray[np.uint8], seconds: float
) -> Comparison:
    """Compare two pictures `(height, width)`, ink 255 on 0."""
    shape = np.maximum(ours.shape, theirs.shape)
    first, second = (
        np.pad(p > 127, [(0, int(full - side)) for full, side in zip(shape, p.shape, strict=True)])
        for p in (ours, theirs)
    )
    difference = np.abs(np.subtract(ours.shape, theirs.shape)) / theirs.shape
    overlap = (first & second).sum() / max((first | second).sum(), 1)
    exact = ours.shape == theirs.shape and bool((first == second).all())
    return Comparison(name, float(difference.max()), float(overlap), exact, seconds)


def check(year: str, data: Path) -> list[Comparison]:
    """Compare all pictures of a year's test."""
    found = []
    entries = locate(data, year, "test")
    with zipfile.ZipFile(data / f"offline_{year}.zip") as archive:
        pictures = {
            PurePosixPath(name).stem: name for name in archive.namelist() if name.endswith(".bmp")
        }
        for entry in tqdm(entries, total=len(pictures), desc=year, unit="picture"):
            if entry.id not in pictures:
                continue
            traces = read_inkml(io.BytesIO(entry.content)).traces
            start = time.perf_counter()
            ours = render(traces)
            seconds = time.perf_counter() - start
            with Image.open(io.BytesIO(archive.read(pictures[entry.id]))) as picture:
                theirs = np.asarray(picture.convert("L"))
            found.append(compare(entry.id, ours, theirs, seconds))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run over the years that are there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the zips")
    options = parser.parse_args(arguments)
    years = [year for year in ("2014", "2016") if (options.data / f"offline_{year}.zip").is_file()]
    if not years:
        print(f"check_rendering: no offline_2014.zip in {options.data}", file=sys.stderr)
        return 2
    missed = False
    for year in years:
        found = check(year, options.data)
        near = float(np.mean([c.size <= 0.02 for c in found]))
        overlap = float(np.median([c.overlap for c in found]))
        exact = sum(c.exact for c in found)
        milliseconds = 1000 * float(np.median([c.seconds for c in found]))
        print(
            f"{year}: {len(found)} pictures; size within 2 %: {near:.2%}; median overlap of ink "
            f"(IoU): {overlap:.4f}; equal in every pixel: {exact} ({exact / len(found):.2%}); "
            f"{milliseconds:.2f} ms a picture"
        )
        for one in sorted(found, key=lambda c: c.overlap)[:20]:
            if not one.exact:
                print(f"   {one.name}: size off by {one.size:.2%}, overlap {one.overlap:.4f}")
        missed |= near < SIZE_BAR or overlap < OVERLAP_BAR
    print("a bar is missed" if missed else "all bars are met")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
