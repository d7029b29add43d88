#!/usr/bin/env python
r"""Measure `inktex transcribe` on this machine, and kill it now and then.

    python scripts/benchmark_transcription.py --pictures 2000             # the shipped model
    python scripts/benchmark_transcription.py --pictures 2000 --kills 5 --processes 2
    # some minutes: a small untrained model, pictures that come again, no drawing
    python scripts/benchmark_transcription.py --pictures 100000 --model tiny --distinct 500 \
        --window 512 --processes 2 --kills 3 --compare 20000

The pictures are random expressions in a stroke font, drawn when they are asked for. Prints how many
pictures a second were read, and how the memory of the run grew. With --compare one process reads
some pictures first, and how much faster several are is printed. With --kills the run is killed
(SIGKILL) at random moments of its first third and begun again; at the end every picture must be
there exactly once, else the exit status is 1.
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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from inktex.arguments import natural, positive
from inktex.transcription.sources import Row, Source

SETTLED = 5000
"""Pictures after which the memory of a run is compared with that at its end."""
PAUSE = 2.0
"""Seconds between two looks at the memory, which take some time of their own."""
BRIEF = 3.0
"""How much more the untrained model likes the end of an expression than anything else."""


class WrittenSource(Source):
    """Random expressions; number and seed tell all of a picture.

    Args:
        total: pictures.
        seed: of the expressions.
        distinct: the first so many pictures come again and again, and are small; None for all
            different ones.
    """

    def __init__(self, total: int, seed: int, distinct: int | None = None) -> None:
        self.total, self.seed, self.distinct = total, seed, distinct
        self._drawn: dict[int, Any] = {}

    def identity(self) -> dict[str, Any]:
        """See `Source`."""
        kind = {"kind": "written", "rows": self.total, "seed": self.seed}
        return kind if self.distinct is None else {**kind, "distinct": self.distinct}

    def rows(self, ranges: Iterable[range]) -> Iterator[tuple[int, Row]]:
        """See `Source`."""
        for wanted in ranges:
            for number in wanted:
                if number >= (self.total or 0):
                    return
                yield number, Row(name(number), partial(self._picture, number))

    def _picture(self, number: int) -> Any:
        if self.distinct is None:
            return self._draw(number, depth=2)
        number %= self.distinct
        if number not in self._drawn:
            self._drawn[number] = self._draw(number, depth=0)
        return self._drawn[number]

    def _draw(self, number: int, depth: int) -> Any:
        from PIL import Image

        from inktex.ink.render import render
        from inktex.synthesis.grammar import written_expressions

        (expression,) = written_expressions(1, seed=self.seed * 10**9 + number, depth=depth)
        return Image.fromarray(render(expression.traces))


def name(number: int) -> str:
    """Id of a picture."""
    return f"written-{number:08}"


def save_tiny_model(folder: Path) -> None:
    """A small untrained model: it reads nonsense of some tokens."""
    import torch

    from inktex.training.models import make_model, make_processor, save_model
    from inktex.training.recipe import load_recipe, recipe_path

    torch.manual_seed(0)
    small = ["initializer_range=0.3", "num_hidden_layers=1", "guided_layers=[0]"]
    recipe = load_recipe(recipe_path("tiny"), [f"decoder.{one}" for one in small])
    model = make_model(recipe)
    with torch.no_grad():
        end = model.lm_head.weight[model.config.eos_token_id]
        model.decoder.norm.bias.copy_(BRIEF * end / end.norm())
    save_model(model, make_processor(recipe), folder)


def transcribe_here(options: argparse.Namespace) -> None:
    """One process of the run that is measured."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "20000")
    from transformers.utils import logging

    from inktex.processes import join_processes
    from inktex.recognizer import Recognizer
    from inktex.transcription.run import transcribe

    logging.disable_progress_bar()
    state = join_processes()
    transcribe(
        Recognizer.from_pretrained(options.model, device=str(state.device)),
        WrittenSource(options.pictures, options.seed, options.distinct),
        options.output,
        preset=options.preset,
        batch_size=options.batch_size,
        window=options.window,
        workers=options.workers,
        progress=False,
    )
    state.destroy_process_group()


