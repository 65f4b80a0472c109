"""PyTorch as it comes, to measure exported graphs against.

``saccade bench MODEL --against eager:RUN`` ends up here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from saccade.errors import OptionError, nearest
from saccade_train.export.load import load_run
from saccade_train.export.network import Network
from saccade_train.export.parity import torch_outputs
from saccade_train.models.classifier import ARCHITECTURES, build_classifier

__all__ = ["open_eager"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_CLASSES = 1000


def open_eager(
    run: str | os.PathLike[str], threads: int
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Open a network in eager PyTorch.

    Args:
        run: a run folder, or the name of an architecture, which gets random weights and 1000
            classes.
        threads: for the computation. PyTorch has one number for the whole process, which is set.

    Returns:
        A function from uint8 (N, H, W, 3) to probabilities, float32 (N, C); of a text network to
        its output, see :func:`saccade_train.export.network.deployed_outputs`.

    Raises:
        OptionError: neither a folder nor an architecture.
        TrainingError: the run folder is damaged.

    Examples:
        >>> classify = open_eager("lcnet_x0_25", threads=1)
        >>> classify(np.zeros((2, 32, 32, 3), np.uint8)).shape
        (2, 1000)
    """
    model, mean, std = _open(run)
    torch.set_num_threads(threads)

    def compute(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return next(iter(torch_outputs(model, batch, mean, std).values()))

    return compute


def _open(
    run: str | os.PathLike[str],
) -> tuple[Network, tuple[float, ...], tuple[float, ...]]:
    name = os.fspath(run)
    if Path(name).exists():
        trained = load_run(name)
        return trained.model, trained.recipe.data.mean, trained.recipe.data.std
    if name not in ARCHITECTURES:
        raise OptionError(
            f"{name!r} is neither a run folder nor an architecture; {nearest(name, ARCHITECTURES)}"
        )
    return build_classifier(name, _CLASSES).eval(), IMAGENET_MEAN, IMAGENET_STD
