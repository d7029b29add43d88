"""The engine that runs ONNX graphs: torch and transformers are not imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inktex.engine import MAX_TOKENS, Engine, SearchOptions
from inktex.modeling.alphabets_inktex import allowed_tokens
from inktex.modeling.feedback_inktex import FeedbackState
from inktex.modeling.grammar_inktex import Grammar
from inktex.modeling.image_settings_inktex import ImageSettings
from inktex.modeling.normalization_inktex import (
    NormalizedPicture,
    Split,
    normalize,
    normalize_regions,
    stack_pictures,
)
from inktex.modeling.search_inktex import Choose, Decoded, SearchTask, search
from inktex.modeling.stroke_restoration_inktex import StrokeRestoration
from inktex.shipped import pretrained_path

from .files import Export, find_export, read_weights, read_words
from .ink_network import load_ink_extraction
from .sessions import load_runtime, make_session

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

    def normalize_regions(self, picture: Any, split: Split) -> list[NormalizedPicture]:
        """Returns the model's picture of each formula in a picture; see `normalize_regions`."""
        return normalize_regions(
            picture, self.settings, split, self.stroke_restoration, self.ink_extraction
        )


class OnnxEngine(Engine):
    """Encoder and decoder step of a model in sessions of ONNX Runtime: greedy searches alone.

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
        settings, grammar = self.settings, self.grammar if choose is None else None
        # The end takes the place of padding, of which the settings know nothing.
        task = SearchTask(
            settings.start, settings.end, settings.end, longest, grammar, settings.temperature,
            locked, candidates,
        )  # fmt: skip
        found = search([OnnxStep(self, pixels, mask, allowed)], task, len(pixels), choose=choose)
        if found.attention is None:
            return found
        grid = (side // settings.stride for side in pixels.shape[2:])
        return replace(found, attention=found.attention.reshape(*found.attention.shape[:2], *grid))

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
        if not options.is_greedy:
            raise ValueError(
                "The ONNX engine reads greedily: preset fast, without alternatives and beams. "
                "Take the engine torch (pip install inktex) for the others."
            )

    def search(self, pictures: Sequence[NDArray[np.uint8]], options: SearchOptions) -> Decoded:
        """See `Engine`."""
        pixels, mask = stack_pictures(pictures, self.settings.multiple)
        allowed = None
        if options.alphabet is not None:
            words = [self.words.get(number, "") for number in range(self.settings.vocabulary)]
            allowed = np.array(allowed_tokens(options.alphabet, words))
            allowed[self.settings.end] = True
        return self.decode(
            pixels, mask, MAX_TOKENS + 1, allowed,
            locked=self.locked(options), candidates=options.candidates,
        )  # fmt: skip

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


class OnnxStep:
    """A step of an exported decoder, with its cache and feedback; see `search_inktex.Step`.

    Args:
        pixels, mask, allowed: see `OnnxEngine.decode`.
    """

    def __init__(
        self, model: OnnxEngine, pixels: Floats, mask: Floats, allowed: NDArray[np.bool_] | None
    ) -> None:
        settings, batch = model.settings, len(pixels)
        self.model, self.allowed = model, allowed
        rows, columns = (side // settings.stride for side in pixels.shape[2:])
        # Plain arrays: ONNX Runtime does not copy them, its own values take longer.
        memory = model.encoder.run(model.memory_names, {"pixel_values": pixels, "pixel_mask": mask})
        self.pasts = [f"past_{number}" for number in range(settings.layers)]
        nothing = np.zeros((batch, settings.heads, 0, 2 * settings.head_size), dtype=np.float32)
        fed = dict(zip(model.memory_names, memory, strict=True)) | dict.fromkeys(
            self.pasts, nothing
        )
        self.fed = {name: value for name, value in fed.items() if name in model.input_names}
        self.position = 0
        self.attention: Floats | None = None
        unread = np.zeros((batch, rows * columns), dtype=np.float32)
        self.feedback = FeedbackState(unread, columns, model.inkless)

    def __call__(self, tokens: Ids) -> tuple[Floats, Floats | None]:
        """See `search_inktex.Step`."""
        if self.attention is not None:
            self.feedback.update(tokens, self.attention)
        now = {
            "tokens": tokens,
            "position": np.array([self.position]),
            "locations": self.feedback.locations,
            "covered": self.feedback.covered,
        }
        self.fed |= {name: one for name, one in now.items() if name in self.model.input_names}
        outputs = self.model.decoder.run(self.model.output_names, self.fed)
        logits: Floats = outputs[0]
        if self.allowed is not None:
            logits = np.where(self.allowed, logits, np.float32(-np.inf))
        layers = len(self.pasts)
        self.fed |= zip(self.pasts, outputs[1 : 1 + layers], strict=True)
        self.attention = outputs[1 + layers] if len(outputs) > 1 + layers else None
        self.position += 1
        return logits, self.attention

    def reorder(self, sequences: Ids) -> None:
        """See `search_inktex.Step`; each picture has one sequence here."""
        batched = self.fed.keys() - {"tokens", "position", "locations", "covered"}
        self.fed |= {name: self.fed[name][sequences] for name in batched}
        if self.attention is not None:
            self.attention = self.attention[sequences]
        self.feedback.reorder(sequences)


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
