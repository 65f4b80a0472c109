"""What the assigners share: their question, their answer, and the steps they have in common.

Layout: G true boxes of one picture along the first axis, P points along the second.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Assigned", "BoxTargets", "answer", "inside", "lowest", "pairwise_iou", "settle"]


class BoxTargets(NamedTuple):
    """The true boxes of one picture.

    Attributes:
        boxes: (G, 4) xyxy, pixels of the network's input.
        labels: int64 (G,), 0 to C - 1.
    """

    boxes: Tensor
    labels: Tensor


class Assigned(NamedTuple):
    """Which true box each point has to find.

    Attributes:
        truth: int64 (P,), the number of the true box; -1 for background.
        labels: int64 (P,), its class; C for background.
        scores: (P, C), what the class scores should be: 0, but for the class of the true box.
    """

    truth: Tensor
    labels: Tensor
    scores: Tensor


def pairwise_iou(truths: Tensor, boxes: Tensor, eps: float = 1e-9) -> Tensor:
    """Intersection over union of every pair; ``eps`` is added to the union.

    Args:
        truths: (G, 4) xyxy.
        boxes: (P, 4) xyxy.
        eps: keeps two boxes without area at IoU 0.

    Returns:
        (G, P).
    """
    # Side by side: torch is slow where the last axis is as short as 2 or 4.
    x1, y1, x2, y2 = truths.T[..., None]
    left, top, right, bottom = boxes.T
    width = (torch.minimum(x2, right) - torch.maximum(x1, left)).clamp_min(0)
    height = (torch.minimum(y2, bottom) - torch.maximum(y1, top)).clamp_min(0)
    shared = width * height
    return shared / (_areas(truths)[:, None] + _areas(boxes) - shared + eps)


def inside(points: Tensor, boxes: Tensor, margin: float = 0.0) -> Tensor:
    """Whether points lie more than ``margin`` inside of boxes.

    Args:
        points: (P, 2).
        boxes: (G, 4) xyxy, or (G, P, 4) for boxes that differ from point to point.
        margin: of the same unit.

    Returns:
        bool (G, P).
    """
    if boxes.dim() == 2:
        boxes = boxes[:, None]
    x, y = points.unbind(-1)
    x1, y1, x2, y2 = boxes.unbind(-1)
    across = (x - x1 > margin) & (x2 - x > margin)
    return across & (y - y1 > margin) & (y2 - y > margin)


def lowest(values: Tensor, counts: Tensor) -> Tensor:
    """Mark the smallest values of each row; of equal ones, those that come first.

    Args:
        values: (G, P), P above 0.
        counts: int64 (G,), how many; at least 1, at most P.

    Returns:
        bool (G, P).
    """
    smallest = values.topk(int(counts.max()), dim=1, largest=False).values
    limit = smallest.gather(1, counts[:, None] - 1)
    below, equal = values < limit, values == limit
    missing = counts[:, None] - below.sum(1, keepdim=True)
    return below | (equal & (equal.cumsum(1) <= missing))


def settle(chosen: Tensor, preference: Tensor) -> Tensor:
    """Let each point have one true box at most.

    A point that several boxes chose goes to the one of greatest preference among *all* boxes, also
    those that did not choose it, as in the reference (``ppdet/modeling/assigners/utils.py``).

    Args:
        chosen: bool (G, P), G above 0.
        preference: (G, P).

    Returns:
        bool (G, P), at most one True in each column.
    """
    clash = (chosen.sum(0) > 1).nonzero()[:, 0]  # few of all points
    settled = chosen.clone()
    settled[:, clash] = F.one_hot(preference[:, clash].argmax(0), len(chosen)).T.bool()
    return settled


def answer(chosen: Tensor, quality: Tensor, labels: Tensor, classes: int) -> Assigned:
    """Write out a settled choice.

    Args:
        chosen: bool (G, P), at most one True in each column; G may be 0.
        quality: (G, P), the score that a chosen point should give to its class.
        labels: int64 (G,).
        classes: C.
    """
    points = chosen.shape[1]
    scores = quality.new_zeros(points, classes)
    if len(chosen) == 0:
        none = labels.new_full((points,), -1)
        return Assigned(none, torch.full_like(none, classes), scores)
    found, index = chosen.max(0)
    truth = torch.where(found, index, -1)
    target = torch.where(found, quality.gather(0, index[None])[0], 0.0)
    scores.scatter_(1, labels[index][:, None], target[:, None])
    return Assigned(truth, torch.where(found, labels[index], classes), scores)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
