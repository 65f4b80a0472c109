"""Orders over several datasets, and with each picture several times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError

__all__ = ["mix_order", "repeated_order"]

Numbers = NDArray[np.int64]


def mix_order(
    groups: Sequence[Numbers],
    shares: Sequence[float],
    *,
    steps: int,
    batch_size: int,
    seed: int,
    epoch: int,
) -> Numbers:
    """MixSampler: every batch holds a fixed share of each dataset; the last takes the remainder.

    Each dataset is gone through in random order, again and again as its share needs.

    Args:
        groups: numbers of the pictures of each dataset.
        shares: of a batch, each above 0, of sum 1; the last is what remains.
        steps: batches.
        batch_size: pictures of each.
        seed: of the training.
        epoch: from 0.

    Returns:
        int64 (steps * batch_size,).

    Raises:
        OptionError: shares that do not fit.
    """
    if len(groups) != len(shares) or not all(share > 0 for share in shares):
        raise OptionError(
            f"shares {list(shares)} for {len(groups)} datasets; expected one above 0 for each"
        )
    if abs(sum(shares) - 1) > 1e-6:
        raise OptionError(f"shares {list(shares)} add up to {sum(shares):g}; expected 1")
    counts = [int(batch_size * share) for share in shares[:-1]]
    counts.append(batch_size - sum(counts))
    if min(counts) < 1 or not all(len(group) for group in groups):
        raise OptionError(
            f"a batch of {batch_size} holds {counts} pictures; each needs one or more"
        )
    rng = np.random.default_rng([seed, epoch, 0x313])
    columns = []
    for group, count in zip(groups, counts, strict=True):
        rounds = -(-steps * count // len(group))
        order = np.concatenate([rng.permutation(group) for _ in range(rounds)])
        columns.append(order[: steps * count].reshape(steps, count))
    return np.concatenate(columns, axis=1).astype(np.int64).ravel()


def repeated_order(
    pictures: int, *, steps: int, batch_size: int, seed: int, epoch: int, times: int = 3
) -> Numbers:
    """RASampler: repeated augmentation (arXiv 1901.09335), each picture ``times`` in a row.

    An epoch keeps its length, so it shows only a part of the pictures. (The reference deals the
    copies of a picture to different processes; here they meet in one batch.)

    Args:
        pictures: how many there are.
        steps: batches.
        batch_size: pictures of each.
        seed: of the training.
        epoch: from 0.
        times: how often.

    Returns:
        int64 (steps * batch_size,).
    """
    order = np.random.default_rng([seed, epoch, 0xA6]).permutation(pictures)
    return np.resize(np.repeat(order, times), steps * batch_size)
