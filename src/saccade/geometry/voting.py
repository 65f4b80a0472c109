"""Top-k voting-NMS: the models vote on where a box lies and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from saccade.errors import OptionError
from saccade.geometry._shared import (
    Boxes,
    by_score,
    check_choice,
    check_fading,
    check_iou,
    check_keep,
    labels_of,
    place_in_run,
    rank_models,
    weighted_means,
)
from saccade.geometry.boxes import iou_matrix
from saccade.geometry.overlaps import Ranked, suppress

__all__ = ["voting_nms"]


def voting_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray | None = None,
    models: np.ndarray | None = None,
    *,
    weights: Sequence[float] | None = None,
    iou: float = 0.5,
    k: int | None = None,
    score_mode: Literal["mean_k", "max", "sum"] = "mean_k",
    box_mode: Literal["weighted", "pivot"] = "weighted",
    one_per_model: bool = False,
    soft: Literal["linear", "gaussian"] | None = None,
    sigma: float = 0.5,
    floor: float = 0.001,
    keep: int | None = 300,
) -> Boxes:
    """Top-k voting-NMS, after the second place of Open Images 2019 (arXiv 1911.07171): our reading.

    The paper's formula could not be had and its authors' code is not public. What is known: the
    method merges the boxes of all models after Soft-NMS, leaves one box a cluster, and lets only
    the top k vote. Everything else, the defaults included, is our definition.

    The best box left is the pivot; with all boxes left that overlap it by at least ``iou`` it makes
    a cluster, which is taken out. The ``k`` best of the cluster vote.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,), at least 0; multiplied by the model's weight.
        labels: (N,) integers, or None for all alike.
        models: (N,) numbers 0..M-1, or None for one model.
        weights: (M,) above 0.
        iou: above 0, up to 1.
        k: at least 1; by default the number of models, so give ``weights`` where the last models
            may have found nothing.
        score_mode: ``mean_k`` divides the sum of the votes by k, so that missing votes count 0;
            ``max`` takes the best vote; ``sum`` adds them, up to 1.
        box_mode: ``weighted`` is the mean of the voting boxes by score; ``pivot`` the pivot.
        one_per_model: whether only the best box of each model may vote.
        soft: take out the pivot alone, and multiply the scores of the rest of its cluster by
            ``1 - IoU`` (linear) or ``exp(-IoU² / sigma)`` (gaussian), as Soft-NMS does; they vote
            again with what is left. Takes quadratic time.
        sigma: above 0, for the gaussian ``soft``.
        floor: with ``soft``, boxes whose score is, or falls, below it go.
        keep: at most so many, of all labels together.

    Returns:
        `Boxes`; equal scores keep the order of their pivots.

    Raises:
        OptionError: shapes that do not fit, a negative score, or an option outside its range.
    """
    check_iou(iou, above_zero=True)
    check_keep(keep)
    check_choice("score_mode", score_mode, ("mean_k", "max", "sum"))
    check_choice("box_mode", box_mode, ("weighted", "pivot"))
    ranked, who, factors = rank_models(boxes, scores, labels, models, weights)
    k = len(factors) if k is None else k
    if k < 1:
        raise OptionError(f"k {k}; expected at least 1")
    if soft is None:
        ballot = _hard_ballot(ranked, iou)
    else:
        check_choice("soft", soft, ("linear", "gaussian"))
        check_fading(sigma, floor)
        ballot = _soft_ballot(ranked, iou, None if soft == "linear" else sigma, floor)
    pivots, cluster, voter, strength = ballot
    best = strength[np.flatnonzero(place_in_run(cluster) == 0)]
    if one_per_model:
        chosen = np.sort(np.unique(cluster * len(factors) + who[voter], return_index=True)[1])
        cluster, voter, strength = cluster[chosen], voter[chosen], strength[chosen]
    chosen = np.flatnonzero(place_in_run(cluster) < k)
    cluster, voter, strength = cluster[chosen], voter[chosen], strength[chosen]
    if score_mode == "max":
        merged = best
    else:
        total = np.bincount(cluster, strength, len(pivots))
        merged = total / k if score_mode == "mean_k" else np.minimum(total, 1)
    moved = ranked.boxes[pivots]
    if box_mode == "weighted":
        moved = weighted_means(cluster, ranked.boxes[voter], strength, moved)
    return by_score(moved, merged, labels_of(ranked, pivots, labels), keep)


# The pivots (K,), and for each box of each cluster, cluster by cluster and the best first: the
# number of the cluster, the box, and its score at that time.
_Ballot: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _hard_ballot(ranked: Ranked, iou: float) -> _Ballot:
    pivots, owner = suppress(ranked, iou, inclusive=True)
    voter = np.argsort(owner, kind="stable")
    return pivots, np.searchsorted(pivots, owner[voter]), voter, ranked.scores[voter]


def _soft_ballot(ranked: Ranked, iou: float, sigma: float | None, floor: float) -> _Ballot:
    scores = ranked.scores.copy()
    left = np.flatnonzero(scores >= floor)
    pivots: list[int] = []
    voters: list[np.ndarray] = []
    strengths: list[np.ndarray] = []
    while len(left):
        place = int(scores[left].argmax())
        pivot = int(left[place])
        overlap = iou_matrix(ranked.boxes[pivot : pivot + 1], ranked.boxes[left])[0]
        joins = (overlap >= iou) & (ranked.groups[left] == ranked.groups[pivot])
        joins[place] = True
        members, overlap = left[joins], overlap[joins]
        order = np.argsort(-scores[members], kind="stable")
        pivots.append(pivot)
        voters.append(members[order])
        strengths.append(scores[members[order]])
        scores[members] *= 1 - overlap if sigma is None else np.exp(-(overlap**2) / sigma)
        scores[pivot] = -1
        left = left[scores[left] >= floor]
    cluster = np.repeat(np.arange(len(pivots)), [len(members) for members in voters])
    nothing = np.zeros(0, np.int64)
    return (
        np.array(pivots, np.int64),
        cluster,
        np.concatenate([nothing, *voters]),
        np.concatenate([np.zeros(0), *strengths]),
    )
