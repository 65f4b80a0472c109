"""The feature pyramid of the DB text detector (arXiv 1911.08947, figure 3).

The form of ``PaddleOCR/ppocr/modeling/necks/db_fpn.py``: no normalisation, no activation, nearest
upsampling. The names of the modules are the reference's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.layers.check import check_whole
from saccade_train.layers.conv import conv2d

__all__ = ["DBFPN"]


class DBFPN(nn.Module):
    """1x1 convolutions to one width, sums from coarse to fine, 3x3 convolutions to a quarter each.

    in5..in2 bring the maps at strides 32 to 4 to ``channels``; out4 = in4 + up(in5), and so on down
    to out2. p5..p2 filter in5, out4, out3, out2 to ``channels / 4``; all four are brought to stride
    4 and joined in the order p5, p4, p3, p2.

    Args:
        in_channels: channels of the maps by the names 4, 8, 16, 32
            (:attr:`Backbone.feature_channels`).
        channels: of the pyramid and of the output: 96 for the mobile detector, 256 for the teacher.

    Raises:
        OptionError: ``channels`` is no multiple of 4.
    """

    def __init__(self, in_channels: Mapping[int, int], channels: int = 96) -> None:
        super().__init__()
        check_whole("neck channels", channels, at_least=4)
        if channels % 4:
            raise OptionError(f"neck channels {channels}: expected a multiple of 4, such as 96")
        self.out_channels = channels
        self.in2_conv = conv2d(in_channels[4], channels, 1)
        self.in3_conv = conv2d(in_channels[8], channels, 1)
        self.in4_conv = conv2d(in_channels[16], channels, 1)
        self.in5_conv = conv2d(in_channels[32], channels, 1)
        self.p5_conv = conv2d(channels, channels // 4, 3)
        self.p4_conv = conv2d(channels, channels // 4, 3)
        self.p3_conv = conv2d(channels, channels // 4, 3)
        self.p2_conv = conv2d(channels, channels // 4, 3)
        for conv in self.children():
            assert isinstance(conv, nn.Conv2d)
            nn.init.kaiming_uniform_(conv.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Join four maps.

        Args:
            features: (N, C, H / s, W / s) for s = 4, 8, 16, 32; H and W are multiples of 32.

        Returns:
            (N, channels, H / 4, W / 4).
        """
        c2, c3, c4, c5 = features
        in5 = self.in5_conv(c5)
        out4 = self.in4_conv(c4) + _up(in5, 2)
        out3 = self.in3_conv(c3) + _up(out4, 2)
        out2 = self.in2_conv(c2) + _up(out3, 2)
        p5 = _up(self.p5_conv(in5), 8)
        p4 = _up(self.p4_conv(out4), 4)
        p3 = _up(self.p3_conv(out3), 2)
        return torch.cat([p5, p4, p3, self.p2_conv(out2)], dim=1)


def _up(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=float(factor), mode="nearest")
