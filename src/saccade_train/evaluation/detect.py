"""The scores of detectors on pictures with boxes: the twelve numbers of COCO.

A model is an exported file, run as a user would run it, or a run folder, run in PyTorch. For files
this module needs NumPy and the runtime only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saccade.datasets.detection import DetectionSample, DetectionSet, merge, open_detection
from saccade.datasets.detection import class_agnostic as one_class
from saccade.datasets.detection_match import match_classes
from saccade.errors import DatasetError, ImageError, Problem
from saccade.metrics.detect import coco_metrics
from saccade.results import Detections
from saccade.tasks.detect import Detector
from saccade_train.evaluation.coco_peer import coco_peer

__all__ = ["DetectScores", "evaluate_detector", "open_boxes", "open_detector"]

FLOOR = 0.025
"""Boxes up to this score are left out, as PaddleDetection does for PicoDet. All else is as the
model's card says."""

Image = NDArray[np.uint8]
Find = Callable[[Image], Detections]


@dataclass(frozen=True)
class DetectScores:
    """What :func:`evaluate_detector` found.

    Attributes:
        metrics: the twelve numbers of COCO by name, see :mod:`saccade.metrics.detect`, and ``n``,
            the number of pictures.
        peer: the same numbers by faster-coco-eval; None where that is not installed.
        skipped: pictures that could not be read, and why.
    """

    metrics: dict[str, float]
    peer: dict[str, float] | None
    skipped: tuple[Problem, ...]

    @property
    def peer_difference(self) -> float | None:
        """The largest difference of a number from that of faster-coco-eval."""
        if self.peer is None:
            return None
        apart = [abs(self.metrics[name] - value) for name, value in self.peer.items()]
        return max((value for value in apart if value == value), default=0.0)


def open_detector(
    model: str | os.PathLike[str], runtime: str = "onnxruntime", threads: int | None = None
) -> tuple[Find, tuple[str, ...]]:
    """Open a model file, a shipped model, or a run folder (needs PyTorch).

    Returns:
        What finds objects in a picture, uint8 RGB (H, W, 3), and the names of its classes.

    Raises:
        ModelError: it cannot serve.
        TrainingError: the run folder is damaged, or of another task.
    """
    if Path(model).is_dir():
        return _open_run(Path(model))
    detector = Detector(model, runtime=runtime, threads=threads)
    return lambda image: detector(image, score=FLOOR), detector.labels


def open_boxes(
    places: Sequence[str | os.PathLike[str]],
    split: str,
    labels: Sequence[str],
    *,
    class_agnostic: bool = False,
) -> DetectionSet:
    """Open labelled pictures with the classes of a model.

    Args:
        places: see :func:`saccade.datasets.detection.open_detection`; several are joined.
        split: which part.
        labels: classes of the model.
        class_agnostic: make all classes one; a model of one class.

    Raises:
        DatasetError: no such data, no box in it, or a class that the model does not know.
    """
    whole = merge([open_detection(place, split) for place in places])
    if not whole.counts().any():
        raise DatasetError(f"{whole.place}: no annotations: not one box to compare with")
    if class_agnostic:
        return one_class(whole)
    return match_classes(whole, labels, "the model")


def evaluate_detector(
    find: Find,
    pictures: DetectionSet,
    *,
    class_agnostic: bool = False,
    progress: Callable[[int], None] | None = None,
) -> DetectScores:
    """Compare what a model finds with the labels.

    Args:
        find: see :func:`open_detector`.
        pictures: labels count in the classes of the model, see :func:`open_boxes`.
        class_agnostic: whatever class the model names, it is an object.
        progress: told the number of pictures after each.

    Raises:
        DatasetError: no picture could be read.
    """
    truths: list[DetectionSample] = []
    found: list[Detections] = []
    skipped: list[Problem] = []
    for number, sample in enumerate(pictures.samples):
        try:
            image = pictures.read(number)
        except ImageError as error:
            skipped.append(Problem(sample.where, str(error)))
        else:
            answer = find(image)
            found.append(_nameless(answer) if class_agnostic else answer)
            truths.append(sample)
        if progress is not None:
            progress(1)
    if not truths:
        raise DatasetError(f"{pictures.place}: no picture could be read, for example {skipped[0]}")
    metrics: dict[str, float] = {**coco_metrics(truths, found), "n": len(truths)}
    return DetectScores(metrics, coco_peer(truths, found), tuple(skipped))


def _nameless(found: Detections) -> Detections:
    return Detections(
        image=found.image,
        width=found.width,
        height=found.height,
        boxes=found.boxes,
        scores=found.scores,
        labels=("object",) * len(found),
        class_ids=np.zeros(len(found), np.int64),
    )


def _open_run(run: Path) -> tuple[Find, tuple[str, ...]]:
    # With torch, which model files do without.
    import torch

    from saccade.errors import TrainingError
    from saccade_train.export.load import load_run
    from saccade_train.training.detect import find_objects
    from saccade_train.training.evaluate import normaliser

    trained = load_run(run)
    if trained.recipe.task != "detect":
        raise TrainingError(f"{run}: a model to {trained.recipe.task}; expected one to detect")
    data = trained.recipe.data
    prepare = data.prepare()
    normalise = normaliser(data.mean, data.std, torch.device("cpu"), channels_last=False)

    def find(image: Image) -> Detections:
        size = (image.shape[0], image.shape[1])
        ready = prepare(image)[None]
        return find_objects(trained.model, ready, [size], normalise, data, trained.classes)[0]

    return find, trained.classes
