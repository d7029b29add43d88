"""`inktex export`: a model as ONNX graphs, to read with where torch is not installed."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any, Final

from inktex.extras import require
from inktex.shipped import pretrained_path

from .arguments import MODEL_HELP
from .console import Output, say

DESCRIPTION = """\
Export a model to ONNX, so that it reads where torch is not installed.

    inktex export                            # the shipped model, into the user's cache
    inktex export --model runs/base/best
    inktex export --output FOLDER            # to take along: inktex.load(FOLDER, ...)
    inktex export --output FOLDER --single   # for programs that have ONNX Runtime alone

It writes two exports, float32 and with eight bits a weight, each of an encoder for pictures of any
size, a cached step of the decoder, the tokenizer, and settings. `inktex recognize --engine onnx`
and `--engine onnx-int8` read with them. In float32 the shipped model, and others of its
architecture, are read without an export: inktex comes with their graphs, without weights. It needs
`pip install 'inktex[export]'`. With --single each export also holds the whole model as one graph,
inktex.onnx, which takes pixels and gives tokens, probabilities and boxes, and inktex.json, what
there is to know of it."""

_WRITTEN: Final = 100
"""Pictures on which the one-file form is compared."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.add_argument("--model", help=MODEL_HELP)
    parser.add_argument(
        "--output",
        type=Path,
        help="folder to write fp32/ and int8/ to (default: the user's cache, or INKTEX_CACHE)",
    )
    parser.add_argument(
        "--single", action="store_true", help="write the one-file form inktex.onnx as well"
    )
    parser.add_argument(
        "--check",
        type=Path,
        metavar="DATA",
        help="with --single: folder of scripts/prepare_crohme.py, on whose development split the "
        "one-file form is compared (default: on pictures that inktex writes itself)",
    )
    parser.add_argument(
        "--graphs",
        action="store_true",
        help="only write the graphs without weights that inktex comes with, for models of this "
        "one's architecture",
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit status."""
    output = Output()
    from inktex.onnx.files import EXPORTING, SINGLE

    require("export", "An export to ONNX", "torch", "transformers", *EXPORTING)
    from transformers.utils import logging as reports

    from inktex.onnx.export import (
        count_equal,
        export,
        export_single,
        largest_difference,
        update_shipped,
    )

    reports.disable_progress_bar()
    logging.getLogger().setLevel(logging.ERROR)  # advice on quantisation that is not for here
    for name in ("torch.onnx", "torch.onnx._internal.exporter._registration"):
        logging.getLogger(name).setLevel(logging.ERROR)  # and on what comes without torchvision
    if options.check is not None and not options.single:
        raise ValueError("--check compares the one-file form: give --single, too.")
    model = _local(options.model)
    if options.graphs:
        update_shipped(model)
        return 0
    written = _written(options.check) if options.single else []
    say("writing the graphs, with weights of 32 and of eight bits: this takes some minutes.")
    folders = export(model, options.output)
    for precision, folder in folders.items():
        size = sum(path.stat().st_size for path in folder.iterdir())
        difference = largest_difference(model, folder, precision)
        output.write(
            f"{folder}: {size / 1e6:.1f} MB; log-probabilities at most {difference:.1e} from "
            f"torch's{' in 32 bits' if precision == 'int8' else ''}."
        )
        if options.single:
            say(f"{precision}: writing {SINGLE}, and reading {len(written)} pictures with it.")
            path = export_single(folder, precision)
            equal, total = count_equal(folder, precision, written)
            output.write(
                f"{path}: {path.stat().st_size / 1e6:.1f} MB; reads {equal} of {total} pictures as "
                "the two graphs do."
            )
    return 0


def _written(data: Path | None) -> list[Any]:
    """Strokes of the expressions to compare on."""
    if data is None:
        from inktex.synthesis.random_captions import written_expressions

        return [expression.traces for expression in written_expressions(_WRITTEN, seed=5)]
    from inktex.training.data import load_examples

    return [example.traces() for example in load_examples(str(data), "dev")]


def _local(name: str | None) -> Path:
    """The folder of a model, fetched if it is on the Hub."""
    if name is None:
        return pretrained_path()
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name))
