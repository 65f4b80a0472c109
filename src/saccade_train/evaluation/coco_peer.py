"""The twelve numbers of COCO by somebody else: faster-coco-eval, where it is installed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from saccade.geometry.boxes import xyxy_to_xywh
from saccade.metrics.detect import Found, Truth

__all__ = ["coco_peer"]

_NAMES = (
    "map", "map_50", "map_75", "map_small", "map_medium", "map_large",
    "mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large",
)  # fmt: skip


def coco_peer(truths: Sequence[Truth], found: Sequence[Found]) -> dict[str, float] | None:
    """Count as :func:`saccade.metrics.detect.coco_metrics` does, with another program.

    Returns:
        The same numbers under the same names, not a number where that program says -1; None
        where it is not installed.
    """
    try:
        import faster_coco_eval as peer  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        return None
    annotations: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for truth, guess in zip(truths, found, strict=True):
        places = xyxy_to_xywh(truth.boxes.astype(np.float64)).tolist()
        annotations += [
            {
                "image_id": truth.image_id,
                "category_id": int(label),
                "bbox": place,
                "area": float(area),
                "iscrowd": int(crowd),
            }
            for place, label, area, crowd in zip(
                places, truth.labels, truth.areas, truth.crowd, strict=True
            )
        ]
        places = xyxy_to_xywh(guess.boxes.astype(np.float64)).tolist()
        answers += [
            {
                "image_id": truth.image_id,
                "category_id": int(label),
                "bbox": place,
                "area": place[2] * place[3],
                "score": float(score),
            }
            for place, label, score in zip(places, guess.class_ids, guess.scores, strict=True)
        ]
    labels = {int(one["category_id"]) for one in (*annotations, *answers)}
    frame: dict[str, Any] = {
        "images": [{"id": truth.image_id, "width": 1, "height": 1} for truth in truths],
        "categories": [{"id": label, "name": str(label)} for label in sorted(labels)],
    }
    judge = peer.COCOeval_faster(
        _opened(peer, frame, annotations),
        _opened(peer, frame, answers),
        "bbox",
        print_function=lambda *_: None,
    )
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    numbers = [float(number) for number in judge.stats[:12]]
    return {
        name: math.nan if number == -1 else number
        for name, number in zip(_NAMES, numbers, strict=True)
    }


def _opened(peer: Any, frame: dict[str, Any], boxes: list[dict[str, Any]]) -> Any:
    rows = [{"iscrowd": 0, **box, "id": number} for number, box in enumerate(boxes, start=1)]
    return peer.COCO({**frame, "annotations": rows})
