"""What the arithmetic on descriptors shares: checks, unit length, and the most similar rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saccade.errors import OptionError

__all__ = ["blocks", "check_whole", "pair_of_arrays", "top_rows", "unit_rows", "vector_array"]

# Similarities that are held at once, 64 MiB of float32.
_MOST = 1 << 24


def vector_array(values: ArrayLike, what: str) -> NDArray[np.float32]:
    """Check descriptors, and give them as float32 (N, D).

    Raises:
        OptionError: another shape, or numbers that are not finite.
    """
    array = np.asarray(values, np.float32)
    if array.ndim != 2:
        raise OptionError(f"{what} have shape {array.shape}; expected (N, D)")
    if not np.isfinite(array).all():
        raise OptionError(f"{what} hold NaN or infinity; embed those pictures again")
    return array


def pair_of_arrays(
    queries: ArrayLike, base: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Check queries (Q, D) and base (N, D), which must be of one length."""
    left, right = vector_array(queries, "queries"), vector_array(base, "base vectors")
    if left.shape[1] != right.shape[1]:
        raise OptionError(
            f"queries have {left.shape[1]} numbers each and base vectors {right.shape[1]}; "
            "expected as many, from one model"
        )
    return left, right


def check_whole(value: int, name: str, least: int) -> int:
    """Refuse what is no whole number from ``least`` on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name} is {value!r}; expected a whole number from {least} on")
    return int(value)


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1, in float64; rows of zeros stay zeros."""
    wide = vectors.astype(np.float64)
    # Dividing by the largest number first keeps the squares of tiny rows above zero.
    wide /= _or_one(np.abs(wide).max(axis=1, keepdims=True, initial=0.0))
    wide /= _or_one(np.linalg.norm(wide, axis=1, keepdims=True))
    return wide.astype(np.float32)


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Cut rows so that a block of rows x columns float32 stays within 64 MiB."""
    step = max(1, _MOST // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def top_rows(
    queries: NDArray[np.float32],
    base: NDArray[np.float32],
    k: int,
    *,
    without_self: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k base vectors of the largest inner product for each query, best first.

    Equal similarities keep the order of the base.

    Args:
        queries: (Q, D).
        base: (N, D).
        k: 0..N; 0..N - 1 without self.
        without_self: whether query i is base i and must not find itself.

    Returns:
        (Q, k) indices and (Q, k) similarities.
    """
    indices = np.empty((len(queries), k), np.int64)
    similarities = np.empty((len(queries), k), np.float32)
    if not k:
        return indices, similarities
    for block in blocks(len(queries), len(base)):
        rows = queries[block] @ base.T
        if without_self:
            rows[np.arange(len(rows)), np.arange(block.start, block.stop)] = -np.inf
        # Only what is at least the k-th best is sorted, ties at the edge included.
        edge = -np.partition(-rows, k - 1, axis=1)[:, k - 1]
        for place, (row, least) in enumerate(zip(rows, edge, strict=True), block.start):
            near = np.flatnonzero(row >= least)
            best = near[np.argsort(-row[near], kind="stable")[:k]]
            indices[place], similarities[place] = best, row[best]
    return indices, similarities


def _or_one(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    ones: NDArray[np.float64] = np.where(lengths > 0, lengths, 1.0)
    return ones
