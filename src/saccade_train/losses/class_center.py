"""Centre loss on labelled vectors (Wen et al. 2016): each is drawn to the centre of its class.

``PaddleClas/ppcls/loss/centerloss.py``. There the centres are parameters with an SGD of their own,
whose rate undoes the loss's weight; here they move by the paper's equation 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["class_center_loss", "moved_class_centers"]


def class_center_loss(features: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Mean over rows of the squared distance from the centre of the row's class.

    Args:
        features: (N, D).
        labels: int64 (N,).
        centers: (C, D); they get no gradient.
    """
    return (features - centers.detach()[labels]).square().sum(1).clamp(1e-12, 1e12).mean()


@torch.no_grad()
def moved_class_centers(
    centers: Tensor, features: Tensor, labels: Tensor, rate: float = 0.5
) -> Tensor:
    """Move centres towards their vectors: c <- c - rate * sum (c - x) / (1 + n), n of the batch.

    Args:
        centers: (C, D); left as it is.
        features: (N, D).
        labels: int64 (N,).
        rate: 0 to 1.

    Returns:
        The new centres, (C, D).
    """
    counts = torch.bincount(labels, minlength=len(centers)).to(centers)[:, None]
    sums = torch.zeros_like(centers).index_add(0, labels, features.to(centers))
    return centers - rate * (centers * counts - sums) / (1 + counts)
