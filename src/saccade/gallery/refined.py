"""A search with the switches of :mod:`saccade.gallery.quality`, over a gallery as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from saccade.gallery.gallery import Gallery
from saccade.gallery.items import Found
from saccade.gallery.quality import search_vectors
from saccade.gallery.whitening import Whitening

__all__ = ["search_refined"]


def search_refined(
    gallery: Gallery,
    queries: npt.NDArray[np.float32],
    k: int = 5,
    *,
    whiten: Whitening | None = None,
    dba: int = 0,
    qe: int = 0,
    alpha: float = 3.0,
    rerank: bool = False,
    where: Mapping[str, Any] | None = None,
) -> Found:
    """Find the nearest items with whitening, DBA, query expansion or re-ranking.

    All vectors of the gallery are read at each call, and dba compares all of them: for questions to
    a gallery of thousands, not for a service over millions.

    Args:
        gallery: The gallery.
        queries: (Q, D) float32 of unit length, from the gallery's model.
        k: How many for each query.
        whiten: As of :func:`saccade.gallery.quality.search_vectors`, like the next four.
        dba: Neighbours that each item is averaged with.
        qe: Neighbours that each query is averaged with.
        alpha: For both, a neighbour weighs ``similarity ** alpha``.
        rerank: Whether what is found is ordered anew.
        where: Only items whose metadata has these values.

    Returns:
        As of :meth:`Gallery.search`; the scores are those of the changed vectors.

    Raises:
        OptionError: An option is out of range, or the queries are of another length.
    """
    ids, labels, vectors = gallery.vectors()
    if where:
        fitting = np.array([item.id for item in gallery.items(where=where)], dtype=np.int64)
        chosen = np.flatnonzero(np.isin(ids, fitting))
        ids, vectors = ids[chosen], vectors[chosen]
        labels = tuple(labels[place] for place in chosen.tolist())
    places, scores = search_vectors(
        queries, vectors, k, whiten=whiten, dba=dba, qe=qe, alpha=alpha, rerank=rerank
    )
    found = np.full(places.shape, -1, dtype=np.int64)
    found[places >= 0] = ids[places[places >= 0]]
    names = tuple(
        tuple(None if place < 0 else labels[place] for place in row) for row in places.tolist()
    )
    return Found(found, scores, names)
