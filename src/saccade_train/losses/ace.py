"""Aggregation cross entropy (Xie et al., arXiv 1904.08364): how often does each class occur?

Order doesn't matter to it; it helps CTC along with the counts. PaddleOCR's
``ppocr/losses/ace_loss.py`` puts the mean of the softmax through a second softmax, which flattens
it; by default that is left out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["ace_loss"]


def ace_loss(
    logits: Tensor, labels: Tensor, lengths: Tensor, *, paddle_compat: bool = False
) -> Tensor:
    """Cross entropy between the mean step and the share of each class.

    With n_c the number of times that class c occurs in a label, n_0 = T - length for the blank:
    -sum_c n_c / T * log(mean_t softmax(logits_t)_c).

    Args:
        logits: (N, T, C), class 0 is the blank.
        labels: (N, S) int64, classes 1 to C - 1, padded with 0.
        lengths: (N,) int64, at most T.
        paddle_compat: with the second softmax.

    Returns:
        float32 (N,).
    """
    steps, classes = logits.shape[1:]
    mean = logits.float().softmax(2).mean(1)  # (N, C)
    inside = torch.arange(labels.shape[1], device=labels.device) < lengths[:, None]
    counts = mean.new_zeros(mean.shape)
    counts.scatter_add_(1, labels.clamp(0, classes - 1), inside.to(counts.dtype))
    counts[:, 0] = steps - lengths
    if paddle_compat:
        logs = F.log_softmax(mean, 1)
    else:
        logs = mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
    return -(counts / steps * logs).sum(1)
