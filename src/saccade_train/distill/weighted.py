"""Weighted soft labels: WSL (Zhou et al., arXiv 2102.00650)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from saccade_train.layers.check import check_number

__all__ = ["wsl_loss"]


def wsl_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, *, temperature: float = 2.0
) -> Tensor:
    """T^2 mean_n CE(q_T, p_T) (1 - exp(-CE_s(y) / (CE_t(y) + 1e-7))).

    A picture counts the more, the worse the student does on it compared with the teacher; that
    weight has no gradient.

    Args:
        student: logits (N, C).
        teacher: logits (N, C), without gradient.
        labels: int64 (N,), y.
        temperature: T.

    Returns:
        float32 scalar.
    """
    check_number("temperature", temperature, above=0, up_to=1000)
    s, t = student.float(), teacher.float()
    log_p = (s / temperature).log_softmax(1)
    soft = -((t / temperature).softmax(1) * log_p).sum(1)
    ours = F.cross_entropy(s.detach(), labels, reduction="none")
    theirs = F.cross_entropy(t.detach(), labels, reduction="none")
    weight = 1 - (-ours / (theirs + 1e-7)).exp()
    return temperature**2 * (soft * weight).mean()
