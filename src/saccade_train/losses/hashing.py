"""Losses that make codes of bits: DSHSD, LCDSH and DCH.

u are the K numbers of the hashing neck, in -1..1. All means are over all N x N pairs, a row with
itself included, as in ``PaddleClas/ppcls/loss/{dshsd,lcdsh,dch}loss.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["dch_loss", "dshsd_loss", "lcdsh_loss"]


def dshsd_loss(bits: Tensor, labels: Tensor) -> Tensor:
    """The pairs' part of DSHSD (Wu et al. 2019); the other part is cross entropy of a linear head.

    mean[(1 - d) / 2 * D + d / 2 * relu(2 K - D)], D the squared distance, d = 1 for different
    classes. The reference weighs it by 0.05 beside the cross entropy.

    Args:
        bits: u, (N, K).
        labels: int64 (N,).
    """
    distances = (bits[:, None] - bits[None]).square().sum(2)
    different = (labels[:, None] != labels[None]).to(distances.dtype)
    margin = 2.0 * bits.shape[1]
    pull = (1 - different) / 2 * distances
    push = different / 2 * (margin - distances).clamp_min(0)
    return (pull + push).mean()


def lcdsh_loss(bits: Tensor, labels: Tensor, *, quantise: float = 3.0) -> Tensor:
    """LCDSH (Zhu et al. 2017): likelihood of the pairs, and of the same pairs in bits.

    With t = clip(u_i . u_j / 2, -50, 50) and s in {-1, 1}:
    mean log(1 + e^(-s t)) + quantise * mean (sigmoid(t) - sigmoid(b_i . b_j / 2))^2, b = sign(u).

    Args:
        bits: u, (N, K).
        labels: int64 (N,).
        quantise: lambda.
    """
    products = (bits @ bits.T / 2).clamp(-50, 50)
    signs = torch.where(labels[:, None] == labels[None], 1.0, -1.0).to(products.dtype)
    likelihood = F.softplus(-signs * products).mean()
    codes = bits.detach().sign()
    coded = codes @ codes.T / 2
    return likelihood + quantise * (products.sigmoid() - coded.sigmoid()).square().mean()


def dch_loss(bits: Tensor, labels: Tensor, *, gamma: float = 20.0, quantise: float = 0.1) -> Tensor:
    """Deep Cauchy hashing (Cao et al. 2018).

    With D(a, b) = (1 - min(cos, 0.99)) K / 2: mean w [s log(D / g) + log(1 + g / D)] +
    quantise * mean log(1 + D(abs(u), 1) / g); w = N^2 / (number of pairs of the same kind).

    Args:
        bits: u, (N, K).
        labels: int64 (N,).
        gamma: g, the scale of the Cauchy distribution.
        quantise: lambda.
    """
    half = bits.shape[1] / 2
    rows = F.normalize(bits)
    distances = (1 - (rows @ rows.T).clamp_max(0.99)) * half
    same = (labels[:, None] == labels[None]).to(distances.dtype)
    together = same.sum()
    weights = same / together.clamp_min(1) + (1 - same) / (same.numel() - together).clamp_min(1)
    weights = weights * same.numel()
    pairs = weights * (same * (distances / gamma).log() + (1 + gamma / distances).log())
    ones = F.normalize(torch.ones_like(bits))
    from_bits = (1 - (F.normalize(bits.abs()) * ones).sum(1).clamp_max(0.99)) * half
    return pairs.mean() + quantise * (1 + from_bits / gamma).log().mean()
