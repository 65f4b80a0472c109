"""Descriptors of several models as one (the landmark entry of 2019, arXiv 1906.03990)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saccade.errors import OptionError
from saccade.gallery._vectors import unit_rows, vector_array

__all__ = ["fuse_descriptors"]


def fuse_descriptors(
    descriptors: Sequence[ArrayLike], weights: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """Scale each model's vectors to length 1, weigh, concatenate, and scale to length 1 again.

    The cosine of two fused vectors is the mean of the models' cosines, weighted by ``w ** 2``; so
    queries and gallery must be fused with the same weights. PCA (:mod:`saccade.gallery.whitening`)
    makes the result short again.

    Args:
        descriptors: One (N, D_k) a model, rows in the same order.
        weights: One number above 0 a model; None weighs all alike.

    Returns:
        float32 (N, sum of D_k). A picture that one model sees nothing in (a row of zeros) is
        described by the others.

    Raises:
        OptionError: counts that do not fit.
    """
    arrays = [vector_array(d, f"descriptors of model {i}") for i, d in enumerate(descriptors)]
    if not arrays:
        raise OptionError("no descriptors to fuse; give those of one model or more")
    counts = [len(array) for array in arrays]
    if len(set(counts)) > 1:
        raise OptionError(f"the models describe {counts} pictures; expected as many each")
    shares = [1.0] * len(arrays) if weights is None else [float(weight) for weight in weights]
    if len(shares) != len(arrays) or not all(0 < share < np.inf for share in shares):
        raise OptionError(f"weights are {weights!r}; expected {len(arrays)} numbers above 0")
    largest = max(shares)
    parts = [
        unit_rows(array) * np.float32(share / largest)
        for array, share in zip(arrays, shares, strict=True)
    ]
    return unit_rows(np.concatenate(parts, axis=1))
