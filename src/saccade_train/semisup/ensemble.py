"""One prediction of several: members of an ensemble, flipped views.

The FGVC7 entry (arXiv 2006.10702) combines generic and fine-grained networks; its weights are not
published. The arithmetic mean is the default: it beats the geometric one when members are badly
calibrated (one member that is wrongly sure vetoes a class in a geometric mean).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from saccade.errors import OptionError

__all__ = ["Mean", "mean_probabilities", "with_flips"]

Mean = Literal["arithmetic", "geometric"]


def mean_probabilities(
    members: Sequence[Tensor] | Tensor,
    how: Mean = "arithmetic",
    weights: Sequence[float] | None = None,
) -> Tensor:
    """The mean of several predictions.

    Args:
        members: Probabilities of each member, (..., C), all of one shape.
        how: The arithmetic mean, or the geometric one, scaled to sum to one.
        weights: Of the members, from validation; equal by default.

    Returns:
        Probabilities (..., C). Where the geometric mean is 0 for every class, each is equal.

    Raises:
        OptionError: No member, or weights that don't fit.
    """
    if not len(members):
        raise OptionError("an ensemble of no predictions; give at least one")
    stacked = torch.stack(list(members))
    given = [1.0] * len(members) if weights is None else list(weights)
    if len(given) != len(members) or min(given) < 0 or sum(given) <= 0:
        raise OptionError(
            f"ensemble weights {given} for {len(members)} members; expected one a member, none "
            "negative, not all 0"
        )
    shares = stacked.new_tensor(given).view(-1, *[1] * (stacked.dim() - 1)) / sum(given)
    if how == "arithmetic":
        return (shares * stacked).sum(0)
    # xlogy keeps a member of weight 0 from vetoing by 0 * log 0.
    product = torch.xlogy(shares.expand_as(stacked), stacked).sum(0).exp()
    total = product.sum(-1, keepdim=True)
    even = torch.full_like(product, 1.0 / product.shape[-1])
    return torch.where(total > 0, product / total.clamp_min(1e-300), even)


def with_flips(predict: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The mean of a prediction on pictures and on their mirror images.

    Args:
        predict: From pictures to probabilities, (N, 3, H, W) to (N, C).
        images: (N, 3, H, W).
    """
    return (predict(images) + predict(images.flip(3))) / 2
