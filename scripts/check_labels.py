"""Compare the labels made from CROHME's files with the published captions, and align them.

    python scripts/check_labels.py --data /path/to/crohme [--captions DIR]

The data folder holds the official zips or what they unpack to (`TrainINKML`, `TestEM2014GT`,
`TEST2016_INKML_GT`); the captions are `captions_train.tsv`, `captions_2014.tsv` and
`captions_2016.tsv` (name, TAB, tokens). Ends with status 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import difflib
import io
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from inktex.ink.alignment import LEVELS, align, caption
from inktex.ink.inkml import InkMLError, read_inkml
from inktex.ink.mathml import mathml_marked


@dataclass(frozen=True)
class Split:
    """A part of CROHME and what must hold for it, in per cent."""

    folder: str
    captions: str
    equal: float
    equal_by_source: float = 0.0
    strict: float = 0.0
    merged: float = 0.0


SPLITS = {
    "train": Split("TrainINKML", "captions_train.tsv", 99.5, 99.0, 96.5, 99.0),
    "2014": Split("TestEM2014GT", "captions_2014.tsv", 99.0),
    "2016": Split("TEST2016_INKML_GT", "captions_2016.tsv", 99.5),
}
UP_TO_MERGES = LEVELS[: LEVELS.index("merge") + 1]


@dataclass
class Result:
    """What one split came to."""

    total: Counter[str] = field(default_factory=Counter)  # by source: compared with a caption
    equal: Counter[str] = field(default_factory=Counter)
    files: int = 0
    levels: Counter[str] = field(default_factory=Counter)
    differing: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unaligned: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def files_of(data: Path, folder: str) -> list[tuple[str, str, Path, str]]:
    """(source, name, path, entry) of each InkML file; entry is empty outside of zips."""
    if (data / folder).is_dir():
        paths = sorted((data / folder).rglob("*.inkml"))
        return [(path.parent.name, path.stem, path, "") for path in paths]
    archive = data / f"{folder}.zip"
    if not archive.is_file():
        return []
    with zipfile.ZipFile(archive) as opened:
        entries = sorted(n for n in opened.namelist() if n.endswith(".inkml"))
    pure = [PurePosixPath(entry) for entry in entries]
    return [(p.parent.name, p.stem, archive, str(p)) for p in pure if "__MACOSX" not in p.parts]


def contents(files: list[tuple[str, str, Path, str]]) -> Iterator[tuple[str, str, io.BytesIO]]:
    """Source, name and content of each file; the name travels with the content."""
    opened: zipfile.ZipFile | None = None
    try:
        for source, name, path, entry in files:
            if entry and opened is None:
                opened = zipfile.ZipFile(path)
            data = opened.read(entry) if entry and opened else path.read_bytes()
            file = io.BytesIO(data)
            file.name = f"{name}.inkml"
            yield source, name, file
    finally:
        if opened is not None:
            opened.close()


def cause(ours: list[str], published: list[str], mathml: list[str]) -> str:
    """Why a label differs from the caption, in words that several files can share."""
    changes = [
        f"{' '.join(ours[a:b]) or 'nothing'} -> {' '.join(published[c:d]) or 'nothing'}"
        for tag, a, b, c, d in difflib.SequenceMatcher(
            None, ours, published, autojunk=False
        ).get_opcodes()
        if tag != "equal"
    ]
    if mathml == published:
        return f"the raw LaTeX errs, the MathML agrees with the caption: {'; '.join(changes)}"
    if mathml == ours:
        return f"raw LaTeX and MathML agree against the caption: {'; '.join(changes)}"
    return f"raw LaTeX, MathML and caption all differ: {'; '.join(changes)}"


def check(name: str, split: Split, data: Path, captions: Path) -> Result | None:
    """Read and align a split; None where it is not there."""
    files = files_of(data, split.folder)
    if not files:
        return None
    published: dict[str, str] = {}
    if (captions / split.captions).is_file():
        for line in (captions / split.captions).read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("\t")
            published[key] = value
    result = Result()
    for source, stem, file in tqdm(contents(files), total=len(files), desc=name, unit="file"):
        result.files += 1
        try:
            ink = read_inkml(file)
        except InkMLError as error:
            result.unreadable.append(str(error))
            continue
        tokens = caption(ink)
        if stem in published:
            wanted = published[stem].split()
            result.total[source] += 1
            result.equal[source] += tokens == wanted
            if tokens != wanted:
                mathml = [m.token for m in mathml_marked(ink.mathml)] if ink.mathml else []
                line = f"{stem}: {' '.join(tokens)}  |  {' '.join(wanted)}"
                result.differing[cause(tokens, wanted, mathml)].append(line)
        found = align(ink, tokens)
        result.levels[found.level] += 1
        if found.level == "none":
            result.unaligned.append(f"{stem}: {found.reason}")
        if found.mismatches:
            pairs = ", ".join(f"{token} is labelled {label}" for token, label in found.mismatches)
            result.mismatched.append(f"{stem}: {pairs}")
    return result


def share(part: int, whole: int) -> float:
    """Per cent."""
    return 100 * part / whole if whole else 0.0


def report(name: str, split: Split, result: Result, *, details: bool) -> list[str]:
    """Print a split's result; returns the bars that it misses."""
    missed: list[str] = []

    def bar(what: str, value: float, least: float) -> None:
        if value < least:
            missed.append(f"{name}, {what}: {value:.2f} % < {least:g} %")

    print(f"\n== {name}: {result.files} files, {len(result.unreadable)} unreadable")
    for line in result.unreadable:
        print(f"   {line}")
    total, equal = result.total.total(), result.equal.total()
    if total:
        print(
            f"labels equal to the published captions: {equal}/{total} {share(equal, total):.2f} %"
        )
        bar("equal captions", share(equal, total), split.equal)
        for source in sorted(result.total) if len(result.total) > 1 else ():
            part, whole = result.equal[source], result.total[source]
            print(f"   {source:<13} {part:>5}/{whole:<5} {share(part, whole):6.2f} %")
            bar(f"equal captions of {source}", share(part, whole), split.equal_by_source)
        for why, lines in sorted(result.differing.items(), key=lambda item: -len(item[1])):
            print(f"   differing, {len(lines)} x {why}")
            for line in lines:
                print(f"      {line}")
    else:
        print("no published captions to compare with")
    read = result.levels.total()
    print("tokens tied to symbols:")
    running = 0
    for level in LEVELS:
        count = result.levels[level]
        running += count if level != "none" else 0
        tail = f"  cumulative {share(running, read):6.2f} %" if level != "none" else ""
        print(f"   {level:<9} {count:>5}  {share(count, read):6.2f} %{tail}")
    bar("strict alignment", share(result.levels["strict"], read), split.strict)
    merged = sum(result.levels[level] for level in UP_TO_MERGES)
    bar("alignment with merges", share(merged, read), split.merged)
    print(f"unaligned: {len(result.unaligned)}")
    for line in result.unaligned:
        print(f"   {line}")
    print(f"aligned, but with labels that say something else: {len(result.mismatched)}")
    for line in result.mismatched if details else ():
        print(f"   {line}")
    return missed


def main() -> int:
    """Run over all splits that are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of zips or folders")
    parser.add_argument("--captions", type=Path, help="folder of the captions (default: --data)")
    parser.add_argument("--mismatches", action="store_true", help="list labels that differ, too")
    arguments = parser.parse_args()
    missed: list[str] = []
    found = False
    for name, split in SPLITS.items():
        result = check(name, split, arguments.data, arguments.captions or arguments.data)
        if result is None:
            print(f"{name}: neither {split.folder} nor {split.folder}.zip in {arguments.data}")
            continue
        found = True
        missed += report(name, split, result, details=arguments.mismatches)
    if not found:
        print("no CROHME data found", file=sys.stderr)
        return 2
    print("\n" + ("\n".join(f"bar missed: {line}" for line in missed) or "all bars are met"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
