"""Centre loss over the steps of a line (Wen et al. 2016), half of PP-OCRv2's Enhanced CTC.

Each step's feature is pulled towards the centre of the class that the network itself names there,
blanks included (``PaddleOCR/ppocr/losses/center_loss.py``). The centres come from a recogniser that
was trained with CTC before: :func:`add_to_centers` over the training lines, then
:func:`centers_of`. In the reference they then stay where they are; :func:`moved_centers` lets them
follow.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["CenterSums", "add_to_centers", "center_loss", "centers_of", "moved_centers"]


class CenterSums(NamedTuple):
    """Features seen so far, by class.

    Attributes:
        sums: float64 (C, F).
        counts: int64 (C,).
    """

    sums: Tensor
    counts: Tensor

    @classmethod
    def empty(cls, classes: int, features: int) -> CenterSums:
        """Nothing seen yet."""
        sums = torch.zeros(classes, features, dtype=torch.float64)
        return cls(sums, torch.zeros(classes, dtype=torch.int64))


def center_loss(features: Tensor, logits: Tensor, centers: Tensor) -> Tensor:
    """Mean squared distance of each step's feature from the centre of its likeliest class.

    Args:
        features: (N, T, F).
        logits: (N, T, C); they only choose the class and get no gradient.
        centers: (C, F).

    Returns:
        float64 scalar, as the reference computes it; distances are held within 1e-12 and 1e12.
    """
    named = centers[logits.argmax(2)]  # (N, T, F)
    distances = (features.double() - named.double()).square().sum(2)
    return distances.clamp(1e-12, 1e12).mean()


def add_to_centers(seen: CenterSums, features: Tensor, logits: Tensor, right: Tensor) -> CenterSums:
    """Add the features of lines that were read without a mistake.

    The network should be in evaluation mode and the lines not augmented (the reference forgets
    both).

    Args:
        seen: so far; it is left as it is.
        features: (N, T, F).
        logits: (N, T, C).
        right: (N,) bool, whether the decoded text is the label.

    Returns:
        What has been seen now.
    """
    chosen = features[right].flatten(0, 1).to(seen.sums)
    classes = logits[right].argmax(2).flatten().to(seen.counts.device)
    ones = torch.ones_like(classes)
    return CenterSums(
        seen.sums.index_add(0, classes, chosen), seen.counts.index_add(0, classes, ones)
    )


def centers_of(seen: CenterSums, generator: torch.Generator | None = None) -> Tensor:
    """Means of what was seen; classes that never appeared are drawn from N(0, 1).

    Args:
        seen: the sums.
        generator: for the drawn ones, which lie at random (as in the reference).

    Returns:
        float64 (C, F).
    """
    drawn = torch.randn(seen.sums.shape, dtype=torch.float64, generator=generator)
    means = seen.sums / seen.counts.clamp_min(1)[:, None]
    return torch.where(seen.counts[:, None] > 0, means, drawn.to(means.device))


def moved_centers(centers: Tensor, features: Tensor, logits: Tensor, rate: float = 0.5) -> Tensor:
    """Move centres towards the features that were named after them.

    c_k <- c_k - rate * sum_k (c_k - x) / (1 + n_k), Wen et al., equation 4.

    Args:
        centers: (C, F); it is left as it is.
        features: (N, T, F).
        logits: (N, T, C).
        rate: 0 to 1.

    Returns:
        The new centres, (C, F), without gradient.
    """
    empty = CenterSums(torch.zeros_like(centers), torch.zeros_like(centers[:, 0]).long())
    everyone = torch.ones(len(features), dtype=torch.bool, device=features.device)
    seen = add_to_centers(empty, features.detach(), logits.detach(), everyone)
    counts = seen.counts[:, None]
    return centers.detach() - rate * (centers.detach() * counts - seen.sums) / (1 + counts)
