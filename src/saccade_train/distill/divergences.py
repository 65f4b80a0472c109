"""Distances from a student's probabilities to a teacher's, each in one direction.

p is the softmax of the student's logits, q of the teacher's; KL(a, b) = sum_c a_c log(a_c / b_c).
The teacher's side should come without gradient. All arithmetic is in float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from saccade_train.layers.check import check_number

__all__ = ["jensen_shannon", "kl_divergence", "teacher_cross_entropy"]


def kl_divergence(student: Tensor, teacher: Tensor, *, temperature: float = 4.0) -> Tensor:
    """T^2 KL(q_T, p_T), the mean over the batch (Hinton et al., arXiv 1503.02531).

    Logits are divided by the temperature; its square keeps gradients of one size.

    Args:
        student: logits (N, C).
        teacher: logits (N, C).
        temperature: 4 is the default of PaddleClas (KLDivLoss).

    Returns:
        float32 scalar.
    """
    check_number("temperature", temperature, above=0, up_to=1000)
    log_p = (student.float() / temperature).log_softmax(1)
    log_q = (teacher.float() / temperature).log_softmax(1)
    return temperature**2 * (log_q.exp() * (log_q - log_p)).sum(1).mean()


def teacher_cross_entropy(student: Tensor, teacher: Tensor, *, temperature: float = 1.0) -> Tensor:
    """-T^2 sum_c q_c log p_c, the mean over the batch: `kl_divergence` plus q's own entropy.

    At T = 1 it is DistillationCELoss of PaddleClas, which the later recipes of SSLD use.

    Args:
        student: logits (N, C).
        teacher: logits (N, C).
        temperature: what both are divided by.

    Returns:
        float32 scalar.
    """
    check_number("temperature", temperature, above=0, up_to=1000)
    log_p = (student.float() / temperature).log_softmax(1)
    q = (teacher.float() / temperature).softmax(1)
    return -(temperature**2) * (q * log_p).sum(1).mean()


def jensen_shannon(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(p, m) / 2 + KL(q, m) / 2 with m = (p + q) / 2, the mean over the batch.

    The true Jensen-Shannon divergence. It is not what SSLD uses, though its authors call theirs so:
    that is :func:`saccade_train.distill.mutual.symmetric_kl`.

    Args:
        student: logits (N, C).
        teacher: logits (N, C).

    Returns:
        float32 scalar, at most log 2.
    """
    log_p, log_q = student.float().log_softmax(1), teacher.float().log_softmax(1)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    both = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
    return both.sum(1).mean() / 2
