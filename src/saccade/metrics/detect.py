"""How well boxes are found: the twelve numbers of COCO.

The rules of `cocodataset/cocoapi:PythonAPI/pycocotools/cocoeval.py`, written anew; the tests hold
the numbers to those of faster-coco-eval.

| name | what it is |
|---|---|
| ``map`` | average precision, mean over the classes and the IoU thresholds 0.50, 0.55, ..., 0.95 |
| ``map_50``, ``map_75`` | the same at one threshold |
| ``map_small``, ``map_medium``, ``map_large`` | the same over objects of some size alone |
| ``mar_1``, ``mar_10``, ``mar_100`` | recall, given so many boxes a picture and class; same mean |
| ``mar_small``, ``mar_medium``, ``mar_large`` | recall, given 100, over objects of some size |

* A picture's boxes of a class are taken by descending score, at most 100. Each takes the object of
  its class that it overlaps most, of those that are free and overlap it by at least the threshold;
  of equally good ones the last.
* Small is an area of 0 to 32² pixels, medium 32² to 96², large 96² to 10^10; an area of exactly 32²
  is both. The area of an object is the annotated one (of its outline), that of a found box its own.
* Crowds, and objects of another size, count for nothing: nobody misses them, and a box that takes
  one is neither right nor wrong. A crowd may be taken again and again, and overlaps a box by the
  share of the *box* that it covers. A box that takes nothing and is itself of another size counts
  for nothing either.
* Precision is made to fall with recall, and averaged over the recalls 0, 0.01, ..., 1.
* Classes without an object that counts take no part in a mean; a mean over none is not a number
  (COCO's code says -1). Pictures without anything take part: what is found there is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from saccade.errors import OptionError

__all__ = ["AREAS", "IOUS", "LIMITS", "RECALLS", "CocoTables", "coco_metrics", "coco_tables"]

IOUS = np.linspace(0.5, 0.95, 10)
"""The T thresholds."""
RECALLS = np.linspace(0, 1, 101)
"""The R recalls at which precision is read."""
AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""The S ranges of area in square pixels, both ends included."""
LIMITS = (1, 10, 100)
"""The M numbers of boxes that are looked at, a picture and class."""


class Truth(Protocol):
    """What is in one picture; `saccade.datasets.detection.DetectionSample` is such a thing.

    Attributes:
        image_id: pictures are taken by ascending id, which decides between equal scores.
        boxes: (N, 4) xyxy in pixels.
        labels: (N,) integers.
        crowd: (N,) bool, True for what counts for nothing.
        areas: (N,) in square pixels.
    """

    @property
    def image_id(self) -> Any: ...
    @property
    def boxes(self) -> np.ndarray: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def crowd(self) -> np.ndarray: ...
    @property
    def areas(self) -> np.ndarray: ...


