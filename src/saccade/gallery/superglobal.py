"""Re-ranking by global vectors alone, as SuperGlobal does it (`ShihaoShao-GH/SuperGlobal`).

Shao et al., "Global Features are All You Need for Image Retrieval and Reranking" (arXiv
2308.06954); constants and steps as released.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saccade.errors import OptionError
from saccade.gallery._vectors import check_whole, pair_of_arrays, top_rows

__all__ = ["superglobal_scores"]


def superglobal_scores(
    query: ArrayLike, shortlist: ArrayLike, *, k: int = 9, beta: float = 0.15
) -> NDArray[np.float32]:
    """Score the shortlist of one query anew; the largest is the best.

    1. Each candidate becomes the mean of itself (weight 1) and its k nearest among the candidates
       (weight beta times their similarity); not scaled to unit length.
    2. The first score is its inner product with the query.
    3. The query becomes the element-wise largest of the k + 1 best of these.
    4. The second score is the inner product with that; the result the mean of both.

    Args:
        query: (D,) of unit length.
        shortlist: (M, D) of unit length, the nearest of the search; 400 in the reference.
        k: Neighbours of a candidate, itself apart; all where there are fewer.
        beta: Weight of the neighbours, 0..1.

    Returns:
        float32 (M,), in the order of the shortlist.

    Raises:
        OptionError: shapes that do not fit, or an option outside its range.
    """
    check_whole(k, "k", 1)
    if not 0 <= beta <= 1:
        raise OptionError(f"beta is {beta!r}; expected a number from 0 to 1")
    left, items = pair_of_arrays(np.asarray(query, np.float32)[None], shortlist)
    if not len(items):
        return np.zeros(0, np.float32)
    near, similarities = top_rows(items, items, min(k, len(items) - 1), without_self=True)
    weights = beta * similarities
    moved = items.copy()
    for rank in range(near.shape[1]):
        moved += weights[:, rank, None] * items[near[:, rank]]
    # A sum of weights of zero or less cannot be divided by; only far candidates have one.
    total = 1 + weights.sum(axis=1)
    moved /= np.maximum(total, 1e-3)[:, None]
    first = moved @ left[0]
    best = np.argsort(-first, kind="stable")[: k + 1]
    second = moved @ moved[best].max(axis=0)
    return np.asarray((first + second) / 2, np.float32)
