"""Cross entropy against soft targets, and label smoothing.

Label smoothing: Szegedy et al., arXiv 1512.00567, section 7, as PaddleClas applies it: the target
is ``(1 - eps) * one_hot + eps / C``, so the true class keeps ``1 - eps + eps / C``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["smooth_one_hot", "soft_cross_entropy"]


def smooth_one_hot(labels: Tensor, classes: int, smoothing: float = 0.0) -> Tensor:
    """Turn class ids into target distributions.

    Args:
        labels: Class ids, int64 (N,), each in ``[0, classes)``.
        classes: Number of classes C.
        smoothing: The share of the mass that is spread evenly over all classes, in ``[0, 1)``.

    Returns:
        Float32 (N, C); each row sums to one.
    """
    one_hot = functional.one_hot(labels, classes).to(torch.float32)
    if smoothing == 0.0:
        return one_hot
    return one_hot * (1.0 - smoothing) + smoothing / classes


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over the batch of ``-sum_c target_c * log softmax(logits)_c``.

    Args:
        logits: (N, C), any float type; the sum is taken in float32.
        targets: Float32 (N, C), rows sum to one (see :func:`smooth_one_hot`).

    Returns:
        Float32 scalar.
    """
    log_probabilities = functional.log_softmax(logits.float(), dim=1)
    return -(targets * log_probabilities).sum(dim=1).mean()
