"""One answer of a whole picture and of its main body (the FGVC7 entry, arXiv 2006.10702)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError

__all__ = ["fuse_views"]


def fuse_views(
    whole: NDArray[np.float32], body: NDArray[np.float32], share: float = 0.5
) -> NDArray[np.float32]:
    """Mix what a classifier says of a picture and of a part of it.

    Logits are mixed, as WS-DAN does it (arXiv 1901.09891). Model files give probabilities; but the
    softmax of mixed logits is the geometric mean of the probabilities, scaled to sum to 1, so
    nothing is lost.

    Args:
        whole: probabilities of the picture, (..., C).
        body: those of the part, of the same shape.
        share: what the part counts, 0 to 1.

    Returns:
        Probabilities, float32 (..., C).

    Raises:
        OptionError: a share outside 0 to 1.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise OptionError(f"body_share is {share!r}, expected a number from 0 to 1")
    # What underflowed to 0 is taken for the smallest number: its logit isn't known any better.
    tiny = np.finfo(np.float32).tiny
    first, second = (np.log(np.maximum(one, tiny).astype(np.float64)) for one in (whole, body))
    mixed = (1 - share) * first + share * second
    product = np.exp(mixed - mixed.max(axis=-1, keepdims=True))
    return np.asarray(product / product.sum(axis=-1, keepdims=True), np.float32)
