"""Connectionist temporal classification (Graves et al. 2006), plain and focal.

The focal form multiplies each line's loss by alpha * (1 - exp(-L))^gamma, so that lines which are
read well already count less (Feng et al., "Focal CTC Loss for Chinese Optical Character
Recognition", 2019; ``PaddleOCR/ppocr/losses/rec_ctc_loss.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["case_pairs", "ctc_loss", "focal", "without_case"]


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


def case_pairs(alphabet: Sequence[str]) -> Tensor:
    """Which class stands for each class where case does not count.

    Args:
        alphabet: The characters of classes 1 and up.

    Returns:
        int64 (C,): for a small letter whose capital is in the alphabet, the capital's class; for
        all others the class itself.

    Examples:
        >>> case_pairs("aAb").tolist()
        [0, 2, 2, 3]
    """
    classes = {character: number for number, character in enumerate(alphabet, start=1)}
    capitals = [classes.get(character.upper(), classes[character]) for character in alphabet]
    return torch.tensor([0, *capitals])


def without_case(logits: Tensor, labels: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Let either case of a letter count as right, for labels that don't keep the case of the print.

    The probabilities of a small letter and its capital are added up under the capital, and the
    labels say capitals. What the network answers is left to the lines whose labels do keep case.

    Args:
        logits: (N, T, C).
        labels: (N, S) int64.
        pairs: of :func:`case_pairs`.

    Returns:
        Log probabilities (N, T, C) that go in place of logits, and the labels in capitals.
    """
    chances = logits.float().softmax(2)
    together = torch.zeros_like(chances).index_add(2, pairs.to(chances.device), chances)
    return together.clamp_min(torch.finfo(together.dtype).tiny).log(), pairs.to(labels.device)[
        labels
    ]
