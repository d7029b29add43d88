"""`inktex transcribe`: its options, and what it does with them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from inktex.arguments import natural, positive
from inktex.console import Output, say
from inktex.recognizer import AUTO, ENGINES

__all__ = ["DESCRIPTION", "add_arguments", "run"]

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
    parser.add_argument(
        "--model", help="folder or Hub repository of a model (default: the one inktex ships)"
    )
    parser.add_argument(
        "--preset",
        choices=("fast", "accurate"),
        default="fast",
        help="accurate searches longer, from both ends (default: fast)",
    )
    parser.add_argument(
        "--engine",
        choices=(AUTO, *ENGINES),
        default=AUTO,
        help="see inktex recognize; auto is torch beside a GPU, and what a "
        "run was begun with where it goes on (default: auto)",
    )
    parser.add_argument(
        "--beams",
        type=positive,
        metavar="N",
        help="width of the beam search (default: that of the preset; 1 is greedy)",
    )
    table = parser.add_argument_group("parquet files and data sets")
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
    speed = parser.add_argument_group("speed and memory")
    speed.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help="pictures read together at most (default: what is cheapest on the device)",
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
    """Do what the options say; gives the exit status.

    Pictures that cannot be read are rows with an error, and no failure.
    """
    # oneDNN keeps a compiled kernel for every shape of every layer; its default of 1024 thrashes.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "20000")
    from inktex.processes import join_processes
    from inktex.recognizer import fastest_engine, is_greedy, load, quiet_torch

    from .run import transcribe
    from .shards import Shards
    from .sources import PATHS, SUFFIXES, URLS, open_source

    rank = os.environ.get("RANK", "0")
    try:
        shards = Shards(options.output)  # a wrong name is told before anything is loaded
        state = join_processes(options.threads)
        source = open_source(
            options.sources,
            image_column=options.image_column,
            id_column=options.id_column,
            config=options.config,
            split=options.split,
            revision=options.revision,
            allowed=frozenset(
                kind
                for kind, is_allowed in ((PATHS, options.allow_paths), (URLS, options.allow_urls))
                if is_allowed
            ),
        )
        engine = options.engine
        if engine == AUTO:
            # Each engine has weights of its own: a run goes on with the one that it was begun with.
            engine = None if options.overwrite else shards.engine()
            if not is_greedy(options.preset, 0, options.beams):
                engine = "torch"
        if engine is None:
            engine = fastest_engine(
                options.model,
                str(state.device),
                preset=options.preset,
                num_beams=options.beams,
            )
        if engine == "torch":
            quiet_torch()
            recognizer = load(options.model, device=str(state.device), engine=engine)
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
    except (ValueError, OSError, ImportError) as error:
        where = "" if rank == "0" else f"process {rank}: "
        say(f"{where}{error}")
        return 2
    state.destroy_process_group()
    if rank == "0" and source.skipped:
        endings = ", ".join(f"{count} {ending}" for ending, count in source.skipped.most_common(5))
        say(
            f"{source.skipped.total()} files were left out for their endings ({endings}). "
            f"Endings that are read: {' '.join(sorted(SUFFIXES))}."
        )
    if rank == "0":
        Output().write(
            f"{options.output}: {summary.rows} rows, {summary.errors} of them with an error; "
            f"{summary.read} read now."
        )
    return 0
