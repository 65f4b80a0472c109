"""Losses of class scores against soft targets: varifocal, quality focal, focal.

All three are a weight times binary cross entropy, element by element:

- varifocal (VarifocalNet, arXiv 2008.13367, equation 2;
  ``PaddleDetection/ppdet/modeling/losses/varifocal_loss.py``): weight q where q > 0, else
  alpha * p^gamma;
- quality focal (GFL, arXiv 2006.04388): weight abs(p - q)^gamma;
- focal (RetinaNet, arXiv 1708.02002, equation 5), for targets 0 and 1: weight
  alpha * (1 - p)^gamma or (1 - alpha) * p^gamma.

Gradients flow through the weights too, as in the references. Take the cross entropy of
probabilities where the network ends in them (PicoHeadV2), of logits else.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "binary_cross_entropy",
    "focal_weight",
    "quality_weight",
    "varifocal_loss",
    "varifocal_loss_with_logits",
    "varifocal_weight",
]


def varifocal_loss(p: Tensor, q: Tensor) -> Tensor:
    """Varifocal loss of probabilities.

    Args:
        p: probabilities, any shape.
        q: targets in 0..1, of that shape.

    Returns:
        Of that shape.
    """
    return varifocal_weight(p, q) * binary_cross_entropy(p, q)


def varifocal_loss_with_logits(z: Tensor, q: Tensor) -> Tensor:
    """Varifocal loss of logits; otherwise like :func:`varifocal_loss`."""
    weight = varifocal_weight(z.sigmoid(), q)
    return weight * F.binary_cross_entropy_with_logits(z, q, reduction="none")


def varifocal_weight(p: Tensor, q: Tensor, alpha: float = 0.75, gamma: float = 2.0) -> Tensor:
    """Weigh by q where q > 0, else by alpha * p^gamma."""
    return torch.where(q > 0, q, alpha * p.pow(gamma))


def quality_weight(p: Tensor, q: Tensor, gamma: float = 2.0) -> Tensor:
    """Weigh by abs(p - q)^gamma."""
    return (p - q).abs().pow(gamma)


def focal_weight(p: Tensor, y: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Weigh by alpha * (1 - p)^gamma where y is 1, by (1 - alpha) * p^gamma where it is 0."""
    return torch.where(y > 0, alpha * (1 - p).pow(gamma), (1 - alpha) * p.pow(gamma))


def binary_cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    """-q log p - (1 - q) log(1 - p) of probabilities, finite at 0 and 1 and with finite gradients.

    The floors are what float32 can tell from 0 and from 1. Torch's own function bounds the loss,
    but its slope at a saturated p is 1e12.
    """
    floor = torch.finfo(torch.float32).eps / 2
    return -(q * p.clamp_min(1e-12).log() + (1 - q) * (1 - p).clamp_min(floor).log())
