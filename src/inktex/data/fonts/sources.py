"""The list of openly licensed handwriting fonts (`sources.tsv`), and how they are fetched.

Each font is one writer. Faces of a family that repeat the same drawing bolder or thinner are one
writer too, so the list has one of them.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ...files import new_folder, write_json
from .symbols import GROUPS

RECORD: Final = "source.json"
"""File in a font's folder that says where the font comes from, and its licence."""

_LETTERS: Final = ("letters", "capitals", "digits", "punctuation", "latin-1", "other scripts")
_DRAWN: Final = {"letters": _LETTERS, "latin": (*_LETTERS, "signs"), "full": GROUPS}
"""Names of the list for several groups of characters."""

_TIMEOUT: Final = 600.0
"""Seconds for one package: the largest of the list has 64 MB."""


@dataclass(frozen=True, slots=True)
class FontSource:
    """The source of a font.

    Attributes:
        name: of the font, and of its folder; a writer's name.
        registry: the client that fetches it, `npm` or `apt`.
        package: that holds it.
        files: pattern of the names of its files.
        licence: expected of the package; the one that it names is recorded.
        drawn: groups of characters (`inktex.data.fonts.symbols.GROUPS`) that are drawn by hand.
        held_out: whether the writer is kept for evaluation.
    """

    name: str
    registry: Literal["npm", "apt"]
    package: str
    files: str
    licence: str
    drawn: tuple[str, ...] = _DRAWN["latin"]
    held_out: bool = False


def _sources() -> Iterator[FontSource]:
    text = Path(__file__).with_name("sources.tsv").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    for row in csv.DictReader(lines, delimiter="\t"):
        drawn = _DRAWN.get(row["drawn"]) or tuple(row["drawn"].split(","))
        held_out = bool(row.pop("held_out"))
        yield FontSource(**{**row, "drawn": drawn, "held_out": held_out})  # type: ignore[arg-type]


SOURCES: Final = tuple(_sources())
"""All fonts, each one writer."""


def find_source(name: str) -> FontSource | None:
    """The entry of a font in the list; None for a font of one's own."""
    return next((one for one in SOURCES if one.name == name), None)


def fetch(
    folder: Path,
    sources: Iterable[FontSource] = SOURCES,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Fetch fonts into `folder/NAME`, each with its licence and a record of where it is from.

    Fonts that are there already stay as they are. One that cannot be had is named, and the rest
    goes on.

    Returns:
        Names of the fonts that could not be had.
    """
    missing: list[str] = []
    unpacked: dict[str, Path | str] = {}
    wanted = list(sources)
    with tempfile.TemporaryDirectory(prefix="inktex-fonts-") as temporary:
        for number, source in enumerate(wanted, start=1):
            place = f"[{number}/{len(wanted)}] {source.name}"
            target = folder / source.name
            if (target / RECORD).is_file():
                say(f"{place}: is there")
                continue
            if source.package not in unpacked:
                unpacked[source.package] = _unpack(source, Path(temporary) / str(number))
            content = unpacked[source.package]
            if isinstance(content, Path):
                licence = _install(source, content, target)
                if licence is not None:
                    say(f"{place}: {source.package}, {licence}")
                    continue
                content = f"{source.package} has no file {source.files}"
            say(f"{place}: is skipped: {content}")
            missing.append(source.name)
    return missing


def _unpack(source: FontSource, folder: Path) -> Path | str:
    """Download a package and unpack it; gives the folder of its content, or why there is none."""
    folder.mkdir()
    client = {"npm": ["npm", "pack", "--loglevel=error"], "apt": ["apt-get", "download", "-qq"]}
    command = [*client[source.registry], source.package]
    content = folder / "content"
    content.mkdir()
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            return f"`{' '.join(command)}` failed: {why}"
        (archive,) = (path for path in folder.iterdir() if path.is_file())
        if source.registry == "npm":
            with tarfile.open(archive) as packed:
                packed.extractall(content, filter="data")
        else:
            subprocess.run(
                ["dpkg-deb", "-x", archive, content], check=True, capture_output=True, text=True
            )
    except (OSError, ValueError, tarfile.TarError, subprocess.SubprocessError) as error:
        return f"{source.package} cannot be had: {error}"
    return content


def _install(source: FontSource, content: Path, target: Path) -> str | None:
    """Copy a font and its licence to its folder; gives the licence, None without a font."""
    files = sorted(content.rglob(source.files))
    if not files:
        return None
    if source.registry == "npm":
        package = json.loads((content / "package" / "package.json").read_text(encoding="utf-8"))
        licence = str(package.get("license", "unknown"))
        version = str(package.get("version", ""))
        notice = content / "package" / "LICENSE"
    else:
        notice = content / "usr/share/doc" / source.package / "copyright"
        text = notice.read_text(encoding="utf-8", errors="replace") if notice.is_file() else ""
        (archive,) = content.parent.glob("*.deb")  # NAME_VERSION_ARCHITECTURE.deb
        licence, version = debian_licence(text), archive.name.split("_")[1].replace("%3a", ":")
    with new_folder(target) as partial:
        for path in files:
            shutil.copyfile(path, partial / path.name)
        if notice.is_file():
            shutil.copyfile(notice, partial / "LICENCE.txt")
        record = {
            "name": source.name,
            "registry": source.registry,
            "package": source.package,
            "version": version,
            "licence": licence,
        }
        write_json(partial / RECORD, record)
    return licence


def debian_licence(text: str) -> str:
    """The licence of the fonts in a Debian package.

    Args:
        text: of its file `copyright`, in the machine-readable format or in prose.

    Returns:
        Short names of the licences of what is not `debian/*`, joined with ` AND `; where the file
        is prose, the licence that it speaks of.
    """
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        files = re.search(r"^Files:\s*(.+)$", paragraph, re.MULTILINE)
        licence = re.search(r"^License:\s*(\S.*)$", paragraph, re.MULTILINE)
        if files and licence and not files[1].startswith("debian/"):
            found.append(licence[1].strip())
    if found:
        return " AND ".join(dict.fromkeys(found))
    if "SIL OPEN FONT LICENSE" in text.upper():
        version = re.search(r"SIL OPEN FONT LICENSE,? Version (\d\.\d)", text, re.IGNORECASE)
        return f"OFL-{version[1] if version else '1.1'}"
    if "GNU General Public License" in text:
        version = re.search(r"common-licenses/GPL-(\d)", text)
        exception = "+FontException" if "embed this font" in " ".join(text.split()) else ""
        return f"GPL-{version[1] if version else '2'}{exception}"
    return "unknown"
