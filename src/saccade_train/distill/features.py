"""Distance between the feature maps of two networks (FitNets, arXiv 1412.6550)."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor
from torch.nn import functional as F

from saccade.errors import OptionError, nearest

__all__ = ["DistanceKind", "feature_distance"]

DistanceKind = Literal["l2", "l1", "smooth_l1"]


def feature_distance(first: Tensor, second: Tensor, *, kind: DistanceKind = "l2") -> Tensor:
    """Mean over all elements of the difference; both sides get a gradient.

    Args:
        first: any shape.
        second: the same shape.
        kind: squared, absolute, or squared below 1 and absolute above.

    Returns:
        float32 scalar.

    Raises:
        OptionError: the shapes differ, or there is no such kind.
    """
    if first.shape != second.shape:
        raise OptionError(
            f"features of shapes {tuple(first.shape)} and {tuple(second.shape)} are compared; "
            "expected the same taps of networks of one architecture"
        )
    match kind:
        case "l2":
            return F.mse_loss(first.float(), second.float())
        case "l1":
            return F.l1_loss(first.float(), second.float())
        case "smooth_l1":
            return F.smooth_l1_loss(first.float(), second.float())
    raise OptionError(
        f"kind {kind!r}: unknown distance; {nearest(str(kind), get_args(DistanceKind))}"
    )
