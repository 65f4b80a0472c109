"""Decoupled knowledge distillation: DKD (Zhao et al., arXiv 2203.08679, equation 7)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from saccade_train.layers.check import check_number

__all__ = ["dkd_loss"]


def dkd_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    temperature: float = 1.0,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> Tensor:
    """Alpha T^2 KL(q_b, p_b) + beta T^2 KL(q~, p~), the mean over the batch.

    b are the two probabilities (class y, any other class); ~ is the softmax over the classes that
    are not y. (PaddleClas takes 1000 from the logit of y instead of leaving it out, which is the
    same but for rounding.)

    Args:
        student: logits (N, C).
        teacher: logits (N, C), without gradient.
        labels: int64 (N,), y.
        temperature: T.
        alpha: weight of the first part.
        beta: weight of the second; the paper's ImageNet setting is 0.5, its CIFAR setting 8.

    Returns:
        float32 scalar.
    """
    check_number("temperature", temperature, above=0, up_to=1000)
    is_label = F.one_hot(labels, student.shape[1]).bool()
    s, t = student.float() / temperature, teacher.float() / temperature
    target = _kl(_binary(t, is_label), _binary(s, is_label))
    rest = _kl(_others(t, is_label), _others(s, is_label))
    return temperature**2 * (alpha * target + beta * rest).mean()


def _binary(logits: Tensor, is_label: Tensor) -> Tensor:
    """Log probabilities (N, 2) of the class and of all others together."""
    log_p = logits.log_softmax(1)
    label = log_p[is_label]
    rest = log_p.masked_fill(is_label, -torch.inf).logsumexp(1)
    return torch.stack([label, rest], 1)


def _others(logits: Tensor, is_label: Tensor) -> Tensor:
    """Log probabilities (N, C - 1) among the other classes."""
    rows, classes = logits.shape
    return logits[~is_label].view(rows, classes - 1).log_softmax(1)


def _kl(log_q: Tensor, log_p: Tensor) -> Tensor:
    return (log_q.exp() * (log_q - log_p)).sum(1)
