"""Pictures or ink in, LaTeX out, in one object: the model, its processor and how to use them."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .ink import Ink
from .inkml import read_inkml
from .render import render

if TYPE_CHECKING:
    from inktex.modeling.generation_inktex import Generated
    from inktex.modeling.image_processing_inktex import InktexImageProcessor, PlacedPicture
    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
    from inktex.modeling.processing_inktex import InktexProcessor

logger = logging.getLogger(__name__)

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


class Recognizer:
    r"""Reads handwritten mathematics.

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

    @classmethod
    def from_pretrained(
        cls, name: str | Path | None = None, device: str = "cpu", **kwargs: Any
    ) -> Recognizer:
        """Load a model.

        Args:
            name: a folder or the name of a repository on the Hub; None for the model that the
                package ships, which needs no network.
            device: where to run it, as torch names devices.
            kwargs: handed to the model's `from_pretrained` (`revision`, `token`, ...).

        Raises:
            OSError: if there is no such model.
        """
        import torch

        from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
        from inktex.modeling.processing_inktex import InktexProcessor

        if name is None:
            name = pretrained_path()
        kwargs.setdefault("use_safetensors", True)  # pickled weights could run code
        kwargs.setdefault("dtype", torch.float32)  # bf16 weights halve the file, not the time
        model = InktexForConditionalGeneration.from_pretrained(str(name), **kwargs)
        processor = InktexProcessor.from_pretrained(str(name))
        return cls(model.to(device).eval(), processor)

    def __call__(
        self,
        picture: Any,
        preset: str = "fast",
        alternatives: int = 0,
        num_beams: int | None = None,
    ) -> Reading:
        """Read one picture.

        Args:
            picture: path of a picture or InkML file, bytes, PIL picture, array, tensor, or `Ink`.
            preset: `fast`, or `accurate`, which takes several times as long.
            alternatives: how many other readings to give beside the best one.
            num_beams: width of the beam search, if it is not to be that of the preset.

        Raises:
            ValueError: if it cannot be read as a picture, or if there is no such preset.
            NoFormulaError: a `ValueError`, if nothing in it could be a formula.
            OSError: if the file cannot be opened.
        """
        return self.read([picture], preset, alternatives, num_beams)[0]

    def read(
        self,
        pictures: Sequence[Any],
        preset: str = "fast",
        alternatives: int = 0,
        num_beams: int | None = None,
    ) -> list[Reading]:
        """Read several pictures as one batch; see `__call__`.

        What `prepare` gave is taken for a picture too.
        """
        from inktex.modeling.generation_inktex import generate_with_details
        from inktex.modeling.pictures_inktex import NoFormulaError

        if not pictures:
            return []
        image_processor = self.processor.image_processor
        placed = []
        for number, picture in enumerate(pictures, start=1):
            try:
                placed.append(prepare(picture, image_processor))
            except ValueError as error:
                if len(pictures) == 1:
                    raise
                kind = NoFormulaError if isinstance(error, NoFormulaError) else ValueError
                raise kind(f"Picture {number} of {len(pictures)}: {error}") from error
        inputs = image_processor.stack([one.picture for one in placed], return_tensors="pt")
        found = generate_with_details(
            self.model,
            inputs,
            preset,
            do_sample=False,
            max_new_tokens=MAX_TOKENS,
            num_return_sequences=alternatives + 1,
            **({} if num_beams is None else {"num_beams": num_beams}),
        )
        texts = self.processor.batch_decode(found.sequences, skip_special_tokens=True)
        scores = found.probabilities.tolist()
        count = len(texts) // len(pictures)
        readings = []
        for picture_number, one in enumerate(placed):
            first = picture_number * count
            best, *others = (
                Alternative(
                    self.processor.tokenizer.compact(texts[i]),
                    texts[i],
                    scores[i],
                    tuple(found.token_probabilities[i].tolist()[: len(texts[i].split())]),
                    _symbols(one, texts[i].split(), found, i),
                )
                for i in range(first, first + count)
            )
            readings.append(
                Reading(
                    best.latex,
                    best.tokens,
                    best.score,
                    best.token_scores,
                    best.symbols,
                    tuple(others),
                    one.picture,
                )
            )
        return readings

    def read_each(
        self,
        pictures: Iterable[Any],
        preset: str = "fast",
        alternatives: int = 0,
        batch_size: int = 8,
        num_beams: int | None = None,
    ) -> Iterator[Reading | Exception]:
        """Read any number of pictures, in order, some at a time.

        A picture that cannot be read gives its error instead of a reading, and stops nothing.

        Raises:
            ValueError: if there is no such preset.
        """
        from inktex.modeling.generation_inktex import check_preset

        check_preset(preset)
        source = iter(pictures)
        while batch := list(islice(source, batch_size)):
            try:
                yield from self.read(batch, preset, alternatives, num_beams)
                continue
            except (ValueError, OSError):
                pass  # one of them is at fault: find out which
            for picture in batch:
                try:
                    yield self(picture, preset, alternatives, num_beams)
                except (ValueError, OSError) as error:
                    yield error


