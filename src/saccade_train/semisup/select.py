"""Which pictures of a pool get a pseudo label, offline: threshold, caps, balance, outsiders.

The FGVC7 entry (arXiv 2006.10702) enlarges its training set by "pseudo-tag mining". How it selects
is not published: the rules below are the project's own proposal, around the usual threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError

__all__ = ["Selection", "energy", "inlier_limit", "select_pseudo_labels"]

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Selection:
    """What was chosen of a pool."""

    numbers: NDArray[np.int64]
    """Which pictures, rising, (K,)."""
    labels: NDArray[np.int64]
    """Their pseudo labels, (K,)."""
    confidence: NDArray[np.float64]
    """Their greatest probabilities, (K,)."""
    counts: NDArray[np.int64]
    """Pictures chosen of each class, (C,)."""
    outside: int
    """Pictures that were passed over as of no class, by flag or filter."""
    unsure: int
    """Pictures below the threshold."""
    capped: int
    """Pictures that were sure enough, and one too many of their class."""

    @property
    def empty_classes(self) -> list[int]:
        """Classes that received none."""
        return [int(label) for label in np.flatnonzero(self.counts == 0)]


def select_pseudo_labels(
    probabilities: Floats,
    threshold: float,
    *,
    labelled_counts: NDArray[np.int64] | None = None,
    cap: float | None = None,
    balance: float | None = None,
    in_class: NDArray[np.bool_] | None = None,
) -> Selection:
    """Choose the pictures whose likeliest class reaches a threshold, within limits for each class.

    Args:
        probabilities: Of the teachers, (N, C).
        threshold: 0 to 1.
        labelled_counts: Labelled pictures of each class, int64 (C,); ``cap`` and ``balance`` need
            them.
        cap: No class may have more than ``cap`` times its labelled pictures, those and the pseudo
            labelled ones together; at least 1.
        balance: No class may gain more than ``balance`` times the median gain, where the gain is
            chosen / labelled, over the classes that gain at all (own proposal).
        in_class: False for pictures that are known, or believed, to be of none of the classes:
            they are never chosen. (N,)

    Returns:
        The choice. Of too many the surest stay; among equals the first.

    Raises:
        OptionError: An option outside its range, or without ``labelled_counts``.
    """
    if not 0 <= threshold <= 1:
        raise OptionError(f"threshold={threshold}; expected a probability from 0 to 1")
    if cap is not None and cap < 1:
        raise OptionError(f"cap={cap}; expected at least 1 (1: no pseudo labels at all)")
    if balance is not None and balance <= 0:
        raise OptionError(f"balance={balance}; expected a number above 0, such as 2")
    if labelled_counts is None and not (cap is None and balance is None):
        raise OptionError("cap and balance need the numbers of labelled pictures of each class")
    rows, classes = probabilities.shape
    inside = np.ones(rows, bool) if in_class is None else np.asarray(in_class, bool)
    labels = probabilities.argmax(1).astype(np.int64)
    confidence = probabilities.max(1).astype(np.float64)
    sure = inside & (confidence >= threshold)
    limits = np.full(classes, rows, np.int64)
    if labelled_counts is not None:
        if cap is not None:
            limits = np.minimum(limits, np.floor((cap - 1) * labelled_counts + 1e-9).astype(int))
        if balance is not None:
            found = np.minimum(np.bincount(labels[sure], minlength=classes), limits)
            limits = np.minimum(limits, _balanced(found, labelled_counts, balance))
    chosen = np.zeros(rows, bool)
    for label in range(classes):
        members = np.flatnonzero(sure & (labels == label))
        order = np.argsort(-confidence[members], kind="stable")
        chosen[members[order[: limits[label]]]] = True
    numbers = np.flatnonzero(chosen)
    return Selection(
        numbers=numbers,
        labels=labels[numbers],
        confidence=confidence[numbers],
        counts=np.bincount(labels[numbers], minlength=classes).astype(np.int64),
        outside=int((~inside).sum()),
        unsure=int((inside & ~sure).sum()),
        capped=int(sure.sum() - chosen.sum()),
    )


def _balanced(
    found: NDArray[np.int64], labelled: NDArray[np.int64], balance: float
) -> NDArray[np.int64]:
    gains = found / np.maximum(labelled, 1)
    if not gains.any():
        return found
    limits = balance * float(np.median(gains[gains > 0])) * np.maximum(labelled, 1)
    return np.ceil(limits - 1e-9).astype(np.int64)


def energy(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """``-T log sum exp(z / T)``: low for pictures of the classes (Liu et al., arXiv 2010.03759).

    Args:
        logits: (N, C).
        temperature: T.

    Returns:
        float64 (N,).
    """
    scaled = np.asarray(logits, np.float64) / temperature
    peak = scaled.max(1)
    total: NDArray[np.float64] = np.log(np.exp(scaled - peak[:, None]).sum(1)) + peak
    return -temperature * total


def inlier_limit(scores: Floats, keep: float = 0.95) -> float:
    """The score that a share of pictures known to be of the classes reaches.

    Args:
        scores: Greatest probabilities, or *negative* energies, of validation pictures, (N,).
        keep: The share; .95 is the custom of out-of-distribution tests.

    Returns:
        Pictures of the pool below it are taken for outsiders.

    Raises:
        OptionError: A share outside 0 to 1.
    """
    if not 0 < keep <= 1:
        raise OptionError(f"keep={keep}; expected a share above 0 and up to 1, such as 0.95")
    return float(np.quantile(np.asarray(scores, np.float64), 1 - keep, method="lower"))
