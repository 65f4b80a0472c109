"""What the models of earlier rounds think of pictures: the mean over models and mirror images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from saccade.errors import OptionError
from saccade_train._types import Image
from saccade_train.recipes import ClassifyRecipe
from saccade_train.training.evaluate import normaliser, predict
from saccade_train.training.run import load_trained

from .ensemble import mean_probabilities
from .select import energy

__all__ = ["Opinion", "ask_teachers"]


@dataclass(frozen=True)
class Opinion:
    """Of several networks on N pictures."""

    probabilities: NDArray[np.float32]
    """Mean of the softmax, (N, C)."""
    energies: NDArray[np.float64]
    """Mean of the energies, (N,); low for pictures of the classes."""


def ask_teachers(
    runs: Sequence[Path],
    read: Callable[[int], Image],
    count: int,
    *,
    recipe: ClassifyRecipe,
    fabric: Fabric,
    flips: bool,
) -> Opinion:
    """Let the best models of run folders look at pictures.

    Args:
        runs: At least one, all of the recipe's classes.
        read: Gives picture ``0 .. count - 1``, prepared for evaluation, uint8 (H, W, 3).
        count: How many.
        recipe: Says mean and standard deviation of the pixels.
        fabric: Device and precision.
        flips: Look at mirror images too.

    Raises:
        OptionError: No run.
    """
    if not runs:
        raise OptionError("no teacher to ask; give at least one run folder")
    data = recipe.data
    change = normaliser(data.mean, data.std, fabric.device, channels_last=recipe.channels_last)
    views: list[Callable[[int], Image]] = [read]
    if flips:
        views.append(lambda number: np.ascontiguousarray(read(number)[:, ::-1]))
    members, energies = [], []
    for run in runs:
        model = load_trained(run).model.to(fabric.device)
        if recipe.channels_last:
            model = model.to(memory_format=torch.channels_last)
        for view in views:
            logits = predict(fabric, model, view, count, change)
            members.append(torch.from_numpy(logits).softmax(1))
            energies.append(energy(logits))
    mean = mean_probabilities(members).numpy()
    return Opinion(np.asarray(mean, np.float32), np.mean(energies, axis=0))
