"""What a teacher says about pictures, brought to what a selection needs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saccade.errors import ModelFileError
from saccade.tasks.classify import Classifier

__all__ = ["best_classes", "score", "top_scores"]

_TOP = 5


def score(teacher: Classifier, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Soft labels of some pictures.

    Args:
        teacher: the classifier; a graph of a fixed batch gets its batches filled up.
        pixels: N arrays, uint8 RGB (height, width, 3), as the teacher's card prepares them.

    Returns:
        float32 (N, C).

    Raises:
        ModelFileError: the teacher answers with something that is no number.
    """
    size = teacher.fixed_batch or len(pixels)
    answers = []
    for start in range(0, len(pixels), max(1, size)):
        group = list(pixels[start : start + size])
        filled = group + [group[-1]] * (size - len(group))
        answers.append(teacher.probabilities(np.stack(filled))[: len(group)])
    scores = np.concatenate(answers) if answers else np.empty((0, len(teacher.labels)), np.float32)
    if not np.isfinite(scores).all():
        raise ModelFileError(
            f"{teacher!r} answers with values that are no numbers; check it with saccade verify"
        )
    return scores


def best_classes(
    scores: NDArray[np.floating],
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """The class of each picture: the one of the highest score, of equal ones the first.

    Args:
        scores: (N, C).

    Returns:
        Numbers of classes, int64 (N,), and their scores (N,).
    """
    best: NDArray[np.int64] = scores.argmax(axis=1).astype(np.int64)
    return best, scores[np.arange(len(scores)), best]


def top_scores(row: NDArray[np.floating]) -> str:
    """The five best classes of a picture, as JSON ``[[class, score], ...]``, the best first."""
    order = np.argsort(-row, kind="stable")[:_TOP]
    return json.dumps([[int(index), float(f"{row[index]:.6g}")] for index in order])
