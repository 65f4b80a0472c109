"""k-reciprocal re-ranking: neighbours that also have each other as neighbours count more.

Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding" (arXiv 1701.08398),
as PP-ShiTu's evaluation uses it (`PaddlePaddle/PaddleClas:ppcls/engine/evaluation/retrieval.py`):
k1 20, k2 6, lambda 0.3. Computed in float32 on sparse rows, in blocks; the reference holds the full
matrix, partly in float16.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saccade.errors import OptionError
from saccade.gallery._vectors import blocks, check_whole, pair_of_arrays

__all__ = ["k_reciprocal_distances"]


@dataclass(frozen=True, eq=False)
class _Sparse:
    """Entries of a square matrix, sorted by row, then column; each at most once."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]


def k_reciprocal_distances(
    queries: ArrayLike,
    base: ArrayLike,
    *,
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
) -> NDArray[np.float32]:
    """Distances after re-ranking; the smallest is the best.

    All queries and all of the base are context of each other. To make an answer independent of
    the other queries, call it for one query at a time; with a large base, on a shortlist.

    Memory grows with Q N, and with the total number of vectors times k1 squared; time with the
    square of that number.

    Args:
        queries: (Q, D) of unit length.
        base: (N, D) of unit length.
        k1: Neighbours looked at.
        k2: Neighbours whose encodings are averaged; 1 for none.
        weight: lambda, 0..1: share of the plain distance in the result.

    Returns:
        float32 (Q, N), 0..1.

    Raises:
        OptionError: shapes that do not fit, or an option outside its range.
    """
    left, right = pair_of_arrays(queries, base)
    check_whole(k1, "k1", 1)
    check_whole(k2, "k2", 1)
    if not 0 <= weight <= 1:
        raise OptionError(f"weight (lambda) is {weight!r}; expected a number from 0 to 1")
    every = np.concatenate([left, right])
    if not len(left) or not len(right):
        return np.zeros((len(left), len(right)), np.float32)
    wide = min(k1, len(every) - 1) + 1
    half = min(round(k1 / 2), len(every) - 1) + 1
    near, farthest = _neighbours(every, max(wide, min(k2, len(every))))
    encoding = _encode(every, near, farthest, wide, half)
    if k2 > 1:
        encoding = _averaged(encoding, near[:, :k2])
    return _blended(left, right, farthest, encoding, weight)


