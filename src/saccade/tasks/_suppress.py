"""The ways of dealing with boxes that overlap, by the names that users give them."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast, get_args

import numpy as np

from saccade.errors import OptionError, nearest
from saccade.geometry.fusion import nmw, weighted_boxes_fusion
from saccade.geometry.suppression import box_voting, nms, soft_nms
from saccade.tasks._candidates import Candidates

__all__ = ["OWN_IOU", "Suppression", "check_suppression", "from_arrays", "suppress"]

# Voting-NMS is not here: of one model, only one votes, and it is hard NMS.
Suppression: TypeAlias = Literal["nms", "soft", "soft-linear", "box-voting", "nmw", "wbf", "none"]

OWN_IOU: dict[str, float] = {
    "soft-linear": 0.3,
    "box-voting": 0.5,
    "nmw": 0.55,
    "wbf": 0.55,
}
"""Overlaps that belong to a method, not to a model; see :mod:`saccade.geometry.fusion`."""

_KEEP_BOXES = ("nms", "soft", "soft-linear", "none")


def check_suppression(method: str, *, agnostic: bool = False) -> Suppression:
    """Refuse an unknown method, or one that cannot be what is asked of it.

    Raises:
        OptionError: It is unknown; or boxes of all classes shall meet, and it would merge them.
    """
    known = get_args(Suppression)
    if method not in known:
        raise OptionError(f"suppression is {method!r}; {nearest(str(method), known)}")
    if agnostic and method not in _KEEP_BOXES:
        raise OptionError(
            f"suppression {method!r} merges boxes, and boxes of different classes cannot be "
            f"merged; with agnostic take one of {', '.join(_KEEP_BOXES)}"
        )
    return cast(Suppression, method)


def suppress(
    found: Candidates,
    method: Suppression,
    *,
    iou: float,
    score: float,
    keep: int | None = None,
    agnostic: bool = False,
) -> Candidates:
    """Deal with boxes that overlap.

    Args:
        found: What one model proposes for one picture.
        method: What is done.
        iou: Overlap from which on it is done.
        score: What is left scores more than this.
        keep: How many are left at most; None for all.
        agnostic: Whether boxes of different classes meet.

    Returns:
        In falling order of the score.
    """
    labels = None if agnostic else found.classes
    match method:
        case "none":
            return found.pick(np.argsort(-found.scores, kind="stable")[:keep])
        case "nms":
            return found.pick(nms(found.boxes, found.scores, labels, iou=iou, keep=keep))
        case "soft" | "soft-linear":
            indices, scores = soft_nms(
                found.boxes,
                found.scores,
                labels,
                method="gaussian" if method == "soft" else "linear",
                iou=iou,
                floor=max(score, 0.001),
                keep=keep,
            )
            kept = found.pick(indices)
            answer = Candidates(
                kept.boxes, scores.astype(np.float32), kept.classes, kept.broken, kept.rows
            )
            return answer.pick(answer.scores > score)
        case "box-voting":
            merged = box_voting(found.boxes, found.scores, labels, iou=iou, keep=keep)
        case "nmw":
            merged = nmw(found.boxes, found.scores, labels, iou=iou, keep=keep)
        case "wbf":
            merged = weighted_boxes_fusion(found.boxes, found.scores, labels, iou=iou, keep=keep)
    answer = from_arrays(*merged, broken=found.broken, rows=found.rows)
    return answer.pick(answer.scores > score)


def from_arrays(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, *, broken: int, rows: int
) -> Candidates:
    """What the functions of :mod:`saccade.geometry` give, as candidates."""
    return Candidates(
        boxes.astype(np.float32),
        scores.astype(np.float32),
        classes.astype(np.int64),
        broken,
        rows,
    )
