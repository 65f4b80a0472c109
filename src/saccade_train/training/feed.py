"""The order of pictures, and batches of them made ahead of the training step.

Nothing here keeps a position: which pictures a batch holds, and what chance does to each of them,
follow from ``(seed, epoch, step)`` alone. That is why a training can be resumed in the middle of an
epoch to the same numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from saccade_train._types import Image
from saccade_train.augment.pipeline import Augment

__all__ = ["Batch", "Plan", "epoch_order", "feed", "made_ahead", "step_seed"]

Made = TypeVar("Made")


@dataclass(frozen=True)
class Batch:
    """The pictures of one forward pass of one process."""

    images: Image
    """uint8 (N, S, S, 3)."""
    labels: NDArray[np.int64]
    """(N,)."""
    numbers: NDArray[np.int64]
    """(N,) which pictures of the dataset these are."""


@dataclass(frozen=True)
class Plan:
    """How an epoch is cut into steps, pieces and processes."""

    pictures: int
    batch_size: int
    """Pictures of an optimiser step, over all pieces and processes."""
    pieces: int = 1
    processes: int = 1

    @property
    def steps(self) -> int:
        """Optimiser steps of an epoch; what does not fill the last one is left to other epochs."""
        return max(1, self.pictures // self.batch_size)

    @property
    def piece_size(self) -> int:
        """Pictures of one forward pass of one process."""
        return self.batch_size // (self.pieces * self.processes)

    def positions(self, step: int, piece: int, process: int) -> slice:
        """Which part of the epoch's order a forward pass gets."""
        start = step * self.batch_size + (piece * self.processes + process) * self.piece_size
        return slice(start, start + self.piece_size)


def epoch_order(plan: Plan, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of an epoch: int64 (steps * batch_size,), a random permutation.

    Datasets smaller than one batch fill it by going round again.
    """
    rng = np.random.default_rng([seed, epoch, 0xE0])
    order = rng.permutation(plan.pictures)
    return np.resize(order, plan.steps * plan.batch_size)


def step_seed(seed: int, step: int, piece: int, process: int) -> int:
    """One number for the random draws of a forward pass (dropout, mixing): 63 bits."""
    words = np.random.SeedSequence([seed, step, piece, process, 0x5EED]).generate_state(
        2, np.uint64
    )
    return int(words[0] >> np.uint64(1))


def feed(
    read: Callable[[int], Image],
    labels: NDArray[np.int64],
    augment: Augment,
    *,
    plan: Plan,
    size: int | tuple[int, int],
    seed: int,
    epoch: int,
    start: int = 0,
    process: int = 0,
    workers: int = 1,
    order: NDArray[np.int64] | None = None,
) -> Iterator[Batch]:
    """Yield the batches of one process for an epoch, from optimiser step ``start`` on.

    Args:
        read: Gives a picture by number.
        labels: Class of each picture, int64 (N,).
        augment: Makes a training picture of ``size`` out of it.
        plan: How the epoch is cut.
        size: Height and width of the training pictures, one number if they are equal.
        seed: Of the whole training.
        epoch: Which epoch, from 0.
        start: Steps of this epoch that are done already.
        process: Which process this is.
        workers: Threads that work ahead; 0: none. OpenCV releases the interpreter's lock, so they
            help.
        order: The pictures of the epoch, (steps * batch_size,); by default :func:`epoch_order`.

    Yields:
        ``plan.pieces`` batches for each step, in order.
    """
    height, width = (size, size) if isinstance(size, int) else size
    chosen = epoch_order(plan, seed, epoch) if order is None else order

    def make(step: int, piece: int) -> Batch:
        part = plan.positions(step, piece, process)
        numbers = chosen[part]
        images = np.empty((len(numbers), height, width, 3), np.uint8)
        for row, (position, number) in enumerate(
            zip(range(part.start, part.stop), numbers, strict=True)
        ):
            rng = np.random.default_rng([seed, epoch, position])
            images[row] = augment(read(int(number)), rng)
        return Batch(images, labels[numbers], numbers)

    jobs = ((step, piece) for step in range(start, plan.steps) for piece in range(plan.pieces))
    yield from made_ahead(make, jobs, workers)


def made_ahead(
    make: Callable[..., Made], jobs: Iterable[tuple[Any, ...]], workers: int
) -> Iterator[Made]:
    """Yield ``make(*job)`` for each job, in order, with threads that work a little ahead.

    Args:
        make: Safe to call from several threads.
        jobs: Its arguments.
        workers: Threads; 0: none.
    """
    if workers == 0:
        yield from (make(*job) for job in jobs)
        return
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="feed") as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(make, *job))
                if len(waiting) > workers + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
