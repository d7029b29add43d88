"""The processes of a run that several work at."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

__all__ = ["end_with_parent", "start_processes"]


def start_processes(threads: int | None = None) -> PartialState:
    """Find the other processes of this run, as `torchrun` or `accelerate launch` started them.

    Accelerate believes who asks first: if that one does not say that it is for CPUs, each process
    takes itself for the only one.

    Args:
        threads: of this process; None for one on a CPU that it shares with others of the run, else
            torch's choice.

    Raises:
        ValueError: if there are others that cannot be reached.
    """
    is_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    state = PartialState(cpu=is_cpu)
    if state.num_processes != int(os.environ.get("WORLD_SIZE", "1")):
        raise ValueError(
            f"Several processes were started, but cannot work together on {state.device}. Set "
            "ACCELERATE_USE_CPU=true, or start one."
        )
    if threads is None and state.num_processes > 1 and state.device.type == "cpu":
        threads = 1
    if threads is not None:
        torch.set_num_threads(threads)
    return state


def end_with_parent() -> None:
    """End this worker process as soon as the one that started it is gone, however that ended.

    To be called in the worker. A parent that is killed cannot tell its workers, and torch's loaders
    look for it only between two batches. Does nothing in a process that multiprocessing did not
    start.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)  # without clean-up: what it would say has nobody to say it to

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
