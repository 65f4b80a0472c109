"""NanoDet-Plus-m and -m-1.5x: ShuffleNetV2 (arXiv 1807.11164), Ghost-PAN, a light head.

Facts from RangiLyu/nanodet (Apache-2.0): ``nanodet/model`` and ``config/nanodet-plus-m*.yml``. The
auxiliary head of its training is no part of what is deployed, and not counted in its table.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from peers import blocks
from peers.blocks import far_and_near, grid, rows
from saccade_train.heads.picodet import expected_distances

__all__ = ["NanoDetPlus", "nanodet_plus_m", "nanodet_plus_m_1_5x"]

_STRIDES = (8, 16, 32, 64)
_BINS = 8

_leaky = partial(nn.LeakyReLU, 0.1)
conv = partial(blocks.conv, act=_leaky)
linear = partial(blocks.conv, act=nn.Identity)
separable = partial(blocks.separable, act=_leaky)


def shuffle(x: Tensor) -> Tensor:
    """Let the channels of the two halves take turns."""
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Unit(nn.Module):
    """A unit of ShuffleNetV2 that keeps the size: half of the channels pass by."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            conv(half, half, 1), linear(half, half, 3, depthwise=True), conv(half, half, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        kept, used = x.chunk(2, dim=1)
        return shuffle(torch.cat([kept, self.branch(used)], dim=1))


class Halving(nn.Module):
    """A unit of ShuffleNetV2 that halves the sides: two branches."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.short = nn.Sequential(
            linear(in_channels, in_channels, 3, 2, depthwise=True), conv(in_channels, half, 1)
        )
        self.long = nn.Sequential(
            conv(in_channels, half, 1),
            linear(half, half, 3, 2, depthwise=True),
            conv(half, half, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / 2, W / 2)."""
        return shuffle(torch.cat([self.short(x), self.long(x)], dim=1))


class Ghost(nn.Module):
    """Half of the channels from a 1x1 convolution, half from a depthwise 3x3 one of these."""

    def __init__(self, in_channels: int, out_channels: int, *, act: bool) -> None:
        super().__init__()
        make = conv if act else linear
        self.primary = make(in_channels, out_channels // 2, 1)
        self.cheap = make(out_channels // 2, out_channels // 2, 3, depthwise=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        x = self.primary(x)
        return torch.cat([x, self.cheap(x)], dim=1)


class GhostBlock(nn.Module):
    """A ghost bottleneck (arXiv 1911.11907) from twice the channels; 5x5 on the short way."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.long = nn.Sequential(
            Ghost(2 * channels, channels, act=True), Ghost(channels, channels, act=False)
        )
        self.short = nn.Sequential(
            linear(2 * channels, 2 * channels, 5, depthwise=True), linear(2 * channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 2 * channels, H, W) to (N, channels, H, W)."""
        y: Tensor = self.long(x) + self.short(x)
        return y


class NanoDetPlus(nn.Module):
    """The whole network.

    Args:
        stages: channels of the three stages of ShuffleNetV2.
        channels: of neck and head.
        num_classes: C.
    """

    def __init__(self, stages: tuple[int, int, int], channels: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.stem = nn.Sequential(conv(3, 24, 3, 2), nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = nn.ModuleList(
            nn.Sequential(Halving(before, after), *(Unit(after) for _ in range(count)))
            for before, after, count in zip((24, *stages[:2]), stages, (3, 7, 3), strict=True)
        )
        self.reduce = nn.ModuleList(conv(one, channels, 1) for one in stages)
        self.down = nn.ModuleList(GhostBlock(channels) for _ in range(2))
        self.halve = nn.ModuleList(separable(channels, channels, 5, 2) for _ in range(2))
        self.up = nn.ModuleList(GhostBlock(channels) for _ in range(2))
        self.extra = nn.ModuleList(separable(channels, channels, 5, 2) for _ in range(2))
        self.towers = nn.ModuleList(
            nn.Sequential(*(separable(channels, channels, 5) for _ in range(2))) for _ in _STRIDES
        )
        self.predict = nn.ModuleList(
            nn.Conv2d(channels, num_classes + 4 * _BINS, 1) for _ in _STRIDES
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, 3, H, W) to boxes (N, P, 4) xyxy in pixels and scores (N, P, C)."""
        x = self.stem(x)
        inner = []
        for stage, reduce in zip(self.stages, self.reduce, strict=True):
            x = stage(x)
            inner.append(reduce(x))
        c3, c4, c5 = inner
        p4 = self.down[0](torch.cat([_larger(c5), c4], dim=1))
        p3 = self.down[1](torch.cat([_larger(p4), c3], dim=1))
        n4 = self.up[0](torch.cat([self.halve[0](p3), p4], dim=1))
        n5 = self.up[1](torch.cat([self.halve[1](n4), c5], dim=1))
        n6 = self.extra[0](c5) + self.extra[1](n5)
        maps = [
            predict(tower(one))
            for predict, tower, one in zip(self.predict, self.towers, (p3, n4, n5, n6), strict=True)
        ]
        joined = rows(maps)
        points, strides = grid(maps, _STRIDES, offset=0.0)
        distances = expected_distances(joined[..., self.num_classes :])
        boxes = far_and_near(points, distances) * strides
        return boxes, joined[..., : self.num_classes].sigmoid()


def nanodet_plus_m(num_classes: int) -> NanoDetPlus:
    """NanoDet-Plus-m, ``config/nanodet-plus-m_416.yml``."""
    return NanoDetPlus((116, 232, 464), 96, num_classes)


def nanodet_plus_m_1_5x(num_classes: int) -> NanoDetPlus:
    """NanoDet-Plus-m-1.5x, ``config/nanodet-plus-m-1.5x_416.yml``."""
    return NanoDetPlus((176, 352, 704), 128, num_classes)


def _larger(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
