"""ESNet, the trunk of PP-PicoDet (arXiv 2111.00902): ShuffleNetV2 with SE and Ghost-like blocks.

The widths follow ``PaddleDetection/ppdet/modeling/backbones/esnet.py``. How wide the inside of each
block is was found by the paper's search; its two results stand here as tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.backbones.base import Backbone
from saccade_train.layers.check import check_number
from saccade_train.layers.conv import ConvBN, round8
from saccade_train.layers.depthwise import DepthwiseSeparable
from saccade_train.layers.se import SqueezeExcite

__all__ = ["ESNET_RATIOS_M", "ESNET_RATIOS_S", "ESNet"]

ESNET_RATIOS_S = (0.875, 0.5, 0.5, 0.5, 0.625, 0.5, 0.625, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
"""Width inside each of the 13 blocks, as a part of the block's output; of PicoDet-S."""

ESNET_RATIOS_M = (0.875, 0.5, 1.0, 0.625, 0.5, 0.75, 0.625, 0.625, 0.5, 0.625, 1.0, 0.625, 0.75)
"""Likewise, of PicoDet-M and PicoDet-L."""

_STEM = 24
_STAGES = (("stage2", 128, 3), ("stage3", 256, 7), ("stage4", 512, 3))  # width at x1.0, blocks
_BLOCKS = sum(blocks for _, _, blocks in _STAGES)  # 13


class ESNet(Backbone):
    """Stem ``conv1``, a max pool, and the stages ``stage2`` to ``stage4``, each halving the map.

    The tap at stride 4 is the pooled stem, of 24 channels whatever the scale.

    Args:
        scale: multiplies the widths of the stages: 0.75, 1.0 and 1.25 for S, M and L.
        ratios: of the 13 blocks, see :data:`ESNET_RATIOS_S`.

    Raises:
        OptionError: a value outside its range.
    """

    stage2: nn.Sequential
    stage3: nn.Sequential
    stage4: nn.Sequential

    def __init__(self, scale: float = 1.0, ratios: Sequence[float] = ESNET_RATIOS_M) -> None:
        super().__init__()
        check_number("scale", scale, above=0, up_to=8)
        if len(ratios) != _BLOCKS:
            raise OptionError(f"{len(ratios)} ratios: expected {_BLOCKS}, one a block")
        for ratio in ratios:
            check_number("ratio", ratio, above=0, up_to=1)

        self.conv1 = ConvBN(3, _STEM, 3, 2, act="hardswish")
        self.pool = nn.MaxPool2d(3, 2, 1)
        channels = _STEM
        widths = []
        number = 0
        for name, width, count in _STAGES:
            out_channels = _round16(width * scale)
            blocks = nn.Sequential()
            for index in range(count):
                inner = round8(int(out_channels * ratios[number]))
                if index == 0:
                    blocks.append(_DownBlock(channels, inner, out_channels))
                else:
                    blocks.append(_ShuffleBlock(out_channels, inner))
                number += 1
            self.add_module(name, blocks)
            channels = out_channels
            widths.append(channels)
        self.feature_channels = dict(zip((4, 8, 16, 32), (_STEM, *widths), strict=True))

    def forward_features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map (N, 3, H, W) to the pooled stem and the outputs of the three stages."""
        c2 = self.pool(self.conv1(x))
        c3 = self.stage2(c2)
        c4 = self.stage3(c3)
        c5 = self.stage4(c4)
        return c2, c3, c4, c5

    def stages(self) -> dict[str, list[nn.Module]]:
        """The stem and the three stages; the reference gives all the same learning rate."""
        names = ("conv1", *(name for name, _, _ in _STAGES))
        return {name: [self.get_submodule(name)] for name in names}


class _ShuffleBlock(nn.Module):
    """Stride 1: one half of the channels passes, the other is filtered, and the two are shuffled.

    The filtered half goes through 1x1 to ``inner / 2`` channels; these and their 3x3 depthwise
    version together are ``inner`` channels, as in GhostNet; SE; 1x1 back to a half.

    Args:
        channels: in and out, even.
        inner: channels of the SE, even.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.pw = ConvBN(channels // 2, inner // 2, 1, act="hardswish")
        self.dw = ConvBN(inner // 2, inner // 2, 3, depthwise=True)
        self.se = SqueezeExcite(inner)
        self.linear = ConvBN(inner, channels // 2, 1, act="hardswish")

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        passed, x = x.chunk(2, dim=1)
        x = self.pw(x)
        x = self.linear(self.se(torch.cat([x, self.dw(x)], dim=1)))
        # Shuffling two groups is taking one channel of each in turn.
        return torch.stack([passed, x], dim=2).flatten(1, 2)


class _DownBlock(nn.Module):
    """Stride 2: two branches of half the width, side by side, then a separable 3x3 over both.

    Args:
        in_channels: channels of the input.
        inner: twice the channels of the SE, even.
        out_channels: channels of the output, even.
    """

    def __init__(self, in_channels: int, inner: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.dw_1 = ConvBN(in_channels, in_channels, 3, 2, depthwise=True)
        self.linear_1 = ConvBN(in_channels, half, 1, act="hardswish")
        self.pw_2 = ConvBN(in_channels, inner // 2, 1, act="hardswish")
        self.dw_2 = ConvBN(inner // 2, inner // 2, 3, 2, depthwise=True)
        self.se = SqueezeExcite(inner // 2)
        self.linear_2 = ConvBN(inner // 2, half, 1, act="hardswish")
        self.merge = DepthwiseSeparable(out_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, ceil(H / 2), ceil(W / 2))."""
        first = self.linear_1(self.dw_1(x))
        second = self.linear_2(self.se(self.dw_2(self.pw_2(x))))
        y: Tensor = self.merge(torch.cat([first, second], dim=1))
        return y


def _round16(channels: float) -> int:
    """Round to a multiple of 16, never losing more than a tenth."""
    rounded = max(16, int(channels + 8) // 16 * 16)
    return rounded + 16 if rounded < 0.9 * channels else rounded
