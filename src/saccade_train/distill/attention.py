"""Attention-based feature distillation: AFD (Ji et al., arXiv 2102.02973)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.layers.check import check_whole

__all__ = ["AttentionTransfer", "afd_loss", "spatial_value"]


def spatial_value(features: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Where a map is active: the mean over channels of f^2, as a vector of unit length.

    Args:
        features: (N, C, H, W).
        size: height and width to pool to first; None: as they are.

    Returns:
        float32 (N, H * W).
    """
    energy = features.float().square().mean(1, keepdim=True)
    if size is not None:
        energy = F.adaptive_avg_pool2d(energy, size)
    return F.normalize(energy.flatten(1), dim=1)


def afd_loss(attention: Tensor, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """sum_t mean_n sum_s a_nts mean((v_ns - v_nt)^2).

    Args:
        attention: (N, T, S), each row (the last axis) sums to 1.
        student: for each of the T layers of the teacher, (N, S, P_t): the values of the student's
            layers at that layer's size.
        teacher: for each, (N, P_t).

    Returns:
        float32 scalar.
    """
    total = attention.new_zeros(())
    for t, (ours, theirs) in enumerate(zip(student, teacher, strict=True)):
        apart = (ours - theirs[:, None]).square().mean(2)
        total = total + (apart * attention[:, t]).sum(1).mean()
    return total


class AttentionTransfer(nn.Module):
    """Learned: which layer of the student each layer of the teacher is held against.

    The attention of teacher layer t on student layer s is the softmax over s of
    (k_ts . q_t + P_t . P_s) / sqrt(d). Queries are Linear and BatchNorm of the pooled map; keys
    likewise with a ReLU, and then a linear map and BatchNorm for each teacher layer (the
    "bilinear" of the paper).

    Args:
        student: shapes (N, C, H, W) of the student's maps.
        teacher: shapes of the teacher's.
        dim: d.
    """

    def __init__(
        self,
        student: Sequence[tuple[int, ...]],
        teacher: Sequence[tuple[int, ...]],
        *,
        dim: int = 128,
    ) -> None:
        super().__init__()
        check_whole("dim", dim, at_least=1)
        if not student or not teacher or any(len(shape) != 4 for shape in (*student, *teacher)):
            raise OptionError("afd compares maps; name layers of the student and of the teacher")
        self.dim = dim
        self.queries = nn.ModuleList(_linear_bn(shape[1], dim) for shape in teacher)
        self.keys = nn.ModuleList(_linear_bn(shape[1], dim) for shape in student)
        self.bilinear = _linear_bn(dim, dim * len(teacher))
        self.place_student = nn.Parameter(torch.empty(len(student), dim))
        self.place_teacher = nn.Parameter(torch.empty(len(teacher), dim))
        nn.init.xavier_normal_(self.place_student)
        nn.init.xavier_normal_(self.place_teacher)

    def attention(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """The weights, float (N, T, S)."""
        pooled = [one.flatten(2).mean(2) for one in teacher]
        query = torch.stack([f(x) for f, x in zip(self.queries, pooled, strict=True)], 1)
        pooled = [one.flatten(2).mean(2) for one in student]
        key = torch.stack([F.relu(f(x)) for f, x in zip(self.keys, pooled, strict=True)], 1)
        rows, layers = key.shape[:2]
        keys = self.bilinear(key.flatten(0, 1)).view(rows, layers, len(teacher), self.dim)
        logits = torch.einsum("nstd,ntd->nts", keys, query)
        places = self.place_teacher @ self.place_student.T
        return ((logits + places) / math.sqrt(self.dim)).float().softmax(2)

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """The loss."""
        theirs = [spatial_value(one) for one in teacher]
        sizes = [(one.shape[2], one.shape[3]) for one in teacher]
        ours = [torch.stack([spatial_value(s, size) for s in student], 1) for size in sizes]
        return afd_loss(self.attention(student, teacher), ours, theirs)


def _linear_bn(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs))
