"""How well a search ranks the right things first.

Definitions of PP-ShiTu's evaluation (`PaddlePaddle/PaddleClas:ppcls/metric/metrics.py`), in the
form without its known defects: the query's own picture is removed from the ranking instead of
being set to similarity 0, and all queries are averaged at once instead of in blocks. Queries
without any relevant item count in no mean but that of the precision. Equal similarities keep the
order of the gallery.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saccade.errors import OptionError

__all__ = [
    "mean_average_precision",
    "mean_inverse_negative_penalty",
    "precision_at_k",
    "ranked_relevance",
    "recall_at_k",
    "retrieval_metrics",
]


def ranked_relevance(
    similarity: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    exclude: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank the gallery for every query, best first.

    Args:
        similarity: (Q, G), higher is more alike.
        query_labels: (Q,); the same label means relevant.
        gallery_labels: (G,).
        exclude: (Q, G) bool, True where a gallery item takes no part in a query's ranking, for
            example because it is the query itself.

    Returns:
        Two bool arrays (Q, G): relevant at this rank, and valid rank. Items left out lie at the
        end, not valid and not relevant.

    Raises:
        OptionError: shapes that do not fit, or a similarity that is not a number.
    """
    similarity = np.asarray(similarity)
    if similarity.dtype.kind in "bu":  # these have no negative
        similarity = similarity.astype(np.int64)
    queries, gallery = np.asarray(query_labels), np.asarray(gallery_labels)
    expected = (len(queries), len(gallery))
    if similarity.shape != expected:
        raise OptionError(
            f"similarity has shape {similarity.shape}; expected {expected} for the labels"
        )
    if np.isnan(similarity).any():
        raise OptionError(
            "a similarity is not a number; check the embeddings for zero length or NaN"
        )
    out = np.zeros(expected, bool) if exclude is None else np.asarray(exclude, bool)
    if out.shape != expected:
        raise OptionError(f"exclude has shape {out.shape}; expected {expected} like the similarity")
    by_rank = np.argsort(-similarity, axis=1, kind="stable")
    # Excluded items go behind all others, whatever their similarity.
    last = np.argsort(np.take_along_axis(out, by_rank, axis=1), axis=1, kind="stable")
    order = np.take_along_axis(by_rank, last, axis=1)
    valid = ~np.take_along_axis(out, order, axis=1)
    relevant = np.logical_and(gallery[order] == queries[:, None], valid)
    return relevant, valid


def recall_at_k(
    similarity: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    k: int = 1,
    exclude: np.ndarray | None = None,
) -> float:
    """Share of queries that find at least one relevant item among the first k.

    Args:
        similarity: (Q, G), higher is more alike.
        query_labels: (Q,).
        gallery_labels: (G,).
        k: how many results are looked at.
        exclude: (Q, G) bool; see `ranked_relevance`.

    Returns:
        0..1, over the queries that have a relevant item; not a number if none has.
    """
    if k < 1:
        raise OptionError(f"recall at k = {k}; expected at least 1")
    relevant, _ = ranked_relevance(similarity, query_labels, gallery_labels, exclude)
    answerable = relevant[relevant.any(axis=1)]
    return _mean(np.any(answerable[:, :k], axis=1))


def precision_at_k(
    similarity: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    k: int = 1,
    exclude: np.ndarray | None = None,
) -> float:
    """Mean share of relevant items among the first k.

    Args:
        similarity: (Q, G), higher is more alike.
        query_labels: (Q,).
        gallery_labels: (G,).
        k: how many results are looked at; those that a small gallery lacks count as wrong.
        exclude: (Q, G) bool; see `ranked_relevance`.

    Returns:
        0..1, over all queries, as the reference defines it: one that has no relevant item counts
        0. Not a number without queries.
    """
    if k < 1:
        raise OptionError(f"precision at k = {k}; expected at least 1")
    relevant, _ = ranked_relevance(similarity, query_labels, gallery_labels, exclude)
    return _mean(relevant[:, :k].sum(axis=1) / k)


def mean_inverse_negative_penalty(
    similarity: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    exclude: np.ndarray | None = None,
) -> float:
    """mINP: how far one must look to have seen every relevant item (Ye et al., arXiv 2001.04193).

    A query scores its number of relevant items by the rank, from 1, of the last of them. (The
    reference counts that rank from 0, which gives 2 for a perfect pair.)

    Args:
        similarity: (Q, G), higher is more alike.
        query_labels: (Q,).
        gallery_labels: (G,).
        exclude: (Q, G) bool; see `ranked_relevance`.

    Returns:
        0..1, over the queries that have a relevant item; not a number if none has.
    """
    relevant, _ = ranked_relevance(similarity, query_labels, gallery_labels, exclude)
    return _mean(_inverse_negative_penalties(relevant))


def mean_average_precision(
    similarity: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    k: int | None = None,
    exclude: np.ndarray | None = None,
) -> float:
    """Mean over the queries of the precision at each relevant rank.

    Args:
        similarity: (Q, G), higher is more alike.
        query_labels: (Q,).
        gallery_labels: (G,).
        k: cut the ranking there; the sum is then divided by min(k, number of relevant items), so
            that a perfect ranking scores 1. By default the whole gallery is ranked.
        exclude: (Q, G) bool; see `ranked_relevance`.

    Returns:
        0..1, over the queries that have a relevant item; not a number if none has.
    """
    if k is not None and k < 1:
        raise OptionError(f"mean average precision at k = {k}; expected at least 1")
    relevant, _ = ranked_relevance(similarity, query_labels, gallery_labels, exclude)
    return _mean(_average_precisions(relevant, k))


def retrieval_metrics(
    similarity: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    ks: Sequence[int] = (1, 5),
    exclude: np.ndarray | None = None,
) -> dict[str, float]:
    """All scores that an evaluation of a search reports.

    Args:
        similarity: (Q, G), higher is more alike.
        query_labels: (Q,).
        gallery_labels: (G,).
        ks: for which k to report ``recall_at_k``.
        exclude: (Q, G) bool; see `ranked_relevance`.

    Returns:
        ``recall_at_1``, ..., ``map``, ``minp``, and ``n``: the number of queries that have a
        relevant item.
    """
    if any(k < 1 for k in ks):
        raise OptionError(f"recall at k = {min(ks)}; expected at least 1")
    relevant, _ = ranked_relevance(similarity, query_labels, gallery_labels, exclude)
    answerable = relevant[relevant.any(axis=1)]
    scores = {f"recall_at_{k}": _mean(np.any(answerable[:, :k], axis=1)) for k in ks}
    return {
        **scores,
        "map": _mean(_average_precisions(relevant, None)),
        "minp": _mean(_inverse_negative_penalties(relevant)),
        "n": len(answerable),
    }


def _average_precisions(relevant: np.ndarray, k: int | None) -> np.ndarray:
    """Average precision of each query that has a relevant item; float64."""
    relevant = relevant[relevant.any(axis=1)]
    total = relevant.sum(axis=1)
    if k is not None:
        relevant, total = relevant[:, :k], np.minimum(total, k)
    ranks = np.arange(1, relevant.shape[1] + 1)
    precision = np.cumsum(relevant, axis=1) / ranks
    scores: np.ndarray = (precision * relevant).sum(axis=1) / total
    return scores


def _inverse_negative_penalties(relevant: np.ndarray) -> np.ndarray:
    """Of each query that has a relevant item; float64."""
    relevant = relevant[relevant.any(axis=1)]
    last = relevant.shape[1] - np.argmax(relevant[:, ::-1], axis=1)
    penalties: np.ndarray = relevant.sum(axis=1) / last
    return penalties


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
