"""RTMDet-tiny (arXiv 2212.07784): CSPNeXt, its path aggregation network, heads that share weights.

Facts from open-mmlab/mmdetection (Apache-2.0): ``mmdet/models`` and ``configs/rtmdet``. The head's
convolutions are the same at all levels, each level with BatchNorms of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from peers.blocks import Pools, conv, far_and_near, grid, rows, separable

__all__ = ["RTMDet", "rtmdet_tiny"]

_STRIDES = (8, 16, 32)


class Block(nn.Module):
    """3x3 and separable 5x5, with or without a way around them."""

    def __init__(self, channels: int, *, add: bool) -> None:
        super().__init__()
        self.convs = nn.Sequential(conv(channels, channels, 3), separable(channels, channels, 5))
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        y: Tensor = self.convs(x)
        return x + y if self.add else y


class Attention(nn.Module):
    """Weigh each channel by a hard sigmoid of a 1x1 convolution of the global average."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        return x * F.hardsigmoid(self.fc(F.adaptive_avg_pool2d(x, 1)))


class CSP(nn.Module):
    """Cross stage partial: half of the channels go through one block, half go past it."""

    def __init__(self, in_channels: int, out_channels: int, *, add: bool, weigh: bool) -> None:
        super().__init__()
        half = out_channels // 2
        self.through = nn.Sequential(conv(in_channels, half, 1), Block(half, add=add))
        self.past = conv(in_channels, half, 1)
        self.attention = Attention(2 * half) if weigh else nn.Identity()
        self.join = conv(2 * half, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        joined = torch.cat([self.through(x), self.past(x)], dim=1)
        y: Tensor = self.join(self.attention(joined))
        return y


class RTMDet(nn.Module):
    """The whole network, of size tiny: 3/8 of the channels of RTMDet-l, a sixth of its depth.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        c2, c3, c4, c5 = 48, 96, 192, 384
        self.stem = nn.Sequential(conv(3, 12, 3, 2), conv(12, 12, 3), conv(12, 24, 3))
        self.stage2 = nn.Sequential(conv(24, c2, 3, 2), CSP(c2, c2, add=True, weigh=True))
        self.stage3 = nn.Sequential(conv(c2, c3, 3, 2), CSP(c3, c3, add=True, weigh=True))
        self.stage4 = nn.Sequential(conv(c3, c4, 3, 2), CSP(c4, c4, add=True, weigh=True))
        self.stage5 = nn.Sequential(
            conv(c4, c5, 3, 2), Pools(c5), CSP(c5, c5, add=False, weigh=True)
        )
        self.lateral5 = conv(c5, c4, 1)
        self.down4 = CSP(2 * c4, c4, add=False, weigh=False)
        self.lateral4 = conv(c4, c3, 1)
        self.down3 = CSP(2 * c3, c3, add=False, weigh=False)
        self.to4 = conv(c3, c3, 3, 2)
        self.up4 = CSP(2 * c3, c4, add=False, weigh=False)
        self.to5 = conv(c4, c4, 3, 2)
        self.up5 = CSP(2 * c4, c5, add=False, weigh=False)
        self.out = nn.ModuleList(conv(one, c3, 3) for one in (c3, c4, c5))
        self.class_towers = _shared_towers(c3)
        self.box_towers = _shared_towers(c3)
        self.classes = nn.ModuleList(nn.Conv2d(c3, num_classes, 1) for _ in _STRIDES)
        self.boxes = nn.ModuleList(nn.Conv2d(c3, 4, 1) for _ in _STRIDES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, 3, H, W) to boxes (N, P, 4) xyxy in pixels and scores (N, P, C)."""
        p3 = self.stage3(self.stage2(self.stem(x)))
        p4 = self.stage4(p3)
        wide5 = self.lateral5(self.stage5(p4))
        d4 = self.down4(torch.cat([F.interpolate(wide5, scale_factor=2.0), p4], dim=1))
        wide4 = self.lateral4(d4)
        d3 = self.down3(torch.cat([F.interpolate(wide4, scale_factor=2.0), p3], dim=1))
        u4 = self.up4(torch.cat([self.to4(d3), wide4], dim=1))
        u5 = self.up5(torch.cat([self.to5(u4), wide5], dim=1))
        levels = [out(one) for out, one in zip(self.out, (d3, u4, u5), strict=True)]
        logits = rows(_heads(self.classes, self.class_towers, levels))
        distances = rows(_heads(self.boxes, self.box_towers, levels))
        points, strides = grid(levels, _STRIDES, offset=0.0)
        return far_and_near(points, distances) * strides, logits.sigmoid()


def rtmdet_tiny(num_classes: int) -> RTMDet:
    """RTMDet-tiny, ``configs/rtmdet/rtmdet_tiny_8xb32-300e_coco.py``."""
    return RTMDet(num_classes)


def _shared_towers(channels: int) -> nn.ModuleList:
    """Two 3x3 convolutions a level: the same weights, BatchNorms of their own."""
    towers = nn.ModuleList(
        nn.Sequential(*(conv(channels, channels, 3) for _ in range(2))) for _ in _STRIDES
    )
    for other in towers[1:]:
        for layer, first in zip(other, towers[0], strict=True):
            layer.conv = first.conv
    return towers


def _heads(predict: nn.ModuleList, towers: nn.ModuleList, levels: Sequence[Tensor]) -> list[Tensor]:
    return [last(tower(one)) for last, tower, one in zip(predict, towers, levels, strict=True)]
