"""The engine that runs ONNX graphs: torch and transformers are not imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inktex.engine import MAX_TOKENS, Engine, SearchOptions
from inktex.modeling.alphabets_inktex import allowed_tokens
from inktex.modeling.grammar_inktex import Grammar
from inktex.modeling.image_settings_inktex import ImageSettings
from inktex.modeling.normalization_inktex import (
    NormalizedPicture,
    Split,
    normalize,
    normalize_regions,
    second_looks,
    stack_pictures,
)
from inktex.modeling.rescoring_inktex import (
    PRESETS,
    Rescoring,
    check_preset,
    rescale,
    search_views,
)
from inktex.modeling.search_inktex import Choose, Decoded, SearchTask, search
from inktex.modeling.stroke_restoration_inktex import StrokeRestoration
from inktex.shipped import pretrained_path

from .files import COMMAND, Export, find_export, read_weights, read_words
from .ink_network import load_ink_extraction
from .sessions import load_runtime, make_session
from .steps import OnnxView

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


class ImageProcessor:
    """Brings pictures to the model's, as `InktexImageProcessor` does, without transformers.

    Args:
        settings: of the `InktexImageProcessor`.
        stroke_restoration, ink_extraction: files of their weights; None if there are none.
    """

    def __init__(
        self,
        settings: ImageSettings,
        stroke_restoration: Path | None = None,
        ink_extraction: Path | None = None,
    ) -> None:
        self.settings = settings
        self.ink_extraction = (
            None if ink_extraction is None else load_ink_extraction(ink_extraction)
        )
        self.stroke_restoration = (
            None if stroke_restoration is None else StrokeRestoration.load(stroke_restoration)
        )

    def normalize_picture(self, picture: Any) -> NormalizedPicture:
        """Returns the model's picture of a picture; see `normalize`."""
        return normalize(picture, self.settings, self.stroke_restoration, self.ink_extraction)

    def second_looks(self, picture: Any, turned: bool) -> Iterator[NormalizedPicture]:
        """Yields other pictures that the model may read; see `second_looks`."""
        return second_looks(
            picture, self.settings, turned, self.stroke_restoration, self.ink_extraction
        )

    def normalize_regions(self, picture: Any, split: Split) -> list[NormalizedPicture]:
        """Returns the model's picture of each formula in a picture; see `normalize_regions`."""
        return normalize_regions(
            picture, self.settings, split, self.stroke_restoration, self.ink_extraction
        )


