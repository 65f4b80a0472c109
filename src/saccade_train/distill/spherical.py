"""Spherical knowledge distillation: SKD (Guo et al., arXiv 2010.07485)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from saccade_train.layers.check import check_number

__all__ = ["skd_loss"]


def skd_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    temperature: float = 1.0,
    multiplier: float = 2.0,
    alpha: float = 0.9,
) -> Tensor:
    """Alpha T^2 CE(q_T, p_T) + (1 - alpha) CE(y, p), on logits of one length.

    Each row of logits is brought to mean 0 and deviation ``multiplier``, so that a student need not
    reach the teacher's confidence. Use it without a ground truth term of its own.

    Args:
        student: logits (N, C).
        teacher: logits (N, C), without gradient.
        labels: int64 (N,), y.
        temperature: T.
        multiplier: m, the deviation of a row.
        alpha: share of the soft part.

    Returns:
        float32 scalar.
    """
    check_number("temperature", temperature, above=0, up_to=1000)
    classes = student.shape[1:]
    s = F.layer_norm(student.float(), classes, eps=1e-7) * multiplier
    t = F.layer_norm(teacher.float(), classes, eps=1e-7) * multiplier
    log_p = (s / temperature).log_softmax(1)
    soft = -((t / temperature).softmax(1) * log_p).sum(1).mean()
    return alpha * temperature**2 * soft + (1 - alpha) * F.cross_entropy(s, labels)
