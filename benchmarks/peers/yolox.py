"""YOLOX-Nano and -Tiny (arXiv 2107.08430): CSPDarknet, a path aggregation network, two towers.

Facts from Megvii-BaseDetection/YOLOX (Apache-2.0): ``yolox/models`` and ``exps/default``. Nano has
a quarter of the channels of YOLOX-L and depthwise separable 3x3 convolutions, Tiny three eighths of
the channels and full ones; both have a third of the depth.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from peers.blocks import Pools, conv, grid, rows, separable

__all__ = ["YOLOX", "yolox_nano", "yolox_tiny"]

_STRIDES = (8, 16, 32)


class Bottleneck(nn.Module):
    """1x1 and 3x3, with or without a way around them."""

    def __init__(self, channels: int, make: Callable[..., nn.Module], *, add: bool) -> None:
        super().__init__()
        self.one = conv(channels, channels, 1)
        self.three = make(channels, channels, 3)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        y: Tensor = self.three(self.one(x))
        return x + y if self.add else y


class CSP(nn.Module):
    """Cross stage partial: half of the channels go through bottlenecks, half go past them."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        count: int,
        make: Callable[..., nn.Module],
        *,
        add: bool,
    ) -> None:
        super().__init__()
        half = out_channels // 2
        self.through = nn.Sequential(
            conv(in_channels, half, 1), *(Bottleneck(half, make, add=add) for _ in range(count))
        )
        self.past = conv(in_channels, half, 1)
        self.join = conv(2 * half, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        y: Tensor = self.join(torch.cat([self.through(x), self.past(x)], dim=1))
        return y


class Level(nn.Module):
    """The head of one level: a tower for classes, one for boxes and for "is there anything"."""

    def __init__(
        self, in_channels: int, channels: int, num_classes: int, make: Callable[..., nn.Module]
    ) -> None:
        super().__init__()
        self.stem = conv(in_channels, channels, 1)
        self.class_tower = nn.Sequential(*(make(channels, channels, 3) for _ in range(2)))
        self.box_tower = nn.Sequential(*(make(channels, channels, 3) for _ in range(2)))
        self.classes = nn.Conv2d(channels, num_classes, 1)
        self.boxes = nn.Conv2d(channels, 4, 1)
        self.objectness = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (N, in_channels, H, W) to logits of classes, boxes and the logit of objectness."""
        x = self.stem(x)
        boxes = self.box_tower(x)
        return self.classes(self.class_tower(x)), self.boxes(boxes), self.objectness(boxes)


class YOLOX(nn.Module):
    """The whole network.

    Args:
        width: channels, as a part of those of YOLOX-L.
        depthwise: make 3x3 convolutions depthwise separable, but for the first.
        num_classes: C.
    """

    def __init__(self, width: float, num_classes: int, *, depthwise: bool) -> None:
        super().__init__()
        make = separable if depthwise else conv
        c = [int(width * channels) for channels in (64, 128, 256, 512, 1024)]
        # "Focus" puts the four pixels of each 2x2 square into channels and convolves these 3x3:
        # that is a 6x6 convolution with stride 2. As such it needs no slices of the picture.
        self.stem = conv(3, c[0], 6, 2)
        self.dark2 = nn.Sequential(make(c[0], c[1], 3, 2), CSP(c[1], c[1], 1, make, add=True))
        self.dark3 = nn.Sequential(make(c[1], c[2], 3, 2), CSP(c[2], c[2], 3, make, add=True))
        self.dark4 = nn.Sequential(make(c[2], c[3], 3, 2), CSP(c[3], c[3], 3, make, add=True))
        self.dark5 = nn.Sequential(
            make(c[3], c[4], 3, 2), Pools(c[4]), CSP(c[4], c[4], 1, make, add=False)
        )
        self.lateral5 = conv(c[4], c[3], 1)
        self.down4 = CSP(2 * c[3], c[3], 1, make, add=False)
        self.lateral4 = conv(c[3], c[2], 1)
        self.down3 = CSP(2 * c[2], c[2], 1, make, add=False)
        self.to4 = make(c[2], c[2], 3, 2)
        self.up4 = CSP(2 * c[2], c[3], 1, make, add=False)
        self.to5 = make(c[3], c[3], 3, 2)
        self.up5 = CSP(2 * c[3], c[4], 1, make, add=False)
        self.levels = nn.ModuleList(Level(one, c[2], num_classes, make) for one in c[2:])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, 3, H, W) to boxes (N, P, 4) xyxy in pixels and scores (N, P, C)."""
        c3 = self.dark3(self.dark2(self.stem(x)))
        c4 = self.dark4(c3)
        wide5 = self.lateral5(self.dark5(c4))
        p4 = self.down4(torch.cat([F.interpolate(wide5, scale_factor=2.0), c4], dim=1))
        wide4 = self.lateral4(p4)
        p3 = self.down3(torch.cat([F.interpolate(wide4, scale_factor=2.0), c3], dim=1))
        n4 = self.up4(torch.cat([self.to4(p3), wide4], dim=1))
        n5 = self.up5(torch.cat([self.to5(n4), wide5], dim=1))
        maps = [level(one) for level, one in zip(self.levels, (p3, n4, n5), strict=True)]
        classes, boxes, objectness = (rows(level) for level in zip(*maps, strict=True))
        points, strides = grid([one[0] for one in maps], _STRIDES, offset=0.0)
        middle = (boxes[..., :2] + points) * strides
        half = boxes[..., 2:].exp() * (strides / 2)
        scores = classes.sigmoid() * objectness.sigmoid()
        return torch.cat([middle - half, middle + half], dim=-1), scores


def yolox_nano(num_classes: int) -> YOLOX:
    """YOLOX-Nano, ``exps/default/yolox_nano.py``."""
    return YOLOX(0.25, num_classes, depthwise=True)


def yolox_tiny(num_classes: int) -> YOLOX:
    """YOLOX-Tiny, ``exps/default/yolox_tiny.py``."""
    return YOLOX(0.375, num_classes, depthwise=False)
