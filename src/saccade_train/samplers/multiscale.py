"""Batches of several picture sizes, each about as much work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError

__all__ = ["SizedBatch", "multi_scale_batches"]


class SizedBatch(NamedTuple):
    """Pictures that are trained on at one size.

    Attributes:
        height: a multiple of 32.
        width: likewise.
        numbers: of the pictures, int64 (N,).
    """

    height: int
    width: int
    numbers: NDArray[np.int64]


def multi_scale_batches(
    pictures: int,
    sizes: Sequence[tuple[int, int]],
    *,
    base: tuple[int, int],
    batch_size: int,
    seed: int,
    epoch: int,
) -> list[SizedBatch]:
    """MultiScaleSampler: every batch draws its size, and is the larger the smaller that is.

    Args:
        pictures: how many there are; each is in one batch.
        sizes: (height, width), each side floored to a multiple of 32.
        base: the size that ``batch_size`` is meant for; others have
            ``max(1, batch_size * base area / area)`` pictures, floored.
        batch_size: see ``base``.
        seed: of the training.
        epoch: from 0.

    Returns:
        The batches of an epoch; the last may be short.

    Raises:
        OptionError: a size below 32.
    """
    floored = [(height // 32 * 32, width // 32 * 32) for height, width in sizes]
    if not floored or min(min(size) for size in floored) < 32:
        raise OptionError(f"sizes {list(sizes)}: expected one or more, each side at least 32")
    rng = np.random.default_rng([seed, epoch, 0x35])
    order = rng.permutation(pictures)
    elements = base[0] * base[1] * batch_size
    batches: list[SizedBatch] = []
    at = 0
    while at < pictures:
        height, width = floored[rng.integers(len(floored))]
        count = max(1, elements // (height * width))
        batches.append(SizedBatch(height, width, order[at : at + count]))
        at += count
    return batches
