"""What the peers have in common: convolutions with BatchNorm, and boxes read off a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from saccade_train.layers.conv import ConvBN

__all__ = ["Pools", "conv", "far_and_near", "grid", "rows", "separable"]

Activation = Callable[[], nn.Module]


def conv(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    *,
    depthwise: bool = False,
    act: Activation = nn.SiLU,
) -> nn.Module:
    """Make a convolution without bias, BatchNorm and an activation; sides shrink by ``stride``."""
    layer = ConvBN(in_channels, out_channels, kernel, stride, depthwise=depthwise)
    layer.act = act()
    return layer


def separable(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    *,
    act: Activation = nn.SiLU,
) -> nn.Module:
    """Make a depthwise convolution and a 1x1 one, BatchNorm and activation after each."""
    return nn.Sequential(
        conv(in_channels, in_channels, kernel, stride, depthwise=True, act=act),
        conv(in_channels, out_channels, 1, act=act),
    )


class Pools(nn.Module):
    """Spatial pyramid pooling: 1x1 to half the channels, maxima over 5, 9 and 13 cells, 1x1.

    A maximum over 9 is one over 5 of one over 5, and so on. YOLOX and RTMDet define three parallel
    pools, YOLOv8 this chain of three; they are equal, and the chain is faster.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = conv(channels, channels // 2, 1)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.join = conv(channels * 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        maps = [self.reduce(x)]
        for _ in range(3):
            maps.append(self.pool(maps[-1]))
        y: Tensor = self.join(torch.cat(maps, dim=1))
        return y


def rows(maps: Sequence[Tensor]) -> Tensor:
    """Join maps (N, C, H, W) to one row a cell, (N, P, C)."""
    return torch.cat([one.flatten(2) for one in maps], dim=2).transpose(1, 2)


def grid(maps: Sequence[Tensor], strides: Sequence[int], *, offset: float) -> tuple[Tensor, Tensor]:
    """Give the points of all cells, in cells, and the strides.

    Args:
        maps: (N, C, H, W) each.
        strides: of each map.
        offset: where in its cell a point lies: 0 at its corner, 0.5 in the middle.

    Returns:
        (P, 2), x and y, row by row; and (P, 1).
    """
    points, sizes = [], []
    for one, stride in zip(maps, strides, strict=True):
        x = torch.arange(one.shape[3], dtype=torch.float32, device=one.device) + offset
        y = torch.arange(one.shape[2], dtype=torch.float32, device=one.device) + offset
        down, across = torch.meshgrid(y, x, indexing="ij")
        points.append(torch.stack([across.flatten(), down.flatten()], dim=1))
        sizes.append(torch.full_like(points[-1][:, :1], float(stride)))
    return torch.cat(points), torch.cat(sizes)


def far_and_near(points: Tensor, distances: Tensor) -> Tensor:
    """Make boxes xyxy (N, P, 4) of points (P, 2) and distances to left, top, right, bottom."""
    near, far = distances.chunk(2, dim=-1)
    return torch.cat([points - near, points + far], dim=-1)
