"""The symmetric divergence of two networks: SSLD's loss, and that of mutual learning.

Mutual learning (Zhang et al., arXiv 1706.00384): two networks learn from each other, and both get a
gradient. SSLD (arXiv 2103.05959): the teacher stays as it is; give its side detached.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["mutual_label_kl", "mutual_map_kl", "symmetric_kl"]


def symmetric_kl(first: Tensor, second: Tensor) -> Tensor:
    """Half of KL(p || q) + KL(q || p), for the softmax of logits.

    This is what the authors of SSLD call the Jensen-Shannon divergence, in the code and in the
    released models (``PaddleClas/ppcls/loss/dmlloss.py``; whether the paper prints the form with a
    mixture is unverified), and the loss of U-DML in PP-OCRv2 (arXiv 2109.03144, section 2.2). It is
    summed over everything but the batch, so a long line of text weighs more than a short one. With
    the teacher's side fixed, the gradient with respect to the logits of ``first`` is
    ((p - q) + p (log(p / q) - KL(p || q))) / (2 N).

    Args:
        first: logits (N, ..., C).
        second: logits of the same shape.

    Returns:
        float32 scalar.

    Examples:
        >>> import torch
        >>> a = torch.tensor([[[1.0, 2, 3], [0, 0, 0]]])
        >>> b = torch.tensor([[[3.0, 2, 1], [0, 1, 0]]])
        >>> round(float(symmetric_kl(a, b)), 4)
        1.2718
    """
    log_p, log_q = first.float().log_softmax(-1), second.float().log_softmax(-1)
    # KL(p || q) + KL(q || p) = sum (p - q) (log p - log q)
    both = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum()
    return both / (2 * first.shape[0])


def mutual_label_kl(first: Tensor, second: Tensor) -> Tensor:
    """`symmetric_kl` for several labels at once: each class on its own, without its counterpart.

    Half of p log(p / q) + q log(q / p) for p and q the sigmoid of logits. The terms of 1 - p and
    1 - q are missing in the reference too (``ppcls/loss/dmlloss.py`` with ``act="sigmoid"``).

    Args:
        first: logits (N, C).
        second: logits (N, C).

    Returns:
        float32 scalar: summed over classes, the mean over the batch, as the others here. (With
        ``sum_across_class_dim`` the reference is C times that.)
    """
    log_p, log_q = F.logsigmoid(first.float()), F.logsigmoid(second.float())
    both = (log_p.exp() - log_q.exp()) * (log_p - log_q)
    return both.sum(1).mean() / 2


def mutual_map_kl(first: Tensor, second: Tensor, eps: float = 1e-5) -> Tensor:
    """`symmetric_kl` for probability maps, pixel by pixel, without the part of the background.

    Half the mean of q log((q + eps) / (p + eps) + eps) + p log((p + eps) / (q + eps) + eps), as
    ``PaddleOCR/ppocr/losses/basic_loss.py`` has it for text detectors.

    Args:
        first: probabilities (N, ...), in 0..1.
        second: of the same shape.
        eps: keeps logarithms finite.

    Returns:
        Scalar: the mean over pixels and batch. (The reference keeps one number a picture and
        differentiates their sum, which Adam doesn't notice.)
    """
    p, q = first.float(), second.float()
    forward = q * ((q + eps) / (p + eps) + eps).log()
    backward = p * ((p + eps) / (q + eps) + eps).log()
    return (forward + backward).mean() / 2
