#!/usr/bin/env python
"""Measure how fast recipes train on this machine, with one process and with two.

    python scripts/benchmark_training.py                      # base and small, some minutes
    python scripts/benchmark_training.py tiny --processes 1 --seconds 5
    python scripts/benchmark_training.py --docs               # into docs/scaling.md

Prints a table: steps, pictures and tokens a second, and memory. Nothing is kept of the training.
On CPUs a process has one thread; on GPUs each has one GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

# oneDNN keeps a compiled kernel for every shape of every layer; its default of 1024 thrashes.
# Those for bfloat16 units (AMX) are large: see docs/scaling.md.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7000")

from inktex.arguments import positive
from inktex.benchmark.measure import run_apart
from inktex.benchmark.report import put_into
from inktex.files import write_text

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "scaling.md"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "recipes", nargs="*", default=["base", "small"], metavar="RECIPE",
        help="names or YAML files (default: base and small)",
    )  # fmt: skip
    parser.add_argument("--processes", type=positive, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument(
        "--seconds", type=float, default=25.0, help="to measure each, behind a few steps"
    )
    parser.add_argument(
        "--docs", action="store_true", help=f"also write the table to docs/{DOCUMENT.name}"
    )
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        return measure_here(options)
    rows = []
    for recipe in options.recipes:
        for processes in options.processes:
            print(f"{recipe}, {processes} process(es) ...", file=sys.stderr, flush=True)
            try:
                rows.append(measure_apart(recipe, processes, options.seconds))
            except RuntimeError as error:
                print(f"benchmark: {error}", file=sys.stderr)
                return 2
    from inktex.benchmark.training import training_table

    text = training_table(rows)
    print(text)
    if options.docs:
        machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
        text = f"{text}\n{machine}; {options.seconds:.0f} seconds each, behind the first steps.\n"
        put_into(DOCUMENT, "scripts/benchmark_training.py", text)
    return 0


def measure_here(options: argparse.Namespace) -> int:
    """One process of a run that is measured."""
    import torch
    from accelerate import PartialState

    if not torch.accelerator.is_available():
        os.environ.setdefault("ACCELERATE_USE_CPU", "true")
    from inktex.benchmark.training import measure_training
    from inktex.training.recipe import load_stages, recipe_path

    recipe = load_stages(recipe_path(options.recipes[0]), [])[-1]
    found = measure_training(recipe, options.seconds)
    state = PartialState()
    if state.is_main_process:
        write_text(options.inside, json.dumps(found))
    state.destroy_process_group()
    return 0


def measure_apart(recipe: str, processes: int, seconds: float) -> dict[str, Any]:
    """What processes of their own measure.

    Raises:
        RuntimeError: if one fails, with the end of what it said.
    """
    with tempfile.TemporaryDirectory() as temporary:
        found: dict[str, Any] = run_apart(
            [recipe, "--seconds", str(seconds)],
            Path(__file__),
            Path(temporary) / "found.json",
            processes,
        )
        return found


if __name__ == "__main__":
    sys.exit(main())
