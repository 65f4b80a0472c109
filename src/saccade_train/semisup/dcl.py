"""DCL's parts: destruction and construction learning (CVPR 2019), as pure functions.

A picture is cut into N x N patches which are shuffled over short distances: what is left to
recognise by are details. Heads tell shuffled pictures from whole ones and where each patch was.
Facts follow ``JDAI-CV/DCL``.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train._types import Image

__all__ = ["confuse_regions", "local_shuffle", "position_loss", "position_targets"]


def local_shuffle(patches: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """An arrangement of N x N patches in which each is near its place.

    As each row is filled, the new patch changes places with its left neighbour by a fair coin; then
    the new row with the one above it, likewise. A patch goes at most one place left or up, and by
    luck further right or down.

    Args:
        patches: N, at least 1.
        rng: Source of randomness.

    Returns:
        int64 (N, N): which patch (row-major number) lies at each place.
    """
    rows: list[list[int]] = []
    for row in range(patches):
        line: list[int] = []
        for column in range(patches):
            line.append(row * patches + column)
            if column and rng.random() < 0.5:
                line[-2:] = line[:-3:-1]
        rows.append(line)
        if row and rng.random() < 0.5:
            rows[-2:] = rows[:-3:-1]
    return np.array(rows, np.int64)


def confuse_regions(image: Image, arrangement: NDArray[np.int64], *, border: int = 10) -> Image:
    """Rearrange the patches of a picture (the region confusion mechanism).

    Args:
        image: uint8 RGB (H, W, 3).
        arrangement: Which patch lies at each place, (N, N).
        border: Pixels that are cut off on each side before; the result is enlarged to make up.

    Returns:
        uint8 (H, W, 3). Patches of unequal size are resized to that of their new place.

    Raises:
        OptionError: The picture has fewer pixels than patches inside its border.
    """
    height, width = image.shape[:2]
    count = len(arrangement)
    inner = image[border : height - border, border : width - border] if border else image
    if min(inner.shape[:2]) < count:
        raise OptionError(
            f"a picture of {width}x{height} without a border of {border} pixels cannot be cut into "
            f"{count}x{count} patches; take a smaller border or fewer patches"
        )
    downs = [int(inner.shape[0] * step / count) for step in range(count + 1)]
    rights = [int(inner.shape[1] * step / count) for step in range(count + 1)]
    mixed = np.empty_like(inner)
    for row in range(count):
        for column in range(count):
            below, beside = divmod(int(arrangement[row, column]), count)
            patch = inner[downs[below] : downs[below + 1], rights[beside] : rights[beside + 1]]
            place = (slice(downs[row], downs[row + 1]), slice(rights[column], rights[column + 1]))
            wanted = mixed[place].shape[:2]
            if patch.shape[:2] != wanted:
                size = (wanted[1], wanted[0])
                patch = np.asarray(
                    cv2.resize(patch, size, interpolation=cv2.INTER_LINEAR), np.uint8
                )
            mixed[place] = patch
    if mixed.shape == image.shape:
        return mixed
    return np.asarray(cv2.resize(mixed, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def position_targets(arrangement: NDArray[np.int64]) -> NDArray[np.float32]:
    """Where each patch was: its number, centred and divided by N^2.

    *Unverified* in the specification (general knowledge): ``(number - N^2 // 2) / N^2``.

    Args:
        arrangement: (N, N); ``arange`` for a whole picture.

    Returns:
        float32 (N * N,), row-major.
    """
    total = arrangement.size
    return ((arrangement.reshape(-1) - total // 2) / total).astype(np.float32)


def position_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """L1 between predicted and true positions, (N, P) each; its weight is 1 for birds."""
    return F.l1_loss(predicted, torch.as_tensor(targets, dtype=predicted.dtype))
