"""Runs that are killed at random moments, half of them while they write a checkpoint.

INKTEX_KILLS says how often (default 2); 50 take some minutes.
"""

import multiprocessing
import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from inktex.data.examples import Example, from_expressions
from inktex.files import partial_folder
from inktex.synthesis.random_captions import written_expressions
from inktex.training.checkpoints import CHECKPOINT
from inktex.training.loop import train
from inktex.training.recipe import Recipe, load_recipe, recipe_path
from inktex.training.run_folder import AVERAGED

KILLS = int(os.environ.get("INKTEX_KILLS", "2"))
STEPS = 12
SMALL = (
    "encoder.stem_channels=[4, 8]", "encoder.growth_rates=[4, 8, 8]",
    "encoder.fusion_channels=32", "encoder.hidden_size=32", "decoder.hidden_size=32",
    "decoder.intermediate_size=32", "decoder.dropout=0.2", "batch.pixels=12000",
    f"steps={STEPS}", "save_every=2",
)  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork"),
    pytest.mark.timeout(60 + 60 * KILLS),
]


def start(recipe: Recipe, examples: list[Example], output: Path) -> BaseProcess:
    """A forked process that trains."""
    process = multiprocessing.get_context("fork").Process(
        target=train, args=(recipe, examples, [], output)
    )
    process.start()
    return process


def kill(process: BaseProcess, at: float) -> bool:
    """Kill a process at a time of `time.monotonic`; gives whether it had not ended before."""
    while process.is_alive() and time.monotonic() < at:
        time.sleep(0.005)
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode == -signal.SIGKILL


def wait_for_saving(process: BaseProcess, output: Path, count: int) -> None:
    """Wait until a run begins to write its `count`-th checkpoint, or ends."""
    partial, was_there = partial_folder(output / CHECKPOINT), False
    while process.is_alive() and count:
        is_there = partial.is_dir()
        count -= is_there and not was_there
        was_there = is_there


def weights(output: Path) -> list[bytes]:
    return [(output / name / "model.safetensors").read_bytes() for name in (AVERAGED, CHECKPOINT)]


def test_killed_runs_end_bit_equal_to_unbroken_ones(tmp_path: Path) -> None:
    torch.set_num_threads(1)  # threads would not survive the fork
    recipe = load_recipe(recipe_path("tiny"), SMALL)
    examples = from_expressions(written_expressions(24, seed=5))
    started = time.monotonic()
    unbroken = start(recipe, examples, tmp_path / "whole")
    unbroken.join()
    assert unbroken.exitcode == 0
    seconds = time.monotonic() - started
    rng = np.random.default_rng(0)
    kills = runs = 0
    while kills < KILLS:
        runs += 1
        output = tmp_path / f"killed-{runs}"
        process = start(recipe, examples, output)
        while kills < KILLS:
            if kills % 2:
                wait_for_saving(process, output, int(rng.integers(1, STEPS // 2)))
                delay = float(rng.uniform(0, 0.02))
            else:
                delay = float(rng.uniform(0.02, 0.9)) * seconds
            if not kill(process, time.monotonic() + delay):
                break
            kills += 1
            process = start(recipe, examples, output)
        process.join()
        assert process.exitcode == 0
        assert weights(output) == weights(tmp_path / "whole"), f"run {runs} after {kills} kills"
