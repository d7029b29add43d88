"""The `inktex` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ._version import __version__
from .arguments import natural, positive
from .console import Output, accept_any_text, discard_output, say
from .recognizer import AUTO, ENGINES, check_torch, fastest_engine, quiet_torch
from .transcription import command
from .transcription.sources import SUFFIXES

STANDARD_INPUT = "-"
URLS = ("http://", "https://")
TRAINING_COMMANDS = {
    "train": ("inktex.training.command", "train a model by a recipe"),
    "average": ("inktex.training.average", "average the weights of checkpoints"),
}
"""Subcommands by name: the module with `add_arguments` and `run`, and a line of help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command; gives its exit status."""
    parser = argparse.ArgumentParser(
        prog="inktex", description="Handwritten mathematics in, LaTeX out."
    )
    parser.add_argument("--version", action="version", version=f"inktex {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    recognize = commands.add_parser(
        "recognize",
        help="read pictures or ink",
        description="Read pictures of handwritten mathematics and print their LaTeX, a line each. "
        "The exit status is 1 if any of them could not be read.",
    )
    recognize.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURE",
        help="picture or InkML files, folders of them, http(s) URLs, or - for one picture on "
        "standard input",
    )
    recognize.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a line: file, latex, tokens, score and what else was asked "
        "for; or file, error",
    )
    recognize.add_argument(
        "--preset",
        choices=("fast", "accurate"),
        default="fast",
        help="accurate searches longer, from both ends (default: fast)",
    )
    recognize.add_argument(
        "--engine",
        choices=(AUTO, *ENGINES),
        default=AUTO,
        help="onnx (float32) and onnx-int8 need no torch and know the preset fast alone; "
        "onnx-int8, and models of another architecture than the shipped one, need an export "
        "(python -m inktex.onnx.export). auto is onnx where that can read what is asked for, and "
        "torch elsewhere (default: auto)",
    )
    recognize.add_argument(
        "--device", default="cpu", help="where torch computes, as it names devices (default: cpu)"
    )
    recognize.add_argument(
        "--beams",
        type=positive,
        metavar="N",
        help="width of the beam search (default: that of the preset; 1 is greedy)",
    )
    recognize.add_argument(
        "--alternatives",
        type=natural,
        default=0,
        metavar="N",
        help="also give at most N other readings, each on a line of its own or in the JSON object",
    )
    recognize.add_argument(
        "--alphabet",
        metavar="NAME",
        help="which symbols may be read: all (the default), crohme, school, or a text file of "
        "LaTeX tokens; no other is written",
    )
    recognize.add_argument(
        "--symbols",
        action="store_true",
        help="with --json: also give each symbol's token, probability and box in the picture",
    )
    recognize.add_argument(
        "--show-preprocessing",
        type=Path,
        metavar="FOLDER",
        help="write a PNG for each picture: what was given, what the model saw, and what was done "
        "in between",
    )
    recognize.add_argument(
        "--batch-size",
        type=positive,
        default=16,
        metavar="N",
        help="pictures that are taken at a time (default 16)",
    )
    recognize.add_argument(
        "--model", help="folder or Hub repository of a model (default: the one inktex ships)"
    )
    recognize.set_defaults(run=_recognize)
    transcribe = commands.add_parser(
        "transcribe",
        help="read any number of pictures into a table",
        description=command.DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(transcribe)
    transcribe.set_defaults(run=command.run)
    alphabet = commands.add_parser(
        "alphabet",
        help="list the tokens that a model can read",
        description="List the LaTeX tokens that a model was trained on, one a line, and behind "
        "them the other spellings that are read as these. What is not listed is read as something "
        "else.",
    )
    alphabet.add_argument(
        "--model", help="folder or Hub repository of a model (default: the one inktex ships)"
    )
    alphabet.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a line: token and examples, how many training examples had "
        "it; or token and read_as",
    )
    alphabet.set_defaults(run=_alphabet)
    arguments = sys.argv[1:] if arguments is None else arguments
    for name, (module, text) in TRAINING_COMMANDS.items():
        training = commands.add_parser(name, help=text)
        if name in arguments[:1]:  # what training needs is an extra, and is imported when asked for
            try:
                command_module = importlib.import_module(module)
            except ImportError as error:
                return _fail(str(error))
            command_module.add_arguments(training)
            training.set_defaults(run=command_module.run)
    accept_any_text()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:  # the reader (head, say) has seen enough
        discard_output()
        return 0
    except KeyboardInterrupt:
        return 130


def _alphabet(options: argparse.Namespace) -> int:
    from .alphabet import ALPHABET, alphabet_of, spellings
    from .recognizer import pretrained_path

    try:
        name = options.model or str(pretrained_path())
        counts = alphabet_of(name)
    except (OSError, ValueError, ImportError) as error:
        return _fail(str(error))
    if not counts:
        return _fail(f"{name} does not say what it was trained on: it has no {ALPHABET}.")
    others = spellings(counts)
    output = Output()
    if options.json:
        for token, count in counts.items():
            output.write_json({"token": token, "examples": count})
        for token, read_as in others.items():
            output.write_json({"token": token, "read_as": read_as})
    else:
        for token in (*counts, *others):
            output.write(token)
    return 0 if output.fault is None else 1


def _recognize(options: argparse.Namespace) -> int:
    try:
        files = list(find_pictures(options.pictures))
    except OSError as error:
        return _fail(str(error))
    from tqdm.auto import tqdm

    from .orientation import find_rotation
    from .recognizer import load

    engine = options.engine
    if engine == AUTO:
        engine = fastest_engine(
            options.model,
            options.device,
            preset=options.preset,
            alternatives=options.alternatives,
            num_beams=options.beams,
        )
    try:
        if engine == "torch":
            check_torch()
            quiet_torch()
        recognizer = load(options.model, options.device, engine=engine, alphabet=options.alphabet)
        recognizer.check(options.preset, options.alternatives, options.beams)
    except (OSError, ValueError, ImportError) as error:
        return _fail(str(error))
    sources: Iterator[Any] = (
        sys.stdin.buffer.read() if file == STANDARD_INPUT else file for file in files
    )
    if options.show_preprocessing is not None:
        from .showing import showing

        try:
            options.show_preprocessing.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return _fail(f"--show-preprocessing: {error}")
        processor = recognizer.image_processor
        sources = showing(sources, files, options.show_preprocessing, processor)
    readings = recognizer.read_each(
        sources,
        preset=options.preset,
        alternatives=options.alternatives,
        num_beams=options.beams,
        symbols=options.symbols,
        batch_size=options.batch_size,
    )
    bar = tqdm(
        total=len(files),
        unit="picture",
        disable=len(files) <= options.batch_size or _is_terminal(),
    )
    output = Output()
    failed = 0
    for file, reading in zip(files, readings, strict=True):
        bar.update(1)
        if isinstance(reading, Exception):
            failed += 1
            if options.json:
                output.write_json({"file": file, "error": str(reading)})
            bar.clear()  # or the message would stand behind the bar
            say(f"{file}: {reading}")
        elif options.json:
            record: dict[str, Any] = {
                "file": file,
                "latex": reading.latex,
                "tokens": reading.tokens,
                "score": round(reading.score, 6),
            }
            if options.symbols:
                record["symbols"] = [
                    {
                        "index": symbol.index,
                        "token": symbol.token,
                        "score": round(symbol.score, 6),
                        "box": symbol.box and [round(side, 1) for side in symbol.box],
                    }
                    for symbol in reading.symbols
                ]
            if options.alternatives:
                record["alternatives"] = [
                    {"latex": one.latex, "tokens": one.tokens, "score": round(one.score, 6)}
                    for one in reading.alternatives
                ]
            output.write_json(record)
        else:
            output.write(f"{file}\t{reading.latex}" if len(files) > 1 else reading.latex)
            for one in reading.alternatives:
                output.write(f"{file}\t{one.latex}" if len(files) > 1 else one.latex)
        if not isinstance(reading, Exception) and file != STANDARD_INPUT:
            rotation = find_rotation(recognizer, file, reading)
            if rotation is not None:
                bar.clear()
                say(
                    f"{file}: does it lie on its side? Turned clockwise by {rotation.degrees} "
                    f"degrees it is read as {rotation.reading.latex}, with a score of "
                    f"{rotation.reading.score:.2f}."
                )
    bar.close()
    return 1 if failed or output.fault is not None else 0


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def find_pictures(names: Sequence[str]) -> Iterator[str]:
    """The files that names on the command line stand for, in order; folders are searched.

    Raises:
        FileNotFoundError: if a file does not exist or a folder has no picture in it.
    """
    for name in names:
        path = Path(name)
        if name == STANDARD_INPUT or name.startswith(URLS) or path.is_file():
            yield name
        elif path.is_dir():
            found = sorted(
                str(file)
                for file in path.rglob("*")
                if file.is_file() and file.suffix.lower() in SUFFIXES
            )
            if not found:
                raise FileNotFoundError(
                    f"{name}: no picture in this folder. Endings looked for: "
                    f"{' '.join(sorted(SUFFIXES))}."
                )
            yield from found
        else:
            raise FileNotFoundError(f"{name}: no such file or folder.")


def _fail(message: str) -> int:
    say(message)
    return 2


if __name__ == "__main__":
    sys.exit(main())
