"""Activations by name, and the two hard sigmoids.

H-Swish is x * clip(x + 3, 0, 6) / 6 in Paddle and PyTorch alike. Hard sigmoid is
clip(slope * x + 0.5, 0, 1), but with two slopes: 1/6 in PP-LCNet and in PyTorch, 0.2 in
PaddleClas' MobileNetV3 and the OCR networks built on it.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError, nearest

__all__ = ["ActivationName", "HardSigmoid", "activation"]

ActivationName = Literal["hardswish", "relu", "relu6"]


def activation(name: ActivationName | None) -> nn.Module:
    """Make the activation of that name; ``None`` passes its input through.

    Raises:
        OptionError: the name is unknown.
    """
    match name:
        case None:
            return nn.Identity()
        case "hardswish":
            return nn.Hardswish()
        case "relu":
            return nn.ReLU(inplace=True)
        case "relu6":
            return nn.ReLU6(inplace=True)
    known = get_args(ActivationName)
    raise OptionError(f"unknown activation {name!r}; {nearest(str(name), known)}")


class HardSigmoid(nn.Module):
    """clip(slope * x + 0.5, 0, 1)."""

    def __init__(self, slope: float = 1 / 6) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same shape, values in [0, 1]."""
        if self.slope == 1 / 6:
            return F.hardsigmoid(x)
        return (x * self.slope + 0.5).clamp(0.0, 1.0)

    def extra_repr(self) -> str:
        """Show the slope when printed."""
        return f"slope={self.slope:.4g}"
