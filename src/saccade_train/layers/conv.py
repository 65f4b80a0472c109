"""Convolutions, and the one way in which this package creates them.

Every network here is built from bias-free convolutions that a BatchNorm follows (PP-LCNet, arXiv
2109.15099; ResNet-vd; MobileNetV3). All of them are made by :func:`conv2d`, and all depthwise ones
by :func:`depthwise_conv2d`, so that a faster kernel or another initialisation is a change in one
place.
"""

from __future__ import annotations

from torch import Tensor, nn

from saccade_train.layers.activation import ActivationName, activation
from saccade_train.layers.depthwise_conv import DepthwiseConv2d

__all__ = ["ConvBN", "Stride", "conv2d", "depthwise_conv2d", "pair", "round8"]

Stride = int | tuple[int, int]
"""One stride for both sides, or (height, width)."""


def pair(stride: Stride) -> tuple[int, int]:
    """Spell a stride as (height, width)."""
    return (stride, stride) if isinstance(stride, int) else stride


def round8(channels: float) -> int:
    """Round a channel number to a multiple of 8, never losing more than a tenth.

    The width rule of MobileNet and PP-LCNet. ``channels + 4`` is cut to an integer before the
    division, as in the reference.

    Examples:
        >>> [round8(32 * 0.35), round8(16 * 0.75), round8(256 * 0.35)]
        [16, 16, 88]
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: Stride = 1,
    *,
    groups: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """Make a convolution with padding ``(kernel - 1) // 2``.

    Weights are drawn from N(0, sqrt(2 / fan_in)) with fan_in = in_channels / groups * kernel²,
    which is both KaimingNormal and the measured default of Paddle's Conv2D; biases are 0.

    Returns:
        A module from (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride), sides
        rounded up, for an odd kernel.
    """
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        stride=pair(stride),
        padding=(kernel - 1) // 2,
        groups=groups,
        bias=bias,
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def depthwise_conv2d(channels: int, kernel: int, stride: Stride = 1) -> nn.Conv2d:
    """Make a convolution that filters each channel by itself, drawn as :func:`conv2d`'s."""
    conv = DepthwiseConv2d(channels, kernel, pair(stride))
    nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")
    return conv


class ConvBN(nn.Module):
    """Convolution without bias, BatchNorm, activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: side of the kernel.
        stride: one number, or (height, width).
        depthwise: filter each channel by itself; needs ``in_channels == out_channels``.
        act: name of the activation, or ``None`` for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: Stride = 1,
        *,
        depthwise: bool = False,
        act: ActivationName | None = None,
    ) -> None:
        super().__init__()
        if depthwise:
            if in_channels != out_channels:
                raise ValueError(f"a depthwise convolution keeps {in_channels} channels")
            self.conv = depthwise_conv2d(in_channels, kernel, stride)
        else:
            self.conv = conv2d(in_channels, out_channels, kernel, stride)
        # Paddle's eps 1e-5 and momentum 0.9 are PyTorch's 1e-5 and 0.1. (Paddle updates the running
        # variance with the biased batch variance on CPU; that only shifts training curves.)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-5, momentum=0.1)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W')."""
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y
