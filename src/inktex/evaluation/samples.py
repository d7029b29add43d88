"""Test sets: pictures with their captions, from a folder or zip and a captions file."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from PIL import Image

from inktex.data.custom import CAPTION_COLUMNS, NAME_COLUMNS, bare, caption_rows, named
from inktex.tokenizer.latex_inktex import LatexError, normalize

T = TypeVar("T")

PICTURE_SUFFIXES = frozenset({".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture with its caption.

    Attributes:
        name: of the expression.
        picture: the picture.
        tokens: its caption, as tokens separated by spaces.
        source: the collection that it is from, if that is known.
    """

    name: str
    picture: Image.Image
    tokens: str
    source: str = ""


def spread(items: list[T], limit: int) -> list[T]:
    """At most `limit` of some items, evenly spread over them: test sets are sorted by source."""
    return items[:: max(len(items) // limit, 1)][:limit]


def read_captions(path: Path) -> dict[str, str]:
    """Captions of a file by the names of their pictures, as tokens separated by spaces.

    Two kinds of files are read. The published captions have a name, TAB, canonical tokens on each
    line, and are taken as they are. The files that fine-tuning takes (`captions.py`) have a header
    or are JSON lines, and LaTeX of any spelling, which is brought to canonical tokens.

    Raises:
        ValueError: if a line is of neither form, a caption is no LaTeX, or a name comes twice.
    """
    if not _has_header(path):
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            lines = [(number, row) for number, row in enumerate(reader, 1) if row]
        wrong = next((number for number, row in lines if len(row) != 2), None)
        if wrong is not None:
            raise ValueError(f"{path}:{wrong}: expected a name, a TAB and the tokens.")
        return _by_name(path, [(number, row[0], row[1].strip()) for number, row in lines])
    found = []
    for number, row in enumerate(caption_rows(path), 1):
        name, caption = named(row)
        if name is None or caption is None:
            raise ValueError(
                f"{path}, row {number}: there is no file name ({', '.join(NAME_COLUMNS)}) or no "
                f"caption ({', '.join(CAPTION_COLUMNS)})."
            )
        try:
            found.append((number, name, " ".join(normalize(bare(caption)))))
        except LatexError as error:
            raise ValueError(f"{path}, row {number}, {name}: {error}") from error
    return _by_name(path, found)


def _has_header(path: Path) -> bool:
    if path.suffix == ".jsonl":
        return True
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = next(csv.reader(file, delimiter="," if path.suffix == ".csv" else "\t"), [])
    return bool({*first} & {*NAME_COLUMNS}) and bool({*first} & {*CAPTION_COLUMNS})


def _by_name(path: Path, found: Sequence[tuple[int, str, str]]) -> dict[str, str]:
    captions: dict[str, str] = {}
    for number, name, tokens in found:
        if name in captions:
            raise ValueError(f"{path}:{number}: {name} has a caption already.")
        captions[name] = tokens
    return captions


def picture_samples(pictures: Path, captions: Path) -> list[Sample]:
    """Test set of a folder or zip of pictures, named like the captions.

    Names of captions may be paths inside the folder or zip, names of files, or these without their
    endings.

    Raises:
        FileNotFoundError: if there is no such folder, or a caption has no picture (a test set must
            not shrink unnoticed).
        ValueError: if the captions cannot be read, or a name is that of two pictures.
    """
    if not pictures.exists():
        raise FileNotFoundError(f"There is no folder or zip {pictures}.")
    wanted = read_captions(captions)
    places: dict[str, list[str]] = {}
    found: dict[str, Image.Image] = {}
    for name, content in picture_files(pictures):
        path = PurePosixPath(name)
        if path.suffix.lower() in PICTURE_SUFFIXES:
            found[name] = Image.open(io.BytesIO(content))
            for alias in {name, path.name, path.with_suffix("").as_posix(), path.stem}:
                places.setdefault(alias, []).append(name)
    missing = sorted(name for name in wanted if name not in places)
    if missing:
        raise FileNotFoundError(
            f"{pictures} lacks the pictures of {len(missing)} captions, {missing[0]} first."
        )
    for name in wanted:
        if len(places[name]) > 1:
            raise ValueError(
                f"{name} may be {' or '.join(places[name][:2])} in {pictures}: write the captions' "
                "names with folder and ending."
            )
    return [Sample(name, found[places[name][0]], tokens) for name, tokens in wanted.items()]


def wild_samples(folder: Path) -> list[Sample]:
    """Test set of real pictures of several kinds, each kind a source.

    Args:
        folder: with a file `captions.tsv`, on each line the name of a picture, a TAB, its kind
            (photo, scan, ...), a TAB and canonical tokens; the pictures are in it or in its folder
            `pictures`.

    Raises:
        FileNotFoundError: if the captions or a picture is missing.
        ValueError: if a line has not these three parts.
    """
    path = folder / "captions.tsv"
    samples = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split("\t")
        if len(parts) != 3:
            raise ValueError(f"{path}:{number}: expected a name, its kind and the tokens, by TABs.")
        name, kind, tokens = parts
        places = [place / name for place in (folder, folder / "pictures")]
        picture = next((place for place in places if place.is_file()), None)
        if picture is None:
            raise FileNotFoundError(f"{path}:{number}: there is no picture {name} in {folder}.")
        samples.append(Sample(name, Image.open(picture), tokens.strip(), kind))
    return samples


def picture_files(path: Path) -> Iterable[tuple[str, bytes]]:
    """Paths inside a folder or zip, with `/`, and contents of its files."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield file.relative_to(path).as_posix(), file.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith("/"):
                yield name, archive.read(name)
