"""`inktex recognize`: pictures or ink in, a line of LaTeX or JSON for each out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inktex.formats import DEFAULT_FORMAT
from inktex.modeling.image_loading_inktex import split_page
from inktex.recognizer import Alternative, Reading, Recognizer
from inktex.transcription.base import SUFFIXES
from inktex.transcription.files import walk

from .arguments import natural, positive
from .console import Output, say
from .reading import add_reading_options, in_format, load_recognizer

DESCRIPTION = """\
Read pictures of handwritten mathematics and print their LaTeX, a line each. The exit status is 1 if
any of them could not be read, or not be written in the format that was asked for."""
STANDARD_INPUT: Final = "-"
URLS: Final = ("http://", "https://")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURE",
        help="picture or InkML files, folders of them, http(s) URLs, or - for one picture on "
        "standard input; NAME#page=2 takes the second page of a PDF file or of a TIFF",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a line: file, latex, tokens, score and what else was asked "
        "for; or file, error",
    )
    add_reading_options(parser)
    parser.add_argument(
        "--alternatives",
        type=natural,
        default=0,
        metavar="N",
        help="also give at most N other readings, each on a line of its own or in the JSON object",
    )
    parser.add_argument(
        "--symbols",
        action="store_true",
        help="with --json: also give each symbol's token, probability and box in the picture",
    )
    parser.add_argument(
        "--regions",
        action="store_true",
        help="read each of several formulas in a picture, line by line; with --json also give the "
        "box of each in the picture",
    )
    parser.add_argument(
        "--show-preprocessing",
        type=Path,
        metavar="FOLDER",
        help="write a PNG for each picture: what was given, what the model saw, and what was done "
        "in between",
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=16,
        metavar="N",
        help="pictures that are taken at a time (default 16)",
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit status."""
    files, missing = find_pictures(options.pictures)
    if not files:
        raise FileNotFoundError(missing[0].message)
    recognizer = load_recognizer(options, options.alternatives)
    sources: Iterator[Any] = (
        sys.stdin.buffer.read() if file == STANDARD_INPUT else file for file in files
    )
    if options.show_preprocessing is not None:
        from .preprocessing import write_sheets

        try:
            options.show_preprocessing.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(f"--show-preprocessing: {error}") from error
        sources = write_sheets(
            sources, files, options.show_preprocessing, recognizer.image_processor
        )
    output = Output()
    for one in missing:
        say(one.message)
        if options.json:
            output.write_json({"file": one.name, "error": one.message})
    read = _read(recognizer, files, sources, options)
    return max(_print_all(files, read, options, output), bool(missing))


def _read(
    recognizer: Recognizer,
    files: Sequence[str],
    sources: Iterator[Any],
    options: argparse.Namespace,
) -> Iterator[tuple[str, list[Reading] | Exception]]:
    """Of each file its readings, one without --regions, or why there is none."""
    how: dict[str, Any] = {
        "preset": options.preset,
        "alternatives": options.alternatives,
        "num_beams": options.beams,
        "symbols": options.symbols,
    }
    if not options.regions:
        each = recognizer.read_each(sources, batch_size=options.batch_size, **how)
        for file, reading in zip(files, each, strict=True):
            yield file, reading if isinstance(reading, Exception) else [reading]
        return
    for file, source in zip(files, sources, strict=True):
        try:
            yield file, recognizer.read_regions(source, **how)
        except (ValueError, OSError) as error:
            yield file, error


def _print_all(
    files: Sequence[str],
    read: Iterator[tuple[str, list[Reading] | Exception]],
    options: argparse.Namespace,
    output: Output,
) -> int:
    """Print each reading as it comes; returns the exit status."""
    from tqdm.auto import tqdm

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    bar = tqdm(
        total=len(files), unit="picture", disable=len(files) <= options.batch_size or is_terminal
    )
    failed = 0
    for file, readings in read:
        bar.update(1)
        faults: list[str] = []
        if isinstance(readings, Exception):
            faults.append(str(readings))
            if options.json:
                output.write_json({"file": file, "error": str(readings)})
        else:
            for reading in readings:
                faults += _print(output, files, file, reading, options)
        failed += bool(faults)
        if not isinstance(readings, Exception) and readings[0].rotation:
            faults.append(f"turned clockwise by {readings[0].rotation} degrees to be read.")
        for fault in faults:
            bar.clear()  # or the message would stand behind the bar
            say(f"{file}: {fault}")
    bar.close()
    return 1 if failed or output.fault is not None else 0


def _print(
    output: Output, files: Sequence[str], file: str, reading: Reading, options: argparse.Namespace
) -> list[str]:
    """Print a reading; returns why it, or an alternative, cannot be written in the format."""
    written, faults = _all_in_format(reading, options.format)
    if options.json:
        output.write_json({"file": file, **_record(reading, written, options)})
    else:
        for text in written:
            if text is not None:
                output.write(f"{file}\t{text}" if len(files) > 1 else text)
    return faults


def _all_in_format(reading: Reading, format: str) -> tuple[list[str | None], list[str]]:
    """A reading and its alternatives in a format, None where it cannot; and why it cannot."""
    written: list[str | None] = []
    faults = []
    for one in (reading, *reading.alternatives):
        try:
            written.append(in_format(one, format))
        except ValueError as error:
            written.append(None)
            faults.append(str(error))
    return written, faults


def _record(
    reading: Reading, written: Sequence[str | None], options: argparse.Namespace
) -> dict[str, Any]:
    """What `--json` prints of a reading, and of what was written of it and its alternatives."""
    record = _candidate(reading, written[0], options.format)
    if reading.rotation:
        record["rotation"] = reading.rotation
    if options.regions and reading.box is not None:
        record["box"] = [round(side, 1) for side in reading.box]
    if options.symbols:
        record["symbols"] = [
            {
                **one,
                "score": round(one["score"], 6),
                "box": one["box"] and [round(side, 1) for side in one["box"]],
            }
            for one in reading.to_dict()["symbols"]
        ]
    if options.alternatives:
        record["alternatives"] = [
            _candidate(one, text, options.format)
            for one, text in zip(reading.alternatives, written[1:], strict=True)
        ]
    return record


def _candidate(one: Alternative, text: str | None, format: str) -> dict[str, Any]:
    record = {"latex": one.latex, "tokens": one.tokens, "score": round(one.score, 6)}
    return record if format == DEFAULT_FORMAT else {**record, format: text}


@dataclass(frozen=True)
class Missing:
    """A name on the command line that stands for no picture.

    Attributes:
        name: as it was given.
        message: why.
    """

    name: str
    message: str


def find_pictures(names: Sequence[str]) -> tuple[list[str], list[Missing]]:
    """The files that names on the command line stand for, in order; folders are searched.

    Names of no file, and folders without a picture, come beside them.
    """
    files: list[str] = []
    missing: list[Missing] = []
    for name in names:
        path = Path(name)
        file, _ = split_page(name)
        if name == STANDARD_INPUT or name.startswith(URLS) or Path(file).is_file():
            files.append(name)
        elif path.is_dir():
            found = [str(path / file) for file in walk(path, SUFFIXES)]
            files += found
            if not found:
                endings = " ".join(sorted(SUFFIXES))
                fault = f"{name}: no picture in this folder. Endings looked for: {endings}."
                missing.append(Missing(name, fault))
        else:
            missing.append(Missing(name, f"{name}: no such file or folder."))
    return files, missing
