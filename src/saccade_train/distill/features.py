"""Distance between the feature maps of two networks (FitNets, arXiv 1412.6550)."""

from __future__ import annotations

from torch import Tensor

from saccade.errors import OptionError

__all__ = ["feature_distance"]


def feature_distance(first: Tensor, second: Tensor) -> Tensor:
    """Mean over all elements of the squared difference; both sides get a gradient.

    Args:
        first: any shape.
        second: the same shape.

    Returns:
        float32 scalar.

    Raises:
        OptionError: the shapes differ.
    """
    if first.shape != second.shape:
        raise OptionError(
            f"features of shapes {tuple(first.shape)} and {tuple(second.shape)} are compared; "
            "expected the same taps of networks of one architecture"
        )
    return (first.float() - second.float()).square().mean()
