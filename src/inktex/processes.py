"""The processes of a run that a launcher (torchrun, accelerate) started."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import threading
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from .extras import require

if TYPE_CHECKING:
    from accelerate import PartialState


@dataclass(frozen=True, slots=True)
class Alone:
    """A run of one process: the part of accelerate's `PartialState` that is used, without torch.

    Attributes:
        device: to compute on, as torch names it.
        process_index: of this process.
        num_processes: of the run.
        is_main_process: whether this is the first of them.
    """

    device: str = "cpu"
    process_index: int = 0
    num_processes: int = 1
    is_main_process: bool = True

    def destroy_process_group(self) -> None:
        """Does nothing: there is no group."""


def join_processes(threads: int | None = None) -> PartialState | Alone:
    """Connect the processes of this run, as `torchrun` or `accelerate launch` started them.

    Without accelerate and torch where this process is alone. Accelerate keeps the state of the
    first call: if that does not ask for CPUs, each process is alone afterwards.

    Args:
        threads: of this process; None for one on a CPU that it shares with others of the run, else
            torch's choice.

    Raises:
        ValueError: if there are others that cannot be reached.
        ImportError: if there are others, and torch or accelerate is not installed.
    """
    if _started() == 1:
        if threads is not None and importlib.util.find_spec("torch") is not None:
            import torch

            torch.set_num_threads(threads)
        return find_processes()
    require("transcribe", "A run of several processes", "torch", "accelerate")
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=_is_for_cpus() or not torch.accelerator.is_available())
    if state.num_processes != _started():
        raise ValueError(
            f"Several processes were started, but cannot work together on {state.device}. Set "
            "ACCELERATE_USE_CPU=true, or start one."
        )
    if threads is None and state.device.type == "cpu":
        threads = 1
    if threads is not None:
        torch.set_num_threads(threads)
    return state


def find_processes() -> PartialState | Alone:
    """The processes of this run, after `join_processes`."""
    if _started() > 1:
        from accelerate import PartialState

        return PartialState()
    if _is_for_cpus() or importlib.util.find_spec("torch") is None:
        return Alone()
    import torch

    if not torch.accelerator.is_available():
        return Alone()
    return Alone(str(torch.accelerator.current_accelerator()))


def _started() -> int:
    """Number of processes that the launcher started; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _is_for_cpus() -> bool:
    """Whether the environment keeps accelerate from using accelerators."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "t", "yes", "y", "on")


def end_with_parent() -> None:
    """End this worker process as soon as its parent has ended, in whatever way.

    To be called in the worker: a parent that is killed cannot end its workers, and torch's data
    loaders check for it only between two batches. Does nothing in a process that multiprocessing
    did not start.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)  # without clean-up, which could wait for the parent

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
