"""`inktex clip`: the picture on the clipboard in, its LaTeX out, onto the clipboard as well."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import time
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Final

from PIL import Image

from inktex.clipboard import copy_text, paste_picture
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.recognizer import Recognizer

from .console import Output, fail, say
from .reading import add_reading_options, in_format, load_recognizer

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = """\
Read the picture on the clipboard, print its LaTeX, and copy that in its place.

    inktex clip                     # once, for the picture that is there
    inktex clip --watch             # for every picture that is copied, until Ctrl-C
    inktex clip --format typst      # as inktex recognize does

The exit status is 1 if the picture could not be read, or not be written in the format that was
asked for, and 2 if there is none, or the clipboard cannot be reached."""

_PAUSE: Final = 1.0
"""Seconds between two looks at the clipboard, at least."""
_SHARE: Final = 10
"""Times as long as a look took is waited before the next: a large picture that stays on the
clipboard is decoded at each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.add_argument(
        "--watch",
        action="store_true",
        help="go on with every picture that is copied, and was not read before, until Ctrl-C",
    )
    parser.add_argument(
        "--no-copy", action="store_true", help="print alone, and leave the clipboard as it is"
    )
    add_reading_options(parser)


def run(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit status."""
    output = Output()
    if options.watch:
        _watch(options, output)
        is_read = True
    else:
        try:
            found = paste_picture()  # before a model is loaded for nothing
        except ValueError as error:
            say(str(error))
            return 1
        if found is None:
            return fail(
                "There is no picture on the clipboard: it is empty, or holds text. Copy a picture "
                "of a formula first, a screenshot for example."
            )
        is_read = _read(found, load_recognizer(options), options, output)
    return 0 if is_read and output.fault is None else 1


def _watch(options: argparse.Namespace, output: Output) -> None:
    """Read every new picture until Ctrl-C.

    Raises:
        OSError: if the clipboard cannot be reached at first, or not be written to.
    """
    seen: set[Hashable] = set()
    with contextlib.suppress(ValueError):  # of a picture, and only the clipboard is tried here
        found = paste_picture()
        if found is not None:
            seen.add(_fingerprint(found))
    recognizer = load_recognizer(options)
    say("Waiting for pictures on the clipboard; Ctrl-C ends.")
    with contextlib.suppress(KeyboardInterrupt):
        for found in _new_pictures(seen):
            _read(found, recognizer, options, output)


def _read(
    found: Image.Image | list[Path],
    recognizer: Recognizer,
    options: argparse.Namespace,
    output: Output,
) -> bool:
    """Read, print and copy one picture; returns whether it could be read and written.

    Raises:
        OSError: if it cannot be copied.
    """
    if isinstance(found, list) and len(found) > 1:
        say(f"{len(found)} files are on the clipboard; {found[0]} is read.")
    try:
        reading = recognizer(
            found[0] if isinstance(found, list) else found,
            preset=options.preset,
            num_beams=options.beams,
            symbols=False,
        )
        text = in_format(reading, options.format)
    except (OSError, ValueError) as error:
        # The image processor says what to do; the model knows only that it is no formula.
        is_models = isinstance(error, NoFormulaError) and error.score is not None
        say(f"{error} Copy the formula alone." if is_models else str(error))
        return False
    output.write(text)
    if not options.no_copy:
        copy_text(text)
    return True


def _new_pictures(seen: set[Hashable]) -> Iterator[Image.Image | list[Path]]:
    """Every picture that comes to the clipboard and was not there before, for ever.

    Args:
        seen: fingerprints of those that were there; new ones are added.

    What this command copies is text, and so is none of them. A look that fails (another program
    holds the clipboard, say) is reported, once while it goes on, and the next one follows.
    """
    reported = None
    while True:
        begun = time.monotonic()
        found, fault = None, None
        try:
            found = paste_picture()
        except (OSError, ValueError) as error:
            fault = str(error)
            if fault != reported:
                say(fault)
        reported = fault
        key = None if found is None else _fingerprint(found)
        took = time.monotonic() - begun
        if found is not None and key not in seen:
            seen.add(key)
            yield found
        time.sleep(max(_PAUSE, _SHARE * took))


def _fingerprint(found: Image.Image | list[Path]) -> Hashable:
    """The same for the same pixels, or the same state of the same file."""
    if isinstance(found, Image.Image):
        return found.mode, found.size, hashlib.sha256(found.tobytes()).digest()
    changed = found[0].stat().st_mtime_ns if found[0].exists() else None
    return found[0], changed
