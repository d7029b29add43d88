"""Sources that are files: a folder, a zip, a tar."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from .base import SETTINGS, SUFFIXES, Row, Source, selected

MAX_BYTES: Final = 64 * 2**20
"""Bytes that one picture in an archive may have, unpacked."""


class _Files(Source):
    """Files by name: the part that folders and archives share.

    Args:
        files: name of each file, and its size or checksum.

    Raises:
        FileNotFoundError: if there is none.
    """

    def __init__(self, kind: str, place: Path, files: Sequence[tuple[str, int]]) -> None:
        if not files:
            raise FileNotFoundError(
                f"{place}: no picture in this {kind}. Endings looked for: "
                f"{' '.join(sorted(SUFFIXES))}."
            )
        self.place, self.total, self.identity = place, len(files), _identity(kind, files)


def _identity(kind: str, files: Sequence[tuple[str, int]]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for name, size in files:
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return {"kind": kind, "files": len(files), "sha256": digest.hexdigest()}


class FolderSource(_Files):
    """The pictures and InkML files in a folder and its subfolders, in the order of their paths."""

    def __init__(self, folder: Path) -> None:
        self.skipped = Counter[str]()
        self.listing: Sequence[tuple[str, int]] = [
            (name, _size(folder / name)) for name in walk(folder, SUFFIXES, self.skipped)
        ]
        super().__init__("folder", folder, self.listing)

    def go_on_from(self, before: Sequence[tuple[str, int]]) -> dict[str, Any] | None:
        """See `Source`."""
        known = dict.fromkeys(before)
        if not known.keys() <= set(self.listing):
            return None
        self.listing = [*before, *(one for one in self.listing if one not in known)]
        self.identity = _identity("folder", self.listing)
        return _identity("folder", before)

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        for number, (name, _) in selected(self.listing, ranges):
            yield number, Row(name, partial(Path, self.place / name))


def _size(path: Path) -> int:
    """Bytes of a file; -1 for a link to nowhere, whose row reports the error."""
    return os.path.getsize(path) if os.path.exists(path) else -1


class ZipSource(_Files):
    """The pictures and InkML files in a zip, in its own order.

    Raises:
        ValueError: if it is no zip.
    """

    def __init__(self, path: Path) -> None:
        self.skipped = Counter[str]()
        try:
            with zipfile.ZipFile(path) as archive:
                files = [
                    (member.filename, member.CRC) for member in _members(archive, self.skipped)
                ]
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is not a zip, or a damaged one: {error}") from error
        super().__init__("zip", path, files)

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        with zipfile.ZipFile(self.place) as archive:

            def read(member: zipfile.ZipInfo) -> bytes:
                _check_size(member.file_size)
                return archive.read(member)

            for number, member in selected(_members(archive, Counter()), ranges):
                yield number, Row(member.filename, partial(read, member))


def _members(archive: zipfile.ZipFile, skipped: Counter[str]) -> list[zipfile.ZipInfo]:
    files = (one for one in archive.infolist() if not one.is_dir())
    return [one for one in files if _is_picture(one.filename, skipped)]


class TarSource(_Files):
    """The pictures and InkML files in a tar, compressed or not, in its own order.

    It is read through once to find them.

    Raises:
        ValueError: if it is no tar.
    """

    def __init__(self, path: Path) -> None:
        self._places: list[tuple[str, int, int]] = []
        self.skipped = Counter[str]()
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.isreg() and _is_picture(member.name, self.skipped):
                        self._places.append((member.name, member.offset_data, member.size))
                    archive.members = []  # type: ignore[attr-defined]  # it would keep them all
        except (tarfile.TarError, EOFError) as error:
            raise ValueError(f"{path} is not a tar, or a damaged one: {error}") from error
        super().__init__("tar", path, [(name, size) for name, _, size in self._places])

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        with tarfile.open(self.place) as archive:
            file = archive.fileobj  # unpacked
            assert file is not None

            def read(offset: int, size: int) -> bytes:
                _check_size(size)
                file.seek(offset)
                return file.read(size)

            for number, (name, offset, size) in selected(self._places, ranges):
                yield number, Row(name, partial(read, offset, size))


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise ValueError(f"The picture has more than {MAX_BYTES} bytes: too large for a picture.")


def walk(
    folder: Path, suffixes: frozenset[str], skipped: Counter[str] | None = None
) -> Iterator[str]:
    """Paths, relative to the folder and with `/`, of the files with such endings.

    Args:
        folder: to search, with its subfolders.
        suffixes: the endings, in lower case.
        skipped: counts the endings of the other files, if it is given.

    Raises:
        OSError: if a folder cannot be read.
    """

    def fail(error: OSError) -> None:  # os.walk would skip the folder silently
        raise error

    for parent, folders, files in os.walk(folder, onerror=fail):
        folders.sort()
        if SETTINGS in files:  # an output of this program is no source
            folders.clear()
            continue
        for name in sorted(files):
            if name.startswith("."):  # written by systems, not by people
                continue
            if _ending(name) in suffixes:
                yield Path(parent, name).relative_to(folder).as_posix()
            elif skipped is not None:
                skipped[_ending(name)] += 1


def _is_picture(name: str, skipped: Counter[str]) -> bool:
    """Whether a path in an archive has the ending of a picture, else counted in `skipped`.

    Raises:
        ValueError: if it climbs out of its folder.
    """
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
        raise ValueError(
            f"The archive has an entry {name!r}, which climbs out of its folder. Such an archive "
            "is broken or an attack; nothing is read from it."
        )
    if parts[-1].startswith(".") or "__MACOSX" in parts:
        return False
    ending = _ending(parts[-1])
    if ending not in SUFFIXES:
        skipped[ending] += 1
    return ending in SUFFIXES


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "no ending"
