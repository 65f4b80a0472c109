"""Cross entropy of every step of a line, where each character's place is known.

CTC has to find out which step belongs to which character, and finds nothing for thousands of steps
at first. Drawn lines come with the answer (:func:`saccade_train.text.lines.column_labels`). An idea
of our own, not of PP-OCRv2.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["aligned_loss"]


def aligned_loss(logits: Tensor, columns: Tensor) -> Tensor:
    """Sum over the steps, mean over the lines that are known; so it is on the scale of CTC.

    Args:
        logits: (N, T, C).
        columns: int64 (N, T): the class of each step, 0 for the blank; a line that begins with -1
            is not known and left out.

    Returns:
        float32 scalar; 0 where no line is known.
    """
    known = columns[:, 0] >= 0
    if not bool(known.any()):
        return logits.sum() * 0.0
    chosen, wanted = logits[known].float(), columns[known]
    return F.cross_entropy(chosen.flatten(0, 1), wanted.flatten(), reduction="sum") / len(wanted)
