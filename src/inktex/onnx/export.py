"""Export a model to ONNX; `inktex export` does so from the command line.

A model has two graphs: an encoder for pictures of any size, and a cached step of the decoder. An
export adds the tokenizer and settings, in float32 or with eight bits a weight.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inktex.engine import MAX_TOKENS
from inktex.extras import require
from inktex.files import new_folder
from inktex.modeling.ink_extraction_inktex import find_ink_extraction
from inktex.modeling.normalization_inktex import stack_pictures
from inktex.modeling.stroke_restoration_inktex import find_stroke_restoration
from inktex.torch_engine import TorchEngine

from .files import (
    DECODER,
    ENCODER,
    EXPORTING,
    PRECISIONS,
    SHIPPED,
    SINGLE,
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
    from inktex.modeling.search_inktex import Choose

_CHECKED = ((48, 80), (64, 144), (96, 112))
"""Height and width of the pictures on which an export is compared with its model."""
_MEASURED = 100
"""Expressions that activations are measured on."""
_STEPS = 6
"""Tokens that are compared in each."""


def export(model: Path, output: Path | None = None) -> dict[str, Path]:
    """Write a model's exports; returns the folder of each precision.

    Args:
        model: folder of `save_pretrained`.
        output: folder to write to; None for the user's cache, where `inktex.load` looks.

    Raises:
        FileNotFoundError: if there is no such model.
        ImportError: if what exporting needs is not installed.
        ValueError: if the model is of a kind that cannot be exported.
    """
    _check_installed()
    from inktex.modeling.encoder_inktex import STRIDE

    from .graphs import fill_graph, write_graphs
    from .quantize import quantize_encoder, quantize_products

    identity = checksum(model)
    engine = TorchEngine.from_pretrained(model)
    folders = {
        one: exported_folder(model, one) if output is None else output / one for one in PRECISIONS
    }
    multiple = engine.model.encoder.backbone.stride
    weights = read_weights(model / WEIGHTS)
    with tempfile.TemporaryDirectory() as temporary:
        encoder, decoder = Path(temporary) / ENCODER, Path(temporary) / DECODER
        write_graphs(engine.model, encoder, decoder)
        for graph in (encoder, decoder):
            fill_graph(graph, weights, graph)
        networks = (find_stroke_restoration(model), find_ink_extraction(model))
        copied = [model / TOKENIZER, *(path for path in networks if path is not None)]
        for precision, folder in folders.items():
            with new_folder(folder) as partial:
                if precision == "int8":
                    pictures = own_pictures(engine.image_processor)
                    quantize_encoder(encoder, partial / ENCODER, pictures)
                    quantize_products(decoder, partial / DECODER)
                for path in (*copied, *(() if precision == "int8" else (encoder, decoder))):
                    shutil.copyfile(path, partial / path.name)
                make_settings(model, precision, STRIDE, multiple, identity).write(partial)
    return folders


def own_pictures(processor: InktexImageProcessor) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Pixels and mask of pictures that inktex writes itself, to measure activations on."""
    from inktex.ink.render import render
    from inktex.synthesis.random_captions import written_expressions

    for expression in written_expressions(_MEASURED, seed=3):
        yield dict(processor(render(expression.traces)))


def export_single(folder: Path, precision: str) -> Path:
    """Write the one-file form of an export beside its graphs; see `write_single`.

    Beside it goes a file of `write_single_settings`.

    Args:
        folder: of the export.
        precision: one of `PRECISIONS`.

    Raises:
        ValueError: if the model decodes without a grammar, or has no guided heads.
    """
    from .single import write_single
    from .single_settings import write_single_settings

    path = folder / SINGLE
    write_single(find_export(folder, precision), path)
    write_single_settings(path)
    return path


def count_equal(folder: Path, precision: str, written: Sequence[Any]) -> tuple[int, int]:
    """How many inks the one-file form reads as the engine does, token for token; of how many.

    Args:
        folder: of an export that has one.
        precision: one of `PRECISIONS`.
        written: strokes of expressions.
    """
    from inktex.inputs import prepare

    from .engine import OnnxEngine
    from .sessions import load_runtime, make_session
    from .single_settings import single_inputs

    engine = OnnxEngine(find_export(folder, precision), threads=1)
    single = make_session(load_runtime(), folder / SINGLE, 1, {})
    equal = 0
    for strokes in written:
        picture = prepare([*strokes], engine.image_processor).picture
        pixels, mask = stack_pictures([picture], engine.settings.multiple)
        expected = engine.decode(pixels, mask, MAX_TOKENS + 1).sequences[:, 1:]
        (found,) = single.run(["tokens"], single_inputs(pixels, mask))
        equal += np.array_equal(found, expected)
    return equal, len(written)


def update_shipped(model: Path, folder: Path = SHIPPED) -> None:
    """Write the graphs that come with inktex anew.

    Raises:
        ImportError: if what exporting needs is not installed.
        ValueError: if the model is of a kind that cannot be exported.
    """
    _check_installed()
    from .graphs import write_shipped

    write_shipped(TorchEngine.from_pretrained(model).model, folder)


def _check_installed() -> None:
    require("export", "Exporting", *EXPORTING)


def largest_difference(model: Path, folder: Path, precision: str) -> float:
    """How far ONNX's log-probabilities are from torch's, at most, on some random pictures.

    Both are given torch's tokens, so that one difference does not make others.

    Args:
        folder: of its export, or itself.
        precision: one of `PRECISIONS`.
    """
    import torch

    from inktex.modeling.generation_inktex import decode

    from .engine import OnnxEngine

    network = TorchEngine.from_pretrained(model).model
    exported = OnnxEngine(find_export(folder, precision), threads=1)
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


if __name__ == "__main__":
    sys.exit("`python -m inktex.onnx.export` is now `inktex export`.")
