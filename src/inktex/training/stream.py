"""The plans of a run's batches, epoch after epoch, and the loader that draws them."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, Sampler

from inktex.data.examples import AnyExample, Example
from inktex.processes import end_with_parent

from .batches import PlannedBatches
from .plans import Plan, Planner
from .recipe_fields import Recipe
from .synthetic import synthetic_ink


class PlanStream(Sampler[Plan]):
    """The plans of one of several processes, epoch after epoch without an end.

    So the loader's workers are not restarted between epochs; and with planners, which are processes
    of their own, no process waits for an epoch to be planned.

    Args:
        processes: that train together.
        accumulate: batches of each process that make one step.
        epoch, batch: where to start, as this process counts its batches.
        planners: processes that plan the epochs to come, each one epoch; 0 plans them here.
    """

    def __init__(
        self,
        planner: Planner,
        processes: int = 1,
        rank: int = 0,
        accumulate: int = 1,
        epoch: int = 0,
        batch: int = 0,
        planners: int = 0,
    ) -> None:
        self.planner, self.processes, self.rank = planner, processes, rank
        self.accumulate, self.planners = accumulate, planners
        self.epoch, self.batch = epoch, batch
        self.lengths: dict[int, int] = {}

    def length(self, epoch: int) -> int:
        """Number of this process's batches in an epoch that has begun."""
        return self.lengths[epoch]

    def __iter__(self) -> Iterator[Plan]:
        """The plans.

        Raises:
            ValueError: if an epoch has too few batches for one step.
        """
        epoch, first = self.epoch, self.batch
        for plans in self._epochs(epoch):
            own = plans[self.rank :: self.processes]
            if not own:
                raise ValueError(
                    "An epoch has fewer batches than make a step of "
                    f"{self.processes} process(es) that accumulate {self.accumulate} each."
                )
            self.lengths[epoch] = len(own)
            yield from own[first:]
            epoch, first = epoch + 1, 0

    def _epochs(self, epoch: int) -> Iterator[list[Plan]]:
        if not self.planners:
            while True:
                yield self.planner.epoch(epoch, self.processes, self.accumulate)
                epoch += 1
        # Forked where that is possible: else all the ink, which the planner has, is copied.
        forks = "fork" in multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("fork" if forks else None)
        pool = ProcessPoolExecutor(
            self.planners, context, initializer=_set_planner, initargs=(self.planner,)
        )
        coming: deque[Future[list[Plan]]] = deque()
        try:
            while True:
                while len(coming) <= self.planners:
                    coming.append(pool.submit(_plan, epoch, self.processes, self.accumulate))
                    epoch += 1
                yield coming.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_planner: Planner | None = None


def _set_planner(planner: Planner) -> None:
    global _planner
    _planner = planner
    end_with_parent()


def _plan(epoch: int, processes: int, accumulate: int) -> list[Plan]:
    assert _planner is not None
    return _planner.epoch(epoch, processes, accumulate)


def planned_batches(recipe: Recipe, examples: Sequence[AnyExample]) -> PlannedBatches:
    """The batches of a run of a recognition model."""
    ink = [example for example in examples if isinstance(example, Example)]
    synthetic = synthetic_ink(ink, recipe.synthesis)
    examples = [*examples] * recipe.batch.passes
    return PlannedBatches(
        examples,
        recipe.batch,
        recipe.augmentation,
        recipe.seed,
        synthetic,
        marks_recorded=recipe.loss.distillation > 0,
    )


def recipe_batches(
    recipe: Recipe,
    batches: PlannedBatches,
    accelerator: Accelerator,
    epoch: int = 0,
    batch: int = 0,
) -> tuple[PlanStream, DataLoader[dict[str, torch.Tensor]]]:
    """The stream of the plans of a process, and the loader that draws their batches.

    Args:
        epoch, batch: where to start, as this process counts its batches.
    """
    planner = Planner(
        batches.examples,
        recipe.batch,
        recipe.augmentation,
        recipe.seed,
        batches.synthetic,
        recipe.synthesis.share,
    )
    plans = PlanStream(
        planner,
        accelerator.num_processes,
        accelerator.process_index,
        recipe.optimizer.accumulate,
        epoch,
        batch,
        recipe.planners,
    )
    on_gpu = accelerator.device.type == "cuda"
    return plans, batch_loader(batches, plans, recipe.workers, recipe.seed, pin_memory=on_gpu)


def batch_loader(
    batches: PlannedBatches, plans: PlanStream, workers: int, seed: int, pin_memory: bool = False
) -> DataLoader[dict[str, torch.Tensor]]:
    """Loader of the batches of a stream of plans.

    Args:
        workers: processes that draw; 0 draws in this one.
        seed: of the loader's own generator. The global one would be advanced by each loader, so
            that a run that was resumed would differ from one that was not.
        pin_memory: whether batches are put into page-locked memory, for a GPU.
    """
    extras: dict[str, Any] = {"prefetch_factor": 4} if workers else {}
    return DataLoader(
        batches,
        batch_size=None,
        sampler=plans,
        num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
        worker_init_fn=_one_thread,
        pin_memory=pin_memory,
        **extras,
    )


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
    end_with_parent()