class Found(Protocol):
    """What was found in one picture; `saccade.results.Detections` is such a thing.

    Attributes:
        boxes: (N, 4) xyxy in pixels.
        scores: (N,).
        class_ids: (N,) integers, the numbers that the labels use.
    """

    @property
    def boxes(self) -> np.ndarray: ...
    @property
    def scores(self) -> np.ndarray: ...
    @property
    def class_ids(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class CocoTables:
    """What the twelve numbers are means of.

    Attributes:
        classes: int64 (K,), the labels that occur, ascending.
        precision: float64 (T, R, K, S), given 100 boxes; not a number for a class without objects.
        recall: float64 (T, K, S, M); likewise.
    """

    classes: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    def summary(self) -> dict[str, float]:
        """The twelve numbers, in 0..1; see the module for the names."""
        precision, recall = self.precision, self.recall
        sizes = list(enumerate(AREAS))[1:]
        return {
            "map": _mean(precision[:, :, :, 0]),
            "map_50": _mean(precision[0, :, :, 0]),
            "map_75": _mean(precision[5, :, :, 0]),
            **{f"map_{name}": _mean(precision[:, :, :, size]) for size, name in sizes},
            **{f"mar_{limit}": _mean(recall[:, :, 0, m]) for m, limit in enumerate(LIMITS)},
            **{f"mar_{name}": _mean(recall[:, :, size, -1]) for size, name in sizes},
        }


def coco_metrics(truths: Sequence[Truth], found: Sequence[Found]) -> dict[str, float]:
    """The twelve numbers of COCO.

    Args:
        truths: what is in each picture.
        found: what was found in the same pictures, in the same order.

    Returns:
        ``map, map_50, map_75, map_small, map_medium, map_large, mar_1, mar_10, mar_100,
        mar_small, mar_medium, mar_large`` in 0..1; not a number where no object counts.

    Raises:
        OptionError: shapes or lengths that do not fit, or a score that is not a number.
    """
    return coco_tables(truths, found).summary()


def coco_tables(truths: Sequence[Truth], found: Sequence[Found]) -> CocoTables:
    """Precision and recall by threshold, class and size.

    Args:
        truths: what is in each picture.
        found: what was found in the same pictures, in the same order.

    Raises:
        OptionError: as `coco_metrics`.
    """
    if len(truths) != len(found):
        raise OptionError(
            f"{len(truths)} pictures with truths, {len(found)} with findings; expected as many"
        )
    order = sorted(range(len(truths)), key=lambda number: truths[number].image_id)
    objects = _collect_objects([truths[number] for number in order])
    guesses = _collect_guesses([found[number] for number in order])
    matched, ignored = _match(objects, guesses)
    classes = np.unique(objects.labels)
    shape = (len(IOUS), len(RECALLS), len(classes), len(AREAS))
    precision = np.full(shape, np.nan)
    recall = np.full((len(IOUS), len(classes), len(AREAS), len(LIMITS)), np.nan)
    for number, label in enumerate(classes):
        own = np.flatnonzero(guesses.labels == label)
        own = own[np.argsort(-guesses.scores[own], kind="stable")]
        counts = (~objects.ignored[objects.labels == label]).sum(axis=0)
        for size in np.flatnonzero(counts):
            for m, limit in enumerate(LIMITS):
                rows = own[guesses.places[own] < limit]
                right = matched[rows, size] & ~ignored[rows, size]
                wrong = ~(matched[rows, size] | ignored[rows, size])
                curve, reached = _curve(right, wrong, int(counts[size]))
                recall[:, number, size, m] = reached
            precision[:, :, number, size] = curve
    return CocoTables(classes, precision, recall)


class _Objects(NamedTuple):
    """All objects, by class and picture."""

    keys: np.ndarray  # (N, 2) class and picture
    boxes: np.ndarray  # (N, 4)
    crowd: np.ndarray  # (N,)
    ignored: np.ndarray  # (N, S)

    @property
    def labels(self) -> np.ndarray:
        labels: np.ndarray = self.keys[:, 0]
        return labels


class _Guesses(NamedTuple):
    """All boxes found, by class, picture and descending score; at most 100 a picture and class."""

    keys: np.ndarray  # (D, 2) class and picture
    boxes: np.ndarray  # (D, 4)
    scores: np.ndarray  # (D,)
    places: np.ndarray  # (D,) 0 for the best of its class and picture
    ignored: np.ndarray  # (D, S), if they take nothing

    @property
    def labels(self) -> np.ndarray:
        labels: np.ndarray = self.keys[:, 0]
        return labels


def _collect_objects(truths: Sequence[Truth]) -> _Objects:
    columns = [(one.boxes, one.labels, one.crowd, one.areas) for one in truths]
    pictures, boxes, (labels, crowd, areas) = _join(columns, ("labels", "crowd", "areas"))
    order = np.lexsort((pictures, labels))
    crowd = crowd[order].astype(bool)
    ignored = crowd[:, None] | _of_other_size(areas[order])
    keys = np.stack([labels, pictures], axis=1)[order].astype(np.int64)
    return _Objects(keys, boxes[order], crowd, ignored)


def _collect_guesses(found: Sequence[Found]) -> _Guesses:
    columns = [(one.boxes, one.class_ids, one.scores) for one in found]
    pictures, boxes, (labels, scores) = _join(columns, ("class_ids", "scores"))
    if np.isnan(scores).any():
        raise OptionError("a score is not a number; leave such boxes out")
    order = np.lexsort((-scores, pictures, labels))
    keys = np.stack([labels, pictures], axis=1)[order].astype(np.int64)
    starts, ends = _runs(keys)
    places = np.arange(len(keys)) - np.repeat(starts, ends - starts)
    chosen = places < LIMITS[-1]
    order, keys, places = order[chosen], keys[chosen], places[chosen]
    boxes = boxes[order]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return _Guesses(keys, boxes, scores[order], places, _of_other_size(areas))


def _join(
    columns: Sequence[tuple[np.ndarray, ...]], names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Number of the picture, box and further columns of all rows; float64 but for the numbers."""
    rows: list[list[np.ndarray]] = [[] for _ in names]
    boxes, counts = [np.zeros((0, 4))], []
    for number, (corners, *others) in enumerate(columns):
        corners = np.asarray(corners, np.float64).reshape(-1, 4)
        boxes.append(corners)
        counts.append(len(corners))
        for name, column, into in zip(names, others, rows, strict=True):
            array = np.asarray(column, np.float64)
            if array.shape != (len(corners),):
                raise OptionError(
                    f"picture {number} has {len(corners)} boxes and {name} of shape "
                    f"{array.shape}; expected ({len(corners)},)"
                )
            into.append(array)
    pictures = np.repeat(np.arange(len(counts)), counts)
    return pictures, np.concatenate(boxes), [np.concatenate([np.zeros(0), *row]) for row in rows]


def _of_other_size(areas: np.ndarray) -> np.ndarray:
    """Bool (N, S)."""
    low, high = np.array(list(AREAS.values())).T
    outside: np.ndarray = (areas[:, None] < low) | (areas[:, None] > high)
    return outside


def _runs(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of equal rows start and end."""
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    cuts = np.flatnonzero((keys[1:] != keys[:-1]).any(axis=1)) + 1
    return np.append(0, cuts), np.append(cuts, len(keys))


def _match(objects: _Objects, guesses: _Guesses) -> tuple[np.ndarray, np.ndarray]:
    """Whether each found box takes an object, and whether it counts for nothing: (D, S, T) each."""
    shape = (len(guesses.keys), len(AREAS), len(IOUS))
    matched = np.zeros(shape, bool)
    ignored = np.repeat(guesses.ignored[:, :, None], len(IOUS), axis=2)
    starts, ends = _runs(objects.keys)
    theirs = {
        tuple(key): slice(start, end)
        for key, start, end in zip(objects.keys[starts].tolist(), starts, ends, strict=True)
    }
    for start, end in zip(*_runs(guesses.keys), strict=True):
        label, picture = guesses.keys[start].tolist()
        if (label, picture) in theirs:
            group = theirs[label, picture]
            overlap = _overlap(guesses.boxes[start:end], objects.boxes[group], objects.crowd[group])
            _match_group(
                overlap,
                objects.crowd[group],
                objects.ignored[group].T,
                matched[start:end],
                ignored[start:end],
            )
    return matched, ignored


def _overlap(boxes: np.ndarray, objects: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU (D, G); for a crowd the share of the box that it covers."""
    sides = np.minimum(boxes[:, None, 2:], objects[None, :, 2:])
    sides -= np.maximum(boxes[:, None, :2], objects[None, :, :2])
    shared = np.where((sides > 0).all(axis=2), sides[..., 0] * sides[..., 1], 0.0)
    own, other = ((one[:, 2] - one[:, 0]) * (one[:, 3] - one[:, 1]) for one in (boxes, objects))
    whole = np.where(crowd[None, :], own[:, None], own[:, None] + other[None, :] - shared)
    share: np.ndarray = np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)
    return share


def _match_group(
    overlap: np.ndarray,
    crowd: np.ndarray,
    worthless: np.ndarray,
    matched: np.ndarray,
    ignored: np.ndarray,
) -> None:
    """Match the boxes and objects of one class and picture; fills in the last two.

    Args:
        overlap: (D, G).
        crowd: bool (G,).
        worthless: bool (S, G), objects that count for nothing.
        matched: bool (D, S, T), False.
        ignored: bool (D, S, T), whether the box counts for nothing if it takes nothing.
    """
    least = np.minimum(IOUS, 1 - 1e-10)
    free = np.ones((len(AREAS), len(IOUS), len(crowd)), bool)
    size, threshold = np.ogrid[: len(AREAS), : len(IOUS)]
    for guess in np.flatnonzero(overlap.max(axis=1) >= least[0]):
        row = overlap[guess]
        possible = (row >= least[:, None]) & free
        worthy = possible & ~worthless[:, None, :]
        # An object that counts for nothing is taken only where no other can be.
        possible = np.where(worthy.any(axis=2, keepdims=True), worthy, possible)
        takes = possible.any(axis=2)
        best = np.where(possible, row, -1.0)[..., ::-1].argmax(axis=2)
        best = len(row) - 1 - best
        matched[guess] = takes
        ignored[guess] = np.where(takes, worthless[size, best], ignored[guess])
        free[size, threshold, best] &= ~takes | crowd[best]


def _curve(right: np.ndarray, wrong: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision at each recall (T, R), and the last recall (T,).

    Args:
        right: bool (D, T) by descending score.
        wrong: bool (D, T).
        count: how many objects there are, above 0.
    """
    precision = np.zeros((len(IOUS), len(RECALLS)))
    if not len(right):
        return precision, np.zeros(len(IOUS))
    hits = np.cumsum(right, axis=0, dtype=np.float64)
    total = hits + np.cumsum(wrong, axis=0, dtype=np.float64)
    recall = hits / count
    falling = np.maximum.accumulate((hits / (total + np.spacing(1)))[::-1], axis=0)[::-1]
    for number in range(len(IOUS)):
        place = np.searchsorted(recall[:, number], RECALLS, side="left")
        reached = place < len(recall)
        precision[number, reached] = falling[place[reached], number]
    return precision, recall[-1]


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
