"""Types of command-line arguments, for `type=` of argparse."""

from argparse import ArgumentTypeError

__all__ = ["natural", "positive"]


def natural(text: str) -> int:
    """A whole number from 0 up.

    Raises:
        ArgumentTypeError: if the text is another number, or none.
    """
    return _whole(text, 0)


def positive(text: str) -> int:
    """A whole number from 1 up.

    Raises:
        ArgumentTypeError: if the text is another number, or none.
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
