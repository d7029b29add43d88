"""What the Space does with pictures and ink, without the page: its endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast

import gradio as gr

from answer import UNCERTAIN, Shown, listed, numbered, show
from inktex.alphabet import ALPHABETS
from inktex.inputs import prepare_regions
from inktex.recognizer import Preset, Recognizer
from inputs import RefusedError, decode, decode_ink, decode_picture

__all__ = ["ALTERNATIVES", "SYMBOLS", "Answer", "Regions", "Space", "alphabet_name"]

Found = TypeVar("Found")
Answer = Shown | RefusedError | None
"""What was read, why not, or None where nothing was given."""
Regions = tuple[str, str] | RefusedError | None
"""The picture with numbers as HTML, and the formulas as Markdown; or as for `Answer`."""
ALTERNATIVES: Final = 5
CANDIDATES: Final = 6
"""Tokens that are offered in the place of each symbol."""
SYMBOLS: Final = {"All": "all", "School": "school", "CROHME": "crohme"}
"""Alphabets, by what the page calls them."""
assert {*SYMBOLS.values()} == {"all", *ALPHABETS}


def alphabet_name(given: object) -> str:
    """A name that a visitor may give; the recognizer would take one for a file of the server.

    Raises:
        RefusedError: if it is none of `SYMBOLS`.
    """
    if given not in SYMBOLS.values():
        raise RefusedError(f"There is no such alphabet: give {', '.join(SYMBOLS.values())}.")
    return str(given)


class Space:
    """The page's functions, on one model.

    Args:
        recognizer: reads; several threads use it at a time.
        model: its name, to tell the visitor.
        record: of its training.
    """

    def __init__(self, recognizer: Recognizer, model: str, record: Any) -> None:
        self.recognizer, self.model, self.record = recognizer, model, record

    def recognize(
        self, picture: str, preset: Preset = "fast", alternatives: int = 0
    ) -> dict[str, Any]:
        """Read a picture of a formula.

        Args:
            picture: a data: URL, or the base64 of a file, such as PNG, JPEG, WebP,
                TIFF, AVIF, HEIC or PDF, of which the first page is read.
            preset: fast or accurate.
            alternatives: how many other readings to give, at most 5.

        Returns:
            latex, tokens, score, symbols (token, score, box in pixels) and alternatives.
        """
        return self._answer(lambda: decode_picture(picture), preset, alternatives)

    def recognize_ink(
        self, traces: list[Any], preset: Preset = "fast", alternatives: int = 0
    ) -> dict[str, Any]:
        """Read a formula from pen strokes.

        Args:
            traces: a list of strokes, each a list of points [x, y], y downwards, in any unit.
            preset: fast or accurate.
            alternatives: how many other readings to give, at most 5.

        Returns:
            latex, tokens, score, symbols (token, score, box in the units of the strokes) and
                alternatives.
        """
        return self._answer(lambda: decode_ink(traces), preset, alternatives)

    def recognize_regions(self, picture: str, preset: Preset = "fast") -> list[dict[str, Any]]:
        """Read each of several formulas in a picture, row by row.

        Args:
            picture: as for recognize.
            preset: fast or accurate.

        Returns:
            of each what recognize returns; its box says where it is, in pixels.
        """
        with _refusals_told():
            readings = self.recognizer.read_regions(
                decode_picture(picture), preset=cast(Preset, str(preset))
            )
        return [one.to_dict() for one in readings]

    def read_regions(self, value: Any, preset: Preset, alphabet: str = "all") -> Regions:
        """Each of several formulas on the pad, as `read` reads one."""

        def answer(source: Any) -> tuple[str, str]:
            readings = self.recognizer.read_regions(
                source, preset=preset, alphabet=alphabet_name(alphabet)
            )
            return numbered(source, readings), listed(readings)

        return _answered(value, answer)

    def _formulas(self, source: Any) -> int:
        """How many formulas a picture or ink seems to hold."""
        try:
            return len(prepare_regions(source, self.recognizer.image_processor))
        except ValueError:  # none of its parts could be one
            return 1

    def _answer(
        self, source: Callable[[], Any], preset: object, alternatives: object
    ) -> dict[str, Any]:
        if not isinstance(alternatives, int) or not 0 <= alternatives <= ALTERNATIVES:
            raise gr.Error(
                f"alternatives must be a whole number from 0 to {ALTERNATIVES}.",
                print_exception=False,
            )
        with _refusals_told():
            reading = self.recognizer(
                source(), preset=cast(Preset, str(preset)), alternatives=alternatives
            )
        return reading.to_dict()

    def read(
        self,
        value: Any,
        preset: Preset,
        alphabet: str = "all",
        alternatives: int = 0,
        locked: Mapping[int, str] = MappingProxyType({}),
    ) -> Answer:
        """What the pad holds, read; None for an empty pad, an error for what cannot be read.

        Args:
            value: of the pad.
            preset, alternatives: see `Recognizer.__call__`.
            alphabet: one of the values of `SYMBOLS`.
            locked: tokens that the visitor chose, by their indices.
        """

        def answer(source: Any) -> Shown:
            reading = self.recognizer(
                source,
                preset=preset,
                alternatives=alternatives,
                alphabet=alphabet_name(alphabet),
                candidates=CANDIDATES,
                locked=locked,
            )
            parts = 1 if reading.score >= UNCERTAIN else self._formulas(source)
            return show(source, reading, locked, parts)

        return _answered(value, answer)


@contextmanager
def _refusals_told() -> Iterator[None]:
    """Tells programs what is wrong: a RefusedError, no ink in the picture, no such preset."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _answered(value: Any, answer: Callable[[Any], Found]) -> Found | RefusedError | None:
    """The answer to what the pad holds; None for an empty pad, or why there is none."""
    try:
        source = decode(value)
        return None if source is None else answer(source)
    except (ValueError, ImportError) as error:  # a library may be missing, of a rarer format
        return error if isinstance(error, RefusedError) else RefusedError(str(error))
