"""Pictures with labelled boxes: what the readers of COCO, VOC and YOLO build.

A sample keeps every box that has an area inside its picture. What was left out or changed on the
way is counted and told as problems, one for each kind, with an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from saccade.datasets.class_names import clean_name, name_classes
from saccade.datasets.detection_kinds import CLIPPED, EMPTY, FLAT, OUTSIDE
from saccade.datasets.stores import read_member
from saccade.datasets.tally import Kind, Tally
from saccade.errors import DatasetError, ImageError, Problem
from saccade.geometry.boxes import area
from saccade.imaging.read import read_image

__all__ = [
    "DetectionSample",
    "DetectionSet",
    "Kind",
    "RawBox",
    "Tally",
    "build_sample",
    "class_agnostic",
    "clean_name",
    "complete",
    "merge",
    "name_classes",
    "share_classes",
]

# Formats round their numbers; a border missed by less than this many pixels is no mistake.
_SLACK = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class DetectionSample:
    """One picture and its boxes.

    Attributes:
        path: of the picture; inside ``archive`` if there is one.
        image_id: its number in the COCO file, or its position from 1; unique in the set.
        width: in pixels, as annotated.
        height: in pixels, as annotated.
        boxes: float32 (N, 4) xyxy in pixels, inside the picture and of some area.
        labels: int64 (N,), numbers of classes.
        crowd: bool (N,); these count for nothing, neither in training nor in scores: crowds of
            COCO and what VOC calls difficult.
        areas: float32 (N,), square pixels of the object as annotated (COCO: of its outline).
        archive: absolute path of the ``.zip`` that holds the picture, or empty.
        difficult: bool (N,); those of ``crowd`` that are difficult, not a crowd.
        details: N further descriptions as found (``segmentation``, ``truncated``, ...), or nothing;
            kept for conversion only.
        info: the same of the picture (``license``, ...).
    """

    path: str
    image_id: int
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    archive: str = ""
    difficult: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    details: tuple[Mapping[str, Any], ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.difficult) != len(self.boxes):
            object.__setattr__(self, "difficult", np.zeros(len(self.boxes), bool))

    @property
    def where(self) -> str:
        """What messages call it: ``pack.zip:images/1.jpg`` or the path."""
        return f"{self.archive}:{self.path}" if self.archive else self.path


@dataclass(frozen=True)
class DetectionSet:
    """Pictures with boxes, read one at a time. Cheap to copy to worker processes.

    Attributes:
        samples: in the order of the source. Pictures without boxes stay.
        classes: names; their position is the label.
        category_ids: ids that COCO files use, by label.
        problems: what was left out or changed, and why.
        place: where it came from, for messages.
        details: what a COCO file says beyond pictures, boxes and names; kept for conversion only.
    """

    samples: tuple[DetectionSample, ...]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    problems: tuple[Problem, ...] = ()
    place: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, number: int) -> np.ndarray:
        """Read a picture.

        Returns:
            uint8 RGB (H, W, 3).

        Raises:
            ImageError: it cannot be read, or its boxes were drawn on one of another size.
        """
        sample = self.samples[number]
        if sample.archive:
            image = read_image(read_member(sample.archive, sample.path), name=sample.where)
        else:
            image = read_image(sample.path)
        check_picture_size(sample, image.shape[:2])
        return image

    @cached_property
    def box_count(self) -> int:
        """The number of boxes of all pictures, those that count for nothing included."""
        return sum(len(sample.labels) for sample in self.samples)

    def counts(self) -> np.ndarray:
        """Count the boxes of each class that count: int64 (C,)."""
        counts = np.zeros(len(self.classes), np.int64)
        for sample in self.samples:
            np.add.at(counts, sample.labels[~sample.crowd], 1)
        return counts

    def subset(self, numbers: Iterable[int]) -> DetectionSet:
        """Keep only some pictures, in the given order, with the same classes."""
        return replace(self, samples=tuple(self.samples[int(number)] for number in numbers))


def check_picture_size(sample: DetectionSample, size: tuple[int, ...]) -> None:
    """Compare the (height, width) of a picture with what its annotation says.

    Raises:
        ImageError: they differ.
    """
    height, width = size
    if (height, width) == (sample.height, sample.width):
        return
    turned = (width, height) == (sample.height, sample.width)
    advice = (
        "its EXIF rotation was probably ignored when it was labelled: turn its pixels or its boxes"
        if turned
        else "the boxes belong to another version of the picture: bring the two together"
    )
    raise ImageError(
        f"{sample.where} is {width} x {height} pixels, but its annotation says {sample.width} x "
        f"{sample.height}; {advice}"
    )


def class_agnostic(whole: DetectionSet) -> DetectionSet:
    """Make all classes one, ``"object"``: what a detector of main bodies learns."""
    samples = tuple(
        replace(sample, labels=np.zeros_like(sample.labels)) for sample in whole.samples
    )
    return replace(whole, samples=samples, classes=("object",), category_ids=(1,), details={})


def merge(sets: Sequence[DetectionSet]) -> DetectionSet:
    """Make one set of several; classes of the same name become one, pictures are numbered anew.

    Raises:
        DatasetError: no set.
    """
    if not sets:
        raise DatasetError("no dataset to merge; name at least one")
    if len(sets) == 1:
        return sets[0]
    sets = share_classes(sets)
    samples = [sample for one in sets for sample in one.samples]
    return DetectionSet(
        samples=tuple(replace(sample, image_id=i) for i, sample in enumerate(samples, start=1)),
        classes=sets[0].classes,
        category_ids=sets[0].category_ids,
        problems=tuple(problem for one in sets for problem in one.problems),
        place=" + ".join(one.place for one in sets),
    )


def share_classes(sets: Sequence[DetectionSet]) -> list[DetectionSet]:
    """Give sets one list of classes: those of the first, then the new ones of each next.

    COCO ids are kept where no two classes claim the same; otherwise they become 1, 2, 3, ...
    """
    first = sets[0]
    if all((s.classes, s.category_ids) == (first.classes, first.category_ids) for s in sets):
        return list(sets)
    ids: dict[str, int] = {}
    agreed = True
    for one in sets:
        for name, category in zip(one.classes, one.category_ids, strict=True):
            agreed &= ids.setdefault(name, category) == category
    agreed &= len(set(ids.values())) == len(ids)
    classes = tuple(ids)
    numbers = tuple(ids.values()) if agreed else tuple(range(1, len(ids) + 1))
    return [_relabel(one, classes, numbers) for one in sets]


def _relabel(one: DetectionSet, classes: tuple[str, ...], ids: tuple[int, ...]) -> DetectionSet:
    number = {name: label for label, name in enumerate(classes)}
    table = np.array([number[name] for name in one.classes], np.int64)
    samples = tuple(replace(sample, labels=table[sample.labels]) for sample in one.samples)
    details = {key: value for key, value in one.details.items() if key != "categories"}
    return replace(one, samples=samples, classes=classes, category_ids=ids, details=details)


class RawBox(NamedTuple):
    """A box as a file has it: corners in pixels, anywhere, in any order."""

    corners: tuple[float, float, float, float]
    label: int
    crowd: bool = False
    difficult: bool = False
    area: float | None = None
    details: Mapping[str, Any] | None = None


def build_sample(
    raw: Sequence[RawBox],
    tally: Tally,
    *,
    path: str,
    archive: str,
    image_id: int,
    size: tuple[int, int],
    info: Mapping[str, Any] | None = None,
) -> DetectionSample:
    """Clip boxes to their picture, leave out what has no area, and count both.

    Args:
        raw: the boxes; finite numbers.
        tally: where problems are counted.
        path: see `DetectionSample`, as the next two.
        archive: see there.
        image_id: see there.
        size: (height, width) of the picture.
        info: see there.
    """
    height, width = size
    corners = np.array([box.corners for box in raw], np.float64).reshape(-1, 4)
    upper = np.array([width, height, width, height], np.float64)
    clipped = np.clip(corners, 0, upper)
    boxes = clipped.astype(np.float32)
    flat = (corners[:, 2:] <= corners[:, :2]).any(axis=1)
    kept = np.logical_and((boxes[:, 2:] > boxes[:, :2]).all(axis=1), ~flat)
    moved = np.logical_and(((corners < -_SLACK) | (corners > upper + _SLACK)).any(axis=1), kept)
    name = path.rpartition("/")[2]
    tally.add(FLAT, name, int(flat.sum()))
    tally.add(OUTSIDE, name, int((~flat & ~kept).sum()))
    tally.add(CLIPPED, name, int(moved.sum()))
    order = np.flatnonzero(kept).tolist()
    rows = [raw[number] for number in order]
    boxes = boxes[order]
    areas = area(boxes)
    for position, (number, row) in enumerate(zip(order, rows, strict=True)):
        if row.area is not None and row.area > 0:
            areas[position] = min(row.area, areas[position]) if moved[number] else row.area
    difficult = np.array([row.difficult for row in rows], bool)
    with_details = any(row.details is not None for row in rows)
    return DetectionSample(
        path=path,
        image_id=image_id,
        width=width,
        height=height,
        boxes=boxes,
        labels=np.array([row.label for row in rows], np.int64),
        crowd=np.array([row.crowd for row in rows], bool) | difficult,
        areas=areas,
        archive=archive,
        difficult=difficult,
        details=tuple(row.details or {} for row in rows) if with_details else (),
        info=info or {},
    )


def complete(
    samples: Sequence[DetectionSample],
    classes: tuple[str, ...],
    category_ids: tuple[int, ...],
    tally: Tally,
    details: Mapping[str, Any] | None = None,
) -> DetectionSet:
    """Make the set of its samples, and tell which classes have no box."""
    whole = DetectionSet(
        tuple(samples), classes, category_ids, (), tally.where, details if details else {}
    )
    counts = whole.counts()
    if not counts.any():
        tally.add(Kind("no picture has a box that counts", ""))
    else:
        for label in np.flatnonzero(counts == 0):
            tally.add(EMPTY, repr(classes[label]))
    return replace(whole, problems=tally.problems())
