"""The systems that are measured: each reads a picture, with a given number of tokens if need be.

Those that are not inktex as it ships have random weights: they do the arithmetic of the real ones,
and write as many tokens as inktex does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from inktex.recognizer import load

__all__ = ["SPARSE", "SYSTEMS", "System"]


class System(ABC):
    """Something that reads pictures."""

    batches: int = 1
    """Pictures that it is given together when its throughput is measured."""

    @abstractmethod
    def read(self, picture: Image.Image, tokens: int) -> int:
        """Read one picture.

        Args:
            picture: the picture.
            tokens: how many to write, where random weights would never end.

        Returns:
            How many tokens were written, the end included.
        """

    def read_batch(self, pictures: list[Image.Image]) -> None:
        """Read several pictures together; only where `batches` is more than 1."""
        raise NotImplementedError

    def stages(self, picture: Image.Image) -> dict[str, Callable[[], Any]]:
        """Parts of reading a picture, in order, where they can be told apart."""
        return {}


class Inktex(System):
    """inktex, as `inktex.load` gives it."""

    batches = 128

    def __init__(self, model: Path | None, engine: str, preset: str) -> None:
        threads: dict[str, Any] = {} if engine == "torch" else {"threads": 1}
        self.recognizer: Any = load(model, engine=engine, **threads)
        self.engine, self.preset = engine, preset

    def read(self, picture: Image.Image, tokens: int) -> int:
        """See `System`."""
        return len(self.recognizer(picture, preset=self.preset, symbols=False).tokens.split()) + 1

    def read_batch(self, pictures: list[Image.Image]) -> None:
        """See `System`."""
        self.recognizer.read(pictures, preset=self.preset, symbols=False)

    def stages(self, picture: Image.Image) -> dict[str, Callable[[], Any]]:
        """See `System`."""
        if self.engine != "torch" or self.preset != "fast":
            return {}
        import torch

        from inktex.modeling.generation_inktex import decode
        from inktex.recognizer import MAX_TOKENS

        model, processor = self.recognizer.model, self.recognizer.image_processor
        inputs = processor(picture, return_tensors="pt")
        with torch.no_grad():
            memory = model.encoder(**inputs)
        return {
            "prepare": lambda: processor(picture, return_tensors="pt"),
            "encode": torch.no_grad()(lambda: model.encoder(**inputs)),
            "decode": lambda: decode(model, [memory], MAX_TOKENS + 1),
            "all": lambda: self.read(picture, 0),
        }


class Classical(System):
    """A DenseNet of three blocks of 16 layers; the decoder reads all tokens again at every one."""

    def __init__(self) -> None:
        import torch

        from inktex.modeling.configuration_inktex import InktexConfig
        from inktex.modeling.image_processing_inktex import InktexImageProcessor
        from inktex.modeling.modeling_inktex import InktexForConditionalGeneration

        torch.manual_seed(0)
        encoder = {
            "stem_channels": [48, 48],
            "block_layers": [16, 16, 16],
            "growth_rates": [24, 24, 24],
            "bottleneck_factors": [4, 4, 4],
        }
        self.model = InktexForConditionalGeneration(InktexConfig(encoder=encoder)).eval()
        self.processor = InktexImageProcessor(resolution=1.0, max_height=400, max_width=1600)

    def read(self, picture: Image.Image, tokens: int) -> int:
        """See `System`."""
        import torch

        inputs = self.processor(picture, return_tensors="pt")
        with torch.no_grad():
            memory = self.model.encoder(**inputs)
            ids = torch.tensor([[self.model.config.decoder_start_token_id]])
            for _ in range(tokens):
                output = self.model(encoder_outputs=memory, decoder_input_ids=ids, use_cache=False)
                ids = torch.cat([ids, output.logits[:, -1:].argmax(dim=-1)], dim=1)
        return tokens


class Transformers(System):
    """A model of transformers, which reads pictures of one size.

    Args:
        model: what has `generate`.
        side: of its pictures, in pixels.
    """

    def __init__(self, model: Any, side: int) -> None:
        self.model, self.side = model.eval(), side

    def read(self, picture: Image.Image, tokens: int) -> int:
        """See `System`."""
        import torch

        resized = picture.convert("RGB").resize((self.side, self.side))
        pixels = np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
        self.model.generate(
            pixel_values=torch.from_numpy(np.ascontiguousarray(pixels)),
            min_new_tokens=tokens,
            max_new_tokens=tokens,
            num_beams=1,
            do_sample=False,
        )
        return tokens


def pp_formulanet(**vision: Any) -> Transformers:
    """PP-FormulaNet, as transformers configures it."""
    import torch
    from transformers import PPFormulaNetConfig, PPFormulaNetForConditionalGeneration

    torch.manual_seed(0)
    config = PPFormulaNetConfig(vision_config=vision or None)
    return Transformers(
        PPFormulaNetForConditionalGeneration(config), config.vision_config.image_size
    )


def trocr_small() -> Transformers:
    """A VisionEncoderDecoderModel of the size of TrOCR-small (Li et al. 2021)."""
    import torch
    from transformers import (
        DeiTConfig,
        TrOCRConfig,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
    )

    torch.manual_seed(0)
    encoder = DeiTConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, intermediate_size=1536,
        image_size=384,
    )  # fmt: skip
    decoder = TrOCRConfig(
        vocab_size=64044, d_model=256, decoder_layers=6, decoder_attention_heads=8,
        decoder_ffn_dim=1024, cross_attention_hidden_size=384,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id = 2, 1
    config.eos_token_id = 2
    return Transformers(VisionEncoderDecoderModel(config=config), 384)


SYSTEMS: Final[dict[str, Callable[[Path | None], System]]] = {
    "torch-fast": partial(Inktex, engine="torch", preset="fast"),
    "torch-accurate": partial(Inktex, engine="torch", preset="accurate"),
    "onnx": partial(Inktex, engine="onnx", preset="fast"),
    "onnx-int8": partial(Inktex, engine="onnx-int8", preset="fast"),
    "classical": lambda _: Classical(),
    "pp-formulanet": lambda _: pp_formulanet(),
    "trocr-small": lambda _: trocr_small(),
}
"""By name; each is made from the folder of an inktex model, None for the shipped one."""

SPARSE: Final = {"torch-accurate": 4, "classical": 4, "trocr-small": 4, "pp-formulanet": 25}
"""Systems that take long read only picture of so many."""
