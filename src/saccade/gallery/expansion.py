"""Queries and gallery vectors moved towards their neighbours before the (second) search.

Average query expansion (QE, Chum et al. 2007), its weighted form alpha-QE (Radenovic et al., arXiv
1711.02512; the weights as in `naver/deep-image-retrieval`), and the same on the gallery's side:
database-side augmentation (DBA). The landmark entry of 2019 (arXiv 1906.03990) uses DBA and QE, but
its numbers of neighbours and weights are not public: the defaults here are a project choice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saccade.errors import OptionError
from saccade.gallery._vectors import (
    check_whole,
    pair_of_arrays,
    top_rows,
    unit_rows,
    vector_array,
)

__all__ = ["augment_database", "expand_queries", "rank_weights"]


def expand_queries(
    queries: ArrayLike, base: ArrayLike, *, n: int = 10, alpha: float = 3.0
) -> NDArray[np.float32]:
    """Replace each query by ``normalised(q + sum of w_j x_j)`` over its n nearest base vectors.

    ``w_j = max(q . x_j, 0) ** alpha``; ``alpha=0`` is average QE (all weights 1), ``alpha=3`` the
    usual alpha-QE.

    Args:
        queries: (Q, D) of unit length.
        base: (N, D) of unit length.
        n: Neighbours; all of the base where it has fewer. 0 changes nothing.
        alpha: At least 0.

    Returns:
        float32 (Q, D) of unit length; where everything cancels out, the query as it was.

    Raises:
        OptionError: shapes that do not fit, or an option outside its range.
    """
    left, right = pair_of_arrays(queries, base)
    _check(n, alpha)
    near, similarities = top_rows(left, right, min(n, len(right)))
    return _moved(left, right, near, _powers(similarities, alpha))


def augment_database(
    base: ArrayLike,
    *,
    n: int = 10,
    alpha: float = 3.0,
    weights: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    """Replace each vector by the normalised sum of itself and its n nearest others.

    Args:
        base: (N, D) of unit length.
        n: Other vectors; all where there are fewer. 0 changes nothing.
        alpha: The others weigh ``max(similarity, 0) ** alpha``, the vector itself 1.
        weights: n + 1 weights by rank, the vector itself first, in place of ``alpha``; see
            :func:`rank_weights`.

    Returns:
        float32 (N, D) of unit length; where everything cancels out, the vector as it was.

    Raises:
        OptionError: shapes that do not fit, or an option outside its range.
    """
    vectors = vector_array(base, "base vectors")
    _check(n, alpha)
    count = max(0, min(n, len(vectors) - 1))
    # The vector itself is left out of the search by its place, not by its similarity, so that an
    # equal picture elsewhere counts as the neighbour it is.
    near, similarities = top_rows(vectors, vectors, count, without_self=True)
    if weights is None:
        return _moved(vectors, vectors, near, _powers(similarities, alpha))
    ranks = np.asarray(weights, np.float64)
    if ranks.shape != (n + 1,) or not (ranks >= 0).all() or not np.isfinite(ranks).all():
        raise OptionError(
            f"weights are {weights!r}; expected {n + 1} numbers of at least 0, the vector first"
        )
    if not ranks[0]:
        raise OptionError("the first weight, of the vector itself, is 0; it must be above")
    shares = np.broadcast_to(ranks[1 : count + 1] / ranks[0], near.shape)
    return _moved(vectors, vectors, near, shares)


def rank_weights(count: int, last: float = -1.5) -> NDArray[np.float64]:
    """Weights by rank, from 1 down to ``10 ** last``, evenly on a logarithmic scale.

    Widely used in entries of 2018; not known to be the landmark paper's.

    Args:
        count: How many, at least 1.
        last: Power of ten of the last one.
    """
    weights: NDArray[np.float64] = np.logspace(0, last, check_whole(count, "count", 1))
    return weights


def _check(n: int, alpha: float) -> None:
    check_whole(n, "n", 0)
    if not 0 <= alpha < np.inf:
        raise OptionError(f"alpha is {alpha!r}; expected a number of at least 0")


def _powers(similarities: NDArray[np.float32], alpha: float) -> NDArray[np.float64]:
    powers: NDArray[np.float64] = np.maximum(similarities.astype(np.float64), 0) ** alpha
    return powers


def _moved(
    vectors: NDArray[np.float32],
    base: NDArray[np.float32],
    near: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float32]:
    total = vectors.astype(np.float64)
    for rank in range(near.shape[1]):  # by rank, so that no (Q, n, D) is held
        total += weights[:, rank, None] * base[near[:, rank]]
    # What cancels out leaves rounding errors, which point nowhere.
    lost = np.linalg.norm(total, axis=1) < 1e-6 * (1 + weights.sum(axis=1))
    total[lost] = vectors[lost]
    return unit_rows(total.astype(np.float32))
