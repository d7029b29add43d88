#!/usr/bin/env python
"""Measure `inktex transcribe` on this machine, and kill it now and then.

    python scripts/benchmark_transcription.py --pictures 20000                # the shipped model
    python scripts/benchmark_transcription.py --pictures 400 --model tiny     # an untrained one
    python scripts/benchmark_transcription.py --pictures 2000 --kills 5 --processes 2

The pictures are random expressions in a stroke font, drawn when they are asked for. Prints how many
pictures a second were read, and how the memory of the run grew. With --kills the run is killed
(SIGKILL) at random moments and begun again; at the end every picture must be there exactly once,
else the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from inktex.transcription.sources import Row, Source

SETTLED = 0.25
"""Share of a run after which its memory is compared with that at its end."""


class WrittenSource(Source):
    """Random expressions; number and seed tell all of a picture."""

    def __init__(self, total: int, seed: int) -> None:
        self.total, self.seed = total, seed

    def identity(self) -> dict[str, Any]:
        """See `Source`."""
        return {"kind": "written", "rows": self.total, "seed": self.seed}

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        for wanted in ranges:
            for number in wanted:
                if number >= (self.total or 0):
                    return
                yield number, Row(name(number), partial(self._draw, number))

    def _draw(self, number: int) -> Any:
        from PIL import Image

        from inktex.render import render
        from inktex.synthesis.grammar import written_expressions

        (expression,) = written_expressions(1, seed=self.seed * 10**9 + number)
        return Image.fromarray(render(expression.traces))


def name(number: int) -> str:
    """Id of a picture."""
    return f"written-{number:08}"


def save_tiny_model(folder: Path) -> None:
    """A small untrained model: it reads nonsense, at some length."""
    import torch

    from inktex.training.loop import make_model, make_processor, save_model
    from inktex.training.recipe import load_recipe, recipe_path

    torch.manual_seed(0)
    recipe = load_recipe(recipe_path("tiny"), ["decoder.initializer_range=0.3"])
    save_model(make_model(recipe), make_processor(recipe), folder)


def transcribe_here(options: argparse.Namespace) -> None:
    """One process of the run that is measured."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "20000")
    from transformers.utils import logging

    from inktex.recognizer import Recognizer
    from inktex.transcription.run import start_processes, transcribe

    logging.disable_progress_bar()
    state = start_processes()
    transcribe(
        Recognizer.from_pretrained(options.model, device=str(state.device)),
        WrittenSource(options.pictures, options.seed),
        options.output,
        preset=options.preset,
        batch_size=options.batch_size,
        window=options.window,
    )
    state.destroy_process_group()


class Run:
    """The run that is measured, in processes of its own."""

    def __init__(self, arguments: list[str], processes: int) -> None:
        launcher = [sys.executable]
        if processes > 1:
            launcher += ["-m", "torch.distributed.run", "--standalone"]
            launcher += ["--nproc_per_node", str(processes)]
        self.process = psutil.Popen([*launcher, __file__, *arguments])

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:  # it ended meanwhile
            return []

    def memory(self) -> float:
        """Megabytes of all its processes; what they share is divided among them."""
        total = 0
        for process in self._tree():
            with suppress(psutil.Error):
                information = process.memory_full_info()
                total += getattr(information, "pss", information.uss)
        return total / 2**20

    def kill(self) -> None:
        """SIGKILL, to all its processes."""
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument(
        "--model", help="folder or Hub repository, or tiny for an untrained one (default: shipped)"
    )
    parser.add_argument("--preset", default="fast", help="fast or accurate")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--window", type=int, default=128, help="pictures of a shard")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the pictures and of the kills")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder to write and leave, ending in .parquet or .jsonl (default: a temporary one)",
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        transcribe_here(options)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.model == "tiny":
            options.model = str(folder / "model")
            save_tiny_model(folder / "model")
        options.output = options.output or folder / "out.parquet"
        if options.output.exists():
            print(f"benchmark: {options.output} is there already.", file=sys.stderr)
            return 2
        return measure(options)


def measure(options: argparse.Namespace) -> int:
    """Run, kill, run again; gives the exit status."""
    from inktex.transcription.shards import Shards

    shards = Shards(options.output)
    command = ["--inside", "--pictures", str(options.pictures), "--preset", options.preset]
    command += ["--batch-size", str(options.batch_size), "--window", str(options.window)]
    command += ["--seed", str(options.seed), "--output", str(options.output)]
    command += [] if options.model is None else ["--model", options.model]
    rng = random.Random(options.seed)
    windows = -(-options.pictures // options.window)
    moments = sorted(rng.randrange(windows) for _ in range(options.kills))
    kills = 0
    memory: list[float] = []
    started = time.monotonic()
    run = Run(command, options.processes)
    begun: tuple[float, int] | None = None  # when the last run had finished its first shard
    last = (started, 0)
    while run.process.poll() is None:
        time.sleep(0.5)
        finished = len(shards.finished())
        if finished > last[1]:
            last = time.monotonic(), finished
            begun = begun or last
        if begun is not None:
            memory.append(run.memory())
        if kills < options.kills and finished >= moments[kills]:
            time.sleep(rng.uniform(0, 3))
            if run.process.poll() is not None:
                break
            run.kill()
            kills += 1
            print(f"killed with {len(shards.finished())} of {windows} shards", flush=True)
            run, begun, memory = Run(command, options.processes), None, []
    seconds = time.monotonic() - started
    if run.process.returncode != 0:
        print(f"benchmark: the run failed ({run.process.returncode}).", file=sys.stderr)
        return 1
    text = f"{options.pictures} pictures in {seconds:.0f} s, starting up included"
    if begun is not None and last[1] > begun[1]:
        rate = (last[1] - begun[1]) * options.window / (last[0] - begun[0])
        text += f"; {rate:.1f} pictures a second once it had begun"
    print(f"{text}; {options.processes} processes, batches of {options.batch_size}.")
    if len(memory) >= 40:
        at = int(len(memory) * SETTLED)
        settled, end = statistics.median(memory[at : at + 10]), statistics.median(memory[-14:-4])
        print(
            f"memory: {max(memory):.0f} MB at most, {settled:.0f} MB after a quarter of the "
            f"{'last ' if kills else ''}run, {end:.0f} MB at its end "
            f"({100 * (end / settled - 1):+.1f} %)."
        )
    return check(shards, options.pictures, kills, options.kills)


def check(shards: Any, pictures: int, kills: int, wanted_kills: int) -> int:
    """Whether each picture is there exactly once; gives the exit status."""
    found: Counter[str] = Counter()
    errors = 0
    for number in shards.finished():
        for row in shards.read(number, ["id", "error"]):
            found[row["id"]] += 1
            errors += row["error"] is not None
    expected = {name(number) for number in range(pictures)}
    missing, foreign = len(expected - found.keys()), len(found.keys() - expected)
    twice = sum(count > 1 for count in found.values())
    print(
        f"{kills} of {wanted_kills} kills: {sum(found.values())} rows, {missing} missing, {twice} "
        f"more than once, {foreign} that nobody asked for, {errors} with an error."
    )
    return 1 if missing or twice or foreign or kills < wanted_kills else 0


if __name__ == "__main__":
    sys.exit(main())
