"""Metric losses on pairs: contrastive, SupCon, N-pairs, pairwise CosFace and circle.

All go by labels: a batch may hold any number of pictures of any class. Rows without a partner that
a formula needs count in no mean; a batch without any such row gives 0. After ``PaddleClas/ppcls/
loss/``, where several of these want their rows grouped by class and of a fixed number.

Where a function takes ``others``, the rows of ``features`` are compared with those instead of with
each other: with a memory of earlier batches (:mod:`.memory`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "Pairs",
    "circle_loss",
    "contrastive_loss",
    "n_pairs_loss",
    "pairs_of",
    "pairwise_cosface_loss",
    "sup_con_loss",
]


class Pairs(NamedTuple):
    """Which rows belong together, bool (N, M) each; no row is its own partner."""

    same: Tensor
    different: Tensor


def pairs_of(labels: Tensor, other_labels: Tensor | None = None) -> Pairs:
    """Say which pairs are of one class.

    Args:
        labels: (N,).
        other_labels: (M,); None compares the rows with each other, without themselves.
    """
    if other_labels is not None:
        same = labels[:, None] == other_labels[None]
        return Pairs(same, ~same)
    same = labels[:, None] == labels[None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return Pairs(same & ~itself, ~same)


def cosines_of(features: Tensor, others: Tensor | None = None) -> Tensor:
    """Cosines between all rows, float32 at least, (N, M)."""
    rows = F.normalize(_wide(features))
    return rows @ (rows if others is None else F.normalize(_wide(others))).T


def mean_of(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values, 0 (with a gradient of 0) where there are none."""
    return torch.where(chosen, values, torch.zeros_like(values)).sum() / chosen.sum().clamp_min(1)


def contrastive_loss(
    features: Tensor,
    labels: Tensor,
    others: Tensor | None = None,
    other_labels: Tensor | None = None,
    *,
    margin: float = 0.5,
    eps: float = 1e-5,
) -> Tensor:
    """Contrastive loss on cosines s, as XBM (arXiv 1912.06798) uses it.

    (1 / N) sum_i [sum over positives with s < 1 - eps of (1 - s) + sum over negatives with
    s > margin of s].

    Args:
        features: (N, D), of any length.
        labels: int64 (N,).
        others: (M, D) to compare with; by default the rows themselves.
        other_labels: int64 (M,).
        margin: negatives below it are far enough.
        eps: positives nearer than this are one and the same picture.
    """
    cosines = cosines_of(features, others)
    same, different = pairs_of(labels, other_labels)
    zero = torch.zeros_like(cosines)
    pull = torch.where(same & (cosines < 1 - eps), 1 - cosines, zero).sum()
    push = torch.where(different & (cosines > margin), cosines, zero).sum()
    return (pull + push) / len(labels)


def sup_con_loss(features: Tensor, labels: Tensor, *, temperature: float = 0.07) -> Tensor:
    """Supervised contrastive loss (arXiv 2004.11362), the form with the sum outside.

    -mean over rows and their positives of [s_ij / T - log sum_{k != i} e^{s_ik / T}]. (The
    reference's further factor T / base_temperature is 1 wherever it is used.)

    Args:
        features: (N, D), of any length.
        labels: int64 (N,).
        temperature: T.
    """
    scaled = cosines_of(features) / temperature
    same, _ = pairs_of(labels)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    log_all = scaled.masked_fill(itself, -math.inf).logsumexp(1, keepdim=True)
    if len(labels) < 2:
        return features.sum() * 0
    chances = torch.where(same, scaled - log_all, torch.zeros_like(scaled))
    positives = same.sum(1)
    of_row = -chances.sum(1) / positives.clamp_min(1)
    return mean_of(of_row, positives > 0)


def n_pairs_loss(features: Tensor, labels: Tensor, *, decay: float = 0.01) -> Tensor:
    """N-pairs loss (Sohn 2016): each anchor finds its partner among the partners of all.

    The pictures of each class are paired in their order, the first with the second and so on; what
    remains alone only counts in the norm. Cross entropy over A P^T, raw features, whose target is
    the partner, or evenly all partners of the class; plus 0.5 * decay * mean squared norm.

    Args:
        features: (N, D).
        labels: int64 (N,).
        decay: lambda.
    """
    wide = _wide(features)
    norm = 0.5 * decay * wide.square().sum(1).mean()
    anchors: list[int] = []
    partners: list[int] = []
    waiting: dict[int, int] = {}
    for row, label in enumerate(labels.tolist()):
        first = waiting.pop(label, None)
        if first is None:
            waiting[label] = row
        else:
            anchors.append(first)
            partners.append(row)
    if not anchors:
        return norm
    logits = wide[anchors] @ wide[partners].T
    same = (labels[anchors][:, None] == labels[partners][None]).to(logits.dtype)
    return F.cross_entropy(logits, same / same.sum(1, keepdim=True)) + norm


def pairwise_cosface_loss(
    features: Tensor,
    labels: Tensor,
    others: Tensor | None = None,
    other_labels: Tensor | None = None,
    *,
    margin: float = 0.35,
    scale: float = 64.0,
) -> Tensor:
    """Mean over rows of softplus(lse_pos(-g s) + lse_neg(g (s + m))), s the cosines.

    Args:
        features: (N, D), of any length.
        labels: int64 (N,).
        others: (M, D) to compare with; by default the rows themselves.
        other_labels: int64 (M,).
        margin: m.
        scale: g.
    """
    cosines = cosines_of(features, others)
    pairs = pairs_of(labels, other_labels)
    return _pair_softplus(-scale * cosines, scale * (cosines + margin), pairs)


def circle_loss(
    features: Tensor,
    labels: Tensor,
    others: Tensor | None = None,
    other_labels: Tensor | None = None,
    *,
    margin: float = 0.25,
    scale: float = 64.0,
) -> Tensor:
    """Circle loss on pairs (arXiv 2002.10857, equation 6), a row at a time, s the cosines.

    Mean of softplus(lse_pos(-g relu(1 + m - s) (s - (1 - m))) + lse_neg(g relu(s + m) (s - m)));
    the weights get no gradient. The reference has no such class.

    Args as of :func:`pairwise_cosface_loss`.
    """
    cosines = cosines_of(features, others)
    fixed = cosines.detach()
    toward = -scale * (1 + margin - fixed).clamp_min(0) * (cosines - (1 - margin))
    away = scale * (fixed + margin).clamp_min(0) * (cosines - margin)
    return _pair_softplus(toward, away, pairs_of(labels, other_labels))


def _pair_softplus(toward: Tensor, away: Tensor, pairs: Pairs) -> Tensor:
    """Mean of softplus(lse of positives + lse of negatives); a row without both gives 0."""
    complete = pairs.same.any(1) & pairs.different.any(1)
    # Rows with nothing to sum take part with zeros: -inf would poison the gradient.
    positive = torch.where(pairs.same | ~complete[:, None], toward, -math.inf).logsumexp(1)
    negative = torch.where(pairs.different | ~complete[:, None], away, -math.inf).logsumexp(1)
    return torch.where(complete, F.softplus(positive + negative), 0.0).mean()


def _wide(features: Tensor) -> Tensor:
    return features if features.dtype == torch.float64 else features.float()
