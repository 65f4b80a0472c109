"""SimOTA with the cost of PP-PicoDet (arXiv 2111.00902; SimOTA is from YOLOX, arXiv 2107.08430).

As ``PaddleDetection/ppdet/modeling/assigners/simota_assigner.py`` runs it. The penalty of 1e8 is
added in float64 here: in the reference's float32 it swallows the cost, and a true box that no point
fits well takes points at random.
"""

from __future__ import annotations

import torch
from torch import Tensor

from saccade_train.losses.iou import giou
from saccade_train.losses.varifocal import binary_cross_entropy, varifocal_weight

from .common import Assigned, BoxTargets, answer, inside, lowest, pairwise_iou, settle

__all__ = ["simota"]

_PENALTY = 1e8


def simota(
    scores: Tensor,
    boxes: Tensor,
    points: Tensor,
    strides: Tensor,
    targets: BoxTargets,
    *,
    top: int = 10,
    radius: float = 2.5,
    iou_weight: float = 6.0,
) -> Assigned:
    """Choose the cheapest points of each true box, more of them where more boxes fit already.

    1. Candidates are the points inside of any true box, or within ``radius`` strides of the centre
       of any (in x and in y).
    2. A point costs VFL(scores, IoU at the class) + ``iou_weight`` * (1 - GIoU), and 1e8 more if it
       is not both inside of this box and near its centre.
    3. A box takes its k cheapest candidates, k = max(1, int(sum of its ``top`` greatest IoUs)).
    4. A point that several boxes take goes to the one for which it is cheapest.
    5. The score to learn is the IoU of the predicted box.

    Args:
        scores: (P, C) predicted probabilities, without gradient.
        boxes: (P, 4) predicted, xyxy pixels, without gradient.
        points: (P, 2) pixels.
        strides: (P,).
        targets: the true boxes, G of them, which may be 0.
        top: how many IoUs are added up for k.
        radius: strides.
        iou_weight: of the box in the cost.
    """
    truths, labels = targets
    classes = scores.shape[1]
    overlap = pairwise_iou(truths, boxes)  # (G, P)
    chosen = torch.zeros_like(overlap, dtype=torch.bool)
    if len(truths) == 0:
        return answer(chosen, overlap, labels, classes)
    centres = ((truths[:, :2] + truths[:, 2:]) / 2)[:, None]
    reach = radius * strides[:, None]
    near = inside(points, torch.cat([centres - reach, centres + reach], dim=2))
    within = inside(points, truths)
    numbers = (near | within).any(0).nonzero()[:, 0]  # of the candidates, (K,)
    if len(numbers) == 0:
        return answer(chosen, overlap, labels, classes)
    overlaps = overlap[:, numbers]
    shape = 1 - giou(truths[:, None], boxes[numbers][None])
    cost = _class_cost(scores[numbers], labels, overlaps).double() + iou_weight * shape.double()
    cost = cost + _PENALTY * ~(near & within)[:, numbers]
    count = min(top, len(numbers))
    # The sum of `count` IoUs is at most `count`, but for rounding.
    wanted = overlaps.topk(count, dim=1).values.sum(1).long().clamp(1, count)
    chosen[:, numbers] = settle(lowest(cost, wanted), -cost)
    return answer(chosen, overlap, labels, classes)


def _class_cost(scores: Tensor, labels: Tensor, overlaps: Tensor) -> Tensor:
    """Varifocal loss over all classes of each pair of true box and candidate, (G, K).

    Only one class of a pair has a target, so (G, K, C) is never made.
    """

    def varifocal(p: Tensor, q: Tensor) -> Tensor:
        return varifocal_weight(p, q) * binary_cross_entropy(p, q)

    background = varifocal(scores, torch.zeros_like(scores))  # (K, C)
    mine = varifocal(scores.T[labels], overlaps)
    return background.sum(1) - background.T[labels] + mine
