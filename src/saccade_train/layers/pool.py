"""Average pooling that stands in for a stride."""

from __future__ import annotations

from torch import nn

from saccade_train.layers.conv import Stride, pair

__all__ = ["stride_pool"]


def stride_pool(stride: Stride) -> nn.Module:
    """Average over cells of stride x stride; a cell cut by the edge averages what lies inside.

    Maps (N, C, H, W) to (N, C, H / stride, W / stride), sides rounded up. That is Paddle's padding
    SAME with the padding left out of the mean; odd sizes need the ceil mode. Stride 1 is the
    identity. (PaddleClas averages 2x2 at stride 1 too, which moves the map by half a pixel; no
    released vd network has such a stride.)
    """
    cell = pair(stride)
    if cell == (1, 1):
        return nn.Identity()
    return nn.AvgPool2d(cell, cell, ceil_mode=True, count_include_pad=False)
