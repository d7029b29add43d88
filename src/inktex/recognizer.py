"""The public API: load a model, and read pictures, ink or pen strokes with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .alphabet import Alphabet, find_alphabet
from .batches import plan_batches
from .engine import Engine, Preset, SearchOptions
from .engine_choice import AUTO, load_engine
from .inputs import (
    Prepared,
    as_ink,
    check_several,
    prepare_regions,
    prepare_with_source,
)
from .modeling.alphabets_inktex import allowed_tokens
from .modeling.image_loading_inktex import NoFormulaError, numbered_error
from .modeling.search_inktex import LockedTokenError
from .results import Alternative, Candidate, Reading, ReadSymbol, make_readings
from .second_look import choose, is_doubtful, may_be_turned
from .shipped import pretrained_path
from .tokenizer.vocabulary_inktex import NOTHING_TOKEN
from .torch_engine import TorchEngine

if TYPE_CHECKING:
    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
    from inktex.modeling.normalized_picture_inktex import NormalizedPicture
    from inktex.modeling.processing_inktex import InktexProcessor

__all__ = [
    "Alternative",
    "Candidate",
    "Preset",
    "ReadSymbol",
    "Reading",
    "Recognizer",
    "load",
    "pretrained_path",
]


class Recognizer:
    r"""Reads handwritten mathematics.

    `inktex.load` and `from_pretrained` make one.

    Args:
        engine: runs the model.
        alphabet: the tokens that may be read where a call does not say; None for all.

    Attributes:
        engine, alphabet: as given.
        limits: of the batches in which pictures are read; may be set.
        second_look: whether pictures that are misread probably are looked at again; may be set.

    Example:
        >>> import inktex
        >>> inktex.load()("expression.png").latex
        '\\int g=\\lim\\limits_{n\\rightarrow\\infty}\\int g_{n}'
    """

    def __init__(self, engine: Engine, alphabet: frozenset[str] | None = None) -> None:
        if not isinstance(engine, Engine):
            raise TypeError(
                "Recognizer takes an engine. From a model and its processor: "
                "Recognizer.from_model(model, processor)."
            )
        self.engine, self.alphabet, self.limits = engine, alphabet, engine.limits
        self.second_look = True

    @classmethod
    def from_model(
        cls, model: InktexForConditionalGeneration, processor: InktexProcessor
    ) -> Recognizer:
        """A recognizer of a model that is in memory.

        Args:
            model: in evaluation mode, on the device it is to run on.
            processor: the model's processor.
        """
        return cls(TorchEngine(model, processor))

    @classmethod
    def from_pretrained(
        cls, name: str | Path | None = None, device: str = "cpu", **kwargs: Any
    ) -> Recognizer:
        """Load a model with torch.

        Any number of threads may call it; they load one after the other.

        Args:
            name: a folder or the name of a repository on the Hub; None for the model that the
                package ships, which needs no network.
            device: where to run it, as torch names devices.
            kwargs: handed to the model's `from_pretrained` (`dtype`, ...); those that say where
                the files come from (`revision`, `token`, `cache_dir`, ...) to the processor's, too.

        Raises:
            OSError: if there is no such model.
            ImportError: if torch is not installed.
        """
        return cls(TorchEngine.from_pretrained(name, device, **kwargs))

    @property
    def model(self) -> InktexForConditionalGeneration:
        """The torch model; raises AttributeError with the engines of ONNX."""
        found: InktexForConditionalGeneration = self.engine.model
        return found

    @property
    def processor(self) -> InktexProcessor:
        """The torch model's processor; raises AttributeError with the engines of ONNX."""
        found: InktexProcessor = self.engine.processor
        return found

    @property
    def image_processor(self) -> Any:
        """Brings pictures to the model's form."""
        return self.engine.image_processor

    def check(self, preset: str, alternatives: int = 0, num_beams: int | None = None) -> None:
        """Raise a ValueError if pictures cannot be read in this way."""
        self.engine.check(SearchOptions(preset, alternatives, num_beams))

    def fingerprint(self) -> str:
        """SHA-256 of all that readings depend on: weights, configuration, image processing."""
        return self.engine.fingerprint()

    def __call__(
        self,
        picture: Any,
        *,
        preset: Preset = "fast",
        alternatives: int = 0,
        num_beams: int | None = None,
        symbols: bool = True,
        alphabet: Alphabet | None = None,
        candidates: int = 0,
        locked: Mapping[int, str] | None = None,
    ) -> Reading:
        """Read one picture.

        A picture whose reading has a probability of less than a half is looked at again: its ink is
        found by a network instead of thresholds, and where the probability is lower still, it is
        turned by quarters. What reads best counts. Ink, and drawings by the published protocol, are
        read as they are.

        Args:
            picture: path of a picture or InkML file, URL, bytes, PIL picture, array, tensor, `Ink`,
                or pen strokes: a list of strokes, each a list of points (x, y), y downwards, in
                any unit.
            preset: `fast`, or `accurate`, which takes several times as long.
            alternatives: how many other readings to give beside the best one.
            num_beams: width of the beam search, if it is not to be that of the preset.
            symbols: whether to locate each symbol, which takes a little time.
            alphabet: which symbols may be read: `all`, `crohme`, `school`, a text file of tokens,
                or tokens; None for those the recognizer was loaded with. Others get a probability
                of 0, and the rest share theirs.
            candidates: how many tokens to give that may stand in the place of each symbol, beside
                the one that was read.
            locked: tokens that the reading has to have, by their indices in its `tokens`, such as
                candidates that a user chose: `{one.index: one.token}`. What comes before the first
                of them is read as it was, and the rest anew.

        Raises:
            NoFormulaError: a ValueError, if there is no ink in it, or the model takes it for no
                formula.
            ValueError: if it cannot be read as a picture, there is no such preset, or a locked
                token cannot stand where it is to stand.
            OSError: if the file cannot be opened.
        """
        (reading,) = self.read(
            [picture],
            preset=preset,
            alternatives=alternatives,
            num_beams=num_beams,
            symbols=symbols,
            alphabet=alphabet,
            candidates=candidates,
            locked=locked,
        )
        return reading

    def read(
        self,
        pictures: Sequence[Any],
        *,
        preset: Preset = "fast",
        alternatives: int = 0,
        num_beams: int | None = None,
        symbols: bool = True,
        alphabet: Alphabet | None = None,
        candidates: int = 0,
        locked: Mapping[int, str] | None = None,
    ) -> list[Reading]:
        """Read several pictures, in batches within `limits`; see `__call__`.

        Raises:
            TypeError: if it is a single picture instead of a list.
            ValueError, OSError: as `__call__`, for the first picture that cannot be read.
        """
        check_several(pictures)
        options = self._options(preset, alternatives, num_beams, alphabet, candidates, locked)
        prepared = []
        for number, picture in enumerate(pictures, start=1):
            try:
                prepared.append(prepare_with_source(picture, self.image_processor))
            except ValueError as error:
                if len(pictures) == 1:
                    raise
                raise numbered_error(error, number, len(pictures)) from error
        readings = []
        for number, found in enumerate(self._read_prepared(prepared, options, symbols), start=1):
            if isinstance(found, NoFormulaError):
                raise found if len(pictures) == 1 else numbered_error(found, number, len(pictures))
            readings.append(found)
        return readings

    def read_each(
        self,
        pictures: Iterable[Any],
        *,
        preset: Preset = "fast",
        alternatives: int = 0,
        num_beams: int | None = None,
        symbols: bool = True,
        alphabet: Alphabet | None = None,
        candidates: int = 0,
        locked: Mapping[int, str] | None = None,
        batch_size: int = 16,
    ) -> Iterator[Reading | Exception]:
        """Read any number of pictures, in order, some at a time.

        A picture that cannot be read gives its error instead of a reading, and stops nothing.

        Args:
            pictures: see `__call__`, as for what is not named here.
            batch_size: pictures that are taken at a time. They are read in batches within `limits`.

        Raises:
            TypeError: if it is a single picture instead of several.
            ValueError: if there is no such preset, or this engine cannot do what is asked for.
        """
        check_several(pictures)
        options = self._options(preset, alternatives, num_beams, alphabet, candidates, locked)
        source = iter(pictures)
        while taken := list(islice(source, batch_size)):
            prepared = [self._prepare_or_error(picture) for picture in taken]
            good = [one for one in prepared if not isinstance(one, Exception)]
            readings = iter(self._read_or_errors(good, options, symbols))
            for one in prepared:
                yield one if isinstance(one, Exception) else next(readings)

    def read_regions(
        self,
        picture: Any,
        *,
        preset: Preset = "fast",
        alternatives: int = 0,
        num_beams: int | None = None,
        symbols: bool = True,
        alphabet: Alphabet | None = None,
        candidates: int = 0,
    ) -> list[Reading]:
        """Read each of several formulas in a picture.

        Args:
            picture: see `__call__`, as for what is not named here.

        Returns:
            The readings, row by row, each row from left to right; their `box` says where they are.

        Raises:
            NoFormulaError: a ValueError, if there is no formula.
            ValueError, OSError: as `__call__`.
        """
        options = self._options(preset, alternatives, num_beams, alphabet, candidates, None)
        regions = prepare_regions(picture, self.image_processor)
        found = self._read_placed(regions, options, symbols)
        readings = [one for one in found if isinstance(one, Reading)]
        if not readings:
            raise next(one for one in found if isinstance(one, NoFormulaError))
        return readings

    def _options(
        self,
        preset: str,
        alternatives: int,
        num_beams: int | None,
        alphabet: Alphabet | None,
        candidates: int,
        locked: Mapping[int, str] | None,
    ) -> SearchOptions:
        allowed = self.alphabet if alphabet is None else find_alphabet(alphabet)
        # One more, since the token that was read is among them.
        more = candidates + 1 if candidates else candidates
        options = SearchOptions(preset, alternatives, num_beams, allowed, more, locked or {})
        self.engine.check(options)
        return options

    def _prepare_or_error(self, picture: Any) -> Prepared | Exception:
        try:
            return prepare_with_source(picture, self.image_processor)
        except MemoryError:
            raise
        except Exception as error:  # whatever it is, the other pictures can be read
            return error

    def _read_prepared(
        self, prepared: Sequence[Prepared], options: SearchOptions, symbols: bool
    ) -> list[Reading | NoFormulaError]:
        """Readings of pictures, of a second look where that of the first is improbable."""
        placed, first = [one.placed for one in prepared], options
        if options.locked:
            if not self.second_look or all(one.source is None for one in prepared):
                return self._read_found(placed, options, symbols)
            # Tokens are locked in the reading that was made without them.
            first = replace(options, locked={}, alternatives=0, candidates=0)
        found = self._read_found(placed, first, symbols)
        again = [*range(len(placed))] if options.locked else []
        doubtful = [
            number
            for number, (one, reading) in enumerate(zip(prepared, found, strict=True))
            if self.second_look
            and one.source is not None
            and is_doubtful(reading)
            and (not isinstance(one.placed, NoFormulaError) or self._can_refuse(options))
        ]
        for number in doubtful:
            source, reading = prepared[number].source, found[number]
            looks = self._second_looks(source, may_be_turned(reading), options.alphabet)
            chosen = choose(reading, looks)
            if chosen is not None:
                placed[number] = chosen
                again += [] if options.locked else [number]
        read = self._read_found([placed[number] for number in again], options, symbols)
        for number, reading in zip(again, read, strict=True):
            found[number] = reading
        return found

    def _can_refuse(self, options: SearchOptions) -> bool:
        """Whether the model can say that there is no formula.

        Others read something in whatever the network takes for ink, 13 of 200 pictures without a
        formula with a probability of a half and more. So what the image processor rejects stays
        rejected with them.
        """
        alphabet = options.alphabet
        may = alphabet is None or allowed_tokens(alphabet, [NOTHING_TOKEN])[0]
        return may and NOTHING_TOKEN in self.engine.tokens().values()

    def _second_looks(
        self, source: Any, turned: bool, alphabet: frozenset[str] | None
    ) -> Iterator[tuple[NormalizedPicture, Reading | NoFormulaError]]:
        """Other pictures that the model may read of a source, and what it reads in each."""
        try:
            for placed in self.image_processor.second_looks(as_ink(source), turned):
                yield (
                    placed,
                    *self._read_placed([placed], SearchOptions(alphabet=alphabet), symbols=False),
                )
        except (ValueError, OSError):  # a file that is gone, a stream that was read to its end
            return

    def _read_found(
        self,
        placed: Sequence[NormalizedPicture | NoFormulaError],
        options: SearchOptions,
        symbols: bool,
    ) -> list[Reading | NoFormulaError]:
        """Readings of the pictures among some of which others are errors, which stay."""
        pictures = [one for one in placed if not isinstance(one, NoFormulaError)]
        readings = iter(self._read_placed(pictures, options, symbols))
        return [one if isinstance(one, NoFormulaError) else next(readings) for one in placed]

    def _read_placed(
        self, prepared: Sequence[NormalizedPicture], options: SearchOptions, symbols: bool
    ) -> list[Reading | NoFormulaError]:
        readings: dict[int, Reading | NoFormulaError] = {}
        words = self.engine.tokens() if options.candidates else {}
        for batch in plan_batches([one.picture.shape for one in prepared], self.limits):
            together = [prepared[i] for i in batch]
            try:
                decoded = self.engine.search([one.picture for one in together], options)
            except LockedTokenError as error:
                raise ValueError(
                    f"locked: {options.locked[error.position]!r} cannot stand at place "
                    f"{error.position} of the reading, behind the tokens before it."
                ) from error
            texts = self.engine.texts(decoded)
            stride = self.engine.stride if symbols else None
            made = make_readings(
                together, decoded, texts, stride, words, self.engine.doubt_threshold, options.locked
            )
            readings.update(zip(batch, map(_checked, made), strict=True))
        return [readings[i] for i in range(len(prepared))]

    def _read_or_errors(
        self, prepared: Sequence[Prepared], options: SearchOptions, symbols: bool
    ) -> list[Reading | Exception]:
        """What `_read_prepared` gives; if it fails, a reading or an error of each picture alone."""
        try:
            return [*self._read_prepared(prepared, options, symbols)]
        except MemoryError:  # not this picture's fault alone: the caller has to know
            raise
        except Exception as error:  # whatever it is, the other pictures can be read
            if len(prepared) == 1:
                return [error]
        return [
            found for one in prepared for found in self._read_or_errors([one], options, symbols)
        ]


