"""A search with its switches: whitening, DBA, query expansion, re-ranking, in this order.

The order is that of the landmark entries of 2019: whiten, augment the gallery, expand the queries
against it, re-rank what was found. Pure functions on arrays; exact search.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saccade.gallery._vectors import check_whole, pair_of_arrays, top_rows
from saccade.gallery.expansion import augment_database, expand_queries
from saccade.gallery.reranking import k_reciprocal_distances
from saccade.gallery.whitening import Whitening

__all__ = ["search_vectors"]


def search_vectors(
    queries: ArrayLike,
    base: ArrayLike,
    k: int,
    *,
    whiten: Whitening | None = None,
    dba: int = 0,
    qe: int = 0,
    alpha: float = 3.0,
    rerank: bool = False,
    shortlist: int = 200,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k best base vectors for each query.

    Each query is answered by itself: what else is asked in the same call changes nothing.

    Args:
        queries: (Q, D) float32 of unit length.
        base: (N, D) float32 of unit length.
        k: How many; may be above N.
        whiten: Fitted on vectors like those of the base; None for none.
        dba: Neighbours that each base vector is augmented with; 0 for none.
        qe: Neighbours that each query is expanded with; 0 for none.
        alpha: For both: a neighbour weighs ``similarity ** alpha``; 0 weighs all alike.
        rerank: Whether the shortlist is ordered anew by k-reciprocal encoding.
        shortlist: How many are re-ranked; what lies beyond keeps its order.

    Returns:
        Indices (Q, k) int64, padded with -1, and scores (Q, k) float32, padded with -inf, best
        first. Scores are cosine similarities of the changed vectors; with ``rerank`` one minus the
        new distance, 0..1, and beyond the shortlist ``(cosine - 1) / 2``, -1..0. A calibration of
        plain similarities holds for none of them.

    Raises:
        OptionError: shapes that do not fit, or an option outside its range.
    """
    left, right = pair_of_arrays(queries, base)
    check_whole(k, "k", 1)
    check_whole(shortlist, "shortlist", 1)
    if whiten is not None:
        left, right = whiten(left), whiten(right)
    if dba:
        right = augment_database(right, n=dba, alpha=alpha)
    if qe:
        left = expand_queries(left, right, n=qe, alpha=alpha)
    most = min(max(k, shortlist) if rerank else k, len(right))
    found, scores = top_rows(left, right, most)
    if rerank and most:
        head = min(shortlist, most)
        scores = np.asarray((scores - 1) / 2, np.float32)
        found[:, :head], scores[:, :head] = _reranked(left, right, found[:, :head])
    indices = np.full((len(left), k), -1, np.int64)
    padded = np.full((len(left), k), -np.inf, np.float32)
    have = min(k, most)
    indices[:, :have], padded[:, :have] = found[:, :have], scores[:, :have]
    return indices, padded


def _reranked(
    queries: NDArray[np.float32], base: NDArray[np.float32], found: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    order = np.empty_like(found)
    scores = np.empty(found.shape, np.float32)
    for row, (query, near) in enumerate(zip(queries, found, strict=True)):
        distances = k_reciprocal_distances(query[None], base[near])[0]
        best = np.argsort(distances, kind="stable")
        order[row], scores[row] = near[best], 1 - distances[best]
    return order, scores
