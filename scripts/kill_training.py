#!/usr/bin/env python
"""Kill a small training over and over, and see that every resumed run ends as an unbroken one.

    python scripts/kill_training.py                    # 50 kills, some minutes
    python scripts/kill_training.py --kills 5 --folder build/killed

Each run writes its own ink, saves a checkpoint every other step, and is killed (SIGKILL) at a
random moment; every other kill falls into the writing of a checkpoint. Then it is started again,
until it ends by itself; its weights must be those of a run that nobody stopped, to the bit.
Needs a system that can fork.
"""

import argparse
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from inktex.cli.arguments import natural
from inktex.examples import Example, from_expressions
from inktex.files import partial_folder
from inktex.synthesis.grammar import written_expressions
from inktex.training.checkpoints import CHECKPOINT
from inktex.training.loop import AVERAGED, train
from inktex.training.recipe import Recipe, load_recipe, recipe_path

STEPS = 12
SMALL = (
    "encoder.stem_channels=[4, 8]", "encoder.growth_rates=[4, 8, 8]",
    "encoder.fusion_channels=32", "encoder.hidden_size=32", "decoder.hidden_size=32",
    "decoder.intermediate_size=32", "decoder.dropout=0.2", "batch.pixels=12000",
    f"steps={STEPS}", "save_every=2",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, train, kill, compare, print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=natural, default=50, help="how many (default 50)")
    parser.add_argument("--seed", type=natural, default=0, help="of the moments (default 0)")
    parser.add_argument("--folder", type=Path, help="where to train (default: a temporary one)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # threads would not survive the fork
    recipe = load_recipe(recipe_path("tiny"), SMALL)
    examples = from_expressions(written_expressions(24, seed=5))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        whole = folder / "whole"
        started = time.monotonic()
        if run(recipe, examples, whole).wait_for() != 0:
            print("kill_training: the unbroken run failed", file=sys.stderr)
            return 2
        seconds = time.monotonic() - started
        kills, runs, differing = 0, 0, 0
        rng = np.random.default_rng(options.seed)
        while kills < options.kills:
            place = folder / "killed"
            shutil.rmtree(place, ignore_errors=True)
            runs += 1
            while True:
                child = run(recipe, examples, place)
                if kills < options.kills and kill(child, place, rng, seconds, kills % 2 == 1):
                    kills += 1
                    continue
                status = child.wait_for()
                break
            if status != 0 or not same(whole, place):
                differing += 1
                print(f"run {runs} (after {kills} kills) differs, exit status {status}")
            if options.kills >= 10:
                print(f"{kills} kills, {runs} runs ended", flush=True)
    print(
        f"{kills} kills in {runs} runs of {STEPS} steps: "
        f"{runs - differing} ended bit-equal to an unbroken run, {differing} did not."
    )
    return int(differing > 0)


class Child:
    """A forked process that trains."""

    def __init__(self, recipe: Recipe, examples: list[Example], output: Path) -> None:
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=_train, args=(recipe, examples, output))
        self.process.start()

    def wait_for(self) -> int:
        """Its exit status."""
        self.process.join()
        return self.process.exitcode or 0

    def is_alive(self) -> bool:
        """Whether it is still training."""
        return self.process.is_alive()

    def kill(self) -> bool:
        """End it at once; gives whether it had not ended by itself."""
        if self.process.pid is not None and self.is_alive():
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        return self.process.exitcode == -signal.SIGKILL


def run(recipe: Recipe, examples: list[Example], output: Path) -> Child:
    """Start a run, or go on with one."""
    return Child(recipe, examples, output)


def kill(
    child: Child, place: Path, rng: np.random.Generator, seconds: float, while_saving: bool
) -> bool:
    """Kill a run at a random moment, or at one when it writes a checkpoint.

    Gives whether it was killed; it may have ended before.
    """
    if while_saving:
        count = int(rng.integers(1, STEPS // 2))
        partial, was_there = partial_folder(place / CHECKPOINT), False
        while child.is_alive() and count:
            is_there = partial.is_dir()
            count -= is_there and not was_there
            was_there = is_there
        time.sleep(float(rng.uniform(0, 0.02)))
    else:
        until = time.monotonic() + float(rng.uniform(0.02, 0.9)) * seconds
        while child.is_alive() and time.monotonic() < until:
            time.sleep(0.005)
    return child.kill()


def same(first: Path, second: Path) -> bool:
    """Whether two runs ended with the same averaged weights and the same own ones."""
    return all(weights(first / name) == weights(second / name) for name in (AVERAGED, CHECKPOINT))


def weights(folder: Path) -> bytes | None:
    """The weights that a run left in a folder, if it did."""
    path = folder / "model.safetensors"
    return path.read_bytes() if path.is_file() else None


def _train(recipe: Recipe, examples: list[Example], output: Path) -> None:
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, progress bars
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    train(recipe, examples, [], output)


if __name__ == "__main__":
    sys.exit(main())
