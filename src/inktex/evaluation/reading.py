"""Reading a test set: pictures and captions in, scores and every single reading out."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from PIL import Image
from tqdm.auto import tqdm

from inktex.data.custom import CAPTION_COLUMNS, NAME_COLUMNS, bare, caption_rows, named
from inktex.files import write_text
from inktex.recognizer import BaseRecognizer, Preset, Reading
from inktex.tokenizer.latex_inktex import LatexError, normalize

from .calibration import Calibration, measure_calibration
from .scores import Scores, compute_scores

T = TypeVar("T")

PICTURE_SUFFIXES = frozenset({".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture to read, and what it says.

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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A test set, read.

    Attributes:
        scores: after both sides took one spelling.
        plain_scores: without any normalisation.
        names, captions, readings: of every expression, in the order of the test set. A picture
            that could not be read has an empty reading; it counts as wrong.
        errors: name to message, of the pictures that could not be read.
        seconds: wall time of reading, pictures in memory to LaTeX.
    """

    scores: Scores
    plain_scores: Scores
    names: list[str]
    captions: list[str]
    readings: list[Reading]
    errors: dict[str, str]
    seconds: float

    @property
    def calibration(self) -> Calibration:
        """How far the readings' probabilities can be believed."""
        right = [
            compute_scores([reading.tokens], [caption]).exact == 1
            for reading, caption in zip(self.readings, self.captions, strict=True)
        ]
        return measure_calibration([reading.score for reading in self.readings], right)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "scores": self.scores.as_dict(),
            "scores_without_normalization": self.plain_scores.as_dict(),
            "calibration": self.calibration.as_dict(),
            "seconds": round(self.seconds, 3),
            "errors": self.errors,
            "readings": [
                {
                    "name": name,
                    "caption": caption,
                    "tokens": reading.tokens,
                    "latex": reading.latex,
                    "score": reading.score,
                }
                for name, caption, reading in zip(
                    self.names, self.captions, self.readings, strict=True
                )
            ],
        }


def compiles(latex: str) -> bool:
    """Whether a strict parser of LaTeX takes it.

    Raises:
        ImportError: if pylatexenc is not installed.
    """
    from pylatexenc.latexwalker import LatexWalker, LatexWalkerError

    try:
        LatexWalker(latex, tolerant_parsing=False).get_latex_nodes()
    except LatexWalkerError:
        return False
    return True


def evaluate_samples(
    recognizer: BaseRecognizer,
    samples: Sequence[Sample],
    preset: Preset = "fast",
    batch_size: int = 64,
    progress: bool = True,
) -> Evaluation:
    """Read all samples and score the readings. No sample is left out of the denominator.

    Args:
        recognizer: model and processor.
        samples: the test set.
        preset: how to search, see `Recognizer.__call__`.
        batch_size: pictures of about one size that are taken at a time.
        progress: whether to show a bar.

    Raises:
        ValueError: if there are no samples.
    """
    if not samples:
        raise ValueError("There is nothing to evaluate: the test set is empty.")
    order = sorted(
        range(len(samples)), key=lambda i: samples[i].picture.width * samples[i].picture.height
    )
    readings = [Reading("", "", 0.0)] * len(samples)
    errors: dict[str, str] = {}
    started = time.perf_counter()
    results = recognizer.read_each(
        (samples[i].picture for i in order), preset=preset, batch_size=batch_size
    )
    for i, result in tqdm(
        zip(order, results, strict=True), total=len(samples), unit="picture", disable=not progress
    ):
        if isinstance(result, Exception):
            errors[samples[i].name] = str(result)
        else:
            readings[i] = result
    seconds = time.perf_counter() - started
    predictions = [reading.tokens for reading in readings]
    captions = [sample.tokens for sample in samples]
    return Evaluation(
        scores=compute_scores(predictions, captions),
        plain_scores=compute_scores(predictions, captions, normalize=False),
        names=[sample.name for sample in samples],
        captions=captions,
        readings=readings,
        errors=errors,
        seconds=seconds,
    )


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


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that a reader never sees half a file."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
