"""Search each vector's like among others, a part of the queries at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saccade.metrics.retrieval import retrieval_metrics

__all__ = ["search_scores"]

_QUERIES = 256
"""Queries that are ranked together; bounds the memory of large galleries."""


def search_scores(
    queries: NDArray[np.float32],
    labels: NDArray[np.generic],
    gallery: NDArray[np.float32] | None,
    gallery_labels: NDArray[np.generic],
) -> dict[str, float]:
    """Scores of a search by inner product.

    Args:
        queries: (Q, D), of unit length.
        labels: (Q,).
        gallery: (G, D); None searches each query among all other queries.
        gallery_labels: (G,).

    Returns:
        ``recall_at_1``, ``recall_at_5`` and ``map``, not a number where no query has anything to
        find; and ``n``, the number of queries that have.
    """
    found = queries if gallery is None else gallery
    sums: dict[str, float] = {}
    answerable = 0
    for start in range(0, len(queries), _QUERIES):
        part = slice(start, start + _QUERIES)
        rows = np.arange(len(queries))[part]
        itself = rows[:, None] == np.arange(len(found)) if gallery is None else None
        scores = retrieval_metrics(
            queries[part] @ found.T, labels[part], gallery_labels, exclude=itself
        )
        count = int(scores.pop("n"))
        answerable += count
        for name, value in scores.items():
            sums[name] = sums.get(name, 0.0) + (value * count if count else 0.0)
    means = {name: value / answerable if answerable else np.nan for name, value in sums.items()}
    return {**means, "n": answerable}
