"""What suppression and fusion share: checks of options, ranking over models, weighted means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from saccade.errors import OptionError, nearest
from saccade.geometry.overlaps import Ranked, box_arrays, rank, whole_numbers

__all__ = [
    "Boxes",
    "by_score",
    "check_choice",
    "check_fading",
    "check_iou",
    "check_keep",
    "check_scores",
    "check_weights",
    "labels_of",
    "place_in_run",
    "rank_models",
    "weighted_means",
]

Boxes: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes float64 (K, 4), scores float64 (K,) and labels int64 (K,), by descending score."""


def check_iou(iou: float, name: str = "iou", *, above_zero: bool = False) -> None:
    """Refuse a threshold outside 0..1."""
    if not (0 <= iou <= 1) or (above_zero and iou == 0):
        expected = "above 0, up to 1" if above_zero else "0 to 1"
        raise OptionError(f"{name} {iou}; expected {expected}")


def check_keep(keep: int | None) -> None:
    """Refuse to keep fewer than no box."""
    if keep is not None and keep < 0:
        raise OptionError(f"keep {keep}; expected at least 0, or None for all")


def check_fading(sigma: float, floor: float) -> None:
    """Refuse options of Soft-NMS outside their ranges."""
    if not (sigma > 0 and floor >= 0):
        raise OptionError(f"sigma {sigma} and floor {floor}; expected above 0, and at least 0")


def check_scores(ranked: Ranked) -> None:
    """Refuse negative scores."""
    if len(ranked) and ranked.scores[-1] < 0:
        raise OptionError(
            f"a score is {ranked.scores[-1]}; expected at least 0 (a sigmoid makes such of logits)"
        )


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a word that is none of the choices."""
    if value not in choices:
        raise OptionError(f"{name} {value!r}; {nearest(str(value), choices)}")


def check_weights(weights: Sequence[float], models: int) -> np.ndarray:
    """Weights of the models, float64 (M,), all above 0."""
    factors = np.asarray(weights, np.float64)
    if factors.shape != (models,) or not len(factors):
        raise OptionError(f"{factors.size} weights for {models} models; expected one each")
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise OptionError(f"weights {factors.tolist()}; expected numbers above 0")
    return factors


def rank_models(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray | None,
    models: np.ndarray | None,
    weights: Sequence[float] | None,
    *,
    relative: bool = False,
) -> tuple[Ranked, np.ndarray, np.ndarray]:
    """The boxes by weighted score, model and index; the model of each; the M weights."""
    boxes, scores = box_arrays(boxes, scores)
    count = len(scores)
    who = np.zeros(count, np.int64)
    if models is not None:
        who = whole_numbers(models, count, "models")
    lowest, most = (int(who.min()), int(who.max())) if count else (0, 0)
    factors = np.ones(most + 1) if weights is None else check_weights(weights, len(weights))
    if lowest < 0 or most >= len(factors):
        raise OptionError(
            f"models are numbered {lowest} to {most}; expected 0 to {len(factors) - 1}, "
            "one number for each weight"
        )
    by_model = np.argsort(who, kind="stable")
    shares = factors / factors.max() if relative else factors
    ranked = rank(
        boxes[by_model],
        (scores * shares[who])[by_model],
        None if labels is None else whole_numbers(labels, count, "labels")[by_model],
    )
    check_scores(ranked)
    index = by_model[ranked.index]
    return Ranked(index, ranked.boxes, ranked.scores, ranked.groups), who[index], factors


def labels_of(ranked: Ranked, positions: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """The labels of some boxes, int64; 0 where there are none."""
    if labels is None:
        return np.zeros(len(positions), np.int64)
    chosen: np.ndarray = np.asarray(labels)[ranked.index[positions]]
    return chosen.astype(np.int64)


def weighted_means(
    owners: np.ndarray, boxes: np.ndarray, weights: np.ndarray, heads: np.ndarray
) -> np.ndarray:
    """Weighted mean of the boxes of each owner.

    Args:
        owners: (N,) 0..K-1.
        boxes: (N, 4), among them the owners' own.
        weights: (N,), at least 0.
        heads: (K, 4) boxes of the owners, which stay where they are when they are alone or when
            the weights sum to 0.

    Returns:
        float64 (K, 4).
    """
    count = len(heads)
    total = np.bincount(owners, weights, count)
    moves = (total > 0) & (np.bincount(owners, minlength=count) > 1)
    sums = np.stack([np.bincount(owners, weights * side, count) for side in boxes.T], axis=1)
    means: np.ndarray = np.divide(
        sums, total[:, None], out=heads.astype(np.float64), where=moves[:, None]
    )
    return means


def place_in_run(keys: np.ndarray) -> np.ndarray:
    """How many equal keys stand before each key; equal keys stand together."""
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    lengths = np.diff(np.append(starts, len(keys)))
    place: np.ndarray = np.arange(len(keys)) - np.repeat(starts, lengths)
    return place


def by_score(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, keep: int | None) -> Boxes:
    """Sort by descending score; equal scores keep their order."""
    order = np.argsort(-scores, kind="stable")[:keep]
    return boxes[order], scores[order], labels[order]
