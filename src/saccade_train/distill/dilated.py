"""The teacher's part in collaborative mutual learning (CML) of text detectors.

PP-OCRv2, arXiv 2109.03144, section 2.1: the teacher's probability map is binarised and dilated, so
that its slips at the rims of the text cost nothing, and each student is trained against it like
against a label.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor
from torch.nn import functional as F

from saccade_train.heads.db import DBMaps
from saccade_train.losses.db import dice_loss, main_loss

__all__ = ["DilatedLoss", "dilated_teacher", "dilated_teacher_loss"]


class DilatedLoss(NamedTuple):
    """Scalars, already weighted; ``total`` is the sum of the others."""

    total: Tensor
    shrink: Tensor
    binary: Tensor


def dilated_teacher(probability: Tensor, threshold: float = 0.3) -> Tensor:
    """Binarise a map and let it grow by one pixel to the right and downwards.

    That is OpenCV's dilation by ones(2, 2).

    Args:
        probability: (N, 1, H, W) of the teacher.
        threshold: pixels above it are text.

    Returns:
        0 or 1, same shape and dtype, without gradient.
    """
    text = (probability.detach() > threshold).to(probability.dtype)
    return F.max_pool2d(F.pad(text, (1, 0, 1, 0)), 2, stride=1)


def dilated_teacher_loss(
    student: DBMaps,
    teacher: Tensor,
    mask: Tensor,
    *,
    main: Literal["dice", "bce", "both"] = "dice",
    shrink_weight: float = 5.0,
    threshold: float = 0.3,
    negatives: float = 3.0,
) -> DilatedLoss:
    """Hold a student against the dilated teacher.

    ``shrink_weight`` * l_p(P, teacher) + Dice(B, teacher).

    Args:
        student: its maps.
        teacher: the teacher's P, (N, 1, H, W).
        mask: which pixels count: the shrink mask of the labels, (N, H, W) or (N, 1, H, W).
        main: l_p: Dice as in every shipped configuration, cross entropy with hard negatives,
            or both.
        shrink_weight: the paper's gamma.
        threshold: for the teacher.
        negatives: background pixels for each text pixel.
    """
    target = dilated_teacher(teacher, threshold).to(student.shrink.dtype)
    mask = mask.reshape(target.shape)
    shrink = shrink_weight * main_loss(main, student.shrink, target, mask, negatives)
    binary = dice_loss(student.binary, target, mask)
    return DilatedLoss(shrink + binary, shrink, binary)
