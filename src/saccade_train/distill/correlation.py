"""Distillation from a stronger teacher: DIST (Huang et al., arXiv 2205.10536)."""

from __future__ import annotations

from torch import Tensor

from saccade_train.layers.check import check_number

__all__ = ["dist_loss"]

_EPS = 1e-8


def dist_loss(
    student: Tensor,
    teacher: Tensor,
    *,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: float = 1.0,
) -> Tensor:
    """Beta (1 - mean_n r(p_n, q_n)) + gamma (1 - mean_c r(p_:c, q_:c)), with Pearson's r.

    Rows are compared across classes, columns across the pictures of the batch: what counts is
    which is larger, not by how much.

    Args:
        student: logits (N, C); N above 1.
        teacher: logits (N, C), without gradient.
        beta: weight of the rows.
        gamma: weight of the columns.
        temperature: what logits are divided by; the loss is multiplied by its square, as in the
            authors' code. 1 in PaddleClas.

    Returns:
        float32 scalar.
    """
    check_number("temperature", temperature, above=0, up_to=1000)
    p = (student.float() / temperature).softmax(1)
    q = (teacher.float() / temperature).softmax(1)
    rows, columns = 1 - _pearson(p, q), 1 - _pearson(p.T, q.T)
    return temperature**2 * (beta * rows + gamma * columns)


def _pearson(first: Tensor, second: Tensor) -> Tensor:
    """Mean over rows of the correlation of two matrices' rows."""
    a = first - first.mean(1, keepdim=True)
    b = second - second.mean(1, keepdim=True)
    # sqrt has no gradient at 0: a class that is the same for the whole batch.
    length = ((a * a).sum(1) * (b * b).sum(1)).clamp_min(_EPS**2).sqrt()
    return ((a * b).sum(1) / (length + _EPS)).mean()
