"""Masked generative distillation: MGD (Yang et al., arXiv 2205.01529)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.layers.check import check_number

__all__ = ["MaskedGeneration", "channel_mask"]


def channel_mask(features: Tensor, dropped: float) -> Tensor:
    """Draw 0 or 1 for each channel of each picture: float (N, C, 1, 1); 0 with chance ``dropped``.

    That is what PaddleClas does for classifiers; the paper's mask for detectors is spatial.
    """
    drawn = torch.rand(features.shape[:2], device=features.device)
    return (drawn >= dropped).to(features.dtype)[:, :, None, None]


class MaskedGeneration(nn.Module):
    """Learned: alpha MSE(G(mask * align(f_s)), f_t), with G of two 3x3 convolutions.

    Args:
        student: shapes (N, C, H, W) of the student's maps, one.
        teacher: shapes of the teacher's, one; of the same height and width.
        alpha: the loss's factor.
        masked: lambda, the chance that a channel is masked.
    """

    def __init__(
        self,
        student: Sequence[tuple[int, ...]],
        teacher: Sequence[tuple[int, ...]],
        *,
        alpha: float = 1.756,
        masked: float = 0.15,
    ) -> None:
        super().__init__()
        check_number("alpha", alpha, above=0, up_to=1e6)
        check_number("masked", masked, above=0, up_to=1)
        if len(student) != 1 or len(teacher) != 1 or len(student[0]) != 4 or len(teacher[0]) != 4:
            raise OptionError(
                "mgd compares one layer's maps of the student with one of the teacher"
            )
        if student[0][2:] != teacher[0][2:]:
            raise OptionError(
                f"mgd: the student's maps are {student[0][2]}x{student[0][3]}, the teacher's "
                f"{teacher[0][2]}x{teacher[0][3]}; name layers of the same stride"
            )
        ours, theirs = student[0][1], teacher[0][1]
        self.alpha, self.masked = alpha, masked
        self.align = nn.Conv2d(ours, theirs, 1) if ours != theirs else nn.Identity()
        self.generate = nn.Sequential(
            nn.Conv2d(theirs, theirs, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(theirs, theirs, 3, padding=1),
        )

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """The loss."""
        aligned = self.align(student[0])
        made = self.generate(aligned * channel_mask(aligned, self.masked))
        return self.alpha * F.mse_loss(made.float(), teacher[0].float())
