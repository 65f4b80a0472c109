"""Merge what several models, or one model several times, found in one picture.

Boxes are (N, 4) xyxy, scores (N,), labels (N,) integers or None for all alike, models (N,) numbers
0..M-1 of the model that found each box, or None for one model. ``weights`` says how much each of
the M models counts, by default 1. On equal scores the lower model number comes first, then the
lower index; `saccade.geometry.suppression` tells what happens to odd input.

| function | a cluster is | merged box: mean by | merged score |
|---|---|---|---|
| `voting_nms` | IoU ≥ 0.5 with the best box left | score, of the ``k`` best | their sum / ``k`` |
| `nmw` | IoU > 0.55 with the best box | score · IoU | that of the best box |
| `weighted_boxes_fusion` | IoU > 0.55 with the mean so far | score | mean · share of the models |

`fuse` calls these, or plain suppression, on lists of one picture's boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from saccade.errors import OptionError
from saccade.geometry._shared import Boxes, check_choice, check_iou, check_keep, check_weights
from saccade.geometry.clusters import nmw, weighted_boxes_fusion
from saccade.geometry.overlaps import box_arrays, whole_numbers
from saccade.geometry.suppression import nms, soft_nms
from saccade.geometry.voting import voting_nms

__all__ = [
    "Boxes",
    "FusionMethod",
    "check_fusion",
    "fuse",
    "nmw",
    "voting_nms",
    "weighted_boxes_fusion",
]

FusionMethod: TypeAlias = Literal["voting", "nms", "soft", "nmw", "wbf"]

_DEFAULT_IOU = {"voting": 0.5, "nms": 0.5, "nmw": 0.55, "wbf": 0.55}


def fuse(
    parts: Sequence[Boxes],
    *,
    method: FusionMethod = "voting",
    iou: float | None = None,
    weights: Sequence[float] | None = None,
    k: int | None = None,
    sigma: float | None = None,
    keep: int | None = 300,
) -> Boxes:
    """Merge what several models found in one picture.

    Weights count relative to the largest. A model that found nothing must still be given, as an
    empty part: its absence lowers the scores of ``voting`` and ``wbf``.

    | method | function | iou | k | sigma |
    |---|---|---|---|---|
    | ``voting`` | `voting_nms` | 0.5 | number of models | - |
    | ``nms`` | `saccade.geometry.suppression.nms` | 0.5 | - | - |
    | ``soft`` | `saccade.geometry.suppression.soft_nms` | given: linear | - | gaussian, 0.5 |
    | ``nmw`` | `nmw` | 0.55 | - | - |
    | ``wbf`` | `weighted_boxes_fusion` | 0.55 | - | - |

    Args:
        parts: M triples of boxes (N, 4), scores (N,) and labels (N,).
        method: how.
        iou: the threshold; by default as in the table.
        weights: (M,) above 0.
        k: how many vote.
        sigma: of the gaussian Soft-NMS.
        keep: at most so many boxes.

    Raises:
        OptionError: an option that is outside its range or that the method does not have.
    """
    check_fusion(len(parts), method=method, iou=iou, weights=weights, k=k, sigma=sigma, keep=keep)
    factors = np.ones(len(parts)) if weights is None else np.asarray(weights, np.float64)
    factors = factors / factors.max()
    rows = [
        (*box_arrays(boxes, scores), whole_numbers(labels, len(scores), "labels"))
        for boxes, scores, labels in parts
    ]
    boxes, scores, labels = (np.concatenate(column) for column in zip(*rows, strict=True))
    models = np.repeat(np.arange(len(parts)), [len(row[1]) for row in rows])
    iou = _DEFAULT_IOU.get(method) if iou is None else iou
    if method == "soft":
        scores = scores * factors[models]
        if iou is None:
            sigma = 0.5 if sigma is None else sigma
            index, scores = soft_nms(boxes, scores, labels, sigma=sigma, keep=keep)
        else:
            index, scores = soft_nms(boxes, scores, labels, method="linear", iou=iou, keep=keep)
        return boxes[index], scores, labels[index]
    assert iou is not None
    if method == "nms":
        scores = scores * factors[models]
        index = nms(boxes, scores, labels, iou=iou, keep=keep)
        return boxes[index], scores[index], labels[index]
    if method == "voting":
        return voting_nms(
            boxes, scores, labels, models, weights=factors.tolist(), iou=iou, k=k, keep=keep
        )
    merge = nmw if method == "nmw" else weighted_boxes_fusion
    return merge(boxes, scores, labels, models, weights=factors.tolist(), iou=iou, keep=keep)


def check_fusion(
    models: int,
    *,
    method: str,
    iou: float | None = None,
    weights: Sequence[float] | None = None,
    k: int | None = None,
    sigma: float | None = None,
    keep: int | None = None,
) -> None:
    """Refuse options of `fuse` before the work begins.

    Raises:
        OptionError: an option that is outside its range or that the method does not have.
    """
    check_choice("method", method, get_args(FusionMethod))
    if models < 1:
        raise OptionError("nothing to merge; give the boxes of at least one model")
    if weights is not None:
        check_weights(weights, models)
    if k is not None and (method != "voting" or k < 1):
        raise OptionError(f"k {k} with the method {method!r}; expected at least 1, with 'voting'")
    if sigma is not None and (method != "soft" or iou is not None or not sigma > 0):
        raise OptionError(
            f"sigma {sigma} with the method {method!r}; expected above 0, with 'soft' and no iou"
        )
    if iou is not None:
        check_iou(iou, above_zero=method == "voting")
    check_keep(keep)
