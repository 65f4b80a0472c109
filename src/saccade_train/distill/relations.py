"""Learning vectors from the vectors of a finished network: by themselves, or by their relations.

RKD is Park et al., arXiv 1904.05068: distances between pairs (equation 5) and angles between
triples (equation 8), both under a Huber loss. The teacher's side should come without gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from saccade.errors import OptionError

__all__ = ["cosine_distance", "rkd_angles", "rkd_distances"]


def cosine_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over rows of 1 - cosine.

    Args:
        student: (N, D).
        teacher: (N, D).

    Raises:
        OptionError: vectors of different lengths.
    """
    if student.shape != teacher.shape:
        raise OptionError(
            f"the student's vectors have {student.shape[1]} numbers, the teacher's "
            f"{teacher.shape[1]}; make model.embedding_dim equal, or set loss.distill.cosine=0 and "
            "learn from distances and angles"
        )
    return (1 - F.cosine_similarity(student.float(), teacher.float(), dim=1)).mean()


def rkd_distances(student: Tensor, teacher: Tensor, *, paddle_compat: bool = False) -> Tensor:
    """Huber loss between the distances of all pairs, each side divided by its mean distance.

    Args:
        student: (N, D).
        teacher: (N, E).
        paddle_compat: count the distance of each row to itself too, as PaddleClas does in both
            means; the paper has pairs of two rows.
    """
    ours, theirs = _relative(student, paddle_compat), _relative(teacher, paddle_compat)
    return F.smooth_l1_loss(ours, theirs)


def rkd_angles(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber loss between the cosines of the angles i-j-k of all triples of rows.

    Args:
        student: (N, D).
        teacher: (N, E).
    """
    return F.smooth_l1_loss(_angles(student), _angles(teacher))


def _relative(rows: Tensor, diagonal: bool) -> Tensor:
    """Distances of all pairs over their mean: those i != j, (N * (N - 1),); or all, (N * N,)."""
    rows = rows.float()
    squares = (rows[:, None] - rows[None]).square().sum(2)
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    if diagonal:
        itself = torch.zeros_like(itself)
    distances = squares[~itself].clamp_min(1e-12).sqrt()
    return distances / distances.mean().clamp_min(1e-12)


def _angles(rows: Tensor) -> Tensor:
    """Cosine between (i - j) and (k - j) by [j, i, k]; (N, N, N)."""
    rows = rows.float()
    ways = F.normalize(rows[None] - rows[:, None], dim=2)
    return ways @ ways.transpose(1, 2)
