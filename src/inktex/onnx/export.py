"""Export a model to ONNX, so that it reads where torch is not installed.

    python -m inktex.onnx.export                       # the shipped model, into the user's cache
    python -m inktex.onnx.export --model runs/base/best
    python -m inktex.onnx.export --output FOLDER       # to take along: inktex.load(FOLDER, ...)
    python -m inktex.onnx.export --graphs              # those that come with inktex, anew

It writes two exports, float32 and with eight bits a weight, each of an encoder for pictures of any
size, a cached step of the decoder, the tokenizer, and settings. `inktex recognize --engine onnx`
and `--engine onnx-int8` read with them. In float32 the shipped model, and others of its
architecture, are read without an export: inktex comes with their graphs, without weights. It needs
`pip install 'inktex[export]'`.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inktex.extras import require
from inktex.files import new_folder
from inktex.modeling.thinning_inktex import THINNER_FILE
from inktex.shipped import pretrained_path

from .files import (
    DECODER,
    ENCODER,
    PRECISIONS,
    SHIPPED,
    TOKENIZER,
    WEIGHTS,
    checksum,
    exported_folder,
    find_export,
    make_settings,
    read_weights,
)

if TYPE_CHECKING:
    from inktex.modeling.image_processing_inktex import InktexImageProcessor
    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
    from inktex.modeling.search_inktex import Choose

__all__ = ["export", "largest_difference", "main", "update_shipped"]

_CHECKED = ((48, 80), (64, 144), (96, 112))
"""Height and width of the pictures on which an export is compared with its model."""
_MEASURED = 100
"""Expressions that activations are measured on."""
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
    _check_installed()
    from inktex.modeling.encoder_inktex import STRIDE
    from inktex.modeling.image_processing_inktex import InktexImageProcessor

    from .graphs import fill_graph, write_graphs
    from .quantize import quantize_encoder, quantize_products

    identity = checksum(model)
    network = _load(model)
    folders = {
        one: exported_folder(model, one) if output is None else output / one for one in PRECISIONS
    }
    multiple = network.encoder.backbone.stride
    weights = read_weights(model / WEIGHTS)
    with tempfile.TemporaryDirectory() as temporary:
        encoder, decoder = Path(temporary) / ENCODER, Path(temporary) / DECODER
        write_graphs(network, encoder, decoder)
        for graph in (encoder, decoder):
            fill_graph(graph, weights, graph)
        for precision, folder in folders.items():
            with new_folder(folder) as partial:
                if precision == "int8":
                    processor = InktexImageProcessor.from_pretrained(str(model))
                    quantize_encoder(encoder, partial / ENCODER, own_pictures(processor))
                    quantize_products(decoder, partial / DECODER)
                else:
                    shutil.copyfile(encoder, partial / ENCODER)
                    shutil.copyfile(decoder, partial / DECODER)
                shutil.copyfile(model / TOKENIZER, partial / TOKENIZER)
                if (model / THINNER_FILE).is_file():
                    shutil.copyfile(model / THINNER_FILE, partial / THINNER_FILE)
                make_settings(model, precision, STRIDE, multiple, identity).write(partial)
    return folders


def own_pictures(processor: InktexImageProcessor) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Pixels and mask of pictures that inktex writes itself, to measure activations on."""
    from inktex.render import render
    from inktex.synthesis.grammar import written_expressions

    for expression in written_expressions(_MEASURED, seed=3):
        yield dict(processor(render(expression.traces)))


def update_shipped(model: Path, folder: Path = SHIPPED) -> None:
    """Write the graphs that come with inktex anew.

    Args:
        model: folder of a model of the architecture that they are to be for.
        folder: to write.

    Raises:
        ImportError: if what exporting needs is not installed.
        ValueError: if the model is of a kind that cannot be exported.
    """
    _check_installed()
    from .graphs import write_shipped

    write_shipped(_load(model), folder)


def _load(model: Path) -> InktexForConditionalGeneration:
    """A model in float32 and evaluation mode."""
    import torch

    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration

    # Pickled weights could run code.
    found: InktexForConditionalGeneration = InktexForConditionalGeneration.from_pretrained(
        str(model), dtype=torch.float32, use_safetensors=True
    )
    return found.eval()


def _check_installed() -> None:
    """Make sure that a model can be exported.

    Raises:
        ImportError: if something is not installed.
    """
    try:
        import HersheyFonts  # noqa: F401
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"Exporting needs {error.name}, too: pip install 'inktex[export]'."
        ) from error


def largest_difference(model: Path, folder: Path, precision: str) -> float:
    """How far ONNX's log-probabilities are from torch's, at most, on some random pictures.

    Both are given torch's tokens, so that one difference does not make others.

    Args:
        model: folder of the model.
        folder: of its export, or itself.
        precision: one of `PRECISIONS`.
    """
    import torch

    from inktex.modeling.generation_inktex import decode

    from .engine import OnnxModel

    network = _load(model)
    exported = OnnxModel(find_export(folder, precision), threads=1)
    settings = exported.settings
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
        expected = decode(network, [memory], _STEPS + 1)
        found = exported.decode(pixels, mask, _STEPS + 1, choose=_given(expected.sequences[:, 1:]))
        theirs, ours = expected.token_log_probabilities, found.token_log_probabilities
        assert theirs is not None
        assert ours is not None
        largest = max(largest, float(np.abs(ours - theirs).max()))
    return largest


def _given(tokens: NDArray[np.int64]) -> Choose:
    """Chooses `(sequences, positions)` tokens that are given."""
    return lambda position, _: tokens[:, position]


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
    parser.add_argument(
        "--graphs",
        action="store_true",
        help="only write the graphs without weights that inktex comes with, for models of this "
        "one's architecture",
    )
    options = parser.parse_args(arguments)
    try:
        require("export", "An export to ONNX", "torch", "transformers")
    except ImportError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger().setLevel(logging.ERROR)  # advice on quantisation that is not for here
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        model = _local(options.model)
        if options.graphs:
            update_shipped(model)
            return 0
        folders = export(model, options.output)
    except (OSError, ValueError, ImportError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    for precision, folder in folders.items():
        size = sum(path.stat().st_size for path in folder.iterdir())
        difference = largest_difference(model, folder, precision)
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
