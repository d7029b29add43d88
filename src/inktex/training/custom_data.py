"""Custom data: pictures with a captions file, InkML, or collected ink, in one folder.

All of it is read and checked before training begins, and all faults are reported at once.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from inktex.data.custom import (
    CAPTION_COLUMNS,
    CAPTION_FILES,
    NAME_COLUMNS,
    bare,
    caption_rows,
    named,
)
from inktex.data.examples import AnyExample, PictureExample, SplitExamples, from_expression
from inktex.ink import Ink
from inktex.ink.alignment import expression
from inktex.ink.inkml import read_inkml
from inktex.inputs import strokes_to_ink
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.shipped import shipped_ink_extraction, shipped_stroke_restoration
from inktex.tokenizer.latex_inktex import LatexError, normalize
from inktex.tokenizer.vocabulary_inktex import IDS

logger = logging.getLogger(__name__)

DEVELOPMENT: Final = "dev"
"""Folder of the examples that checkpoints are chosen by; without one a tenth is held out."""
TEST: Final = "test"
"""Folder of the examples that only the final score is of; without one another tenth is held out."""
HELD_OUT_SHARE: Final = 0.1
_LISTED: Final = 10
"""How many faults of a kind are listed."""


class DataError(ValueError):
    """A folder that cannot be trained on; the message lists the faults, and what to do."""


def is_custom(folder: Path) -> bool:
    """Whether a folder holds pictures with captions, or ink, and no prepared parquet files."""
    if not folder.is_dir() or any(folder.glob("*.parquet")):
        return False
    if next(_caption_files(folder), None) is not None or any(folder.rglob("*.inkml")):
        return True
    return next(_collections(folder), None) is not None


def load_custom(
    folder: Path, skip_unknown: bool = False, skip_broken: bool = False
) -> SplitExamples:
    """Read a folder.

    Pictures are named, with their LaTeX, in a file beside them: `captions.csv`, `.tsv` or `.jsonl`
    or `metadata.csv` or `.jsonl`, with columns `file_name` and `latex` (or `caption`, or `text`).
    InkML files bring their LaTeX with them; so do the rows of other `.jsonl` files, `strokes` and
    `latex`, in which the pages of inktex collect what was written on them. Subfolders are searched
    too. What is in `dev` is held
    out to choose by, and what is in `test` to score by; where one of these folders is missing, a
    tenth of all is taken for it, by the hashes of the names.

    Args:
        folder: holds any number of these.
        skip_unknown: leave out expressions with tokens outside the vocabulary.
        skip_broken: leave out files that are missing or cannot be read, with a warning that names
            them.

    Raises:
        DataError: naming unreadable and missing files, captions that are no LaTeX, duplicates, and
            tokens that the model does not know.
        FileNotFoundError: if there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    captions, faults = _captions(folder)
    collected = _collected(folder, faults)
    processor = published_processor()
    found: dict[str, AnyExample] = {}
    unknown: dict[str, list[str]] = defaultdict(list)
    skipped: set[str] = set()
    inks = {path.relative_to(folder).as_posix() for path in folder.rglob("*.inkml")}
    names = sorted({*captions, *inks, *collected})
    for name in tqdm(names, desc=f"reading {folder}", unit="file", disable=None, leave=False):
        try:
            ink = collected.get(name)
            found[name] = _read_example(folder, name, captions.get(name), processor, ink)
        except _FaultError as error:
            faults[str(error)].append(name)
        except _UnknownTokensError as error:
            skipped.add(name)
            for token in error.args:
                unknown[token].append(name)
        except LatexError as error:
            faults["whose caption is no LaTeX that can be parsed"].append(f"{name}: {error}")
        except (ValueError, OSError) as error:
            if skip_broken:
                logger.warning("%s is left out: %s", name, error)
            elif (folder / name).is_file():
                faults["that cannot be read"].append(f"{name}: {error}")
            else:
                faults["that are missing"].append(name)
    if faults or (unknown and not skip_unknown):
        raise DataError(_report(folder, faults, {} if skip_unknown else unknown))
    if not found:
        raise DataError(
            f"There is nothing to train on in {folder}. Put pictures there, and beside them "
            f"captions.csv with the columns {NAME_COLUMNS[0]} and {CAPTION_COLUMNS[0]}; or InkML."
        )
    if skipped:
        logger.warning(
            "%s: %d expressions are left out, whose tokens the model does not know.",
            folder, len(skipped),
        )  # fmt: skip
    custom = SplitExamples()
    dev, test = _held_out(list(found))
    for name, example in found.items():
        part = custom.dev if name in dev else custom.test if name in test else custom.train
        part.append(example)
    return custom


class _FaultError(Exception):
    """A fault of a file, in words that follow "3 files"."""


class _UnknownTokensError(Exception):
    """Tokens of a caption that the vocabulary lacks; its arguments."""