def _checked(reading: Reading) -> Reading | NoFormulaError:
    """The error that a reading stands for if it says that there is no formula."""
    if reading.tokens != NOTHING_TOKEN:
        return reading
    return NoFormulaError(
        "No formula found: with a probability of "
        f"{reading.score:.0%} the ink in the picture is something else.",
        reading.score,
    )


def load(
    name: str | Path | None = None,
    device: str = "cpu",
    engine: str = AUTO,
    *,
    alphabet: Alphabet | None = None,
    **kwargs: Any,
) -> Recognizer:
    """The recognizer of a model.

    Args:
        name: see `Recognizer.from_pretrained`; for ONNX a model's folder or one of an export.
        device: for torch, where to run.
        engine: `auto`, `torch`, `onnx` (float32) or `onnx-int8`. ONNX needs no torch and searches
            greedily; `onnx-int8`, and models of another architecture than the shipped one, need an
            export, which `inktex export` writes. `auto` takes ONNX in float32 for greedy searches
            on the CPU, where it reads as torch does, and torch for the rest.
        alphabet: which symbols may be read where a call does not say; see `Recognizer.__call__`.
        kwargs: of `Recognizer.from_pretrained`; with ONNX `threads`, how many the encoder has.

    Raises:
        ValueError: if there is no such engine or alphabet.
        OSError: if there is no such model, or it was not exported.
        ImportError: if ONNX Runtime is not installed.
    """
    allowed = find_alphabet(alphabet)  # before a model is loaded for nothing
    return Recognizer(load_engine(name, device, engine, **kwargs), allowed)


_RENAMED: Final = {
    "BaseRecognizer": "inktex.Recognizer",
    "AutoRecognizer": "inktex.Recognizer",
    "Found": "inktex.modeling.search_inktex.Decoded",
    "MAX_TOKENS": "inktex.engine.MAX_TOKENS",
    "as_picture": "inktex.inputs.as_picture",
    "fastest_engine": "inktex.engine_choice.fastest_engine",
    "shipped_thinner": "inktex.shipped.shipped_stroke_restoration",
}
"""Names of 0.1 that are now elsewhere."""


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        raise ImportError(f"inktex.recognizer.{name} is now {_RENAMED[name]}.")
    raise AttributeError(f"module 'inktex.recognizer' has no attribute {name!r}")
