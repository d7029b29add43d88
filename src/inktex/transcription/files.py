"""Sources that are files: a folder, a zip, a tar."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from .base import SETTINGS, SUFFIXES, Row, Source, file_size, listed

__all__ = ["FolderSource", "TarSource", "ZipSource", "walk"]

MAX_BYTES: Final = 64 * 2**20
"""Bytes that one picture in an archive may have, unpacked."""


class _Files(Source):
    """Files by name: the part that folders and archives share.

    Raises:
        FileNotFoundError: if there is none.
    """

    def __init__(
        self, kind: str, place: Path, files: Sequence[tuple[str, int]], skipped: Counter[str]
    ) -> None:
        if not files:
            raise FileNotFoundError(
                f"{place}: no picture in this {kind}. Endings looked for: "
                f"{' '.join(sorted(SUFFIXES))}."
            )
        self.place, self.total, self.skipped = place, len(files), skipped
        self._identity = _identity(kind, files)

    def identity(self) -> dict[str, Any]:
        """See `Source`."""
        return self._identity


def _identity(kind: str, files: Sequence[tuple[str, int]]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for name, size in files:
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return {"kind": kind, "files": len(files), "sha256": digest.hexdigest()}


class FolderSource(_Files):
    """The pictures and InkML files in a folder and its subfolders, in the order of their paths."""

    def __init__(self, folder: Path) -> None:
        skipped = Counter[str]()
        self._files = [(name, file_size(folder / name)) for name in walk(folder, SUFFIXES, skipped)]
        super().__init__("folder", folder, self._files, skipped)

    def listing(self) -> list[tuple[str, int]]:
        """See `Source`."""
        return self._files

    def go_on_from(self, before: Sequence[tuple[str, int]]) -> dict[str, Any] | None:
        """See `Source`."""
        known = dict.fromkeys(before)
        if not known.keys() <= set(self._files):
            return None
        self._files = [*before, *(one for one in self._files if one not in known)]
        self._identity = _identity("folder", self._files)
        return _identity("folder", before)

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        for number, (name, _) in listed(self._files, ranges):
            yield number, Row(name, partial(Path, self.place / name))


class ZipSource(_Files):
    """The pictures and InkML files in a zip, in its own order.

    Raises:
        ValueError: if it is no zip.
    """

    def __init__(self, path: Path) -> None:
        skipped = Counter[str]()
        try:
            with zipfile.ZipFile(path) as archive:
                files = [(member.filename, member.CRC) for member in _members(archive, skipped)]
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is not a zip, or a damaged one: {error}") from error
        super().__init__("zip", path, files, skipped)

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        with zipfile.ZipFile(self.place) as archive:
            for number, member in listed(_members(archive, Counter()), ranges):
                load = partial(_checked, member.file_size, partial(archive.read, member))
                yield number, Row(member.filename, load)


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
        skipped = Counter[str]()
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.isreg() and _is_picture(member.name, skipped):
                        self._places.append((member.name, member.offset_data, member.size))
                    archive.members = []  # type: ignore[attr-defined]  # it would keep them all
        except (tarfile.TarError, EOFError) as error:
            raise ValueError(f"{path} is not a tar, or a damaged one: {error}") from error
        super().__init__("tar", path, [(name, size) for name, _, size in self._places], skipped)

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        with tarfile.open(self.place) as archive:
            file = archive.fileobj  # unpacked
            assert file is not None

            def read(offset: int, size: int) -> bytes:
                file.seek(offset)
                return file.read(size)

            for number, (name, offset, size) in listed(self._places, ranges):
                yield number, Row(name, partial(_checked, size, partial(read, offset, size)))


def _checked(size: int, read: Callable[[], bytes]) -> bytes:
    if size > MAX_BYTES:
        raise ValueError(f"The picture has more than {MAX_BYTES} bytes: too large for a picture.")
    return read()


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
            path = Path(parent, name)
            if name.startswith("."):  # written by systems, not by people
                continue
            if path.suffix.lower() in suffixes:
                yield path.relative_to(folder).as_posix()
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
    is_picture = os.path.splitext(parts[-1])[1].lower() in SUFFIXES
    if not is_picture:
        skipped[_ending(parts[-1])] += 1
    return is_picture


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "no ending"
