"""What the commands that print readings share: their options, the recognizer, the text."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from inktex.engine_choice import AUTO, ENGINES, fastest_engine
from inktex.formats import DEFAULT_FORMAT
from inktex.recognizer import Alternative, Recognizer, load

from .arguments import ALPHABET_HELP, MODEL_HELP, add_beams, add_format, add_preset


def add_reading_options(parser: ArgumentParser) -> None:
    """Give a parser the options that say how pictures are read and what is written."""
    add_format(parser)
    add_preset(parser)
    parser.add_argument(
        "--engine",
        choices=(AUTO, *ENGINES),
        default=AUTO,
        help="onnx (float32) and onnx-int8 need no torch and know the preset fast alone; "
        "onnx-int8, and models of another architecture than the shipped one, need an export "
        "(inktex export). auto is onnx where that can read what is asked for, and torch elsewhere "
        "(default: auto)",
    )
    parser.add_argument(
        "--device", default="cpu", help="where torch computes, as it names devices (default: cpu)"
    )
    add_beams(parser)
    parser.add_argument("--alphabet", metavar="NAME", help=ALPHABET_HELP)
    parser.add_argument("--model", help=MODEL_HELP)


def load_recognizer(options: Namespace, alternatives: int = 0) -> Recognizer:
    """The recognizer that options of `add_reading_options` ask for.

    Args:
        options: as parsed.
        alternatives: how many other readings are going to be asked for.

    Raises:
        OSError, ValueError, ImportError: see `inktex.load`; and if the engine cannot read so.
    """
    engine = options.engine
    if engine == AUTO:
        engine = fastest_engine(options.model, options.device)
    if engine == "torch":
        from inktex.torch_engine import quiet_torch

        quiet_torch()
    recognizer = load(options.model, options.device, engine, alphabet=options.alphabet)
    recognizer.check(options.preset, alternatives, options.beams)
    return recognizer


def in_format(reading: Alternative, format: str) -> str:
    """A reading in a format of `inktex.formats.FORMATS`.

    Raises:
        ValueError: saying which reading the format cannot express, and why.
    """
    if format == DEFAULT_FORMAT:
        return reading.latex
    try:
        return reading.to(format)
    except ValueError as error:
        raise ValueError(f"{reading.latex} cannot be written as {format}. {error}") from error
