"""Arguments, types and help texts that several commands and scripts share."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Final

from inktex.formats import DEFAULT_FORMAT, FORMATS

MODEL_HELP: Final = "folder or Hub repository of a model (default: the one inktex ships)"
PRESET_HELP: Final = "accurate searches longer, from both ends (default: fast)"
ALPHABET_HELP: Final = (
    "which symbols may be read: all (the default), crohme, school, or a text file of LaTeX tokens; "
    "no other is written"
)
FORMAT_HELP: Final = (
    "what is written: LaTeX alone, in one of its wrappings, or another language; sympy cannot "
    f"express every formula (default: {DEFAULT_FORMAT})"
)


def add_preset(parser: ArgumentParser) -> None:
    """Give a parser the option `--preset`."""
    parser.add_argument(
        "--preset", choices=("fast", "accurate"), default="fast", help=PRESET_HELP
    )  # fmt: skip


def add_beams(parser: ArgumentParser) -> None:
    """Give a parser the option `--beams`."""
    parser.add_argument(
        "--beams",
        type=positive,
        metavar="N",
        help="width of the beam search (default: that of the preset; 1 is greedy)",
    )


def add_format(parser: ArgumentParser) -> None:
    """Give a parser the option `--format`."""
    parser.add_argument("--format", choices=FORMATS, default=DEFAULT_FORMAT, help=FORMAT_HELP)


def natural(text: str) -> int:
    """A whole number from 0 up.

    Raises:
        ArgumentTypeError: if the text is anything else.
    """
    return _whole(text, 0)


def positive(text: str) -> int:
    """A whole number from 1 up.

    Raises:
        ArgumentTypeError: if the text is anything else.
    """
    return _whole(text, 1)


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
    return value
