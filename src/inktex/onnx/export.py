"""Export a model to ONNX, so that it reads where torch is not installed.

    python -m inktex.onnx.export                       # the shipped model, into the user's cache
    python -m inktex.onnx.export --model runs/base/best
    python -m inktex.onnx.export --output FOLDER       # to take along: inktex.load(FOLDER, ...)

It writes two exports, float32 and with eight bits a weight, each of an encoder for pictures of any
size, a cached step of the decoder, the tokenizer, and settings. `inktex recognize --engine onnx`
and `--engine onnx-int8` read with them. It needs `pip install 'inktex[export]'`.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from inktex.files import new_folder
from inktex.recognizer import Recognizer, pretrained_path

from .files import (
    DECODER,
    ENCODER,
    FORMAT,
    PRECISIONS,
    TOKENIZER,
    Settings,
    checksum,
    exported_folder,
)

__all__ = ["export", "largest_difference", "main"]

_CHECKED = ((48, 80), (64, 144), (96, 112))
"""Height and width of the pictures on which an export is compared with its model."""
_STEPS = 6
"""Tokens that are compared in each."""


def export(model: Path, output: Path | None = None) -> dict[str, Path]:
    """Write the exports of a model; what is there already is replaced when they are complete.

    Args:
        model: folder of `save_pretrained`.
        output: folder to write to; None for the user's cache, where `inktex.load` looks.

    Returns:
        For each precision its folder.

    Raises:
        FileNotFoundError: if there is no such model.
        ImportError: if what exporting needs is not installed.
        ValueError: if the model is of a kind that cannot be exported.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"Exporting needs {error.name}, too: pip install 'inktex[export]'."
        ) from error
    from .graphs import write_graphs
    from .quantize import fold_transposes, quantize_products, quantize_weights

    identity = checksum(model)
    recognizer = Recognizer.from_pretrained(model)
    folders = {
        one: exported_folder(model, one) if output is None else output / one for one in PRECISIONS
    }
    with tempfile.TemporaryDirectory() as temporary:
        encoder, decoder = Path(temporary) / ENCODER, Path(temporary) / DECODER
        write_graphs(recognizer.model, encoder, decoder)
        for graph in (encoder, decoder):
            fold_transposes(graph)
        for precision, folder in folders.items():
            with new_folder(folder) as partial:
                if precision == "int8":
                    quantize_weights(encoder, partial / ENCODER)
                    quantize_products(decoder, partial / DECODER)
                else:
                    shutil.copyfile(encoder, partial / ENCODER)
                    shutil.copyfile(decoder, partial / DECODER)
                shutil.copyfile(model / TOKENIZER, partial / TOKENIZER)
                _settings(recognizer, precision, identity).write(partial)
    return folders


def _settings(recognizer: Recognizer, precision: str, identity: str) -> Settings:
    from inktex.modeling.densenet_inktex import STRIDE

    config: Any = recognizer.model.config
    decoder: Any = recognizer.model.decoder
    processor = recognizer.image_processor
    inkless = decoder.inkless(recognizer.model.device).nonzero()[:, 0].tolist()
    names = (
        "resolution symbol_height stroke_width margin_before margin_after height_tolerance "
        "stroke_range enlargement max_height max_width pad_multiple max_pixels"
    ).split()
    return Settings(
        format=FORMAT,
        precision=precision,
        checksum=identity,
        start=config.decoder_start_token_id,
        end=config.eos_token_id,
        layers=config.decoder.num_hidden_layers,
        heads=config.decoder.num_attention_heads,
        head_size=config.decoder.hidden_size // config.decoder.num_attention_heads,
        temperature=config.decoder.temperature,
        grammar=config.decoder.grammar,
        inkless=inkless,
        vocabulary=config.decoder.vocab_size,
        stride=STRIDE,
        multiple=int(np.lcm(processor.pad_multiple, recognizer.model.encoder.backbone.stride)),
        image_processor={name: getattr(processor, name) for name in names},
    )


def largest_difference(model: Path, folder: Path) -> float:
    """How far log-probabilities of an export are from torch's, at most, on some random pictures.

    Both are given torch's tokens, so that one difference does not make others.

    Args:
        model: folder of the model.
        folder: of its export.
    """
    import torch

    from inktex.modeling.greedy_inktex import greedy_search

    from .files import read_settings
    from .search import Graphs

    network = Recognizer.from_pretrained(model).model
    settings = read_settings(folder)
    graphs = Graphs(folder, settings, threads=1)
    rng = np.random.default_rng(0)
    largest = 0.0
    for height, width in _CHECKED:
        sides = [-(-side // settings.multiple) * settings.multiple for side in (height, width)]
        pixels = (rng.random((2, 1, *sides)) > 0.8).astype(np.float32)
        mask = np.ones((2, *sides), dtype=np.float32)
        mask[1, :, sides[1] // 2 :] = 0
        pixels *= mask[:, None]
        with torch.no_grad():
            memory = network.encoder(torch.from_numpy(pixels), torch.from_numpy(mask))
        expected = greedy_search(network, memory, _STEPS + 1)
        found = graphs.read(pixels, mask, _STEPS + 1, expected.sequences[:, 1:].numpy())
        for row, ours in enumerate(found.log_probabilities):
            theirs = expected.log_probabilities[row, : len(ours)].numpy()
            largest = max(largest, float(np.abs(np.array(ours) - theirs).max()))
    return largest


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, export, say what came of it; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", help="folder or Hub repository of a model (default: the one inktex ships)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="folder to write fp32/ and int8/ to (default: the user's cache, or INKTEX_CACHE)",
    )
    options = parser.parse_args(arguments)
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger().setLevel(logging.ERROR)  # advice on quantisation that is not for here
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        model = _local(options.model)
        folders = export(model, options.output)
    except (OSError, ValueError, ImportError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    for folder in folders.values():
        size = sum(path.stat().st_size for path in folder.iterdir())
        difference = largest_difference(model, folder)
        print(
            f"{folder}: {size / 1e6:.1f} MB; log-probabilities at most {difference:.1e} from "
            "torch's.",
            flush=True,
        )
    return 0


def _local(name: str | None) -> Path:
    """The folder of a model, fetched if it is on the Hub."""
    if name is None:
        return pretrained_path()
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name))


if __name__ == "__main__":
    sys.exit(main())