class Run:
    """The run that is measured, in processes of its own."""

    def __init__(self, arguments: list[str], processes: int) -> None:
        from inktex.benchmark.measure import launcher

        environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # however many processes there are
        self.process = psutil.Popen([*launcher(processes), __file__, *arguments], env=environment)

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
    parser.add_argument("--pictures", type=positive, default=5000)
    parser.add_argument(
        "--model", help="folder or Hub repository, or tiny for an untrained one (default: shipped)"
    )
    parser.add_argument("--preset", default="fast", help="fast or accurate")
    parser.add_argument("--batch-size", type=positive, help="default: that of inktex transcribe")
    parser.add_argument("--window", type=positive, default=128, help="pictures of a shard")
    parser.add_argument(
        "--workers",
        type=natural,
        default=0,
        help="processes that prepare pictures, for each that reads (default: 0, it does so itself, "
        "so that as many cores are busy as there are processes)",
    )
    parser.add_argument(
        "--distinct", type=positive, metavar="N", help="N small pictures come again and again"
    )
    parser.add_argument(
        "--compare", type=positive, metavar="N", help="first read N pictures with one process"
    )
    parser.add_argument("--processes", type=positive, default=1)
    parser.add_argument("--kills", type=natural, default=0)
    parser.add_argument("--seed", type=natural, default=0, help="of the pictures and of the kills")
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
        try:
            return measure(options)
        except RuntimeError as error:
            print(f"benchmark: {error}", file=sys.stderr)
            return 1


def measure(options: argparse.Namespace) -> int:
    """Run, kill, run again; gives the exit status."""
    from inktex.transcription.shards import Shards

    alone = None
    if options.compare is not None:
        output = options.output.with_name(f"alone-{options.output.name}")
        alone = watch(options, output, options.compare, processes=1)
        print(f"one process: {alone.rate:.1f} pictures a second.", flush=True)
    found = watch(options, options.output, options.pictures, options.processes, options.kills)
    kind = "one process" if options.processes == 1 else f"{options.processes} processes"
    print(f"{kind}: {found.rate:.1f} pictures a second.")
    if alone is not None:
        print(f"ratio: {found.rate / alone.rate:.2f}.")
    print(f"memory: {growth(found.memory)}")
    return check(Shards(options.output), options.pictures, found.kills, options.kills)


@dataclass
class Watched:
    """A run, from outside.

    Attributes:
        rate: pictures a second, of the last start, from its first shard to its last.
        memory: pictures that the last start had read, and megabytes that it had then.
        kills: how often it was killed.
    """

    rate: float
    memory: list[tuple[int, float]]
    kills: int


def watch(
    options: argparse.Namespace, output: Path, pictures: int, processes: int, kills: int = 0
) -> Watched:
    """Run until all is read, whatever happens to it meanwhile.

    Raises:
        RuntimeError: if it fails by itself.
    """
    from inktex.transcription.shards import Shards

    shards = Shards(output)
    command = ["--inside", "--pictures", str(pictures), "--output", str(output)]
    for option in ("preset", "batch_size", "window", "seed", "model", "workers", "distinct"):
        value = getattr(options, option)
        command += [] if value is None else [f"--{option.replace('_', '-')}", str(value)]
    rng = random.Random(options.seed)
    windows = -(-pictures // options.window)
    moments = sorted(rng.randrange(max(windows // 3, 1)) for _ in range(kills))
    killed = 0
    run, begun, last, memory = Run(command, processes), None, (0.0, 0), []
    measured = 0.0
    while run.process.poll() is None:
        time.sleep(0.25)
        now, finished = time.monotonic(), len(shards.finished())
        if begun is None and finished > last[1]:
            begun = now, finished
        if finished > last[1]:
            last = now, finished
        if begun is not None and now > measured + PAUSE:
            memory.append(((finished - begun[1]) * options.window, run.memory()))
            measured = now
        if killed < kills and finished >= moments[killed]:
            time.sleep(rng.uniform(0, 3))
            if run.process.poll() is not None:
                break
            run.kill()
            killed += 1
            finished = len(shards.finished())
            print(f"killed with {finished} of {windows} shards", flush=True)
            run, begun, last, memory = Run(command, processes), None, (0.0, finished), []
    if run.process.returncode != 0:
        raise RuntimeError(f"the run failed ({run.process.returncode}).")
    rate = 0.0
    if begun is not None and last[1] > begun[1]:
        rate = (last[1] - begun[1]) * options.window / (last[0] - begun[0])
    return Watched(rate, memory, killed)


def growth(memory: list[tuple[int, float]]) -> str:
    """What became of a run's memory, in words."""
    memory = memory[:-2]  # processes may be ending
    later = [megabytes for pictures, megabytes in memory if pictures >= SETTLED]
    if len(later) < 6:
        highest = max((megabytes for _, megabytes in memory), default=0.0)
        return f"{highest:.0f} MB at most; too few pictures to see it grow."
    some = min(10, len(later) // 3)
    settled, end = statistics.median(later[:some]), statistics.median(later[-some:])
    return (
        f"{settled:.0f} MB after {SETTLED} pictures, {end:.0f} MB at the end "
        f"({100 * (end / settled - 1):+.1f} %), {max(later):.0f} MB at most between."
    )


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
        f"rows: {kills} of {wanted_kills} kills, {sum(found.values())} rows, {missing} missing, "
        f"{twice} more than once, {foreign} that nobody asked for, {errors} with an error."
    )
    return 1 if missing or twice or foreign or kills < wanted_kills else 0


if __name__ == "__main__":
    sys.exit(main())
