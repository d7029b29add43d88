"""The engine that runs ONNX graphs: torch and transformers are not imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .engine import MAX_TOKENS, Engine, SearchOptions
from .modeling.alphabets_inktex import allowed_tokens
from .modeling.image_settings_inktex import ImageSettings
from .modeling.normalization_inktex import stack_pictures
from .modeling.search_inktex import Decoded
from .onnx.engine import ImageProcessor, OnnxModel
from .onnx.files import Export, find_export, read_words
from .shipped import pretrained_path


class OnnxEngine(Engine):
    """Runs a model with ONNX Runtime: greedy searches alone.

    Args:
        export: what to read with.
        threads: of the encoder; None for ONNX Runtime's choice.
    """

    def __init__(self, export: Export, threads: int | None = None) -> None:
        self.export, self.settings = export, export.settings
        self.image_processor = ImageProcessor(
            ImageSettings(**export.settings.image_processor), export.stroke_restoration
        )
        self.stride = export.settings.stride
        self.network = OnnxModel(export, threads)
        self.words = read_words(export.tokenizer)

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
        return self.network.decode(pixels, mask, MAX_TOKENS + 1, allowed)

    def texts(self, decoded: Decoded) -> list[str]:
        """See `Engine`."""
        return [
            " ".join(self.words[number] for number in row if number in self.words)
            for row in decoded.tokens(self.settings.end)
        ]

    def fingerprint(self) -> str:
        """See `Engine`."""
        settings = json.dumps(asdict(self.settings), sort_keys=True)
        digest = hashlib.sha256(settings.encode())
        for path in self.export.files:
            digest.update(path.read_bytes())
        return digest.hexdigest()
