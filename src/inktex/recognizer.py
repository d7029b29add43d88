"""Pictures or ink in, LaTeX out, in one object: the model, its processor and how to use them."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from .alphabet import Alphabet, find_alphabet
from .batches import ACCELERATOR, CPU, BatchLimits, plan_batches
from .ink import Ink
from .inkml import read_inkml
from .network import hub_address, hub_answers
from .render import render
from .shipped import pretrained_path as pretrained_path
from .tokenizer.vocabulary_inktex import UNKNOWN_MARK

if TYPE_CHECKING:
    from inktex.modeling.image_processing_inktex import InktexImageProcessor
    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
    from inktex.modeling.placing_inktex import PlacedPicture
    from inktex.modeling.processing_inktex import InktexProcessor
    from inktex.modeling.search_inktex import Decoded
    from inktex.modeling.thinning_inktex import Thinner

    from .onnx.files import Export

logger = logging.getLogger(__name__)

Preset = Literal["fast", "accurate"]
AUTO = "auto"
"""The engine that is fastest for what is asked for; see `fastest_engine`."""
ENGINES = {"torch": "", "onnx": "fp32", "onnx-int8": "int8"}
"""What can read, and for ONNX the precision of its weights."""
_LOADING = threading.RLock()
"""Held while a model is loaded: transformers makes it on a device that is set for all threads."""
HUB_OPTIONS = (
    "cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token",
)  # fmt: skip
"""Arguments of `from_pretrained` that say where files come from; model and processor need them."""
MAX_TOKENS = 200
"""Longest reading, in tokens; twice the longest expression of CROHME."""


@dataclass(frozen=True, slots=True)
class ReadSymbol:
    """One symbol of a reading.

    Attributes:
        index: of its token in the reading's tokens.
        token: the token.
        score: its probability, given the tokens before it, 0 to 1.
        box: left, top, right and bottom of its ink, in pixels of the picture (turned upright,
            where it says how; ink is drawn as published first); None where no ink was found.
    """

    index: int
    token: str
    score: float
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True, slots=True)
class Alternative:
    """One thing that a picture may say.

    Attributes:
        latex: compact LaTeX that compiles.
        tokens: the same as canonical tokens, separated by spaces.
        score: probability that the model gives to exactly these tokens, 0 to 1.
        token_scores: of each token its probability, given the tokens before it, 0 to 1.
        symbols: what was read where, in reading order: the tokens that have ink.
    """

    latex: str
    tokens: str
    score: float
    token_scores: tuple[float, ...] = ()
    symbols: tuple[ReadSymbol, ...] = ()

    @property
    def unknown(self) -> tuple[ReadSymbol, ...]:
        """Marks that are no symbols of the alphabet, of those in `symbols`."""
        return tuple(one for one in self.symbols if one.token == UNKNOWN_MARK)


@dataclass(frozen=True, slots=True)
class Reading(Alternative):
    """What was read in one picture.

    Attributes:
        alternatives: what else it may say, the likeliest first; as many as were asked for.
        picture: what the model saw, the work of the image processor: `(height, width)` uint8, ink
            255 on paper 0.
    """

    alternatives: tuple[Alternative, ...] = ()
    picture: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """All but the picture, as JSON has it: dictionaries, lists, strings and numbers."""
        found = _plain(self)
        found["alternatives"] = [_plain(one) for one in self.alternatives]
        return found


def _plain(one: Alternative) -> dict[str, Any]:
    return {
        "latex": one.latex,
        "tokens": one.tokens,
        "score": float(one.score),
        "token_scores": [float(score) for score in one.token_scores],
        "symbols": [
            {
                "index": symbol.index,
                "token": symbol.token,
                "score": float(symbol.score),
                "box": None if symbol.box is None else [float(side) for side in symbol.box],
            }
            for symbol in one.symbols
        ],
    }


class BaseRecognizer(ABC):
    """Reads handwritten mathematics, by whatever engine.

    Attributes:
        image_processor: brings pictures to the model's form, and stacks them.
        limits: of the batches in which pictures are read; may be set.
        stride: pixels from one cell of the attention to the next.
        alphabet: the tokens that may be read where a call says nothing else; None for all.
    """

    image_processor: Any
    limits: BatchLimits = CPU
    stride: int = 8
    alphabet: frozenset[str] | None = None

    @abstractmethod
    def check(self, preset: str, alternatives: int = 0, num_beams: int | None = None) -> None:
        """Make sure that pictures can be read in this way.

        Raises:
            ValueError: if they cannot.
        """

    @abstractmethod
    def search(
        self,
        drawn: Sequence[NDArray[np.uint8]],
        preset: str,
        alternatives: int,
        num_beams: int | None,
        alphabet: frozenset[str] | None = None,
    ) -> Decoded:
        """Decode the model's pictures of several pictures; see `__call__`.

        Args:
            drawn, preset, alternatives, num_beams: see there.
            alphabet: the tokens that may be written beside the structure of formulas; None for all.

        Returns:
            `alternatives + 1` sequences a picture, with `attention` in rows and columns.
        """

    @abstractmethod
    def texts(self, decoded: Decoded) -> list[str]:
        """For each sequence its canonical tokens, separated by spaces."""

    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of all that the readings depend on: weights, configuration, preparation."""

    def __call__(
        self,
        picture: Any,
        *,
        preset: Preset = "fast",
        alternatives: int = 0,
        num_beams: int | None = None,
        symbols: bool = True,
        alphabet: Alphabet | None = None,
    ) -> Reading:
        """Read one picture.

        Args:
            picture: path of a picture or InkML file, URL, bytes, PIL picture, array, tensor, `Ink`,
                or pen strokes: a list of strokes, each a list of points (x, y), y downwards, in
                any unit.
            preset: `fast`, or `accurate`, which takes several times as long.
            alternatives: how many other readings to give beside the best one.
            num_beams: width of the beam search, if it is not to be that of the preset.
            symbols: whether to look for each symbol's place, which takes a little time.
            alphabet: which symbols may be read: `all`, `crohme`, `school`, a text file of tokens,
                or tokens; None for what the recogniser was loaded with. Others get a probability of
                0, and the rest share theirs.

        Raises:
            ValueError: if it cannot be read as a picture or has no ink in it, or if there is no
                such preset.
            OSError: if the file cannot be opened.
        """
        (reading,) = self.read(
            [picture],
            preset=preset,
            alternatives=alternatives,
            num_beams=num_beams,
            symbols=symbols,
            alphabet=alphabet,
        )
        return reading

    def _alphabet(self, alphabet: Alphabet | None) -> frozenset[str] | None:
        return self.alphabet if alphabet is None else find_alphabet(alphabet)

    def read(
        self,
        pictures: Sequence[Any],
        *,
        preset: Preset = "fast",
        alternatives: int = 0,
        num_beams: int | None = None,
        symbols: bool = True,
        alphabet: Alphabet | None = None,
    ) -> list[Reading]:
        """Read several pictures, in batches within `limits`; see `__call__`.

        What `prepare` gave is taken for a picture too.
        """
        from inktex.modeling.pictures_inktex import NoFormulaError

        check_counts(alternatives, num_beams)
        self.check(preset, alternatives, num_beams)
        allowed = self._alphabet(alphabet)
        placed = []
        for number, picture in enumerate(pictures, start=1):
            try:
                placed.append(prepare(picture, self.image_processor))
            except ValueError as error:
                if len(pictures) == 1:
                    raise
                kind = NoFormulaError if isinstance(error, NoFormulaError) else ValueError
                raise kind(f"Picture {number} of {len(pictures)}: {error}") from error
        readings: dict[int, Reading] = {}
        for batch in plan_batches([one.picture.shape for one in placed], self.limits):
            together = [placed[i] for i in batch]
            found = self.search(
                [one.picture for one in together], preset, alternatives, num_beams, allowed
            )
            made = _readings(together, found, self.texts(found), self.stride if symbols else None)
            readings.update(zip(batch, made, strict=True))
        return [readings[i] for i in range(len(placed))]

    def read_each(
        self,
        pictures: Iterable[Any],
        *,
        preset: Preset = "fast",
        alternatives: int = 0,
        num_beams: int | None = None,
        symbols: bool = True,
        alphabet: Alphabet | None = None,
        batch_size: int = 16,
    ) -> Iterator[Reading | Exception]:
        """Read any number of pictures, in order, some at a time.

        A picture that cannot be read gives its error instead of a reading, and stops nothing.

        Args:
            pictures: see `__call__`, as for what is not named here.
            batch_size: pictures that are taken at a time. They are read in batches within `limits`.

        Raises:
            ValueError: if there is no such preset, or this engine cannot do what is asked for.
        """
        check_counts(alternatives, num_beams)
        self.check(preset, alternatives, num_beams)
        options = {
            "alphabet": self._alphabet(alphabet) or "all",
            "preset": preset,
            "alternatives": alternatives,
            "num_beams": num_beams,
            "symbols": symbols,
        }
        source = iter(pictures)
        while taken := list(islice(source, batch_size)):
            prepared = [_prepare_or_error(picture, self.image_processor) for picture in taken]
            good = [one for one in prepared if not isinstance(one, Exception)]
            readings = iter(self._read_or_errors(good, options))
            for one in prepared:
                yield one if isinstance(one, Exception) else next(readings)

    def _read_or_errors(
        self, placed: Sequence[PlacedPicture], options: dict[str, Any]
    ) -> list[Reading | Exception]:
        """What `read` gives; if that fails, a reading or an error of each picture by itself."""
        try:
            return [*self.read(placed, **options)]
        except MemoryError:  # not this picture's fault alone: whoever called has to know
            raise
        except Exception as error:  # whatever it is, the other pictures can be read
            if len(placed) == 1:
                return [error]
        return [found for one in placed for found in self._read_or_errors([one], options)]


