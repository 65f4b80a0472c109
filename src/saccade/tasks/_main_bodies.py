"""From a picture to the pieces that are recognised, and from their names to the answer.

Steps 1, 2 and 4 of PP-ShiTu's pipeline (arXiv 2111.00775;
`PaddlePaddle/PaddleClas:deploy/python/predict_system.py`, `predict_det.py`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from saccade import zoo
from saccade.geometry.boxes import clip
from saccade.geometry.suppression import nms
from saccade.results import RecognizedObject
from saccade.tasks.detect import Detector

__all__ = [
    "BODY_SCORE",
    "MAX_OBJECTS",
    "DetectorChoice",
    "Pieces",
    "choose",
    "find_pieces",
    "open_detector",
    "result_nms",
]

MAX_OBJECTS = 5
"""``max_det_results`` of the reference."""

BODY_SCORE = 0.2
"""From which score on a box is looked up, where the detector's card says nothing (``body``)."""

_RESULT_IOU = 0.05
_TASK = "mainbody"

DetectorChoice: TypeAlias = Detector | str | os.PathLike[str] | Literal[False] | None


@dataclass(frozen=True, eq=False)
class Pieces:
    """What is looked up in the gallery.

    Attributes:
        boxes: int64 (N, 4) xyxy in whole pixels; the last one is the full frame.
        crops: N uint8 RGB, the picture within each box.
    """

    boxes: NDArray[np.int64]
    crops: tuple[NDArray[np.uint8], ...]


def open_detector(
    detector: DetectorChoice, *, runtime: str, threads: int | None
) -> Detector | None:
    """Load the detector of main bodies.

    Args:
        detector: One that is already loaded, a name or file, None for the shipped one if there is
            one, False for none.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.
    """
    if detector is False:
        return None
    if detector is None:
        name = zoo.DEFAULT.get(_TASK)
        if name is None or name not in zoo.names():
            return None
        detector = zoo.find(name)
    if isinstance(detector, str | os.PathLike):
        return Detector(detector, runtime=runtime, threads=threads)
    return detector


def find_pieces(
    detector: Detector | None, pixels: NDArray[np.uint8], max_objects: int = MAX_OBJECTS
) -> Pieces:
    """Cut out the main bodies, surest first, and the full frame.

    Classes of the detector don't matter: where several see the same thing, it is one. (The
    reference takes the first ``max_objects`` and then those that score enough, which is the same.)

    Args:
        detector: Finds them; None gives the full frame alone.
        pixels: uint8 RGB (H, W, 3).
        max_objects: Boxes besides the frame at most.
    """
    height, width = pixels.shape[:2]
    boxes = np.array([[0, 0, width, height]], np.int64)
    if detector is not None:
        score = detector.card.thresholds.get("body", BODY_SCORE)
        found = detector(pixels, score=score, keep=max_objects, agnostic=True)
        # Truncated as in the reference, but clipped: it would read from the other side of the
        # picture where a coordinate is negative.
        whole = clip(found.boxes, (height, width)).astype(np.int64)
        whole = whole[(whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1])]
        boxes = np.concatenate([whole, boxes])
    crops = tuple(np.ascontiguousarray(pixels[y1:y2, x1:x2]) for x1, y1, x2, y2 in boxes.tolist())
    return Pieces(boxes, crops)


def result_nms(
    boxes: NDArray[np.int64], scores: NDArray[np.float64], iou: float = _RESULT_IOU
) -> NDArray[np.int64]:
    """Of pieces that overlap, keep the one that resembles the gallery most.

    Widths are counted as ``x2 - x1 + 1``, as the reference does here.

    Args:
        boxes: (N, 4) xyxy in whole pixels.
        scores: (N,) similarities.
        iou: More suppresses.

    Returns:
        int64 (K,) indices by descending score.
    """
    return nms(boxes + np.array([0, 0, 1, 1]), scores, iou=iou)


def choose(things: Sequence[RecognizedObject], *, every: bool = False) -> list[RecognizedObject]:
    """The answer from all pieces: the named ones, then those that nobody knows.

    The full frame gives way to a main body of the same name, which says where the thing is (the
    reference keeps whichever is more alike). Named pieces go through :func:`result_nms`. Main
    bodies without a name follow, as far as they overlap nothing in the answer. The full frame
    without a name is the answer only where there is no other.

    Args:
        things: One a piece, the full frame last.
        every: All pieces as they are, by descending score; nothing is suppressed.
    """
    if every:
        return sorted(things, key=lambda thing: -thing.score)
    bodies, frame = things[:-1], things[-1]
    named = [thing for thing in bodies if thing.label is not None]
    if frame.label is not None and frame.label not in [thing.label for thing in named]:
        named.append(frame)
    unnamed = [thing for thing in bodies if thing.label is None]
    boxes = np.array([thing.box for thing in named + unnamed], np.int64).reshape(-1, 4)
    # The unknown rank behind the known, by how sure the detector is of them.
    ranks = [thing.score for thing in named] + [-2.0 - place for place in range(len(unnamed))]
    kept = result_nms(boxes, np.array(ranks, np.float64))
    return [(named + unnamed)[index] for index in kept.tolist()] or [frame]
