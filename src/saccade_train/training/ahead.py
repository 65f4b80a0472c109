"""Processes that make batches ahead of the training step.

Drawing text holds the interpreter's lock, so threads would not help. A worker gets the maker once,
when it starts; after that only jobs and batches travel. What a job gives does not depend on which
worker does it, nor on how many there are.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Generic, TypeVar

__all__ = ["Ahead"]

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")
_WAITING = 2
"""Results that each worker may be ahead."""
_PARENT_POLL = 2.0
"""Seconds after which a worker notices that the training was killed."""


class Ahead(Generic[_Job, _Result]):
    """Runs one function on a row of jobs, a few jobs ahead of who asks for the results.

    Args:
        make: From a job to its result; picklable, and cheap to import (no torch) in a worker.
        workers: Processes; 0 makes each result when it is asked for.
    """

    def __init__(self, make: Callable[[_Job], _Result], workers: int) -> None:
        self._make = make
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def map(self, jobs: Iterable[_Job]) -> Iterator[_Result]:
        """Results in the order of the jobs; close the iterator to forget those under way."""
        if self._workers == 0:
            for job in jobs:
                yield self._make(job)
            return
        if self._pool is None:
            # Not by fork: threads of torch and OpenCV are running.
            self._pool = ProcessPoolExecutor(
                self._workers,
                mp_context=get_context("spawn"),
                initializer=_start_worker,
                initargs=(self._make, os.getpid()),
            )
        waiting: deque[Future[_Result]] = deque()
        try:
            for job in jobs:
                waiting.append(self._pool.submit(_work, job))
                if len(waiting) > self._workers * _WAITING:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


_made_by: Callable[[Any], Any] | None = None


def _start_worker(make: Callable[[Any], Any], parent: int) -> None:
    global _made_by
    _made_by = make
    # Ctrl-C reaches the whole group of processes; the training decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    """End when the training was killed: nobody would end this process then."""
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL)
    os._exit(0)


def _work(job: Any) -> Any:
    assert _made_by is not None
    return _made_by(job)
