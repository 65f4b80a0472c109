"""What a task brings to the training loop: all that differs between two tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from saccade.errors import Problem
from saccade_train.recipes import Recipe

from .feed import Plan

__all__ = ["Task"]


class Task(Protocol):
    """A recipe with its data, ready for :mod:`saccade_train.training.loop`."""

    decisive: str
    """The score whose greatest value marks the best weights."""
    problems: tuple[Problem, ...]
    """Samples that were left out."""
    fingerprint: str
    """Two trainings with the same one saw the same samples."""
    train_size: int
    """Samples of an epoch."""
    val_size: int
    """Samples of an evaluation."""

    @property
    def recipe(self) -> Recipe:
        """What to do."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """What the outputs mean: labels, or the characters of an alphabet; may be empty."""
        ...

    def build(self) -> nn.Module:
        """The network, or the networks, that learn; freshly drawn."""
        ...

    def deployed(self, model: nn.Module) -> nn.Module:
        """The part of it that is evaluated, kept as the best and exported."""
        ...

    def batches(self, plan: Plan, *, epoch: int, start: int, process: int) -> Iterator[Any]:
        """The batches of one process, ``plan.pieces`` for each step, from step ``start`` on."""
        ...

    def loss(self, module: Any, batch: Any, device: torch.device, seed: int) -> Tensor:
        """Run the networks on a batch; a scalar, the mean over the batch's samples."""
        ...

    def evaluate(self, fabric: Fabric, model: nn.Module) -> dict[str, float]:
        """Scores of the deployed network; every process gets the same."""
        ...

    def names(self, batches: Sequence[Any]) -> list[str]:
        """What is in some batches, for a user who looks for a broken sample."""
        ...