class Recognizer(BaseRecognizer):
    r"""Reads handwritten mathematics with torch.

    Args:
        model: in evaluation mode, on the device it is to run on.
        processor: the model's processor.

    Example:
        >>> import inktex
        >>> inktex.load()("expression.png").latex
        '\\int g=\\lim\\limits_{n\\rightarrow\\infty}\\int g_{n}'
    """

    def __init__(self, model: InktexForConditionalGeneration, processor: InktexProcessor) -> None:
        self.model, self.processor = model, processor
        self.limits = CPU if model.device.type == "cpu" else ACCELERATOR

    @classmethod
    def from_pretrained(
        cls, name: str | Path | None = None, device: str = "cpu", **kwargs: Any
    ) -> Recognizer:
        """Load a model.

        Args:
            name: a folder or the name of a repository on the Hub; None for the model that the
                package ships, which needs no network.
            device: where to run it, as torch names devices.
            kwargs: handed to the model's `from_pretrained` (`dtype`, ...); those that say where
                the files come from (`revision`, `token`, `cache_dir`, ...) to the processor's, too.

        Any number of threads may call it; they load one after the other.

        Raises:
            OSError: if there is no such model.
            ImportError: if torch is not installed.
        """
        check_torch()
        import torch

        from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
        from inktex.modeling.processing_inktex import InktexProcessor

        if name is None:
            name = pretrained_path()
        kwargs.setdefault("use_safetensors", True)  # pickled weights could run code
        kwargs.setdefault("dtype", torch.float32)  # bf16 weights halve the file, not the time
        is_remote = not Path(name).exists() and not kwargs.get("local_files_only")
        is_cut_off = is_remote and not hub_answers()
        if is_cut_off:
            kwargs["local_files_only"] = True  # what is in the cache can be read nevertheless
        source = {key: kwargs[key] for key in HUB_OPTIONS if key in kwargs}
        try:
            with _LOADING, _no_progress_bar():
                model = InktexForConditionalGeneration.from_pretrained(str(name), **kwargs)
                processor = InktexProcessor.from_pretrained(str(name), **source)
        except OSError as error:
            if not is_cut_off:
                raise
            raise OSError(
                f"{name} is no folder here and not in the cache, and the Hub ({hub_address()}) "
                "cannot be reached to look for a model of that name."
            ) from error
        return cls(model.to(device).eval(), processor)

    @property
    def image_processor(self) -> InktexImageProcessor:
        """The processor's part for pictures."""
        found: InktexImageProcessor = self.processor.image_processor
        return found

    def check(self, preset: str, alternatives: int = 0, num_beams: int | None = None) -> None:
        """See `BaseRecognizer`."""
        from inktex.modeling.generation_inktex import check_preset

        check_preset(preset)

    def search(
        self,
        drawn: Sequence[NDArray[np.uint8]],
        preset: str,
        alternatives: int,
        num_beams: int | None,
        alphabet: frozenset[str] | None = None,
    ) -> Decoded:
        """See `BaseRecognizer`."""
        from inktex.modeling.generation_inktex import generate_with_details

        allowed = None
        if alphabet is not None:
            size = self.model.config.decoder.vocab_size
            allowed = self.processor.allowed_tokens(alphabet, size)
        return generate_with_details(
            self.model,
            self.image_processor.stack(drawn, return_tensors="pt"),
            preset,
            do_sample=False,
            max_new_tokens=MAX_TOKENS,
            num_return_sequences=alternatives + 1,
            allowed_tokens=allowed,
            **({} if num_beams is None else {"num_beams": num_beams}),
        )

    def texts(self, decoded: Decoded) -> list[str]:
        """See `BaseRecognizer`."""
        return self.processor.batch_decode(decoded.sequences, skip_special_tokens=True)

    def fingerprint(self) -> str:
        """See `BaseRecognizer`."""
        import torch

        digest = hashlib.sha256()
        for part in (self.model.config, self.image_processor):
            content = part.to_dict()
            for name in ("_name_or_path", "transformers_version"):
                content.pop(name, None)
            digest.update(json.dumps(content, sort_keys=True, default=str).encode())
        if (thinner := self.image_processor.thinner) is not None:
            digest.update(thinner.checksum.encode())
        for name, weights in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(weights.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def check_counts(alternatives: int, num_beams: int | None) -> None:
    """Make sure that counts are counts.

    Raises:
        ValueError: if one is not a whole number, or too small.
    """
    for name, value, least in (("alternatives", alternatives, 0), ("num_beams", num_beams, 1)):
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (is_whole and value >= least):
            raise ValueError(f"{name} is a whole number from {least} up, not {value!r}.")


def _readings(
    placed: Sequence[PlacedPicture], found: Decoded, texts: list[str], stride: int | None
) -> Iterator[Reading]:
    """The readings of the pictures of a batch, with symbols if a stride is given."""
    from inktex.tokenizer.compact_inktex import compact

    count = len(texts) // len(placed)
    scores = np.exp(found.log_probabilities).tolist()
    assert found.token_log_probabilities is not None
    token_scores = np.exp(found.token_log_probabilities).tolist()
    for number, one in enumerate(placed):
        # A search that ends early fills up with what it has found already.
        first = {texts[i]: i for i in reversed(range(number * count, (number + 1) * count))}
        best, *others = (
            Alternative(
                compact(tokens),
                " ".join(tokens),
                scores[i],
                tuple(token_scores[i][: len(tokens)]),
                _symbols(one, tokens, token_scores[i], found.attention, i, stride)
                if stride is not None
                else (),
            )
            for i, tokens in ((i, texts[i].split()) for i in sorted(first.values()))
        )
        yield Reading(
            best.latex,
            best.tokens,
            best.score,
            best.token_scores,
            best.symbols,
            tuple(others),
            one.picture,
        )


def _symbols(
    placed: PlacedPicture,
    tokens: list[str],
    scores: list[float],
    attention: NDArray[np.float32] | None,
    number: int,
    stride: int,
) -> tuple[ReadSymbol, ...]:
    """The symbols of sequence `number`."""
    from inktex.tokenizer.vocabulary_inktex import STRUCTURAL_TOKENS

    from .symbol_boxes import inked, symbol_boxes

    indices = [i for i, has_ink in enumerate(inked(tokens, STRUCTURAL_TOKENS)) if has_ink]
    boxes: list[tuple[float, float, float, float] | None] = [None] * len(indices)
    if attention is not None:
        boxes = symbol_boxes(placed.picture, attention[number, indices], stride)
    return tuple(
        ReadSymbol(i, tokens[i], scores[i], None if box is None else _outside(placed, box))
        for i, box in zip(indices, boxes, strict=True)
    )


def _outside(
    placed: PlacedPicture, box: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """A box of the model's picture in pixels of the given one, as Python's own numbers.

    Those of numpy are written as text by what turns answers of the Space into JSON.
    """
    left, top, right, bottom = map(float, placed.outside(box))
    return left, top, right, bottom


def prepare(picture: Any, image_processor: Any) -> PlacedPicture:
    """The model's picture of whatever `Recognizer` reads: all that can be done without the model.

    Raises:
        ValueError: if it cannot be read as a picture.
        NoFormulaError: a `ValueError`, if nothing in it could be a formula.
        OSError: if the file cannot be opened.
    """
    from inktex.modeling.placing_inktex import PlacedPicture

    if isinstance(picture, PlacedPicture):
        return picture
    return image_processor.place(as_picture(picture))


def _prepare_or_error(picture: Any, image_processor: Any) -> PlacedPicture | Exception:
    try:
        return prepare(picture, image_processor)
    except MemoryError:
        raise
    except Exception as error:  # whatever it is, the other pictures can be read
        return error


def as_picture(source: Any) -> Any:
    """Ink, strokes, and files that hold ink, as a picture; everything else as it is.

    Raises:
        ValueError: if the ink cannot be read.
    """
    from PIL import Image

    from inktex.modeling.pictures_inktex import download, is_url

    if isinstance(source, list | tuple):
        source = strokes_to_ink(source)

    if isinstance(source, bytearray | memoryview):
        source = bytes(source)
    if isinstance(source, bytes) and source[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        source = read_inkml(io.BytesIO(source))
    elif isinstance(source, str) and is_url(source) and source.lower().endswith(".inkml"):
        source = read_inkml(io.BytesIO(download(source)))
    elif isinstance(source, str | Path) and str(source).lower().endswith(".inkml"):
        source = read_inkml(Path(source))
    if isinstance(source, Ink):
        return Image.fromarray(render(source.traces))
    if isinstance(source, Path):
        return str(source)
    return source


def strokes_to_ink(strokes: Sequence[Any]) -> Ink:
    """Ink of pen strokes: each an array or a list of points (x, y), y downwards, in any unit.

    Raises:
        ValueError: if it is not that, or there is no point.
    """
    try:
        traces = [np.asarray(stroke, dtype=np.float32) for stroke in strokes]
    except (TypeError, ValueError):
        traces = []
    filled = [trace for trace in traces if trace.size]
    if not filled or not all(
        trace.ndim == 2 and trace.shape[1] == 2 and np.isfinite(trace).all() for trace in filled
    ):
        raise ValueError(
            "A list is taken for pen strokes: give a list of strokes, each a list of points (x, y) "
            "of finite numbers. Several pictures are read by `read` and `read_each`."
        )
    return Ink(filled)


def shipped_thinner() -> Thinner | None:
    """What the package's image processor knows of wide pens; None for a checkout without it."""
    from inktex.modeling.thinning_inktex import THINNER_FILE, Thinner

    path = Path(__file__).parent / "pretrained" / THINNER_FILE
    return Thinner.load(path) if path.is_file() else None


class OnnxRecognizer(BaseRecognizer):
    """Reads handwritten mathematics with ONNX Runtime, greedily.

    Args:
        export: what to read with.
        threads: of the encoder; None for ONNX Runtime's choice.
    """

    def __init__(self, export: Export, threads: int | None = None) -> None:
        from .onnx.engine import ImageProcessor, OnnxModel
        from .onnx.files import read_words

        self.export, self.settings = export, export.settings
        self.stride = export.settings.stride
        self.image_processor = ImageProcessor(export.settings.image_processor, export.thinner)
        self.model = OnnxModel(export, threads)
        self.words = read_words(export.tokenizer)

    @classmethod
    def from_pretrained(
        cls, name: str | Path | None = None, precision: str = "fp32", threads: int | None = None
    ) -> OnnxRecognizer:
        """Load a model.

        Args:
            name: folder of a model of the shipped one's architecture, or whose export is in the
                cache; or of an export. None for the model that the package ships.
            precision: `fp32` or `int8`; the latter has to be exported.
            threads: of the encoder; None for ONNX Runtime's choice.

        Raises:
            FileNotFoundError: if the model has another architecture and was not exported.
            ValueError: if the export is of another precision or format, or a file is damaged.
            ImportError: if ONNX Runtime is not installed.
        """
        from .onnx.files import find_export

        folder = pretrained_path() if name is None else Path(name)
        return cls(find_export(folder, precision), threads)

    def check(self, preset: str, alternatives: int = 0, num_beams: int | None = None) -> None:
        """See `BaseRecognizer`."""
        if not is_greedy(preset, alternatives, num_beams):
            raise ValueError(
                "The ONNX engine reads greedily: preset fast, without alternatives and beams. "
                "Take the engine torch (pip install inktex) for the others."
            )

    def search(
        self,
        drawn: Sequence[NDArray[np.uint8]],
        preset: str,
        alternatives: int,
        num_beams: int | None,
        alphabet: frozenset[str] | None = None,
    ) -> Decoded:
        """See `BaseRecognizer`."""
        from inktex.modeling.alphabets_inktex import allowed_tokens
        from inktex.modeling.placing_inktex import stack_pictures

        pixels, mask = stack_pictures(drawn, self.settings.multiple)
        allowed = None
        if alphabet is not None:
            words = [self.words.get(number, "") for number in range(self.settings.vocabulary)]
            allowed = np.array(allowed_tokens(alphabet, words))
            allowed[self.settings.end] = True
        return self.model.decode(pixels, mask, MAX_TOKENS + 1, allowed)

    def texts(self, decoded: Decoded) -> list[str]:
        """See `BaseRecognizer`."""
        return [
            " ".join(self.words[number] for number in row if number in self.words)
            for row in decoded.tokens(self.settings.end)
        ]

    def fingerprint(self) -> str:
        """See `BaseRecognizer`."""
        settings = json.dumps(asdict(self.settings), sort_keys=True)
        digest = hashlib.sha256(settings.encode())
        for path in self.export.files:
            digest.update(path.read_bytes())
        return digest.hexdigest()


class AutoRecognizer(BaseRecognizer):
    """Reads `fast` with ONNX Runtime, everything else with torch, loaded when it is first needed.

    Whoever takes `model` may change it, so from then on all is read with torch.

    Args:
        quick: reads greedily.
        load_torch: gives what reads everything, with the same weights.
    """

    def __init__(self, quick: OnnxRecognizer, load_torch: Callable[[], Recognizer]) -> None:
        self._quick, self._load_torch = quick, load_torch
        self._torch: Recognizer | None = None
        self._lock = threading.Lock()
        self._is_taken = False

    @property
    def model(self) -> InktexForConditionalGeneration:
        """The model, in torch."""
        self._is_taken = True
        return self._whole().model

    @property
    def processor(self) -> InktexProcessor:
        """The model's processor."""
        self._is_taken = True
        return self._whole().processor

    @property
    def image_processor(self) -> Any:
        """What brings pictures to the model's form, and stacks them."""
        return self._reader().image_processor

    def check(self, preset: str, alternatives: int = 0, num_beams: int | None = None) -> None:
        """See `BaseRecognizer`."""
        if not is_greedy(preset, alternatives, num_beams):
            self._whole().check(preset, alternatives, num_beams)

    def search(
        self,
        drawn: Sequence[NDArray[np.uint8]],
        preset: str,
        alternatives: int,
        num_beams: int | None,
        alphabet: frozenset[str] | None = None,
    ) -> Decoded:
        """See `BaseRecognizer`."""
        is_quick = is_greedy(preset, alternatives, num_beams)
        reader = self._reader() if is_quick else self._whole()
        return reader.search(drawn, preset, alternatives, num_beams, alphabet)

    def texts(self, decoded: Decoded) -> list[str]:
        """See `BaseRecognizer`."""
        return self._reader().texts(decoded)

    def fingerprint(self) -> str:
        """See `BaseRecognizer`."""
        return self._reader().fingerprint()

    def _reader(self) -> BaseRecognizer:
        """What reads greedily."""
        return self._whole() if self._is_taken else self._quick

    def _whole(self) -> Recognizer:
        with self._lock:  # of threads that need it first at the same time, one loads it
            if self._torch is None:
                self._torch = self._load_torch()
            return self._torch


@overload
def load(
    name: str | Path | None = None,
    device: str = "cpu",
    engine: Literal["auto"] = "auto",
    *,
    alphabet: Alphabet | None = None,
    **kwargs: Any,
) -> AutoRecognizer | Recognizer: ...


@overload
def load(
    name: str | Path | None = None,
    device: str = "cpu",
    *,
    engine: Literal["torch"],
    alphabet: Alphabet | None = None,
    **kwargs: Any,
) -> Recognizer: ...


@overload
def load(
    name: str | Path | None = None,
    device: str = "cpu",
    *,
    engine: str,
    alphabet: Alphabet | None = None,
    **kwargs: Any,
) -> BaseRecognizer: ...


def load(
    name: str | Path | None = None,
    device: str = "cpu",
    engine: str = AUTO,
    *,
    alphabet: Alphabet | None = None,
    **kwargs: Any,
) -> BaseRecognizer:
    """The recogniser of a model.

    Args:
        name: see `Recognizer.from_pretrained`; for ONNX a model's folder or one of an export.
        device: for torch, where to run.
        engine: `auto`, `torch`, `onnx` (float32) or `onnx-int8`. ONNX needs no torch and reads
            greedily; `onnx-int8`, and models of another architecture than the shipped one, need an
            export, which `python -m inktex.onnx.export` writes. `auto` reads what can be read so,
            on the CPU, with ONNX in float32, which reads as torch does, and the rest with torch.
        alphabet: which symbols may be read where a call says nothing else; see
            `BaseRecognizer.__call__`.
        kwargs: of `Recognizer.from_pretrained`, or `threads` of `OnnxRecognizer.from_pretrained`.

    Raises:
        ValueError: if there is no such engine or alphabet.
        OSError: if there is no such model, or it was not exported.
        ImportError: if ONNX Runtime is not installed.
    """
    allowed = find_alphabet(alphabet)
    found = _load(name, device, engine, **kwargs)
    found.alphabet = allowed
    return found


def _load(
    name: str | Path | None, device: str, engine: str, **kwargs: Any
) -> Recognizer | AutoRecognizer | OnnxRecognizer:
    is_auto = engine == AUTO
    if is_auto:
        engine = "torch" if kwargs.keys() - {"threads"} else fastest_engine(name, device)
        if engine == "torch":
            kwargs.pop("threads", None)
    if engine not in ENGINES:
        known = ", ".join((AUTO, *ENGINES))
        raise ValueError(f"There is no engine {engine!r}; there are {known}.")
    if engine == "torch":
        return Recognizer.from_pretrained(name, device, **kwargs)
    unknown = sorted(kwargs.keys() - {"threads"})
    if unknown:
        raise ValueError(
            f"The engine {engine} reads folders of this machine and takes no {', '.join(unknown)}. "
            "Download the model first (huggingface_hub.snapshot_download) or take engine='torch'."
        )
    found = OnnxRecognizer.from_pretrained(name, ENGINES[engine], **kwargs)
    return AutoRecognizer(found, lambda: _load_whole(name)) if is_auto else found


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Without transformers' bar, which for a model of this size only flickers."""
    from transformers.utils import logging as reports

    was_shown = reports.is_progress_bar_enabled()
    reports.disable_progress_bar()
    try:
        yield
    finally:
        if was_shown:
            reports.enable_progress_bar()


def _load_whole(name: str | Path | None) -> Recognizer:
    if name is not None and Path(name).is_dir() and not (Path(name) / "config.json").is_file():
        raise ValueError(
            f"{name} holds an export for ONNX, which reads greedily: preset fast, without "
            "alternatives and beams. Load the model's own folder for the others."
        )
    return Recognizer.from_pretrained(name)


def check_torch() -> None:
    """Make sure that torch and transformers are there.

    Raises:
        ImportError: saying what can be read without them.
    """
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed. Without "
            "torch ONNX Runtime reads: with the preset fast, one reading a picture, no beams. For "
            "everything else: pip install inktex."
        )


def quiet_torch() -> None:
    """Leave standard error to the command: transformers warns, and shows bars, only in programs.

    Raises:
        ImportError: if torch or transformers is not installed.
    """
    check_torch()
    from transformers.utils import logging as reports

    reports.set_verbosity_error()
    reports.disable_progress_bar()


def is_greedy(preset: str, alternatives: int = 0, num_beams: int | None = None) -> bool:
    """Whether the likeliest token after the likeliest token is all that is wanted."""
    return preset == "fast" and not alternatives and num_beams in (None, 1)


def fastest_engine(
    name: str | Path | None = None,
    device: str = "cpu",
    preset: str = "fast",
    alternatives: int = 0,
    num_beams: int | None = None,
) -> str:
    """The fastest engine that reads as torch does.

    ONNX Runtime in float32, if it is installed, there are graphs or an export for the model, and
    one reading of the preset `fast` is wanted, on the CPU; else torch.

    Args:
        name: see `Recognizer.from_pretrained`.
        device: where to run.
        preset: see `BaseRecognizer.__call__`, as are the following.
        alternatives: how many.
        num_beams: how many, if it is not left to the preset.
    """
    if not is_greedy(preset, alternatives, num_beams) or device != "cpu":
        return "torch"
    if importlib.util.find_spec("onnxruntime") is None:
        return "torch"
    from .onnx.files import find_export

    try:
        find_export(pretrained_path() if name is None else Path(name), "fp32")
    except (OSError, ValueError):  # torch says better what is wrong with a model
        return "torch"
    return "onnx"
