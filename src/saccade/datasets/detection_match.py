"""Labelled boxes with the classes of somebody else: of a model, or of the training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saccade.datasets.detection_set import DetectionSample, DetectionSet
from saccade.errors import DatasetError, nearest

__all__ = ["match_classes", "pick_boxes"]


def match_classes(pictures: DetectionSet, classes: Sequence[str], whose: str) -> DetectionSet:
    """Number the classes of a set by their names, as another has them.

    Boxes that count for nothing, and are of a class of its own, are left out.

    Args:
        pictures: The set.
        classes: The names that count, in order.
        whose: They are, for messages.

    Raises:
        DatasetError: Boxes that count are of a class that is not among them.
    """
    if pictures.classes == tuple(classes):
        return pictures
    number = {name: label for label, name in enumerate(classes)}
    counts = pictures.counts()
    for label, name in enumerate(pictures.classes):
        if counts[label] and name not in number:
            raise DatasetError(
                f"{pictures.place}: the class {name!r} of {counts[label]} boxes is unknown to "
                f"{whose}; {nearest(name, classes)}"
            )
    table = np.array([number.get(name, -1) for name in pictures.classes], np.int64)

    def renumbered(sample: DetectionSample) -> DetectionSample:
        labels = table[sample.labels]
        return pick_boxes(replace(sample, labels=labels), labels >= 0)

    return replace(
        pictures,
        samples=tuple(renumbered(sample) for sample in pictures.samples),
        classes=tuple(classes),
        category_ids=tuple(range(1, len(classes) + 1)),
        details={},
    )


def pick_boxes(sample: DetectionSample, kept: NDArray[np.bool_]) -> DetectionSample:
    """Some of the boxes of a picture, by a mask (N,)."""
    if kept.all():
        return sample
    return replace(
        sample,
        boxes=sample.boxes[kept],
        labels=sample.labels[kept],
        crowd=sample.crowd[kept],
        areas=sample.areas[kept],
        difficult=sample.difficult[kept],
        details=(),
    )
