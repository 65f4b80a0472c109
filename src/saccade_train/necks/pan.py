"""The path aggregation networks of PP-PicoDet (arXiv 2111.00902): CSP-PAN and LC-PAN.

Both bring the maps at strides 8, 16 and 32 to one width, join them from coarse to fine and back
with 5x5 depthwise kernels, and add a fourth map at stride 64. They differ in the block that joins
two maps. The names of the modules follow ``PaddleDetection/ppdet/modeling/necks/csp_pan.py`` and
``lc_pan.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.layers.check import check_whole
from saccade_train.layers.conv import ConvBN
from saccade_train.layers.depthwise import DepthwiseSeparable

__all__ = ["PAN", "CSPBlock", "csp_pan", "lc_pan"]

_KERNEL = 5
_LEVELS = (8, 16, 32)


class PAN(nn.Module):
    """Top-down and bottom-up joins over three maps, and a fourth map below them.

    T3..T5 are the inputs at one width C. I4 = block[up(T5), T4], I3 = block[up(I4), T3]; P3 = I3,
    P4 = block[down(P3), I4], P5 = block[down(P4), T5]; P6 = down(T5) + down(P5). The coarser map
    comes first in I, the finer one first in P. ``down`` is a separable 5x5 with stride 2.

    Args:
        in_channels: channels of the maps by the names 8, 16, 32
            (:attr:`Backbone.feature_channels`).
        channels: C, of all four outputs.
        block: makes what brings 2 C channels to C, of C.
    """

    def __init__(
        self, in_channels: Mapping[int, int], channels: int, block: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        check_whole("neck channels", channels, at_least=1)
        self.out_channels = channels
        self.conv_t = nn.ModuleList(
            _uniform(ConvBN(in_channels[level], channels, 1, act="hardswish")) for level in _LEVELS
        )
        self.first_top_conv = _down(channels)
        self.second_top_conv = _down(channels)
        self.top_down_blocks = nn.ModuleList(block(channels) for _ in range(2))
        self.downsamples = nn.ModuleList(_down(channels) for _ in range(2))
        self.bottom_up_blocks = nn.ModuleList(block(channels) for _ in range(2))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Join maps.

        Args:
            features: the last three are (N, C, H / s, W / s) for s = 8, 16, 32; H and W are
                multiples of 32. A map at stride 4 before them is left alone.

        Returns:
            P3..P6, (N, channels, H / s, W / s) for s = 8, 16, 32, 64, sides rounded up.
        """
        t3, t4, t5 = (conv(x) for conv, x in zip(self.conv_t, features[-3:], strict=True))
        i4 = self.top_down_blocks[0](torch.cat([_up(t5), t4], dim=1))
        p3 = self.top_down_blocks[1](torch.cat([_up(i4), t3], dim=1))
        p4 = self.bottom_up_blocks[0](torch.cat([self.downsamples[0](p3), i4], dim=1))
        p5 = self.bottom_up_blocks[1](torch.cat([self.downsamples[1](p4), t5], dim=1))
        p6 = self.first_top_conv(t5) + self.second_top_conv(p5)
        return p3, p4, p5, p6


class CSPBlock(nn.Module):
    """Two 1x1 convolutions to half of the width, a bottleneck behind one of them, 1x1 over both.

    The bottleneck is 1x1 and a separable 5x5, without a shortcut.

    Args:
        channels: C, even; the input has 2 C.

    Raises:
        OptionError: C is odd.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels % 2:
            raise OptionError(f"neck channels {channels}: expected an even number, such as 96")
        half = channels // 2
        self.main_conv = ConvBN(2 * channels, half, 1, act="hardswish")
        self.short_conv = ConvBN(2 * channels, half, 1, act="hardswish")
        self.bottleneck = nn.Sequential(
            ConvBN(half, half, 1, act="hardswish"), DepthwiseSeparable(half, half, _KERNEL)
        )
        self.final_conv = ConvBN(channels, channels, 1, act="hardswish")
        _uniform(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 2 channels, H, W) to (N, channels, H, W)."""
        main = self.bottleneck(self.main_conv(x))
        y: Tensor = self.final_conv(torch.cat([main, self.short_conv(x)], dim=1))
        return y


def csp_pan(in_channels: Mapping[int, int], channels: int) -> PAN:
    """Make the neck of the paper, of CSP blocks; see :class:`PAN` and :class:`CSPBlock`."""
    return PAN(in_channels, channels, CSPBlock)


def lc_pan(in_channels: Mapping[int, int], channels: int) -> PAN:
    """Make the neck of the second generation, of PP-LCNet's blocks; see :class:`PAN`."""
    return PAN(in_channels, channels, _lc_block)


def _lc_block(channels: int) -> nn.Module:
    # Drawn normally, as the backbone: the reference takes the backbone's own block.
    return nn.Sequential(
        DepthwiseSeparable(2 * channels, 2 * channels, _KERNEL),
        DepthwiseSeparable(2 * channels, channels, _KERNEL),
    )


def _down(channels: int) -> nn.Module:
    return _uniform(DepthwiseSeparable(channels, channels, _KERNEL, 2))


def _up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _uniform(module: nn.Module) -> nn.Module:
    """Draw the convolutions from KaimingUniform, the reference's choice in the neck."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_uniform_(part.weight, mode="fan_in", nonlinearity="relu")
    return module
