"""The block of PP-LCNetV2: a depthwise convolution learnt as several in parallel, and a pointwise.

Names of the modules follow ``PaddleClas/ppcls/arch/backbone/legendary_models/pp_lcnet_v2.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade_train.layers.conv import ConvBN, Stride, pair
from saccade_train.layers.se import SqueezeExcite

__all__ = ["RepDepthwiseSeparable", "joined_branches"]


class RepDepthwiseSeparable(nn.Module):
    """Depthwise -> optional SE with a plain sigmoid -> pointwise -> optional shortcut.

    Args:
        in_channels: channels of the input, of the depthwise part and of the SE.
        out_channels: channels of the output.
        kernel: side of the depthwise kernel.
        stride: of the depthwise part.
        rep: learn the depthwise part as kernels of ``kernel``, ``kernel - 2``, ... 1 in parallel,
            each with its BatchNorm; the 1x1 is left out where the stride is not 1. An export makes
            one kernel of them, see :func:`joined_branches`.
        split: make the pointwise part of two, through half the channels.
        se: whether a Squeeze-and-Excitation follows the depthwise part.
        shortcut: add the input to the output where both are of one shape; no ReLU behind the sum.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: Stride = 1,
        *,
        rep: bool = False,
        split: bool = False,
        se: bool = False,
        shortcut: bool = False,
    ) -> None:
        super().__init__()
        whole = pair(stride) == (1, 1)

        def depthwise(side: int, act: bool) -> ConvBN:
            return ConvBN(
                in_channels, in_channels, side, stride, depthwise=True, act="relu" if act else None
            )

        self.rep, self.split = rep, split
        if rep:
            sides = [side for side in range(kernel, 0, -2) if side > 1 or whole]
            self.dw_conv_list = nn.ModuleList(depthwise(side, act=False) for side in sides)
        else:
            self.dw_conv = depthwise(kernel, act=True)
        self.se = SqueezeExcite(in_channels, slope=None) if se else nn.Identity()
        if split:
            self.pw_conv_1 = ConvBN(in_channels, out_channels // 2, 1, act="relu")
            self.pw_conv_2 = ConvBN(out_channels // 2, out_channels, 1, act="relu")
        else:
            self.pw_conv = ConvBN(in_channels, out_channels, 1, act="relu")
        self.shortcut = shortcut and whole and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        if self.rep:
            first, *others = self.dw_conv_list
            y = first(x)
            for branch in others:
                y = y + branch(x)
            y = F.relu(y)
        else:
            y = self.dw_conv(x)
        y = self.se(y)
        out: Tensor = self.pw_conv_2(self.pw_conv_1(y)) if self.split else self.pw_conv(y)
        return x + out if self.shortcut else out


def joined_branches(convs: Sequence[nn.Conv2d]) -> nn.Conv2d:
    """Make one convolution that gives the sum of several with odd kernels, each with a bias.

    A smaller kernel is a larger one with zeros around it, and convolutions of one input add up.

    Args:
        convs: of one stride and one number of groups, padded by half their kernels; the first has
            the largest kernel. They are left as they are.
    """
    first = convs[0]
    joined = nn.Conv2d(
        first.in_channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        stride=first.stride,  # type: ignore[arg-type]
        padding=first.padding,  # type: ignore[arg-type]
        groups=first.groups,
    )
    assert joined.bias is not None
    with torch.no_grad():
        joined.weight.zero_()
        joined.bias.zero_()
        for conv in convs:
            assert conv.bias is not None
            rim = (first.kernel_size[0] - conv.kernel_size[0]) // 2
            joined.weight.add_(F.pad(conv.weight, [rim] * 4))
            joined.bias.add_(conv.bias)
    return joined
