"""Task-aligned label assignment (TOOD, Feng et al., arXiv 2108.07755, section 3.2).

As ``PaddleDetection/ppdet/modeling/assigners/task_aligned_assigner.py`` runs it for PP-PicoDet.
"""

from __future__ import annotations

from torch import Tensor

from .common import Assigned, BoxTargets, answer, inside, lowest, pairwise_iou, settle

__all__ = ["tal"]

_EPS = 1e-9


def tal(
    scores: Tensor,
    boxes: Tensor,
    points: Tensor,
    targets: BoxTargets,
    *,
    top: int = 13,
    alpha: float = 1.0,
    beta: float = 6.0,
) -> Assigned:
    """Choose the points whose class score and box are good at once.

    1. The alignment of a point with a true box is m = score^alpha * IoU^beta, of the box's class.
    2. The ``top`` points of greatest m that lie inside of the box are chosen.
    3. A point that several boxes choose goes to the one of greatest IoU.
    4. The score to learn is m / (greatest m of the box + 1e-9) * greatest IoU of the box, over the
       points that the box has in the end.

    Args:
        scores: (P, C) predicted probabilities, without gradient.
        boxes: (P, 4) predicted, xyxy pixels, without gradient.
        points: (P, 2) pixels.
        targets: the true boxes, G of them, which may be 0.
        top: points of a box.
        alpha: exponent of the score.
        beta: exponent of the IoU.
    """
    truths, labels = targets
    classes = scores.shape[1]
    if len(truths) == 0:
        return answer(truths.new_zeros(0, len(points)).bool(), truths, labels, classes)
    overlap = pairwise_iou(truths, boxes, _EPS)  # (G, P)
    aligned = scores.T[labels].pow(alpha) * overlap.pow(beta)
    within = inside(points, truths, _EPS)
    counts = labels.new_full((len(truths),), min(top, len(points)))
    listed = lowest(-(aligned * within), counts)
    # Where fewer than `top` points lie inside, points outside were listed too.
    chosen = settle(listed & within, overlap)
    aligned = aligned * chosen
    greatest = aligned.amax(1, keepdim=True)
    quality = aligned / (greatest + _EPS) * (overlap * chosen).amax(1, keepdim=True)
    return answer(chosen, quality, labels, classes)