def _read_example(
    folder: Path,
    name: str,
    caption: str | None,
    processor: InktexImageProcessor,
    ink: Ink | None = None,
) -> AnyExample:
    """The example of a file, or of `ink`. `caption`: from a captions file; ink has its own too."""
    path = folder / name
    one = None
    if ink is not None:
        normalize(ink.truth or "")  # `expression` would mend what is broken, as CROHME's files need
    elif path.suffix.lower() == ".inkml":
        ink = read_inkml(path)
    if ink is not None:
        if not (ink.truth or ink.mathml or caption is not None):
            raise _FaultError("without a caption")
        one = expression(ink)
    tokens = normalize(bare(caption or "")) if one is None else one.tokens
    if not tokens:
        raise _FaultError("with an empty caption")
    unknown = sorted({token for token in tokens if token not in IDS})
    if unknown:
        raise _UnknownTokensError(*unknown)
    return from_expression(one) if one else picture_example(name, str(path), tokens, processor)


def published_processor() -> InktexImageProcessor:
    """The image processor that normalizes pictures to the published scale."""
    return InktexImageProcessor(
        resolution=1.0,
        max_height=412,
        max_width=1702,
        stroke_restoration=shipped_stroke_restoration(),
        ink_extraction=shipped_ink_extraction(),
    )


def picture_example(
    name: str, picture: Any, tokens: Sequence[str], processor: InktexImageProcessor
) -> PictureExample:
    """A picture and its caption as an example.

    Args:
        picture: anything that the image processor takes.
        processor: of `published_processor`.
    """
    numbers = np.array([IDS[token] for token in tokens], dtype=np.int64)
    return PictureExample(name, processor.draw(picture), numbers)


def _held_out(names: list[str]) -> tuple[set[str], set[str]]:
    """Names of the development examples, and of the test examples."""
    parts = {name: name.split("/")[0] for name in names}
    dev = {name for name, part in parts.items() if part == DEVELOPMENT}
    test = {name for name, part in parts.items() if part == TEST}
    rest = sorted({*names} - dev - test, key=lambda name: hashlib.sha1(name.encode()).hexdigest())
    # At least one each, without which nothing could be chosen by, or scored.
    count = max(round(HELD_OUT_SHARE * len(rest)), 1)
    if not dev and len(rest) > 1:
        dev, rest = {*rest[:count]}, rest[count:]
    if not test and len(rest) > 1:
        test = {*rest[:count]}
    return dev, test


def _caption_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.name in CAPTION_FILES:
            yield path


def _rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        return caption_rows(path)
    except ValueError as error:
        raise DataError(str(error)) from error


def _collections(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.jsonl")):
        if path.name not in CAPTION_FILES:
            yield path


def _collected(folder: Path, faults: dict[str, list[str]]) -> dict[str, Ink]:
    """Ink of the rows of collections, by file and row; what is wrong with them goes to `faults`."""
    found: dict[str, Ink] = {}
    for path in _collections(folder):
        for line, row in enumerate(_rows(path), start=1):
            name = f"{path.relative_to(folder).as_posix()}, row {line}"
            strokes, (_, caption) = row.get("strokes"), named(row)
            if not isinstance(strokes, list) or caption is None:
                faults["without strokes or LaTeX"].append(name)
                continue
            try:
                ink = strokes_to_ink(strokes)
            except (TypeError, ValueError) as error:
                faults["whose strokes cannot be read"].append(f"{name}: {error}")
                continue
            found[name] = replace(ink, truth=bare(caption), id=name)
    return found


def _captions(folder: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Captions by the path inside the folder, and faults by kind."""
    captions: dict[str, str] = {}
    faults: dict[str, list[str]] = defaultdict(list)
    for path in _caption_files(folder):
        for line, row in enumerate(_rows(path), start=1):
            name, caption = named(row)
            where = f"{path.relative_to(folder).as_posix()}, row {line}"
            if name is None or caption is None:
                faults["without a file name or a caption"].append(where)
                continue
            try:
                place = (path.parent / name).resolve()
            except (OSError, ValueError) as error:  # a null character, or a loop of links
                faults["with a name that is no path"].append(f"{where}: {error}")
                continue
            if not place.is_relative_to(folder.resolve()):
                faults["that lie outside the folder"].append(f"{where}: {name}")
                continue
            inside = place.relative_to(folder.resolve()).as_posix()
            if inside in captions and captions[inside] != caption:
                faults["with two captions"].append(inside)
            captions[inside] = caption
    return captions, faults


def _report(folder: Path, faults: Mapping[str, list[str]], unknown: Mapping[str, list[str]]) -> str:
    lines = [f"{folder} cannot be trained on yet:"]
    for kind, names in faults.items():
        lines.append(f"- {len(names)} {kind}:")
        lines += [f"    {name}" for name in names[:_LISTED]]
        if len(names) > _LISTED:
            lines.append(f"    and {len(names) - _LISTED} more")
    if unknown:
        counts = Counter({token: len(names) for token, names in unknown.items()})
        lines.append("- tokens that the model does not know, and where they occur:")
        for token, count in counts.most_common():
            lines.append(f"    {token} ({count}): {', '.join(unknown[token][:3])}")
        lines.append("  Write them otherwise, or leave those out with --skip-unknown.")
    return "\n".join(lines)