def _symbols(
    placed: PlacedPicture, tokens: list[str], found: Generated, number: int
) -> tuple[ReadSymbol, ...]:
    """The symbols of sequence `number`."""
    from inktex.modeling.boxes_inktex import inked, symbol_boxes
    from inktex.modeling.densenet_inktex import STRIDE
    from inktex.tokenizer.vocabulary_inktex import STRUCTURAL_TOKENS

    indices = [i for i, has_ink in enumerate(inked(tokens, STRUCTURAL_TOKENS)) if has_ink]
    boxes: list[tuple[float, float, float, float] | None] = [None] * len(indices)
    if found.attention is not None:
        attention = found.attention[number, indices].cpu().numpy()
        boxes = symbol_boxes(placed.picture, attention, STRIDE)
    scores = found.token_probabilities[number].tolist()
    return tuple(
        ReadSymbol(i, tokens[i], scores[i], None if box is None else placed.outside(box))
        for i, box in zip(indices, boxes, strict=True)
    )


def prepare(picture: Any, image_processor: InktexImageProcessor) -> PlacedPicture:
    """The model's picture of whatever `Recognizer` reads: all that can be done without the model.

    Raises:
        ValueError: if it cannot be read as a picture.
        NoFormulaError: a `ValueError`, if nothing in it could be a formula.
        OSError: if the file cannot be opened.
    """
    from inktex.modeling.image_processing_inktex import PlacedPicture

    if isinstance(picture, PlacedPicture):
        return picture
    return image_processor.place(as_picture(picture))


def as_picture(source: Any) -> Any:
    """Ink, and files that hold ink, as a picture; everything else as it is.

    Raises:
        ValueError: if the ink cannot be read.
    """
    from PIL import Image

    if isinstance(source, bytearray | memoryview):
        source = bytes(source)
    if isinstance(source, bytes) and source[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        source = read_inkml(io.BytesIO(source))
    elif isinstance(source, str | Path) and str(source).lower().endswith(".inkml"):
        source = read_inkml(Path(source))
    if isinstance(source, Ink):
        return Image.fromarray(render(source.traces))
    if isinstance(source, Path):
        return str(source)
    return source


def pretrained_path() -> Path:
    """Folder of the checkpoint that the package ships: weights, configuration, processor, scores.

    Raises:
        FileNotFoundError: if this installation has none (a checkout without weights).
    """
    folder = Path(__file__).parent / "pretrained"
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"This installation of inktex has no checkpoint in {folder}. Install a released "
            "package, or name a model: inktex.load('FOLDER_OR_REPOSITORY')."
        )
    return folder


def load(name: str | Path | None = None, device: str = "cpu", **kwargs: Any) -> Recognizer:
    """The recogniser of a model; see `Recognizer.from_pretrained`."""
    return Recognizer.from_pretrained(name, device, **kwargs)
