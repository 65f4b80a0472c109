"""Adaptive training sample selection (Zhang et al., arXiv 1912.02424, algorithm 1).

As ``PaddleDetection/ppdet/modeling/assigners/atss_assigner.py`` runs it for PP-PicoDet's first 100
epochs. Unlike there, a level may have fewer than ``top`` points, so inputs below 192 pixels work.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .common import Assigned, BoxTargets, answer, inside, lowest, pairwise_iou, settle

__all__ = ["atss"]


def atss(
    boxes: Tensor,
    points: Tensor,
    strides: Tensor,
    targets: BoxTargets,
    classes: int,
    *,
    top: int = 9,
    cell: float = 5.0,
) -> Assigned:
    """Choose by where points lie; the network's boxes only say how high scores should be.

    1. Every point has a prior: a square of side ``cell * stride`` around it. Of each level the
       ``top`` points nearest to a true box's centre are its candidates.
    2. A candidate stays if its prior's IoU with the true box is above mean + (unbiased) standard
       deviation over all candidates of that box, and if it lies inside of the box.
    3. A point that several boxes keep goes to the one of greatest prior IoU.
    4. The score to learn is the IoU of the *predicted* box.

    Args:
        boxes: (P, 4) predicted, xyxy pixels, without gradient.
        points: (P, 2) pixels.
        strides: (P,), the levels one after the other.
        targets: the true boxes, G of them, which may be 0.
        classes: C.
        top: candidates of a level.
        cell: side of the priors, strides.
    """
    truths = targets.boxes
    if len(truths) == 0:
        return answer(truths.new_zeros(0, len(points)).bool(), truths, targets.labels, classes)
    half = cell / 2 * strides[:, None]
    overlap = pairwise_iou(truths, torch.cat([points - half, points + half], dim=1))  # (G, P)
    near = _nearest(truths, points, strides, top)
    count = near[0].sum()  # the same for every box
    mean = (overlap * near).sum(1, keepdim=True) / count
    spread = ((overlap - mean).square() * near).sum(1, keepdim=True) / (count - 1).clamp_min(1)
    good = near & (overlap > mean + spread.sqrt())
    chosen = settle(good & inside(points, truths, 1e-9), overlap)
    return answer(chosen, pairwise_iou(truths, boxes), targets.labels, classes)


def _nearest(truths: Tensor, points: Tensor, strides: Tensor, top: int) -> Tensor:
    """Mark the ``top`` points of each level nearest to each centre, bool (G, P)."""
    centres = (truths[:, :2] + truths[:, 2:]) / 2
    x, y = points.unbind(1)
    distances = (centres[:, :1] - x).square() + (centres[:, 1:] - y).square()
    sizes = torch.unique_consecutive(strides, return_counts=True)[1].tolist()
    near = []
    for level in torch.split(distances, sizes, dim=1):
        counts = level.new_full((len(level),), min(top, level.shape[1])).long()
        near.append(lowest(level, counts))
    return torch.cat(near, dim=1)
