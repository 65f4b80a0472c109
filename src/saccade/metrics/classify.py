"""How well a classifier names pictures.

A tie counts against the model: the true class ranks below every class with the same score, and a
score that is not a number ranks last. A model that gives all classes one score is thus never right
by accident.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saccade.errors import OptionError

__all__ = [
    "classification_metrics",
    "confusion_matrix",
    "mean_class_accuracy",
    "per_class_accuracy",
    "top_k_accuracy",
    "true_ranks",
]


def true_ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rank of the true class among all, 0 for the best.

    Args:
        scores: (N, C); higher is better. Logits and probabilities give the same ranks.
        labels: (N,) integers in 0..C-1.

    Returns:
        int64 (N,): how many other classes score at least as high.

    Raises:
        OptionError: shapes that do not fit, or a label outside the classes.
    """
    scores, labels = _checked(scores, labels)
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    ranks: np.ndarray = (~(scores < own)).sum(axis=1) - 1
    return ranks.astype(np.int64)


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int = 1) -> float:
    """Share of pictures whose true class is among the k best.

    Args:
        scores: (N, C); higher is better.
        labels: (N,) integers in 0..C-1.
        k: how many guesses count; more than C count as C.

    Returns:
        0..1; not a number for no picture.

    Raises:
        OptionError: as `true_ranks`, or k below 1.
    """
    if k < 1:
        raise OptionError(f"top-k accuracy with k = {k}; expected at least 1")
    ranks = true_ranks(scores, labels)
    return float(np.mean(ranks < k)) if len(ranks) else float("nan")


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count how often class i was called class j.

    Args:
        labels: (N,) true classes, integers in 0..classes-1.
        predicted: (N,) predicted classes.
        classes: how many there are.

    Returns:
        int64 (classes, classes); row: truth, column: prediction.

    Raises:
        OptionError: different lengths, or a class outside the range.
    """
    truth = _indices(labels, classes, "labels")
    guess = _indices(predicted, classes, "predictions")
    if truth.shape != guess.shape:
        raise OptionError(f"{len(truth)} labels, but {len(guess)} predictions; expected one each")
    counts = np.bincount(truth * classes + guess, minlength=classes * classes)
    return counts.astype(np.int64).reshape(classes, classes)


def per_class_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of each class that was recognised (its recall).

    Args:
        confusion: (C, C) counts, rows are the truth.

    Returns:
        float64 (C,); not a number for a class without pictures.
    """
    confusion = np.asarray(confusion)
    total = confusion.sum(axis=1)
    blank = np.full(len(confusion), np.nan)
    shares: np.ndarray = np.divide(np.diagonal(confusion), total, out=blank, where=total > 0)
    return shares


def mean_class_accuracy(confusion: np.ndarray) -> float:
    """Mean of `per_class_accuracy` over the classes that have pictures; "balanced accuracy".

    Args:
        confusion: (C, C) counts, rows are the truth.

    Returns:
        0..1; not a number if no class has a picture.
    """
    shares = per_class_accuracy(confusion)
    present = shares[~np.isnan(shares)]
    return float(present.mean()) if len(present) else float("nan")


def classification_metrics(
    scores: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> dict[str, float]:
    """All scores that an evaluation reports.

    Args:
        scores: (N, C); higher is better.
        labels: (N,) integers in 0..C-1.
        classes: the C names.

    Returns:
        ``top1``, ``top5`` and ``mean_class_accuracy`` in 0..1, and ``n``, the number of pictures.
        The prediction behind ``mean_class_accuracy`` is held to the same rule on ties as ``top1``.

    Raises:
        OptionError: shapes that do not fit, or a label outside the classes.
    """
    scores, labels = _checked(scores, labels)
    if scores.shape[1] != len(classes):
        raise OptionError(
            f"scores are for {scores.shape[1]} classes, but {len(classes)} names are given"
        )
    ranks = true_ranks(scores, labels)
    if not len(ranks):
        nan = float("nan")
        return {"top1": nan, "top5": nan, "mean_class_accuracy": nan, "n": 0}
    hits = np.bincount(labels, weights=ranks == 0, minlength=len(classes))
    totals = np.bincount(labels, minlength=len(classes))
    return {
        "top1": float(np.mean(ranks < 1)),
        "top5": float(np.mean(ranks < 5)),
        "mean_class_accuracy": float(np.mean(hits[totals > 0] / totals[totals > 0])),
        "n": len(ranks),
    }


def _checked(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores = np.asarray(scores)
    if scores.ndim != 2 or len(scores) != np.size(labels):
        raise OptionError(
            f"scores have shape {scores.shape} for {np.size(labels)} labels; expected "
            f"({np.size(labels)}, number of classes)"
        )
    return scores, _indices(labels, scores.shape[1], "labels")


def _indices(values: np.ndarray, classes: int, what: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise OptionError(
            f"{what} have shape {array.shape} and dtype {array.dtype}; expected integers (N,)"
        )
    array = array.astype(np.int64)
    if array.size and not (array.min() >= 0 and array.max() < classes):
        raise OptionError(
            f"{what} range from {array.min()} to {array.max()}; expected 0 to {classes - 1}"
        )
    return array
