"""YOLOv8n: C2f blocks, chained pools, a path aggregation network, decoupled heads.

Written by us from the published description of the architecture: its layers with their channels
and repeats, and its number of parameters, 3,157,200, of which 16 are the constants 0..15 that
distances are averaged with. The widths of the towers follow from that number. None of its code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from peers.blocks import Pools, conv, far_and_near, grid, rows
from saccade_train.heads.picodet import expected_distances

__all__ = ["YOLOv8", "yolov8n"]

_STRIDES = (8, 16, 32)
_BINS = 16


class C2f(nn.Module):
    """Cross stage partial where what every bottleneck gives is joined, not only the last's.

    A bottleneck is two 3x3 convolutions of half the channels.
    """

    def __init__(self, in_channels: int, out_channels: int, count: int, *, add: bool) -> None:
        super().__init__()
        half = out_channels // 2
        self.split = conv(in_channels, 2 * half, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(half, half, 3), conv(half, half, 3)) for _ in range(count)
        )
        self.join = conv((2 + count) * half, out_channels, 1)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        parts = list(self.split(x).chunk(2, dim=1))
        for block in self.blocks:
            y = block(parts[-1])
            parts.append(parts[-1] + y if self.add else y)
        joined: Tensor = self.join(torch.cat(parts, dim=1))
        return joined


def tower(in_channels: int, channels: int, out_channels: int) -> nn.Module:
    """Two 3x3 convolutions and a 1x1 one with bias."""
    return nn.Sequential(
        conv(in_channels, channels, 3),
        conv(channels, channels, 3),
        nn.Conv2d(channels, out_channels, 1),
    )


class YOLOv8(nn.Module):
    """The whole network, of size n.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        c3, c4, c5 = 64, 128, 256
        self.stage3 = nn.Sequential(
            conv(3, 16, 3, 2),
            conv(16, 32, 3, 2),
            C2f(32, 32, 1, add=True),
            conv(32, c3, 3, 2),
            C2f(c3, c3, 2, add=True),
        )
        self.stage4 = nn.Sequential(conv(c3, c4, 3, 2), C2f(c4, c4, 2, add=True))
        self.stage5 = nn.Sequential(conv(c4, c5, 3, 2), C2f(c5, c5, 1, add=True), Pools(c5))
        self.down4 = C2f(c5 + c4, c4, 1, add=False)
        self.down3 = C2f(c4 + c3, c3, 1, add=False)
        self.to4 = conv(c3, c3, 3, 2)
        self.up4 = C2f(c3 + c4, c4, 1, add=False)
        self.to5 = conv(c4, c4, 3, 2)
        self.up5 = C2f(c4 + c5, c5, 1, add=False)
        for_classes = max(c3, min(num_classes, 100))
        widths = (c3, c4, c5)
        self.boxes = nn.ModuleList(tower(one, 4 * _BINS, 4 * _BINS) for one in widths)
        self.classes = nn.ModuleList(tower(one, for_classes, num_classes) for one in widths)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, 3, H, W) to boxes (N, P, 4) xyxy in pixels and scores (N, P, C)."""
        p3 = self.stage3(x)
        p4 = self.stage4(p3)
        p5 = self.stage5(p4)
        d4 = self.down4(torch.cat([F.interpolate(p5, scale_factor=2.0), p4], dim=1))
        d3 = self.down3(torch.cat([F.interpolate(d4, scale_factor=2.0), p3], dim=1))
        u4 = self.up4(torch.cat([self.to4(d3), d4], dim=1))
        u5 = self.up5(torch.cat([self.to5(u4), p5], dim=1))
        levels = (d3, u4, u5)
        sides = rows([part(one) for part, one in zip(self.boxes, levels, strict=True)])
        logits = rows([part(one) for part, one in zip(self.classes, levels, strict=True)])
        points, strides = grid(levels, _STRIDES, offset=0.5)
        return far_and_near(points, expected_distances(sides)) * strides, logits.sigmoid()


def yolov8n(num_classes: int) -> YOLOv8:
    """YOLOv8n."""
    return YOLOv8(num_classes)
