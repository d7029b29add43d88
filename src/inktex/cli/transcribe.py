"""`inktex transcribe`: any number of pictures into a table."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from inktex.engine_choice import AUTO, ENGINES, fastest_engine
from inktex.transcription.sources import PATHS, SUFFIXES, URLS, Source, open_source

from .arguments import MODEL_HELP, add_beams, add_preset, natural, positive
from .console import Output, say

if TYPE_CHECKING:
    from inktex.transcription.shards import Shards

DESCRIPTION = """\
Read any number of pictures into parquet, JSONL, CSV or TSV.

A run that was stopped, whenever and however, goes on when the same command is given again. To use
several cores, GPUs or machines, start it by torchrun; all processes write to the same OUTPUT."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a folder (searched for pictures and InkML, or for parquet files), a zip, a tar, "
        "parquet files, a folder of Dataset.save_to_disk, or OWNER/NAME of a data set of the Hub",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="what to write: a folder of files, its name ending in .parquet or .jsonl, or a file "
        "whose name ends in .csv or .tsv; with columns id, latex, tokens, score and error (null, "
        "or why a picture could not be read)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="begin anew, even if OUTPUT holds rows"
    )
    parser.add_argument("--model", help=MODEL_HELP)
    add_preset(parser)
    parser.add_argument(
        "--engine",
        choices=(AUTO, *ENGINES),
        default=AUTO,
        help="see inktex recognize; auto is torch beside a GPU, and what a "
        "run was begun with where it goes on (default: auto)",
    )
    add_beams(parser)
    _add_table_arguments(parser.add_argument_group("parquet files and data sets"))
    _add_speed_arguments(parser.add_argument_group("speed and memory"))


def _add_table_arguments(table: argparse._ArgumentGroup) -> None:
    table.add_argument("--image-column", default="image", metavar="NAME", help="default: image")
    table.add_argument("--id-column", metavar="NAME", help="default: the number of the row")
    table.add_argument("--split", metavar="NAME", help="of a data set that has several")
    table.add_argument("--config", metavar="NAME", help="of a data set of the Hub")
    table.add_argument(
        "--revision", metavar="COMMIT", help="of a data set of the Hub (default: the newest)"
    )
    table.add_argument(
        "--allow-paths",
        action="store_true",
        help="open the files of this machine that rows name instead of holding a picture",
    )
    table.add_argument(
        "--allow-urls",
        action="store_true",
        help="fetch what rows name by an http(s) URL instead of holding a picture",
    )


def _add_speed_arguments(speed: argparse._ArgumentGroup) -> None:
    speed.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help="pictures read together at most (default: what is fastest on the device)",
    )
    speed.add_argument(
        "--window",
        type=positive,
        metavar="N",
        help="pictures that are sorted by size together, and rows of a file (default: what takes "
        "some seconds)",
    )
    speed.add_argument(
        "--workers",
        type=natural,
        metavar="N",
        help="processes that decode pictures, for each process that reads (default: 1 on a CPU, up "
        "to 8 beside a GPU)",
    )
    speed.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads of a process (default: 1 on a CPU with several processes, else the "
        "engine's choice)",
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit status.

    Pictures that cannot be read are rows with an error, and no failure.
    """
    # oneDNN keeps a compiled kernel for every shape of every layer; its default of 1024 thrashes.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "20000")
    from inktex.processes import join_processes
    from inktex.recognizer import load
    from inktex.transcription.run import transcribe
    from inktex.transcription.shards import Shards

    shards = Shards(options.output)  # a wrong name is reported before anything is loaded
    state = join_processes(options.threads)
    source = _open(options)
    engine = _engine(options, shards, str(state.device))
    if engine == "torch":
        from inktex.torch_engine import quiet_torch

        quiet_torch()
        recognizer = load(options.model, str(state.device), engine)
    else:
        threads = options.threads or (1 if state.num_processes > 1 else None)
        recognizer = load(options.model, engine=engine, threads=threads)
    summary = transcribe(
        recognizer,
        source,
        options.output,
        preset=options.preset,
        num_beams=options.beams,
        batch_size=options.batch_size,
        window=options.window,
        workers=options.workers,
        overwrite=options.overwrite,
        model_name=options.model or "shipped",
        engine=engine,
    )
    state.destroy_process_group()
    if state.is_main_process:
        if source.skipped:
            _report_skipped(source)
        Output().write(
            f"{options.output}: {summary.rows} rows, {summary.errors} of them with an error; "
            f"{summary.read} read now."
        )
    return 0


def _open(options: argparse.Namespace) -> Source:
    is_allowed = {PATHS: options.allow_paths, URLS: options.allow_urls}
    return open_source(
        options.sources,
        image_column=options.image_column,
        id_column=options.id_column,
        config=options.config,
        split=options.split,
        revision=options.revision,
        allowed=frozenset(kind for kind in is_allowed if is_allowed[kind]),
    )


def _engine(options: argparse.Namespace, shards: Shards, device: str) -> str:
    """The engine that reads: the one asked for, that of the run that goes on, or the fastest."""
    if options.engine != AUTO:
        return str(options.engine)
    # Each engine has its own fingerprint of weights: a run goes on with the one it was begun with.
    begun = None if options.overwrite else shards.engine()
    return begun or fastest_engine(options.model, device)


def _report_skipped(source: Source) -> None:
    endings = ", ".join(f"{count} {ending}" for ending, count in source.skipped.most_common(5))
    say(
        f"{source.skipped.total()} files were left out for their endings ({endings}). "
        f"Endings that are read: {' '.join(sorted(SUFFIXES))}."
    )
