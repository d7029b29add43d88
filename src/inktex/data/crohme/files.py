"""The InkML files of CROHME's packages, zipped or unpacked.

Training ink lies in one folder a source (`TrainINKML/KAIST/...`), test ink in one flat folder.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ...ink.inkml import MAX_BYTES

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of InkML files that one or two splits come from.

    Attributes:
        folder: its path in the packages, with `/`.
        source: of files in `folder` itself rather than in a folder of their source.
        divided: whether train and dev are cut from this one folder.
    """

    folder: str
    source: str
    divided: bool = False


_TRAIN = Part("TrainINKML", "CROHME", divided=True)
PARTS: dict[str, dict[str, Part]] = {
    "2011": {"test": Part("TEST2011_INKML_GT", "CROHME2011")},
    "2012": {"test": Part("TEST2012_INKML_GT", "CROHME2012")},
    "2013": {"test": Part("TEST2013_INKML_GT", "CROHME2013")},
    "2014": {"train": _TRAIN, "dev": _TRAIN, "test": Part("TestEM2014GT", "CROHME2014")},
    "2016": {"train": _TRAIN, "dev": _TRAIN, "test": Part("TEST2016_INKML_GT", "CROHME2016")},
    "2019": {
        "train": Part("crohme2019/train", "CROHME2019"),
        "dev": Part("crohme2019/valid", "CROHME2019"),
        "test": Part("crohme2019/test", "CROHME2019"),
    },
}
"""By year and split. The 2016 competition trained on the same ink as that of 2014. Of the first
three competitions only the test ink is additional: their training ink is part of 2014's."""

ABSENT = """There is no CROHME {year} {split} ink in {place}: neither {folder} nor {archive}.
CROHME (Competition on Recognition of Handwritten Mathematical Expressions) may not be handed out
with inktex: its licence is CC BY-NC-SA 3.0, for non-commercial use. Get the packages from the TC11
data sets page of the IAPR (tc11.cvc.uab.es, "CROHME") or from Zenodo (zenodo.org, "CROHME"), put
them into one folder as they are or unpacked, and name that folder: data_dir="/path/to/crohme" in
Python, --data /path/to/crohme on the command line, or the environment variable INKTEX_CROHME."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One InkML file: the name of its expression, the collection it is from, and its content."""

    id: str
    source: str
    content: bytes


def part_of(year: str, split: str) -> Part:
    """The part that a split comes from.

    Raises:
        ValueError: for a year or split that CROHME does not have.
    """
    if split not in PARTS.get(year, ()):
        have = "; ".join(f"{one}: {', '.join(splits)}" for one, splits in PARTS.items())
        raise ValueError(
            f"CROHME has these splits by year: {have}. {year!r} with {split!r} is not among them."
        )
    return PARTS[year][split]


def find(data: Path | str | None, year: str, split: str) -> Path:
    """The zip or the folder that holds a split.

    Args:
        data: folder with the packages or what they unpack to; the unpacked folder itself is fine.
        year: one of `PARTS`.
        split: `train`, `dev` or `test`, as the year has them.

    Raises:
        FileNotFoundError: the message says where CROHME is available and how to name its folder.
    """
    part = part_of(year, split)
    top = PurePosixPath(part.folder).parts[0]
    if data is not None:
        base = Path(data).expanduser()
        folders = [base / part.folder]
        if base.name == top:
            folders.append(base.parent / part.folder)
        for folder in folders:
            if folder.is_dir():
                return folder
        if (base / f"{top}.zip").is_file():
            return base / f"{top}.zip"
    place = "no folder at all, since none was named" if data is None else str(data)
    raise FileNotFoundError(
        ABSENT.format(year=year, split=split, place=place, folder=part.folder, archive=f"{top}.zip")
    )


def names(place: Path, part: Part) -> list[tuple[str, str]]:
    """Id and source of every InkML file of a part, without reading one.

    Raises:
        ValueError: if an entry of the zip climbs out of its folder.
        zipfile.BadZipFile: if the zip is damaged.
    """
    if place.is_dir():
        paths = [path.relative_to(place).as_posix() for path in place.rglob("*.inkml")]
        return [_identity(PurePosixPath(path), part) for path in sorted(paths)]
    with zipfile.ZipFile(place) as archive:
        inside = [_inside(name, part) for name in archive.namelist()]
    return [_identity(path, part) for path in inside if path is not None]


def entries(
    files: Iterable[tuple[str, IO[bytes]]], part: Part, wanted: frozenset[tuple[str, str]] | None
) -> Iterator[Entry]:
    """The InkML files of a part in an archive.

    Args:
        files: path in the archive and open file, as `DownloadManager.iter_archive` gives them.
        wanted: (id, source) of the files to read; None for all.

    Raises:
        ValueError: if an entry climbs out of its folder.
    """
    for name, file in files:
        path = _inside(name, part)
        if path is None:
            continue
        identity = _identity(path, part)
        if wanted is None or identity in wanted:
            # One byte more than is accepted: the reader of InkML refuses it, whatever its size.
            yield Entry(*identity, file.read(MAX_BYTES + 1))


def open_files(place: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Path and open file of each InkML file in a folder or zip; paths in a zip as they stand."""
    if place.is_dir():
        for path in sorted(place.rglob("*.inkml")):
            with path.open("rb") as file:
                yield path.relative_to(place).as_posix(), file
        return
    with zipfile.ZipFile(place) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as file:
                    yield member.filename, file


def in_folder(place: Path, part: Part) -> Iterator[tuple[str, IO[bytes]]]:
    """The files of an unpacked folder as `entries` takes them."""
    for name, file in open_files(place):
        yield f"{part.folder}/{name}", file


def locate(data: Path | str, year: str, split: str) -> Iterator[Entry]:
    """The InkML files that a split comes from (for train and dev: those of both).

    Raises:
        FileNotFoundError: see `find`.
        ValueError: if an entry of a zip climbs out of its folder.
    """
    place, part = find(data, year, split), part_of(year, split)
    files = in_folder(place, part) if place.is_dir() else open_files(place)
    return entries(files, part, None)


def _inside(name: str, part: Part) -> PurePosixPath | None:
    """Path below the part's folder of an InkML file in a zip; None for everything else."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise ValueError(
            f"The archive has an entry {name!r}, which climbs out of its folder. Such an archive "
            "is broken or an attack; nothing is read from it."
        )
    folder = PurePosixPath(part.folder).parts
    if path.suffix.lower() != ".inkml" or "__MACOSX" in path.parts:
        return None
    for start in range(len(path.parts) - len(folder)):
        if path.parts[start : start + len(folder)] == folder:
            return PurePosixPath(*path.parts[start + len(folder) :])
    return None


def _identity(path: PurePosixPath, part: Part) -> tuple[str, str]:
    return path.stem, path.parts[0] if len(path.parts) > 1 else part.source
