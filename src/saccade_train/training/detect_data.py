"""The pictures with boxes of a training: places joined, classes agreed on, a holdout if need be."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from saccade.datasets.detection import (
    DetectionSet,
    class_agnostic,
    detection_splits,
    merge,
    open_detection,
)
from saccade.datasets.detection_match import match_classes, pick_boxes
from saccade.errors import DatasetError, Problem
from saccade_train.recipes.schema_detect import BoxData

from .data import Places, place_list

__all__ = ["DetectData", "fingerprint", "open_detect_data"]


@dataclass(frozen=True)
class DetectData:
    """What a training of a detector reads; both sets have the same classes."""

    train: DetectionSet
    """Without crowds and what else counts for nothing."""
    val: DetectionSet
    problems: tuple[Problem, ...]
    """What was left out, a line for each kind."""
    notes: tuple[str, ...]
    """Decisions that the user should know of."""


def open_detect_data(data: Places, val: Places, options: BoxData, *, seed: int = 0) -> DetectData:
    """Open pictures to train on and to evaluate with.

    Args:
        data: One or several places, see :func:`saccade.datasets.detection.open_detection`; their
            training pictures are joined, classes of the same name become one.
        val: Places to evaluate with. Empty: the val splits of ``data``; a place without one gives
            up a share of its pictures instead.
        options: The recipe's ``data``.
        seed: Which pictures are held out.

    Raises:
        DatasetError: A place is missing or empty, has no box, or a class of val is absent from
            train.
    """
    trains: list[DetectionSet] = []
    vals: list[DetectionSet] = []
    notes: list[str] = []
    for place in place_list(data):
        splits = detection_splits(place)
        split = _train_split(place, splits)
        train = open_detection(place, split)
        if not place_list(val):
            if "val" in splits and split != "val":
                vals.append(open_detection(place, "val"))
            else:
                train, held = _hold_out(train, options.holdout, seed)
                vals.append(held)
                notes.append(
                    f"{place} has no val split: {len(held)} of its {len(train) + len(held)} "
                    f"pictures are held out for evaluation (seed {seed})"
                )
        trains.append(train)
    if not trains:
        raise DatasetError("no pictures to train on; name a place with --data")
    vals += [
        open_detection(place, _eval_split(detection_splits(place))) for place in place_list(val)
    ]
    problems = tuple(problem for one in (*trains, *vals) for problem in one.problems)
    joined, evaluated = merge(trains), merge(vals)
    if options.class_agnostic:
        joined, evaluated = class_agnostic(joined), class_agnostic(evaluated)
    else:
        evaluated = match_classes(evaluated, joined.classes, "the training data")
    counting = _only_counting(joined)
    boxes = sum(len(sample.boxes) for sample in counting.samples)
    if not boxes:
        raise DatasetError(f"{joined.place}: no annotations: not one box to learn from")
    if not evaluated.counts().any():
        raise DatasetError(
            f"{evaluated.place}: not one box on the {len(evaluated)} pictures to evaluate with; "
            "name another place with --val, or hold out more pictures (data.holdout)"
        )
    if not options.negatives:
        with_boxes = [i for i, sample in enumerate(counting.samples) if len(sample.boxes)]
        if len(with_boxes) < len(counting):
            notes.append(
                f"{len(counting) - len(with_boxes)} pictures without boxes are not trained on "
                "(data.negatives=true uses them)"
            )
        counting = counting.subset(with_boxes)
    shared = {s.where for s in counting.samples} & {s.where for s in evaluated.samples}
    if shared:
        notes.append(
            f"warning: {len(shared)} pictures are in train and in val ({min(shared)} is one): "
            "the scores will flatter"
        )
    notes.append(
        f"{len(counting)} training pictures with {boxes} boxes and {len(evaluated)} evaluation "
        f"pictures with {evaluated.box_count}; {len(joined.classes)} classes"
    )
    return DetectData(counting, evaluated, tuple(dict.fromkeys(problems)), tuple(notes))


def fingerprint(*sets: DetectionSet) -> str:
    """A digest of the classes, and of each picture's name and boxes, in order.

    Where the pictures lie does not count: a dataset that was moved is still the same.
    """
    digest = hashlib.sha256()
    for one in sets:
        digest.update("\0".join(one.classes).encode())
        for sample in one.samples:
            name = "/".join(sample.path.replace("\\", "/").split("/")[-3:])
            digest.update(f"\0{name}\0".encode(errors="surrogateescape"))
            digest.update(np.ascontiguousarray(sample.boxes).tobytes())
            digest.update(np.ascontiguousarray(sample.labels).tobytes())
    return digest.hexdigest()


def _train_split(place: Path, splits: Sequence[str]) -> str:
    for name in ("train", "trainval"):
        if name in splits:
            return name
    if len(splits) == 1:
        return splits[0]
    raise DatasetError(f"{place}: has no split 'train'; it has: {', '.join(splits)}")


def _eval_split(splits: Sequence[str]) -> str:
    return next((name for name in ("val", "test") if name in splits), splits[0])


def _hold_out(whole: DetectionSet, share: float, seed: int) -> tuple[DetectionSet, DetectionSet]:
    """Train and evaluation pictures, drawn evenly."""
    if len(whole) < 2:
        raise DatasetError(
            f"{whole.place}: {len(whole)} picture, and none to evaluate with; name a place with "
            "--val"
        )
    order = np.random.default_rng([seed, 0x401D]).permutation(len(whole))
    held = min(len(whole) - 1, max(1, round(share * len(whole))))
    return whole.subset(sorted(order[held:])), replace(
        whole.subset(sorted(order[:held])), problems=()
    )


def _only_counting(whole: DetectionSet) -> DetectionSet:
    """Without boxes that count for nothing, and without what only conversion wants."""
    samples = (pick_boxes(sample, ~sample.crowd) for sample in whole.samples)
    bare = tuple(replace(sample, details=(), info={}) for sample in samples)
    return replace(whole, samples=bare, details={})
