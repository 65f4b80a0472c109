"""Measuring models fairly: interleaved, paired, and each one's memory in a process of its own.

A machine is never quite alone, and its clock changes. Subjects are therefore run in turns, one
round after another (A B, B A, A B, ...), and compared within each round: what slows a round down
slows all of its subjects, and the ratio stays.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saccade.errors import MissingExtra, ModelError, OptionError, SaccadeError

__all__ = [
    "EAGER",
    "Case",
    "Memory",
    "Ratio",
    "Timing",
    "interleave",
    "measure_memory",
    "open_case",
    "paired_ratio",
    "timing",
]

EAGER = "eager"

_WARM_UP = 5
# Threads of the engine before may still be awake; they get time to lie down.
_PAUSE_S = 0.002


@dataclass(frozen=True)
class Timing:
    """How long the runs of one subject took.

    Attributes:
        median_ms: Half of the runs were faster.
        p90_ms: Nine of ten runs were faster.
        images_per_second: Pictures of all runs by the time of all runs.
        runs: How many were measured.
    """

    median_ms: float
    p90_ms: float
    images_per_second: float
    runs: int


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as a reference, paired round by round.

    Attributes:
        median: Over the rounds.
        p10: One round in ten was below.
        p90: One round in ten was above.
    """

    median: float
    p10: float
    p90: float


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process that opens a model and runs some batches.

    Attributes:
        peak_mib: The most it held, with the interpreter and the engine.
        model_mib: How much of that came after the engine was imported: the graph, its weights and
            its work space.
    """

    peak_mib: float
    model_mib: float


@dataclass(frozen=True)
class Case:
    """One way to run one model.

    Attributes:
        model: Name or file of a model; for the runtime ``"eager"`` the folder of a training run.
        runtime: One of ``saccade.runtime.RUNTIMES``, or ``"eager"``: PyTorch without export.
        threads: Threads of one run.
        batch: Pictures of one run.
        size: Height and width of the pictures; None takes them from the model's card.
    """

    model: str
    runtime: str
    threads: int
    batch: int
    size: tuple[int, int] | None = None


def interleave(
    subjects: Mapping[str, Callable[[], object]], runs: int, *, warm_up: int = _WARM_UP
) -> dict[str, NDArray[np.float64]]:
    """Run subjects in turns and take the time of every run.

    Args:
        subjects: What to run, by name.
        runs: Rounds that are measured; each runs every subject once.
        warm_up: Rounds before, that are not.

    Returns:
        Seconds of each run ``(runs,)`` by name; equal places are of one round.

    Raises:
        OptionError: ``runs`` is below 1.
    """
    if runs < 1:
        raise OptionError(f"runs is {runs}, expected at least 1")
    seconds = {name: np.empty(runs) for name in subjects}
    order = list(subjects)
    for turn in range(-warm_up, runs):
        for name in order:
            time.sleep(_PAUSE_S)
            start = time.perf_counter()
            subjects[name]()
            elapsed = time.perf_counter() - start
            if turn >= 0:
                seconds[name][turn] = elapsed
        order.reverse()
    return seconds


def timing(seconds: NDArray[np.float64], batch: int) -> Timing:
    """Sum up the runs of one subject.

    Args:
        seconds: Of each run, ``(runs,)``.
        batch: Pictures of one run.
    """
    return Timing(
        median_ms=float(1000 * np.median(seconds)),
        p90_ms=float(1000 * np.percentile(seconds, 90)),
        images_per_second=float(batch * len(seconds) / seconds.sum()),
        runs=len(seconds),
    )


def paired_ratio(seconds: NDArray[np.float64], reference: NDArray[np.float64]) -> Ratio:
    """How many times as fast as the reference a subject is.

    Args:
        seconds: Of each run of the subject, ``(runs,)``.
        reference: Of each run of the reference, ``(runs,)``, in the same rounds.
    """
    ratios = reference / seconds
    low, middle, high = (float(value) for value in np.percentile(ratios, [10, 50, 90]))
    return Ratio(median=middle, p10=low, p90=high)


def open_case(case: Case) -> Callable[[], object]:
    """Open a model and draw a batch of noise for it.

    Returns:
        A function without arguments that runs the batch once.

    Raises:
        SaccadeError: The model, the runtime or the number of threads cannot be had.
    """
    if case.batch < 1:
        raise OptionError(f"batch is {case.batch}, expected at least 1")
    run, size = _open_eager(case) if case.runtime == EAGER else _open_model(case)
    height, width = case.size or size
    batch = np.random.default_rng(0).integers(
        0, 256, (case.batch, height, width, 3), dtype=np.uint8
    )
    return lambda: run(batch)


def measure_memory(case: Case) -> Memory | None:
    """Measure the memory of one case in a fresh process.

    Returns:
        None where the system does not tell (only Linux tells it exactly).

    Raises:
        ModelError: The process failed.
    """
    if not Path("/proc/self/status").exists():
        return None
    command = [sys.executable, "-c", "from saccade.bench import _probe; _probe()"]
    asked = json.dumps([case.model, case.runtime, case.threads, case.batch, case.size])
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise ModelError(f"{case.model}: its memory cannot be measured ({lines[-1]})")
    peak, before = json.loads(done.stdout.splitlines()[-1])
    return Memory(peak_mib=round(peak, 1), model_mib=round(peak - before, 1))


def _open_model(case: Case) -> tuple[Callable[[NDArray[np.uint8]], object], tuple[int, int]]:
    from saccade import zoo
    from saccade.modelfile import read_card
    from saccade.runtime import open_session

    path = zoo.find(case.model)
    prepare = read_card(path).prepare
    session = open_session(path, runtime=case.runtime, threads=case.threads)
    return session.run, (prepare.height, prepare.width)


def _open_eager(case: Case) -> tuple[Callable[[NDArray[np.uint8]], object], tuple[int, int]]:
    # By name, since this package never imports the workshop.
    try:
        eager = importlib.import_module("saccade_train.export.eager")
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train", "a comparison with PyTorch") from error
    run: Callable[[NDArray[np.uint8]], object] = eager.open_eager(Path(case.model), case.threads)
    return run, case.size or (224, 224)


def _probe() -> None:
    """The child of :func:`measure_memory`: prints its peak and its memory before the model."""
    case = Case(*json.loads(sys.stdin.read()))
    importlib.import_module("saccade.zoo")
    if case.runtime == EAGER:
        importlib.import_module("saccade_train.export.eager")
    elif case.runtime == "onnxruntime":
        importlib.import_module("onnxruntime")
    else:
        importlib.import_module("saccade.runtime.openvino").import_openvino()
    before = _status_mib("VmRSS")
    try:
        run = open_case(case)
        for _ in range(_WARM_UP):
            run()
    except SaccadeError as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps([_status_mib("VmHWM"), before]) + "\n")


def _status_mib(key: str) -> float:
    """A line of ``/proc/self/status``; unlike ``ru_maxrss`` it knows nothing of the parent."""
    status: dict[str, Any] = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    return int(status[key].split()[0]) / 1024
