"""Connectionist temporal classification (Graves et al. 2006), plain and focal.

The focal form multiplies each line's loss by alpha * (1 - exp(-L))^gamma, so that lines which are
read well already count less (Feng et al., "Focal CTC Loss for Chinese Optical Character
Recognition", 2019; ``PaddleOCR/ppocr/losses/rec_ctc_loss.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["ctc_loss", "focal"]


def ctc_loss(logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
    """Negative log probability of each line's label, all alignments taken together.

    Every step counts, those over padding included, as in the reference. A label that doesn't fit
    into the steps has probability 0; its loss would be infinite and is given as 0, without
    gradient.

    Args:
        logits: (N, T, C), class 0 is the blank; the softmax is taken in float32.
        labels: (N, S) int64, classes 1 to C - 1; what is beyond a line's length doesn't matter.
        lengths: (N,) int64, how many of them are the label.

    Returns:
        float32 (N,).
    """
    chances = logits.float().log_softmax(2).transpose(0, 1)  # (T, N, C)
    steps = torch.full_like(lengths, logits.shape[1])
    return F.ctc_loss(
        chances, labels, steps, lengths, blank=0, reduction="none", zero_infinity=True
    )


def focal(losses: Tensor, gamma: float = 2.0, alpha: float = 1.0) -> Tensor:
    """Weigh losses by alpha * (1 - exp(-L))^gamma.

    Args:
        losses: any shape, not negative.
        gamma: 0 leaves them as they are.
        alpha: a factor for all.

    Examples:
        >>> [round(x, 4) for x in focal(torch.tensor([0.1, 1.0, 5.0])).tolist()]
        [0.0009, 0.3996, 4.9328]
    """
    return alpha * (1 - torch.exp(-losses)) ** gamma * losses
