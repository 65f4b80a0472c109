"""Batches of P classes with K pictures each, for losses on pairs and triplets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError

__all__ = ["identity_order", "pk_order", "pk_probabilities"]

Numbers = NDArray[np.int64]


def pk_probabilities(
    counts: Numbers,
    weigh: Literal["class", "picture"] = "picture",
    ranges: Sequence[tuple[int, int, float]] = (),
) -> NDArray[np.float64]:
    """How likely each class is to be drawn first.

    Args:
        counts: pictures of each class, (C,); classes without any are never drawn.
        weigh: ``"class"``: all classes alike (PaddleClas' ``id_avg_prob``); ``"picture"``: by their
            number of pictures (``sample_avg_prob``).
        ranges: (first, last, factor): the classes first..last, both included, are so many times as
            likely (``id_list`` and ``ratio``).

    Returns:
        float64 (C,), of sum 1.

    Raises:
        OptionError: a range outside the classes, or a factor below 0.

    Examples:
        >>> pk_probabilities(np.array([10, 4, 2, 1]), "class", [(1, 2, 4)]).round(3).tolist()
        [0.1, 0.4, 0.4, 0.1]
    """
    chances = counts.astype(np.float64) if weigh == "picture" else (counts > 0).astype(np.float64)
    for first, last, factor in ranges:
        if not 0 <= first <= last < len(counts) or factor < 0:
            raise OptionError(
                f"range ({first}, {last}, {factor:g}): expected classes from 0 to "
                f"{len(counts) - 1} and a factor of at least 0"
            )
        chances[first : last + 1] *= factor
    if not chances.sum() > 0:
        raise OptionError("no class can be drawn: all are empty or of weight 0")
    result: NDArray[np.float64] = chances / chances.sum()
    return result


def pk_order(
    labels: Numbers,
    *,
    steps: int,
    batch_size: int,
    per_class: int,
    seed: int,
    epoch: int,
    weigh: Literal["class", "picture"] = "picture",
    ranges: Sequence[tuple[int, int, float]] = (),
) -> Numbers:
    """PKSampler: for each batch P distinct classes by chance, and K pictures of each.

    A class with fewer than K pictures gives some of them more than once. Where there are fewer than
    P classes, all of them come again; the reference refuses that.

    Args:
        labels: class of each picture, (N,).
        steps: batches.
        batch_size: P times K; the K pictures of a class stand together.
        per_class: K.
        seed: of the training.
        epoch: from 0.
        weigh: see :func:`pk_probabilities`.
        ranges: likewise.

    Returns:
        int64 (steps * batch_size,).
    """
    classes = _classes_of_batch(batch_size, per_class)
    members = _members(labels)
    chances = pk_probabilities(np.array([len(one) for one in members]), weigh, ranges)
    drawable = int(np.count_nonzero(chances))
    rng = np.random.default_rng([seed, epoch, 0x7B])
    parts: list[Numbers] = []
    for _ in range(steps):
        left = classes
        while left:
            chosen = rng.choice(len(chances), min(left, drawable), replace=False, p=chances)
            parts += [_some(members[number], per_class, rng) for number in chosen]
            left -= len(chosen)
    return np.concatenate(parts)


def identity_order(
    labels: Numbers, *, steps: int, batch_size: int, per_class: int, seed: int, epoch: int
) -> Numbers:
    """DistributedRandomIdentitySampler: classes in chunks of K, P random classes a batch.

    Each class is shuffled and cut into chunks of K (one with fewer than K pictures is filled up
    from itself; what is left over at the end of another waits for other epochs). While P classes
    have a chunk left, a batch takes one of each of P random ones; then all begin anew.

    Args and result as of :func:`pk_order`.
    """
    classes = _classes_of_batch(batch_size, per_class)
    members = [one for one in _members(labels) if len(one)]
    rng = np.random.default_rng([seed, epoch, 0x1D])
    parts: list[Numbers] = []
    chunks: dict[int, list[Numbers]] = {}
    for _ in range(steps):
        if len(chunks) < min(classes, len(members)):
            chunks = {n: _chunks(one, per_class, rng) for n, one in enumerate(members)}
        left = classes
        while left:
            # More than once round only where there are fewer than P classes.
            if not chunks:
                chunks = {n: _chunks(one, per_class, rng) for n, one in enumerate(members)}
            chosen = rng.choice(list(chunks), min(left, len(chunks)), replace=False)
            for number in chosen.tolist():
                parts.append(chunks[number].pop())
                if not chunks[number]:
                    del chunks[number]
            left -= len(chosen)
    return np.concatenate(parts)


def _classes_of_batch(batch_size: int, per_class: int) -> int:
    if per_class < 1 or batch_size % per_class:
        raise OptionError(
            f"a batch of {batch_size} cannot be made of classes with {per_class} pictures each"
        )
    return batch_size // per_class


def _members(labels: Numbers) -> list[Numbers]:
    order = np.argsort(labels, kind="stable").astype(np.int64)
    ends = np.cumsum(np.bincount(labels))
    return np.split(order, ends[:-1])


def _some(members: Numbers, count: int, rng: np.random.Generator) -> Numbers:
    chosen: Numbers = rng.choice(members, count, replace=len(members) < count)
    return chosen


def _chunks(members: Numbers, size: int, rng: np.random.Generator) -> list[Numbers]:
    order = rng.permutation(members)
    if len(order) < size:
        order = np.concatenate([order, rng.choice(members, size - len(order))])
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