def _neighbours(
    every: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest (itself first) of every vector, and the distance of the farthest."""
    near = np.empty((len(every), k), np.int64)
    farthest = np.empty(len(every), np.float32)
    for block in blocks(len(every), len(every)):
        distances = _distances(every[block], every)
        farthest[block] = distances.max(axis=1)
        distances[np.arange(len(distances)), np.arange(block.start, block.stop)] = -1
        if 4 * k < len(every):
            # Sorting all would cost most of the time; ties at the edge may fall either way.
            some = np.sort(np.argpartition(distances, k - 1, axis=1)[:, :k], axis=1)
            order = np.take_along_axis(distances, some, axis=1).argsort(axis=1, kind="stable")
            near[block] = np.take_along_axis(some, order, axis=1)
        else:
            near[block] = np.argsort(distances, axis=1, kind="stable")[:, :k]
    # Where all vectors are equal, all distances are 0, whatever they are divided by.
    return near, np.where(farthest > 0, farthest, 1).astype(np.float32)


def _distances(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances of unit vectors, 2 - 2 cos; rounding must not make them negative."""
    return np.asarray(np.maximum(2 - 2 * (some @ others.T), 0), np.float32)


def _encode(
    every: NDArray[np.float32],
    near: NDArray[np.int64],
    farthest: NDArray[np.float32],
    wide: int,
    half: int,
) -> _Sparse:
    """V: exp(-D) on the expanded k-reciprocal set of each vector, of sum 1."""
    mutual = _mutual(near, wide)
    close = _mutual(near, half)
    rows, columns, values = [], [], []
    # What is compared for one vector: its neighbours' neighbours with its neighbours.
    for block in blocks(len(every), max(len(every), wide * half * wide)):
        own, is_own = near[block, :wide], mutual[block]
        # Sets of the candidates q among the k-reciprocal neighbours of p: (P, wide, half).
        theirs, is_theirs = near[own, :half], close[own]
        inside = ((theirs[:, :, :, None] == own[:, None, None, :]) & is_own[:, None, None, :]).any(
            axis=3
        )
        shared = (inside & is_theirs).sum(axis=2)
        joins = is_own & (3 * shared > 2 * is_theirs.sum(axis=2))
        members = np.concatenate(
            [
                np.where(is_own, own, -1),
                np.where(is_theirs & joins[:, :, None], theirs, -1).reshape(len(own), -1),
            ],
            axis=1,
        )
        members.sort(axis=1)
        new = members >= 0
        new[:, 1:] &= members[:, 1:] != members[:, :-1]
        row, place = np.nonzero(new)
        column = members[row, place]
        distances = _distances(every[block], every) / farthest[block, None]
        share = np.exp(-distances[row, column].astype(np.float64))
        share /= np.bincount(row, share, minlength=len(own))[row]
        rows.append(row + block.start)
        columns.append(column)
        values.append(share)
    return _Sparse(np.concatenate(rows), np.concatenate(columns), np.concatenate(values))


def _mutual(near: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Which of the first k of each vector have it among their first k: bool (N, k)."""
    found = np.empty((len(near), k), bool)
    for block in blocks(len(near), k * k):
        back = near[near[block, :k], :k]
        found[block] = (back == np.arange(block.start, block.stop)[:, None, None]).any(axis=2)
    return found


def _averaged(encoding: _Sparse, near: NDArray[np.int64]) -> _Sparse:
    """Mean encoding of the first neighbours of each vector."""
    count = len(near)
    starts = np.searchsorted(encoding.rows, np.arange(count + 1))
    targets = np.repeat(np.arange(count), near.shape[1])
    place, which = _ranges(starts[near.ravel()], starts[near.ravel() + 1])
    keys, inverse = np.unique(targets[which] * count + encoding.columns[place], return_inverse=True)
    total = np.bincount(inverse, encoding.values[place], minlength=len(keys))
    return _Sparse(keys // count, keys % count, total / near.shape[1])


def _blended(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    farthest: NDArray[np.float32],
    encoding: _Sparse,
    weight: float,
) -> NDArray[np.float32]:
    """(1 - lambda) Jaccard + lambda D, for queries against the base."""
    queries = len(left)
    count = queries + len(right)
    split = int(np.searchsorted(encoding.rows, queries))
    starts = np.searchsorted(encoding.rows[:split], np.arange(queries + 1))
    # The base's part by column: who has something at j.
    by_column = split + np.argsort(encoding.columns[split:], kind="stable")
    holders = encoding.rows[by_column] - queries
    shares = encoding.values[by_column]
    ends = np.searchsorted(encoding.columns[by_column], np.arange(count + 1))
    result = np.empty((queries, len(right)), np.float32)
    for query in range(queries):
        own = slice(starts[query], starts[query + 1])
        columns = encoding.columns[own]
        place, which = _ranges(ends[columns], ends[columns + 1])
        least = np.minimum(shares[place], encoding.values[own][which])
        overlap = np.bincount(holders[place], least, minlength=len(right))
        jaccard = 1 - overlap / (2 - overlap)
        plain = _distances(left[query : query + 1], right)[0] / farthest[query]
        result[query] = np.clip((1 - weight) * jaccard + weight * plain, 0, 1)
    return result


def _ranges(
    starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All numbers of some ranges, one after the other, and which range each is of."""
    sizes = ends - starts
    which = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes - starts, sizes)
    return place, which
