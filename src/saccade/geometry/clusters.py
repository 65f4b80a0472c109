"""Non-maximum weighted and Weighted Boxes Fusion: clusters of boxes become their weighted mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from saccade.geometry._shared import (
    Boxes,
    by_score,
    check_choice,
    check_iou,
    check_keep,
    labels_of,
    place_in_run,
    rank_models,
    weighted_means,
)
from saccade.geometry.overlaps import OverlapGrid, suppress

__all__ = ["ConfidenceType", "nmw", "weighted_boxes_fusion"]

ConfidenceType: TypeAlias = Literal[
    "avg", "max", "box_and_model_avg", "absent_model_aware_avg"
]  # the names of the library of the paper's authors


def nmw(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray | None = None,
    models: np.ndarray | None = None,
    *,
    weights: Sequence[float] | None = None,
    iou: float = 0.55,
    keep: int | None = None,
) -> Boxes:
    """Non-maximum weighted (Zhou et al., 2017), as in `ensemble_boxes/ensemble_boxes_nmw.py`.

    By descending score, a box joins the cluster whose first box, the head, it overlaps most, if
    that exceeds ``iou``; else it heads a new one. The merged box is the mean by score · IoU with
    the head.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,), at least 0; multiplied by the model's weight over the largest weight.
        labels: (N,) integers, or None for all alike.
        models: (N,) numbers 0..M-1, or None for one model.
        weights: (M,) above 0.
        iou: 0..1.
        keep: at most so many, of all labels together.

    Returns:
        `Boxes`, with the scores of the heads.

    Raises:
        OptionError: shapes that do not fit, a negative score, or an option outside its range.
    """
    check_iou(iou)
    check_keep(keep)
    ranked, _, _ = rank_models(boxes, scores, labels, models, weights, relative=True)
    heads, _ = suppress(ranked, iou)
    grid = OverlapGrid(ranked.boxes, ranked.groups, iou)
    first, second, overlap = grid.pairs(heads, later=True)
    # The best head of each box; of equally good ones the first.
    order = np.lexsort((first, -overlap, second))
    order = order[place_in_run(second[order]) == 0]
    members = np.append(second[order], heads)
    owners = np.append(first[order], heads)
    factor = np.append(overlap[order], np.ones(len(heads)))
    order = np.lexsort((members, owners))
    members, owners, factor = members[order], owners[order], factor[order]
    moved = weighted_means(
        np.searchsorted(heads, owners),
        ranked.boxes[members],
        ranked.scores[members] * factor,
        ranked.boxes[heads],
    )
    return by_score(moved, ranked.scores[heads], labels_of(ranked, heads, labels), keep)


def weighted_boxes_fusion(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray | None = None,
    models: np.ndarray | None = None,
    *,
    weights: Sequence[float] | None = None,
    iou: float = 0.55,
    conf_type: ConfidenceType = "avg",
    allows_overflow: bool = False,
    keep: int | None = None,
) -> Boxes:
    """Weighted Boxes Fusion (Solovyev et al., arXiv 1910.13302), with the library's options.

    By descending weighted score c, a box joins the cluster whose merged box it overlaps most, if
    that exceeds ``iou``, and the merged box becomes the mean of its T members by c; else it starts
    a cluster. With W the sum of the M weights, the score is

    | conf_type | score |
    |---|---|
    | ``avg`` | mean c · min(M, T) / W; with ``allows_overflow`` mean c · T / W |
    | ``max`` | largest c / largest weight |
    | ``box_and_model_avg`` | sum c / weights of the members · weights of the models present / W |
    | ``absent_model_aware_avg`` | sum c / (weights of the members + weights of the models absent) |

    Unlike in the library boxes need not lie in 0..1, and one without area is kept as it is.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,), at least 0.
        labels: (N,) integers, or None for all alike.
        models: (N,) numbers 0..M-1, or None for one model.
        weights: (M,) above 0.
        iou: 0..1.
        conf_type: how the score is made.
        allows_overflow: for ``avg``.
        keep: at most so many, of all labels together.

    Returns:
        `Boxes`; equal scores keep the order in which the clusters began.

    Raises:
        OptionError: shapes that do not fit, a negative score, or an option outside its range.
    """
    check_iou(iou)
    check_keep(keep)
    check_choice("conf_type", conf_type, get_args(ConfidenceType))
    ranked, who, factors = rank_models(boxes, scores, labels, models, weights)
    owner = np.empty(len(ranked), np.int64)
    by_group = np.argsort(ranked.groups, kind="stable")
    for members in np.split(by_group, np.flatnonzero(np.diff(ranked.groups[by_group])) + 1):
        if len(members):
            clusters = _fusion_clusters(ranked.boxes[members], ranked.scores[members], iou)
            owner[members] = members[clusters]
    starts, cluster = np.unique(owner, return_inverse=True)
    moved = weighted_means(cluster, ranked.boxes, ranked.scores, ranked.boxes[starts])
    total = np.bincount(cluster, ranked.scores, len(starts))
    size = np.bincount(cluster, minlength=len(starts))
    weight = np.bincount(cluster, factors[who], len(starts))
    pairs = np.unique(cluster * len(factors) + who)
    present = np.bincount(pairs // len(factors), factors[pairs % len(factors)], len(starts))
    if conf_type == "avg":
        counted = size if allows_overflow else np.minimum(size, len(factors))
        merged = total / size * counted / factors.sum()
    elif conf_type == "max":
        merged = ranked.scores[starts] / factors.max()
    elif conf_type == "box_and_model_avg":
        merged = total / weight * present / factors.sum()
    else:
        merged = total / (weight + (factors.sum() - present))
    return by_score(moved, merged, labels_of(ranked, starts, labels), keep)


def _fusion_clusters(boxes: np.ndarray, scores: np.ndarray, iou: float) -> np.ndarray:
    """For each box the position of the first of its cluster; boxes by descending score."""
    # Columns 0..count-1 hold the merged boxes, their areas, and where their clusters began.
    low, high = np.zeros((2, len(boxes))), np.zeros((2, len(boxes)))
    area, starts = np.zeros(len(boxes)), np.zeros(len(boxes), np.int64)
    sums: list[list[float]] = []  # of c · box, and of c
    owner = np.empty(len(boxes), np.int64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    rows = zip(boxes.tolist(), scores.tolist(), (sides[:, 0] * sides[:, 1]).tolist(), strict=True)
    for position, (box, score, size) in enumerate(rows):
        count, best, merged = len(sums), -1, box
        if count and size > 0:
            corner = boxes[position, :, None]
            span = np.minimum(high[:, :count], corner[2:]) - np.maximum(low[:, :count], corner[:2])
            np.maximum(span, 0, out=span)
            shared = span[0] * span[1]
            overlap = np.minimum(shared / (area[:count] + size - shared), 1)
            best = int(overlap.argmax())
            best = best if overlap[best] > iou else -1
        weighted = [score * side for side in box] + [score]
        if best < 0:
            best = count
            sums.append(weighted)
            starts[best] = position
        else:
            sums[best] = [old + new for old, new in zip(sums[best], weighted, strict=True)]
            if sums[best][4] == 0:  # nobody in the cluster counts: it stays where it began
                owner[position] = starts[best]
                continue
            merged = [side / sums[best][4] for side in sums[best][:4]]
        low[:, best], high[:, best] = merged[:2], merged[2:]
        area[best] = max(merged[2] - merged[0], 0.0) * max(merged[3] - merged[1], 0.0)
        owner[position] = starts[best]
    return owner
