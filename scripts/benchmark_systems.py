"""The systems that `benchmark.py` measures: each has `read(picture, tokens)`.

It reads a picture and returns how many tokens it wrote, the end included. Systems that are not
inktex as it ships have random weights: they do the arithmetic of the real ones, and write as many
tokens as they are given.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from PIL import Image

from inktex import load
from inktex.engine import MAX_TOKENS
from inktex.modeling.configuration_inktex import InktexConfig
from inktex.modeling.greedy_inktex import greedy_search
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.modeling_inktex import InktexForConditionalGeneration


class Inktex:
    """inktex, as `inktex.load` gives it."""

    def __init__(self, model: Path | None, engine: str, preset: str) -> None:
        threads: dict[str, Any] = {} if engine == "torch" else {"threads": 1}
        self.recognizer = load(model, engine=engine, **threads)
        self.options: Any = {"preset": preset, "symbols": False}

    def read(self, picture: Image.Image, tokens: int) -> int:
        """Read one picture."""
        return len(self.recognizer(picture, **self.options).tokens.split()) + 1

    def read_batch(self, pictures: list[Image.Image]) -> None:
        """Read several pictures in batches of the engine's choice."""
        self.recognizer.read(pictures, **self.options)

    def stages(self, picture: Image.Image) -> dict[str, Callable[[], Any]]:
        """Parts of reading a picture greedily with torch, in order."""
        model, processor = self.recognizer.model, self.recognizer.image_processor
        inputs = processor(picture, return_tensors="pt")
        with torch.no_grad():
            memory = model.encoder(**inputs)
        return {
            "prepare": lambda: processor(picture, return_tensors="pt"),
            "encode": torch.no_grad()(lambda: model.encoder(**inputs)),
            "decode": lambda: greedy_search(model, memory, MAX_TOKENS + 1),
            "all": lambda: self.read(picture, 0),
        }


class Classical:
    """A DenseNet of three blocks of 16 layers; the decoder reads all tokens again at every one."""

    def __init__(self, _: Path | None) -> None:
        encoder = {
            "stem_channels": [48, 48],
            "block_layers": [16, 16, 16],
            "growth_rates": [24, 24, 24],
            "bottleneck_factors": [4, 4, 4],
        }
        self.model = InktexForConditionalGeneration(InktexConfig(encoder=encoder)).eval()
        self.processor = InktexImageProcessor(resolution=1.0, max_height=400, max_width=1600)

    @torch.no_grad()
    def read(self, picture: Image.Image, tokens: int) -> int:
        """Write so many tokens."""
        memory = self.model.encoder(**self.processor(picture, return_tensors="pt"))
        ids = torch.tensor([[self.model.config.decoder_start_token_id]])
        for _ in range(tokens):
            output = self.model(encoder_outputs=memory, decoder_input_ids=ids, use_cache=False)
            ids = torch.cat([ids, output.logits[:, -1:].argmax(dim=-1)], dim=1)
        return tokens


class Transformers:
    """A model of transformers, which reads pictures of `side` x `side` pixels."""

    def __init__(self, model: Any, side: int) -> None:
        self.model, self.side = model.eval(), side

    def read(self, picture: Image.Image, tokens: int) -> int:
        """Write so many tokens."""
        resized = picture.convert("RGB").resize((self.side, self.side))
        pixels = np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
        limits = {"min_new_tokens": tokens, "max_new_tokens": tokens}
        images = torch.from_numpy(np.ascontiguousarray(pixels))
        self.model.generate(pixel_values=images, num_beams=1, do_sample=False, **limits)
        return tokens


def _pp_formulanet(_: Path | None) -> Transformers:
    config = transformers.PPFormulaNetConfig()
    model = transformers.PPFormulaNetForConditionalGeneration(config)
    return Transformers(model, config.vision_config.image_size)


def _trocr_small(_: Path | None) -> Transformers:
    encoder = transformers.DeiTConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, intermediate_size=1536,
        image_size=384,
    )  # fmt: skip
    decoder = transformers.TrOCRConfig(
        vocab_size=64044, d_model=256, decoder_layers=6, decoder_attention_heads=8,
        decoder_ffn_dim=1024, cross_attention_hidden_size=384,
    )  # fmt: skip
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, 1, 2
    return Transformers(transformers.VisionEncoderDecoderModel(config=config), 384)


MAKERS: Final[dict[str, Callable[[Path | None], Any]]] = {
    "torch-fast": partial(Inktex, engine="torch", preset="fast"),
    "torch-accurate": partial(Inktex, engine="torch", preset="accurate"),
    "onnx": partial(Inktex, engine="onnx", preset="fast"),
    "onnx-int8": partial(Inktex, engine="onnx-int8", preset="fast"),
    "classical": Classical,
    "pp-formulanet": _pp_formulanet,
    "trocr-small": _trocr_small,  # of the size of TrOCR-small (Li et al. 2021)
}
"""How each system is made, from the folder of an inktex model (None for the shipped one)."""
