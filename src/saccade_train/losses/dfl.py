"""Distribution focal loss (GFL, Li et al., arXiv 2006.04388), and its targets.

``PaddleDetection/ppdet/modeling/losses/gfocal_loss.py`` and ``bbox2distance``.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["dfl_loss", "side_distances"]


def dfl_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy of the two bins beside a distance t, the nearer one counting more.

    CE(z, i) * (i + 1 - t) + CE(z, i + 1) * (t - i), with i = floor(t).

    Args:
        logits: (..., B), bins for the distances 0 to B - 1.
        distances: (...), from 0, below B - 1.

    Returns:
        (...).
    """
    below = distances.floor()
    index = below.long()[..., None]
    chances = logits.log_softmax(-1)
    low = chances.gather(-1, index)[..., 0]
    high = chances.gather(-1, index + 1)[..., 0]
    return -(low * (below + 1 - distances) + high * (distances - below))


def side_distances(points: Tensor, boxes: Tensor, reg_max: int = 7) -> Tensor:
    """Distances from points to the left, top, right and bottom of their boxes, as far as bins go.

    Args:
        points: (..., 2), strides.
        boxes: (..., 4) xyxy, strides.
        reg_max: the greatest distance that has a bin.

    Returns:
        (..., 4) in 0..``reg_max - 0.1``.
    """
    sides = torch.cat([points - boxes[..., :2], boxes[..., 2:] - points], dim=-1)
    return sides.clamp(0, reg_max - 0.1)
