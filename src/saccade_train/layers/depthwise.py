"""The depthwise separable block of PP-LCNet (arXiv 2109.15099, section 3)."""

from __future__ import annotations

from torch import Tensor, nn

from saccade_train.layers.activation import ActivationName
from saccade_train.layers.conv import ConvBN, Stride
from saccade_train.layers.se import SqueezeExcite

__all__ = ["DepthwiseSeparable"]


class DepthwiseSeparable(nn.Module):
    """Depthwise k x k -> optional SE -> pointwise 1x1, each with BN and activation; no residual.

    Args:
        in_channels: channels of the input, of the depthwise part and of the SE.
        out_channels: channels of the output.
        kernel: side of the depthwise kernel.
        stride: of the depthwise part.
        se: whether a Squeeze-and-Excitation follows the depthwise part.
        act: activation after the depthwise and after the pointwise part.
        se_slope: slope of the SE's hard sigmoid.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: Stride = 1,
        *,
        se: bool = False,
        act: ActivationName = "hardswish",
        se_slope: float = 1 / 6,
    ) -> None:
        super().__init__()
        self.dw_conv = ConvBN(in_channels, in_channels, kernel, stride, depthwise=True, act=act)
        self.se = SqueezeExcite(in_channels, se_slope) if se else nn.Identity()
        self.pw_conv = ConvBN(in_channels, out_channels, 1, act=act)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = self.pw_conv(self.se(self.dw_conv(x)))
        return y
