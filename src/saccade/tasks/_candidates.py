"""From the outputs of a detector's graph to the boxes that are worth a look.

Two forms of graphs exist. The plain one gives every point of the network with all of its
scores: ``boxes`` (N, P, 4) and ``scores`` (N, P, C). One that ends in NMS gives ``boxes`` (N, K,
4), ``scores`` (N, K) and ``labels`` (N, K), filled up with rows of score 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saccade.errors import ModelFileError

__all__ = ["Candidates", "check_outputs", "join", "read_candidates"]

# As PaddleDetection's nms_top_k: more of a class hardly ever hold anything but noise.
_MOST_OF_A_CLASS = 1000


@dataclass(frozen=True)
class Candidates:
    """Boxes that a network proposes in one picture, in no particular order.

    Attributes:
        boxes: float32 ``(K, 4)``, xyxy.
        scores: float32 ``(K,)``.
        classes: int64 ``(K,)``, numbers of labels.
        broken: How many rows of the network's output were left out, since they held numbers that
            are none (NaN or infinite).
        rows: How many rows the network gave.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    broken: int = 0
    rows: int = 0

    def pick(self, which: NDArray[Any]) -> Candidates:
        """Some of them, by a mask or by indices."""
        return Candidates(
            self.boxes[which], self.scores[which], self.classes[which], self.broken, self.rows
        )


def check_outputs(
    outputs: Mapping[str, NDArray[np.float32]], count: int, classes: int, where: str
) -> None:
    """Refuse outputs of a graph that is not what its card says.

    Args:
        outputs: What the graph gave, by name.
        count: Pictures that went in.
        classes: Labels that the card names.
        where: Name of the model.

    Raises:
        ModelFileError: Shapes that are of neither form, or do not fit the card.
    """
    boxes, scores = outputs["boxes"], outputs["scores"]
    rows = boxes.shape[1] if boxes.ndim == 3 else -1
    if "labels" in outputs:
        wanted = (count, rows)
        fits = scores.shape == wanted and outputs["labels"].shape == wanted
    else:
        fits = scores.shape == (count, rows, classes)
    if not fits or boxes.shape != (count, rows, 4):
        shapes = ", ".join(f"{name} {outputs[name].shape}" for name in sorted(outputs))
        raise ModelFileError(
            f"{where}: the graph gives {shapes} for {count} pictures, the card names {classes} "
            "labels; expected boxes (N, P, 4) and scores (N, P, labels), or with NMS in the graph "
            "boxes (N, K, 4), scores (N, K) and labels (N, K); export the model again "
            "(saccade export)"
        )


def read_candidates(
    outputs: Mapping[str, NDArray[np.float32]],
    row: int,
    *,
    score: float,
    classes: int,
    wanted: NDArray[np.bool_] | None = None,
) -> Candidates:
    """Choose the boxes above a score from the outputs of one picture.

    A box of the plain form counts for every class whose score is above the limit.

    Args:
        outputs: As :func:`check_outputs` lets them pass.
        row: Number of the picture in the batch.
        score: Boxes must score more than this.
        classes: How many labels there are.
        wanted: bool ``(classes,)``: which of them count; None for all.

    Returns:
        In pixels of the network's input.
    """
    boxes, scores = outputs["boxes"][row], outputs["scores"][row]
    good = np.isfinite(boxes).all(axis=1)
    good &= np.isfinite(scores) if scores.ndim == 1 else np.isfinite(scores).all(axis=1)
    rows = len(boxes)
    if "labels" in outputs:
        labels = outputs["labels"][row]
        good &= np.isfinite(labels)
        numbers = np.where(good, labels, 0).astype(np.int64)
        # Rows that fill up carry any label; a real one out of range is as broken as NaN.
        good &= (scores <= 0) | ((numbers >= 0) & (numbers < classes))
        kept = np.flatnonzero(good & (scores > score))
        numbers = numbers[kept]
        points = kept
        values = scores[kept]
    else:
        with np.errstate(invalid="ignore"):
            points, numbers = np.nonzero((scores > score) & good[:, None])
        values = scores[points, numbers]
    found = Candidates(
        boxes[points].astype(np.float32), values.astype(np.float32), numbers.astype(np.int64)
    )
    if wanted is not None:
        found = found.pick(wanted[found.classes])
    found = _most_of_each_class(found)
    return Candidates(
        found.boxes, found.scores, found.classes, broken=int(rows - good.sum()), rows=rows
    )


def join(parts: Sequence[Candidates]) -> Candidates:
    """Put candidates of several looks at one picture together."""
    if len(parts) == 1:
        return parts[0]
    return Candidates(
        np.concatenate([part.boxes for part in parts]).reshape(-1, 4),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.classes for part in parts]),
        broken=sum(part.broken for part in parts),
        rows=sum(part.rows for part in parts),
    )


def _most_of_each_class(found: Candidates) -> Candidates:
    if len(found.scores) <= _MOST_OF_A_CLASS:
        return found
    # By class, then by falling score; the place within its class tells what is too much.
    order = np.lexsort((-found.scores, found.classes))
    sorted_classes = found.classes[order]
    starts = np.searchsorted(sorted_classes, sorted_classes)
    return found.pick(order[np.arange(len(order)) - starts < _MOST_OF_A_CLASS])