class OnnxEngine(Engine):
    """Encoder and decoder step of a model in sessions of ONNX Runtime.

    Args:
        export: what to read with.
        threads: of the encoder; None for ONNX Runtime's choice. The decoder has one, since a step
            is too short for several.

    Raises:
        ImportError: if onnxruntime is not installed.
        ValueError: if the weights do not fit the graphs.
    """

    def __init__(self, export: Export, threads: int | None = None) -> None:
        self.export, settings = export, export.settings
        self.settings, self.stride = settings, settings.stride
        self.doubt_threshold = settings.doubt_threshold
        self.image_processor = ImageProcessor(
            ImageSettings(**settings.image_processor),
            export.stroke_restoration,
            export.ink_extraction,
        )
        self.words = read_words(export.tokenizer)
        runtime = load_runtime()
        weights = {} if export.weights is None else read_weights(export.weights)
        self.encoder, self.decoder = (
            make_session(runtime, path, count, _fitting(weights, shapes, export.weights))
            for path, count, shapes in zip(
                (export.encoder, export.decoder), (threads, 1), export.shapes, strict=True
            )
        )
        self.memory_names = [one.name for one in self.encoder.get_outputs()]
        self.output_names = [one.name for one in self.decoder.get_outputs()]
        self.input_names = {one.name for one in self.decoder.get_inputs()}
        self.inkless = np.zeros((settings.vocabulary, 1), dtype=np.bool_)
        self.inkless[settings.inkless] = True
        self.grammar = None
        if settings.grammar is not None:
            self.grammar = Grammar(settings.vocabulary, settings.grammar)

    def decode(
        self,
        pixels: Floats,
        mask: Floats,
        longest: int,
        allowed: NDArray[np.bool_] | None = None,
        choose: Choose | None = None,
        locked: Mapping[int, int] = MappingProxyType({}),
        candidates: int = 0,
    ) -> Decoded:
        """Greedy search; the attention is laid out in rows and columns.

        Args:
            pixels: `(batch, 1, height, width)`, ink 1 on paper 0.
            mask: `(batch, height, width)`, 0 for padding.
            longest: tokens of a sequence at most, start and end included.
            allowed: `(vocabulary,)`, tokens that may be generated; None for all.
            choose: chooses the tokens; see `search`.
            locked, candidates: see `SearchTask`.
        """
        task = self._task(longest, choose is None, locked, candidates)
        view = OnnxView(self, pixels, mask, allowed)
        step = view.step(np.arange(len(pixels)), beams=1)
        return search([step], task, len(pixels), choose=choose).laid_out(*view.grid)

    def _task(
        self, longest: int, has_grammar: bool, locked: Mapping[int, int], candidates: int
    ) -> SearchTask:
        settings = self.settings
        # The end takes the place of padding, of which the settings know nothing.
        return SearchTask(
            settings.start,
            settings.end,
            settings.end,
            longest,
            self.grammar if has_grammar else None,
            settings.temperature,
            locked,
            candidates,
        )

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path | None = None,
        precision: str = "fp32",
        threads: int | None = None,
    ) -> OnnxEngine:
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
        return cls(
            find_export(pretrained_path() if name is None else Path(name), precision), threads
        )

    def check(self, options: SearchOptions) -> None:
        """See `Engine`."""
        check_preset(options.preset)
        if PRESETS[options.preset].get("bidirectional") and self.settings.reverse is None:
            raise ValueError(
                f"This export is of an earlier version of inktex and knows nothing of the preset "
                f"{options.preset}. Export the model anew: {COMMAND}"
            )

    def search(self, pictures: Sequence[NDArray[np.uint8]], options: SearchOptions) -> Decoded:
        """See `Engine`."""
        pixels, mask = stack_pictures(pictures, self.settings.multiple)
        allowed = None
        if options.alphabet is not None:
            words = [self.words.get(number, "") for number in range(self.settings.vocabulary)]
            allowed = np.array(allowed_tokens(options.alphabet, words))
            allowed[self.settings.end] = True
        longest, locked = MAX_TOKENS + 1, self.locked(options)
        if options.is_greedy:
            return self.decode(
                pixels, mask, longest, allowed, locked=locked, candidates=options.candidates
            )
        preset, wanted = PRESETS[options.preset], options.alternatives + 1

        def at_other_sizes(some: Ids) -> list[OnnxView]:
            sizes = [rescale(pixels[some], mask[some], one) for one in preset.get("scales", ())]
            return [OnnxView(self, *size, allowed) for size in sizes]

        view = OnnxView(self, pixels, mask, allowed)
        found = search_views(
            view,
            at_other_sizes,
            self._task(longest, True, locked, options.candidates),
            len(pixels),
            Rescoring(
                max(options.num_beams or preset["num_beams"], wanted),
                wanted,
                self.settings.reverse if preset.get("bidirectional") else None,
                self.settings.rescoring_temperature,
            ),
        )
        return found.laid_out(*view.grid)

    def texts(self, decoded: Decoded) -> list[str]:
        """See `Engine`."""
        return [
            " ".join(self.words[number] for number in row if number in self.words)
            for row in decoded.tokens(self.settings.end)
        ]

    def tokens(self) -> Mapping[int, str]:
        """See `Engine`."""
        return self.words

    def fingerprint(self) -> str:
        """See `Engine`."""
        settings = json.dumps(asdict(self.settings), sort_keys=True)
        digest = hashlib.sha256(settings.encode())
        for path in self.export.files:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def _fitting(
    weights: dict[str, Floats], shapes: dict[str, list[int]], path: Path | None
) -> dict[str, Floats]:
    """The weights of a graph.

    Raises:
        ValueError: if one is missing or has another shape.
    """
    for name, shape in shapes.items():
        found = weights.get(name)
        if found is None or list(found.shape) != shape:
            other = "is not in it" if found is None else f"is {list(found.shape)} there"
            raise ValueError(f"{path} does not fit its configuration: {name} {other}, not {shape}.")
    return {name: weights[name] for name in shapes}
