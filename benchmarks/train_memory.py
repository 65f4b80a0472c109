"""What it costs a training step that freed memory goes back to the system (Linux with glibc).

    python benchmarks/train_memory.py [--arch picodet_s] [--batch 16] [--size 320] [--steps 6]

Forward and backward passes on one thread, with and without
:func:`saccade_train.training.memory.keep_freed_memory`, each in a process of its own. Printed: the
medians of processor seconds a step, in the program and in the system, and page faults.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys

import torch

from saccade_train.models.detector import DETECTORS, build_detector
from saccade_train.training.memory import keep_freed_memory


def measure(arch: str, batch: int, size: int, steps: int) -> str:
    """Run the steps; the first one counts for nothing."""
    torch.set_num_threads(1)
    model = build_detector(arch, 3).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures = torch.randn(batch, 3, size, size).to(memory_format=torch.channels_last)
    rows = []
    for _ in range(steps + 1):
        before = resource.getrusage(resource.RUSAGE_SELF)
        output = model(pictures)
        (output.scores.sum() + output.regression.square().mean()).backward()
        model.zero_grad(set_to_none=True)
        after = resource.getrusage(resource.RUSAGE_SELF)
        names = ("ru_utime", "ru_stime", "ru_minflt")
        rows.append([getattr(after, name) - getattr(before, name) for name in names])
    user, system, faults = (
        statistics.median(column) for column in list(zip(*rows[1:], strict=True))
    )
    most = after.ru_maxrss / 1024
    return (
        f"{user:.2f} s + {system:.2f} s in the system, {faults:,.0f} faults, at most {most:.0f} MB"
    )


def main() -> None:
    """Measure twice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--arch", choices=DETECTORS, default="picodet_s")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--child", choices=("given back", "kept"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is None:
        for child in ("given back", "kept"):
            subprocess.run([sys.executable, *sys.argv, "--child", child], check=True)
        return
    if arguments.child == "kept":
        keep_freed_memory()
    shown = measure(arguments.arch, arguments.batch, arguments.size, arguments.steps)
    print(f"{arguments.child}: {shown}", flush=True)


if __name__ == "__main__":
    main()
