"""Projector ensemble feature distillation: PEFD (Chen et al., arXiv 2210.15274)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.layers.check import check_whole

__all__ = ["ProjectorEnsemble", "pefd_loss"]


def pefd_loss(projected: Tensor, teacher: Tensor) -> Tensor:
    """1 - cos(projected, teacher), the mean over the batch.

    Args:
        projected: (N, D), the mean of what the projectors make of the student's features.
        teacher: (N, D), without gradient.

    Returns:
        float32 scalar.
    """
    return (1 - F.cosine_similarity(projected.float(), teacher.float(), dim=1)).mean()


class ProjectorEnsemble(nn.Module):
    """Learned: mean over several projectors of ReLU(W_i f_s), held against f_t.

    Args:
        student: shapes (N, C) or (N, C, H, W) of the student's features, one.
        teacher: shapes of the teacher's, one.
        projectors: how many; 3 in the paper.
    """

    def __init__(
        self,
        student: Sequence[tuple[int, ...]],
        teacher: Sequence[tuple[int, ...]],
        *,
        projectors: int = 3,
    ) -> None:
        super().__init__()
        check_whole("projectors", projectors, at_least=1)
        if len(student) != 1 or len(teacher) != 1:
            raise OptionError("pefd compares one layer of the student with one of the teacher")
        self.projectors = nn.ModuleList(
            nn.Linear(student[0][1], teacher[0][1]) for _ in range(projectors)
        )

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """The loss; maps (N, C, H, W) are pooled to (N, C) first."""
        ours, theirs = pooled(student[0]), pooled(teacher[0])
        each = torch.stack([F.relu(project(ours)) for project in self.projectors])
        return pefd_loss(each.mean(0), theirs)


def pooled(features: Tensor) -> Tensor:
    """Mean over the picture of maps (N, C, H, W); vectors (N, C) stay."""
    return features.flatten(2).mean(2) if features.ndim > 2 else features
