"""Squeeze-and-Excitation (Hu et al., arXiv 1709.01507), the gate mostly a hard sigmoid."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from saccade_train.layers.activation import HardSigmoid
from saccade_train.layers.conv import conv2d

__all__ = ["SqueezeExcite"]


class SqueezeExcite(nn.Module):
    """Weigh each channel by a gate computed from the global average.

    pool -> 1x1 (c -> c // 4, bias) -> ReLU -> 1x1 (c // 4 -> c, bias) -> gate -> multiply.
    No normalisation inside, and the ReLU stays a ReLU whatever the network's activation is.

    Args:
        channels: channels in and out.
        slope: of the hard sigmoid: 1/6 for PP-LCNet, 0.2 for MobileNetV3; None for a plain sigmoid
            (PP-LCNetV2).
    """

    def __init__(self, channels: int, slope: float | None = 1 / 6) -> None:
        super().__init__()
        self.conv1 = conv2d(channels, channels // 4, 1, bias=True)
        self.conv2 = conv2d(channels // 4, channels, 1, bias=True)
        self.gate: nn.Module = nn.Sigmoid() if slope is None else HardSigmoid(slope)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        pooled = F.adaptive_avg_pool2d(x, 1)  # (N, C, 1, 1)
        gate: Tensor = self.gate(self.conv2(F.relu(self.conv1(pooled))))
        return x * gate
