"""The engine that runs models with torch and transformers."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .batches import ACCELERATOR, CPU
from .engine import MAX_TOKENS, Engine, SearchOptions
from .hub_connection import hub_address, hub_answers
from .modeling.search_inktex import Decoded
from .registration import register
from .shipped import pretrained_path

if TYPE_CHECKING:
    from inktex.modeling.image_processing_inktex import InktexImageProcessor
    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
    from inktex.modeling.processing_inktex import InktexProcessor

_LOADING = threading.RLock()
"""Held while a model is loaded: transformers sets the device to make it on for all threads."""
HUB_OPTIONS = (
    "cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token",
)  # fmt: skip
"""Arguments of `from_pretrained` that say where files come from; model and processor need them."""


class TorchEngine(Engine):
    """Runs a model with torch, in any preset.

    Args:
        model: in evaluation mode, on the device it is to run on.
        processor: the model's processor.
    """

    def __init__(self, model: InktexForConditionalGeneration, processor: InktexProcessor) -> None:
        self._model, self._processor = model, processor
        self.limits = CPU if model.device.type == "cpu" else ACCELERATOR

    @classmethod
    def from_pretrained(
        cls, name: str | Path | None = None, device: str = "cpu", **kwargs: Any
    ) -> TorchEngine:
        """Load a model; see `Recognizer.from_pretrained`."""
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
                register()  # the processor's parts are loaded by Auto classes
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
    def model(self) -> InktexForConditionalGeneration:
        """The model."""
        return self._model

    @property
    def processor(self) -> InktexProcessor:
        """The model's processor."""
        return self._processor

    @property
    def image_processor(self) -> InktexImageProcessor:
        """The processor's part for pictures."""
        found: InktexImageProcessor = self._processor.image_processor
        return found

    @property
    def doubt_threshold(self) -> float:  # type: ignore[override]
        """Of the model's configuration."""
        return float(self.model.config.decoder.doubt_threshold)

    def check(self, options: SearchOptions) -> None:
        """See `Engine`."""
        from inktex.modeling.rescoring_inktex import check_preset

        check_preset(options.preset)

    def search(self, pictures: Sequence[NDArray[np.uint8]], options: SearchOptions) -> Decoded:
        """See `Engine`."""
        from inktex.modeling.generation_inktex import generate_with_details

        allowed = None
        if options.alphabet is not None:
            size = self.model.config.decoder.vocab_size
            allowed = self.processor.allowed_tokens(options.alphabet, size)
        return generate_with_details(
            self.model,
            self.image_processor.stack(pictures, return_tensors="pt"),
            options.preset,
            do_sample=False,
            max_new_tokens=MAX_TOKENS,
            num_return_sequences=options.alternatives + 1,
            allowed_tokens=allowed,
            locked=self.locked(options),
            candidates=options.candidates,
            **({} if options.num_beams is None else {"num_beams": options.num_beams}),
        )

    def texts(self, decoded: Decoded) -> list[str]:
        """See `Engine`."""
        return self.processor.batch_decode(decoded.sequences, skip_special_tokens=True)

    def tokens(self) -> Mapping[int, str]:
        """See `Engine`."""
        tokenizer = self.processor.tokenizer
        special = {*tokenizer.all_special_ids}
        return {
            number: token
            for token, number in tokenizer.get_vocab().items()
            if number not in special
        }

    def fingerprint(self) -> str:
        """See `Engine`."""
        import torch

        digest = hashlib.sha256()
        for part in (self.model.config, self.image_processor):
            content = part.to_dict()
            for name in ("_name_or_path", "transformers_version"):
                content.pop(name, None)
            digest.update(json.dumps(content, sort_keys=True, default=str).encode())
        networks = self.image_processor.stroke_restoration, self.image_processor.ink_extraction
        for network in networks:
            if network is not None:
                digest.update(network.checksum.encode())
        for name, weights in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(weights.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def check_torch() -> None:
    """Make sure that torch and transformers are installed.

    Raises:
        ImportError: saying what can be read without them.
    """
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed. Without "
            "torch ONNX Runtime reads, on the CPU. For everything else: pip install inktex."
        )


def quiet_torch() -> None:
    """Switch off the warnings and progress bars of transformers, for commands.

    Raises:
        ImportError: if torch or transformers is not installed.
    """
    check_torch()
    from transformers.utils import logging as reports

    reports.set_verbosity_error()
    reports.disable_progress_bar()


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
