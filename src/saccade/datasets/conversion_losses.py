"""What a form of a dataset of boxes can't hold, counted before it is lost."""

from __future__ import annotations

from collections import Counter

import numpy as np

from saccade.datasets.detection_set import DetectionSet
from saccade.datasets.tally import Kind, Tally
from saccade.geometry.boxes import area

__all__ = ["count_losses"]

_HELD_BY_VOC = frozenset({"id", "truncated", "occluded", "pose"})

_CROWD_DIFFICULT = Kind(
    "1 crowd is marked as difficult, the nearest that VOC knows",
    "{} crowds are marked as difficult, the nearest that VOC knows",
)
_DIFFICULT_CROWD = Kind(
    "1 difficult box is marked iscrowd, the nearest that COCO knows (and keeps a key 'difficult')",
    "{} difficult boxes are marked iscrowd, the nearest that COCO knows (and keep a key "
    "'difficult')",
)
_CROWD_LEFT = Kind(
    "1 crowd or difficult box was left out, which YOLO can't mark",
    "{} crowd or difficult boxes were left out, which YOLO can't mark",
)
_AREAS = Kind(
    "1 area of an outline was dropped; only that of the box is left",
    "{} areas of outlines were dropped; only those of the boxes are left",
)
_IDS = Kind("the ids of the categories were dropped; they become 1, 2, 3, ...", "")
_FRACTIONS = Kind(
    "1 box has fractions of pixels, at which some readers of VOC stumble",
    "{} boxes have fractions of pixels, at which some readers of VOC stumble",
)


def count_losses(one: DetectionSet, form: str, lost: Tally) -> None:
    """Count what the form can't hold."""
    crowd = sum(int((s.crowd & ~s.difficult).sum()) for s in one.samples)
    difficult = sum(int(s.difficult.sum()) for s in one.samples)
    if form == "coco":
        lost.add(_DIFFICULT_CROWD, count=difficult)
        return
    if form == "voc":
        lost.add(_CROWD_DIFFICULT, count=crowd)
        lost.add(_FRACTIONS, count=sum(_fractional(s.boxes) for s in one.samples))
    else:
        lost.add(_CROWD_LEFT, count=crowd + difficult)
    if one.category_ids != tuple(range(1, len(one.classes) + 1)):
        lost.add(_IDS)
    held = _HELD_BY_VOC if form == "voc" else frozenset({"id"})
    keys: Counter[tuple[str, str]] = Counter()
    for sample in one.samples:
        own = area(sample.boxes)
        # COCO files round areas and sides; only an outline makes more of a difference.
        counted = np.ones(len(own), bool) if form == "voc" else ~sample.crowd
        differs = (np.abs(sample.areas - own) > 0.5 + 1e-3 * own) & counted
        lost.add(_AREAS, count=int(differs.sum()))
        keys.update(("picture", key) for key, value in sample.info.items() if _says(value))
        for detail in sample.details:
            keys.update(
                ("box", key) for key, value in detail.items() if key not in held and _says(value)
            )
    keys.update(("file", key) for key, value in one.details.items() if _says(value))
    for (what, key), count in sorted(keys.items()):
        many = "boxes" if what == "box" else f"{what}s"
        lost.add(
            Kind(f"{key!r} of 1 {what} was dropped", f"{key!r} of {{}} {many} was dropped"),
            count=count,
        )


def _fractional(boxes: np.ndarray) -> int:
    return int((boxes != np.round(boxes)).any(axis=1).sum())


def _says(value: object) -> bool:
    """Whether a value of a detail says anything."""
    if isinstance(value, list | tuple):
        return any(map(_says, value))
    return value not in (None, "", 0, {})
