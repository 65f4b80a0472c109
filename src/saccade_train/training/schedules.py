"""The learning rate of a step: a pure function, so that nothing of it needs saving.

Warm-up is linear, from 0 or from a share of the peak. Cosine (arXiv 1608.03983, without restarts)
runs over the steps after the warm-up: with W warm-up steps of S in total, the rate at step
``t >= W`` is ``end + (peak - end) / 2 * (1 + cos(pi * (t - W) / (S - W)))``. So it is in PaddleClas
and in PaddleDetection. FixMatch's cosine (arXiv 2001.07685) is ``peak * cos(7/16 pi k / K)``.
"""

from __future__ import annotations

import math

from saccade_train.recipes.schema import ScheduleOptions

__all__ = ["learning_rate", "warmup_steps"]


def warmup_steps(schedule: ScheduleOptions, steps_per_epoch: int) -> int:
    """Number of warm-up steps."""
    return schedule.warmup_steps or round(schedule.warmup_epochs * steps_per_epoch)


def learning_rate(
    step: int, *, peak: float, schedule: ScheduleOptions, steps_per_epoch: int, epochs: int
) -> float:
    """The learning rate of optimiser step ``step`` (the first one is 0).

    Args:
        step: Steps done before this one, from 0.
        peak: The highest rate.
        schedule: Its shape.
        steps_per_epoch: Optimiser steps of an epoch.
        epochs: Epochs of the whole training.

    Returns:
        The rate. During warm-up it is ``peak * (f + (1 - f) * step / W)`` with ``f`` =
        ``warmup_from``; where that is 0, so is the very first rate.
    """
    warmup = warmup_steps(schedule, steps_per_epoch)
    if step < warmup:
        start = schedule.warmup_from
        return peak * start + peak * (1 - start) * step / warmup
    match schedule.kind:
        case "constant":
            return peak
        case "piecewise":
            passed = sum(step >= round(epoch * steps_per_epoch) for epoch in schedule.boundaries)
            return float(peak * schedule.factor**passed)
        case "cosine" | "cosine_7_16":
            length = max(1, (schedule.epochs or epochs) * steps_per_epoch - warmup)
            done = min(1.0, (step - warmup) / length)
            if schedule.kind == "cosine_7_16":
                return peak * math.cos(7 / 16 * math.pi * done)
            return schedule.end + (peak - schedule.end) / 2 * (1 + math.cos(math.pi * done))
