"""Worker processes that end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait

__all__ = ["end_with_parent"]


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
