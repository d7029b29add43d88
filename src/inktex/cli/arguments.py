"""Types and help texts that several commands and scripts have for their arguments."""

from argparse import ArgumentTypeError
from typing import Final

__all__ = ["ALPHABET_HELP", "MODEL_HELP", "PRESET_HELP", "natural", "positive"]

MODEL_HELP: Final = "folder or Hub repository of a model (default: the one inktex ships)"
PRESET_HELP: Final = "accurate searches longer, from both ends (default: fast)"
ALPHABET_HELP: Final = (
    "which symbols may be read: all (the default), crohme, school, or a text file of LaTeX tokens; "
    "no other is written"
)


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
