"""Metric losses on triplets: batch-hard, angular, TriHard, MSML and EML.

All go by labels, as :mod:`.pairs` does: an anchor counts when the batch holds a picture of its
class and one of another. After ``PaddleClas/ppcls/loss/``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .pairs import _wide, cosines_of, mean_of, pairs_of

__all__ = [
    "eml_loss",
    "msml_loss",
    "trihard_loss",
    "triplet_angular_loss",
    "triplet_loss",
]


def triplet_loss(
    features: Tensor,
    labels: Tensor,
    others: Tensor | None = None,
    other_labels: Tensor | None = None,
    *,
    margin: float = 0.5,
    normalise: bool = True,
) -> Tensor:
    """Batch-hard triplet loss on Euclidean distances (arXiv 1703.07737).

    Mean over anchors of relu(farthest positive - nearest negative + margin).

    Args:
        features: (N, D).
        labels: int64 (N,).
        others: (M, D) to compare with; by default the rows themselves.
        other_labels: int64 (M,).
        margin: 0.5 is ``TripletLossV2``'s; with ``normalise=False`` and 1.0 it is ``TripletLoss``.
        normalise: compare at unit length.
    """
    distances = _squared(features, others, normalise).clamp_min(1e-12).sqrt()
    far, near, valid = _hardest(distances, labels, other_labels)
    return mean_of((far - near + margin).clamp_min(0), valid)


def trihard_loss(features: Tensor, labels: Tensor, *, margin: float = 0.1) -> Tensor:
    """TriHard: batch-hard on squared distances of unit vectors.

    Args:
        features: (N, D), of any length.
        labels: int64 (N,).
        margin: between the two.
    """
    far, near, valid = _hardest(_squared(features, None, True), labels)
    return mean_of((far + margin - near).clamp_min(0), valid)


def msml_loss(features: Tensor, labels: Tensor, *, margin: float = 0.1) -> Tensor:
    """Margin sample mining (arXiv 1710.00478): one triplet a batch, the hardest of all pairs.

    relu(largest positive + margin - least negative), squared distances of unit vectors.

    Args as of :func:`trihard_loss`.
    """
    distances = _squared(features, None, True)
    same, different = pairs_of(labels)
    if not (same.any() and different.any()):
        return features.sum() * 0
    return (distances[same].max() + margin - distances[different].min()).clamp_min(0)


def triplet_angular_loss(
    features: Tensor,
    labels: Tensor,
    others: Tensor | None = None,
    other_labels: Tensor | None = None,
    *,
    margin: float = 0.5,
    absolute: float = 0.0,
    positive: float = 0.9,
    negative: float = 0.5,
    paddle_compat: bool = False,
) -> Tensor:
    """Batch-hard on cosines, with limits that positives and negatives must reach by themselves.

    mean relu(max_neg - min_pos + margin) + absolute * (mean relu(positive - min_pos) + mean
    relu(max_neg - negative)); ``TripletAngularMarginLoss`` of PP-ShiTu V2.

    Args:
        features: (N, D), of any length.
        labels: int64 (N,).
        others: (M, D) to compare with; by default the rows themselves.
        other_labels: int64 (M,).
        margin: between the two cosines.
        absolute: weight of the limits; 0 without. V2's is 0.1.
        positive: what the farthest positive's cosine should reach; V2's is 0.8.
        negative: what the nearest negative's should stay below; V2's is 0.4.
        paddle_compat: repeat the reference's slip: a negative within its limit costs the constant
            1 in place of 0.
    """
    cosines = cosines_of(features, others)
    negative_far, negative_near, valid = _hardest(-cosines, labels, other_labels)
    least, most = -negative_far, -negative_near
    total = mean_of((most - least + margin).clamp_min(0), valid)
    if absolute == 0:
        return total
    short = (positive - least).clamp_min(0)
    over = (most - negative).clamp_min(0)
    if paddle_compat:
        over = torch.where(most > negative, over, torch.ones_like(over))
    return total + absolute * (mean_of(short, valid) + mean_of(over, valid))


def eml_loss(
    features: Tensor, labels: Tensor, *, beta: float = 1e5, threshold: float = 20.0
) -> Tensor:
    """Easy-margin loss of ``PaddleCV/metric_learning``: all pairs, the hard ones counting most.

    With squared distances of the raw features, for each anchor: pm the farthest positive, nm the
    nearest negative, t = mean e^(pos - pm) * mean e^(nm - neg), b = pm - nm, and the mean of
    log(1 + beta t e^b) / log(1 + beta). Above b = threshold the logarithm is taken for its
    asymptote, log beta + log t + b; the reference joins the two there likewise.

    Args:
        features: (N, D).
        labels: int64 (N,).
        beta: how sharply it rises.
        threshold: of b.
    """
    distances = _squared(features, None, False)
    same, different = pairs_of(labels)
    far, near, valid = _hardest(distances, labels)
    pull = torch.where(same, (distances - far[:, None]).exp(), 0.0).sum(1)
    push = torch.where(different, (near[:, None] - distances).exp(), 0.0).sum(1)
    spread = (pull / same.sum(1).clamp_min(1)) * (push / different.sum(1).clamp_min(1))
    log_spread = torch.where(valid, spread, torch.ones_like(spread)).log()
    exponent = math.log(beta) + log_spread + far - near
    curve = torch.where(far - near > threshold, exponent, F.softplus(exponent))
    return mean_of(curve / math.log1p(beta), valid)


def _squared(features: Tensor, others: Tensor | None, normalise: bool) -> Tensor:
    """Squared distances of all rows, (N, M), never below 0."""
    rows = F.normalize(_wide(features)) if normalise else _wide(features)
    columns = rows
    if others is not None:
        columns = F.normalize(_wide(others)) if normalise else _wide(others)
    lengths = rows.square().sum(1)[:, None] + columns.square().sum(1)[None]
    return (lengths - 2 * rows @ columns.T).clamp_min(0)


def _hardest(
    distances: Tensor, labels: Tensor, other_labels: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Farthest positive, nearest negative, and whether an anchor has both, each (N,).

    An anchor without both gets zeros.
    """
    same, different = pairs_of(labels, other_labels)
    valid = same.any(1) & different.any(1)
    far = distances.masked_fill(~same, -math.inf).amax(1)
    near = distances.masked_fill(~different, math.inf).amin(1)
    zero = torch.zeros_like(far)
    return torch.where(valid, far, zero), torch.where(valid, near, zero), valid
