"""Boxes written as COCO JSON files; see `saccade.datasets.coco`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from saccade.datasets.detection_set import DetectionSample, DetectionSet
from saccade.datasets.rounding import shortest
from saccade.geometry.boxes import xywh_to_xyxy, xyxy_to_xywh

__all__ = ["write_coco"]


def write_coco(root: Path, split: str, whole: DetectionSet, names: Sequence[str]) -> None:
    """Write ``annotations/instances_SPLIT.json``.

    Numbers are as short as they can be and still give the same float32 corners when read.

    Args:
        root: folder of the dataset.
        split: its name.
        whole: the boxes.
        names: of the pictures in ``images/``, one for each sample.
    """
    more = dict(whole.details)
    further = more.pop("categories", None) or [{}] * len(whole.classes)
    categories = [
        {"id": number, "name": name, **extra}
        for number, name, extra in zip(whole.category_ids, whole.classes, further, strict=True)
    ]
    images = []
    annotations: list[dict[str, Any]] = []
    for sample, name in zip(whole.samples, names, strict=True):
        images.append(
            {
                "id": sample.image_id,
                "file_name": name,
                "width": sample.width,
                "height": sample.height,
                **sample.info,
            }
        )
        annotations += _annotations(sample, whole.category_ids)
    ids = [entry["id"] for entry in annotations]
    if len(set(map(str, ids))) < len(ids) or not all(type(i) is int and i > 0 for i in ids):
        for number, entry in enumerate(annotations, start=1):
            entry["id"] = number
    target = root / "annotations" / f"instances_{split}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    content = {**more, "images": images, "annotations": annotations, "categories": categories}
    target.write_bytes(_encode(content))


def _annotations(sample: DetectionSample, category_ids: Sequence[int]) -> list[dict[str, Any]]:
    exact = xyxy_to_xywh(sample.boxes.astype(np.float64))
    boxes, _ = shortest(exact, xywh_to_xyxy, sample.boxes)
    entries = []
    for number, box in enumerate(boxes.tolist()):
        more = dict(sample.details[number]) if sample.details else {}
        entry = {
            "id": more.pop("id", 0),
            "image_id": sample.image_id,
            "category_id": category_ids[int(sample.labels[number])],
            "bbox": box,
            "area": float(str(sample.areas[number])),
            "iscrowd": int(sample.crowd[number]),
            **more,
        }
        if sample.difficult[number]:
            entry["difficult"] = 1
        entries.append(entry)
    return entries


def _encode(content: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair somewhere
        return json.dumps(content, separators=(",", ":")).encode()
